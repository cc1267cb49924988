/** Damaged lists of freed pages: reading goes on, writing is refused, repair proves what is free. */
import { describe, expect, test } from "vitest";
import { RequestType } from "../../assembly/format/abi.ts";
import { ErrorCode } from "../../assembly/format/errors.ts";
import { type BlockRequest, request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { RegionImage } from "../support/region.ts";
import { OPEN, TREE, TreeCore } from "../support/tree.ts";

const ST = 0;
const WF = 1;
const RECORDS = 200;
/** Pages of each chunk that are its bitmap's own places. */
const BITMAP_HOMES = 3;

const number = (at: number) => {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, Math.imul(at + 1, 2654435761) >>> 0);
  return key;
};

/** Loses every write behind the first `left` ones, like a machine without power. */
class Cut extends MemoryDevice {
  left = Number.POSITIVE_INFINITY;
  writes = 0;
  override submit(requests: readonly BlockRequest[]): void {
    for (const one of requests) {
      const changes = one.type === RequestType.OUT || one.type === RequestType.WRITE_ZEROES;
      if (changes) this.writes += 1;
      if (changes && this.writes > this.left) one.status = 0;
      else super.submit([one]);
    }
  }
}

/** Both formats in use, each with both of its lists: the bytes of the device. */
function used(): Uint8Array {
  const device = new MemoryDevice({ size: 4 << 20 });
  const tree = new TreeCore(device);
  expect(tree.format({ files: true })).toBe(0);
  const region = tree.open();
  let data = -1;
  for (let round = 0; round < 4; round++) {
    for (let at = 0; at < RECORDS; at++) {
      expect(tree.put(region, TREE.ST_REFS, number(at), new Uint8Array(40 + round))).toBe(0);
    }
    expect(tree.exports.testCommit(region, ST)).toBe(0);
    expect(tree.exports.testReserve(region, WF, 16, 2, 0)).toBe(0);
    // Pages of the round before are freed: the lists of this format name data as well.
    if (data >= 0) expect(tree.exports.testFree(region, data, 1, round)).toBe(0);
    expect(tree.exports.testAllocate(region, 1)).toBe(1);
    data = tree.exports.testAllocated();
    for (let at = 0; at < 50; at++) {
      const code = tree.put(region, TREE.WF_FILES, number(at), new Uint8Array(30 + round));
      expect(code).toBe(0);
    }
    expect(tree.exports.testCommit(region, WF)).toBe(0);
  }
  expect(tree.exports.testReserve(region, WF, 16, 0, 1)).toBe(0);
  expect(tree.exports.testFree(region, data, 1, 3)).toBe(ErrorCode.OK);
  expect(tree.exports.testCommit(region, WF)).toBe(0);
  expect(tree.exports.regionClose(region)).toBe(0);
  return device.bytes();
}

const IMAGE = used();

function deviceOf(bytes: Uint8Array): Cut {
  const device = new Cut({ size: bytes.length });
  device.submit([request(RequestType.OUT, 0, bytes)]);
  device.writes = 0;
  return device;
}

/** Damages the first page of a list: its number. `which`: 4 current, 5 previous. */
function spoil(device: MemoryDevice, base: 0 | 256, which: 4 | 5): number {
  const page = new RegionImage(device.bytes()).newest(base).pointers[which]?.page ?? 0;
  expect(page).toBeGreaterThan(0);
  const bytes = device.peek(page * 4096, 4096);
  bytes[80] = (bytes[80] as number) ^ 1;
  device.submit([request(RequestType.OUT, page * 8, bytes)]);
  return page;
}

function change(tree: TreeCore, region: number, base: 0 | 256): number {
  const target = base === 0 ? TREE.ST_REFS : TREE.WF_FILES;
  return tree.put(region, target, number(1), new Uint8Array(9));
}

/** Pages that the bitmaps of both formats say hold something. */
function usedPages(bytes: Uint8Array): number {
  const image = new RegionImage(bytes);
  let pages = 0;
  for (const base of [0, 256] as const) {
    const superblock = image.newest(base);
    for (const [chunk, entry] of image.chunks(superblock)) {
      if (entry.owner === 1 || entry.owner === 7) {
        pages += image.used(superblock, chunk, entry).length - BITMAP_HOMES;
      }
    }
  }
  return pages;
}

/** Empty commits until every list is empty or as it will be for ever. */
function settled(device: MemoryDevice): number {
  const tree = new TreeCore(device);
  const region = tree.open();
  for (let round = 0; round < 4; round++) {
    for (const base of [0, 256] as const) {
      expect(change(tree, region, base)).toBe(0);
      expect(tree.exports.testCommit(region, base === 0 ? ST : WF)).toBe(0);
    }
  }
  expect(tree.exports.regionClose(region)).toBe(0);
  return usedPages(device.bytes());
}

