/** `install --layout rayos` as a person runs it: what it prints, its exit codes, what stays untouched. */
import {
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { imageFolder, RAYOS_FILES, scratch } from "../system/rayos/support.ts";

const SIZES = ["--esp-size", "33MiB", "--system-size", "64MiB"];
const FULL = [...SIZES, "--state-size", "4MiB", "--log-size", "1MiB", "--recovery-size", "33MiB"];

function blank(mib: number): string {
  const path = join(scratch(), "d.img");
  writeFileSync(path, "");
  truncateSync(path, mib * 2 ** 20);
  return path;
}

function args(layout: string, source: string, target: string, ...more: string[]): string[] {
  return ["install", "--layout", layout, "--source", source, "--target", target, ...more];
}

/** True while no byte of the file was ever written. */
function isUntouched(path: string): boolean {
  return statSync(path).blocks === 0;
}

describe("install --layout rayos", () => {
  test("--dry-run prints the plan and writes nothing", () => {
    const target = blank(170);
    const source = imageFolder(RAYOS_FILES);
    const plan = diskwrightJson(args("rayos", source, target, ...SIZES, "--dry-run"));
    expect(plan).toMatchObject({
      event: "plan",
      layout: "rayos",
      partitions: [{ number: 1 }, { number: 2 }, { number: 3 }],
    });
    expect(isUntouched(target)).toBe(true);
    const { code, stdout } = diskwright(args("rayos", source, target, ...SIZES, "--dry-run"));
    expect(code).toBe(0);
    expect(stdout).toContain("RayOS System Image, Tue Jan  6");
    expect(stdout).toContain("RAYOS_SYSTEM");
  });

  test("too small, a broken checksum, --resume of nothing, two places: codes 4, 1, 4, 2, untouched", () => {
    const target = blank(170);
    const source = imageFolder(RAYOS_FILES);
    const bad = imageFolder({ x: "1", ".checksums": `${"0".repeat(64)}  /b/x\n` });
    const cases: [number, RegExp, string[]][] = [
      [4, /smallest size that would do is 42GiB/, args("rayos", source, target, "--yes")],
      [1, /EBADMSG: 'x' .*not what .checksums says/, args("rayos", bad, target, ...SIZES, "--yes")],
      [4, /no half-done/, args("rayos", source, target, ...SIZES, "--yes", "--resume")],
      [2, /give one/, args("rayos", source, target, "--partition", "1", "--free")],
      [2, /for --layout rayos/, args("capos", source, target, "--esp-size", "33MiB")],
      [4, /no partition table/, args("rayos", source, target, ...SIZES, "--free", "--yes")],
      [
        1,
        /machine name/,
        args("rayos", source, target, ...SIZES, "--machine-name", "a b", "--yes"),
      ],
    ];
    for (const [code, words, given] of cases) {
      const outcome = diskwright(given);
      expect(outcome.stderr).toMatch(words);
      expect(outcome.code, given.join(" ")).toBe(code);
    }
    expect(isUntouched(target)).toBe(true);
  });

  test("--verify finds an installed disk as it was, and a changed file by name with code 3", () => {
    const target = blank(170);
    const needle = "this text is found again on the disk ".repeat(40);
    const source = imageFolder({ ...RAYOS_FILES, "usr/needle": needle });
    expect(diskwright(args("rayos", source, target, ...SIZES, "--yes")).code).toBe(0);
    const verify = ["install", "--layout", "rayos", "--verify", "--target", target];
    const whole = diskwright(verify);
    expect(whole.stdout).toContain("as they were installed");
    expect(whole.code).toBe(0);
    const at = readFileSync(target).indexOf("this text is found");
    const file = openSync(target, "r+");
    writeSync(file, "T", at);
    closeSync(file);
    const changed = diskwright(verify);
    expect(changed.stdout).toContain("'usr/needle' is not what was installed");
    expect(changed.code).toBe(3);
    const second = diskwright(args("rayos", source, target, ...SIZES, "--yes"));
    expect(second.stderr).toMatch(/refused: .*RayOS on partitions 1, 2, 3.*--reinstall/);
    expect(second.code).toBe(4);
  });

  test("--recovery makes that partition anew, and refuses a disk without one", () => {
    const target = blank(210);
    const source = imageFolder(RAYOS_FILES);
    expect(diskwright(args("rayos-full", source, target, ...FULL, "--yes")).code).toBe(0);
    const other = imageFolder({ ...RAYOS_FILES, "kernel.bin": "another kernel" });
    const made = diskwright(args("rayos-full", other, target, "--recovery", "--yes"));
    expect(made.stdout).toContain("recovery partition 6");
    expect(made.code).toBe(0);
    const read = diskwright(["fs", "cat", `${target}:6`, "EFI/RAYOS/recovery/kernel.efi"]);
    expect(read.stdout).toBe("another kernel");
    const plain = blank(170);
    expect(diskwright(args("rayos", source, plain, ...SIZES, "--yes")).code).toBe(0);
    expect(diskwright(args("rayos", other, plain, "--recovery", "--yes")).code).toBe(4);
  });
});
