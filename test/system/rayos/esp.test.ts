/**
 * RayOS beside another system on one ESP: files are added, none of the others' is touched, whatever
 * the cut; and what is no ESP to share is refused by name.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { memorySource } from "../../../host/base/platform/source.ts";
import { finish } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { createGpt, readGpt } from "../../../host/core/gpt.ts";
import { Core } from "../../../host/core/load.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import { type BlockRequest, RequestType } from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { extent } from "../../../host/format/layout.ts";
import { readContent } from "../../../host/system/disks/content.ts";
import { deviceDisk } from "../../../host/system/disks/images.ts";
import { espTree, makeEsp } from "../../../host/system/image/esp.ts";
import { memoryTree } from "../../../host/system/image/folder.ts";
import { readJournal } from "../../../host/system/install/journal.ts";
import { menuRows } from "../../../host/system/installer/menu.ts";
import { Machine } from "../../../host/system/machine.ts";
import { ext4 } from "../../../host/system/rayos/apply/ext4.ts";
import { recheckRayos } from "../../../host/system/rayos/apply/recheck.ts";
import { installRayos, type RayosRequest } from "../../../host/system/rayos/install.ts";
import { digest } from "../support.ts";
import { install, plan, RAYOS_FILES, requestFor } from "./support.ts";
import { tar } from "./tars.ts";

const FIRST = 2048;
const SECTORS = 40 * 2048;
const ESP_END = FIRST + SECTORS;
const SIZE = "240MiB";

/** Its place among the steps. */
const ESP_STEP = 4;

type Files = Readonly<Record<string, string>>;
const OTHERS: Files = {
  "EFI/BOOT/BOOTX64.EFI": "their loader",
  "EFI/Microsoft/Boot/bootmgfw.efi": "their manager ".repeat(4000),
  "loader/loader.conf": "timeout 1\ndefault other*\n",
  "loader/entries/other.conf": "title Other\nlinux /other\n",
  "loader/entries/rayos-like+3.conf": "title Like it\nlinux /like\n",
};

/** While it records, keeps a copy of the disk after every write to the ESP or the journal. */
class Snapshots extends MemoryDevice {
  readonly taken: MemoryDevice[] = [];
  recording = false;

  override submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      super.submit([asked]);
      const isWrite = asked.type !== RequestType.IN && asked.type !== RequestType.FLUSH;
      const isWatched = asked.sector < 80 || (asked.sector >= FIRST && asked.sector < ESP_END);
      if (this.recording && isWrite && isWatched) this.taken.push(this.clone());
    }
  }
}

/** A disk with an ESP of others, a partition of theirs, and free space. */
function disk(files: Files, sectors = SECTORS): Snapshots {
  const device = new Snapshots({ size: SIZE, name: "target", pci: 4 });
  const core = new Core();
  const id = core.attach(device);
  const entries = [
    { index: 1, type: "esp", name: "SYSTEM", firstLba: FIRST, lastLba: FIRST + sectors - 1 },
    { index: 2, type: "linux", name: "other", firstLba: 90_112, lastLba: 92_159 },
  ];
  createGpt(core, id, { entries });
  const place = extent(FIRST, sectors);
  const made = { place, tree: memoryTree(files), label: "SYSTEM", serial: 7, timestampMs: 0 };
  finish(makeEsp(core, id, made));
  return device;
}

function image() {
  const members = Object.entries(RAYOS_FILES).map(([name, content]) => ({ name, content }));
  return memorySource("image.tar", tar(...members));
}

function shared(more: Partial<RayosRequest> = {}): RayosRequest {
  return requestFor(image(), { place: { kind: "free" }, esp: 1, ...more });
}

/** Every file of the ESP by its path. */
function filesOf(device: MemoryDevice): Record<string, string> {
  const core = new Core();
  const window = { baseSector: FIRST, sectors: SECTORS, readOnly: true };
  const volume = FatVolume.open(core, core.attach(device), window);
  try {
    const files = espTree(volume).filter(({ kind }) => kind === "file");
    return Object.fromEntries(
      files.map(({ path }) => [path, Buffer.from(volume.readFile(path)).toString()]),
    );
  } finally {
    volume.close();
  }
}

