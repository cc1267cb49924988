/**
 * Paths: from the root, component by component, through symbolic links. "." and ".." are resolved
 * against the tree, as POSIX has it: what stands before them must be a directory that exists.
 */
import { allocate } from "../engine/memory";
import { LINKS_FOLLOWED_MAX, PATH_LENGTH_MAX } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { DEPTH_MAX, FileType, INO_ROOT, NAME_MAX, SYMLINK_MAX } from "../format/wf";
import { foundIno, foundType, Mount, mountLookup, mountParent, mountReadlink } from "./mount";

/** What to do with a symbolic link at the end of a path. */
export enum Follow {
  /** It is what the path means, also where the path ends in "/": for changes of names. */
  NEVER = 0,
  /** It is followed where the path ends in "/". */
  SLASH = 1,
  ALWAYS = 2,
}

/** How a path ended. */
export enum Last {
  NAME = 0,
  /** The root itself. */
  ROOT = 1,
  DOT = 2,
  DOT_DOT = 3,
}

/** Where a path leads. */
@unmanaged
export class Resolved {
  last: Last;
  /** What is there; 0 = nothing yet. */
  ino: u64;
  type: u32;
  /** The directory and name of the last component (Last.NAME). */
  parent: u64;
  nameLength: u32;
  /** NAME_MAX bytes. */
  name: usize;
  /** The path ends in "/": only a directory will do. */
  wantsDirectory: bool;
  /** Components from the root. */
  depth: u32;
}

const SLASH: u8 = 0x2f;
const DOT: u8 = 0x2e;
const WORK_SIZE: u32 = PATH_LENGTH_MAX + SYMLINK_MAX + 2;

/** The rest of the path, at the end of the block, so that a link's target can go before it. */
const work: usize = allocate(8192);
/** The target of a link: for whoever asks for one. */
export const target: usize = allocate(1024);
const first: usize = memory.data(64, 16);
const second: usize = memory.data(64, 16);
const firstName: usize = allocate(256);
const secondName: usize = allocate(256);

/** The two places for results: rename and link need both at once. */
export function resolvedFirst(): Resolved {
  const resolved = changetype<Resolved>(first);
  resolved.name = firstName;
  return resolved;
}

export function resolvedSecond(): Resolved {
  const resolved = changetype<Resolved>(second);
  resolved.name = secondName;
  return resolved;
}

/**
 * Resolves a path. OK also where its last component does not exist (`out.ino` 0): then its
 * directory does. A path that ends in "/" says so in `out.wantsDirectory`. ENOENT, ENOTDIR, ELOOP,
 * ENAMETOOLONG, EINVAL (NUL), or damage.
 */
export function resolve(
  mount: Mount,
  path: usize,
  length: u32,
  follow: Follow,
  out: Resolved,
): ErrorCode {
  if (length === 0) return ErrorCode.ENOENT;
  if (length > PATH_LENGTH_MAX) return ErrorCode.ENAMETOOLONG;
  let at = work + WORK_SIZE - length;
  const end = work + WORK_SIZE;
  memory.copy(at, path, length);
  let links: u32 = 0;
  out.last = Last.ROOT;
  out.ino = <u64>INO_ROOT;
  out.type = FileType.DIRECTORY;
  out.wantsDirectory = false;
  out.depth = 0;
  while (true) {
    while (at < end && load<u8>(at) === SLASH) at += 1;
    if (at === end) return ErrorCode.OK;
    const name = at;
    while (at < end && load<u8>(at) !== SLASH) {
      if (load<u8>(at) === 0) return ErrorCode.EINVAL;
      at += 1;
    }
    const size = <u32>(at - name);
    if (size > NAME_MAX) return ErrorCode.ENAMETOOLONG;
    const slashed = at < end;
    while (at < end && load<u8>(at) === SLASH) at += 1;
    const isLast = at === end;
    if (out.type !== FileType.DIRECTORY) return ErrorCode.ENOTDIR;
    let code = step(mount, name, size, out);
    if (code === ErrorCode.ENOENT && isLast) {
      out.wantsDirectory = slashed;
      return ErrorCode.OK;
    }
    if (code !== ErrorCode.OK) return code;
    if (
      out.type === FileType.SYMLINK &&
      (!isLast || follow === Follow.ALWAYS || (slashed && follow === Follow.SLASH))
    ) {
      links += 1;
      if (links > LINKS_FOLLOWED_MAX) return ErrorCode.ELOOP;
      const got = mountReadlink(mount, out.ino, target);
      if (got < 0) return got;
      if (got === 0) return ErrorCode.ENOENT;
      // The target goes before the rest, with the slash that stood between them.
      if (slashed) {
        at -= 1;
        store<u8>(at, SLASH);
      }
      if (<u32>(end - at) + <u32>got > PATH_LENGTH_MAX) return ErrorCode.ENAMETOOLONG;
      at -= <usize>got;
      memory.copy(at, target, <usize>got);
      code = restart(out, load<u8>(at) === SLASH);
      if (code !== ErrorCode.OK) return code;
      continue;
    }
    if (!isLast) continue;
    out.wantsDirectory = slashed;
    return ErrorCode.OK;
  }
}

/** A link's target starts at the root, or in the directory that holds the link. */
function restart(out: Resolved, fromRoot: bool): ErrorCode {
  out.type = FileType.DIRECTORY;
  if (fromRoot) {
    out.last = Last.ROOT;
    out.ino = <u64>INO_ROOT;
    out.depth = 0;
    return ErrorCode.OK;
  }
  out.ino = out.parent;
  out.depth -= 1;
  return ErrorCode.OK;
}

/** Goes from `out`, a directory, to its entry. ENOENT leaves parent and name of what is missing. */
function step(mount: Mount, name: usize, size: u32, out: Resolved): ErrorCode {
  if (size === 1 && load<u8>(name) === DOT) {
    out.last = Last.DOT;
    return ErrorCode.OK;
  }
  if (size === 2 && load<u8>(name) === DOT && load<u8>(name, 1) === DOT) {
    out.last = Last.DOT_DOT;
    const code = mountParent(mount, out.ino);
    if (code !== ErrorCode.OK) return code;
    out.ino = foundIno;
    if (out.depth > 0) out.depth -= 1;
    return ErrorCode.OK;
  }
  if (out.depth >= DEPTH_MAX) return ErrorCode.ENAMETOOLONG;
  const dir = out.ino;
  const code = mountLookup(mount, dir, name, size);
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) return code;
  out.depth += 1;
  out.last = Last.NAME;
  out.parent = dir;
  out.nameLength = size;
  memory.copy(out.name, name, size);
  out.ino = code === ErrorCode.OK ? foundIno : 0;
  out.type = code === ErrorCode.OK ? foundType : 0;
  return code;
}
if (offsetof<Resolved>() > 64) ERROR("the places for results are too small");
if (WORK_SIZE > 8192) ERROR("the work block is too small");
