/** What the kernel says of the running system, behind one interface: tests give their own. */
import { realpathSync, statSync } from "node:fs";
import { textOf, unescaped } from "../install/target.ts";

export interface SystemView {
  /** Folder with a folder for each block device: `/sys/block`. */
  readonly blockFolder: string;
  /** Text of `/proc/self/mountinfo`; "" where there is none. */
  mounts(): string;
  /** Text of `/proc/swaps`. */
  swaps(): string;
  /** Follows links of a path; the path itself where it leads nowhere. */
  resolve(path: string): string;
  /** "major:minor" of the filesystem that holds a file, or of a device node itself. */
  deviceOf(path: string): string | undefined;
}

export const thisSystem: SystemView = {
  blockFolder: "/sys/block",
  mounts: () => textOf("/proc/self/mountinfo"),
  swaps: () => textOf("/proc/swaps"),
  resolve(path) {
    try {
      return realpathSync(path);
    } catch {
      return path;
    }
  },
  deviceOf(path) {
    try {
      const stats = statSync(path);
      return numbersOf(stats.isBlockDevice() ? stats.rdev : stats.dev);
    } catch {
      return undefined;
    }
  },
};

/** Linux splits 64 bits: 12 bits of major in the middle, minor around them. */
function numbersOf(dev: number): string {
  const major = Math.floor(dev / 256) % 4096;
  const minor = (dev % 256) + Math.floor(dev / 2 ** 20) * 256;
  return `${major}:${minor}`;
}

export interface Mount {
  /** "major:minor"; of a filesystem that spans disks a number that no disk has. */
  readonly device: string;
  readonly at: string;
  /** What was mounted: a device node, or any word. */
  readonly source: string;
}

/** The rows of a mountinfo table; rows of another form are passed over. */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [front = "", back = ""] = line.split(" - ");
    const [, , device = "", , at = ""] = front.split(" ");
    const [, source = ""] = back.split(" ");
    return at === "" ? [] : [{ device, at: unescaped(at), source: unescaped(source) }];
  });
}

/** Device nodes and files that are swapped to. */
export function parseSwaps(text: string): string[] {
  const rows = text.split("\n").slice(1);
  return rows.map((row) => unescaped(row.split(/\s/)[0] ?? "")).filter((path) => path !== "");
}
