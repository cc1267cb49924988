/** What mke2fs writes we read, what e2fsck replays and finds we replay and find. */
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import type { Ext4Volume } from "../../host/core/media/ext4.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { goldenExt4, openExt4On, walkExt4 } from "../support/ext4-read.ts";
import { findTool, run, scratch, testWith } from "./tools.ts";

const TOOLS = ["mke2fs", "debugfs", "e2fsck"];
const TREES = 200;

function deviceOf(path: string): MemoryDevice {
  return MemoryDevice.from(readFileSync(path), { name: "image" });
}

function debugfs(image: string, ...commands: readonly string[]): string {
  return execFileSync(findTool("debugfs") ?? "", ["-w", "-f", "-", image], {
    input: `${commands.join("\n")}\n`,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
  });
}

interface Planned {
  readonly files: readonly {
    readonly folder: number;
    readonly bytes: number;
    readonly hole: number;
    readonly time: number;
  }[];
  readonly folders: readonly number[];
  readonly links: readonly number[];
}

const planned: fc.Arbitrary<Planned> = fc.record({
  folders: fc.array(fc.nat(20), { maxLength: 8 }),
  files: fc.array(
    fc.record({
      folder: fc.nat(20),
      bytes: fc.oneof(fc.nat(100), fc.nat(100_000)),
      hole: fc.oneof(fc.constant(0), fc.nat(1 << 20)),
      // What mke2fs 1.47 keeps of a time: 31 bits.
      time: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    }),
    { maxLength: 40 },
  ),
  links: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 5 }),
});

function writeTree(root: string, { files, folders, links }: Planned): void {
  const made = [root];
  for (const [index, above] of folders.entries()) {
    const folder = join(made[above % made.length] ?? root, `folder ${index} ü`);
    mkdirSync(folder);
    made.push(folder);
  }
  for (const [index, { folder, bytes, hole, time }] of files.entries()) {
    const path = join(made[folder % made.length] ?? root, `file-${index}`);
    writeFileSync(path, Buffer.alloc(bytes, `${index}.`));
    if (hole > 0) truncateSync(path, bytes + hole);
    if (hole > 0) writeFileSync(path, "end", { flag: "a" });
    utimesSync(path, time, time);
  }
  for (const [index, length] of links.entries()) {
    symlinkSync("t".repeat(length), join(made[index % made.length] ?? root, `link-${index}`));
  }
}

function compare(volume: Ext4Volume, root: string, owner: number): void {
  const entries = walkExt4(volume);
  const local = readdirSync(root, { recursive: true, encoding: "utf8" });
  const ours = [...entries.keys()].filter((path) => path !== "/lost+found");
  expect(ours.sort()).toEqual(local.map((path) => `/${path}`).sort());
  for (const path of local) {
    const stats = lstatSync(join(root, path));
    const entry = entries.get(`/${path}`);
    expect(entry?.mode, path).toBe(stats.mode & 0o7777);
    expect(entry?.uid, path).toBe(owner);
    if (stats.isSymbolicLink()) expect(entry?.target).toBe(readlinkSync(join(root, path)));
    if (!stats.isFile()) continue;
    expect(Number((entry?.mtimeNs ?? 0n) / 1_000_000_000n), path).toBe(stats.mtimeMs / 1000);
    const content = readFileSync(join(root, path));
    expect(Buffer.compare(volume.readFile(path), content), path).toBe(0);
  }
}

testWith(...TOOLS)(`${TREES} trees that mke2fs wrote are read back whole, and are clean`, () => {
  let index = 0;
  fc.assert(
    fc.property(planned, (tree) => {
      const folder = scratch();
      const root = join(folder, "tree");
      mkdirSync(root);
      writeTree(root, tree);
      const kind = ["ext2", "ext3", "ext4"][index % 3] ?? "";
      const block = ["1024", "2048", "4096"][Math.floor(index / 3) % 3] ?? "";
      index += 1;
      const image = join(folder, "image");
      const made = run("mke2fs", ["-q", "-F", "-t", kind, "-b", block, "-d", root, image, "24M"]);
      expect(made.code, made.text).toBe(0);
      const volume = openExt4On(deviceOf(image));
      compare(volume, root, process.getuid?.() ?? 0);
      expect(volume.check()).toEqual([]);
      rmSync(folder, { recursive: true });
    }),
    { numRuns: TREES },
  );
});

testWith("e2fsck")("what e2fsck replays is what we replay, block by block", () => {
  for (const name of ["dirty", "revoked", "dirty3"]) {
    const device = goldenExt4(name);
    const image = join(scratch(), "image");
    writeFileSync(image, device.peek(0, device.sizeBytes));
    const judged = run("e2fsck", ["-p", "-E", "journal_only", image]);
    expect(judged.code, judged.text).toBeLessThanOrEqual(1);
    openExt4On(device, { readOnly: false }).close();
    const [theirs, ours] = [deviceOf(image), device];
    const differing: number[] = [];
    for (let at = 0; at < ours.sizeBytes; at += 1024) {
      if (Buffer.compare(theirs.peek(at, 1024), ours.peek(at, 1024)) !== 0) differing.push(at);
    }
    // The two superblocks tell when, and with which number the journal goes on.
    const journal = journalStart(device);
    expect(differing.filter((at) => at !== 1024 && at !== journal)).toEqual([]);
    const path = join(scratch(), "ours");
    writeFileSync(path, device.peek(0, device.sizeBytes));
    expect(run("e2fsck", ["-fn", path]).code).toBe(0);
  }
});

