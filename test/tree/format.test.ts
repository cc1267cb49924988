/** Bytes of a region against the format's tables, read by a second reader of its own. */
import { describe, expect, test } from "vitest";
import { RequestType } from "../../assembly/format/abi.ts";
import { ErrorCode } from "../../assembly/format/errors.ts";
import type { BlockRequest } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { RegionImage, type Superblock } from "../support/region.ts";
import { OPEN, TREE, TreeCore, UUID } from "../support/tree.ts";

const COPIES = [0, 1, 128, 136, 256, 257, 384, 392];

/** Counts requests on their way to memory. */
class Counting extends MemoryDevice {
  reads = 0;
  override submit(requests: readonly BlockRequest[]): void {
    this.reads += requests.filter((one) => one.type === RequestType.IN).length;
    super.submit(requests);
  }
}

function formatted(sizeBytes: number, files: boolean, blkSize: 512 | 4096 = 512) {
  const device = new Counting({ size: sizeBytes, blkSize });
  const tree = new TreeCore(device);
  expect(tree.format({ files, logSectors: sizeBytes >= 4 << 20 ? 2048 : 128 })).toBe(0);
  return { device, tree };
}

const number = (at: number) => {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, Math.imul(at + 1, 2654435761) >>> 0);
  return key;
};

/** Everything that must hold in any image: trees, limbo and bitmaps add up, in each format. */
function accounts(image: RegionImage): void {
  for (const base of [0, 256] as const) {
    if (base === 256 && image.superblock(256) === null && image.superblock(257) === null) continue;
    const superblock = image.newest(base);
    const space = base === 0 ? 2 : 18;
    const reached: number[] = [];
    superblock.pointers.slice(0, 4).forEach((root, at) => {
      const list = image.records(root, space - 1 + at, (page) => reached.push(page));
      if (base === 0 || at > 0) return;
      for (const [key, value] of list) {
        if (key.length !== 34 || key.slice(16, 18) !== "04") continue;
        const bytes = Buffer.from(value, "hex");
        for (let page = 0; page < bytes.readUInt16LE(6); page++) {
          reached.push(bytes.readUInt32LE(0) + page);
        }
      }
    });
    for (const pointer of superblock.pointers.slice(4)) {
      const { own, named } = image.limbo(pointer ?? null, space);
      reached.push(...own, ...named);
    }
    const used: number[] = [];
    let free = 0n;
    for (const [chunk, entry] of image.chunks(superblock)) {
      if (entry.owner !== 1 && entry.owner !== 7) continue;
      const first = superblock.firstChunk / 8 + chunk * 2 ** (superblock.chunkShift - 12);
      used.push(...image.used(superblock, chunk, entry).filter((page) => page >= first + 3));
      free += BigInt(entry.freePages);
    }
    expect(reached.sort((a, b) => a - b)).toEqual(used.sort((a, b) => a - b));
    expect(superblock.freePages).toBe(free);
  }
}

