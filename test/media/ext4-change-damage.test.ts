/**
 * Changes of volumes that say what cannot be: blocks with two uses, lying counts and places. They
 * end in an error, and the module is sound afterwards. The goldens have no checksums.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Ext4Volume } from "../../host/core/media/ext4.ts";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { buildOn } from "../support/ext4.ts";
import { codeOf, failing, openForChange, put } from "../support/ext4-changes.ts";
import { changeVolume, contentOf } from "../support/ext4-model.ts";
import { goldenExt4 } from "../support/ext4-read.ts";

/** Of the goldens "plain" and "bare1". */
const BLOCK_BYTES = 1024;
const SUPER_AT = 1024;
const DESCRIPTORS_AT = 2048;
const DESCRIPTOR_BYTES = 32;
/** Fields of the superblock, of a descriptor, of an inode, of the journal's superblock. */
const INODES = 0x00;
const FREE_BLOCKS = 0x0c;
const GROUP_INODES = 0x28;
const FIRST_INODE = 0x54;
const INODE_BYTES = 0x58;
const BLOCK_BITMAP = 0x00;
const TABLE = 0x08;
const SIZE_LOW = 0x04;
const FLAGS = 0x20;
const EXTENTS = 0x28;
const SIZE_HIGH = 0x6c;
const JOURNAL_FIRST = 0x14;
const FLAG_INDEX = 0x1000;
const FLAG_EXTENTS = 0x80000;

function u32(device: MemoryDevice, at: number): number {
  return new DataView(device.peek(at, 4).slice().buffer).getUint32(0, true);
}

function set32(device: MemoryDevice, at: number, value: number, littleEndian = true): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, littleEndian);
  device.poke(at, bytes);
}

/** Where inode `number` stands. */
function inodeAt(device: MemoryDevice, number: number): number {
  const perGroup = u32(device, SUPER_AT + GROUP_INODES);
  const group = Math.floor((number - 1) / perGroup);
  const table = u32(device, DESCRIPTORS_AT + group * DESCRIPTOR_BYTES + TABLE);
  const bytes = u32(device, SUPER_AT + INODE_BYTES) & 0xffff;
  return table * BLOCK_BYTES + ((number - 1) % perGroup) * bytes;
}

/** Makes an inode one whose block `index` is block `blocks[index]` of the volume. */
function setBlocks(device: MemoryDevice, inode: number, blocks: readonly number[]): void {
  const root = inode + EXTENTS;
  set32(device, root, 0xf30a | (blocks.length << 16));
  set32(device, root + 4, 4);
  for (const [index, block] of blocks.entries()) {
    const at = root + 12 + 12 * index;
    set32(device, at, index);
    set32(device, at + 4, 1);
    set32(device, at + 8, block);
  }
}

function firstBlock(device: MemoryDevice, inode: number): number {
  return u32(device, inode + EXTENTS + 12 + 8);
}

/** A volume with a directory and a file in it, and where the directory's inode stands. */
function withDirectory(): { device: MemoryDevice; directory: number } {
  const device = goldenExt4("bare1");
  const volume = openForChange(device);
  volume.mkdir("/d");
  put(volume, "/d/file", contentOf(5000, 1));
  const { inode } = volume.stat("/d");
  volume.close();
  return { device, directory: inodeAt(device, inode) };
}

/** Changes end in one of the codes, and what is read and checked afterwards is no trap. */
function expectCode(device: MemoryDevice, act: (volume: Ext4Volume) => void, code: string): void {
  const volume = openForChange(device);
  expect(codeOf(() => act(volume))).toBe(code);
  expect(codeOf(() => volume.check())).toBe("OK");
  expect(codeOf(() => volume.list("/"))).toBe("OK");
  volume.close();
}

test("an index whose root is its own block of entries is damage, and nothing is moved", () => {
  const { device, directory } = withDirectory();
  const root = firstBlock(device, directory);
  set32(device, directory + SIZE_LOW, 2 * BLOCK_BYTES);
  set32(device, directory + FLAGS, FLAG_EXTENTS | FLAG_INDEX);
  setBlocks(device, directory, [root, root]);
  // "." and "..", the entries of an index in the latter, and three names up to the end.
  const block = new Uint8Array(BLOCK_BYTES);
  const view = new DataView(block.buffer);
  block.set(device.peek(root * BLOCK_BYTES, 24));
  view.setUint16(16, 12, true);
  view.setUint16(28, 256, true);
  view.setUint16(32, 124, true);
  view.setUint16(34, 1, true);
  view.setUint32(36, 1, true);
  for (const index of [0, 1, 2]) {
    const at = 280 + 248 * index;
    view.setUint32(at, 12, true);
    view.setUint16(at + 4, 248, true);
    block[at + 6] = 240;
    block[at + 7] = 1;
    block.fill(0x61 + index, at + 8, at + 248);
  }
  device.poke(root * BLOCK_BYTES, block);
  expectCode(device, (volume) => put(volume, `/d/${"n".repeat(255)}`, contentOf(10, 1)), "EBADMSG");
});

