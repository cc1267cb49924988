/**
 * Damaged and crafted images: every flipped bit of a live structure is found by the check, and an
 * image that lies under correct checksums gets a typed error, never a trap, a hang or wrong data.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RequestType } from "../../assembly/format/abi.ts";
import { ErrorCode } from "../../assembly/format/errors.ts";
import { request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { type Pointer, RegionImage, xxh64 } from "../support/region.ts";
import { OPEN, TREE, TreeCore } from "../support/tree.ts";

const number = (at: number) => {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, Math.imul(at + 1, 2654435761) >>> 0);
  return key;
};

/** A used store-only region of 2 MiB as bytes: an index of two levels, limbo lists, clean. */
function usedImage(): Uint8Array {
  const device = new MemoryDevice({ size: 2 << 20 });
  const tree = new TreeCore(device);
  expect(tree.format({ files: true })).toBe(0);
  const region = tree.open();
  for (let round = 0; round < 6; round++) {
    for (let at = 0; at < 60; at++) {
      expect(tree.put(region, TREE.ST_INDEX, number(round * 60 + at), new Uint8Array(24))).toBe(0);
      expect(tree.put(region, TREE.ST_REFS, number(at), new Uint8Array(40 + round))).toBe(0);
    }
    expect(tree.exports.testCommit(region, 0)).toBe(0);
  }
  expect(tree.exports.regionClose(region)).toBe(0);
  return device.bytes();
}

const IMAGE = usedImage();

/** Mounts `bytes`, checks, lists, and changes something: the worst code, or the findings. */
function judge(tree: TreeCore, bytes: Uint8Array): { code: number; found: number } {
  const device = new MemoryDevice({ size: bytes.length });
  device.submit([request(RequestType.OUT, 0, bytes)]);
  const id = tree.core.attach(device);
  try {
    const reader = tree.exports.regionOpen(id, 0, 0, OPEN.READ_ONLY);
    if (reader < 0) return { code: reader, found: 0 };
    const found = tree.exports.regionCheck(reader, 1);
    tree.exports.regionAbandon(reader);
    const region = tree.exports.regionOpen(id, 0, 0, 0);
    if (region < 0) return { code: region, found };
    let code = 0;
    for (const which of [TREE.ST_INDEX, TREE.ST_SPACE, TREE.ST_REFS, TREE.WF_FILES]) {
      try {
        tree.list(region, which);
      } catch (error) {
        code = ErrorCode[(error as Error).message as keyof typeof ErrorCode] ?? -1;
      }
    }
    for (let at = 0; at < 40 && code === 0; at++) {
      code = tree.put(region, TREE.ST_REFS, number(at), new Uint8Array(90));
    }
    if (code === 0) code = tree.exports.testCommit(region, 0);
    for (let at = 0; at < 40 && code === 0; at++) {
      code = tree.delete(region, TREE.ST_REFS, number(at));
    }
    if (code === 0) code = tree.exports.testCommit(region, 0);
    tree.exports.regionAbandon(region);
    return { code, found };
  } finally {
    tree.core.detach(id);
  }
}

/** Live metadata of the image: superblock copies, descriptors, pages of trees, lists, bitmaps. */
function liveRanges(image: RegionImage): { at: number; length: number; what: string }[] {
  const ranges = [0, 1, 128, 136, 256, 257, 384, 392, 8, 264].map((lba) => {
    return { at: lba * 512, length: 512, what: `LBA ${lba}` };
  });
  for (const base of [0, 256] as const) {
    const superblock = image.newest(base);
    const space = base === 0 ? 2 : 18;
    const pages: number[] = [];
    superblock.pointers.slice(0, 4).forEach((root, at) => {
      image.records(root, space - 1 + at, (page) => pages.push(page));
    });
    for (const list of superblock.pointers.slice(4)) {
      pages.push(...image.limbo(list ?? null, space).own);
    }
    for (const [chunk, entry] of image.chunks(superblock)) {
      if (entry.owner === 1) pages.push(superblock.firstChunk / 8 + chunk * 16 + entry.home);
    }
    for (const page of pages) ranges.push({ at: page * 4096, length: 4096, what: `page ${page}` });
  }
  return ranges;
}

test("the image is clean before anything is done to it", () => {
  expect(judge(new TreeCore(new MemoryDevice({ size: 512 })), IMAGE)).toEqual({
    code: 0,
    found: 0,
  });
});

test("a flipped bit anywhere in a live structure is found", () => {
  const tree = new TreeCore(new MemoryDevice({ size: 512 }));
  const ranges = liveRanges(new RegionImage(IMAGE));
  fc.assert(
    fc.property(fc.nat(ranges.length - 1), fc.nat(), (which, offset) => {
      const { at, length, what } = ranges[which] as (typeof ranges)[number];
      const bit = offset % (length * 8);
      const bytes = IMAGE.slice();
      bytes[at + (bit >> 3)] = (bytes[at + (bit >> 3)] as number) ^ (1 << (bit & 7));
      const { code, found } = judge(tree, bytes);
      expect(found > 0 || code === ErrorCode.EBADMSG, `${what}, bit ${bit}`).toBe(true);
    }),
    { numRuns: 600 },
  );
});

