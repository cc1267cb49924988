/**
 * XXH64 of a stream, seed 0: the checksum at the end of a Zstandard frame, of which the low 32 bits
 * count. In halves of 32 bits, because BigInt is a hundred times slower.
 *
 * @see xxHash specification, "XXH64 algorithm"
 */

const STRIPE_BYTES = 32;
/** The five primes as [high, low]. */
const P1 = [0x9e3779b1, 0x85ebca87] as const;
const P2 = [0xc2b2ae3d, 0x27d4eb4f] as const;
const P3 = [0x165667b1, 0x9e3779f9] as const;
const P4 = [0x85ebca77, 0xc2b2ae63] as const;
const P5 = [0x27d4eb2f, 0x165667c5] as const;

/** Results of the last operation: the language has no pairs that cost nothing. */
let high = 0;
let low = 0;

function multiply(aHigh: number, aLow: number, [bHigh, bLow]: readonly [number, number]): void {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const p00 = Math.imul(a0, b0) >>> 0;
  const middle = (Math.imul(a1, b0) >>> 0) + (p00 >>> 16);
  const other = (Math.imul(a0, b1) >>> 0) + (middle & 0xffff);
  // Division, because the sum may have 33 bits.
  const carry = Math.floor(middle / 0x10000) + Math.floor(other / 0x10000);
  low = ((other & 0xffff) << 16) | (p00 & 0xffff);
  high = ((Math.imul(a1, b1) >>> 0) + carry + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
}

function add(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  const sum = (aLow >>> 0) + (bLow >>> 0);
  low = sum | 0;
  high = (aHigh + bHigh + (sum > 0xffff_ffff ? 1 : 0)) | 0;
}

function rotate(aHigh: number, aLow: number, bits: number): void {
  if (bits < 32) {
    high = (aHigh << bits) | (aLow >>> (32 - bits));
    low = (aLow << bits) | (aHigh >>> (32 - bits));
  } else {
    high = bits === 32 ? aLow : (aLow << (bits - 32)) | (aHigh >>> (64 - bits));
    low = bits === 32 ? aHigh : (aHigh << (bits - 32)) | (aLow >>> (64 - bits));
  }
}

/** One lane's step: accumulator + input * P2, turned by 31, times P1. */
function round(accHigh: number, accLow: number, inHigh: number, inLow: number): void {
  multiply(inHigh, inLow, P2);
  add(accHigh, accLow, high, low);
  rotate(high, low, 31);
  multiply(high, low, P1);
}

/** A hash that is fed in pieces. */
export class Xxh64 {
  /** Four accumulators as high, low. */
  readonly #lanes = new Int32Array(8);
  readonly #held = new Uint8Array(STRIPE_BYTES);
  #heldBytes = 0;
  #total = 0;

  constructor() {
    add(P1[0], P1[1], P2[0], P2[1]);
    this.#lanes.set([high, low, P2[0], P2[1], 0, 0], 0);
    add(0, 0, ~P1[0], -P1[1]);
    this.#lanes.set([high, low], 6);
  }

  update(bytes: Uint8Array): void {
    this.#total += bytes.length;
    let at = 0;
    if (this.#heldBytes > 0) {
      at = Math.min(STRIPE_BYTES - this.#heldBytes, bytes.length);
      this.#held.set(bytes.subarray(0, at), this.#heldBytes);
      this.#heldBytes += at;
      if (this.#heldBytes < STRIPE_BYTES) return;
      this.#stripe(new DataView(this.#held.buffer), 0);
      this.#heldBytes = 0;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (; at + STRIPE_BYTES <= bytes.length; at += STRIPE_BYTES) this.#stripe(view, at);
    this.#held.set(bytes.subarray(at));
    this.#heldBytes = bytes.length - at;
  }

  /** The low 32 bits of the hash of everything so far. */
  low32(): number {
    let hashHigh: number;
    let hashLow: number;
    if (this.#total >= STRIPE_BYTES) [hashHigh, hashLow] = this.#merged();
    else [hashHigh, hashLow] = P5;
    add(hashHigh, hashLow, Math.floor(this.#total / 0x1_0000_0000), this.#total | 0);
    const view = new DataView(this.#held.buffer);
    let at = 0;
    for (; at + 8 <= this.#heldBytes; at += 8) {
      const [keepHigh, keepLow] = [high, low];
      round(0, 0, view.getInt32(at + 4, true), view.getInt32(at, true));
      rotate(keepHigh ^ high, keepLow ^ low, 27);
      multiply(high, low, P1);
      add(high, low, P4[0], P4[1]);
    }
    if (at + 4 <= this.#heldBytes) {
      const [keepHigh, keepLow] = [high, low];
      multiply(0, view.getInt32(at, true), P1);
      rotate(keepHigh ^ high, keepLow ^ low, 23);
      multiply(high, low, P2);
      add(high, low, P3[0], P3[1]);
      at += 4;
    }
    for (; at < this.#heldBytes; at++) {
      const [keepHigh, keepLow] = [high, low];
      multiply(0, this.#held[at] as number, P5);
      rotate(keepHigh ^ high, keepLow ^ low, 11);
      multiply(high, low, P1);
    }
    // Shifts by 33, 29 and 32 bits.
    multiply(high, low ^ (high >>> 1), P2);
    multiply(high ^ (high >>> 29), low ^ ((low >>> 29) | (high << 3)), P3);
    return (low ^ high) >>> 0;
  }

  #stripe(view: DataView, at: number): void {
    const lanes = this.#lanes;
    for (let lane = 0; lane < 4; lane++) {
      const from = at + lane * 8;
      round(
        lanes[lane * 2] as number,
        lanes[lane * 2 + 1] as number,
        view.getInt32(from + 4, true),
        view.getInt32(from, true),
      );
      lanes[lane * 2] = high;
      lanes[lane * 2 + 1] = low;
    }
  }

  #merged(): [number, number] {
    const lanes = this.#lanes;
    const turns = [1, 7, 12, 18];
    let [sumHigh, sumLow] = [0, 0];
    turns.forEach((bits, lane) => {
      rotate(lanes[lane * 2] as number, lanes[lane * 2 + 1] as number, bits);
      add(sumHigh, sumLow, high, low);
      [sumHigh, sumLow] = [high, low];
    });
    for (let lane = 0; lane < 4; lane++) {
      round(0, 0, lanes[lane * 2] as number, lanes[lane * 2 + 1] as number);
      multiply(sumHigh ^ high, sumLow ^ low, P1);
      add(high, low, P4[0], P4[1]);
      [sumHigh, sumLow] = [high, low];
    }
    return [sumHigh, sumLow];
  }
}
