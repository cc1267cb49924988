/** system-install on real disks: two capabilities, a blank target, and the disk that comes out. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finish } from "../../../host/base/work.ts";
import { verifyGpt } from "../../../host/core/gpt.ts";
import { Core } from "../../../host/core/load.ts";
import { type BlockDevice, RequestType } from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { readSectors } from "../../../host/device/sectors.ts";
import { BlockCap } from "../../../host/system/caps/block.ts";
import { ConsoleCap, ConsoleLog } from "../../../host/system/caps/console.ts";
import { DirectoryCap } from "../../../host/system/caps/directory.ts";
import { unwrap } from "../../../host/system/caps/outcome.ts";
import { MemoryTree } from "../../../host/system/caps/tree/memory.ts";
import { splitDisk } from "../../../host/system/image/split.ts";
import { Machine } from "../../../host/system/machine.ts";
import { consolePrefix, runService } from "../../../host/system/service/runner.ts";
import { builtService } from "../../support/services.ts";
import { makeMedium } from "../support.ts";

const FILES = ["BOOTHEAD.BIN", "BOOTGPT.BIN", "DATAIMG.BIN"] as const;
const FUEL = 10_000_000_000;
const NAME = "system-install";

const medium = makeMedium();
const parts = new Map<string, Uint8Array>();
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "install-service-"));
  finish(splitDisk(medium, folder));
  for (const name of FILES) parts.set(name, new Uint8Array(readFileSync(join(folder, name))));
});
afterAll(() => rmSync(folder, { recursive: true }));

function sourceOf(files: ReadonlyMap<string, Uint8Array>): DirectoryCap {
  const tree = new MemoryTree();
  for (const [name, bytes] of files) tree.open([name], "create").write(0, bytes);
  return unwrap(DirectoryCap.over(tree, { readOnly: true }), "open");
}

/** Runs the service with its two capabilities and a console. */
function install(device: BlockDevice, files: ReadonlyMap<string, Uint8Array> = parts) {
  const lines: string[] = [];
  const log = new ConsoleLog((line) => lines.push(line));
  const report = runService({
    name: NAME,
    module: builtService(NAME),
    caps: {
      console: ConsoleCap.over(log, { name: NAME, prefix: consolePrefix(NAME) }),
      source: sourceOf(files),
      target: unwrap(BlockCap.over(device), "open"),
    },
    fuel: FUEL,
  });
  return { status: report.status, lines, last: lines.at(-1), report };
}

function blank(sizeBytes = medium.sizeBytes): MemoryDevice {
  return new MemoryDevice({ size: sizeBytes, name: "target" });
}

function sameDisk(one: BlockDevice, other: BlockDevice): boolean {
  for (let at = 0; at < one.config.capacity; at += 2048) {
    const wanted = Buffer.from(readSectors(one, at, 2048));
    if (!wanted.equals(readSectors(other, at, 2048))) return false;
  }
  return true;
}

test("a blank disk becomes the disk that the files were cut from, and boots alone", () => {
  const target = blank();
  const { status, lines } = install(target);
  expect(lines).toEqual([
    expect.stringMatching(/^\[install\] BOOTHEAD\.BIN to LBA 0, sectors \d+$/),
    expect.stringMatching(/^\[install\] BOOTGPT\.BIN to LBA \d+, sectors 33$/),
    expect.stringMatching(/^\[install\] DATAIMG\.BIN to LBA 264192, sectors \d+$/),
    "[install] written",
    "[install] verified by reading back",
  ]);
  expect(status).toBe("ok");
  expect(sameDisk(medium, target)).toBe(true);
  expect(new Machine({ disks: [target] }).boot().lines[0]).toBe("data region: mounted");
  expect(install(target)).toMatchObject({
    status: "ok",
    lines: ["[install] the table is on the target already", "[install] verified by reading back"],
  });
});

test("on a larger disk the backup table is where the primary says", () => {
  const target = blank(medium.sizeBytes + (64 << 20));
  expect(install(target).status).toBe("ok");
  expect(sameDisk(medium, target)).toBe(true);
  const core = new Core();
  // The table is that of the smaller disk: gpt repair moves its end, as on any disk that grew.
  const reasons = verifyGpt(core, core.attach(target)).map(({ reason }) => reason);
  expect(reasons.sort()).toEqual(["GPT_BACKUP_PLACE", "GPT_MBR_CHS", "GPT_MBR_SIZE"]);
});

