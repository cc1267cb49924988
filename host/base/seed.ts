/**
 * Where random bytes come from: the system, or a seed that gives the same ones in every run.
 *
 * The stream of a seed is SHA-256(key + counter) for counter = 0, 1, ..., where the key is
 * SHA-256 of the label's length, the label and the seed, and the counter a little-endian u64.
 */

/** Fills `into` with random bytes. */
export type RandomSource = (into: Uint8Array) => void;

/** The system's own randomness. */
export const systemRandom: RandomSource = (into) => {
  // getRandomValues takes at most 64 KiB at a time, and no shared memory.
  for (let at = 0; at < into.length; at += 65536) {
    const piece = new Uint8Array(Math.min(65536, into.length - at));
    into.set(crypto.getRandomValues(piece), at);
  }
};

/**
 * Reproducible bytes from `seed`. Streams of different labels are independent, so that one more
 * value for one purpose changes no other.
 */
export function seededRandom(seed: string, label = ""): RandomSource {
  const encoder = new TextEncoder();
  const labelBytes = encoder.encode(label);
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, labelBytes.length, true);
  const message = new Uint8Array(40);
  message.set(sha256(joined([head, labelBytes, encoder.encode(seed)])));
  const view = new DataView(message.buffer);
  let counter = 0n;
  let block = new Uint8Array(0);
  let used = 0;
  return (into) => {
    for (let at = 0; at < into.length; ) {
      if (used === block.length) {
        view.setBigUint64(32, counter++, true);
        block = sha256(message);
        used = 0;
      }
      const piece = block.subarray(used, used + into.length - at);
      into.set(piece, at);
      at += piece.length;
      used += piece.length;
    }
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** First 32 bits of the fractional part of the `root`-th root of each of the first primes. */
function fractions(count: number, root: 2 | 3): Uint32Array {
  const words = new Uint32Array(count);
  for (let prime = 2, found = 0; found < count; prime++) {
    if (!isPrime(prime)) continue;
    // floor(prime^(1/root) * 2^32) by bisection over integers, so that no rounding enters.
    const target = BigInt(prime) << BigInt(32 * root);
    let low = 0n;
    let high = 1n << 40n;
    while (high - low > 1n) {
      const middle = (low + high) >> 1n;
      if (middle ** BigInt(root) <= target) low = middle;
      else high = middle;
    }
    words[found++] = Number(low & 0xffffffffn);
  }
  return words;
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) return false;
  }
  return true;
}

let constants: { readonly start: Uint32Array; readonly rounds: Uint32Array } | undefined;

/** SHA-256 (FIPS 180-4) of a short message; the core hashes long ones. Runs in a page too. */
export function sha256(message: Uint8Array): Uint8Array<ArrayBuffer> {
  constants ??= { start: fractions(8, 2), rounds: fractions(64, 3) };
  const padded = new Uint8Array(((message.length + 8) >> 6) * 64 + 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n);
  const state = Uint32Array.from(constants.start);
  for (let at = 0; at < padded.length; at += 64) compress(state, view, at, constants.rounds);
  const digest = new Uint8Array(32);
  const out = new DataView(digest.buffer);
  state.forEach((word, index) => {
    out.setUint32(index * 4, word);
  });
  return digest;
}

const schedule = new Uint32Array(64);

function compress(state: Uint32Array, view: DataView, at: number, rounds: Uint32Array): void {
  for (let index = 0; index < 16; index++) schedule[index] = view.getUint32(at + index * 4);
  for (let index = 16; index < 64; index++) {
    const early = schedule[index - 15] as number;
    const late = schedule[index - 2] as number;
    const small = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const large = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    const before = (schedule[index - 16] as number) + (schedule[index - 7] as number);
    schedule[index] = before + small + large;
  }
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let f = state[5] as number;
  let g = state[6] as number;
  let h = state[7] as number;
  for (let index = 0; index < 64; index++) {
    const choice = (e & f) ^ (~e & g);
    const turned = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const next = h + turned + choice + (rounds[index] as number) + (schedule[index] as number);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + majority;
    h = g;
    g = f;
    f = e;
    e = (d + next) | 0;
    d = c;
    c = b;
    b = a;
    a = (next + second) | 0;
  }
  // A Uint32Array keeps the low 32 bits of each sum.
  state[0] = (state[0] as number) + a;
  state[1] = (state[1] as number) + b;
  state[2] = (state[2] as number) + c;
  state[3] = (state[3] as number) + d;
  state[4] = (state[4] as number) + e;
  state[5] = (state[5] as number) + f;
  state[6] = (state[6] as number) + g;
  state[7] = (state[7] as number) + h;
}

function turn(value: number, bits: number): number {
  return (value >>> bits) | (value << (32 - bits));
}
