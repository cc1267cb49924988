/** The verdicts of e2fsprogs on an ext4 volume, each as strict as the tool allows. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Ext4Entry } from "../../host/core/media/ext4-build.ts";
import { describeTree } from "../support/ext4-trees.ts";
import { run } from "./tools.ts";

export const EXT4_JUDGES = ["e2fsck", "dumpe2fs", "debugfs"] as const;

const PASSES = [
  "Pass 1: Checking inodes, blocks, and sizes",
  "Pass 2: Checking directory structure",
  "Pass 3: Checking directory connectivity",
  "Pass 4: Checking reference counts",
  "Pass 5: Checking group summary information",
];
const TYPES = {
  file: "regular",
  directory: "directory",
  symlink: "symlink",
  fifo: "FIFO",
  socket: "socket",
  chardev: "character special",
  blockdev: "block special",
} as const;
/** The first inode that an entry gets. */
const FIRST_INODE = 12;

/** e2fsck says its passes and the summary, and nothing else. */
export function expectPasses(image: string): void {
  const { code, stdout } = run("e2fsck", ["-fn", image]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.slice(0, -1)).toEqual(PASSES);
  expect(lines.at(-1)).toMatch(/: \d+\/\d+ files \(.*% non-contiguous\), \d+\/\d+ blocks$/);
  expect(code).toBe(0);
}

/** And dumpe2fs reads all groups, for e2fsck calls one wrong bit in a bitmap no fault. */
export function expectCleanExt4(image: string): void {
  expectPasses(image);
  const dumped = run("dumpe2fs", [image]);
  expect(dumped.stderr.trim().split("\n")).toHaveLength(1);
  expect(dumped.code).toBe(0);
}

/** What debugfs answers to each command; it complains of nothing. */
export function debugfs(image: string, commands: readonly string[], folder: string): string[] {
  const script = join(folder, "commands");
  writeFileSync(script, commands.map((command) => `${command}\n`).join(""));
  const { stdout, stderr } = run("debugfs", ["-f", script, image]);
  expect(stderr).toMatch(/^debugfs [\d.]+ \(.*\)\n$/);
  return stdout
    .split(/^debugfs: /m)
    .slice(1)
    .map((answer) => answer.slice(answer.indexOf("\n") + 1));
}

/** debugfs finds every entry with all that it should have, and nothing else. */
export function expectTree(image: string, entries: readonly Ext4Entry[], folder: string): void {
  const copy = join(folder, "copy");
  mkdirSync(copy);
  debugfs(image, [`rdump / ${copy}`], folder);
  const described = describeTree(entries);
  const dumped = [...described].filter(([, { kind }]) => kind in READ);
  const found = readdirSync(copy, { recursive: true, encoding: "utf8" });
  expect(found.sort()).toEqual(["lost+found", ...dumped.map(([path]) => path)].sort());
  for (const [path, { kind, content, target }] of dumped) {
    if (kind === "file") expect(readFileSync(join(copy, path)).equals(content), path).toBe(true);
    if (kind === "symlink") expect(readlinkSync(join(copy, path)), path).toBe(target);
  }
  expectInodes(image, entries, folder);
}

/** rdump copies these; of the others the inode is all there is. */
const READ = { file: true, directory: true, symlink: true };

function expectInodes(image: string, entries: readonly Ext4Entry[], folder: string): void {
  const described = describeTree(entries);
  const own = entries.filter(({ kind }) => kind !== "link");
  const numbers = own.map((_, index) => FIRST_INODE + index);
  const stats = debugfs(
    image,
    numbers.map((number) => `stat <${number}>`),
    folder,
  );
  expect(stats).toHaveLength(own.length);
  for (const [index, { path }] of own.entries()) {
    const text = stats[index] ?? "";
    const should = described.get(path);
    if (should === undefined) throw new Error(path);
    const field = (pattern: RegExp) => pattern.exec(text)?.[1];
    expect(field(/Type: (.+?) +Mode:/), path).toBe(TYPES[should.kind]);
    expect(Number.parseInt(field(/Mode: +0*(\d+) /) ?? "", 8), path).toBe(should.mode);
    expect(Number(field(/User: +(\d+)/)), path).toBe(should.uid);
    expect(Number(field(/Group: +(\d+)/)), path).toBe(should.gid);
    expect(Number(field(/Links: (\d+)/)), path).toBe(should.links);
    expect(field(/^ mtime: (0x\w+:\w+) /m), path).toBe(rawTime(should.mtimeNs));
    if (should.device !== undefined) {
      const numbers = /Device major\/minor number: (\d+):(\d+)/.exec(text);
      expect([Number(numbers?.[1]), Number(numbers?.[2])], path).toEqual([
        should.device.major,
        should.device.minor,
      ]);
    }
  }
  expectXattrs(image, own, folder);
}

function expectXattrs(image: string, own: readonly Ext4Entry[], folder: string): void {
  const asked = own.flatMap(({ xattrs }, index) =>
    [...(xattrs ?? [])].map(([name, value]) => ({ name, value, inode: FIRST_INODE + index })),
  );
  const out = (index: number) => join(folder, `xattr${index}`);
  const commands = asked.map(
    ({ name, inode }, index) => `ea_get -f ${out(index)} <${inode}> ${name}`,
  );
  debugfs(image, commands, folder);
  for (const [index, { name, value }] of asked.entries()) {
    expect(readFileSync(out(index)).equals(value), name).toBe(true);
  }
}

/** A time as it stands in an inode: the lower 32 bits of the seconds, then the two extra bits. */
function rawTime(timeNs: bigint): string {
  const second = 1_000_000_000n;
  const nanoseconds = ((timeNs % second) + second) % second;
  const seconds = (timeNs - nanoseconds) / second;
  const low = BigInt.asUintN(32, seconds);
  const epoch = BigInt.asUintN(2, (seconds - BigInt.asIntN(32, seconds)) >> 32n);
  const extra = (nanoseconds << 2n) | epoch;
  const hex = (value: bigint) => value.toString(16).padStart(8, "0");
  return `0x${hex(low)}:${hex(extra)}`;
}
