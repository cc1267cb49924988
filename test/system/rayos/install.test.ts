/** Whole installations: what is on the disk afterwards, what is refused, and what stays. */
import { describe, expect, test } from "vitest";
import { Refusal } from "../../../host/base/errors.ts";
import { finish } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { addPartition, createGpt, readGpt, verifyGpt } from "../../../host/core/gpt.ts";
import { Core } from "../../../host/core/load.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { writeSectors } from "../../../host/device/sectors.ts";
import { decodeBootMode } from "../../../host/format/rayos/boot-mode.ts";
import { inspectDisk } from "../../../host/system/inspect.ts";
import { readJournal } from "../../../host/system/install/journal.ts";
import { detectInstalls, installRayos } from "../../../host/system/rayos/install.ts";
import { digest, noise } from "../support.ts";
import {
  imageFolder,
  install,
  plan,
  RAYOS_FILES,
  requestFor,
  SMALL_DISK,
  SMALL_FULL_DISK,
} from "./support.ts";

function disk(size = SMALL_DISK): MemoryDevice {
  return new MemoryDevice({ size, name: "target" });
}

function espOf(device: MemoryDevice): FatVolume {
  const core = new Core();
  const id = core.attach(device);
  const [esp] = readGpt(core, id).partitions;
  const baseSector = esp?.firstLba ?? 0;
  const sectors = (esp?.lastLba ?? 0) - baseSector + 1;
  return FatVolume.open(core, id, { baseSector, sectors, readOnly: true });
}

function textOf(volume: FatVolume, path: string): string {
  return new TextDecoder().decode(volume.readFile(path));
}

describe("layout rayos", () => {
  test("has an ESP with three entries, each with a kernel of its own", () => {
    const device = disk();
    const report = install(device, requestFor(imageFolder(RAYOS_FILES)));
    expect(report.warnings).toEqual([]);
    expect(readJournal(device)).toBeUndefined();
    const core = new Core();
    expect(verifyGpt(core, core.attach(device))).toEqual([]);
    const esp = espOf(device);
    expect(esp.label).toBe("RAYOS_ESP");
    const entry = textOf(esp, "loader/entries/rayos+3.conf");
    expect(entry).toContain("title RayOS\n");
    expect(entry).toContain(
      "options root=LABEL=RAYOS_SYSTEM console=ttyS0 rayos.boot=current panic=1",
    );
    const previous = textOf(esp, "loader/entries/rayos-previous+3.conf");
    expect(previous).toContain("title RayOS (previous)\n");
    expect(textOf(esp, "loader/entries/rayos-recovery.conf")).toContain("title RayOS (recovery)\n");
    for (const slot of ["current", "previous", "recovery"]) {
      expect(textOf(esp, `EFI/RAYOS/${slot}/kernel.efi`)).toBe(RAYOS_FILES["kernel.bin"]);
      expect(textOf(esp, `EFI/RAYOS/${slot}/initrd`)).toBe(RAYOS_FILES["boot/initrd"]);
    }
    expect(textOf(esp, "EFI/BOOT/BOOTX64.EFI")).toBe(RAYOS_FILES["EFI/BOOT/BOOTX64.EFI"]);
    const mode = decodeBootMode(esp.readFile("EFI/RAYOS/registry.json"));
    expect(mode).toMatchObject({ installerMode: false, createdS: 1_700_000_000 });
    expect(mode.fields["vms"]).toEqual({});
  });

  test("with one seed gives one disk, byte for byte; with another not one identity is the same", () => {
    const source = imageFolder(RAYOS_FILES);
    const [one, two, other] = [disk(), disk(), disk()];
    install(one, requestFor(source));
    install(two, requestFor(source));
    const { plan: different } = install(other, requestFor(source, { seed: "other" }));
    expect(digest(two)).toBe(digest(one));
    const first = plan(disk(), requestFor(source));
    expect(different.diskGuid).not.toBe(first.diskGuid);
    const guids = new Set(first.partitions.map(({ uniqueGuid }) => uniqueGuid));
    expect(different.partitions.some(({ uniqueGuid }) => guids.has(uniqueGuid))).toBe(false);
  });

  test("without kernel and boot loader warns, and installs", () => {
    const { warnings } = install(disk(), requestFor(imageFolder({ "etc/motd": "hi" })));
    expect(warnings.join()).toMatch(/no kernel.*no boot loader/);
  });

  test("says what partitions were made, with their sizes", () => {
    const made: unknown[] = [];
    const request = requestFor(imageFolder(RAYOS_FILES));
    finish(installRayos(new Core(), new MediaCore(), disk(), request), (event) => {
      if ("created" in event) made.push(event.created);
    });
    expect(made).toMatchObject([
      { number: 1, role: "esp", sizeBytes: 33 * 2 ** 20 },
      { number: 2, role: "system", sizeBytes: 64 * 2 ** 20 },
      { number: 3, role: "pool" },
    ]);
  });
});

