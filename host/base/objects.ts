/** What a store takes and tells: options, numbers, list entries, findings. */

export interface StoreOptions {
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
export interface StoreFinding {
  /** Name of an ErrorCode and of a Reason. */
  readonly code: string;
  readonly reason: string;
  /** Sector of the device, units of 512 bytes. */
  readonly lba: number;
  readonly chunk: number;
  readonly segment: number;
  /** The object concerned, hexadecimal; undefined if none is. */
  readonly hash: string | undefined;
  readonly message: string;
}
