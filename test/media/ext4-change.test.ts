/** Changes of ext4 volumes against a map of paths, and what is refused, full, or fails. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { Ext4Volume } from "../../host/core/media/ext4.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { type BlockDevice, RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { buildOn } from "../support/ext4.ts";
import { codeOf, failing, openForChange, put } from "../support/ext4-changes.ts";
import {
  changeModel,
  changeVolume,
  contentOf,
  type Ext4Step,
  type ModelTree,
  picture,
  treeOf,
} from "../support/ext4-model.ts";
import { flip, goldenExt4, textOf } from "../support/ext4-read.ts";

function openToRead(device: BlockDevice): Ext4Volume {
  const media = new MediaCore();
  return Ext4Volume.open(media, media.attach(device), { readOnly: true });
}

function ours(blkSize: 512 | 4096 = 512): MemoryDevice {
  const device = new MemoryDevice({ size: "64MiB", blkSize, name: "ours" });
  buildOn(device);
  return device;
}

const NAMES = ["a", "b", "c.txt", "ünï 日本", "x".repeat(255), `long ${"n".repeat(120)}`];

const path = fc
  .array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join("/")}`);

const step: fc.Arbitrary<Ext4Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      ...{ op: fc.constant("put" as const), path, seed: fc.nat() },
      bytes: fc.oneof(fc.nat(300), fc.nat(20_000), fc.nat(400_000)),
    }),
  },
  fc.record({ op: fc.constantFrom("mkdir" as const, "mkdirs" as const), path }),
  fc.record({ op: fc.constantFrom("remove" as const, "removeAll" as const), path }),
  fc.record({
    ...{ op: fc.constant("symlink" as const), path },
    target: fc.oneof(fc.nat(58), fc.nat(900)).map((length) => `/no/${"t".repeat(length)}`),
  }),
  { weight: 2, arbitrary: fc.record({ op: fc.constant("rename" as const), path, to: path }) },
);

describe.each([
  ["ours", 60, () => ours()],
  ["ours, on blocks of 4096", 60, () => ours(4096)],
  // These have 53 inodes, and a step makes three at most.
  ["of 1 KiB without checksums", 17, () => goldenExt4("bare1")],
  ["with a journal under checksums", 17, () => goldenExt4("bare4")],
] as const)("a volume %s", (_, maxLength, make) => {
  test("any sequence of changes leaves the tree that a map has, and nothing to find", () => {
    fc.assert(
      fc.property(fc.array(fc.option(step, { freq: 5 }), { maxLength }), (steps) => {
        const device = make();
        let volume = openForChange(device);
        const tree: ModelTree = new Map();
        for (const each of steps) {
          if (each === null) {
            volume.flush();
            expect(volume.check()).toEqual([]);
            continue;
          }
          const wanted = changeModel(tree, each);
          expect(changeVolume(volume, each), `${each.op} ${each.path}`).toBe(wanted);
        }
        expect(picture(treeOf(volume))).toEqual(picture(tree));
        volume.close();
        volume = openToRead(device);
        expect(volume.info.journal.wasDirty).toBe(false);
        expect(volume.check()).toEqual([]);
        expect(picture(treeOf(volume))).toEqual(picture(tree));
        volume.close();
      }),
      { numRuns: 30 },
    );
  });
});

test("what was committed is there without a close, and what was not is gone", () => {
  const device = goldenExt4("bare4");
  const volume = openForChange(device);
  put(volume, "/kept", "kept");
  volume.flush();
  put(volume, "/lost", "lost");
  const after = openForChange(device.clone());
  expect([...treeOf(after).keys()]).toEqual(["/kept"]);
  expect(after.check().filter(({ isAdvice }) => !isAdvice)).toEqual([]);
});

test("a file that is replaced keeps its inode, mode, owner, names and attributes", () => {
  const device = goldenExt4("ext4");
  const volume = openForChange(device);
  const before = volume.stat("/hello.txt");
  const xattrs = volume.xattrs("/hello.txt");
  expect(xattrs.size).toBe(2);
  put(volume, "/hello.txt", contentOf(50_000, 1));
  volume.close();
  const again = openToRead(device);
  const after = again.stat("/hello.txt");
  const { inode, mode, uid, gid, links } = before;
  expect(after).toMatchObject({ inode, mode, uid, gid, links, sizeBytes: 50_000 });
  expect(after.mtimeNs).toBeGreaterThan(before.mtimeNs);
  expect(again.xattrs("/hello.txt")).toEqual(xattrs);
  expect(Buffer.compare(again.readFile("/hard"), contentOf(50_000, 1))).toBe(0);
  expect(again.check()).toEqual([]);
});

test("a link that leads to a file is written through, one that leads nowhere is ENOENT", () => {
  const volume = openForChange(goldenExt4("ext4"));
  put(volume, "/slow", "through the link");
  expect(textOf(volume.readFile("/hello.txt"))).toBe("through the link");
  volume.symlink("nowhere", "/dangling");
  expect(codeOf(() => volume.create("/dangling"))).toBe("ENOENT");
  expect(codeOf(() => volume.create("/loop"))).toBe("ELOOP");
});

test("all of a foreign tree is taken away: links, devices, holes, attributes, an index", () => {
  for (const name of ["ext4", "plain"]) {
    const device = goldenExt4(name);
    const volume = openForChange(device);
    const space = volume.space();
    volume.remove("/hard");
    expect(textOf(volume.readFile("/hello.txt"))).toBe("hello\n");
    for (const { name: entry } of volume.list("/")) {
      expect(changeVolume(volume, { op: "removeAll", path: `/${entry}` })).toBe("OK");
    }
    expect(volume.list("/")).toEqual([]);
    expect(volume.check()).toEqual([]);
    expect(volume.space().freeBytes).toBeGreaterThan(space.freeBytes);
    volume.close();
    expect(openToRead(device).check()).toEqual([]);
  }
});

test("names that cannot be, and places that are none", () => {
  const volume = openForChange(goldenExt4("bare4"));
  put(volume, "/file", "x");
  volume.mkdir("/dir/below", { recursive: true });
  const codes: readonly (readonly [() => unknown, string])[] = [
    [() => volume.create("/"), "EISDIR"],
    [() => volume.create("/dir"), "EISDIR"],
    [() => volume.create("/file/x"), "ENOTDIR"],
    [() => volume.create("/none/x"), "ENOENT"],
    [() => volume.create(`/${"x".repeat(256)}`), "ENAMETOOLONG"],
    [() => volume.mkdir("/dir"), "EEXIST"],
    [() => volume.mkdir("/file", { recursive: true }), "EEXIST"],
    [() => volume.mkdir("/dir/.."), "EINVAL"],
    [() => volume.symlink("", "/empty"), "EINVAL"],
    [() => volume.symlink("t".repeat(4096), "/long"), "ENAMETOOLONG"],
    [() => volume.remove("/"), "EBUSY"],
    [() => volume.remove("/dir"), "ENOTEMPTY"],
    [() => volume.rename("/dir", "/dir/below/x"), "EINVAL"],
    [() => volume.rename("/", "/x"), "EBUSY"],
    [() => volume.rename("/file", "/dir"), "EISDIR"],
    [() => volume.rename("/dir", "/file"), "ENOTDIR"],
    [() => volume.rename("/dir/below", "/dir"), "ENOTEMPTY"],
  ];
  for (const [act, code] of codes) expect(codeOf(act), String(act)).toBe(code);
  expect([...treeOf(volume).keys()].sort()).toEqual(["/dir", "/dir/below", "/file"]);
  const writer = volume.create("/one");
  expect(codeOf(() => volume.create("/two"))).toBe("EBUSY");
  writer.abort();
  const file = volume.open("/file");
  expect(codeOf(() => volume.remove("/file"))).toBe("EBUSY");
  file.close();
  volume.remove("/file");
  expect(volume.check()).toEqual([]);
});

test("a full volume says ENOSPC and stays as it is, and what is freed can be used again", () => {
  for (const name of ["bare4", "bare1"]) {
    const device = goldenExt4(name);
    const volume = openForChange(device);
    put(volume, "/small", "small");
    const { freeBytes } = volume.space();
    const before = picture(treeOf(volume));
    expect(codeOf(() => put(volume, "/large", contentOf(freeBytes + 1, 1)))).toBe("ENOSPC");
    expect(codeOf(() => put(volume, "/small", contentOf(freeBytes + 1, 1)))).toBe("ENOSPC");
    expect(picture(treeOf(volume))).toEqual(before);
    const most = freeBytes - 64 * 1024;
    put(volume, "/large", contentOf(most, 2));
    // The old content is kept until the new one is there, so there is no room for both.
    expect(codeOf(() => put(volume, "/large", contentOf(most, 3)))).toBe("ENOSPC");
    expect(Buffer.compare(volume.readFile("/large"), contentOf(most, 2))).toBe(0);
    volume.remove("/large");
    put(volume, "/other", contentOf(most, 3));
    expect(volume.check()).toEqual([]);
    volume.close();
    const again = openToRead(device);
    expect(Buffer.compare(again.readFile("/other"), contentOf(most, 3))).toBe(0);
    expect(again.check()).toEqual([]);
  }
});

test("inodes that run out are ENOSPC, and a directory that was begun is not there", () => {
  const device = goldenExt4("bare4");
  const volume = openForChange(device);
  const { freeInodes } = volume.space();
  for (let index = 0; index < freeInodes; index++) put(volume, `/f${index}`, "");
  expect(codeOf(() => put(volume, "/more", ""))).toBe("ENOSPC");
  expect(codeOf(() => volume.mkdir("/more"))).toBe("ENOSPC");
  volume.remove("/f3");
  volume.mkdir("/more");
  expect(volume.check()).toEqual([]);
  volume.close();
  expect(openToRead(device).check()).toEqual([]);
});

test.each([false, true])("any write that fails: the old tree or the new one (%s)", (forEver) => {
  const steps: readonly Ext4Step[] = [
    { op: "put", path: "/a", bytes: 9000, seed: 1 },
    { op: "mkdirs", path: "/d/e" },
    { op: "rename", path: "/a", to: "/d/e/a" },
  ];
  const later: readonly Ext4Step[] = [
    { op: "put", path: "/d/e/a", bytes: 30_000, seed: 2 },
    { op: "rename", path: "/d", to: "/moved" },
    { op: "symlink", path: "/link", target: "t".repeat(200) },
  ];
  const [first, second]: [ModelTree, ModelTree] = [new Map(), new Map()];
  for (const each of steps) changeModel(first, each);
  for (const each of [...steps, ...later]) changeModel(second, each);
  const legal = [new Map(), first, second].map((tree) => picture(tree).join());
  let failAt = 1;
  for (let didFail = true; didFail; failAt++) {
    const device = goldenExt4("bare4");
    const media = new MediaCore();
    const volume = Ext4Volume.openForChange(
      media,
      media.attach(failing(device, RequestType.OUT, failAt, forEver)),
    );
    let code = "OK";
    for (const group of [steps, later]) {
      if (code !== "OK") break;
      code = codeOf(() => {
        for (const each of group) changeVolume(volume, each);
        volume.flush();
      });
    }
    const closed = codeOf(() => volume.close());
    didFail = code === "EIO" || closed === "EIO";
    const again = openForChange(device);
    expect(legal, `write ${failAt}`).toContain(picture(treeOf(again)).join());
    expect(again.check().filter(({ isAdvice }) => !isAdvice)).toEqual([]);
    again.close();
  }
  expect(failAt).toBeGreaterThan(20);
});

test("what is not changed here is refused with the reason, and nothing is written", () => {
  const state = (device: MemoryDevice, at: number, bytes: readonly number[]) =>
    device.poke(1024 + at, Uint8Array.from(bytes));
  const kinds: readonly (readonly [string, string, RegExp, (device: MemoryDevice) => void])[] = [
    ["ext2", "EOPNOTSUPP", /no journal/, () => undefined],
    ["ext3", "EOPNOTSUPP", /ext2 or ext3/, () => undefined],
    ["dirty3", "EOPNOTSUPP", /ext2 or ext3/, () => undefined],
    // Without checksums of the superblock its fields can be set by hand.
    ["bare1", "EROFS", /met errors/, (device) => state(device, 0x3a, [3, 0])],
    ["bare1", "EROFS", /met errors/, (device) => state(device, 0x3a, [0, 0])],
    ["bare1", "EOPNOTSUPP", /deleted while open/, (device) => state(device, 0xe8, [12])],
    ["bare1", "EOPNOTSUPP", /here: quota/, (device) => state(device, 0x65, [1])],
    ["bare1", "EOPNOTSUPP", /here: bigalloc/, (device) => state(device, 0x65, [2])],
    ["bare1", "EOPNOTSUPP", /here: verity/, (device) => state(device, 0x65, [0x80])],
    ["bare1", "EOPNOTSUPP", /here: inline_data/, (device) => state(device, 0x61, [0x82])],
    ["bare1", "EOPNOTSUPP", /here: encrypt/, (device) => state(device, 0x62, [1])],
    ["bare1", "EOPNOTSUPP", /no journal/, (device) => state(device, 0xe0, [0])],
  ];
  for (const [name, code, words, spoil] of kinds) {
    const device = goldenExt4(name);
    spoil(device);
    const before = device.peek(0, device.sizeBytes).slice();
    let caught: unknown;
    try {
      openForChange(device);
    } catch (error) {
      caught = error;
    }
    expect(caught, `${name} ${words}`).toBeInstanceOf(StorageError);
    const { code: got, message, hint } = caught as StorageError;
    expect([got, hint === undefined], message).toEqual([code, false]);
    expect(message).toMatch(words);
    expect(Buffer.compare(device.peek(0, device.sizeBytes), before)).toBe(0);
  }
  const readOnly = openToRead(goldenExt4("bare4"));
  expect(codeOf(() => readOnly.mkdir("/x"))).toBe("EROFS");
});

test("a file that is immutable, or whose blocks are mapped the old way, stays as it is", () => {
  const device = goldenExt4("plain");
  const { inode } = openToRead(device).stat("/zeros-and-x.bin");
  // Groups have 256 inodes and descriptors of 32 bytes.
  const group = Math.floor((inode - 1) / 256);
  const [byte, next] = device.peek(2048 + group * 32 + 8, 2) as Uint8Array & [number, number];
  const flags = (byte + next * 256) * 1024 + ((inode - 1) % 256) * 256 + 0x20;
  flip(device, flags, 0x10);
  const volume = openForChange(device);
  expect(codeOf(() => volume.create("/zeros-and-x.bin").close())).toBe("EPERM");
  expect(codeOf(() => volume.remove("/zeros-and-x.bin"))).toBe("EPERM");
  expect(codeOf(() => volume.rename("/zeros-and-x.bin", "/x"))).toBe("EPERM");
  volume.close();
  flip(device, flags, 0x10);
  // Without the flag of extents its map is that of ext3.
  flip(device, flags + 2, 0x08);
  const again = openForChange(device);
  expect(codeOf(() => again.remove("/zeros-and-x.bin"))).toBe("EOPNOTSUPP");
  expect(textOf(again.readFile("/dir/sub/deep.txt"))).toBe("deep");
});

test("hostile bytes end in an error, not in a trap", () => {
  const golden = goldenExt4("plain");
  const codes = new Set<string>();
  // Superblock, descriptors, bitmaps, inodes, directories, nodes of extents.
  const blocks = [1, 2, 50, 51, 52, 53, 54, 114, 115, 116, 1154, 1155, 1160, 1177, 2481];
  for (let block = 2766; block < 2778; block++) blocks.push(block);
  blocks.push(8242, 8243, 8244, 8260, 8261);
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.constantFrom(...blocks), fc.integer({ min: 0, max: 1023 }), fc.nat(255)),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
      (spoiled) => {
        const device = golden.clone();
        for (const [block, at, value] of spoiled) {
          device.poke(block * 1024 + at, Uint8Array.of(value));
        }
        const act = (change: (volume: Ext4Volume) => void) => {
          const code = codeOf(() => {
            const volume = openForChange(device);
            try {
              change(volume);
            } finally {
              volume.close();
            }
          });
          codes.add(code);
        };
        act((volume) => put(volume, "/new", contentOf(30_000, 1)));
        act((volume) => put(volume, "/hello.txt", contentOf(3000, 1)));
        act((volume) => volume.mkdir("/many/deeper/still", { recursive: true }));
        act((volume) => volume.rename("/dir/sub", "/many/sub"));
        act((volume) => changeVolume(volume, { op: "removeAll", path: "/many" }));
        act((volume) => volume.remove("/holes"));
        act((volume) => volume.remove("/zeros-and-x.bin"));
      },
    ),
    { numRuns: 100 },
  );
  // Some volumes are refused, some changes are met with damage, and some are fine.
  expect([...codes]).toEqual(expect.arrayContaining(["OK", "EBADMSG"]));
});
