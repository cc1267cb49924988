/** `install --recovery`, cut at every write: resumed by itself, to the same bytes, or begun anew. */
import { beforeAll, describe, expect, test } from "vitest";
import { type ByteSource, memorySource } from "../../../host/base/platform/source.ts";
import { finish } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { createGpt } from "../../../host/core/gpt.ts";
import { Core } from "../../../host/core/load.ts";
import { type BlockRequest, RequestType } from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { readSectors, writeSectors } from "../../../host/device/sectors.ts";
import { contentLines, readContent } from "../../../host/system/disks/content.ts";
import { drawDisk } from "../../../host/system/draw.ts";
import { inspectDisk } from "../../../host/system/inspect.ts";
import { install as installMedium } from "../../../host/system/install/install.ts";
import { readJournal, writeJournal } from "../../../host/system/install/journal.ts";
import { type RecoveryRequest, remakeRecovery } from "../../../host/system/rayos/apply/recovery.ts";
import { verifyDisk } from "../../../host/system/verify.ts";
import { digest, makeMedium } from "../support.ts";
import { install, RAYOS_FILES, requestFor, SEED, SMALL_FULL_DISK } from "./support.ts";
import { tar } from "./tars.ts";

const FIRST = 4096;
const LAST = FIRST + 34 * 2048 - 1;
const KERNEL = "EFI/RAYOS/recovery/kernel.efi";

/** An archive of a system. */
function image(kernel?: string): ByteSource {
  const files = { ...RAYOS_FILES, ...(kernel === undefined ? {} : { "kernel.bin": kernel }) };
  const members = Object.entries(files).map(([name, content]) => ({ name, content }));
  return memorySource("image.tar", tar(...members));
}

/** Keeps a copy of the disk after every write. */
class Snapshots extends MemoryDevice {
  readonly taken: MemoryDevice[] = [];

  override submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      super.submit([asked]);
      if (asked.type !== RequestType.IN && asked.type !== RequestType.FLUSH) {
        this.taken.push(this.clone());
      }
    }
  }
}

/** A disk with a partition of somebody and a recovery partition. */
function disk(): Snapshots {
  const device = new Snapshots({ size: "40MiB", name: "target" });
  const entries = [
    { type: "linux", name: "other", firstLba: 2048, lastLba: 4095 },
    { type: "esp", name: "RAYOS_RECOV", firstLba: FIRST, lastLba: LAST },
  ];
  const core = new Core();
  createGpt(core, core.attach(device), { entries });
  writeSectors(device, 2048, new Uint8Array(512).fill(7));
  device.taken.length = 0;
  return device;
}

function remake(device: MemoryDevice, request: RecoveryRequest) {
  return finish(remakeRecovery(new Core(), device, { ...SEED, ...request }));
}

function kernelOf(device: MemoryDevice): string {
  const core = new Core();
  const window = { baseSector: FIRST, sectors: LAST - FIRST + 1, readOnly: true };
  const volume = FatVolume.open(core, core.attach(device), window);
  try {
    return Buffer.from(volume.readFile(KERNEL)).toString();
  } finally {
    volume.close();
  }
}

describe("a cut", () => {
  let source: ByteSource;
  let target: Snapshots;
  let whole: string;

  beforeAll(() => {
    source = image();
    target = disk();
    remake(target, { source: image("old"), seed: "old" });
    target.taken.length = 0;
    expect(remake(target, { source }).resumedAt).toBeUndefined();
    whole = digest(target);
  });

  test("at any write is gone on with, with and without --resume, to the same bytes", () => {
    const seen = new Set<string | undefined>();
    for (const [write, taken] of target.taken.entries()) {
      const cut = taken.clone();
      const when = `after write ${write + 1} of ${target.taken.length}`;
      const isBegun = readJournal(cut) !== undefined;
      const { resumedAt } = remake(cut, { source, resume: isBegun && write % 2 === 0 });
      expect(resumedAt !== undefined, when).toBe(isBegun);
      seen.add(resumedAt);
      expect(digest(cut) === whole, when).toBe(true);
      expect(readJournal(cut), when).toBeUndefined();
    }
    expect([...seen].sort()).toEqual(["recovery", "verify", undefined]);
  });

  test("leaves identities that nobody gave: a seed is drawn once", () => {
    const drawn = disk();
    finish(remakeRecovery(new Core(), drawn, { source }));
    const due = digest(drawn);
    for (const cut of drawn.taken.filter((_, index) => index % 5 === 0)) {
      if (readJournal(cut) === undefined) continue;
      finish(remakeRecovery(new Core(), cut, { source }));
      expect(digest(cut)).toBe(due);
    }
  });

  test("with another image is refused, and --erase begins anew", () => {
    const half = target.taken.find((cut) => readJournal(cut) !== undefined) as MemoryDevice;
    const other = image("other");
    for (const request of [
      { source: other },
      { source, kernelOptions: "quiet" },
      { source, seed: "another" },
    ]) {
      const cut = half.clone();
      const before = digest(cut);
      expect(() => remake(cut, request)).toThrow(/ESTALE|half-done recovery.*--erase/);
      expect(digest(cut)).toBe(before);
      const report = remake(cut, { ...request, consent: { erase: true } });
      expect(report.resumedAt).toBeUndefined();
      expect(readJournal(cut)).toBeUndefined();
    }
    const anew = half.clone();
    remake(anew, { source: other, consent: { erase: true } });
    expect(kernelOf(anew)).toBe("other");
  });

  test("nothing but the partition and the journal is ever written", () => {
    const old = readSectors(target, 0, 64);
    const others = readSectors(target, 80, FIRST - 80);
    for (const cut of target.taken) {
      expect(Buffer.compare(readSectors(cut, 0, 64), old)).toBe(0);
      expect(Buffer.compare(readSectors(cut, 80, FIRST - 80), others)).toBe(0);
    }
    expect(others.filter((byte) => byte !== 0)).toHaveLength(512);
  });
});

