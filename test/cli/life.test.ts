/** A disk's life through the real program, each step a process of its own. */
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  LBA_STORE_MIRROR_EVEN,
  LBA_STORE_MIRROR_ODD,
  LBA_STORE_SLOTS,
  LBA_WF_MIRROR_EVEN,
  LBA_WF_MIRROR_ODD,
  LBA_WF_SLOTS,
} from "../../assembly/format/region.ts";
import { greeter } from "../../host/system/demo/greeter.ts";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";

const MOUNTED = "data region: mounted";
const FLOOR = "no data region; base floor";
const DATA_LBA = 264192;
/** The eight copies of the two superblocks. */
const COPIES = [
  LBA_STORE_SLOTS,
  LBA_STORE_SLOTS + 1,
  LBA_STORE_MIRROR_EVEN,
  LBA_STORE_MIRROR_ODD,
  LBA_WF_SLOTS,
  LBA_WF_SLOTS + 1,
  LBA_WF_MIRROR_EVEN,
  LBA_WF_MIRROR_ODD,
] as const;

const folder = temporaryPaths()("life");
const boot = join(folder, "boot");
const medium = join(folder, "medium.img");
/** Installed, moved, with three files in system/config. */
const disk = join(folder, "elsewhere", "disk.img");

beforeAll(() => {
  mkdirSync(join(boot, "EFI/BOOT"), { recursive: true });
  writeFileSync(join(boot, "EFI/BOOT/BOOTX64.EFI"), greeter("hello"));
  expect(diskwright(["image", "mkdisk", medium, "--size", "256MiB", "--boot", boot]).code).toBe(0);
  const target = join(folder, "target.img");
  blank(target, 2 ** 30);
  const done = diskwright(["install", "--source", medium, "--target", target, "--yes"]);
  expect(done.stderr).not.toContain("diskwright:");
  expect(done.code).toBe(0);
  rmSync(medium);
  mkdirSync(join(folder, "elsewhere"));
  renameSync(target, disk);
});

test("an installed disk boots alone, moved, in another process, with an empty system/config", () => {
  expect(diskwright(["boot", disk])).toEqual({
    code: 0,
    stdout: `${MOUNTED}\n[init] data-region mounted: system/config entries=0\n`,
    stderr: "",
  });
  expect(diskwright(["verify", disk]).code).toBe(0);
});

test("three files put into system/config are counted by the next boot", () => {
  for (const name of ["one", "two", "three"]) {
    const put = diskwright(["fs", "put", disk, "-", `/system/config/${name}`], name);
    expect(put.code, put.stderr).toBe(0);
  }
  const { stdout } = diskwright(["boot", disk]);
  expect(stdout).toBe(`${MOUNTED}\n[init] data-region mounted: system/config entries=3\n`);
  expect(diskwright(["fs", "cat", disk, "/system/config/two"]).stdout).toBe("two");
  expect(diskwright(["verify", disk]).code).toBe(0);
});

test.each(COPIES)("with the superblock copy at LBA %i zeroed it is still mounted", (lba) => {
  const saved = zeroSectors([lba]);
  const verified = diskwright(["verify", disk]);
  expect(verified.stdout).toContain(`LBA ${DATA_LBA + lba}`);
  expect(verified.code).toBe(3);
  expect(diskwright(["boot", disk]).stdout).toBe(
    `${MOUNTED}\n[init] data-region mounted: system/config entries=3\n`,
  );
  restore(saved);
});

test("with all eight superblock copies zeroed the machine boots to the base floor", () => {
  const saved = zeroSectors(COPIES);
  expect(diskwright(["boot", disk])).toMatchObject({ code: 0, stdout: `${FLOOR}\n` });
  expect(diskwright(["verify", disk]).code).toBe(3);
  restore(saved);
  expect(diskwright(["verify", disk]).code).toBe(0);
});

test("objects go in and come out by their hash", () => {
  const put = diskwrightJson(["store", "put", disk, join(boot, "EFI/BOOT/BOOTX64.EFI")]);
  const [{ hash }] = put["objects"] as [{ hash: string }];
  const out = join(folder, "out.efi");
  expect(diskwright(["store", "get", disk, hash, out]).code).toBe(0);
  expect(diskwright(["store", "has", disk, hash]).code).toBe(0);
  expect(diskwright(["store", "verify", disk]).code).toBe(0);
  expect(diskwright(["store", "rm", disk, hash]).code).toBe(0);
  expect(diskwright(["store", "has", disk, hash]).code).toBe(1);
});

test("an installed disk is refused as a target, with exit 4 and the option that overrides it", () => {
  const other = join(folder, "other.img");
  diskwright(["image", "mkdisk", other, "--size", "256MiB", "--boot", boot]);
  const { code, stderr } = diskwright(["install", "--source", other, "--target", disk, "--yes"]);
  expect(code).toBe(4);
  expect(stderr).toContain("--reinstall");
});

function blank(path: string, size: number): void {
  closeSync(openSync(path, "wx"));
  truncateSync(path, size);
}

/** Zeroes sectors of the data region; answers what was there. */
function zeroSectors(lbas: readonly number[]): Map<number, Uint8Array> {
  const saved = new Map<number, Uint8Array>();
  const fd = openSync(disk, "r+");
  for (const lba of lbas) {
    const bytes = new Uint8Array(512);
    readSync(fd, bytes, 0, 512, (DATA_LBA + lba) * 512);
    saved.set(lba, bytes);
    writeSync(fd, new Uint8Array(512), 0, 512, (DATA_LBA + lba) * 512);
  }
  closeSync(fd);
  return saved;
}

function restore(saved: ReadonlyMap<number, Uint8Array>): void {
  const fd = openSync(disk, "r+");
  for (const [lba, bytes] of saved) writeSync(fd, bytes, 0, 512, (DATA_LBA + lba) * 512);
  closeSync(fd);
}
