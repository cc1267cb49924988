/**
 * The fault report: why the last failing call failed, where, and what it found. One place, written
 * by
 * fail() at the point of the failure, read by the host after a negative result (format/abi FAULT).
 */
import {
  FAULT_CODE,
  FAULT_DETAIL,
  FAULT_DEVICE,
  FAULT_LBA,
  FAULT_REASON,
  FAULT_SIZE,
  Reason,
} from "../format/abi";
import { ErrorCode } from "../format/errors";

if (FAULT_LBA + 8 !== FAULT_SIZE) ERROR("FAULT_LBA must be the last field");
const report: usize = memory.data(24, 8);

/** Address of the fault report, FAULT_SIZE bytes. */
export function faultAddress(): usize {
  return report;
}

/** Records a failure and returns `code`. `lba` counts sectors of `device`, not of a window. */
export function fail(
  code: ErrorCode,
  reason: Reason,
  device: u32,
  lba: u64,
  detail: u32,
): ErrorCode {
  store<i32>(report, code, FAULT_CODE);
  store<u32>(report, reason, FAULT_REASON);
  store<u32>(report, device, FAULT_DEVICE);
  store<u32>(report, detail, FAULT_DETAIL);
  store<u64>(report, lba, FAULT_LBA);
  return code;
}

/** Records a failure that has no place on a device: a wrong argument, no memory. */
export function failPlain(code: ErrorCode): ErrorCode {
  return fail(code, Reason.NONE, 0, 0, 0);
}

/** The code of the failure recorded last: why something answered null or 0. */
export function lastFault(): ErrorCode {
  return load<i32>(report, FAULT_CODE);
}

/** Forgets the last failure, so that no stale reason is read for the next one. */
export function faultClear(): void {
  memory.fill(report, 0, FAULT_SIZE);
}
