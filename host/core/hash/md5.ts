/**
 * MD5, for the checksum lists of system images where Node's is not at hand. It proves nothing
 * against an attacker, and nothing of ours is written with it.
 *
 * @see RFC 1321, section 3
 */
const BLOCK_BYTES = 64;
const LENGTH_BYTES = 8;
const SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;
const SINES = Uint32Array.from({ length: 64 }, (_, step) =>
  Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32),
);

/** One hash that is being taken. */
export class Md5 {
  readonly #sums = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #view = new DataView(this.#block.buffer);
  #filled = 0;
  #total = 0;

  update(data: Uint8Array): void {
    this.#total += data.length;
    for (let at = 0; at < data.length; ) {
      const piece = data.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === BLOCK_BYTES) this.#mix();
    }
  }

  end(): Uint8Array {
    const bits = BigInt(this.#total) * 8n;
    this.update(Uint8Array.of(0x80));
    if (this.#filled > BLOCK_BYTES - LENGTH_BYTES) {
      this.update(new Uint8Array(BLOCK_BYTES - this.#filled));
    }
    this.#block.fill(0, this.#filled);
    this.#view.setBigUint64(BLOCK_BYTES - LENGTH_BYTES, bits, true);
    this.#mix();
    const out = new DataView(new ArrayBuffer(16));
    this.#sums.forEach((sum, index) => {
      out.setUint32(index * 4, sum, true);
    });
    return new Uint8Array(out.buffer);
  }

  #mix(): void {
    const words = Array.from({ length: 16 }, (_, index) => this.#view.getUint32(index * 4, true));
    let [a, b, c, d] = this.#sums as unknown as [number, number, number, number];
    for (let step = 0; step < 64; step++) {
      const round = step >> 4;
      const [mixed, index] = mixOf(round, step, b, c, d);
      const sum = a + mixed + (SINES[step] as number) + (words[index] as number);
      const shift = SHIFTS[round]?.[step & 3] as number;
      const turned = (sum << shift) | ((sum | 0) >>> (32 - shift));
      [a, d, c, b] = [d, c, b, (b + turned) | 0];
    }
    for (const [index, value] of [a, b, c, d].entries()) {
      this.#sums[index] = (this.#sums[index] as number) + value;
    }
    this.#filled = 0;
  }
}

/** A step's function of three words, and the word of the block that it takes. */
function mixOf(
  round: number,
  step: number,
  b: number,
  c: number,
  d: number,
): [mixed: number, index: number] {
  if (round === 0) return [(b & c) | (~b & d), step];
  if (round === 1) return [(d & b) | (~d & c), (5 * step + 1) % 16];
  if (round === 2) return [b ^ c ^ d, (3 * step + 5) % 16];
  return [c ^ (b | ~d), (7 * step) % 16];
}
