/**
 * A mount: one filesystem as the calls see it, whichever format it has. What handles and path
 * resolution ask of both formats is answered here.
 *
 * Interface: inode 1 is the root in both. found* hold the answer of the last lookup.
 */
import { failPlain } from "../engine/fault";
import { allocateZeroed, release } from "../engine/memory";
import { FileSystemType } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { FileType, INO_ROOT, INODE_LENGTH, INODE_PARENT, SYMLINK_MAX } from "../format/wf";
import { volumeAbort, volumeHook } from "../tree/commit";
import { Volume } from "../tree/pages/volume";
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
import { linkTarget } from "./wf/dir";
import { inodeReclaim, reclaimAll } from "./wf/free";
import { fileRead, readClose } from "./wf/read";
import { dataClose, dataFlush, dataForget } from "./wf/records/data";
import {
  backFirst,
  direntGet,
  direntIno,
  direntMore,
  direntName,
  direntNameLength,
  direntNext,
  direntType,
} from "./wf/records/dirent";
import { Findings, findingsRelease } from "./wf/records/findings";
import {
  inode,
  inodeGet,
  inodeStat,
  Wf,
  wfClose,
  wfOpen,
  wfRelease,
  wfRetain,
} from "./wf/records/wf";
import { fileWrite } from "./wf/write";

@unmanaged
export class Mount {
  type: FileSystemType;
  /** RO. */
  image: Image;
  /** WF. */
  wf: Wf;
  /** Open handles: class Open of files.ts, linked. */
  opens: usize;
  /** Of the last check. */
  findings: Findings;
}

/** A mount, and behind it its findings. */
const MOUNT_ROOM: u32 = offsetof<Mount>() + offsetof<Findings>();

export let foundIno: u64 = 0;
export let foundType: u32 = 0;
/** Where the name stands: valid until the next lookup. */
export let foundName: usize = 0;
export let foundNameLength: u32 = 0;

export function mountImage(image: Image): Mount | null {
  const mount = mountNew(FileSystemType.RO);
  if (mount !== null) mount.image = image;
  return mount;
}

/** Mounts the filesystem of a volume, whose hooks it takes; null after a fault. */
export function mountVolume(volume: Volume): Mount | null {
  const wf = wfOpen(volume);
  if (wf === null) return null;
  const mount = mountNew(FileSystemType.WF);
  if (mount === null) {
    wfClose(wf);
    return null;
  }
  mount.wf = wf;
  volumeHook(volume, wfHook, changetype<usize>(wf));
  return mount;
}

function wfHook(context: usize, aborted: bool): ErrorCode {
  const wf = changetype<Wf>(context);
  wf.whole = false;
  if (!aborted) return dataFlush(wf);
  dataForget(wf);
  return ErrorCode.OK;
}

function mountNew(type: FileSystemType): Mount | null {
  const address = allocateZeroed(MOUNT_ROOM);
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const mount = changetype<Mount>(address);
  mount.type = type;
  mount.findings = changetype<Findings>(address + offsetof<Mount>());
  return mount;
}

/** Releases the mount; its handles are closed already. What waits is written, not committed. */
export function mountClose(mount: Mount): void {
  if (mount.type === FileSystemType.RO) {
    imageCloseAll(mount.image);
  } else {
    const wf = mount.wf;
    if (dataFlush(wf) !== ErrorCode.OK) volumeAbort(wf.volume);
    wf.volume.hook = 0;
    readClose(wf);
    dataClose(wf);
    wfClose(wf);
  }
  findingsRelease(mount.findings);
  release(changetype<usize>(mount), MOUNT_ROOM);
}

/** The entry `name` of directory `dir`: OK (foundIno, foundType), ENOENT, or damage. */
export function mountLookup(mount: Mount, dir: u64, name: usize, length: u32): ErrorCode {
  if (mount.type === FileSystemType.WF) {
    const code = direntGet(mount.wf, dir, name, length);
    foundIno = direntIno;
    foundType = direntType;
    return code;
  }
  const number = imageLookup(mount.image, <u32>(dir - 1), name, length);
  if (number === 0) return ErrorCode.ENOENT;
  foundIno = <u64>number + 1;
  foundType = imageType(mount.image, number);
  return ErrorCode.OK;
}

/** The directory above directory `dir` in foundIno; the root's is the root. */
export function mountParent(mount: Mount, dir: u64): ErrorCode {
  foundType = FileType.DIRECTORY;
  if (mount.type === FileSystemType.RO) {
    foundIno = <u64>imageParent(mount.image, <u32>(dir - 1)) + 1;
    return ErrorCode.OK;
  }
  foundIno = <u64>INO_ROOT;
  if (dir === <u64>INO_ROOT) return ErrorCode.OK;
  const code = inodeGet(mount.wf, dir, inode);
  foundIno = load<u64>(inode, INODE_PARENT);
  return code;
}