describe("mkfs", () => {
  test.each([
    [2 << 20, 16, 640, 27],
    [4 << 20, 16, 2560, 44],
    [16 << 20, 20, 4096, 14],
    [64 << 20, 20, 4096, 62],
    [126 << 20, 20, 4096, 124],
    [1 << 30, 20, 4096, 1022],
  ])("of %i bytes gives chunks of 2^%i from LBA %i: %i of them", (size, shift, first, chunks) => {
    const { device, tree } = formatted(size, true);
    const region = tree.open();
    const info = tree.core.memory.allocate(72);
    tree.core.exports.regionInfo(region, info);
    const word = (offset: number) => tree.core.memory.view.getUint32(info + offset, true);
    expect([word(0x28), word(0x30), word(0x2c)]).toEqual([shift, first, chunks]);
    expect(device.config.capacity).toBe(size / 512);
  });

  test("writes the bytes of the tables: both descriptors, eight superblocks, first pages", () => {
    const { device } = formatted(2 << 20, true);
    const image = new RegionImage(device.bytes());
    for (const lba of [8, 264]) {
      const at = lba * 512;
      const text = Buffer.from(image.bytes.subarray(at, at + 8)).toString();
      expect(text).toBe("CAPOSRG1");
      expect(image.bytes.slice(at + 16, at + 32)).toEqual(UUID);
      expect(image.view.getBigUint64(at + 32, true)).toBe(4096n);
      expect(image.view.getUint32(at + 12, true)).toBe(1);
      expect(image.view.getBigUint64(at + 496, true)).toBe(BigInt(lba));
    }
    const copies = COPIES.map((lba) => image.superblock(lba) as Superblock);
    expect(copies.map((copy) => Number(copy.epoch))).toEqual([2, 1, 2, 1, 2, 1, 2, 1]);
    for (const [even, odd] of [
      [0, 1],
      [4, 5],
    ] as const) {
      expect(copies[odd]?.previous).toBe(0n);
      expect(copies[even]?.previous).toBe(copies[odd]?.bodyCsum);
      expect(copies[even]?.bodyCsum).toBe(copies[even + 2]?.bodyCsum);
    }
    const [st, wf] = [copies[0] as Superblock, copies[4] as Superblock];
    expect(st.features).toEqual([0n, 1n, 0n]);
    expect(st.session).toBe(77n);
    expect([st.grantSeq, wf.grantSeq, wf.returnSeen]).toEqual([1n, 1n, 16n]);
    const chunk = 640 / 8;
    expect(st.pointers[1]).toMatchObject({ page: chunk + 3, second: chunk + 4, birth: 1n });
    expect(wf.pointers[1]).toMatchObject({ page: chunk + 16 + 3, second: chunk + 16 + 5 });
    expect(wf.pointers[0]).toMatchObject({ page: chunk + 16 + 4, second: chunk + 16 + 6 });
    const space = image.records(st.pointers[1] ?? null, 2).map(([key]) => key);
    expect(space).toEqual(["0100000000", "0100000001", "020000000000000001"]);
    const [inode] = image.records(wf.pointers[0] ?? null, 17);
    expect(inode?.[0]).toBe("000000000000000101");
    expect(Buffer.from(inode?.[1] ?? "", "hex").readUInt16LE(0)).toBe(0o40755);
    accounts(image);
    // Everything else in the head is zero.
    const head = image.bytes.slice(0, 512 * 512);
    for (const lba of [...COPIES, 8, 264]) head.fill(0, lba * 512, lba * 512 + 512);
    expect(head.every((byte) => byte === 0)).toBe(true);
  });

  test("of less than the smallest size is EINVAL", () => {
    const tree = new TreeCore(new MemoryDevice({ size: (2 << 20) - 4096 }));
    expect(tree.format()).toBe(ErrorCode.EINVAL);
    const small = new TreeCore(new MemoryDevice({ size: (4 << 20) - 4096 }));
    expect(small.format({ logSectors: 2048 })).toBe(ErrorCode.EINVAL);
  });
});

