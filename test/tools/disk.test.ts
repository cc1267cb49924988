/** The main job on real input: a real payload on a disk that other people's tools and firmware take. */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { diskwright } from "../support/cli.ts";
import { bootDisk, FIRMWARE_TOOLS } from "./firmware.ts";
import { copyOutFat, expectCleanFat, expectGoodTable, JUDGES } from "./judges.ts";
import { PAYLOAD_TOOLS, writePayload } from "./payload.ts";
import { scratch, testWith } from "./tools.ts";

const ESP = { number: 1, first: 2048, last: 264191 };
const ESP_SECTORS = 262144;
const MIB_SECTORS = 2048;
const tools = [...JUDGES, ...FIRMWARE_TOOLS, ...PAYLOAD_TOOLS];

testWith(...tools)("a made disk is accepted by every judge and boots real firmware", async () => {
  const { folder, boot, nonce } = payload();
  const image = join(folder, "d.img");
  succeed(["image", "mkdisk", image, "--size", "256MiB", "--boot", boot]);
  expect(statSync(image).size).toBe(256 * 2 ** 20);
  expectGoodTable(image, [ESP, { number: 2, first: 264192, last: 522239 }]);
  expectCleanFat(image, ESP.first, ESP_SECTORS);
  expectSameTree(boot, image, folder);
  await expectBoots(image, folder, nonce);
});

testWith(...tools)("an installed disk boots after medium and old place are gone", async () => {
  const { folder, boot, nonce } = payload();
  const medium = join(folder, "medium.img");
  const target = join(folder, "target.img");
  succeed(["image", "mkdisk", medium, "--size", "256MiB", "--boot", boot]);
  blank(target, 2 ** 30);
  succeed(["install", "--source", medium, "--target", target, "--yes"]);
  rmSync(medium);
  const moved = join(folder, "moved.img");
  renameSync(target, moved);
  const last = 2 ** 21 - MIB_SECTORS - 1;
  expectGoodTable(moved, [ESP, { number: 2, first: 264192, last }]);
  expectCleanFat(moved, ESP.first, ESP_SECTORS);
  expectSameTree(boot, moved, folder);
  await expectBoots(moved, folder, nonce);
});

function payload(): { folder: string; boot: string; nonce: string } {
  const folder = scratch();
  const boot = join(folder, "boot");
  const nonce = randomUUID();
  writePayload(boot, nonce);
  return { folder, boot, nonce };
}

function succeed(args: readonly string[]): void {
  const { code, stderr } = diskwright(args);
  expect(stderr).not.toContain("diskwright:");
  expect(code).toBe(0);
}

function blank(path: string, size: number): void {
  closeSync(openSync(path, "wx"));
  truncateSync(path, size);
}

/** The firmware starts the payload from this disk alone, and its kernel sees both partitions. */
async function expectBoots(image: string, folder: string, nonce: string): Promise<void> {
  const console = await bootDisk(image, folder);
  expect(console).toContain(`NONCE ${nonce}`);
  expect(console).toContain(`ESP marker ${nonce}`);
  expect(console).toContain("STORE CAPOSST1");
  expect(console).toContain("FILES CAPOSWF1");
}

/** mtools reads every file of `boot` back equal from the ESP, and finds nothing else there. */
function expectSameTree(boot: string, image: string, folder: string): void {
  const copy = join(folder, "copy");
  mkdirSync(copy);
  copyOutFat(image, copy);
  expect(listFiles(copy)).toEqual(listFiles(boot));
  for (const path of listFiles(boot)) {
    expect(readFileSync(join(copy, path)).equals(readFileSync(join(boot, path))), path).toBe(true);
  }
  rmSync(copy, { recursive: true });
}

function listFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}