describe("layout rayos-full", () => {
  test("has state, log and recovery behind the system, and the pool last with number 3", () => {
    const device = disk(SMALL_FULL_DISK);
    const { plan: done } = install(
      device,
      requestFor(imageFolder(RAYOS_FILES), { layout: "rayos-full" }),
    );
    const onDisk = [...done.partitions].sort((one, other) => one.first - other.first);
    expect(onDisk.map(({ role, number }) => [role, number])).toEqual([
      ["esp", 1],
      ["system", 2],
      ["state", 4],
      ["log", 5],
      ["recovery", 6],
      ["pool", 3],
    ]);
    const core = new Core();
    const recovery = done.partitions.find(({ role }) => role === "recovery");
    const volume = FatVolume.open(core, core.attach(device), {
      baseSector: recovery?.first,
      sectors: recovery?.sectors,
      readOnly: true,
    });
    expect(volume.label).toBe("RAYOS_RECOV");
    expect(textOf(volume, "loader/loader.conf")).toContain("default rayos-recovery*");
    expect(textOf(volume, "EFI/RAYOS/recovery/kernel.efi")).toBe(RAYOS_FILES["kernel.bin"]);
  });
});

test("a volume that was in the place of a new one is not found there any more", () => {
  const device = disk(SMALL_FULL_DISK);
  const source = imageFolder(RAYOS_FILES);
  install(device, requestFor(source, { layout: "rayos-full" }));
  // Its pool begins where the other layout's state did.
  const consent = { erase: true, reinstall: true };
  const { plan: done } = install(device, requestFor(source, { consent }));
  const { volumes } = inspectDisk(device);
  expect(volumes.map(({ first, signature }) => [first, signature])).toEqual(
    done.partitions.map(({ first, role }) => [first, role === "esp" ? "fat" : "ext"]),
  );
});

