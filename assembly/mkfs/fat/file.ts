/**
 * Content of files: a writer that takes bytes from start to end and names the file when it is
 * closed, and reading at an offset. Neither holds a file in memory.
 */
import { deviceQueueRead, deviceQueueWrite, deviceSubmit } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { allocate, allocateZeroed, release } from "../../engine/memory";
import { requestsBegin } from "../../engine/requests";
import { Reason, SECTOR_SHIFT } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  ATTRIBUTE_ARCHIVE,
  ATTRIBUTE_DIRECTORY,
  ENTRY_ATTRIBUTES,
  ENTRY_FILE_SIZE,
} from "../../format/fat32";
import { Directory, directorySector, directoryTouch, SECTOR_LATE } from "./base/directory";
import { entryCluster, entrySetCluster, entryStamp } from "./base/entries";
import {
  TABLE_ERROR,
  tableBroken,
  tableCode,
  tableFree,
  tableNext,
  tableTake,
  takenCluster,
} from "./base/table";
import { clusterSector, clusterSize, damaged, Fat, isCluster } from "./base/volume";
import { begin, commit, freeLater, latch } from "./commit";
import { addEntry, foundAt, foundDirectory, foundUnits, walk } from "./tree";

/** Small writes are gathered to this much, or to a cluster. */
const BUFFER_MIN: u32 = 65536;
const FILE_SIZE_MAX: u64 = 0xffffffff;

@unmanaged
export class Writer {
  fat: Fat;
  path: usize;
  pathLength: u32;
  /** What was written so far. */
  size: u64;
  first: u32;
  last: u32;
  buffer: usize;
  bufferSize: u32;
  filled: u32;
  /** Why a write failed: the writer can only be closed. */
  code: ErrorCode;
}

