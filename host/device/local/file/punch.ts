/**
 * Holes in files, by util-linux `fallocate`: Node has no call for them.
 *
 * Starting a process costs about two milliseconds, so this is for large ranges only.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export type PunchMode = "--punch-hole" | "--zero-range";

let tool: string | undefined;
let searched = false;

/** The path of `fallocate`, if this system has it. Nothing is started to find out. */
export function fallocateTool(): string | undefined {
  if (!searched) {
    searched = true;
    const folders = process.platform === "linux" ? (process.env.PATH ?? "").split(delimiter) : [];
    tool = folders.map((folder) => join(folder, "fallocate")).find(isExecutable);
  }
  return tool;
}

/** Punches or zeroes a range of the open file; false if this tool or filesystem cannot. */
export function punch(fd: number, mode: PunchMode, offset: number, length: number): boolean {
  const path = fallocateTool();
  if (path === undefined) return false;
  const range = ["--keep-size", "--offset", `${offset}`, "--length", `${length}`];
  // The child gets the open file itself: the path may have another file behind it by now.
  const result = spawnSync(path, [mode, ...range, "/proc/self/fd/3"], {
    stdio: ["ignore", "ignore", "ignore", fd],
  });
  return result.status === 0;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
