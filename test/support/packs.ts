/** An independent reader of pack records: from docs/format/store.md alone, over raw bytes. */

export interface PackRecord {
  /** Sector in the region. */
  readonly sector: number;
  readonly headerLength: number;
  readonly flags: number;
  readonly length: number;
  readonly selfLba: number;
  readonly epoch: bigint;
  readonly hash: string;
  readonly segment: number;
  readonly segments: number;
  readonly tag: bigint;
  readonly checksum: bigint;
  readonly session: bigint;
  readonly reserved: Uint8Array;
  readonly headerCheck: bigint;
  readonly payload: Uint8Array;
  /** Bytes behind the payload to the end of its sector. */
  readonly padding: Uint8Array;
}

/** Every sector of `image` that starts like a record and is the one it says it is. */
export function packRecords(image: Uint8Array): PackRecord[] {
  const records: PackRecord[] = [];
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let at = 0; at + 512 <= image.length; at += 512) {
    if (view.getUint32(at, true) !== 0x314a424f) continue;
    if (view.getBigUint64(at + 120, true) !== xxh64(image.subarray(at, at + 120), 0n)) continue;
    if (Number(view.getBigUint64(at + 16, true)) !== at / 512) continue;
    const length = Number(view.getBigUint64(at + 8, true));
    const end = at + 128 + length;
    records.push({
      sector: at / 512,
      headerLength: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      length,
      selfLba: Number(view.getBigUint64(at + 16, true)),
      epoch: view.getBigUint64(at + 24, true),
      hash: Buffer.from(image.subarray(at + 32, at + 64)).toString("hex"),
      segment: view.getUint32(at + 64, true),
      segments: view.getUint32(at + 68, true),
      tag: view.getBigUint64(at + 72, true),
      checksum: view.getBigUint64(at + 80, true),
      session: view.getBigUint64(at + 96, true),
      reserved: image.slice(at + 104, at + 120),
      headerCheck: view.getBigUint64(at + 120, true),
      payload: image.slice(at + 128, end),
      padding: image.slice(end, Math.ceil(end / 512) * 512),
    });
  }
  return records;
}

const MASK = (1n << 64n) - 1n;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (64n - by))) & MASK;
const round = (lane: bigint, word: bigint) => (rotate((lane + word * P2) & MASK, 31n) * P1) & MASK;

/** XXH64 as its specification has it, slowly. */
export function xxh64(bytes: Uint8Array, seed: bigint): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash = (seed + P5) & MASK;
  if (bytes.length >= 32) {
    const lanes = [seed + P1 + P2, seed + P2, seed, seed - P1].map((lane) => lane & MASK);
    for (; at + 32 <= bytes.length; at += 32) {
      for (let lane = 0; lane < 4; lane++) {
        lanes[lane] = round(lanes[lane] as bigint, view.getBigUint64(at + lane * 8, true));
      }
    }
    hash =
      lanes.reduce((sum, lane, index) => sum + rotate(lane, [1n, 7n, 12n, 18n][index] ?? 0n), 0n) &
      MASK;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= bytes.length) {
    const word = BigInt(view.getUint32(at, true));
    hash = (rotate(hash ^ ((word * P1) & MASK), 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++) {
    hash = (rotate(hash ^ ((BigInt(bytes[at] as number) * P5) & MASK), 11n) * P1) & MASK;
  }
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}
