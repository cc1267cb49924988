/** The hash kernels against node:crypto, zlib, published vectors and slow references. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Core } from "../../host/core/load.ts";
import { freshCore } from "../support/core.ts";

const STATE_SIZE = 112;
const lengths = [
  ...Array.from({ length: 301 }, (_, length) => length),
  ...[4095, 4096, 4097, 8191, 8192, 8193, 12288, 12305, 65535, 65536, 100_003],
];
const LONGEST = 100_003;

/** Bytes that differ everywhere, from a small generator with a fixed seed. */
const noise = (() => {
  const bytes = new Uint8Array(LONGEST + 64);
  let state = 0x2545f491;
  for (let at = 0; at < bytes.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
})();

/** A core with `noise` in its memory, and room for results. */
function loaded(core = freshCore()) {
  const { memory, exports } = core;
  const address = memory.allocate(noise.length);
  const out = memory.allocate(4096);
  memory.bytes.set(noise, address);
  return { core, memory, exports, address, out, hex: () => hex(memory.slice(out, 32)) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function nodeSha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A CRC, bit by bit. */
function slowCrc(polynomial: number, bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** XXH64 with BigInt, written from the specification. */
function slowXxh64(bytes: Uint8Array, seed: bigint): bigint {
  const [p1, p2, p3, p4, p5] = [
    11400714785074694791n,
    14029467366897019727n,
    1609587929392839161n,
    9650029242287828579n,
    2870177450012600261n,
  ] as const;
  const mask = (1n << 64n) - 1n;
  const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (64n - by))) & mask;
  const round = (lane: bigint, word: bigint) =>
    (rotate((lane + word * p2) & mask, 31n) * p1) & mask;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash: bigint;
  if (bytes.length >= 32) {
    const lanes = [seed + p1 + p2, seed + p2, seed, seed - p1].map((lane) => lane & mask);
    for (; at + 32 <= bytes.length; at += 32) {
      for (const [index, lane] of lanes.entries()) {
        lanes[index] = round(lane, view.getBigUint64(at + index * 8, true));
      }
    }
    const turns = [1n, 7n, 12n, 18n];
    hash =
      lanes.reduce((sum, lane, index) => sum + rotate(lane, turns[index] as bigint), 0n) & mask;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * p1 + p4) & mask;
  } else {
    hash = (seed + p5) & mask;
  }
  hash = (hash + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4) & mask;
  }
  if (at + 4 <= bytes.length) {
    hash = (rotate(hash ^ ((BigInt(view.getUint32(at, true)) * p1) & mask), 23n) * p2 + p3) & mask;
    at += 4;
  }
  for (; at < bytes.length; at++) {
    hash = (rotate(hash ^ ((BigInt(bytes[at] as number) * p5) & mask), 11n) * p1) & mask;
  }
  hash = ((hash ^ (hash >> 33n)) * p2) & mask;
  hash = ((hash ^ (hash >> 29n)) * p3) & mask;
  return hash ^ (hash >> 32n);
}

