/** ABI: FAT32: format, write, read, check. */
import { isCount } from "../engine/bytes";
import { failPlain, lastFault } from "../engine/fault";
import { HandleKind, handleClose, handleOpen, handleRequire } from "../engine/handles";
import { ErrorCode } from "../format/errors";
import {
  FAT_SPACE_CLUSTER_SIZE,
  FAT_SPACE_CLUSTERS,
  FAT_SPACE_FREE,
  FAT_SPACE_LABEL,
  FAT_SPACE_READ_ONLY,
  FAT_SPACE_SERIAL,
  FAT_STAT_ROOM,
  LABEL_SIZE,
} from "../format/fat32";
import { tableCount, tableOpen } from "../mkfs/fat/base/table";
import { clusterSize, Fat, fatOpen as open } from "../mkfs/fat/base/volume";
import { makeDirectory, removeEntry, renameEntry } from "../mkfs/fat/change";
import { fatCheck as check } from "../mkfs/fat/check/check";
import { findingAt, findingsCount, findingsEnd } from "../mkfs/fat/check/findings";
import { fatClose as close, commit, flush } from "../mkfs/fat/commit";
import {
  readFile,
  Writer,
  writerAbort,
  writerClose,
  writerOpen,
  writerWrite,
} from "../mkfs/fat/file";
import { fatFormat as format } from "../mkfs/fat/format";
import { listDirectory, statFound, walk, walkDirectory } from "../mkfs/fat/tree";

/**
 * Formats sectors [base, base + sectors) of a device; `label`: 11 bytes padded with spaces;
 * `timestamp`: ms since 1970.
 */
export function fatFormat(
  device: u32,
  base: f64,
  sectors: f64,
  serial: u32,
  clusterBytes: u32,
  timestamp: f64,
  label: usize,
): i32 {
  if (!isCount(base) || !isCount(sectors)) return failPlain(ErrorCode.EINVAL);
  return format(device, <u64>base, <u64>sectors, serial, clusterBytes, timestamp, label);
}

/** Opens a volume; `timestamp` NaN: the host's clock. A handle, or EMEDIUMTYPE, EBADMSG, EIO. */
export function fatOpen(device: u32, base: f64, sectors: f64, readOnly: bool, timestamp: f64): i32 {
  if (!isCount(base) || !isCount(sectors)) return failPlain(ErrorCode.EINVAL);
  const fat = open(device, <u64>base, <u64>sectors, readOnly, timestamp);
  if (fat === null) return lastFault();
  if (tableOpen(fat) !== ErrorCode.OK) {
    close(fat);
    return failPlain(ErrorCode.ENOMEM);
  }
  const handle = handleOpen(HandleKind.FAT, changetype<usize>(fat));
  if (handle < 0) close(fat);
  return handle;
}

/** Releases a volume without writing what is not flushed. EBUSY while a writer is open. */
export function fatClose(volume: u32): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  if (fat.users > 0) return failPlain(ErrorCode.EBUSY);
  handleClose(volume);
  close(fat);
  return ErrorCode.OK;
}

/** Makes everything durable and the volume clean. */
export function fatFlush(volume: u32): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  return fat === null ? ErrorCode.EBADF : flush(fat);
}

/** Writes FAT_SPACE to `out`; `count`: with the free clusters, for which all of the FAT is read. */
export function fatSpace(volume: u32, out: usize, count: bool): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  let code = count ? tableCount(fat) : ErrorCode.OK;
  // What is removed is free once that is committed.
  if (code === ErrorCode.OK && count && fat.freesCount > 0) code = commit(fat);
  if (code !== ErrorCode.OK) return code;
  store<u32>(out, clusterSize(fat), FAT_SPACE_CLUSTER_SIZE);
  store<u32>(out, fat.clusters, FAT_SPACE_CLUSTERS);
  store<u32>(out, fat.freeCount, FAT_SPACE_FREE);
  store<u32>(out, fat.serial, FAT_SPACE_SERIAL);
  memory.copy(out + FAT_SPACE_LABEL, fat.label, LABEL_SIZE);
  store<u8>(out, fat.readOnly ? 1 : 0, FAT_SPACE_READ_ONLY);
  return ErrorCode.OK;
}

