/** What a store takes and tells: options, numbers, list entries, findings. */
import {
  FINDING_CHUNK,
  FINDING_CODE,
  FINDING_HASH,
  FINDING_LBA,
  FINDING_REASON,
  FINDING_SEGMENT,
  Reason,
} from "../../assembly/format/abi.ts";
import { codeName } from "./errors.ts";
import type { Finding } from "./finding.ts";
import { HASH_BYTES, toHex } from "./hash.ts";

export interface StoreOptions {
  /** Name of the device, for findings. */
  readonly device?: string | undefined;
  /** putHashed() takes the caller's word for the hash. */
  readonly trustHashes?: boolean | undefined;
  /** "each": every mutating call is durable when it returns. Otherwise commit() is. */
  readonly durability?: "none" | "batch" | "each" | undefined;
}

export interface StoreStat {
  /** Live objects, those not yet committed included. */
  readonly objects: number;
  readonly payloadBytes: number;
  /** Bytes of all chunks of the region. */
  readonly capacityBytes: number;
  readonly freeBytes: number;
  /** Epoch of the newest durable commit. */
  readonly epoch: number;
  /** True while there are changes that no commit covers. */
  readonly pending: boolean;
  /** Records moved by compaction, and damaged ones replaced, since the store was opened. */
  readonly compactedRecords: number;
  readonly healedRecords: number;
}

export interface StoreEntry {
  readonly hash: Uint8Array;
  readonly length: number;
  readonly pins: number;
}

/** One thing that verify() found. */
export interface StoreFinding extends Finding {
  /** Name of an ErrorCode: EBADMSG, or EIO where the device could not read. */
  readonly code: string;
  readonly chunk: number;
  readonly segment: number;
  /** The object concerned, hexadecimal; undefined if none is. */
  readonly hash: string | undefined;
}

/** A finding from its row (format/abi FINDING). */
export function decodeFinding(row: Uint8Array, device: string): StoreFinding {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const hash = row.subarray(FINDING_HASH, FINDING_HASH + HASH_BYTES);
  const named = hash.some((byte) => byte !== 0);
  const number = view.getUint32(FINDING_REASON, true);
  const reason = Reason[number] ?? `reason ${number}`;
  const chunk = view.getUint32(FINDING_CHUNK, true);
  const segment = view.getUint32(FINDING_SEGMENT, true);
  const what = named ? `object ${toHex(hash)}, segment ${segment}` : `chunk ${chunk}`;
  return {
    code: codeName(view.getInt32(FINDING_CODE, true)),
    reason,
    lba: view.getFloat64(FINDING_LBA, true),
    device,
    ...(named ? { path: toHex(hash) } : {}),
    message: `${what}: ${reason.toLowerCase().replaceAll("_", " ")}`,
    chunk,
    segment,
    hash: named ? toHex(hash) : undefined,
  };
}
