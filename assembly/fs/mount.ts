/**
 * A mount: one filesystem as the calls of files.ts see it, whichever format it has. The questions
 * that path resolution and handles ask of both formats are answered here.
 *
 * Interface: inode 1 is the root in both. found* hold the answer of the last lookup.
 */
import { failPlain } from "../engine/fault";
import { allocateZeroed, release } from "../engine/memory";
import {
  FileSystemType,
  SECTOR_SIZE,
  STATFS_BLOCK_SIZE,
  STATFS_BLOCKS,
  STATFS_FILES,
  STATFS_SIZE,
  STATFS_TYPE,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import { FileType, SYMLINK_MAX } from "../format/wf";
import { Image, imageCloseAll } from "./ro/image";
import {
  imageAfter,
  imageLength,
  imageLookup,
  imageName,
  imageNameLength,
  imageParent,
  imageStat,
  imageType,
} from "./ro/lookup";
import { Content, contentClose, contentOpen, contentRead } from "./ro/read";
import { Findings, findingsRelease } from "./wf/check";

@unmanaged
export class Mount {
  type: FileSystemType;
  /** RO. */
  image: Image;
  /** Open handles: class Open of files.ts, linked. */
  opens: usize;
  /** Of the last check. */
  findings: Findings;
}

export let foundIno: u64 = 0;
export let foundType: u32 = 0;
export const foundName: usize = memory.data(256, 16);
export let foundNameLength: u32 = 0;

export function mountImage(image: Image): Mount | null {
  const address = allocateZeroed(offsetof<Mount>());
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const mount = changetype<Mount>(address);
  mount.type = FileSystemType.RO;
  mount.image = image;
  const findings = allocateZeroed(offsetof<Findings>());
  if (findings !== 0) {
    mount.findings = changetype<Findings>(findings);
    return mount;
  }
  failPlain(ErrorCode.ENOMEM);
  release(address, offsetof<Mount>());
  return null;
}

/** Releases the mount; its handles are closed already. */
export function mountClose(mount: Mount): void {
  if (mount.type === FileSystemType.RO) imageCloseAll(mount.image);
  findingsRelease(mount.findings);
  release(changetype<usize>(mount.findings), offsetof<Findings>());
  release(changetype<usize>(mount), offsetof<Mount>());
}

/** The entry `name` of directory `dir`: OK (foundIno, foundType), ENOENT, or damage. */
export function mountLookup(mount: Mount, dir: u64, name: usize, length: u32): ErrorCode {
  const number = imageLookup(mount.image, <u32>(dir - 1), name, length);
  if (number === 0) return ErrorCode.ENOENT;
  foundIno = <u64>number + 1;
  foundType = imageType(mount.image, number);
  return ErrorCode.OK;
}

/** The directory above directory `dir` in foundIno; the root's is the root. */
export function mountParent(mount: Mount, dir: u64): ErrorCode {
  foundIno = <u64>imageParent(mount.image, <u32>(dir - 1)) + 1;
  foundType = FileType.DIRECTORY;
  return ErrorCode.OK;
}

/** Copies the target of a symbolic link, at most SYMLINK_MAX bytes: its length or an error. */
export function mountReadlink(mount: Mount, ino: u64, out: usize): i32 {
  const node = <u32>(ino - 1);
  const content = contentOpen(mount.image, node);
  if (content === null) return ErrorCode.ENOMEM;
  const length = <u32>imageLength(mount.image, node);
  const got = contentRead(content, 0, out, min<u32>(length, SYMLINK_MAX));
  contentClose(content);
  return got;
}

/** Writes FILE_STAT of an inode. */
export function mountStat(mount: Mount, ino: u64, out: usize): ErrorCode {
  imageStat(mount.image, <u32>(ino - 1), out);
  return ErrorCode.OK;
}

/** The size of a file in bytes, or a negative errno. */
export function mountSize(mount: Mount, ino: u64): i64 {
  return <i64>imageLength(mount.image, <u32>(ino - 1));
}

/** The entry of directory `dir` after `name` (length 0: the first): found*, or ENOENT. */
export function mountNext(mount: Mount, dir: u64, name: usize, length: u32): ErrorCode {
  const image = mount.image;
  const number = imageAfter(image, <u32>(dir - 1), name, length);
  if (number === 0) return ErrorCode.ENOENT;
  foundIno = <u64>number + 1;
  foundType = imageType(image, number);
  foundNameLength = imageNameLength(image, number);
  memory.copy(foundName, imageName(image, number), foundNameLength);
  return ErrorCode.OK;
}

/**
 * Reads content: bytes, 0 at the end, or an error. `content` is the address of what the handle
 * knows of it.
 */
export function mountRead(
  mount: Mount,
  ino: u64,
  content: usize,
  from: u64,
  out: usize,
  length: u32,
): i32 {
  if (load<usize>(content) === 0) {
    const fresh = contentOpen(mount.image, <u32>(ino - 1));
    if (fresh === null) return ErrorCode.ENOMEM;
    store<usize>(content, changetype<usize>(fresh));
  }
  return contentRead(changetype<Content>(load<usize>(content)), from, out, length);
}

export function mountWrite(mount: Mount, ino: u64, to: u64, address: usize, length: u32): i32 {
  return failPlain(ErrorCode.EROFS);
}

export function mountResize(mount: Mount, ino: u64, size: u64): ErrorCode {
  return failPlain(ErrorCode.EROFS);
}

/** Notes that a handle is open on `ino`; false without memory. */
export function mountRetain(mount: Mount, ino: u64): bool {
  return true;
}

export function mountRelease(mount: Mount, ino: u64, content: usize): ErrorCode {
  if (content !== 0) contentClose(changetype<Content>(content));
  return ErrorCode.OK;
}

/** Rises when a batch is lost. */
export function mountGeneration(mount: Mount): u32 {
  return 0;
}

/** The directory (foundIno) and name by which `ino` can be reached; ENOENT if by none. */
export function mountReverse(mount: Mount, ino: u64): ErrorCode {
  const image = mount.image;
  if (ino < 2 || ino > <u64>image.nodes) return ErrorCode.ENOENT;
  const number = <u32>(ino - 1);
  foundIno = <u64>imageParent(image, number) + 1;
  foundNameLength = imageNameLength(image, number);
  memory.copy(foundName, imageName(image, number), foundNameLength);
  return ErrorCode.OK;
}

/** Writes FILE_STATFS of the mount. */
export function mountStatfs(mount: Mount, out: usize): void {
  memory.fill(out, 0, STATFS_SIZE);
  store<u32>(out, mount.type, STATFS_TYPE);
  store<u32>(out, SECTOR_SIZE, STATFS_BLOCK_SIZE);
  store<u64>(out, mount.image.sectors, STATFS_BLOCKS);
  store<u64>(out, <u64>mount.image.nodes, STATFS_FILES);
}