const CASES = [
  ["the store's current list", 0, 4],
  ["the store's previous list", 0, 5],
  ["the filesystem's current list", 256, 4],
  ["the filesystem's previous list", 256, 5],
] as const;

describe.each(CASES)("damage to %s", (_, base, which) => {
  test("leaves a region that is read, and a change that is refused names the page", () => {
    const device = deviceOf(IMAGE);
    const page = spoil(device, base, which);
    const tree = new TreeCore(device);
    const reader = tree.open(OPEN.READ_ONLY);
    expect(reader).toBeGreaterThan(0);
    expect(tree.list(reader, TREE.ST_REFS).length).toBe(RECORDS);
    expect(tree.exports.regionCheck(reader, 1)).toBeGreaterThan(0);
    tree.exports.regionAbandon(reader);
    const region = tree.open();
    const code = region < 0 ? region : change(tree, region, base);
    expect(region < 0).toBe(which === 4);
    expect(code).toBe(ErrorCode.EBADMSG);
    expect(tree.core.error(code, "open").fault?.lba).toBe(page * 8);
  });

  test("is mended: nothing is lost, and as many pages are free in the end", () => {
    const device = deviceOf(IMAGE);
    spoil(device, base, which);
    const tree = new TreeCore(device);
    const region = tree.open(OPEN.REPAIR);
    expect(region).toBeGreaterThan(0);
    expect(tree.exports.regionRepair(region)).toBe(0);
    expect(tree.exports.regionClose(region)).toBe(0);
    const again = tree.open(OPEN.STRICT);
    expect(tree.exports.regionCheck(again, 1)).toBe(0);
    expect(tree.list(again, TREE.ST_REFS).length).toBe(RECORDS);
    expect(change(tree, again, base)).toBe(0);
    tree.exports.regionAbandon(again);
    expect(settled(device)).toBe(settled(deviceOf(IMAGE)));
  });

  test("is mended again when the first repair was cut off at any write", () => {
    const damaged = deviceOf(IMAGE);
    spoil(damaged, base, which);
    const whole = deviceOf(damaged.bytes());
    const first = new TreeCore(whole);
    const done = first.open(OPEN.REPAIR);
    expect(first.exports.regionRepair(done)).toBe(0);
    first.exports.regionAbandon(done);
    expect(whole.writes).toBeGreaterThan(6);
    for (let left = 0; left <= whole.writes; left++) {
      const device = deviceOf(damaged.bytes());
      device.left = left;
      const cut = new TreeCore(device);
      cut.exports.regionRepair(cut.open(OPEN.REPAIR));
      device.left = Number.POSITIVE_INFINITY;
      const tree = new TreeCore(device);
      const region = tree.open(OPEN.REPAIR);
      expect(tree.exports.regionRepair(region), `cut at ${left}`).toBe(0);
      expect(tree.list(region, TREE.ST_REFS).length, `cut at ${left}`).toBe(RECORDS);
      expect(tree.exports.regionClose(region)).toBe(0);
    }
  });
});

test("with a tree damaged as well, repair refuses, writes no list and keeps what it has", () => {
  const device = deviceOf(IMAGE);
  spoil(device, 0, 4);
  const refs = new RegionImage(device.bytes()).newest(0).pointers[2];
  for (const page of [refs?.page ?? 0, refs?.second ?? 0]) {
    const bytes = device.peek(page * 4096, 4096);
    bytes[900] = (bytes[900] as number) ^ 1;
    device.submit([request(RequestType.OUT, page * 8, bytes)]);
  }
  const tree = new TreeCore(device);
  const reader = tree.open(OPEN.READ_ONLY);
  expect(reader < 0 ? reader : 0).toBe(ErrorCode.EBADMSG);
  expect(tree.open(OPEN.REPAIR)).toBe(ErrorCode.EBADMSG);
});

test("with the second copy of a root damaged as well, repair refuses and says which page", () => {
  const device = deviceOf(IMAGE);
  spoil(device, 0, 4);
  const second = new RegionImage(device.bytes()).newest(0).pointers[2]?.second ?? 0;
  const bytes = device.peek(second * 4096, 4096);
  bytes[900] = (bytes[900] as number) ^ 1;
  device.submit([request(RequestType.OUT, second * 8, bytes)]);
  const before = new RegionImage(device.bytes()).newest(0);
  const tree = new TreeCore(device);
  const region = tree.open(OPEN.REPAIR);
  expect(tree.exports.regionRepair(region)).toBe(ErrorCode.EBADMSG);
  expect(tree.core.error(ErrorCode.EBADMSG, "repair").fault?.lba).toBe(second * 8);
  tree.exports.regionAbandon(region);
  const after = new RegionImage(device.bytes()).newest(0);
  expect(after.pointers).toEqual(before.pointers);
});
