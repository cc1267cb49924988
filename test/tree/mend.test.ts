/** Repair makes whole again what copies and trees prove, and growth takes a larger device. */
import { expect, test } from "vitest";
import { RequestType } from "../../assembly/format/abi.ts";
import { ErrorCode } from "../../assembly/format/errors.ts";
import { request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { RegionImage } from "../support/region.ts";
import { OPEN, TREE, TreeCore } from "../support/tree.ts";

const number = (at: number) => {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, Math.imul(at + 1, 2654435761) >>> 0);
  return key;
};

function used(sizeBytes = 2 << 20) {
  const device = new MemoryDevice({ size: sizeBytes });
  const tree = new TreeCore(device);
  expect(tree.format({ files: true })).toBe(0);
  const region = tree.open();
  for (let round = 0; round < 4; round++) {
    for (let at = 0; at < 200; at++) {
      expect(tree.put(region, TREE.ST_REFS, number(at), new Uint8Array(40 + round))).toBe(0);
    }
    expect(tree.exports.testCommit(region, 0)).toBe(0);
  }
  expect(tree.exports.regionClose(region)).toBe(0);
  return { device, tree };
}

function spoil(device: MemoryDevice, at: number): void {
  const from = at - (at % 512);
  const bytes = device.bytes().slice(from, from + 512);
  bytes[at % 512] = (bytes[at % 512] as number) ^ 0x10;
  device.submit([request(RequestType.OUT, from / 512, bytes)]);
}

/** Places whose damage can be mended: every copy, both copies of roots, a bitmap, padding. */
function places(image: RegionImage): [string, number][] {
  const st = image.newest(0);
  const refs = st.pointers[2] as { page: number; second: number };
  const space = st.pointers[1] as { page: number; second: number };
  const [chunk, entry] = [...image.chunks(st)].find(([, { owner }]) => owner === 1) ?? [0, null];
  return [
    ...[0, 1, 128, 136, 256, 257, 384, 392, 8, 264].map((lba): [string, number] => {
      return [`the copy at LBA ${lba}`, lba * 512 + 77];
    }),
    ["the first copy of a root", refs.page * 4096 + 900],
    ["the second copy of a root", refs.second * 4096 + 900],
    ["the first copy of the space tree", space.page * 4096 + 4000],
    ["the second copy of the space tree", space.second * 4096 + 4000],
    ["a bitmap", (st.firstChunk / 8 + chunk * 16 + (entry?.home ?? 0)) * 4096 + 70],
    ["a sector that must be zero", 300 * 512],
    ["a sector beside the slots", 4 * 512],
  ];
}

test("each single damage to what is doubled or derived is mended, and nothing is lost", () => {
  const { device } = used();
  for (const [what, at] of places(new RegionImage(device.bytes()))) {
    const damaged = device.clone();
    spoil(damaged, at);
    const tree = new TreeCore(damaged);
    const reader = tree.open(OPEN.READ_ONLY);
    expect(reader, what).toBeGreaterThan(0);
    expect(tree.exports.regionCheck(reader, 1), what).toBeGreaterThan(0);
    expect(tree.exports.regionRepair(reader), what).toBe(ErrorCode.EROFS);
    tree.exports.regionAbandon(reader);
    const region = tree.open();
    expect(tree.exports.regionRepair(region), what).toBe(0);
    expect(tree.exports.regionClose(region), what).toBe(0);
    const again = tree.open(OPEN.READ_ONLY);
    expect(tree.exports.regionCheck(again, 1), what).toBe(0);
    expect(tree.list(again, TREE.ST_REFS).length, what).toBe(200);
  }
});

test("a repair of a whole region writes nothing", () => {
  const { device, tree } = used();
  const before = Buffer.from(device.bytes());
  const region = tree.open();
  expect(tree.exports.regionRepair(region)).toBe(0);
  tree.exports.regionAbandon(region);
  expect(Buffer.from(device.bytes()).equals(before)).toBe(true);
});

test("a strict mount refuses to write beside damage, and takes reads", () => {
  const { device } = used();
  const st = new RegionImage(device.bytes()).newest(0);
  spoil(device, (st.pointers[2]?.second ?? 0) * 4096 + 900);
  const tree = new TreeCore(device);
  const region = tree.open(OPEN.STRICT);
  expect(tree.list(region, TREE.ST_REFS).length).toBe(200);
  const code = tree.put(region, TREE.ST_REFS, number(1), new Uint8Array(9));
  expect(code).toBe(ErrorCode.EBADMSG);
  expect(tree.put(region, TREE.ST_REFS, number(1), new Uint8Array(9))).toBe(ErrorCode.EBADMSG);
});

test("a region copied to a larger device grows, and what was stored stays", () => {
  const { device } = used();
  const larger = new MemoryDevice({ size: 6 << 20 });
  larger.submit([request(RequestType.OUT, 0, device.bytes())]);
  const tree = new TreeCore(larger);
  const region = tree.open();
  expect(tree.exports.regionGrow(region)).toBe(0);
  expect(tree.exports.regionGrow(region)).toBe(ErrorCode.EINVAL);
  for (let at = 0; at < 1500; at++) {
    let code = tree.put(region, TREE.ST_INDEX, number(at), new Uint8Array(900));
    if (code === ErrorCode.EAGAIN) {
      expect(tree.exports.testCommit(region, 0)).toBe(0);
      code = tree.put(region, TREE.ST_INDEX, number(at), new Uint8Array(900));
    }
    expect(code).toBe(0);
    if (at % 100 === 0) expect(tree.exports.testCommit(region, 0)).toBe(0);
  }
  expect(tree.exports.regionClose(region)).toBe(0);
  const image = new RegionImage(larger.bytes());
  expect(image.newest(0).sectors).toBe((6 << 20) / 512);
  expect(image.newest(256).sectors).toBe((6 << 20) / 512);
  expect(image.view.getUint32(8 * 512 + 12, true)).toBe(2);
  const again = tree.open();
  expect(tree.exports.regionCheck(again, 1)).toBe(0);
  expect(tree.list(again, TREE.ST_REFS).length).toBe(200);
  expect(tree.list(again, TREE.ST_INDEX).length).toBe(1500);
});

test("a grow that was cut off after its descriptors is legal, and grows again", () => {
  const { device } = used();
  const larger = new MemoryDevice({ size: 4 << 20 });
  larger.submit([request(RequestType.OUT, 0, device.bytes())]);
  const grown = larger.clone();
  const tree = new TreeCore(grown);
  const region = tree.open();
  expect(tree.exports.regionGrow(region)).toBe(0);
  expect(tree.exports.regionClose(region)).toBe(0);
  for (const lba of [8, 264]) {
    larger.submit([request(RequestType.OUT, lba, grown.bytes().slice(lba * 512, lba * 512 + 512))]);
  }
  const other = new TreeCore(larger);
  const cut = other.open();
  expect(cut).toBeGreaterThan(0);
  expect(other.exports.regionCheck(cut, 1)).toBe(0);
  expect(other.exports.regionGrow(cut)).toBe(0);
  expect(other.exports.regionClose(cut)).toBe(0);
  expect(new RegionImage(larger.bytes()).newest(0).sectors).toBe((4 << 20) / 512);
});