/** Writes FAT_STAT and the name to `out`, FAT_STAT_ROOM bytes. */
export function fatStat(volume: u32, path: usize, length: u32, out: usize): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  const code = walk(fat, path, length);
  if (code === ErrorCode.OK) statFound(fat, out);
  return code;
}

/**
 * Lists a directory from `from` on (0, then `next` of the last record): as many records of FAT_STAT
 * with their names, padded to 8 bytes, as fit into `size` bytes. Answers their number, 0: no more.
 */
export function fatList(
  volume: u32,
  path: usize,
  length: u32,
  from: u32,
  out: usize,
  size: u32,
): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  if (size < FAT_STAT_ROOM) return failPlain(ErrorCode.EINVAL);
  const directory = walkDirectory(fat, path, length);
  return directory === null ? <i32>lastFault() : <i32>listDirectory(directory, from, out, size);
}

/**
 * Reads from `offset`, rounded down to 512, to `out`, which takes length + 1024 bytes. Answers the
 * bytes from `offset` on that were read, 0 at the end of the file.
 */
export function fatRead(
  volume: u32,
  path: usize,
  pathLength: u32,
  offset: f64,
  out: usize,
  length: u32,
): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  if (!isCount(offset)) return failPlain(ErrorCode.EINVAL);
  return readFile(fat, path, pathLength, <u64>offset, out, length);
}

/** A writer for a file: a handle for fatWrite, fatWriterClose, fatWriterAbort. */
export function fatCreate(volume: u32, path: usize, length: u32): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  const writer = writerOpen(fat, path, length);
  if (writer === null) return lastFault();
  const handle = handleOpen(HandleKind.FAT_WRITER, changetype<usize>(writer));
  if (handle < 0) writerAbort(writer);
  return handle;
}

export function fatWrite(writer: u32, address: usize, length: u32): i32 {
  const object = changetype<Writer>(handleRequire(writer, HandleKind.FAT_WRITER));
  return object === null ? ErrorCode.EBADF : writerWrite(object, address, length);
}

export function fatWriterClose(writer: u32): i32 {
  const object = changetype<Writer>(handleRequire(writer, HandleKind.FAT_WRITER));
  if (object === null) return ErrorCode.EBADF;
  handleClose(writer);
  return writerClose(object);
}

export function fatWriterAbort(writer: u32): i32 {
  const object = changetype<Writer>(handleRequire(writer, HandleKind.FAT_WRITER));
  if (object === null) return ErrorCode.EBADF;
  handleClose(writer);
  return writerAbort(object);
}

export function fatMkdir(volume: u32, path: usize, length: u32, recursive: bool): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  return fat === null ? ErrorCode.EBADF : makeDirectory(fat, path, length, recursive);
}

export function fatRemove(volume: u32, path: usize, length: u32): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  return fat === null ? ErrorCode.EBADF : removeEntry(fat, path, length);
}

export function fatRename(
  volume: u32,
  from: usize,
  fromLength: u32,
  to: usize,
  toLength: u32,
): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  return renameEntry(fat, from, fromLength, to, toLength);
}

/** Checks the volume, after a commit if there is something to commit. The number of findings. */
export function fatCheck(volume: u32): i32 {
  const fat = changetype<Fat>(handleRequire(volume, HandleKind.FAT));
  if (fat === null) return ErrorCode.EBADF;
  const code = fat.latched === ErrorCode.OK ? flush(fat) : ErrorCode.EIO;
  return code === ErrorCode.OK ? check(fat) : code;
}

/** Address of FAT_FINDING `index` of the last check, or EINVAL. */
export function fatFinding(index: u32): usize {
  return index < findingsCount() ? findingAt(index) : 0;
}

/** Releases the findings of the last check. */
export function fatCheckEnd(): void {
  findingsEnd();
}
