/**
 * Batches of block requests: describe up to REQUESTS_MAX, submit them in one call, read the
 * statuses.
 *
 * Interface: requestsBegin, requestAdd as often as it answers OK, requestsSubmit. Order inside a
 * batch
 * is free, so a batch never holds two requests for one sector, and FLUSH goes alone.
 */

import {
  REQUEST_ADDRESS,
  REQUEST_FLAGS,
  REQUEST_LENGTH,
  REQUEST_SECTOR,
  REQUEST_SIZE,
  REQUEST_STATUS,
  REQUEST_TRANSFERRED,
  REQUEST_TYPE,
  Reason,
  RequestStatus,
  RequestType,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import { fail } from "./fault";
import { submit } from "./host";
import { allocate } from "./memory";

export const REQUESTS_MAX: u32 = 256;
const batch: usize = allocate(8192);
let count: u32 = 0;

export function requestsBegin(): void {
  count = 0;
}

export function requestsFull(): bool {
  return count === REQUESTS_MAX;
}

/**
 * Appends one request; `sector` counts from the start of the device. The batch must not be full.
 */
export function requestAdd(
  type: RequestType,
  sector: u64,
  address: usize,
  length: u32,
  flags: u32,
): void {
  assert(count < REQUESTS_MAX);
  const request = batch + <usize>(count * REQUEST_SIZE);
  store<u32>(request, type, REQUEST_TYPE);
  store<i32>(request, -1, REQUEST_STATUS);
  store<u64>(request, sector, REQUEST_SECTOR);
  store<usize>(request, address, REQUEST_ADDRESS);
  store<u32>(request, length, REQUEST_LENGTH);
  store<u32>(request, flags, REQUEST_FLAGS);
  store<u32>(request, 0, REQUEST_TRANSFERRED);
  count += 1;
}

/** Submits the batch to `device` and checks every status; the first failing request is reported. */
export function requestsSubmit(device: u32): ErrorCode {
  const total = count;
  count = 0;
  if (total === 0) return ErrorCode.OK;
  const result = submit(device, batch, total);
  if (result < 0) {
    const sector = load<u64>(batch, REQUEST_SECTOR);
    return fail(<ErrorCode>result, Reason.DEVICE_ERROR, device, sector, 0);
  }
  for (let index: u32 = 0; index < total; index++) {
    const code = requestResult(device, batch + <usize>(index * REQUEST_SIZE));
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

function requestResult(device: u32, request: usize): ErrorCode {
  const sector = load<u64>(request, REQUEST_SECTOR);
  const status = load<i32>(request, REQUEST_STATUS);
  if (status === RequestStatus.IOERR) {
    return fail(ErrorCode.EIO, Reason.DEVICE_ERROR, device, sector, load<u32>(request));
  }
  if (status === RequestStatus.UNSUPP) {
    return fail(ErrorCode.EOPNOTSUPP, Reason.DEVICE_ERROR, device, sector, load<u32>(request));
  }
  if (status !== RequestStatus.OK) {
    return fail(ErrorCode.EIO, Reason.BAD_STATUS, device, sector, <u32>status);
  }
  const type = load<u32>(request, REQUEST_TYPE);
  if (type !== RequestType.IN && type !== RequestType.OUT) return ErrorCode.OK;
  const transferred = load<u32>(request, REQUEST_TRANSFERRED);
  if (transferred === load<u32>(request, REQUEST_LENGTH)) return ErrorCode.OK;
  return fail(ErrorCode.EIO, Reason.SHORT_TRANSFER, device, sector, transferred);
}
