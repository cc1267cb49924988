/** `fs`, `inspect` and `verify` on volumes of the ext family, through the real program. */
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { flip, goldenExt4 } from "../support/ext4-read.ts";

const MIB = 1 << 20;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "diskwright-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A golden volume as a file of its own. */
function bare(name: string, at: string): string {
  const device = goldenExt4(name);
  const path = join(at, `${name}.img`);
  writeFileSync(path, device.peek(0, device.sizeBytes));
  return path;
}

/** A disk whose only partition, number 1, holds a golden volume. */
function partitioned(name: string, at: string): string {
  const device = goldenExt4(name);
  const path = join(at, "disk.img");
  expect(diskwright(["gpt", "create", path, "--size", "64MiB", "--yes"]).code).toBe(0);
  const size = `${device.sizeBytes / MIB}MiB`;
  const add = ["gpt", "add", path, "--type", "linux", "--first", "2048", "--size", size, "--yes"];
  expect(diskwright(add)).toMatchObject({ code: 0 });
  const file = openSync(path, "r+");
  writeSync(file, device.peek(0, device.sizeBytes), 0, device.sizeBytes, MIB);
  closeSync(file);
  return path;
}

test("fs reads a bare volume and one in a partition alike, and writes to neither", () => {
  const at = folder();
  const before = bare("dirty", at);
  const bytes = readFileSync(before);
  for (const disk of [before, partitioned("dirty", at), `${join(at, "disk.img")}:1`]) {
    expect(diskwright(["fs", "cat", disk, "/way/deep.txt"]).stdout, disk).toBe("deep");
    expect(diskwrightJson(["fs", "stat", disk, "/fast"])).toMatchObject({
      ...{ filesystem: "ext4", kind: "symlink", target: "hello.txt" },
    });
    expect(diskwright(["fs", "tree", disk, "/dir"]).stdout).toContain("deep.txt");
    expect(diskwrightJson(["fs", "df", disk])).toMatchObject({ totalBytes: 12 * MIB });
  }
  expect(Buffer.compare(readFileSync(before), bytes)).toBe(0);
});

test("fs puts, makes, moves, removes and gets back on a bare volume and in a partition", () => {
  const at = folder();
  const local = join(at, "local");
  mkdirSync(join(local, "deep"), { recursive: true });
  writeFileSync(join(local, "one"), "1".repeat(100_000));
  writeFileSync(join(local, "deep/two"), "two");
  symlinkSync("two", join(local, "deep/link"));
  for (const disk of [bare("ext4", at), `${partitioned("dirty", at)}:1`]) {
    const run = (...args: string[]) =>
      expect(diskwright(args), args.join(" ")).toMatchObject({ code: 0 });
    run("fs", "put", "-r", disk, local, "/new");
    run("fs", "mkdir", disk, "/a/b/c");
    run("fs", "mv", disk, "/new/deep", "/a/b/c");
    run("fs", "mv", disk, "/hello.txt", "/a/there");
    run("fs", "rm", "-r", disk, "/many", "/fast");
    expect(diskwright(["fs", "put", disk, "-", "/a/there"], "replaced")).toMatchObject({ code: 0 });
    expect(diskwright(["fs", "cat", disk, "/hard"]).stdout).toBe("replaced");
    const out = join(at, `out-${disk.endsWith(":1")}`);
    run("fs", "get", "-r", disk, "/a", out);
    expect(readFileSync(join(out, "b/c/deep/two"), "utf8")).toBe("two");
    expect(readlinkSync(join(out, "b/c/deep/link"))).toBe("two");
    expect(diskwright(["fs", "cat", disk, "/new/one"]).stdout).toBe("1".repeat(100_000));
    run("fs", "check", disk);
    expect(diskwright(["verify", disk.replace(/:1$/, "")]).stdout).not.toContain("[advice]");
  }
});

test("fs says what a change cannot be, and exits with 1", () => {
  const at = folder();
  const disk = bare("ext4", at);
  const before = readFileSync(disk);
  for (const [args, words] of [
    [["rm", disk, "/dir"], "ENOTEMPTY"],
    [["rm", disk, "/none"], "ENOENT"],
    [["mv", disk, "/dir", "/dir/sub/x"], "EINVAL"],
    [["mkdir", disk, "/hello.txt/x"], "ENOTDIR"],
  ] as const) {
    const done = diskwright(["fs", ...args]);
    expect([done.code, done.stderr.includes(words)], done.stderr).toEqual([1, true]);
  }
  const old = bare("ext2", at);
  const refused = diskwright(["fs", "put", old, "-", "/new"], "text");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("EOPNOTSUPP");
  expect(refused.stderr).toContain("tune2fs -j");
  expect(Buffer.compare(readFileSync(disk), before)).toBe(0);
});

test("fs get -r keeps links and leaves devices and pipes behind", () => {
  const at = folder();
  const out = join(at, "out");
  const got = diskwright(["fs", "get", "-r", bare("ext3", at), "/", out]);
  expect(got).toMatchObject({ code: 0 });
  expect(readlinkSync(join(out, "way"))).toBe("dir/sub");
  expect(readFileSync(join(out, "dir/sub/deep.txt"), "utf8")).toBe("deep");
  expect(() => lstatSync(join(out, "null"))).toThrow("ENOENT");
  expect(() => lstatSync(join(out, "pipe"))).toThrow("ENOENT");
});

test("inspect tells label, uuid, features and the state of the journal", () => {
  const at = folder();
  const { volumes } = diskwrightJson(["inspect", partitioned("dirty", at)]) as {
    volumes: { ext4: Record<string, unknown> }[];
  };
  expect(volumes[0]?.ext4).toMatchObject({
    ...{ label: "GOLDEN4", uuid: "01234567-89ab-cdef-0123-456789abcdef" },
    ...{ journal: "to be replayed", blockBytes: 4096, inodes: 512 },
  });
  const text = diskwright(["inspect", bare("ext4", at)]).stdout;
  expect(text).toContain("journal: empty");
  expect(text).toContain("metadata_csum");
});

test("verify names what is damaged in a partition, and a full journal is advice", () => {
  const at = folder();
  const disk = partitioned("dirty", at);
  const clean = diskwright(["verify", disk]);
  expect(clean.code).toBe(0);
  expect(clean.stdout).toContain("[advice]");
  const device = goldenExt4("ext4");
  flip(device, 36 * 4096 + 256 + 12);
  const file = openSync(disk, "r+");
  writeSync(file, device.peek(0, device.sizeBytes), 0, device.sizeBytes, MIB);
  closeSync(file);
  const damaged = diskwright(["verify", disk]);
  expect(damaged.code).toBe(3);
  expect(damaged.stdout).toContain(`ext4, partition 1, LBA ${2048 + 36 * 8}: /hard: block 36`);
  expect(diskwright(["fs", "check", `${disk}:1`]).code).toBe(3);
});