function problemsOf(device: MemoryDevice): string[] {
  const core = new Core();
  const window = { baseSector: FIRST, sectors: SECTORS };
  return FatVolume.verify(core, core.attach(device), window).map(({ kind }) => kind);
}

test("files are added, those of others stay, and the plan says which", () => {
  const device = disk(OTHERS);
  const { plan: done, warnings } = install(device, shared());
  expect(done.esp).toMatchObject({
    ...{ kind: "existing", number: 1, loader: "EFI/systemd/systemd-bootx64.efi" },
    kept: ["EFI/BOOT/BOOTX64.EFI", "loader/loader.conf"],
  });
  expect(done.partitions.map(({ role, number }) => [role, number])).toEqual([
    ["system", 3],
    ["pool", 4],
  ]);
  expect(done.steps.map(({ name }) => name)).toEqual([
    ...["system", "pool", "verify", "table", "esp", "finish"],
  ]);
  expect(warnings).toEqual([
    "'EFI/BOOT/BOOTX64.EFI' of another system stays: RayOS needs a boot option for " +
      "'EFI/systemd/systemd-bootx64.efi'",
    "'loader/loader.conf' of another system stays: what it says is started",
  ]);
  const files = filesOf(device);
  expect(files).toMatchObject(OTHERS);
  expect(files["EFI/systemd/systemd-bootx64.efi"]).toBe(RAYOS_FILES["EFI/BOOT/BOOTX64.EFI"]);
  expect(files["EFI/RAYOS/current/kernel.efi"]).toBe(RAYOS_FILES["kernel.bin"]);
  expect(files["loader/entries/rayos+3.conf"]).toContain("title RayOS\n");
  expect(problemsOf(device)).toEqual([]);
  const recheck = finish(recheckRayos(new Core(), new MediaCore(), device, ext4));
  expect(recheck.findings).toEqual([]);
  expect(recheck.files).toBeGreaterThan(8);
});

test("on an ESP without a loader RayOS brings its own, and the emulated machine starts it", () => {
  const device = disk({ "EFI/Vendor/tool.efi": "tool" });
  const { plan: done } = install(device, shared());
  expect(done.esp).toMatchObject({ kept: [], loader: "EFI/BOOT/BOOTX64.EFI" });
  expect(filesOf(device)["loader/loader.conf"]).toContain("default rayos*");
  const { lines, outcome } = new Machine({ disks: [device] }).boot();
  expect(outcome).toBe("checkpoint");
  expect(lines).toContain("systemd-boot: starting RayOS, rayos+2-1.conf");
  expect(filesOf(device)["EFI/Vendor/tool.efi"]).toBe("tool");
});

test("without --esp nothing is written to it, and the plan says that it could be used", () => {
  const device = disk(OTHERS);
  const { esp, usableEsps } = plan(device, shared({ esp: undefined }));
  expect([esp.kind, esp.number, usableEsps]).toEqual(["new", 3, [1]]);
  install(device, shared({ esp: undefined }));
  expect(filesOf(device)).toEqual(OTHERS);
});

test("the menu offers it behind all other rows", () => {
  const device = disk(OTHERS);
  const { disk: found, content } = deviceDisk(device, "target", "target", []);
  expect(readContent(device).esps).toEqual([1]);
  const sizes = { espBytes: 33 * 2 ** 20, systemBytes: 64 * 2 ** 20 };
  const rows = menuRows([found], () => content, { layout: "rayos", sizes });
  const free = "target, free space from sector 92160";
  expect(rows.map(({ label, esp }) => [label, esp])).toEqual([
    ["target", undefined],
    [free, undefined],
    [`${free}, with the ESP of partition 1`, 1],
  ]);
});