test("a directory in the table of inodes is not written through the table", () => {
  const { device, directory } = withDirectory();
  const blockOf = (inode: number) => Math.floor(inode / BLOCK_BYTES);
  // Up to a file whose inode is the first of a block of the table: it is free again, and the next.
  const volume = openForChange(device);
  let next = blockOf(directory);
  for (let count = 0; next === blockOf(directory); count++) {
    put(volume, `/f${count}`, contentOf(0, 1));
    next = blockOf(inodeAt(device, volume.stat(`/f${count}`).inode));
    if (next !== blockOf(directory)) volume.remove(`/f${count}`);
  }
  volume.close();
  setBlocks(device, directory, [next]);
  const entries = new Uint8Array(BLOCK_BYTES);
  new DataView(entries.buffer).setUint16(4, BLOCK_BYTES, true);
  device.poke(next * BLOCK_BYTES, entries);
  expectCode(device, (changed) => put(changed, "/d/x", contentOf(0, 1)), "EBADMSG");
});

test("a file whose extents cover the volume's own blocks does not give them back", () => {
  for (const field of [BLOCK_BITMAP, BLOCK_BITMAP + 4, TABLE]) {
    const device = goldenExt4("bare1");
    const volume = openForChange(device);
    put(volume, "/file", contentOf(3000, 1));
    const inode = inodeAt(device, volume.stat("/file").inode);
    volume.close();
    const before = device.peek(0, device.sizeBytes).slice();
    setBlocks(device, inode, [u32(device, DESCRIPTORS_AT + field)]);
    before.set(device.peek(inode, 128), inode);
    expectCode(device, (changed) => changed.remove("/file"), "EBADMSG");
    expect(Buffer.compare(device.peek(0, device.sizeBytes), before)).toBe(0);
  }
});

test("a bitmap that calls the volume's own blocks free does not give them out", () => {
  const device = goldenExt4("bare1");
  const bitmap = u32(device, DESCRIPTORS_AT + BLOCK_BITMAP);
  const table = u32(device, DESCRIPTORS_AT + TABLE);
  device.poke(bitmap * BLOCK_BYTES, new Uint8Array(BLOCK_BYTES));
  const volume = openForChange(device);
  // More than there is behind the tables of the group.
  for (let index = 0; index < 4; index++)
    codeOf(() => put(volume, `/f${index}`, contentOf(2_500_000, 1)));
  const runs = volume.list("/").map(({ name }) => inodeAt(device, volume.stat(`/${name}`).inode));
  volume.flush();
  const lowest = Math.min(...runs.map((inode) => firstBlock(device, inode)));
  expect(runs).toHaveLength(5);
  expect(lowest).toBeGreaterThan(table);
  volume.close();
});

test("a first inode behind its group is damage", () => {
  const device = goldenExt4("bare1");
  set32(device, SUPER_AT + FIRST_INODE, u32(device, SUPER_AT + INODES));
  expectCode(device, (volume) => put(volume, "/x", contentOf(0, 1)), "EBADMSG");
});

test("a journal that begins behind its end is damage", () => {
  for (const first of [0, 0xfffffffd, 0xfffffffe, 0xffffffff]) {
    const device = goldenExt4("bare1");
    for (let at = 0; at < device.sizeBytes; at += BLOCK_BYTES) {
      const isJournal = u32(device, at) === 0x98393bc0 && u32(device, at + 4) === 0x04000000;
      if (isJournal) set32(device, at + JOURNAL_FIRST, first, false);
    }
    expect(codeOf(() => openForChange(device))).toBe("EBADMSG");
  }
});

test("counts that a cut of another system left old are those of the descriptors again", () => {
  const device = goldenExt4("bare1");
  const before = openForChange(device).space();
  set32(device, SUPER_AT + FREE_BLOCKS, 5);
  const volume = openForChange(device);
  expect(volume.space()).toEqual(before);
  put(volume, "/file", contentOf(30_000, 1));
  expect(volume.space().freeBytes).toBe(before.freeBytes - 30 * BLOCK_BYTES);
  expect(volume.check()).toEqual([]);
  volume.close();
  expect(u32(device, SUPER_AT + FREE_BLOCKS)).toBe(before.freeBytes / BLOCK_BYTES - 30);
});

test("a file that is told to be larger than memory is EFBIG when it is read whole", () => {
  const device = goldenExt4("bare1");
  const volume = openForChange(device);
  put(volume, "/file", contentOf(3000, 1));
  const inode = inodeAt(device, volume.stat("/file").inode);
  volume.close();
  set32(device, inode + SIZE_HIGH, 1 << 23);
  const again = openForChange(device);
  expect(codeOf(() => again.readFile("/file"))).toBe("EFBIG");
  expect(again.read("/file", 0, 3000)).toEqual(contentOf(3000, 1));
});

