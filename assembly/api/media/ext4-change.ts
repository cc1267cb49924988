/** ABI: changes volumes of ext4. */
import { failPlain, lastFault } from "../../engine/fault";
import {
  HandleKind,
  handleClose,
  handleObject,
  handleOpen,
  handleRequire,
} from "../../engine/handles";
import { ErrorCode } from "../../format/errors";
import { changeEnd, commit } from "../../mkfs/ext4/change/base/commit";
import { changeClose, changeOf, refusalOf } from "../../mkfs/ext4/change/base/open";
import { Change } from "../../mkfs/ext4/change/base/state";
import {
  Writer,
  writerClose,
  writerEnd,
  writerOpen,
  writerWrite,
} from "../../mkfs/ext4/change/file";
import { makeDirectory, makeLink } from "../../mkfs/ext4/change/make";
import { removeEntry } from "../../mkfs/ext4/change/remove";
import { renameEntry } from "../../mkfs/ext4/change/rename";
import { Ext4 } from "../../mkfs/ext4/read/volume";

/** Why a volume, however it was opened, is not changed: an Ext4Refusal, 0 where it is. */
export function ext4Refusal(volume: u32): i32 {
  const ext4 = changetype<Ext4>(handleRequire(volume, HandleKind.EXT4));
  return ext4 === null ? ErrorCode.EBADF : refusalOf(ext4);
}

/** Begins to change a volume: OK, or why it is not changed, an Ext4Refusal in the fault. */
export function ext4ChangeBegin(volume: u32): i32 {
  return changeFor(volume) === null ? lastFault() : ErrorCode.OK;
}

/** Makes all changes so far durable. */
export function ext4Commit(volume: u32): i32 {
  const ext4 = changetype<Ext4>(handleRequire(volume, HandleKind.EXT4));
  if (ext4 === null) return ErrorCode.EBADF;
  return ext4.change === 0 ? ErrorCode.OK : commit(changetype<Change>(ext4.change));
}

/** ext4Commit, and the volume is as one that was unmounted. EBUSY while a file is written. */
export function ext4ChangeEnd(volume: u32): i32 {
  const ext4 = changetype<Ext4>(handleRequire(volume, HandleKind.EXT4));
  if (ext4 === null) return ErrorCode.EBADF;
  if (ext4.change === 0) return ErrorCode.OK;
  const change = changetype<Change>(ext4.change);
  if (change.isWriting) return failPlain(ErrorCode.EBUSY);
  const code = changeEnd(change);
  changeClose(ext4);
  return code;
}

/** Begins to write a file, new or in place of one, through links: a handle. */
export function ext4WriterOpen(volume: u32, path: usize, length: u32): i32 {
  const change = changeFor(volume);
  if (change === null) return lastFault();
  const writer = writerOpen(change, path, length);
  if (writer === null) return lastFault();
  const handle = handleOpen(HandleKind.EXT4_WRITER, changetype<usize>(writer));
  if (handle < 0) writerClose(writer);
  return handle;
}

/** Appends content. */
export function ext4WriterWrite(writer: u32, address: usize, length: u32): i32 {
  const object = changetype<Writer>(handleRequire(writer, HandleKind.EXT4_WRITER));
  return object === null ? ErrorCode.EBADF : writerWrite(object, address, length);
}

/** The file is whole: its name leads to the new content from here on. The handle is closed. */
export function ext4WriterEnd(writer: u32): i32 {
  const object = changetype<Writer>(handleRequire(writer, HandleKind.EXT4_WRITER));
  if (object === null) return ErrorCode.EBADF;
  const code = writerEnd(object);
  handleClose(writer);
  writerClose(object);
  return code;
}

/** Ends a writer without a file: nothing is changed. */
export function ext4WriterAbort(writer: u32): void {
  const object = handleObject(writer, HandleKind.EXT4_WRITER);
  if (object === 0) return;
  handleClose(writer);
  writerClose(changetype<Writer>(object));
}

/** Makes a directory; `recursive`: with those above it, and it may be there already. */
export function ext4Mkdir(volume: u32, path: usize, length: u32, recursive: u32): i32 {
  const change = changeFor(volume);
  return change === null ? lastFault() : makeDirectory(change, path, length, recursive !== 0);
}

/** Makes a symbolic link to `target`. */
export function ext4Symlink(
  volume: u32,
  target: usize,
  targetLength: u32,
  path: usize,
  length: u32,
): i32 {
  const change = changeFor(volume);
  return change === null ? lastFault() : makeLink(change, target, targetLength, path, length);
}

/** Removes a file, a link or an empty directory. */
export function ext4Remove(volume: u32, path: usize, length: u32): i32 {
  const change = changeFor(volume);
  return change === null ? lastFault() : removeEntry(change, path, length);
}

/** Renames, over a file or an empty directory that is there. */
export function ext4Rename(
  volume: u32,
  from: usize,
  fromLength: u32,
  to: usize,
  toLength: u32,
): i32 {
  const change = changeFor(volume);
  return change === null ? lastFault() : renameEntry(change, from, fromLength, to, toLength);
}

function changeFor(volume: u32): Change | null {
  const ext4 = changetype<Ext4>(handleRequire(volume, HandleKind.EXT4));
  return ext4 === null ? null : changeOf(ext4);
}
