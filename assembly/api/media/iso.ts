/** ABI: ISO 9660 volumes: open, list, read. */
import { isCount } from "../../engine/bytes";
import { failPlain, lastFault } from "../../engine/fault";
import { HandleKind, handleClose, handleOpen, handleRequire } from "../../engine/handles";
import { ErrorCode } from "../../format/errors";
import {
  ISO_INFO_BOOT_SECTOR,
  ISO_INFO_BOOT_SECTORS,
  ISO_INFO_LABEL,
  ISO_INFO_LABEL_LENGTH,
  ISO_INFO_NAMES,
  ISO_INFO_SECTORS,
  ISO_INFO_SIZE,
  ISO_STAT_ROOM,
  IsoNames,
} from "../../format/media/calls";
import { BLOCK_SECTORS } from "../../format/media/iso";
import { bootFind, bootSector, bootSectors } from "../../mkfs/iso/boot";
import { File, fileClose, fileOpen, fileRead } from "../../mkfs/iso/file";
import { labelOf } from "../../mkfs/iso/names";
import {
  chooseNames,
  listHere,
  statEntry,
  statRoot,
  walk,
  walkDirectory,
} from "../../mkfs/iso/tree";
import { Iso, isoCloseAll, isoForget, isoOpenOn } from "../../mkfs/iso/volume";

/**
 * Opens the volume in a window of a device, by IsoNames `names`: a handle, or EMEDIUMTYPE, EBADMSG,
 * EOPNOTSUPP (no such names), EIO.
 */
export function isoOpen(device: u32, base: f64, sectors: f64, names: u32): i32 {
  if (!isCount(base) || !isCount(sectors) || names > <u32>IsoNames.BEST) {
    return failPlain(ErrorCode.EINVAL);
  }
  const iso = isoOpenOn(device, <u64>base, <u64>sectors);
  if (iso === null) return lastFault();
  const code = chooseNames(iso, names);
  if (code !== ErrorCode.OK) {
    isoCloseAll(iso);
    return code;
  }
  const handle = handleOpen(HandleKind.ISO, changetype<usize>(iso));
  if (handle < 0) isoCloseAll(iso);
  return handle;
}

/** Closes a volume. EBUSY while a file is open. */
export function isoClose(volume: u32): i32 {
  const iso = isoOf(volume);
  if (iso === null) return ErrorCode.EBADF;
  if (iso.users > 0) return failPlain(ErrorCode.EBUSY);
  handleClose(volume);
  isoCloseAll(iso);
  return ErrorCode.OK;
}

/** Writes ISO_INFO. EBADMSG: the boot catalog is wrong. */
export function isoInfo(volume: u32, out: usize): i32 {
  const iso = isoOf(volume);
  if (iso === null) return ErrorCode.EBADF;
  const found = bootFind(iso);
  if (found < 0) return found;
  memory.fill(out, 0, ISO_INFO_SIZE);
  store<f64>(out, <f64>iso.space * <f64>BLOCK_SECTORS, ISO_INFO_SECTORS);
  store<f64>(out, <f64>bootSector(), ISO_INFO_BOOT_SECTOR);
  store<f64>(out, <f64>bootSectors(), ISO_INFO_BOOT_SECTORS);
  store<u32>(out, iso.names, ISO_INFO_NAMES);
  store<u32>(out, labelOf(iso.label, out + ISO_INFO_LABEL), ISO_INFO_LABEL_LENGTH);
  return ErrorCode.OK;
}

/** Writes ISO_STAT, name and target of an entry to `out`, ISO_STAT_ROOM bytes. */
export function isoStat(volume: u32, path: usize, length: u32, out: usize): i32 {
  const iso = isoOf(volume);
  if (iso === null) return ErrorCode.EBADF;
  const type = walk(iso, path, length);
  if (type < 0) return type;
  if (type === 0) statRoot(iso, out);
  else statEntry(out);
  return ErrorCode.OK;
}

/**
 * Lists a directory from `from` on (0, then `next` of the last record): as many records as surely
 * fit into `size` bytes. Answers their number, 0: no more.
 */
export function isoList(
  volume: u32,
  path: usize,
  length: u32,
  from: u32,
  out: usize,
  size: u32,
): i32 {
  const iso = isoOf(volume);
  if (iso === null) return ErrorCode.EBADF;
  if (size < ISO_STAT_ROOM) return failPlain(ErrorCode.EINVAL);
  const code = walkDirectory(iso, path, length);
  return code === ErrorCode.OK ? listHere(iso, from, out, size) : code;
}

/** Opens a file: a handle. ENOENT, EISDIR, ELOOP (a link), EBADMSG. */
export function isoFileOpen(volume: u32, path: usize, length: u32): i32 {
  const iso = isoOf(volume);
  if (iso === null) return ErrorCode.EBADF;
  const file = fileOpen(iso, path, length);
  if (file === null) return lastFault();
  const handle = handleOpen(HandleKind.ISO_FILE, changetype<usize>(file));
  if (handle < 0) fileClose(file);
  return handle;
}

/** Up to `length` bytes from `offset` to `out`: how many; 0 from the end on. */
export function isoFileRead(file: u32, offset: f64, out: usize, length: u32): i32 {
  const object = changetype<File>(handleRequire(file, HandleKind.ISO_FILE));
  if (object === null) return ErrorCode.EBADF;
  if (!isCount(offset) || length > 0x7fffffff) return failPlain(ErrorCode.EINVAL);
  return fileRead(object, <u64>offset, out, length);
}

/** Bytes of an open file. */
export function isoFileBytes(file: u32): f64 {
  const object = changetype<File>(handleRequire(file, HandleKind.ISO_FILE));
  return object === null ? <f64>ErrorCode.EBADF : <f64>object.bytes;
}

export function isoFileClose(file: u32): i32 {
  const object = changetype<File>(handleRequire(file, HandleKind.ISO_FILE));
  if (object === null) return ErrorCode.EBADF;
  handleClose(file);
  fileClose(object);
  return ErrorCode.OK;
}

/** The volume of a handle; what it remembers of the medium ends with the last call. */
function isoOf(volume: u32): Iso | null {
  const iso = changetype<Iso>(handleRequire(volume, HandleKind.ISO));
  if (iso !== null) isoForget(iso);
  return iso;
}