/** Copies the target of a symbolic link, at most SYMLINK_MAX bytes: its length or an error. */
export function mountReadlink(mount: Mount, ino: u64, out: usize): i32 {
  if (mount.type === FileSystemType.WF) return linkTarget(mount.wf, ino, out);
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
  if (mount.type === FileSystemType.WF) {
    const code = inodeGet(mount.wf, ino, inode);
    if (code === ErrorCode.OK) inodeStat(inode, ino, out);
    return code;
  }
  imageStat(mount.image, <u32>(ino - 1), out);
  return ErrorCode.OK;
}

/** The size of a file in bytes, or a negative errno. */
export function mountSize(mount: Mount, ino: u64): i64 {
  if (mount.type === FileSystemType.RO) return <i64>imageLength(mount.image, <u32>(ino - 1));
  const code = inodeGet(mount.wf, ino, inode);
  return code === ErrorCode.OK ? <i64>load<u64>(inode, INODE_LENGTH) : code;
}

/**
 * The entry of directory `dir` after `name` (length 0: the first): found*, or ENOENT. `goesOn`: the
 * call before was this one's predecessor.
 */
export function mountNext(
  mount: Mount,
  dir: u64,
  name: usize,
  length: u32,
  goesOn: bool,
): ErrorCode {
  if (mount.type === FileSystemType.WF) {
    const wf = mount.wf;
    const code = goesOn ? direntMore(wf, dir) : direntNext(wf, dir, name, length);
    if (code === ErrorCode.OK) takeDirent();
    return code;
  }
  const image = mount.image;
  const number = imageAfter(image, <u32>(dir - 1), name, length);
  if (number === 0) return ErrorCode.ENOENT;
  foundIno = <u64>number + 1;
  foundType = imageType(image, number);
  foundNameLength = imageNameLength(image, number);
  foundName = imageName(image, number);
  return ErrorCode.OK;
}

function takeDirent(): void {
  foundIno = direntIno;
  foundType = direntType;
  foundNameLength = direntNameLength;
  foundName = direntName;
}

/** The directory (foundIno) and name by which `ino` can be reached; ENOENT if by none. */
export function mountReverse(mount: Mount, ino: u64): ErrorCode {
  if (mount.type === FileSystemType.WF) {
    const code = backFirst(mount.wf, ino);
    if (code === ErrorCode.OK) takeDirent();
    return code;
  }
  const image = mount.image;
  if (ino < 2 || ino > <u64>image.nodes) return ErrorCode.ENOENT;
  const number = <u32>(ino - 1);
  foundIno = <u64>imageParent(image, number) + 1;
  foundNameLength = imageNameLength(image, number);
  foundName = imageName(image, number);
  return ErrorCode.OK;
}

/**
 * Reads content: bytes, 0 at the end, or an error. `content` is the address of what the handle of
 * an image knows of it.
 */
export function mountRead(
  mount: Mount,
  ino: u64,
  content: usize,
  from: u64,
  out: usize,
  length: u32,
): i32 {
  if (mount.type === FileSystemType.WF) return fileRead(mount.wf, ino, from, out, length);
  if (load<usize>(content) === 0) {
    const fresh = contentOpen(mount.image, <u32>(ino - 1));
    if (fresh === null) return ErrorCode.ENOMEM;
    store<usize>(content, changetype<usize>(fresh));
  }
  return contentRead(changetype<Content>(load<usize>(content)), from, out, length);
}

export function mountWrite(mount: Mount, ino: u64, to: u64, address: usize, length: u32): i32 {
  const code = mountBegin(mount);
  return code === ErrorCode.OK ? fileWrite(mount.wf, ino, to, address, length) : code;
}

/** Before any change: EROFS for an image; goes on with what was queued before this mount. */
export function mountBegin(mount: Mount): ErrorCode {
  if (mount.type === FileSystemType.RO) return failPlain(ErrorCode.EROFS);
  const wf = mount.wf;
  if (!wf.reclaims) return ErrorCode.OK;
  const code = reclaimAll(wf);
  // What cannot be freed stays queued; it is no reason to refuse another change.
  return code === ErrorCode.EIO || code === ErrorCode.ESTALE || code === ErrorCode.EROFS
    ? code
    : ErrorCode.OK;
}

/** Notes that a handle is open on `ino`; false without memory. */
export function mountRetain(mount: Mount, ino: u64): bool {
  return mount.type === FileSystemType.RO || wfRetain(mount.wf, ino);
}

/** A handle is closed: an inode that has lost its last name meanwhile is freed. */
export function mountRelease(mount: Mount, ino: u64, content: usize): ErrorCode {
  if (mount.type === FileSystemType.RO) {
    if (content !== 0) contentClose(changetype<Content>(content));
    return ErrorCode.OK;
  }
  if (!wfRelease(mount.wf, ino)) return ErrorCode.OK;
  const code = inodeReclaim(mount.wf, ino);
  // It stays queued: the next mount frees it.
  return code === ErrorCode.EIO ? code : ErrorCode.OK;
}

/** Rises when a batch is lost. */
export function mountGeneration(mount: Mount): u32 {
  return mount.type === FileSystemType.RO ? 0 : mount.wf.volume.generation;
}
