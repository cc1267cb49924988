/**
 * Everything that an ext4 volume says of its files beside their content, against what was to be
 * written: kind, size, mode, owner, time, target, device, extended attributes, and which names are
 * one file. The volume is read folder by folder; a name too many or too few is a difference too.
 */
import type { Ext4Found, Ext4Read } from "../plan/ext4.ts";
import type { ImageEntry } from "../source/entry.ts";

/** The builder's own folder at the root. */
const LOST_FOUND = "lost+found";

type Kind = Ext4Found["kind"];

/** What can be asked of one name; what is undefined is not compared. */
export interface Attributes {
  readonly kind?: Kind | undefined;
  readonly sizeBytes?: number | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mtimeNs?: bigint | undefined;
  readonly target?: string | undefined;
  readonly device?: ImageEntry["device"];
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Names that the file has. */
  readonly links?: number | undefined;
}

/** One name, as it must be and as it is, in words; undefined where both are the same. */
export function differenceOf(
  due: Attributes,
  found: Ext4Found,
  xattrsOf: () => ReadonlyMap<string, Uint8Array>,
): string | undefined {
  const { kind, sizeBytes, mode, uid, gid, mtimeNs, target, device, xattrs, links } = due;
  const differs = <T>(one: T | undefined, other: T) => one !== undefined && one !== other;
  if (differs(kind, found.kind)) return `is a ${found.kind}, not a ${kind}`;
  if (kind === "file" && differs(sizeBytes, found.sizeBytes)) {
    return `has ${found.sizeBytes} bytes, not ${sizeBytes}`;
  }
  if (differs(target, found.target)) return `leads to '${found.target}', not to '${target}'`;
  if (differs(mode, found.mode)) return `has mode ${octal(found.mode)}, not ${octal(mode)}`;
  if (differs(uid, found.uid) || differs(gid, found.gid)) {
    return `belongs to ${found.uid}:${found.gid}, not to ${uid}:${gid}`;
  }
  if (differs(mtimeNs, found.mtimeNs)) {
    return `was changed at ${found.mtimeNs} ns, not at ${mtimeNs} ns`;
  }
  if (device !== undefined) {
    const [is, was] = [numbers(found.device), numbers(device)];
    if (is !== was) return `is device ${is}, not ${was}`;
  }
  if (differs(links, found.links)) return `has ${found.links} names, not ${links}`;
  return xattrs === undefined ? undefined : xattrDifference(xattrs, xattrsOf());
}

/** The first difference of a whole volume, in words, with its path; content is not read. */
export function volumeDifference(
  volume: Ext4Read,
  entries: readonly ImageEntry[],
): string | undefined {
  const folders = foldersOf(entries);
  const links = linksOf(entries);
  const inodes = new Map<string, number>();
  for (const [folder, names] of folders) {
    let known = 0;
    for (const found of volume.list(folder)) {
      const path = pathIn(folder, found.name);
      if (!names.has(found.name)) {
        if (path === LOST_FOUND) continue;
        return `'${path}' is there and was not written`;
      }
      known++;
      const entry = names.get(found.name);
      const shared = links.get(entry?.kind === "link" ? (entry.target ?? "") : path);
      if (shared !== undefined) inodes.set(path, found.inode);
      const due = dueOf(entry, shared);
      const why = differenceOf(due, found, () => volume.xattrs(path));
      if (why !== undefined) return `'${path}' ${why}`;
    }
    if (known === names.size) continue;
    const there = new Set(volume.list(folder).map(({ name }) => name));
    const missing = [...names.keys()].find((name) => !there.has(name)) ?? "";
    return `'${pathIn(folder, missing)}' is not there`;
  }
  for (const { kind, path, target = "" } of entries) {
    if (kind !== "link" || inodes.get(path) === inodes.get(target)) continue;
    return `'${path}' is not the file '${target}' by another name`;
  }
  return undefined;
}

/** Entries by folder and name; a folder that has no entry of its own stands there as undefined. */
function foldersOf(entries: readonly ImageEntry[]) {
  const folders = new Map<string, Map<string, ImageEntry | undefined>>([["", new Map()]]);
  const folderAt = (path: string): Map<string, ImageEntry | undefined> => {
    const known = folders.get(path);
    if (known !== undefined) return known;
    const made = new Map<string, ImageEntry | undefined>();
    folders.set(path, made);
    const { above, name } = split(path);
    const names = folderAt(above);
    if (!names.has(name)) names.set(name, undefined);
    return made;
  };
  for (const entry of entries) {
    const { above, name } = split(entry.path);
    folderAt(above).set(name, entry);
    if (entry.kind === "directory") folderAt(entry.path);
  }
  return folders;
}

/** Names of each file that has more than one, by the path of the file itself. */
export function linksOf(entries: readonly ImageEntry[]): Map<string, number> {
  const links = new Map<string, number>();
  for (const { kind, target = "" } of entries) {
    if (kind === "link") links.set(target, (links.get(target) ?? 1) + 1);
  }
  return links;
}

function dueOf(entry: ImageEntry | undefined, links: number | undefined): Attributes {
  if (entry === undefined) return { kind: "directory" };
  const { kind, sizeBytes, mode, uid, gid, mtimeNs, target, device } = entry;
  // The attributes of a hard link are those of its file, which is compared under its own name.
  if (kind === "link") return { kind: "file", links };
  const { xattrs = NO_XATTRS } = entry;
  const isFile = kind === "file";
  const common = { kind, sizeBytes, mode, uid, gid, mtimeNs, device, xattrs };
  return { ...common, target, links: isFile ? (links ?? 1) : undefined };
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

function xattrDifference(
  due: ReadonlyMap<string, Uint8Array>,
  found: ReadonlyMap<string, Uint8Array>,
): string | undefined {
  for (const [name, value] of due) {
    const other = found.get(name);
    if (other === undefined) return `has no attribute '${name}'`;
    if (Buffer.compare(other, value) !== 0) return `has another value of the attribute '${name}'`;
  }
  for (const name of found.keys()) {
    if (!due.has(name)) return `has the attribute '${name}', which was not written`;
  }
  return undefined;
}

function pathIn(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

function split(path: string): { above: string; name: string } {
  const end = path.lastIndexOf("/");
  return { above: path.slice(0, Math.max(0, end)), name: path.slice(end + 1) };
}

function octal(mode: number | undefined): string {
  return (mode ?? 0).toString(8).padStart(4, "0");
}

function numbers(device: ImageEntry["device"]): string {
  return device === undefined ? "none" : `${device.major}:${device.minor}`;
}
