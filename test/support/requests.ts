/** Requests of device tests: run them, expect their answers, and bytes to fill them with. */
import { expect } from "vitest";
import {
  type BlockDevice,
  type BlockRequest,
  type RequestStatus,
  RequestType,
  request,
} from "../../host/device/device.ts";

const OK: RequestStatus = 0;

/** Submits each request alone and expects OK; answers the last. */
export function run(device: BlockDevice, ...requests: BlockRequest[]): BlockRequest {
  for (const asked of requests) {
    device.submit([asked]);
    expect(asked.status, String(asked.cause ?? RequestType[asked.type])).toBe(OK);
  }
  return requests.at(-1) as BlockRequest;
}

/** Reads `length` bytes from `sector` into a buffer that was not zero before. */
export function read(device: BlockDevice, sector: number, length: number): Uint8Array {
  return run(device, request(RequestType.IN, sector, new Uint8Array(length).fill(0xaa))).data;
}

export function expectRefused(
  device: BlockDevice,
  asked: BlockRequest,
  status: RequestStatus,
  what: string,
): void {
  device.submit([asked]);
  expect(asked.status, what).toBe(status);
  expect(asked.transferred, what).toBe(0);
  expect(asked.cause, what).toBeInstanceOf(Error);
}

/** Bytes that differ by `seed` and place, the same at every call. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** As toEqual, in a fraction of its time. */
export function expectBytes(got: Uint8Array, want: Uint8Array, what = "bytes"): void {
  const at = equal(got, want) ? -1 : got.findIndex((byte, index) => byte !== want[index]);
  expect(at, `${what} differ first at byte ${at} of ${got.length}, ${want.length}`).toBe(-1);
  expect(got.length, what).toBe(want.length);
}

export function equal(left: Uint8Array, right: Uint8Array | undefined): boolean {
  if (right === undefined || left.length !== right.length) return false;
  // A browser has no Buffer.
  if (typeof Buffer !== "undefined") return Buffer.compare(left, right) === 0;
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}