/** Byte of the superblock of the journal. */
function journalStart(device: MemoryDevice): number {
  const bytes = Buffer.from(device.peek(0, device.sizeBytes));
  return bytes.indexOf(Uint8Array.of(0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 4));
}

const CALC = "set_bg 0 checksum calc";
/** What is planted, by debugfs or by hand, and what must be found. */
const FAULTS: readonly (readonly [string, readonly string[], string])[] = [
  ["a block marked free", ["freeb BLOCK"], "BLOCK_MARKED_FREE"],
  ["a block marked as in use", ["setb 2900"], "BLOCK_LOST"],
  ["an inode marked free", ["freei <INODE>"], "INODE_MARKED_FREE"],
  ["a link count", ["set_inode_field /hello.txt links_count 7"], "LINKS"],
  ["a number of sectors", ["set_inode_field /holes blocks 2"], "INODE_SECTORS"],
  ["a size", ["set_inode_field /zeros-and-x.bin size 10"], "INODE_SIZE"],
  ["a name taken away", ["unlink /dir/sub/deep.txt"], "UNATTACHED"],
  ["a directory taken away", ["unlink /dir/sub"], "UNATTACHED"],
  ["an entry to a free inode", ["clri /dir/sub/deep.txt"], "ENTRY_FREE"],
  ["a counter of the superblock", ["set_super_value free_blocks_count 5"], "FREE_BLOCKS"],
  ["a counter of a group", ["set_bg 0 free_blocks_count 5", CALC], "GROUP_FREE_BLOCKS"],
  ["a checksum of a group", ["set_bg 0 checksum 5"], "GROUP_CHECKSUM"],
  ["a checksum of a bitmap", ["set_bg 0 block_bitmap_csum 5", CALC], "BLOCK_BITMAP_CHECKSUM"],
];

testWith(...TOOLS)("what e2fsck finds of planted faults we find too, with its place", () => {
  for (const [what, commands, kind] of FAULTS) {
    const image = join(scratch(), "image");
    const golden = goldenExt4("ext4");
    writeFileSync(image, golden.peek(0, golden.sizeBytes));
    const block = /\d+/.exec(run("debugfs", ["-R", "blocks /zeros-and-x.bin", image]).stdout)?.[0];
    const { inode } = openExt4On(golden).stat("/dir/sub/deep.txt");
    const given = commands.map((command) =>
      command.replace("BLOCK", block ?? "").replace("INODE", `${inode}`),
    );
    debugfs(image, ...given);
    const judged = run("e2fsck", ["-fn", image]);
    // Of counters alone e2fsck says that they are wrong, and ends with 0.
    expect(judged.code !== 0 || /Fix\? no/.test(judged.text), `${what}: ${judged.text}`).toBe(true);
    const found = openExt4On(deviceOf(image)).check();
    expect(
      found.map((finding) => finding.kind),
      what,
    ).toContain(kind);
    expect(
      found.every(({ lba, block: at }) => lba === at * 8),
      what,
    ).toBe(true);
  }
});

testWith(...TOOLS)(
  "checksums of an inode, a node of extents and a directory: with their path",
  () => {
    const golden = goldenExt4("ext4");
    const leaf = extentNode(golden, "/holes");
    const directory = directoryBlock(golden, "/dir/sub");
    const inode = inodePlace(golden, "/dir/sub/deep.txt");
    for (const [at, kind, path] of [
      [leaf * 4096 + 400, "EXTENTS", "/holes"],
      [directory * 4096 + 40, "DIRECTORY_CHECKSUM", "/dir/sub"],
      [inode + 12, "INODE_CHECKSUM", "/dir/sub/deep.txt"],
    ] as const) {
      const device = golden.clone();
      const [byte = 0] = device.peek(at, 1);
      device.poke(at, Uint8Array.of(byte ^ 0x10));
      const image = join(scratch(), "image");
      writeFileSync(image, device.peek(0, device.sizeBytes));
      expect(run("e2fsck", ["-fn", image]).code, kind).not.toBe(0);
      const found = openExt4On(device).check();
      const lba = Math.floor(at / 4096) * 8;
      expect(found, kind).toContainEqual(expect.objectContaining({ kind, path, lba }));
    }
  },
);

function inodePlace(device: MemoryDevice, path: string): number {
  const { inode } = openExt4On(device).lstat(path);
  const table = new DataView(device.peek(4096, 64).buffer).getUint32(8, true);
  return table * 4096 + (inode - 1) * 256;
}

/** The block of the first entry of the tree of extents in an inode: a node, or content. */
function extentNode(device: MemoryDevice, path: string): number {
  const at = inodePlace(device, path) + 40;
  return new DataView(device.peek(at, 60).buffer).getUint32(16, true);
}

function directoryBlock(device: MemoryDevice, path: string): number {
  const at = inodePlace(device, path) + 40;
  return new DataView(device.peek(at, 60).buffer).getUint32(20, true);
}