test("two pages that changed places are both found", () => {
  const tree = new TreeCore(new MemoryDevice({ size: 512 }));
  const pages = liveRanges(new RegionImage(IMAGE)).filter(({ length }) => length === 4096);
  for (let one = 0; one + 1 < pages.length; one++) {
    const [a, b] = [pages[one]?.at as number, pages[one + 1]?.at as number];
    const bytes = IMAGE.slice();
    bytes.set(IMAGE.subarray(b, b + 4096), a);
    bytes.set(IMAGE.subarray(a, a + 4096), b);
    const { code, found } = judge(tree, bytes);
    expect(found > 1 || code === ErrorCode.EBADMSG, `${a} and ${b}`).toBe(true);
  }
});

/** An image under construction whose checksums are made right again after each change. */
class Forge {
  readonly image: RegionImage;

  constructor() {
    this.image = new RegionImage(IMAGE.slice());
  }

  /** Changes one page of a tree and every pointer up to the superblock copies. */
  page(root: number, path: readonly number[], change: (at: number, view: DataView) => void): this {
    const { image } = this;
    const superblock = image.newest(0);
    for (const lba of [0, 1, 128, 136]) {
      if (image.superblock(lba)?.epoch !== superblock.epoch)
        image.bytes.fill(0, lba * 512, lba * 512 + 512);
    }
    const places = [0, 1, 128, 136].filter((lba) => image.superblock(lba) !== null);
    const at = 64 + 32 * root;
    for (const lba of places) this.#page(lba * 512 + at, path, change, true);
    for (const lba of places) this.seal(lba);
    return this;
  }

  #page(
    pointer: number,
    path: readonly number[],
    change: (at: number, view: DataView) => void,
    again: boolean,
  ): void {
    const { image } = this;
    const { view, bytes } = image;
    const { page, second } = image.pointer(pointer) as Pointer;
    const at = page * 4096;
    const done = view.getBigUint64(pointer + 24, true) === view.getBigUint64(at + 56, true);
    if (again && done) {
      const [child, ...rest] = path;
      if (child === undefined) change(at, view);
      else {
        const record = at + view.getUint16(at + 64 + 2 * child, true);
        this.#page(record + 4 + view.getUint16(record, true), rest, change, true);
      }
      const zeroed = bytes.slice(at, at + 4096);
      zeroed.fill(0, 8, 16);
      zeroed.fill(0, 56, 64);
      const kind = BigInt(bytes[at + 4] as number);
      view.setBigUint64(at + 56, xxh64(zeroed, image.tag ^ kind), true);
      if (second !== 0) {
        bytes.copyWithin(second * 4096, at, at + 4096);
        view.setBigUint64(second * 4096 + 8, BigInt(second), true);
      }
    }
    view.setBigUint64(pointer + 24, view.getBigUint64(at + 56, true), true);
  }

  /** Makes the checksums of the superblock at `lba` right. */
  seal(lba: number): this {
    const { view, bytes } = this.image;
    const at = lba * 512;
    view.setBigUint64(at + 480, xxh64(bytes.subarray(at, at + 480), 0n), true);
    view.setBigUint64(at + 504, xxh64(bytes.subarray(at, at + 504), 0n), true);
    return this;
  }

  /** Changes every copy of the store's newest superblock and drops the older ones. */
  superblock(change: (at: number, view: DataView) => void): this {
    const { epoch } = this.image.newest(0);
    for (const lba of [0, 1, 128, 136]) {
      if (this.image.superblock(lba)?.epoch === epoch) {
        change(lba * 512, this.image.view);
        this.seal(lba);
      } else this.image.bytes.fill(0, lba * 512, lba * 512 + 512);
    }
    return this;
  }
}

const record = (view: DataView, at: number, index: number) =>
  at + view.getUint16(at + 64 + 2 * index, true);
const child = (view: DataView, at: number, index: number) => {
  const start = record(view, at, index);
  return start + 4 + view.getUint16(start, true);
};

