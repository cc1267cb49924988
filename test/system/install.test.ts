/** Installations: what arrives, what is refused, what is left alone, and that it is reproducible. */
import {
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Refusal } from "../../host/base/errors.ts";
import { finish, run } from "../../host/base/work.ts";
import { FatVolume } from "../../host/core/fat.ts";
import { readGpt, restoreGpt, verifyGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import type { BlockDevice } from "../../host/device/device.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { readSectors } from "../../host/device/sectors.ts";
import { openParts } from "../../host/system/image/parts.ts";
import { splitDisk } from "../../host/system/image/split.ts";
import { type InstallOptions, install, planOf } from "../../host/system/install/install.ts";
import { isSamePath, userIn, userOf } from "../../host/system/install/target.ts";
import { Machine } from "../../host/system/machine.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { digest, ESP_SECTORS, frozen, makeMedium, noise, withRegion } from "./support.ts";

/** A medium with objects of all sizes and files of all kinds. */
function richMedium(): MemoryDevice {
  const medium = makeMedium();
  withRegion(medium, ({ store, files }) => {
    store.putMany([new Uint8Array(0), noise(1, 2), noise(5000, 3), noise(300_000, 4)]);
    store.pin(store.put(noise(70_000, 5)));
    store.commit();
    if (files === null) throw new Error("the medium has no filesystem");
    files.writeFile("/system/config/overlay.bin", noise(9000, 6));
    files.mkdir("/srv/deep/er", { recursive: true });
    files.writeFile("/srv/deep/er/empty", "");
    files.writeFile("/srv/secret", "s", { mode: 0o600 });
    files.chown("/srv/secret", 12, 34);
    files.link("/srv/secret", "/srv/again");
    files.symlink("../system/config", "/srv/link");
    files.setXattr("/srv/secret", "user.note", noise(40, 7));
    const holes = files.open("/srv/holes", "w");
    files.write(holes, noise(100, 8), 0, 100, 3_000_000);
    files.close(holes);
    files.utimes("/srv/deep", 1_000_000n, 2_000_000n);
    files.sync();
  });
  return medium;
}

const medium = frozen(richMedium());
const SIZE = "200MiB";

function blank(size = SIZE): MemoryDevice {
  return new MemoryDevice({ size, name: "target" });
}

function installed(options: InstallOptions = {}, size = SIZE): MemoryDevice {
  const target = blank(size);
  finish(install(medium, target, { seed: "t", ...options }));
  return target;
}

function refusedBy(target: BlockDevice, options: InstallOptions = {}, from: BlockDevice = medium) {
  try {
    finish(install(from, target, options));
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("an installed disk", () => {
  const target = installed();

  test("is clean at every level", () => {
    const report = finish(verifyDisk(frozen(target)));
    expect(report.findings).toEqual([]);
    expect(report.checked).toEqual(["GPT", "partition 1: FAT32", "partition 2: data region"]);
  });

  test("boots alone, in the medium's absence, with its own identities", () => {
    const report = new Machine({ disks: [target.clone()] }).boot();
    expect(report.lines).toEqual([
      "data region: mounted",
      "[init] data-region mounted: system/config entries=1",
    ]);
    const guids = [medium, target].map((disk) => {
      const core = new Core();
      const table = readGpt(core, core.attach(disk));
      return [table.diskGuid, ...table.partitions.map(({ uniqueGuid }) => uniqueGuid)];
    });
    expect(new Set(guids.flat()).size).toBe(6);
  });

  test("has a data region as large as the target allows", () => {
    const core = new Core();
    const [, data] = readGpt(core, core.attach(target)).partitions;
    expect(data).toMatchObject({ firstLba: 264_192, lastLba: 199 * 2048 - 1 });
    withRegion(target.clone(), ({ info }) => expect(info.sectors).toBe(199 * 2048 - 264_192));
  });

  test("has every object with its pins, and every file with all that belongs to it", () => {
    withRegion(target.clone(), ({ store, files }) => {
      expect(store.stat().objects).toBe(5);
      expect([...store.list()].map(({ pins }) => pins).sort()).toEqual([0, 0, 0, 0, 1]);
      expect(files?.readFile("/system/config/overlay.bin")).toEqual(noise(9000, 6));
      expect(files?.readlink("/srv/link")).toBe("../system/config");
      const secret = files?.stat("/srv/secret");
      expect(secret).toMatchObject({ uid: 12, gid: 34, nlink: 2 });
      expect((secret?.mode ?? 0) & 0o777).toBe(0o600);
      expect(files?.stat("/srv/again")).toMatchObject({ ino: secret?.ino });
      expect(files?.getXattr("/srv/secret", "user.note")).toEqual(noise(40, 7));
      expect(files?.stat("/srv/deep")).toMatchObject({ mtimeMs: 2 });
      const holes = files?.stat("/srv/holes");
      expect(holes?.size).toBe(3_000_100);
      expect(holes?.blocks).toBeLessThan(100);
    });
  });

  test("has no journal left: the gap is zero", () => {
    expect(readSectors(target, 34, 2048 - 34).every((byte) => byte === 0)).toBe(true);
  });

  test("is the same bytes for the same seed, and others for another", () => {
    expect(digest(installed())).toBe(digest(target));
    expect(digest(installed({ seed: "u" }))).not.toBe(digest(target));
  });

  test("is what a folder of split parts gives too", () => {
    const folder = mkdtempSync(join(tmpdir(), "parts-"));
    try {
      finish(splitDisk(medium, folder));
      const parts = openParts(new Core(), folder);
      const other = blank();
      finish(install(parts, other, { seed: "t" }));
      parts.close();
      expect(digest(other)).toBe(digest(target));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("verbatim", () => {
  test("copies the medium byte for byte onto a disk of its size", () => {
    expect(digest(installed({ verbatim: true }, "136MiB"))).toBe(digest(medium));
  });

  test("onto a larger disk keeps every byte and adds a backup where the disk ends", () => {
    const target = installed({ verbatim: true });
    const { capacity } = medium.config;
    expect(digest(target, 0, capacity)).toBe(digest(medium));
    const damaged = target.clone();
    damaged.poke(512, new Uint8Array(512));
    damaged.poke((capacity - 1) * 512, new Uint8Array(512));
    const core = new Core();
    const table = readGpt(core, core.attach(damaged), { lenient: true });
    expect(table.usedSide).toBe("backup");
    expect(table.partitions).toHaveLength(2);
    expect(new Machine({ disks: [target] }).boot().lines[0]).toBe("data region: mounted");
  });

  test("over a used disk leaves nothing of it in the partitions", () => {
    const target = blank("136MiB");
    for (let at = 0; at < 136; at++) target.poke(at << 20, noise(1 << 16, at));
    finish(install(medium, target, { verbatim: true, erase: true, tableBackup: false }));
    for (const [first, sectors] of [
      [0, 2048 + ESP_SECTORS],
      [264_192, 12_288],
    ]) {
      expect(digest(target, first, sectors)).toBe(digest(medium, first, sectors));
    }
    const core = new Core();
    expect(verifyGpt(core, core.attach(target))).toEqual([]);
  });
});

describe("the plan", () => {
  test("is made without a write, and is what the installation does", () => {
    const target = blank().clone({ readOnly: true });
    expect(() => finish(planOf(medium, target, { seed: "t" }))).toThrow(/read-only/);
    const writable = blank();
    const plan = finish(planOf(medium, writable, { seed: "t" }));
    expect(digest(writable)).toBe(digest(blank()));
    const report = finish(install(medium, writable, { seed: "t" }));
    expect(report.plan).toEqual(plan);
    expect(JSON.parse(JSON.stringify(plan))).toEqual({ ...plan });
  });

  test("that was shown is carried out with its own identities", () => {
    const target = blank();
    const { identities } = finish(planOf(medium, target));
    finish(install(medium, target, { identities }));
    const core = new Core();
    const id = core.attach(target);
    expect(readGpt(core, id).diskGuid).toBe(identities.diskGuid);
    const window = { baseSector: 2048, sectors: ESP_SECTORS, readOnly: true };
    expect(FatVolume.open(core, id, window).serial >>> 0).toBe(identities.fatSerial);
    withRegion(target, ({ info }) => {
      expect(info.uuid.toUpperCase()).toBe(identities.regionUuid.toUpperCase());
    });
  });

  test("reports its progress step by step, never past the end", async () => {
    const steps = new Set<string>();
    const progress = ({ step, done, total }: { step: string; done: number; total: number }) => {
      steps.add(step);
      expect(done, step).toBeLessThanOrEqual(total);
    };
    await run(install(medium, blank()), { progress });
    expect(steps.has("copy boot files")).toBe(true);
    expect(steps.has("copy objects")).toBe(true);
    expect(steps.has("verify")).toBe(true);
  });
});

describe("refused before anything is written", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "install-"));
  });
  beforeEach(() => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("is a target that is the medium, by the same name, a link or a hard link", () => {
    const path = join(folder, "medium.img");
    const made = FileDevice.create(path, { size: "136MiB" });
    made.close();
    symlinkSync(path, join(folder, "symbolic"));
    linkSync(path, join(folder, "hard"));
    writeFileSync(join(folder, "other"), "");
    for (const name of ["medium.img", "symbolic", "hard"]) {
      expect(isSamePath(path, join(folder, name)), name).toBe(true);
    }
    expect(isSamePath(path, join(folder, "other"))).toBe(false);
    expect(isSamePath(path, join(folder, "absent"))).toBe(false);
    const same = medium.clone({ readOnly: false, name: "same" });
    expect(refusedBy(same, { erase: true }, same)).toMatchObject({ code: "EINVAL" });
    const named = medium.clone({ name: path });
    const target = new MemoryDevice({ size: SIZE, name: join(folder, "hard") });
    expect(refusedBy(target, {}, named).message).toMatch(/is the medium/);
  });

  test("is a device that somebody uses: the kernel's tables tell", () => {
    const mounts = [
      "proc /proc proc rw 0 0",
      "/dev/sda2 / ext4 rw 0 0",
      "/dev/disk/by-label/DATA /mnt/my\\040disk ext4 rw 0 0",
      "/dev/loop1 /snap squashfs ro 0 0",
    ].join("\n");
    const swaps = "Filename Type Size Used Priority\n/dev/vdb3 partition 1 0 -2\n";
    const resolve = (path: string) => (path.includes("DATA") ? "/dev/nvme0n1p7" : path);
    const user = (disk: string) => userIn(disk, mounts, swaps, resolve);
    expect(user("/dev/sda")).toBe("mounted at /");
    expect(user("/dev/sda2")).toBe("mounted at /");
    expect(user("/dev/sda1")).toBeUndefined();
    expect(user("/dev/sd")).toBeUndefined();
    expect(user("/dev/nvme0n1")).toBe("mounted at /mnt/my disk");
    expect(user("/dev/nvme0")).toBeUndefined();
    expect(user("/dev/loop1")).toBe("mounted at /snap");
    expect(user("/dev/vdb")).toBe("used as swap");
    for (const free of [join(folder, "no-such-file"), "memory", "/dev/null"]) {
      expect(userOf(free), free).toBeUndefined();
    }
  });

  test("is a target too small, of wrong blocks, read-only, used or installed", () => {
    const used = blank();
    used.poke(5000, noise(10));
    const cases: [BlockDevice, string][] = [
      [blank("130MiB"), "ENOSPC"],
      [new MemoryDevice({ size: SIZE, blkSize: 4096 }), "EINVAL"],
      [new MemoryDevice({ size: SIZE, readOnly: true }), "EROFS"],
      [used, "ENOTEMPTY"],
      [installed(), "EEXIST"],
    ];
    for (const [target, code] of cases) {
      const before = digest(target);
      expect(refusedBy(target).code).toBe(code);
      expect(digest(target), code).toBe(before);
    }
  });

  test("is a damaged medium", () => {
    const damaged = medium.clone({ readOnly: false });
    damaged.flip(512 * 8 * 3);
    expect(() => finish(install(damaged, blank()))).toThrow(/medium .* is damaged/);
  });

  test("but with consent a used disk is erased, and its old table kept in a file", () => {
    const path = join(folder, "disk.img");
    const target = FileDevice.create(path, { size: SIZE });
    finish(install(medium, target, { seed: "old" }));
    const core = new Core();
    const old = readGpt(core, core.attach(target));
    const report = finish(install(medium, target, { seed: "new", reinstall: true }));
    expect(report.tableBackup).toBe(`${path}.gpt-backup`);
    expect(readGpt(core, core.attach(target)).diskGuid).not.toBe(old.diskGuid);
    const again = finish(install(medium, target, { reinstall: true }));
    expect(again.tableBackup).toBe(`${path}.gpt-backup-2`);
    const saved = readFileSync(`${path}.gpt-backup`);
    restoreGpt(core, core.attach(target), saved);
    expect(readGpt(core, core.attach(target)).diskGuid).toBe(old.diskGuid);
    target.close();
  });

  test("and a backup of the table is not written over a file", () => {
    const target = installed();
    const tableBackup = join(folder, "kept");
    writeFileSync(tableBackup, "precious");
    expect(() => finish(install(medium, target, { reinstall: true, tableBackup }))).toThrow(
      /EEXIST/,
    );
    expect(readFileSync(tableBackup, "utf8")).toBe("precious");
    expect(existsSync(join(folder, "target.gpt-backup"))).toBe(false);
  });
});