describe("a cut", () => {
  let whole: Record<string, string>;
  let target: Snapshots;

  beforeAll(() => {
    target = disk(OTHERS);
    target.recording = true;
    install(target, shared());
    whole = filesOf(target);
  });

  test("anywhere leaves the files of others as they were, and is gone on with", () => {
    const steps = new Set<string | undefined>();
    for (const [index, cut] of target.taken.entries()) {
      const when = `cut ${index + 1} of ${target.taken.length}`;
      expect(filesOf(cut), when).toMatchObject(OTHERS);
      // Each is looked at, and one in three of those on the ESP gone on with.
      const step = readJournal(cut)?.step;
      if (step === undefined || (step === ESP_STEP && index % 3 !== 0)) continue;
      const { resumedAt } = install(cut, shared({ resume: true }));
      steps.add(resumedAt);
      expect(filesOf(cut), when).toEqual(whole);
      const left = ["DIRTY", "FSINFO", "FREE_COUNT", "LOST", "TABLES_DIFFER"];
      expect(left, when).toEqual(expect.arrayContaining(problemsOf(cut)));
      const core = new Core();
      expect(readGpt(core, core.attach(cut)).partitions).toHaveLength(4);
    }
    expect([...steps]).toEqual(["system", "pool", "verify", "table", "esp", "finish"]);
  });

  test("and a file of another system that has come since is not written over", () => {
    const cut = disk(OTHERS);
    const work = installRayos(new Core(), new MediaCore(), cut, shared());
    // Up to the first file on the ESP, and no further.
    while (readJournal(cut)?.step !== ESP_STEP) work.next();
    work.return(undefined as never);
    const core = new Core();
    const volume = FatVolume.open(core, core.attach(cut), { baseSector: FIRST, sectors: SECTORS });
    volume.mkdir("EFI/systemd", { recursive: true });
    volume.writeFile("EFI/systemd/systemd-bootx64.efi", Buffer.from("theirs"));
    volume.close();
    expect(() => install(cut, shared())).toThrow(/EEXIST.*has come onto the ESP/);
    expect(filesOf(cut)["EFI/systemd/systemd-bootx64.efi"]).toBe("theirs");
  });
});

test.each([
  ["a number that is none", OTHERS, { esp: 9 }, /has no partition 9/],
  ["a partition of another type", OTHERS, { esp: 2 }, /partition 2 .* is no EFI system/],
  ["with the whole disk", OTHERS, { place: { kind: "disk" } }, /is to be replaced/],
  [
    "the partition that is replaced",
    OTHERS,
    { place: { kind: "partition", number: 1 }, consent: { erase: true } },
    /is to be replaced/,
  ],
  ["an entry of that name", { "loader/entries/rayos+3.conf": "x" }, {}, /rayos\+3.conf' already/],
  // Once only new names were looked for: the entry could never be blessed, for there was another.
  ["a blessed entry", { "loader/entries/RayOS.conf": "x" }, {}, /RayOS.conf' already/],
  ["a counted entry", { "loader/entries/rayos+2-1.conf": "x" }, {}, /rayos\+2-1.conf' already/],
  [
    "a previous entry that is spent",
    { "loader/entries/rayos-previous+0-3.conf": "x" },
    {},
    /rayos-previous\+0-3.conf' already/,
  ],
  [
    "no room",
    { big: "x".repeat(Math.floor(39.35 * 2 ** 20)) },
    {},
    /boot files take .* free.*--esp new/,
  ],
] as const)("%s is refused, and nothing is written", (_, files, more, reason) => {
  const device = disk(files);
  const before = digest(device);
  expect(() => install(device, shared(more as Partial<RayosRequest>))).toThrow(reason);
  expect(digest(device)).toBe(before);
});

test("a damaged FAT, and one that is no FAT32, are refused", () => {
  const damaged = disk(OTHERS);
  damaged.poke((FIRST + 33) * 512, Uint8Array.of(1, 2, 3, 4, 5, 6));
  expect(() => install(damaged, shared())).toThrow(/partition 1 of 'target' is damaged: /);
  expect(plan(damaged, shared({ esp: undefined })).usableEsps).toEqual([]);
  const none = disk(OTHERS);
  none.poke(FIRST * 512, new Uint8Array(512));
  none.poke((FIRST + 6) * 512, new Uint8Array(512));
  expect(() => install(none, shared())).toThrow(/partition 1 of 'target' has no FAT32 volume/);
});
