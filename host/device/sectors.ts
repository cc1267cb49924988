/**
 * Sectors of a device for the host's own use: what no format knows (blank checks, byte for byte
 * copies, the install journal). Everything with a structure goes through the core instead.
 *
 * Interface: a range is checked against the device before it is touched, pieces respect sizeMax,
 * and a request that does not end well is an error with the device's own as its cause.
 */
import { failure } from "../base/errors.ts";
import {
  type BlockDevice,
  type BlockRequest,
  Feature,
  RequestStatus,
  RequestType,
  request,
  SECTOR_SIZE,
} from "./device.ts";

/** WRITE_ZEROES may deallocate: an image stays sparse. */
const UNMAP = 1;
/** Bytes of one transfer: enough for a disk's speed, small enough to stop between two. */
export const PIECE_BYTES = 1 << 20;

/** Reads `sectors` from `first` into new memory. EIO, ERANGE. */
export function readSectors(device: BlockDevice, first: number, sectors: number): Uint8Array {
  inside(device, first, sectors, "read");
  return readInto(device, first, new Uint8Array(sectors * SECTOR_SIZE));
}

/** Fills `bytes`, whole sectors, from `first` on; answers `bytes`. EIO, ERANGE. */
export function readInto(device: BlockDevice, first: number, bytes: Uint8Array): Uint8Array {
  inside(device, first, bytes.length / SECTOR_SIZE, "read");
  run(device, "read", split(device, RequestType.IN, first, bytes));
  return bytes;
}

/** Writes whole sectors from `first`. EIO, ERANGE, EROFS. */
export function writeSectors(device: BlockDevice, first: number, bytes: Uint8Array): void {
  writable(device);
  inside(device, first, bytes.length / SECTOR_SIZE, "write");
  run(device, "write", split(device, RequestType.OUT, first, bytes));
}

/** Writes zeros over `sectors` from `first`, by WRITE_ZEROES where the device has it. */
export function zeroSectors(device: BlockDevice, first: number, sectors: number): void {
  writable(device);
  inside(device, first, sectors, "write");
  const { features, maxWriteZeroes } = device.config;
  const native = (features & Feature.WRITE_ZEROES) !== 0 && maxWriteZeroes > 0;
  const block = device.config.blkSize / SECTOR_SIZE;
  const most = native ? maxWriteZeroes - (maxWriteZeroes % block) : PIECE_BYTES / SECTOR_SIZE;
  for (let at = 0; at < sectors; at += most) {
    const count = Math.min(most, sectors - at);
    if (native) {
      const zeroes = request(RequestType.WRITE_ZEROES, first + at, NOTHING, count, UNMAP);
      run(device, "write", [zeroes]);
    } else {
      const zeros = new Uint8Array(count * SECTOR_SIZE);
      run(device, "write", split(device, RequestType.OUT, first + at, zeros));
    }
  }
}

/** Makes what was written durable; nothing to do where a device has no write cache. */
export function flushDevice(device: BlockDevice): void {
  if ((device.config.features & Feature.FLUSH) === 0) return;
  run(device, "flush", [request(RequestType.FLUSH, 0)]);
}

/** Calls `visit` with each piece of the range, in order; it stops when `visit` answers false. */
export function eachPiece(
  device: BlockDevice,
  first: number,
  sectors: number,
  visit: (bytes: Uint8Array, sector: number) => boolean,
): boolean {
  const step = PIECE_BYTES / SECTOR_SIZE;
  for (let at = 0; at < sectors; at += step) {
    const bytes = readSectors(device, first + at, Math.min(step, sectors - at));
    if (!visit(bytes, first + at)) return false;
  }
  return true;
}

/** True if no byte is set. */
export function isZero(bytes: Uint8Array): boolean {
  const whole = bytes.byteOffset % 8 === 0 ? bytes.length >>> 3 : 0;
  const words = new BigUint64Array(bytes.buffer, whole === 0 ? 0 : bytes.byteOffset, whole);
  for (let at = 0; at < whole; at++) if (words[at] !== 0n) return false;
  for (let at = whole * 8; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** True if the device refuses every write. */
export function isReadOnly(device: BlockDevice): boolean {
  return (device.config.features & Feature.RO) !== 0;
}

const NOTHING = new Uint8Array(0);

function writable(device: BlockDevice): void {
  if (!isReadOnly(device)) return;
  const path = device.name;
  throw failure("EROFS", "write", `'${path}' is read-only.`, { path });
}

function inside(device: BlockDevice, first: number, sectors: number, syscall: string): void {
  const { capacity } = device.config;
  const whole = Number.isSafeInteger(first) && Number.isSafeInteger(sectors);
  if (whole && first >= 0 && sectors >= 0 && first + sectors <= capacity) return;
  const path = device.name;
  const message = `LBA ${first}, ${sectors} sectors, lies outside '${path}' (${capacity} sectors).`;
  throw failure("ERANGE", syscall, message, { path });
}

function split(
  device: BlockDevice,
  type: RequestType,
  first: number,
  bytes: Uint8Array,
): BlockRequest[] {
  const { sizeMax, blkSize } = device.config;
  const most = sizeMax === 0 ? PIECE_BYTES : Math.max(blkSize, sizeMax - (sizeMax % blkSize));
  const requests: BlockRequest[] = [];
  for (let at = 0; at < bytes.length; at += most) {
    const piece = bytes.subarray(at, Math.min(bytes.length, at + most));
    requests.push(request(type, first + at / SECTOR_SIZE, piece));
  }
  return requests;
}

function run(device: BlockDevice, syscall: string, requests: readonly BlockRequest[]): void {
  device.submit(requests);
  for (const done of requests) {
    const moves = done.type === RequestType.IN || done.type === RequestType.OUT;
    if (done.status === RequestStatus.OK && (!moves || done.transferred === done.length)) continue;
    const reason = done.status === RequestStatus.OK ? "SHORT_TRANSFER" : "DEVICE_ERROR";
    const path = device.name;
    const fault = { reason, device: path, lba: done.sector };
    const message = `${syscall} of '${path}' failed at LBA ${done.sector}${because(done.cause)}.`;
    throw failure("EIO", syscall, message, { path, fault, cause: done.cause });
  }
}

function because(cause: unknown): string {
  return cause instanceof Error ? `: ${cause.message.replace(/\.$/, "")}` : "";
}