describe("refused, with the option that overrides it, and nothing written", () => {
  const source = () => imageFolder({ "etc/motd": "hi" });
  const refused = (device: MemoryDevice, more = {}): Refusal => {
    const before = digest(device);
    let found: unknown;
    try {
      install(device, requestFor(source(), more));
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(Refusal);
    expect(digest(device)).toBe(before);
    return found as Refusal;
  };

  test("a disk with something on it, without --erase", () => {
    const device = disk();
    writeSectors(device, 5, noise(512));
    expect(refused(device)).toMatchObject({
      code: "ENOTEMPTY",
      hint: expect.stringContaining("--erase"),
    });
    expect(install(device, requestFor(source(), { consent: { erase: true } })).files).toBe(1);
  });

  test("an installed system, without --reinstall, and --erase is not enough", () => {
    const device = disk();
    install(device, requestFor(source()));
    const found = detectInstalls(new Core(), new MediaCore(), device);
    expect(found).toMatchObject([{ kind: "rayos", numbers: [1, 2, 3] }]);
    expect(refused(device, { consent: { erase: true } })).toMatchObject({
      code: "EEXIST",
      hint: expect.stringContaining("--reinstall"),
    });
    install(device, requestFor(source(), { consent: { reinstall: true } }));
  });

  test("too small, with the smallest size that would do", () => {
    expect(refused(disk("100MiB")).message).toContain("the smallest size that would do is 163MiB");
    const sparse = new MemoryDevice({ size: "41GiB", name: "target" });
    expect(() => plan(sparse, requestFor(source(), { sizes: {} }))).toThrow(/would do is 42GiB/);
    expect(() => plan(sparse, requestFor(source(), { sizes: {}, layout: "rayos-full" }))).toThrow(
      /would do is 44GiB/,
    );
  });

  test("a label that is too long, a read-only disk, the boot disk", () => {
    expect(refused(disk(), { labels: { esp: "TWELVELETTER" } })).toMatchObject({ code: "EINVAL" });
    expect(refused(disk(), { labels: { system: "S".repeat(17) } })).toMatchObject({
      code: "EINVAL",
    });
    expect(refused(disk(), { protectedPaths: ["target"] })).toMatchObject({ code: "EINVAL" });
    const device = new MemoryDevice({ size: SMALL_DISK, name: "target", readOnly: true });
    expect(refused(device)).toMatchObject({ code: "EROFS" });
  });

  test("an image that does not fit, with a size that would do", () => {
    const big = imageFolder({ "big.bin": noise(70 * 2 ** 20) });
    const device = disk();
    expect(() => install(device, requestFor(big))).toThrow(/--system-size \d+MiB would do/);
    expect(digest(device)).toBe(digest(disk()));
  });
});

describe("beside other systems", () => {
  function shared(): MemoryDevice {
    const device = new MemoryDevice({ size: "400MiB", name: "target" });
    const core = new Core();
    const id = core.attach(device);
    createGpt(core, id);
    addPartition(core, id, { type: "esp", firstLba: 2048, sizeBytes: 40 * 2 ** 20, name: "other" });
    addPartition(core, id, { type: "linux", sizeBytes: 172 * 2 ** 20, name: "data" });
    addPartition(core, id, { type: "linux", sizeBytes: 4 * 2 ** 20, name: "keep" });
    for (const lba of [2048, 2048 + 40 * 2048, 2048 + 212 * 2048]) {
      writeSectors(device, lba, noise(4096, lba));
    }
    return device;
  }
  const kept = (device: MemoryDevice) => [
    digest(device, 2048, 40 * 2048),
    digest(device, 2048 + 212 * 2048, 4 * 2048),
  ];

  test("into free space: all others stay, byte for byte and in the table", () => {
    const device = shared();
    const before = kept(device);
    const data = digest(device, 2048 + 40 * 2048, 172 * 2048);
    const { plan: done } = install(
      device,
      requestFor(imageFolder(RAYOS_FILES), { place: { kind: "free" } }),
    );
    expect(kept(device)).toEqual(before);
    expect(digest(device, 2048 + 40 * 2048, 172 * 2048)).toBe(data);
    expect(done.partitions.map(({ number }) => number)).toEqual([4, 5, 6]);
    const core = new Core();
    const { partitions } = readGpt(core, core.attach(device));
    expect(partitions.map(({ name }) => name)).toEqual([
      ...["other", "data", "keep"],
      ...["ESP", "RAYOS_SYSTEM", "RAYOS_VM_POOL"],
    ]);
  });

  test("into a partition: needs consent, replaces it alone", () => {
    const device = shared();
    const before = kept(device);
    const request = requestFor(imageFolder(RAYOS_FILES), {
      place: { kind: "partition", number: 2 },
    });
    expect(() => install(device, request)).toThrow(/partition 2 .* is not blank.*--erase/);
    const { plan: done } = install(device, { ...request, consent: { erase: true } });
    expect(kept(device)).toEqual(before);
    expect(done.partitions.map(({ number }) => number)).toEqual([2, 4, 5]);
    expect(done.keeps.map(({ number }) => number)).toEqual([1, 3]);
  });

  test("a partition that is not there, and a second RayOS on one disk, are refused", () => {
    const device = shared();
    const request = requestFor(imageFolder(RAYOS_FILES), { place: { kind: "free" } });
    expect(() => install(device, { ...request, place: { kind: "partition", number: 9 } })).toThrow(
      /no partition 9; there are: 1, 2, 3/,
    );
    install(device, request);
    expect(() =>
      install(device, {
        ...request,
        place: { kind: "partition", number: 2 },
        consent: { erase: true, reinstall: true },
      }),
    ).toThrow(/cannot be told apart by label/);
  });
});
