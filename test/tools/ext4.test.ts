/** ext4 volumes that we write, judged by e2fsprogs. */
import { statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import type { Ext4Entry } from "../../host/core/media/ext4-build.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { buildOn, HASH_SEED, imageOf, UUID, WHEN_MS } from "../support/ext4.ts";
import { bytesOf, entryOf, ext4Tree, fileOf } from "../support/ext4-trees.ts";
import { debugfs, EXT4_JUDGES, expectCleanExt4, expectPasses, expectTree } from "./ext4-judges.ts";
import { run, scratch, testWith } from "./tools.ts";

const MIB = 2 ** 20;
const RUNS = Number(process.env.DISKWRIGHT_EXT4_TREES ?? 25);
const testHere = testWith(...EXT4_JUDGES);
const testBeside = testWith(...EXT4_JUDGES, "mke2fs");

/** What dumpe2fs says of a volume, but for what depends on how it was written. */
function facts(image: string): string[] {
  return run("dumpe2fs", ["-h", image])
    .stdout.split("\n")
    .filter((line) => line !== "" && !/^(Lifetime writes|Checksum):/.test(line));
}

/** Where mke2fs and we put things in each group. */
function places(image: string): string[] {
  const lines = run("dumpe2fs", [image]).stdout.split("\n");
  return lines
    .filter((line) => /^Group|bitmap at|Inode table at|superblock at|GDT/.test(line))
    .map((line) => line.replace(/,? csum 0x\w+/, ""));
}

for (const [title, sizeBytes] of [
  ["64 MiB", 64 * MIB],
  ["1 GiB", 1024 * MIB],
  ["40 GiB", 40960 * MIB],
  ["215.5 GiB", 451_934_175 * 512],
  ["1 GiB and a last group too small", 1025 * MIB],
] as const) {
  testBeside(`a volume of ${title} is that of mke2fs`, () => {
    const folder = scratch();
    const [ours, theirs] = [join(folder, "ours"), join(folder, "theirs")];
    imageOf(ours, sizeBytes);
    writeFileSync(theirs, "");
    truncateSync(theirs, sizeBytes);
    const extended = `hash_seed=${HASH_SEED},lazy_itable_init=1,lazy_journal_init=1,nodiscard`;
    const options = ["-q", "-F", "-t", "ext4", "-b", "4096", "-U", UUID, "-E", extended];
    const made = run("mke2fs", [...options, theirs], {
      env: {
        E2FSPROGS_FAKE_TIME: String(WHEN_MS / 1000),
        SOURCE_DATE_EPOCH: String(WHEN_MS / 1000),
      },
    });
    expect(made.code, made.text).toBe(0);
    expect(facts(ours)).toEqual(facts(theirs));
    expect(places(ours)).toEqual(places(theirs));
    expectCleanExt4(ours);
  });
}

testHere("tables that meet copies of the superblock go around them", () => {
  const image = join(scratch(), "ext4.img");
  imageOf(image, 2048 * MIB, { bytesPerInode: 1024 });
  expectCleanExt4(image);
  imageOf(`${image}2`, 2048 * MIB, { bytesPerInode: 4096, label: "DATA", reservedPercent: 0 });
  expectCleanExt4(`${image}2`);
  expect(facts(`${image}2`)).toContain("Filesystem volume name:   DATA");
});

testHere("a directory of 10,000 names has an index, and each name is found by it", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  const entries = [
    entryOf("big", "directory"),
    ...Array.from({ length: 10_000 }, (_, index) =>
      fileOf(`big/${index}-datei.txt`, bytesOf(1, 3)),
    ),
  ];
  imageOf(image, 256 * MIB, { entries });
  expectCleanExt4(image);
  const [dump, ...found] = debugfs(
    image,
    ["htree_dump big", ...[0, 17, 9999].map((index) => `stat big/${index}-datei.txt`)],
    folder,
  );
  expect(dump).toMatch(/Indirect levels: 0/);
  expect(found.every((text) => text.includes("Type: regular"))).toBe(true);
});

testHere("an index of two levels is one", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  const names = Array.from({ length: 9000 }, (_, index) => `${index}`.padEnd(250, "x"));
  const entries = names.map((name) => entryOf(`big/${name}`, "fifo"));
  imageOf(image, 128 * MIB, { entries });
  expectCleanExt4(image);
  expect(debugfs(image, ["htree_dump big"], folder)[0]).toMatch(/Indirect levels: 1/);
});

testHere("more subdirectories than a link count holds", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  const entries = Array.from({ length: 65_100 }, (_, index) =>
    entryOf(`all/${index}`, "directory"),
  );
  imageOf(image, 1024 * MIB, { entries, bytesPerInode: 8192 });
  expectCleanExt4(image);
  expect(debugfs(image, ["stat all"], folder)[0]).toContain("Links: 1 ");
});

