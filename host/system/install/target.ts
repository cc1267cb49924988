/**
 * The target of an installation as it is found: what is on it, who uses it, whether it is the
 * medium itself under another name.
 */
import type { Stats } from "node:fs";
import { StorageError } from "../../base/errors.ts";
import { node } from "../../base/platform/node.ts";
import { type GptTable, isBlank, probe, readGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { isReadOnly } from "../../device/sectors.ts";
import { PartsDevice } from "../image/parts.ts";
import { caposPartitions } from "../image/split.ts";
import type { TargetContent, TargetDevice } from "./plan.ts";

const MOUNTS = "/proc/self/mounts";
const SWAPS = "/proc/swaps";

/** The target by what it is, whatever lies on it; writes nothing. */
export function identifyTarget(target: BlockDevice, source: BlockDevice): TargetDevice {
  return {
    name: target.name,
    sectors: target.config.capacity,
    blockSize: target.config.blkSize,
    readOnly: isReadOnly(target),
    isSource: isSameStorage(target, source),
    busy: userOf(target.name),
  };
}

/** What lies on the target; writes nothing. */
export function examineTarget(core: Core, target: BlockDevice): TargetContent {
  const id = core.attach(target);
  try {
    const table = tableOf(core, id);
    const blank = isBlank(core, id);
    return {
      blank,
      content: blank ? "nothing" : describeContent(core, id, table),
      installed: table !== undefined && isInstalled(table, target.name),
    };
  } finally {
    core.detach(id);
  }
}

/** True if both are one storage: the same object, file (by any name or link) or device node. */
export function isSameStorage(one: BlockDevice, other: BlockDevice): boolean {
  if (one === other) return true;
  const others = storagePaths(other).flatMap(statsOf);
  return storagePaths(one)
    .flatMap(statsOf)
    .some((stats) => others.some((otherStats) => isSameFile(stats, otherStats)));
}

/** True if two paths lead to one file, by a link of either kind, or to one device node. */
export function isSamePath(one: string, other: string): boolean {
  const [first] = statsOf(one);
  const [second] = statsOf(other);
  return first !== undefined && second !== undefined && isSameFile(first, second);
}

/** Who uses a device node: "mounted at /mnt". Undefined for files and free devices. */
export function userOf(path: string): string | undefined {
  const [stats] = statsOf(path);
  if (!stats?.isBlockDevice()) return undefined;
  return userIn(realOf(path), textOf(MOUNTS), textOf(SWAPS), realOf);
}

/** The same from the text of the kernel's tables; `resolve` follows links of device names. */
export function userIn(
  disk: string,
  mounts: string,
  swaps: string,
  resolve: (path: string) => string,
): string | undefined {
  const isUsed = (node: string) => node.startsWith("/dev/") && isPartOf(disk, resolve(node));
  for (const line of mounts.split("\n")) {
    const [node = "", at = ""] = line.split(" ").map(unescaped);
    if (isUsed(node)) return `mounted at ${at}`;
  }
  const swapped = swaps.split("\n").some((line) => isUsed(unescaped(line.split(/\s/)[0] ?? "")));
  return swapped ? "used as swap" : undefined;
}

function storagePaths(device: BlockDevice): readonly string[] {
  return device instanceof PartsDevice ? device.parts.map((part) => part.name) : [device.name];
}

function statsOf(path: string): Stats[] {
  try {
    const stats = node.fs.statSync(path, { throwIfNoEntry: false });
    return stats === undefined ? [] : [stats];
  } catch {
    // A name that is no path of this machine, or a machine without paths: "memory", a URL.
    return [];
  }
}

function isSameFile(one: Stats, other: Stats): boolean {
  if (one.isBlockDevice() && other.isBlockDevice()) return one.rdev === other.rdev;
  return one.dev === other.dev && one.ino === other.ino;
}

/** True if `node` is the disk `disk` or a partition of it: /dev/sda1, /dev/nvme0n1p2. */
function isPartOf(disk: string, node: string): boolean {
  if (!node.startsWith(disk)) return false;
  // A disk whose name ends in a digit has its partitions behind a "p".
  const number = /\d$/.test(disk) ? /^p\d+$/ : /^\d+$/;
  return node === disk || number.test(node.slice(disk.length));
}

/** Spaces and their kind stand as octal numbers in the kernel's tables: "\040". */
export function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Where the path leads; itself where it leads nowhere. */
export function realOf(path: string): string {
  try {
    return node.fs.realpathSync(path);
  } catch {
    return path;
  }
}

/** The text of a file; none where it cannot be read. */
export function textOf(path: string): string {
  try {
    return node.fs.readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function tableOf(core: Core, id: number): GptTable | undefined {
  try {
    return readGpt(core, id, { lenient: true });
  } catch (error) {
    if (error instanceof StorageError && error.code !== "EIO") return undefined;
    throw error;
  }
}

function isInstalled(table: GptTable, name: string): boolean {
  try {
    caposPartitions(table, name);
    return true;
  } catch (error) {
    if (error instanceof StorageError) return false;
    throw error;
  }
}

/** What is there, in words. */
export function describeContent(core: Core, id: number, table: GptTable | undefined): string {
  if (table !== undefined) {
    const { length } = table.partitions;
    return `a partition table with ${length} partition${length === 1 ? "" : "s"}`;
  }
  const found = probe(core, id);
  return found === null ? "data" : `a signature of '${found}'`;
}
