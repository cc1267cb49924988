/** ABI: volumes of ext2, ext3 and ext4: open, list, read. */
import { isCount } from "../../engine/bytes";
import { failPlain, lastFault } from "../../engine/fault";
import { HandleKind, handleClose, handleOpen, handleRequire } from "../../engine/handles";
import { ErrorCode } from "../../format/errors";
import { EXT4_STAT_ROOM } from "../../format/media/calls-ext4";
import { MODE_DIRECTORY, MODE_FILE } from "../../format/media/ext4-inode";
import { changeClose } from "../../mkfs/ext4/change/base/open";
import { Change } from "../../mkfs/ext4/change/base/state";
import { infoWrite } from "../../mkfs/ext4/entries/info";
import { listHere, statWrite } from "../../mkfs/ext4/entries/stat";
import { xattrsRead } from "../../mkfs/ext4/entries/xattrs";
import { journalReplay } from "../../mkfs/ext4/journal/replay";
import { File, fileClose, fileOpen, fileRead } from "../../mkfs/ext4/read/file";
import { ext4CloseAll, ext4OpenOn } from "../../mkfs/ext4/read/open";
import { walk, walkDirectory } from "../../mkfs/ext4/read/path";
import { Ext4 } from "../../mkfs/ext4/read/volume";

/**
 * Opens the volume in a window of a device and replays its journal: into memory where nothing may
 * be written, else onto the disk. A handle, or EMEDIUMTYPE, EBADMSG, EOPNOTSUPP, ENOMEM, EIO.
 */
export function ext4Open(device: u32, base: f64, sectors: f64, readOnly: u32): i32 {
  if (!isCount(base) || !isCount(sectors)) return failPlain(ErrorCode.EINVAL);
  const ext4 = ext4OpenOn(device, <u64>base, <u64>sectors, readOnly !== 0);
  if (ext4 === null) return lastFault();
  const code = journalReplay(ext4);
  if (code !== ErrorCode.OK) {
    ext4CloseAll(ext4);
    return code;
  }
  const handle = handleOpen(HandleKind.EXT4, changetype<usize>(ext4));
  if (handle < 0) ext4CloseAll(ext4);
  return handle;
}

/** Closes a volume; what was changed and not committed is lost. EBUSY while a file is open. */
export function ext4Close(volume: u32): i32 {
  const ext4 = ext4Of(volume);
  if (ext4 === null) return ErrorCode.EBADF;
  if (ext4.users > 0 || isWritten(ext4)) return failPlain(ErrorCode.EBUSY);
  handleClose(volume);
  changeClose(ext4);
  ext4CloseAll(ext4);
  return ErrorCode.OK;
}

/** Writes EXT4_INFO. */
export function ext4Info(volume: u32, out: usize): i32 {
  const ext4 = ext4Of(volume);
  if (ext4 === null) return ErrorCode.EBADF;
  infoWrite(ext4, out);
  return ErrorCode.OK;
}

/** Writes EXT4_STAT and target of an entry to `out`, EXT4_STAT_ROOM bytes. */
export function ext4Stat(volume: u32, path: usize, length: u32, follow: u32, out: usize): i32 {
  const ext4 = ext4Of(volume);
  if (ext4 === null) return ErrorCode.EBADF;
  const code = walk(ext4, path, length, follow !== 0);
  if (code !== ErrorCode.OK) return code;
  const written = statWrite(ext4, ext4.node, out, 0, out);
  return written < 0 ? written : ErrorCode.OK;
}

/**
 * Lists a directory from `from` on (0, then `next` of the last record): as many records as surely
 * fit into `size` bytes. Answers their number, 0: no more. "." and ".." are left out.
 */
export function ext4List(
  volume: u32,
  path: usize,
  length: u32,
  from: f64,
  out: usize,
  size: u32,
): i32 {
  const ext4 = ext4Of(volume);
  if (ext4 === null) return ErrorCode.EBADF;
  if (size < EXT4_STAT_ROOM || !isCount(from)) return failPlain(ErrorCode.EINVAL);
  const code = walkDirectory(ext4, path, length);
  return code === ErrorCode.OK ? listHere(ext4, <u64>from, out, size) : code;
}

/** Writes EXT4_XATTR records of an entry to `out`: their bytes. ERANGE: there is no room. */
export function ext4Xattrs(
  volume: u32,
  path: usize,
  length: u32,
  follow: u32,
  out: usize,
  size: u32,
): i32 {
  const ext4 = ext4Of(volume);
  if (ext4 === null) return ErrorCode.EBADF;
  const code = walk(ext4, path, length, follow !== 0);
  return code === ErrorCode.OK ? xattrsRead(ext4, ext4.node, out, size) : code;
}

/** Opens a file, through links: a handle. ENOENT, EISDIR, EINVAL (no file), EBADMSG. */
export function ext4FileOpen(volume: u32, path: usize, length: u32): i32 {
  const ext4 = ext4Of(volume);
  if (ext4 === null) return ErrorCode.EBADF;
  const code = walk(ext4, path, length, true);
  if (code !== ErrorCode.OK) return code;
  const type = ext4.node.type;
  if (type !== MODE_FILE) {
    return failPlain(type === MODE_DIRECTORY ? ErrorCode.EISDIR : ErrorCode.EINVAL);
  }
  const file = fileOpen(ext4, ext4.node);
  if (file === null) return lastFault();
  const handle = handleOpen(HandleKind.EXT4_FILE, changetype<usize>(file));
  if (handle < 0) fileClose(file);
  return handle;
}

/** Up to `length` bytes from `offset` to `out`: how many; 0 from the end on. */
export function ext4FileRead(file: u32, offset: f64, out: usize, length: u32): i32 {
  const object = changetype<File>(handleRequire(file, HandleKind.EXT4_FILE));
  if (object === null) return ErrorCode.EBADF;
  if (!isCount(offset) || length > 0x7fffffff) return failPlain(ErrorCode.EINVAL);
  return fileRead(object, <u64>offset, out, length);
}

/** Bytes of an open file. */
export function ext4FileBytes(file: u32): f64 {
  const object = changetype<File>(handleRequire(file, HandleKind.EXT4_FILE));
  return object === null ? <f64>ErrorCode.EBADF : <f64>object.inode.size;
}

export function ext4FileClose(file: u32): i32 {
  const object = changetype<File>(handleRequire(file, HandleKind.EXT4_FILE));
  if (object === null) return ErrorCode.EBADF;
  handleClose(file);
  fileClose(object);
  return ErrorCode.OK;
}

/** True while a file is being written. */
function isWritten(ext4: Ext4): bool {
  return ext4.change !== 0 && changetype<Change>(ext4.change).isWriting;
}

function ext4Of(volume: u32): Ext4 | null {
  return changetype<Ext4>(handleRequire(volume, HandleKind.EXT4));
}
