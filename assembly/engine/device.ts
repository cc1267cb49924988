/**
 * A window of one device: the only way to sectors. Every range is checked here, once, and the
 * window's
 * start is added here, once.
 *
 * Interface: sectors are 512 bytes and count from the window's start. Reads may start at any
 * sector;
 * writes must be whole blocks of `blockSize`. Nothing is retried.
 */
import {
  CONFIG_BLK_SIZE,
  CONFIG_CAPACITY,
  CONFIG_FEATURES,
  CONFIG_MAX_DISCARD,
  CONFIG_MAX_WRITE_ZEROES,
  CONFIG_SIZE,
  CONFIG_SIZE_MAX,
  FEATURE_BLK_SIZE,
  FEATURE_DISCARD,
  FEATURE_FLUSH,
  FEATURE_RO,
  FEATURE_WRITE_ZEROES,
  Reason,
  RequestType,
  SECTOR_SHIFT,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import { fail, failPlain } from "./fault";
import { config } from "./host";
import { allocate, release } from "./memory";
import { requestAdd, requestsBegin, requestsFull, requestsSubmit } from "./requests";

/** Largest single transfer in bytes where the device names no limit of its own. */
const TRANSFER_MAX: u32 = 1 << 22;
/** Zeros for devices without WRITE_ZEROES: one write at a time. */
const ZEROS_SIZE: u32 = 65536;
const BLOCK_LARGE: u32 = 4096;

const configuration: usize = memory.data(64, 8);
const bounce: usize = allocate(4096);
let zeros: usize = 0;

@unmanaged
export class Device {
  /** The host's number for it. */
  id: u32;
  features: u32;
  /** Logical block in bytes: 512 or 4096. */
  blockSize: u32;
  transferMax: u32;
  maxDiscard: u32;
  maxWriteZeroes: u32;
  /** First sector of the window on the device. */
  base: u64;
  /** Sectors in the window. */
  sectors: u64;
  readOnly: bool;
}

/**
 * Opens a window of `sectors` from `base`; 0 sectors means to the end of the device.
 * Answers 0 after a fault: ENOENT, EINVAL (block size), ERANGE, ENOMEM.
 */
export function deviceOpen(id: u32, base: u64, sectors: u64, readOnly: bool): Device | null {
  const result = config(id, configuration);
  if (result < 0) {
    fail(<ErrorCode>result, Reason.DEVICE_ERROR, id, 0, 0);
    return null;
  }
  const features = load<u32>(configuration, CONFIG_FEATURES);
  const hasBlockSize = (features & FEATURE_BLK_SIZE) !== 0;
  const blockSize: u32 = hasBlockSize ? load<u32>(configuration, CONFIG_BLK_SIZE) : 512;
  if (blockSize !== 512 && blockSize !== BLOCK_LARGE) {
    fail(ErrorCode.EINVAL, Reason.BLOCK_SIZE, id, 0, blockSize);
    return null;
  }
  const capacity = load<u64>(configuration, CONFIG_CAPACITY);
  if (base > capacity || sectors > capacity - base) {
    fail(ErrorCode.ERANGE, Reason.CAPACITY, id, base, 0);
    return null;
  }
  const blockMask = <u64>(blockSize >>> SECTOR_SHIFT) - 1;
  if ((base & blockMask) !== 0) {
    fail(ErrorCode.EINVAL, Reason.MISALIGNED, id, base, blockSize);
    return null;
  }
  const address = allocate(offsetof<Device>());
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const device = changetype<Device>(address);
  device.id = id;
  device.features = features;
  device.blockSize = blockSize;
  const sizeMax = load<u32>(configuration, CONFIG_SIZE_MAX) & ~(blockSize - 1);
  device.transferMax = sizeMax === 0 || sizeMax > TRANSFER_MAX ? TRANSFER_MAX : sizeMax;
  device.maxDiscard = load<u32>(configuration, CONFIG_MAX_DISCARD);
  device.maxWriteZeroes = load<u32>(configuration, CONFIG_MAX_WRITE_ZEROES);
  device.base = base;
  device.sectors = (sectors === 0 ? capacity - base : sectors) & ~blockMask;
  device.readOnly = readOnly || (features & FEATURE_RO) !== 0;
  return device;
}

export function deviceClose(device: Device): void {
  release(changetype<usize>(device), offsetof<Device>());
}

/** Records a failure at `sector` of the window and returns `code`. */
export function deviceFail(
  device: Device,
  code: ErrorCode,
  reason: Reason,
  sector: u64,
  detail: u32,
): ErrorCode {
  return fail(code, reason, device.id, device.base + sector, detail);
}

/** Reads `length` bytes, a multiple of 512, from `sector`. EIO, ERANGE, EINVAL. */
export function deviceRead(device: Device, sector: u64, address: usize, length: u32): ErrorCode {
  requestsBegin();
  const code = deviceQueueRead(device, sector, address, length);
  return code === ErrorCode.OK ? requestsSubmit(device.id) : code;
}

/**
 * Adds a read to the open batch (requestsBegin before, deviceSubmit after); it submits by itself
 * when
 * the batch is full. Ends that are not whole blocks are read at once, through a bounce buffer.
 */
export function deviceQueueRead(
  device: Device,
  sector: u64,
  address: usize,
  length: u32,
): ErrorCode {
  const checked = checkRange(device, sector, length);
  if (checked !== ErrorCode.OK) return checked;
  if (device.blockSize === 512) return queue(device, RequestType.IN, sector, address, length);
  const block = <u64>(device.blockSize >>> SECTOR_SHIFT);
  let from = sector;
  let left = length;
  while (left > 0) {
    const skip = (<u32>(from & (block - 1))) << SECTOR_SHIFT;
    if (skip === 0 && left >= device.blockSize) {
      const whole = left & ~(device.blockSize - 1);
      const code = queue(device, RequestType.IN, from, address, whole);
      if (code !== ErrorCode.OK) return code;
      address += whole;
      from += <u64>(whole >>> SECTOR_SHIFT);
      left -= whole;
      continue;
    }
    const piece = min<u32>(left, device.blockSize - skip);
    let code = queue(device, RequestType.IN, from & ~(block - 1), bounce, device.blockSize);
    if (code === ErrorCode.OK) code = requestsSubmit(device.id);
    if (code !== ErrorCode.OK) return code;
    memory.copy(address, bounce + skip, piece);
    address += piece;
    from += <u64>(piece >>> SECTOR_SHIFT);
    left -= piece;
  }
  return ErrorCode.OK;
}

/** Writes `length` bytes, whole blocks, at `sector`. EIO, ERANGE, EINVAL, EROFS. */
export function deviceWrite(device: Device, sector: u64, address: usize, length: u32): ErrorCode {
  requestsBegin();
  const code = deviceQueueWrite(device, sector, address, length);
  return code === ErrorCode.OK ? requestsSubmit(device.id) : code;
}

/** Adds a write to the open batch; see deviceQueueRead. */
export function deviceQueueWrite(
  device: Device,
  sector: u64,
  address: usize,
  length: u32,
): ErrorCode {
  const checked = checkWrite(device, sector, length);
  if (checked !== ErrorCode.OK) return checked;
  return queue(device, RequestType.OUT, sector, address, length);
}

/** Submits what deviceQueueRead and deviceQueueWrite have gathered. */
export function deviceSubmit(device: Device): ErrorCode {
  return requestsSubmit(device.id);
}

/** Makes all completed writes durable. OK at once where the device has no write cache. */
export function deviceFlush(device: Device): ErrorCode {
  if ((device.features & FEATURE_FLUSH) === 0) return ErrorCode.OK;
  requestsBegin();
  requestAdd(RequestType.FLUSH, 0, 0, 0, 0);
  return requestsSubmit(device.id);
}

/** Writes zeros over `sectors`, whole blocks, by WRITE_ZEROES where the device has it. */
export function deviceZero(device: Device, sector: u64, sectors: u64): ErrorCode {
  const checked = checkSpan(device, sector, sectors);
  if (checked !== ErrorCode.OK) return checked;
  if ((device.features & FEATURE_WRITE_ZEROES) !== 0 && device.maxWriteZeroes > 0) {
    return spread(device, RequestType.WRITE_ZEROES, sector, sectors, device.maxWriteZeroes);
  }
  return deviceWriteZeros(device, sector, sectors);
}

/** Writes real zeros (OUT), for a place that must be allocated on the medium afterwards. */
export function deviceWriteZeros(device: Device, sector: u64, sectors: u64): ErrorCode {
  const checked = checkSpan(device, sector, sectors);
  if (checked !== ErrorCode.OK) return checked;
  if (zeros === 0) {
    zeros = allocate(ZEROS_SIZE);
    if (zeros === 0) return failPlain(ErrorCode.ENOMEM);
    memory.fill(zeros, 0, ZEROS_SIZE);
  }
  requestsBegin();
  const step = <u64>(min<u32>(ZEROS_SIZE, device.transferMax) >>> SECTOR_SHIFT);
  for (let at: u64 = 0; at < sectors; at += step) {
    const piece = (<u32>min<u64>(step, sectors - at)) << SECTOR_SHIFT;
    const code = queue(device, RequestType.OUT, sector + at, zeros, piece);
    if (code !== ErrorCode.OK) return code;
  }
  return requestsSubmit(device.id);
}

/** Tells the device that `sectors` hold nothing; EOPNOTSUPP where it has no DISCARD. */
export function deviceDiscard(device: Device, sector: u64, sectors: u64): ErrorCode {
  const checked = checkSpan(device, sector, sectors);
  if (checked !== ErrorCode.OK) return checked;
  if ((device.features & FEATURE_DISCARD) === 0 || device.maxDiscard === 0) {
    return deviceFail(device, ErrorCode.EOPNOTSUPP, Reason.DEVICE_ERROR, sector, 0);
  }
  return spread(device, RequestType.DISCARD, sector, sectors, device.maxDiscard);
}

/** Adds a range in pieces that the device takes, submitting whenever the batch is full. */
function queue(
  device: Device,
  type: RequestType,
  sector: u64,
  address: usize,
  length: u32,
): ErrorCode {
  for (let at: u32 = 0; at < length; ) {
    if (requestsFull()) {
      const code = requestsSubmit(device.id);
      if (code !== ErrorCode.OK) return code;
    }
    const piece = min<u32>(length - at, device.transferMax);
    requestAdd(type, device.base + sector + <u64>(at >>> SECTOR_SHIFT), address + at, piece, 0);
    at += piece;
  }
  return ErrorCode.OK;
}

function spread(
  device: Device,
  type: RequestType,
  sector: u64,
  sectors: u64,
  most: u32,
): ErrorCode {
  const block = <u64>(device.blockSize >>> SECTOR_SHIFT);
  const step = <u64>most & ~(block - 1);
  // Zeroed sectors may be deallocated: an image stays sparse.
  const flags: u32 = type === RequestType.WRITE_ZEROES ? 1 : 0;
  requestsBegin();
  for (let at: u64 = 0; at < sectors; at += step) {
    if (requestsFull()) {
      const code = requestsSubmit(device.id);
      if (code !== ErrorCode.OK) return code;
    }
    requestAdd(type, device.base + sector + at, 0, <u32>min<u64>(step, sectors - at), flags);
  }
  return requestsSubmit(device.id);
}

function checkRange(device: Device, sector: u64, length: u32): ErrorCode {
  if ((length & 511) !== 0) {
    return deviceFail(device, ErrorCode.EINVAL, Reason.MISALIGNED, sector, length);
  }
  const sectors = <u64>(length >>> SECTOR_SHIFT);
  if (sector <= device.sectors && sectors <= device.sectors - sector) return ErrorCode.OK;
  return deviceFail(device, ErrorCode.ERANGE, Reason.OUT_OF_RANGE, sector, length);
}

function checkWrite(device: Device, sector: u64, length: u32): ErrorCode {
  if (device.readOnly) return deviceFail(device, ErrorCode.EROFS, Reason.READ_ONLY, sector, 0);
  const blockMask = <u64>(device.blockSize >>> SECTOR_SHIFT) - 1;
  if ((sector & blockMask) !== 0 || (length & (device.blockSize - 1)) !== 0) {
    return deviceFail(device, ErrorCode.EINVAL, Reason.MISALIGNED, sector, length);
  }
  return checkRange(device, sector, length);
}

function checkSpan(device: Device, sector: u64, sectors: u64): ErrorCode {
  const checked = checkWrite(device, sector, 0);
  if (checked !== ErrorCode.OK) return checked;
  const blockMask = <u64>(device.blockSize >>> SECTOR_SHIFT) - 1;
  if ((sectors & blockMask) !== 0) {
    return deviceFail(device, ErrorCode.EINVAL, Reason.MISALIGNED, sector, <u32>sectors);
  }
  if (sector <= device.sectors && sectors <= device.sectors - sector) return ErrorCode.OK;
  return deviceFail(device, ErrorCode.ERANGE, Reason.OUT_OF_RANGE, sector, <u32>sectors);
}
if (CONFIG_SIZE > 64) ERROR("the configuration buffer is too small");