describe("a recovery partition that is half done", () => {
  // Its journal once stood for consent to replace the system: --erase alone took system and pool.
  let half: MemoryDevice;

  beforeAll(() => {
    half = new MemoryDevice({ size: SMALL_FULL_DISK, name: "target" });
    install(half, requestFor(image(), { layout: "rayos-full" }));
    const work = remakeRecovery(new Core(), half, { ...SEED, source: image("new") });
    while (readJournal(half) === undefined) work.next();
    work.return(undefined as never);
  });

  test.each([
    {},
    { consent: { erase: true } },
    { consent: { reinstall: true } },
    { consent: { erase: true, reinstall: true }, resume: true },
  ])("is no consent to replace the system: %o", (more) => {
    const words = /half-done recovery partition.*install --recovery.*--erase --reinstall/;
    const before = digest(half);
    for (const layout of ["rayos", "rayos-full"] as const) {
      const request = requestFor(image("new"), { ...more, layout });
      expect(() => install(half, request)).toThrow(words);
    }
    const options = { ...more.consent, resume: more.resume };
    expect(() => finish(installMedium(makeMedium(), half, options))).toThrow(words);
    expect(digest(half)).toBe(before);
  });

  test("is replaced with the system where somebody agrees to both", () => {
    const disk = half.clone();
    const consent = { erase: true, reinstall: true };
    install(disk, requestFor(image("new"), { layout: "rayos-full", consent }));
    expect(readJournal(disk)).toBeUndefined();
    expect(finish(verifyDisk(disk)).findings).toEqual([]);
  });

  test("is named by verify, inspect and the installer, with what goes on with it", () => {
    const words =
      /a half-done recovery partition[:;] diskwright install --recovery goes on with it/;
    const [finding] = finish(verifyDisk(half)).findings;
    expect(finding).toMatchObject({ reason: "HALF_DONE", message: expect.stringMatching(words) });
    const view = inspectDisk(half);
    expect(view).toMatchObject({ halfInstalled: false, halfRecovery: true });
    for (const lines of [drawDisk(view), contentLines(readContent(half))]) {
      expect(lines.join("\n")).toMatch(words);
      expect(lines.join("\n")).not.toContain("cut short");
    }
  });
});

test("where nothing is half done, resume is refused; where an installation is, it comes first", () => {
  const source = image();
  const device = disk();
  expect(() => remake(device, { source, resume: true })).toThrow(/no half-done recovery/);
  const entry = { sequence: 1, step: 3, planHash: new Uint8Array(32), recipe: '{"rayos":1}' };
  writeJournal(device, entry);
  const before = digest(device);
  for (const erase of [false, true]) {
    expect(() => remake(device, { source, consent: { erase } })).toThrow(/half-done installation/);
  }
  expect(digest(device)).toBe(before);
});

test("a partition in the place of the journal is refused, even where a journal was before it", () => {
  for (const blockSize of [512, 4096] as const) {
    const whole = new MemoryDevice({ size: "40MiB", name: "target", blkSize: blockSize });
    const place = (first: number, end: number) => {
      const perBlock = blockSize / 512;
      return { firstLba: first / perBlock, lastLba: end / perBlock - 1 };
    };
    const entries = [
      { type: "linux", name: "late", ...place(72, 2048) },
      { type: "esp", name: "RAYOS_RECOV", ...place(FIRST, LAST + 1) },
    ];
    const core = new Core();
    createGpt(core, core.attach(whole), { entries });
    const begun = whole.clone();
    const recipe = '{"rayosRecovery":1,"origin":{"seed":"s","createdS":1},"label":"RAYOS_RECOV"}';
    writeJournal(begun, { sequence: 2, step: 0, planHash: new Uint8Array(32), recipe });
    for (const device of [whole, begun]) {
      const before = digest(device);
      for (const erase of [false, true]) {
        const request = { source: image(), consent: { erase } };
        expect(() => remake(device, request)).toThrow(/refused: partition 1 .*LBA 64 to 79/);
      }
      expect(digest(device)).toBe(before);
    }
  }
});

test("a journal that was torn is none: the partition is made anew", () => {
  const device = disk();
  writeSectors(device, 72, new Uint8Array(512).fill(1));
  const report = remake(device, { source: image() });
  expect([report.number, report.resumedAt]).toEqual([2, undefined]);
  expect(readSectors(device, 64, 16).every((byte) => byte === 0)).toBe(true);
});