describe("an image that lies under correct checksums is refused or found", () => {
  const CASES: [string, () => Forge][] = [
    [
      "a level that does not fall",
      () => new Forge().page(0, [], (at, view) => view.setUint8(child(view, at, 0) + 6, 3)),
    ],
    [
      "a cycle: the root is its own child",
      () =>
        new Forge().page(0, [], (at, view) => {
          view.setUint32(child(view, at, 0), at / 4096, true);
        }),
    ],
    [
      "two pointers to one page",
      () =>
        new Forge().page(0, [], (at, view) => {
          const [from, to] = [child(view, at, 0), child(view, at, 1)];
          for (let byte = 0; byte < 32; byte++)
            view.setUint8(to + byte, view.getUint8(from + byte));
        }),
    ],
    [
      "a pointer before the chunks",
      () => new Forge().page(0, [], (at, view) => view.setUint32(child(view, at, 0), 1, true)),
    ],
    [
      "a pointer behind the region",
      () =>
        new Forge().page(0, [], (at, view) => view.setUint32(child(view, at, 0), 0x7fffffff, true)),
    ],
    [
      "a birth in the future",
      () =>
        new Forge().page(0, [], (at, view) => {
          view.setBigUint64(child(view, at, 0) + 16, 1n << 60n, true);
        }),
    ],
    [
      "a count of nothing",
      () => new Forge().page(0, [0], (at, view) => view.setUint16(at + 6, 0, true)),
    ],
    [
      "a count past the page",
      () => new Forge().page(0, [0], (at, view) => view.setUint16(at + 6, 4000, true)),
    ],
    [
      "a slot outside the heap",
      () => new Forge().page(0, [0], (at, view) => view.setUint16(at + 64, 10, true)),
    ],
    [
      "a record longer than the page",
      () =>
        new Forge().page(0, [0], (at, view) =>
          view.setUint16(record(view, at, 0) + 2, 60000, true),
        ),
    ],
    [
      "keys out of order",
      () =>
        new Forge().page(0, [0], (at, view) => {
          const [a, b] = [view.getUint16(at + 64, true), view.getUint16(at + 66, true)];
          view.setUint16(at + 64, b, true);
          view.setUint16(at + 66, a, true);
        }),
    ],
    [
      "a heap that does not add up",
      () => new Forge().page(0, [0], (at, view) => view.setUint16(at + 42, 99, true)),
    ],
    [
      "a page of another tree",
      () => new Forge().page(0, [0], (at, view) => view.setBigUint64(at + 24, 3n, true)),
    ],
    [
      "bytes in the padding",
      () => new Forge().page(0, [0], (at, view) => view.setUint8(at + 50, 1)),
    ],
    [
      "a chunk of an impossible owner",
      () => new Forge().page(1, [], (at, view) => view.setUint8(child(view, at, 0), 77)),
    ],
    [
      "a chunk that claims more free pages",
      () => new Forge().page(1, [], (at, view) => view.setUint32(child(view, at, 0) + 4, 13, true)),
    ],
    [
      "a meta chunk that is said to be a pack",
      () => new Forge().page(1, [], (at, view) => view.setUint8(child(view, at, 0), 3)),
    ],
    [
      "a granted chunk that is said to be free",
      () => new Forge().page(1, [], (at, view) => view.setUint8(child(view, at, 1), 0)),
    ],
    [
      "more sectors than the device has",
      () => new Forge().superblock((at, view) => view.setBigUint64(at + 56, 1n << 40n, true)),
    ],
    [
      "an unknown incompatible feature",
      () => new Forge().superblock((at, view) => view.setBigUint64(at + 312, 1n << 40n, true)),
    ],
    [
      "an unknown major version",
      () => new Forge().superblock((at, view) => view.setUint16(at + 8, 9, true)),
    ],
    [
      "a chunk shift of 60",
      () => new Forge().superblock((at, view) => view.setUint8(at + 322, 60)),
    ],
    [
      "a first chunk inside the head",
      () => new Forge().superblock((at, view) => view.setUint32(at + 464, 8, true)),
    ],
    [
      "a free-page count of 2^60",
      () => new Forge().superblock((at, view) => view.setBigUint64(at + 256, 1n << 60n, true)),
    ],
    [
      "no space tree",
      () =>
        new Forge().superblock((at, view) => {
          for (let byte = 0; byte < 32; byte++) view.setUint8(at + 96 + byte, 0);
        }),
    ],
    [
      "an index root at the superblock",
      () => new Forge().superblock((at, view) => view.setUint32(at + 64, 0xffff, true)),
    ],
    [
      "a limbo list that is a leaf",
      () =>
        new Forge().superblock((at, view) => {
          for (let byte = 0; byte < 6; byte++)
            view.setUint8(at + 192 + byte, view.getUint8(at + 96 + byte));
        }),
    ],
  ];
  test.each(CASES)("%s", (_name, forge) => {
    const tree = new TreeCore(new MemoryDevice({ size: 512 }));
    const { code, found } = judge(tree, forge().image.bytes);
    expect(found > 0 || code < 0).toBe(true);
    if (code < 0) expect([ErrorCode.EBADMSG, ErrorCode.EOPNOTSUPP]).toContain(code);
  });
});

test("random damage under correct page checksums never traps and ends soon", () => {
  const tree = new TreeCore(new MemoryDevice({ size: 512 }));
  fc.assert(
    fc.property(
      fc.nat(2),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      (root, leaf, changes) => {
        const path = leaf && root === 0 ? [0] : [];
        const forged = new Forge().page(root, path, (at, view) => {
          for (const [offset, byte] of changes) view.setUint8(at + offset, byte);
        });
        const { code } = judge(tree, forged.image.bytes);
        expect([0, ErrorCode.EBADMSG, ErrorCode.ENOSPC]).toContain(code);
      },
    ),
    { numRuns: 300 },
  );
});
