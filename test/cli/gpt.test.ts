/** `diskwright gpt` as a person runs it: exit codes, files beside the image, dry runs, JSON. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

/** A folder of its own, so that what is left beside an image can be counted. */
function folder(): string {
  const path = fresh("folder");
  mkdirSync(path);
  return path;
}

interface Listed {
  readonly index: number;
  readonly firstLba: number;
  readonly lastLba: number;
  readonly type: string;
  readonly name: string;
  readonly attributes: string;
}

const partitionsOf = (path: string) =>
  diskwrightJson(["gpt", "print", path])["partitions"] as Listed[];

/** An image with an ESP and a Linux partition. */
function made(...more: string[]): string {
  const path = join(folder(), "disk.img");
  const parts = ["-p", "esp:4MiB:ESP", "-p", "linux:8MiB:root"];
  const { code, stderr } = diskwright([
    "gpt",
    "create",
    path,
    "--size",
    "32MiB",
    ...parts,
    ...more,
  ]);
  expect([code, stderr]).toEqual([0, ""]);
  return path;
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  const at = offset < 0 ? bytes.length + offset : offset;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test("create makes an image that print shows and verify calls clean", () => {
  const path = made();
  expect(statSync(path).size).toBe(2 ** 25);
  const { code, stdout } = diskwright(["gpt", "print", path]);
  expect(code).toBe(0);
  expect(stdout).toContain("65536 blocks of 512 bytes, usable 34 to 65502, 20MiB free");
  expect(stdout).toMatch(/^1 +2048 +10239 +4MiB +esp +ESP$/m);
  expect(stdout).toMatch(/^2 +10240 +26623 +8MiB +linux +root$/m);
  const verified = diskwright(["gpt", "verify", path]);
  expect(verified).toEqual({ code: 0, stdout: `${path}: clean\n`, stderr: "" });
});

test("the same seed gives the same bytes, another one other GUIDs", () => {
  const [one, two, other] = ["a", "a", "b"].map((seed) => made("--seed", seed));
  expect(Buffer.compare(readFileSync(one ?? ""), readFileSync(two ?? ""))).toBe(0);
  expect(Buffer.compare(readFileSync(one ?? ""), readFileSync(other ?? ""))).not.toBe(0);
});

test("create refuses what is not blank with exit 4, and --erase overrides it", () => {
  const path = made();
  const before = readFileSync(path);
  const refused = diskwright(["gpt", "create", path]);
  expect([refused.code, refused.stdout]).toEqual([4, ""]);
  expect(refused.stderr).toContain("is not blank: gpt. Pass --erase to write over it.");
  const unasked = diskwright(["gpt", "create", path, "--erase"]);
  expect(unasked.code).toBe(4);
  expect(unasked.stderr).toContain("Pass --yes");
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  expect(diskwright(["gpt", "create", path, "--erase", "--yes", "-p", "linux"]).code).toBe(0);
  expect(partitionsOf(path)).toMatchObject([{ index: 1, type: "linux", firstLba: 2048 }]);
  expect(existsSync(`${path}.gpt-backup`)).toBe(true);
});

test("add, resize, rename, type and remove change one partition and save the table first", () => {
  const path = made();
  const steps = [
    ["add", path, "--type", "diskwright-data", "--name", "data", "--size", "2MiB"],
    ["rename", path, "2", "system: Größe"],
    ["resize", path, "3", "max"],
    ["type", path, "2", "linux-home", "--attributes", "0x1000000000000000"],
    ["remove", path, "1", "--yes"],
  ];
  for (const step of steps) expect(diskwright(["gpt", ...step])).toMatchObject({ code: 0 });
  expect(partitionsOf(path)).toMatchObject([
    { index: 2, type: "linux-home", name: "system: Größe", attributes: "0x1000000000000000" },
    { index: 3, type: "diskwright-data", firstLba: 26624, lastLba: 63487, name: "data" },
  ]);
  expect(readdirSync(join(path, "..")).filter((name) => name.includes("gpt-backup"))).toHaveLength(
    5,
  );
  expect(diskwright(["gpt", "verify", path]).code).toBe(0);
});

test("a dry run of each change prints the table that would be and writes nothing", () => {
  const path = made();
  const before = readFileSync(path);
  for (const step of [
    ["add", path, "--type", "linux", "--name", "planned"],
    ["rename", path, "2", "planned"],
    ["resize", path, "2", "4MiB"],
    ["remove", path, "1"],
    ["create", path, "--erase", "-p", "linux::planned"],
    ["repair", path],
  ]) {
    const { code, stdout } = diskwright(["gpt", ...step, "--dry-run"]);
    expect(code, step[0]).toBe(0);
    if (step.includes("planned")) expect(stdout).toContain("planned");
  }
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  expect(readdirSync(join(path, ".."))).toEqual(["disk.img"]);
  const none = join(folder(), "none.img");
  expect(diskwright(["gpt", "create", none, "--size", "8MiB", "--dry-run"]).code).toBe(0);
  expect(existsSync(none)).toBe(false);
});

test("what loses data asks, and is refused with exit 4 where nobody can answer", () => {
  const path = made();
  const before = readFileSync(path);
  for (const step of [
    ["remove", path, "1"],
    ["resize", path, "2", "4MiB"],
  ]) {
    const { code, stderr } = diskwright(["gpt", ...step]);
    expect(code).toBe(4);
    expect(stderr).toContain("Nobody is here to answer. Pass --yes to go on.");
  }
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
});

test("verify names the damaged place with exit 3, repair mends it, and both speak JSON", () => {
  const path = made();
  flip(path, 512 + 24);
  const found = diskwright(["gpt", "verify", path]);
  expect(found.code).toBe(3);
  expect(found.stdout).toMatch(/^LBA 1: the primary header's CRC is 0x[0-9a-f]+, its bytes give/);
  const json = diskwright(["gpt", "verify", path, "--json"]);
  expect(json.code).toBe(3);
  expect(JSON.parse(json.stdout)).toMatchObject({
    damage: 1,
    findings: [{ reason: "GPT_HEADER_CRC", lba: 1, severity: "damage" }],
  });
  expect(diskwright(["gpt", "print", path]).stdout).toContain("read from the backup");
  const mended = diskwrightJson(["gpt", "repair", path]);
  expect(mended).toMatchObject({ repaired: [{ reason: "GPT_HEADER_CRC" }], remaining: [] });
  expect(mended["tableBackup"]).toBe(`${path}.gpt-backup`);
  expect(diskwright(["gpt", "verify", path]).code).toBe(0);
  expect(diskwrightJson(["gpt", "repair", path])["tableBackup"]).toBeNull();
});

test("with both copies damaged every command that needs a table ends with exit 3", () => {
  const path = made();
  flip(path, 512 + 24);
  flip(path, -512 + 24);
  for (const step of [["print"], ["verify"], ["repair"], ["rename", "1", "x"]]) {
    const [name = "", ...rest] = step;
    const { code } = diskwright(["gpt", name, path, ...rest]);
    expect(code, name).toBe(3);
  }
});

test("backup and restore bring a lost table back; another size is refused", () => {
  const path = made();
  const saved = join(path, "..", "table.bin");
  const before = readFileSync(path);
  expect(diskwright(["gpt", "backup", path, saved]).code).toBe(0);
  expect(diskwright(["gpt", "backup", path, saved]).code).toBe(4);
  expect(diskwright(["gpt", "backup", path, saved, "--force"]).code).toBe(0);
  const erased = Buffer.from(before);
  erased.fill(0, 0, 2 ** 20);
  erased.fill(0, erased.length - 2 ** 20);
  writeFileSync(path, erased);
  expect(diskwright(["gpt", "restore", path, saved]).code).toBe(4);
  expect(diskwright(["gpt", "restore", path, saved, "--dry-run"]).code).toBe(0);
  expect(diskwright(["gpt", "print", path]).code).toBe(1);
  expect(diskwright(["gpt", "restore", path, saved, "--yes"]).code).toBe(0);
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  const other = join(folder(), "other.img");
  diskwright(["gpt", "create", other, "--size", "16MiB"]);
  const refused = diskwright(["gpt", "restore", other, saved, "--yes"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("EINVAL");
  flip(saved, 100);
  expect(diskwright(["gpt", "restore", path, saved, "--yes"]).code).toBe(3);
});

test("an image with 4096-byte blocks is recognised by its table", () => {
  const path = made("--block-size", "4096");
  expect(diskwrightJson(["gpt", "print", path])).toMatchObject({
    blockSize: 4096,
    partitions: [{ firstLba: 256, lastLba: 1279 }, { firstLba: 1280 }],
  });
  expect(diskwright(["gpt", "verify", path]).code).toBe(0);
  expect(diskwright(["gpt", "verify", path, "--block-size", "512"]).code).toBe(3);
  expect(diskwright(["gpt", "rename", path, "1", "boot"]).code).toBe(0);
  expect(partitionsOf(path)[0]?.name).toBe("boot");
});

/** One image for all calls that must not change it. */
let shared: string | undefined;
const untouched = () => {
  shared ??= made();
  return shared;
};

test.each([
  [["print"], "missing required argument"],
  [["print", "DISK:1"], "a partition table is that of the whole disk"],
  [["add", "DISK"], "required option '--type <type>'"],
  [["add", "DISK", "--type", "zfs"], "is no partition type"],
  [["add", "DISK", "--type", "linux", "--size", "many"], "is not a size"],
  [["add", "DISK", "--type", "linux", "--guid", "x"], "is not a GUID"],
  [["remove", "DISK", "0"], "is not a number from 1"],
  [["resize", "DISK", "1", "huge"], "is not a size"],
  [["type", "DISK", "1"], "give a type, --guid or --attributes"],
  [["print", "DISK", "--block-size", "1024"], "Allowed choices are 512, 4096"],
])("gpt %j is a usage error that says what was expected", (args, expected) => {
  const path = untouched();
  const { code, stdout, stderr } = diskwright(["gpt", ...args.map((a) => a.replace("DISK", path))]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(expected);
});

test.each([
  [["remove", "7", "--yes"], "ENOENT: no partition 7; there are 1, 2."],
  [["add", "--type", "linux", "--size", "1GiB"], "ENOSPC: no free place of 1GiB is left."],
  [["add", "--type", "linux", "--index", "2"], "EEXIST: there is a partition 2 already."],
  [["resize", "1", "16MiB"], "overlaps partition 2, 10240 to 26623"],
  [["rename", "1", "x".repeat(37)], "at most 36 UTF-16 units"],
])("gpt %j fails with exit 1 and says why, and nothing is written", (args, expected) => {
  const path = untouched();
  const before = readFileSync(path);
  const [name = "", ...rest] = args;
  const { code, stderr } = diskwright(["gpt", name, path, ...rest]);
  expect(code).toBe(1);
  expect(stderr).toContain(expected);
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  expect(existsSync(`${path}.gpt-backup`)).toBe(false);
});
