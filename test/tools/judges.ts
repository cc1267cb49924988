/** Other people's verdicts on a disk, each as strict as the tool allows (text and exit code). */
import { expect } from "vitest";
import { run } from "./tools.ts";

/** What the judges need installed. */
export const JUDGES = ["sgdisk", "sfdisk", "parted", "fsck.fat", "mcopy", "dd"] as const;

/** A partition as sgdisk lists it, in sectors of 512 bytes. */
export interface Listed {
  readonly number: number;
  readonly first: number;
  readonly last: number;
}

/**
 * sgdisk, sfdisk and parted accept the partition table and list exactly `partitions`. Exit codes say
 * little here: sgdisk calls a blank file fine, so its words decide.
 */
export function expectGoodTable(image: string, partitions: readonly Listed[]): void {
  const verified = run("sgdisk", ["-v", image]).text;
  expect(verified).toContain("No problems found");
  expect(verified).not.toMatch(/creating new gpt|caution|warning|problem:|error|invalid|corrupt/i);
  const listed = [...run("sgdisk", ["-p", image]).stdout.matchAll(/^ +(\d+) +(\d+) +(\d+) /gm)];
  expect(
    listed.map(([, number, first, last]) => ({
      number: Number(number),
      first: Number(first),
      last: Number(last),
    })),
  ).toEqual(partitions);
  const checked = run("sfdisk", ["--verify", image]).text;
  expect(checked).toContain("No errors detected");
  expect(checked).not.toMatch(/corrupt|mismatch|not on the end|overlap|too big|unrecognized/i);
  const printed = run("parted", ["-s", image, "unit", "s", "print"]);
  expect(printed.text).not.toMatch(/error|warning/i);
  expect(printed.code).toBe(0);
}

/** fsck.fat finds nothing to say about the FAT volume at `firstLba`: exactly two lines, exit 0. */
export function expectCleanFat(image: string, firstLba: number, sectors: number): void {
  const part = `${image}.fat`;
  // fsck.fat takes no offset.
  run("dd", [
    `if=${image}`,
    `of=${part}`,
    "bs=1M",
    `skip=${firstLba / 2048}`,
    `count=${sectors / 2048}`,
  ]);
  const { code, stdout, stderr } = run("fsck.fat", ["-n", part]);
  run("rm", [part]);
  expect(stderr).toBe("");
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^fsck\.fat /);
  expect(lines[1]).toMatch(/: \d+ files, \d+\/\d+ clusters$/);
  expect(code).toBe(0);
}

/** Copies the whole FAT volume at 1 MiB into `folder` with mtools. */
export function copyOutFat(image: string, folder: string): void {
  const { code, text } = run("mcopy", ["-s", "-n", "-i", `${image}@@1M`, "::*", folder]);
  expect(text).toBe("");
  expect(code).toBe(0);
}