describe("CRC", () => {
  const check = new TextEncoder().encode("123456789");

  test("the check values of the catalogue hold: cbf43926 (IEEE), e3069283 (Castagnoli)", () => {
    const { memory, exports } = freshCore();
    memory.with(check, (address, length) => {
      expect(exports.crc32(0, address, length) >>> 0).toBe(0xcbf43926);
      expect(exports.crc32c(0, address, length) >>> 0).toBe(0xe3069283);
    });
  });

  test("crc32c of 32 zeros, ones and rising bytes is what RFC 3720 B.4 prints", () => {
    const { memory, exports } = freshCore();
    const sum = (bytes: Uint8Array) => memory.with(bytes, (a, n) => exports.crc32c(0, a, n) >>> 0);
    expect(sum(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(sum(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(sum(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe(0x46dd794e);
  });

  test("crc32 equals zlib's for every length and alignment", () => {
    const { exports, address } = loaded();
    for (const length of lengths) {
      const shift = length % 17;
      const expected = zlibCrc32(noise.subarray(shift, shift + length));
      expect(exports.crc32(0, address + shift, length) >>> 0, `length ${length}`).toBe(expected);
    }
  });

  test("crc32c equals the bitwise one for every length", () => {
    const { exports, address } = loaded();
    for (const length of lengths) {
      const expected = slowCrc(0x82f63b78, noise.subarray(0, length));
      expect(exports.crc32c(0, address, length) >>> 0, `length ${length}`).toBe(expected);
    }
  });

  test("a checksum continues where another one ended, wherever the cut is", () => {
    const { exports, address } = loaded();
    fc.assert(
      fc.property(fc.nat(20_000), fc.nat(20_000), (first, second) => {
        const total = first + second;
        for (const crc of [exports.crc32, exports.crc32c]) {
          const joined = crc(crc(0, address, first), address + first, second);
          expect(joined).toBe(crc(0, address, total));
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("XXH64", () => {
  const hash = (bytes: Uint8Array, seed: bigint) => {
    const { memory, exports } = freshCore();
    const out = memory.allocate(8);
    memory.view.setBigUint64(out, seed, true);
    memory.with(bytes, (address, length) => exports.xxh64At(address, length, out));
    return memory.u64(out);
  };

  test("published vectors hold", () => {
    const text = (words: string) => new TextEncoder().encode(words);
    expect(hash(text(""), 0n)).toBe(0xef46db3751d8e999n);
    expect(hash(text("a"), 0n)).toBe(0xd24ec4f1a98c6e5bn);
    expect(hash(text("abc"), 0n)).toBe(0x44bc2cf5ad770999n);
    expect(hash(text("Nobody inspects the spammish repetition"), 0n)).toBe(0xfbcea83c8a378bf1n);
  });

  test("it equals a BigInt reference for every length, with and without a seed", () => {
    const { memory, exports, address, out } = loaded();
    for (const length of lengths.filter((size) => size <= 5000)) {
      for (const seed of [0n, 0x9e3779b97f4a7c15n, (1n << 64n) - 1n]) {
        memory.view.setBigUint64(out, seed, true);
        exports.xxh64At(address + (length % 9), length, out);
        const bytes = noise.slice(length % 9, (length % 9) + length);
        expect(memory.u64(out), `length ${length} seed ${seed}`).toBe(slowXxh64(bytes, seed));
      }
    }
  });
});

describe("SHA-256", () => {
  test("FIPS 180-4 examples hold in the own kernel", () => {
    const { memory, exports } = freshCore();
    const out = memory.allocate(32);
    const hash = (text: string) => {
      memory.with(text, (address, length) => exports.sha256Own(address, length, out));
      return hex(memory.slice(out, 32));
    };
    expect(hash("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(hash("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).toBe(
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    );
  });

  test.each(["sha256", "sha256Own"] as const)("%s equals node:crypto for every length", (name) => {
    const { exports, address, out, hex: result } = loaded();
    for (const length of lengths) {
      exports[name](address + (length % 13), length, out);
      const bytes = noise.subarray(length % 13, (length % 13) + length);
      expect(result(), `length ${length}`).toBe(nodeSha256(bytes));
    }
  });

  test("the host is asked from 160 bytes up, and never again once it has refused", () => {
    let calls = 0;
    let answers = true;
    const core = new Core({
      environment: {
        clock: () => 0n,
        random: () => undefined,
        sha256: (data, out) => {
          calls++;
          if (answers) out.set(createHash("sha256").update(data).digest());
          return answers;
        },
      },
    });
    const { exports, address, out, hex: result } = loaded(core);
    exports.sha256(address, 159, out);
    expect(calls).toBe(0);
    exports.sha256(address, 160, out);
    expect(calls).toBe(1);
    expect(result()).toBe(nodeSha256(noise.subarray(0, 160)));
    answers = false;
    exports.sha256(address, 5000, out);
    expect(result()).toBe(nodeSha256(noise.subarray(0, 5000)));
    exports.sha256(address, 5001, out);
    expect(result()).toBe(nodeSha256(noise.subarray(0, 5001)));
    expect(calls).toBe(2);
  });

  test("a streamed hash does not depend on where the pieces end", () => {
    const { memory, exports, address, out, hex: result } = loaded();
    const state = memory.allocate(STATE_SIZE);
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 30 }), (pieces) => {
        exports.sha256Begin(state);
        let at = 0;
        for (const piece of pieces) {
          exports.sha256Update(state, address + at, piece);
          at += piece;
        }
        exports.sha256End(state, out);
        expect(result()).toBe(nodeSha256(noise.subarray(0, at)));
      }),
      { numRuns: 200 },
    );
  });

  test("two streamed hashes run side by side", () => {
    const { memory, exports, address, out, hex: result } = loaded();
    const states = [memory.allocate(STATE_SIZE), memory.allocate(STATE_SIZE)] as const;
    for (const state of states) exports.sha256Begin(state);
    for (let at = 0; at < 1000; at += 50) {
      exports.sha256Update(states[0], address + at, 50);
      exports.sha256Update(states[1], address + 2000 + at, 50);
    }
    exports.sha256End(states[0], out);
    expect(result()).toBe(nodeSha256(noise.subarray(0, 1000)));
    exports.sha256End(states[1], out);
    expect(result()).toBe(nodeSha256(noise.subarray(2000, 3000)));
  });

  test("four lanes equal four single hashes for every length", () => {
    const { memory, exports, address, out } = loaded();
    for (const length of lengths.filter((size) => size <= 16_000)) {
      const starts = [0, 7, 16_100, 32_777];
      const [a0, a1, a2, a3] = starts.map((start) => address + start) as [
        number,
        number,
        number,
        number,
      ];
      exports.sha256Four(a0, a1, a2, a3, length, out);
      const found = starts.map((_, lane) => hex(memory.slice(out + lane * 32, 32)));
      const expected = starts.map((start) => nodeSha256(noise.subarray(start, start + length)));
      expect(found, `length ${length}`).toEqual(expected);
    }
  });
});

test("the core without SIMD hashes alike: one, four, streamed, of any length", () => {
  const module = new WebAssembly.Module(readFileSync("build/core.plain.wasm"));
  const { memory, exports, address, out, hex: own } = loaded(new Core({ module }));
  for (const length of lengths.filter((_, index) => index % 3 === 0)) {
    const wanted = createHash("sha256").update(noise.subarray(0, length)).digest("hex");
    exports.sha256Own(address, length, out);
    expect(own()).toBe(wanted);
    exports.sha256Four(address, address + 1, address, address + 2, length, out);
    expect(hex(memory.slice(out + 64, 32))).toBe(wanted);
  }
});