test("bytes that stood in the unused parts of a partition are gone", () => {
  const target = blank();
  const stale = new Uint8Array(4096).fill(0xa5);
  for (const sector of [30_000, 60_000]) target.poke(sector * 512, stale);
  expect(install(target).status).toBe("ok");
  expect(sameDisk(medium, target)).toBe(true);
});

test.each([
  ["a disk with something at its start", 512],
  ["a disk with something in its last MiB", -4096],
])("%s is not blank: nothing is written", (_, place) => {
  const target = blank();
  target.poke(place < 0 ? target.sizeBytes + place : place, Uint8Array.of(1));
  const before = target.clone();
  expect(install(target)).toMatchObject({
    status: "exit",
    lines: ["[install] refused: the target is not blank"],
  });
  expect(sameDisk(before, target)).toBe(true);
});

test("a disk that holds the table and other content fails its verification", () => {
  const target = blank();
  install(target);
  target.poke(264_192 * 512, Uint8Array.of(1));
  expect(install(target)).toMatchObject({
    status: "exit",
    last: "[install] failed: the target does not hold what was written",
  });
});

const changed = (name: string, change: (bytes: Uint8Array) => Uint8Array) =>
  new Map([...parts].map(([file, bytes]) => [file, file === name ? change(bytes.slice()) : bytes]));
const flipped = (at: number) => (bytes: Uint8Array) => {
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] as number) ^ 1;
  return bytes;
};

test.each([
  ["a file that is missing", () => new Map([...parts].slice(0, 2)), /lacks .* DATAIMG\.BIN/],
  ["half a sector", () => changed("BOOTGPT.BIN", (b) => b.subarray(256)), /one is cut/],
  ["a header whose CRC fails", () => changed("BOOTHEAD.BIN", flipped(512 + 40)), /no valid header/],
  ["a backup of another table", () => changed("BOOTGPT.BIN", flipped(-512 + 24)), /not the backup/],
  [
    "data that is longer than its partition",
    () => changed("DATAIMG.BIN", (b) => Buffer.concat([b, new Uint8Array(20 << 20)])),
    /DATAIMG/,
  ],
])("%s is refused before the first write", (_, files, reason) => {
  const target = blank();
  const { status, last } = install(target, files());
  expect(last).toMatch(reason);
  expect(status).toBe("exit");
  expect(sameDisk(blank(), target)).toBe(true);
});

test("a target that is too small, read-only or of 4096-byte blocks is refused", () => {
  expect(install(blank(medium.sizeBytes - (1 << 20))).last).toMatch(/does not fit the target/);
  const large = new MemoryDevice({ size: medium.sizeBytes, blkSize: 4096 });
  expect(install(large).last).toMatch(/no blocks of 512 bytes/);
});

/** A device that fails all writes after the first `writes`. */
function failing(device: MemoryDevice, writes: number): BlockDevice {
  let left = writes;
  return {
    ...device,
    name: device.name,
    config: device.config,
    identity: device.identity,
    durability: device.durability,
    submit: (requests) => {
      for (const asked of requests) {
        if (asked.type === RequestType.OUT && left-- <= 0) asked.status = 1;
        else device.submit([asked]);
      }
    },
    close: () => device.close(),
  };
}

test("cut at any write, it is started again and ends with the same disk", () => {
  const total = (() => {
    let writes = 0;
    const target = blank();
    const counting = failing(target, Number.POSITIVE_INFINITY);
    const { submit } = counting;
    install({
      ...counting,
      submit: (requests) => {
        for (const { type } of requests) if (type === RequestType.OUT) writes += 1;
        submit(requests);
      },
    });
    return writes;
  })();
  for (const cut of [0, 1, Math.floor(total / 2), total - 2, total - 1]) {
    const target = blank();
    const first = install(failing(target, cut));
    expect(first.status, `cut at ${cut}`).toBe("exit");
    expect(first.last).toMatch(/^\[install\] failed: a write was refused: failed: writeBlocks/);
    expect(install(target), `cut at ${cut}`).toMatchObject({ status: "ok" });
    expect(sameDisk(medium, target), `cut at ${cut}`).toBe(true);
  }
});