testHere("a file in more than four extents has a tree", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  // Extents end at 128 MiB and at metadata: 1.5 GiB of zeros, that the image need not hold.
  const sizeBytes = 1500 * MIB + 5;
  let left = sizeBytes;
  const open = () => ({
    read(into: Uint8Array) {
      const got = Math.min(left, into.length);
      into.fill(0, 0, got);
      left -= got;
      return got;
    },
    close() {},
  });
  const small = fileOf("small", bytesOf(3, 5000));
  imageOf(image, 2048 * MIB, {
    entries: [{ ...entryOf("large", "file"), sizeBytes, open }, small],
  });
  expectCleanExt4(image);
  const [text] = debugfs(image, ["stat large"], folder);
  expect(text).toMatch(/\(ETB0\)/);
});

testHere("a window of a device with blocks of 4096 bytes", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  const entries = [fileOf("a/b", bytesOf(1, 9999))];
  imageOf(image, 128 * MIB, { entries, baseSector: 2048, sectors: 131_072, blkSize: 4096 });
  const inside = `${image}?offset=${2048 * 512}`;
  expectCleanExt4(inside);
  expect(debugfs(inside, ["cat a/b"], folder)[0]).toHaveLength(
    Buffer.from(bytesOf(1, 9999)).toString().length,
  );
});

testHere("on a device full of noise nothing of it is taken for metadata", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  writeFileSync(image, bytesOf(9, 64 * MIB));
  const entries = [fileOf("a/b", bytesOf(1, 9999))];
  const device = FileDevice.open(image);
  buildOn(device, { entries });
  device.close();
  expectCleanExt4(image);
  expect(debugfs(image, ["stat a/b"], folder)[0]).toContain("Size: 9999");
});

testHere("lost+found keeps its room, its entry and what is in it", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  const entries = [
    entryOf("lost+found", "directory", { mode: 0o711 }),
    ...Array.from({ length: 200 }, (_, index) => fileOf(`lost+found/#${index}`, bytesOf(1, 2))),
  ];
  imageOf(image, 64 * MIB, { entries });
  expectCleanExt4(image);
  imageOf(`${image}2`, 64 * MIB, { entries: entries.slice(0, 2) });
  expectCleanExt4(`${image}2`);
  const [text] = debugfs(`${image}2`, ["stat lost+found"], folder);
  expect(text).toMatch(/Mode: +0711 .*Size: 16384/s);
});

testHere("16 TiB is written sparsely, and e2fsck agrees", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  const sizeBytes = 2 ** 44 - 8192;
  try {
    writeFileSync(image, "");
    truncateSync(image, sizeBytes);
  } catch (error) {
    // The filesystem below this folder may hold no file as large as that.
    expect(error).toMatchObject({ code: "EFBIG" });
    return;
  }
  const device = FileDevice.open(image);
  const { groups, blocks } = buildOn(device);
  device.close();
  expect([groups, blocks]).toEqual([131_072, 2 ** 32 - 2]);
  expect(statSync(image).blocks * 512).toBeLessThan(400 * MIB);
  expectPasses(image);
});

testHere("attributes, access control lists, and what goes to a block", () => {
  const folder = scratch();
  const image = join(folder, "ext4.img");
  const acl = Buffer.from(
    "02000000 0100070000000000 02000400e8030000 0400050000000000 1000070000000000 2000050000000000".replaceAll(
      " ",
      "",
    ),
    "hex",
  );
  const entries: Ext4Entry[] = [
    fileOf("acl", bytesOf(1, 1), { xattrs: new Map([["system.posix_acl_access", acl]]) }),
    fileOf("capable", bytesOf(2, 1), {
      xattrs: new Map([["security.capability", bytesOf(1, 20)]]),
    }),
    fileOf("both", bytesOf(3, 1), {
      xattrs: new Map([
        ["user.large", bytesOf(4, 3000)],
        ["user.small", bytesOf(5, 10)],
        ["trusted.empty", new Uint8Array()],
      ]),
    }),
  ];
  imageOf(image, 64 * MIB, { entries });
  expectCleanExt4(image);
  expectTree(image, entries, folder);
});

testHere(`any tree is read back as it was given (${RUNS} trees)`, () => {
  fc.assert(
    fc.property(ext4Tree, (entries) => {
      const folder = scratch();
      const image = join(folder, "ext4.img");
      imageOf(image, 64 * MIB, { entries });
      expectCleanExt4(image);
      expectTree(image, entries, folder);
    }),
    { numRuns: RUNS },
  );
});