test.each([512, 4096] as const)(
  "a used region adds up in the second reader, blocks of %i",
  (size) => {
    const { device, tree } = formatted(4 << 20, true, size);
    const region = tree.open();
    for (let round = 0; round < 30; round++) {
      for (let at = 0; at < 40; at++) {
        const code = tree.put(
          region,
          TREE.ST_INDEX,
          number(round * 40 + at),
          new Uint8Array(24 + at),
        );
        expect(code).toBe(0);
      }
      if (round > 3) {
        for (let at = 0; at < 30; at++) {
          expect(tree.delete(region, TREE.ST_INDEX, number((round - 3) * 40 + at))).toBe(0);
        }
      }
      expect(tree.exports.testCommit(region, 0)).toBe(0);
      accounts(new RegionImage(device.bytes()));
    }
    expect(tree.exports.regionClose(region)).toBe(0);
    const image = new RegionImage(device.bytes());
    const st = image.newest(0);
    expect(st.state).toBe(1);
    const records = image.records(st.pointers[0] ?? null, 1);
    expect(records.length).toBe(30 * 40 - 26 * 30);
    const again = tree.open(OPEN.READ_ONLY);
    const listed = tree.list(again, TREE.ST_INDEX).map(([k, v]) => [hex(k), hex(v)]);
    expect(listed).toEqual(records);
  },
);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("mount", () => {
  test.each([false, true])(
    "takes at most 16 or 24 reads, however much is stored; files %s",
    (files) => {
      const { device, tree } = formatted(64 << 20, files);
      const most = files ? 24 : 16;
      const counts: number[] = [];
      for (const target of [10, 5000]) {
        const region = tree.open();
        for (let at = 0; at < target; at++) {
          expect(tree.put(region, TREE.ST_INDEX, number(at), new Uint8Array(24))).toBe(0);
        }
        expect(tree.exports.regionClose(region)).toBe(0);
        device.reads = 0;
        tree.exports.regionAbandon(tree.open());
        counts.push(device.reads);
      }
      expect(counts[1]).toBe(counts[0]);
      expect(counts[0]).toBeLessThanOrEqual(most);
    },
  );

  test.each(COPIES)("succeeds with the copy at LBA %i zeroed or torn, and heals it", (lba) => {
    for (const fill of [0, 0xff]) {
      const { device, tree } = formatted(2 << 20, true);
      const region = tree.open();
      expect(tree.put(region, TREE.ST_INDEX, number(1), new Uint8Array(24))).toBe(0);
      expect(tree.exports.regionClose(region)).toBe(0);
      const damaged = device.clone();
      const sector = new Uint8Array(512).fill(fill);
      damaged.submit([{ ...write(lba, sector) }]);
      const other = new TreeCore(damaged);
      const again = other.open();
      expect(again).toBeGreaterThan(0);
      expect(other.exports.regionCheck(again, 0)).toBe(0);
      expect(other.exports.regionCheck(again, 1)).toBeLessThanOrEqual(1);
      expect(other.list(again, TREE.ST_INDEX).length).toBe(1);
      expect(other.put(again, TREE.ST_INDEX, number(2), new Uint8Array(24))).toBe(0);
      expect(other.exports.testCommit(again, 0)).toBe(0);
      expect(other.exports.regionClose(again)).toBe(0);
      expect(other.list(other.open(), TREE.ST_INDEX).length).toBe(2);
    }
  });

  test("of zeros is EMEDIUMTYPE; of a region with no valid copy left EBADMSG", () => {
    expect(new TreeCore(new MemoryDevice({ size: 2 << 20 })).open()).toBe(ErrorCode.EMEDIUMTYPE);
    const { device, tree } = formatted(2 << 20, true);
    for (const lba of COPIES) {
      const sector = device.bytes().slice(lba * 512, lba * 512 + 512);
      sector[40] = (sector[40] as number) ^ 1;
      device.submit([write(lba, sector)]);
    }
    expect(tree.open()).toBe(ErrorCode.EBADMSG);
  });

  test("a truncated device is refused", () => {
    const { device } = formatted(4 << 20, true);
    const short = new MemoryDevice({ size: 3 << 20 });
    short.submit([write(0, device.bytes().slice(0, 3 << 20))]);
    expect(new TreeCore(short).open()).toBe(ErrorCode.EBADMSG);
  });

  test("two superblocks of one epoch that differ are a fork: refused", () => {
    const { device, tree } = formatted(2 << 20, false);
    const one = device.clone();
    for (const [target, count] of [
      [tree, 1],
      [new TreeCore(one), 2],
    ] as const) {
      const region = target.open();
      for (let at = 0; at < count; at++) {
        expect(target.put(region, TREE.ST_INDEX, number(at), new Uint8Array(24))).toBe(0);
      }
      expect(target.exports.testCommit(region, 0)).toBe(0);
      expect(target.exports.regionRest(region)).toBe(0);
    }
    // The other branch's slot of the same epoch over this one's mirror place stays a mirror.
    const [mine, theirs] = [device.bytes(), one.bytes()];
    const epoch = new RegionImage(mine).newest(0).epoch;
    const mirror = epoch % 2n === 0n ? 128 : 136;
    device.submit([write(mirror, theirs.slice(mirror * 512, mirror * 512 + 512))]);
    expect(tree.open()).toBe(ErrorCode.EBADMSG);
  });
});

test("a region of 16 TiB is made, changed, checked and read within 64 MiB of memory", () => {
  const device = new MemoryDevice({ size: 2 ** 44 });
  const tree = new TreeCore(device);
  expect(tree.format({ files: true, logSectors: 2048 })).toBe(0);
  const region = tree.open();
  expect(tree.put(region, TREE.ST_INDEX, number(1), new Uint8Array(24))).toBe(0);
  expect(tree.exports.testCommit(region, 0)).toBe(0);
  expect(tree.exports.regionClose(region)).toBe(0);
  const again = tree.open();
  expect(tree.list(again, TREE.ST_INDEX).length).toBe(1);
  expect(tree.exports.regionCheck(again, 1)).toBe(0);
  expect(tree.core.memory.sizeBytes).toBeLessThan(64 << 20);
});

function write(sector: number, data: Uint8Array): BlockRequest {
  return {
    type: RequestType.OUT,
    sector,
    data,
    length: data.length,
    flags: 0,
    status: -1,
    transferred: 0,
  };
}
