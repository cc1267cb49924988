/** Zstandard blocks by media.wasm: a frame of the real zstd, whole, and with every byte changed. */
import { expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { ZstdDecoder } from "../../host/system/rayos/source/unpack/zstd.ts";

/** What `zstd -19` (1.5) made of text(): Huffman codes, their weights, three tables, a checksum. */
const PACKED = Buffer.from(
  [
    "KLUv/WTaHI0dAFpK2AgZoCcZDomvuCa3I5YDwDk7yZSklClZ1cTgAZQAgQCBAPPdMd1nRv6VuIstXVBVLKwoX6hC/Ghc",
    "LEWzEfK0CnOObg2KOeYxKRpNrhO6fEglNac6icaQOM9stMR+vsg6zXxNWj8Rl01xyo66HLFbTbGTXlObccR0FRrKFKVE",
    "Erl+0XGzbVwsYl/V1NMKEacryAkEKHCGhKEAwoEBAAGFbUgYDiQ4UIgCgwOEAQVDDAkDAgQEAwH1mkKvIiFN1Y/YJuel",
    "ufLNLcrUaVoh4VvakPE9JaUntyQyumJ8KpdHPLcll+7p3lLV+0EsuallWUxYQXQzFmPycDV/lTL2+HDHGa98lTMSlL5o",
    "+kxJQlFRZJLKZvfLmpdFnbp0ZCaUYk1aGRlGS1w1FDIc51THyZsO7eD4ptoQGZv7SOQkYctHK6c6fZ2yur6Rkmlk+sQE",
    "VcjIDUb7zaYYBrUnGYnXUlNEWRSL9nBBVjgob3ytuuYqv74UlLmkmIizeXIla8Wl9tFIPUgnn2LG6kmyS6lrMvUZohi1",
    "IbylMvkE3UKlMFZyIZZGu5giw48UXM2jCB9Cl3kcFfovqmD5mXHllkvKRfksvL1cjBCNPf9HmXnrV8hY6SkllgkR/a7p",
    "2aG6iTZ56ax5kQzLF3WW2ex6lTUUUt4kZu/qDVNb7tx5XbMkXqHJWZq3bFHFSbjSq0gSVZVJKlGcc4r5vqn8QdKwa87L",
    "pZEULylJuipp/dmEaJ8QUtkzV5jVzuKxq+Z1BIHCqCEkC2+PPQMRY1poHREgBClEjDCQJD5YpD4Gzd3OK8xhFpM8T3PW",
    "feOKCW5e538v/f7N5/uBOkMP+SNuvH45/w3jmHRcnskQtNlDHs7lOfby7NbSN9z88cRyvu2P9me6B/nGCOf8OQ3Rvcbr",
    "cCr1x/vukEbcPTe1s3HKPvgfR/fCw1p6BOQMbV7nN2ZJa/RVMPZxf0tHVMeIewoJoYJTPQrAXfaN4Y1Be9+FHzcvHHZr",
    "ln2QUQbdyWstbVAz85KEPl2qDW0oofbUsbfvpuGip2qGlOGtvJYVzwfNOoazhnxj2QDN59XM15T/IF/i+D/F14T/B1/k",
    "/W+lXlJSjd4FoVR/JNkpb5yZpHvB6H4YnBAaW0cS3hL/JkpZN49/yWyym8Yndef4v8riEt48ve4kkVE6t5LefCXkwSTr",
    "4mJx8rog4eNnheCmu7A0hZpCRGOI0oea4dkkMbtgstu4L44VX1/fJb6oO8T/1X7gfl0kvyGqzNVXASX3vJ4=",
  ].join(""),
  "base64",
);

function text(): string {
  const names = ["root", "bin", "daemon", "sys"];
  const row = (index: number) =>
    `${names[(index * 7) % 4]}:x:${(index * index) % 997}:/home/${index % 13}\n`;
  return Array.from({ length: 400 }, (_, index) => row(index)).join("");
}

/** Decodes a file of frames; the code of the error where it is refused. */
function decoded(packed: Uint8Array): string {
  const pieces: Buffer[] = [];
  const from = (into: Uint8Array, offset: number) =>
    Buffer.from(packed.buffer, packed.byteOffset, packed.length).copy(into, 0, offset);
  const decoder = new ZstdDecoder(from, "file", (piece) => pieces.push(Buffer.from(piece)));
  try {
    while (decoder.step());
    return Buffer.concat(pieces).toString("latin1");
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  } finally {
    decoder.release();
  }
}

test("a frame is what was packed, and so are two of them", () => {
  expect(decoded(PACKED)).toBe(text());
  expect(decoded(Buffer.concat([PACKED, PACKED]))).toBe(text() + text());
});

test("with any byte changed it is refused, or the change says nothing", () => {
  // Such as the bits that fill the last byte of a table.
  const whole = text();
  let silent = 0;
  for (let at = 0; at < PACKED.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const harmed = Buffer.from(PACKED);
      harmed[at] = (harmed[at] as number) ^ flip;
      const found = decoded(harmed);
      if (found === whole) silent++;
      else expect(["EBADMSG", "EOPNOTSUPP"], `byte ${at} ^ ${flip}`).toContain(found);
    }
  }
  expect(silent).toBeLessThan(10);
});

test("cut anywhere it is refused", () => {
  for (let length = 1; length < PACKED.length; length++) {
    expect(decoded(PACKED.subarray(0, length)), `${length} bytes`).toBe("EBADMSG");
  }
});

test("a match reaches over the end of the room into the lap before", () => {
  // Blocks as they are and of one byte, then compressed ones that repeat the last offset.
  const blocks: Buffer[] = [];
  const block = (type: number, size: number, content: Buffer, isLast = false) => {
    const head = Buffer.alloc(3);
    head.writeUIntLE((size << 3) | (type << 1) | Number(isLast), 0, 3);
    blocks.push(head, content);
  };
  const due: Buffer[] = [];
  const window = 2 ** 17;
  for (let index = 0; index < 9; index++) {
    const content = Buffer.alloc(100_001, `block ${index}.`);
    block(0, content.length, content);
    due.push(content);
  }
  // No literals, one sequence of known tables: length 0, offset code 16 (65533 back), match 3.
  const offset = 65_533;
  const sequence = oneSequence(offset);
  for (let turn = 0; turn < 3; turn++) {
    block(2, sequence.length, sequence, turn === 2);
    const so = Buffer.concat(due);
    due.splice(0, due.length, so, so.subarray(so.length - offset, so.length - offset + 3));
  }
  // Magic, no size and no checksum, the window.
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (Math.log2(window) - 10) << 3]);
  const packed = Buffer.concat([head, ...blocks]);
  expect(decoded(packed) === Buffer.concat(due).toString("latin1")).toBe(true);
});

/** A compressed block without literals whose only sequence copies 3 bytes from `offset` back. */
function oneSequence(offset: number): Buffer {
  const code = Math.floor(Math.log2(offset + 3));
  const extra = offset + 3 - 2 ** code;
  // Tables of one symbol each: their states take no bits, so the stream is the offset's bits alone.
  const modes = (1 << 6) | (1 << 4) | (1 << 2);
  const bits = Buffer.alloc(Math.floor(code / 8) + 1);
  bits.writeUIntLE(2 ** code + extra, 0, bits.length);
  return Buffer.concat([Buffer.from([0, 1, modes, 0, code, 0]), bits]);
}