/** A writer for the file `path`; its directory must be there. Null after a fault. */
export function writerOpen(fat: Fat, path: usize, length: u32): Writer | null {
  const code = walk(fat, path, length);
  if (code === ErrorCode.OK && isDirectoryFound()) {
    failPlain(ErrorCode.EISDIR);
    return null;
  }
  if (code !== ErrorCode.OK && (code !== ErrorCode.ENOENT || foundDirectory === 0)) return null;
  if (begin(fat) !== ErrorCode.OK) return null;
  const address = allocateZeroed(offsetof<Writer>());
  const bufferSize = max<u32>(BUFFER_MIN, clusterSize(fat));
  const buffer = allocate(bufferSize);
  const copy = allocate(length);
  if (address === 0 || buffer === 0 || copy === 0) {
    release(address, offsetof<Writer>());
    release(buffer, bufferSize);
    release(copy, length);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const writer = changetype<Writer>(address);
  memory.copy(copy, path, length);
  writer.fat = fat;
  writer.path = copy;
  writer.pathLength = length;
  writer.buffer = buffer;
  writer.bufferSize = bufferSize;
  fat.users += 1;
  return writer;
}

function isDirectoryFound(): bool {
  if (foundUnits === 0) return true;
  const entry = changetype<Directory>(foundDirectory).data + foundAt;
  return (load<u8>(entry, ENTRY_ATTRIBUTES) & <u8>ATTRIBUTE_DIRECTORY) !== 0;
}

/** Appends `length` bytes. EFBIG past 4 GiB - 1; ENOSPC, EIO: the writer can only be closed. */
export function writerWrite(writer: Writer, address: usize, length: u32): ErrorCode {
  if (writer.code !== ErrorCode.OK) return failPlain(writer.code);
  if (writer.size + <u64>length > FILE_SIZE_MAX) return failPlain(ErrorCode.EFBIG);
  const mask = clusterSize(writer.fat) - 1;
  writer.size += <u64>length;
  while (length > 0 && writer.code === ErrorCode.OK) {
    let piece = length & ~mask;
    if (writer.filled === 0 && length >= writer.bufferSize) {
      writer.code = writeClusters(writer, address, piece);
    } else {
      piece = min<u32>(length, writer.bufferSize - writer.filled);
      memory.copy(writer.buffer + writer.filled, address, piece);
      writer.filled += piece;
      if (writer.filled === writer.bufferSize) writer.code = writeBuffer(writer);
    }
    address += piece;
    length -= piece;
  }
  return writer.code;
}

/** Writes the rest, then names the file, in place of one that has the name. Frees the writer. */
export function writerClose(writer: Writer): ErrorCode {
  if (writer.code === ErrorCode.OK && writer.filled > 0) writer.code = writeBuffer(writer);
  if (writer.code === ErrorCode.OK) writer.code = nameFile(writer);
  const code = writer.code;
  const undone = code === ErrorCode.OK ? code : writerAbort(writer);
  if (code === ErrorCode.OK) writerRelease(writer);
  return undone === ErrorCode.OK && code !== ErrorCode.OK ? failPlain(code) : code;
}

/** Gives back what was written and frees the writer. */
export function writerAbort(writer: Writer): ErrorCode {
  const fat = writer.fat;
  let code: ErrorCode = ErrorCode.OK;
  // No directory ever named the chain, so it may go at once.
  if (writer.first !== 0 && fat.latched === ErrorCode.OK) {
    code = latch(fat, tableFree(fat, writer.first));
    fat.changed = true;
  }
  writerRelease(writer);
  return code;
}

function writerRelease(writer: Writer): void {
  writer.fat.users -= 1;
  release(writer.buffer, writer.bufferSize);
  release(writer.path, writer.pathLength);
  release(changetype<usize>(writer), offsetof<Writer>());
}

/** Writes what the buffer holds, with zeros up to the end of the cluster. */
function writeBuffer(writer: Writer): ErrorCode {
  const mask = clusterSize(writer.fat) - 1;
  const whole = (writer.filled + mask) & ~mask;
  memory.fill(writer.buffer + writer.filled, 0, whole - writer.filled);
  writer.filled = 0;
  return writeClusters(writer, writer.buffer, whole);
}

/** Writes whole clusters behind the chain, neighbours in one request. */
function writeClusters(writer: Writer, address: usize, bytes: u32): ErrorCode {
  const fat = writer.fat;
  const code = begin(fat);
  if (code !== ErrorCode.OK) return code;
  let left = bytes >>> fat.clusterShift;
  if (left > fat.freeCount && fat.freesCount > 0) {
    const freed = commit(fat);
    if (freed !== ErrorCode.OK) return freed;
  }
  if (left > fat.freeCount) return failPlain(ErrorCode.ENOSPC);
  fat.changed = true;
  while (left > 0) {
    const taken = tableTake(fat, writer.last, left);
    if (taken < 0) return latch(fat, <ErrorCode>taken);
    if (writer.first === 0) writer.first = takenCluster;
    writer.last = takenCluster + <u32>taken - 1;
    left -= <u32>taken;
    const size = (<u32>taken) << fat.clusterShift;
    const start = clusterSector(fat, takenCluster);
    const written = writeRun(fat, start, address, size);
    if (written !== ErrorCode.OK) return latch(fat, written);
    address += size;
  }
  return ErrorCode.OK;
}

function writeRun(fat: Fat, sector: u64, address: usize, size: u32): ErrorCode {
  requestsBegin();
  const code = deviceQueueWrite(fat.device, sector, address, size);
  return code === ErrorCode.OK ? deviceSubmit(fat.device) : code;
}

/** Lets the name lead to the new chain. The old one is freed when that is durable. */
function nameFile(writer: Writer): ErrorCode {
  const fat = writer.fat;
  let code = begin(fat);
  if (code !== ErrorCode.OK) return code;
  code = walk(fat, writer.path, writer.pathLength);
  const exists = code === ErrorCode.OK;
  if (exists && isDirectoryFound()) return failPlain(ErrorCode.EISDIR);
  if (!exists && (code !== ErrorCode.ENOENT || foundDirectory === 0)) return code;
  const directory = changetype<Directory>(foundDirectory);
  let at = <i32>foundAt;
  if (!exists) at = addEntry(directory, foundUnits, ATTRIBUTE_ARCHIVE);
  if (at < 0) return <ErrorCode>at;
  const entry = directory.data + <u32>at;
  const old = exists ? entryCluster(entry) : 0;
  entrySetCluster(entry, writer.first);
  store<u32>(entry, <u32>writer.size, ENTRY_FILE_SIZE);
  store<u8>(entry, load<u8>(entry, ENTRY_ATTRIBUTES) | <u8>ATTRIBUTE_ARCHIVE, ENTRY_ATTRIBUTES);
  entryStamp(entry, fat.timestamp, !exists);
  directoryTouch(directory, at, SECTOR_LATE);
  return freeLater(fat, old);
}

/**
 * Reads `path` from `offset`, rounded down to a sector of 512, up to `length` bytes and whole
 * sectors, to `out`. Answers the bytes of the file from `offset` on that are there, 0 at its end.
 * `out` takes length + 1024 bytes.
 */
export function readFile(
  fat: Fat,
  path: usize,
  pathLength: u32,
  offset: u64,
  out: usize,
  length: u32,
): i32 {
  const code = walk(fat, path, pathLength);
  if (code !== ErrorCode.OK) return code;
  if (isDirectoryFound()) return failPlain(ErrorCode.EISDIR);
  const directory = changetype<Directory>(foundDirectory);
  const entry = directory.data + foundAt;
  const size = <u64>load<u32>(entry, ENTRY_FILE_SIZE);
  if (offset >= size || length === 0) return 0;
  const bytes = <u32>min<u64>(<u64>min<u32>(length, 0x7fffffff), size - offset);
  const first = entryCluster(entry);
  if (!isCluster(fat, first)) {
    return damaged(fat, Reason.FAT_CHAIN, directorySector(directory, foundAt), first);
  }
  const start = offset & ~511;
  const end = (offset + <u64>bytes + 511) & ~511;
  const done = readChain(fat, first, start, <u32>(end - start), out);
  return done === ErrorCode.OK ? <i32>bytes : done;
}

/** Reads `length` bytes, whole sectors, from `start` of the chain from `first`. */
function readChain(fat: Fat, first: u32, start: u64, length: u32, out: usize): ErrorCode {
  let index = <u32>(start >>> fat.clusterShift);
  let cluster = seek(fat, first, index);
  if (cluster === TABLE_ERROR) return tableCode;
  let skip = <u32>start & (clusterSize(fat) - 1);
  while (length > 0) {
    const runStart = cluster;
    let bytes = clusterSize(fat) - skip;
    while (bytes < length) {
      const next = tableNext(fat, cluster);
      if (next === TABLE_ERROR) return tableCode;
      if (next !== cluster + 1) break;
      cluster = next;
      index += 1;
      bytes += clusterSize(fat);
    }
    bytes = min<u32>(bytes, length);
    const sector = clusterSector(fat, runStart) + <u64>(skip >>> SECTOR_SHIFT);
    const code = readRun(fat, sector, out, bytes);
    if (code !== ErrorCode.OK) return code;
    out += bytes;
    length -= bytes;
    skip = 0;
    remember(fat, first, index, cluster);
    if (length === 0) break;
    cluster = step(fat, cluster);
    index += 1;
    if (cluster === TABLE_ERROR) return tableCode;
  }
  return ErrorCode.OK;
}

function readRun(fat: Fat, sector: u64, address: usize, size: u32): ErrorCode {
  requestsBegin();
  const code = deviceQueueRead(fat.device, sector, address, size);
  return code === ErrorCode.OK ? deviceSubmit(fat.device) : code;
}

/** Cluster number `index` of the chain from `first`, from where the last read stood if it can. */
function seek(fat: Fat, first: u32, index: u32): u32 {
  const known = fat.placeFirst === first && fat.placeRevision === fat.revision;
  const near = known && fat.placeIndex <= index;
  let cluster = near ? fat.placeCluster : first;
  for (let at: u32 = near ? fat.placeIndex : 0; at < index; at++) {
    cluster = step(fat, cluster);
    if (cluster === TABLE_ERROR) break;
  }
  return cluster;
}

function remember(fat: Fat, first: u32, index: u32, cluster: u32): void {
  fat.placeFirst = first;
  fat.placeIndex = index;
  fat.placeCluster = cluster;
  fat.placeRevision = fat.revision;
}

/** The next cluster of a file that must have one. */
function step(fat: Fat, cluster: u32): u32 {
  const next = tableNext(fat, cluster);
  if (next !== 0) return next;
  return tableBroken(fat, cluster);
}