test("without a free block directories, links and names are ENOSPC after one commit at most", () => {
  const inner = new MemoryDevice({ size: "64MiB", name: "ours" });
  buildOn(inner);
  const volume = openForChange(failing(inner, RequestType.FLUSH, 100, true));
  volume.mkdir("/d");
  for (let index = 0; index < 16; index++)
    put(volume, `/d/${"n".repeat(240)}${index}`, contentOf(0, 1));
  for (let index = 0; volume.space().freeBytes > 0; index++) {
    put(volume, `/f${index}`, contentOf(volume.space().freeBytes, 1));
  }
  for (const flush of [true, false]) {
    if (flush) volume.flush();
    expect(codeOf(() => volume.mkdir("/new"))).toBe("ENOSPC");
    expect(codeOf(() => volume.symlink("t".repeat(200), "/link"))).toBe("ENOSPC");
    expect(codeOf(() => put(volume, `/d/${"n".repeat(255)}`, contentOf(0, 1)))).toBe("ENOSPC");
    expect(volume.check()).toEqual([]);
  }
  volume.remove("/f0");
  volume.mkdir("/new");
  expect(volume.check()).toEqual([]);
  volume.close();
});

test("aborting a file that has ended does not end the one that is written now", () => {
  const device = goldenExt4("bare4");
  const volume = openForChange(device);
  const one = volume.create("/one");
  one.close();
  const two = volume.create("/two");
  one.abort();
  volume.close();
  expect(codeOf(() => two.close())).toBe("EBADF");
  const names = openForChange(device)
    .list("/")
    .map(({ name }) => name);
  expect(names).toEqual(["lost+found", "one"]);
});

test("blocks with several uses, wherever they are: an error or a change, never a trap", () => {
  const golden = goldenExt4("plain");
  const reader = openForChange(golden.clone());
  const inodes: number[] = [];
  const folders = ["/", "/dir", "/dir/sub", "/many"];
  for (const path of [...folders, "/hello.txt", "/holes"]) {
    if (reader.exists(path)) inodes.push(inodeAt(golden, reader.stat(path).inode));
  }
  const starts = inodes.map((inode) => firstBlock(golden, inode));
  const groups = [0, 1].map((group) => DESCRIPTORS_AT + group * DESCRIPTOR_BYTES);
  const own = groups.flatMap((at) => [0, 4, 8].map((field) => u32(golden, at + field)));
  const tables = inodes.map((inode) => Math.floor(inode / BLOCK_BYTES));
  const blocks = [2, ...own, ...tables, ...tables.map((block) => block + 1), ...starts];
  const codes = new Set<string>();
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.constantFrom(...inodes),
          fc.array(fc.constantFrom(...blocks), { minLength: 1, maxLength: 4 }),
          fc.boolean(),
        ),
        { minLength: 1, maxLength: 3 },
      ),
      fc.array(fc.tuple(fc.constantFrom(...own), fc.nat(BLOCK_BYTES - 1), fc.nat(255)), {
        maxLength: 4,
      }),
      (aliases, spoiled) => {
        const device = golden.clone();
        for (const [inode, places, isIndexed] of aliases) {
          setBlocks(device, inode, places);
          set32(device, inode + SIZE_LOW, places.length * BLOCK_BYTES);
          set32(device, inode + FLAGS, FLAG_EXTENTS | (isIndexed ? FLAG_INDEX : 0));
        }
        for (const [block, at, value] of spoiled) {
          device.poke(block * BLOCK_BYTES + at, Uint8Array.of(value));
        }
        let volume: Ext4Volume | undefined;
        codes.add(
          codeOf(() => {
            volume = openForChange(failing(device, RequestType.FLUSH, 1000, true));
          }),
        );
        if (volume === undefined) return;
        const changed = volume;
        const acts: (() => void)[] = [
          () => put(changed, `/${"n".repeat(250)}`, contentOf(3000, 1)),
          () => put(changed, "/dir/new", contentOf(70_000, 1)),
          () => put(changed, `/many/${"m".repeat(200)}`, contentOf(10, 1)),
          () => changed.mkdir("/dir/sub/deeper/still", { recursive: true }),
          () => changed.rename("/dir/sub", "/many/sub"),
          () => changed.remove("/hello.txt"),
          () => void changeVolume(changed, { op: "removeAll", path: "/many" }),
          () => put(changed, "/last", contentOf(500_000, 1)),
          () => changed.flush(),
          () => void changed.check(),
        ];
        for (const act of acts) codes.add(codeOf(act));
        codes.add(codeOf(() => changed.close()));
      },
    ),
    { numRuns: 300 },
  );
  expect([...codes]).toEqual(expect.arrayContaining(["OK", "EBADMSG"]));
});
