/** RayOS installations that are cut short, all over their writes, and gone on with. */
import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { backupGpt, createGpt, readGpt, restoreGpt } from "../../../host/core/gpt.ts";
import { Core } from "../../../host/core/load.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import {
  type BlockDevice,
  type BlockRequest,
  RequestType,
  refuse,
} from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { readJournal } from "../../../host/system/install/journal.ts";
import { installRayos, type RayosRequest } from "../../../host/system/rayos/install.ts";
import { digest } from "../support.ts";
import {
  imageFolder,
  install,
  plan,
  RAYOS_FILES,
  requestFor,
  SMALL_DISK,
  SMALL_FULL_DISK,
} from "./support.ts";

/** Keeps a copy of the disk after every `every`-th write, and where the journal changes. */
class Snapshots extends MemoryDevice {
  readonly taken: { readonly disk: MemoryDevice; readonly write: number }[] = [];
  every = 1;
  writes = 0;
  #step: number | undefined;

  override submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      super.submit([asked]);
      const { type } = asked;
      if (type === RequestType.IN || type === RequestType.FLUSH) continue;
      this.writes++;
      const step = asked.sector < 80 ? readJournal(this)?.step : this.#step;
      if (this.writes % this.every === 0 || step !== this.#step) {
        this.taken.push({ disk: this.clone(), write: this.writes });
      }
      this.#step = step;
    }
  }
}

describe.each([
  ["rayos", SMALL_DISK, { kind: "disk" }],
  ["rayos-full", SMALL_FULL_DISK, { kind: "disk" }],
  ["rayos", "260MiB", { kind: "free" }],
  ["rayos", "260MiB", { kind: "partition", number: 2 }],
] as const)("layout %s on %s, %o", (layout, size, place) => {
  const prepare = (device: MemoryDevice) => {
    if (place.kind === "disk") return;
    const core = new Core();
    const old = { index: 1, type: "linux", name: "other", firstLba: 2048, lastLba: 4095 };
    const target = { index: 2, type: "linux", name: "spare", firstLba: 4096, lastLba: 530431 };
    const entries = place.kind === "free" ? [old] : [old, target];
    createGpt(core, core.attach(device), { entries });
  };

  test("a cut anywhere is gone on with, and ends in the same disk, byte for byte", () => {
    const source = imageFolder(RAYOS_FILES);
    const request: RayosRequest = requestFor(source, { layout, place });
    const target = new Snapshots({ size, name: "target" });
    prepare(target);
    target.every = 23;
    target.taken.length = 0;
    install(target, request);
    const whole = digest(target);
    const begun = new Set<string>();
    for (const { disk, write } of target.taken) {
      const when = `after write ${write} of ${target.writes}`;
      if (readJournal(disk) === undefined) {
        // Before the first journal nothing is lost; after the last one all is done.
        if (write > target.writes / 2) expect(digest(disk), when).toBe(whole);
        continue;
      }
      const report = install(disk, { ...request, resume: true });
      begun.add(report.resumedAt ?? "");
      expect(readJournal(disk), when).toBeUndefined();
      expect(digest(disk) === whole, when).toBe(true);
    }
    const steps = plan(new MemoryDevice({ size, name: "target" }), {
      ...request,
      place: { kind: "disk" },
    }).steps.map(({ name }) => name);
    const due = place.kind === "disk" ? steps : steps.filter((name) => name !== "wipe");
    expect([...begun].sort()).toEqual([...due].sort());
  });
});

test("a half-done installation is refused to other options, and --erase begins anew", () => {
  const source = imageFolder(RAYOS_FILES);
  const target = new Snapshots({ size: SMALL_DISK, name: "target" });
  target.every = 40;
  install(target, requestFor(source));
  const half = target.taken.find(({ disk }) => readJournal(disk)?.step === 2)?.disk.clone();
  if (half === undefined) throw new Error("no cut in the System partition");
  const before = digest(half);
  for (const other of [{ seed: "other" }, { kernelOptions: "quiet" }, { layout: "rayos-full" }]) {
    const request = requestFor(source, { ...(other as Partial<RayosRequest>), resume: true });
    expect(() => install(half, request), JSON.stringify(other)).toThrow(/half-done.*--erase/);
  }
  expect(digest(half)).toBe(before);
  const request = requestFor(source, { seed: "other", consent: { erase: true } });
  expect(install(half, request).resumedAt).toBeUndefined();
});

test("a half-done installation beside a system is no consent to replace that", () => {
  const source = imageFolder(RAYOS_FILES);
  const target = new Snapshots({ size: "260MiB", name: "target" });
  const core = new Core();
  const system = { index: 1, type: "diskwright-data", firstLba: 2048, lastLba: 4095 };
  createGpt(core, core.attach(target), { entries: [{ ...system, name: "diskwright-data" }] });
  target.every = 40;
  target.taken.length = 0;
  install(target, requestFor(source, { place: { kind: "free" } }));
  const half = target.taken.find(({ disk }) => readJournal(disk)?.step === 2)?.disk.clone();
  if (half === undefined) throw new Error("no cut behind the first steps");
  const before = digest(half);
  const erase = { consent: { erase: true }, seed: "other" };
  expect(() => install(half, requestFor(source, erase))).toThrow(/Diskwright.*--reinstall/);
  expect(digest(half)).toBe(before);
  const elsewhere = half.clone();
  const free = requestFor(source, { ...erase, place: { kind: "free" } });
  expect(install(elsewhere, free).resumedAt).toBeUndefined();
  const both = { ...erase, consent: { erase: true, reinstall: true } };
  expect(install(half, requestFor(source, both)).resumedAt).toBeUndefined();
});

test("without a half-done installation, resume is refused", () => {
  const target = new MemoryDevice({ size: SMALL_DISK, name: "target" });
  const request = requestFor(imageFolder(RAYOS_FILES), { resume: true });
  expect(() => install(target, request)).toThrow(/no half-done installation/);
});

test("the old table can be put back whatever the cut", () => {
  const old = new MemoryDevice({ size: SMALL_DISK, name: "target" });
  const core = new Core();
  const entries = [{ index: 1, type: "linux", name: "old", firstLba: 2048, lastLba: 4095 }];
  createGpt(core, core.attach(old), { entries });
  const saved = backupGpt(core, core.attach(old));
  const target = new Snapshots({ size: SMALL_DISK, name: "target" });
  createGpt(core, core.attach(target), { entries });
  target.every = 60;
  install(target, requestFor(imageFolder(RAYOS_FILES), { consent: { erase: true } }));
  for (const { disk, write } of target.taken) {
    const own = new Core();
    const id = own.attach(disk);
    restoreGpt(own, id, saved);
    const names = readGpt(own, id).partitions.map(({ name }) => name);
    expect(names, `after write ${write}`).toEqual(["old"]);
  }
});

test("the old table put back, or half of it, before going on: the planned one stands in the end", () => {
  const target = new Snapshots({ size: SMALL_DISK, name: "target" });
  const core = new Core();
  const id = core.attach(target);
  createGpt(core, id, {
    entries: [{ index: 1, type: "linux", name: "old", firstLba: 2048, lastLba: 4095 }],
  });
  const saved = backupGpt(core, id);
  const request = requestFor(imageFolder(RAYOS_FILES), { consent: { erase: true } });
  target.every = 1_000_000;
  install(target, request);
  const whole = digest(target);
  const begun = target.taken.filter(({ disk }) => readJournal(disk) !== undefined);
  expect(begun.length).toBeGreaterThan(6);
  for (const { disk, write } of begun) {
    for (const writes of [1, 2, 3, 4, 9]) {
      const again = disk.clone();
      const own = new Core();
      try {
        restoreGpt(own, own.attach(limited(again, writes)), saved);
      } catch (error) {
        expect(error).toMatchObject({ code: "EIO" });
      }
      install(again, { ...request, resume: true });
      const when = `cut after write ${write}, then write ${writes} of the old table`;
      expect(digest(again) === whole, when).toBe(true);
    }
  }
});

/** `disk`, of which only so many writes succeed. */
function limited(disk: BlockDevice, writes: number): BlockDevice {
  const { name, config, identity, durability } = disk;
  let left = writes;
  const submit = (requests: readonly BlockRequest[]) => {
    for (const asked of requests) {
      const isWrite = asked.type === RequestType.OUT || asked.type === RequestType.WRITE_ZEROES;
      if (isWrite && left-- <= 0) refuse(asked, new Error("no power"));
      else disk.submit([asked]);
    }
  };
  return { name, config, identity, durability, submit, close: () => undefined };
}

/** Fails every write from number `left` on. */
class Failing extends MemoryDevice {
  left = Number.POSITIVE_INFINITY;

  override submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      const { type } = asked;
      const changes = type !== RequestType.IN && type !== RequestType.GET_ID;
      if (changes && this.left <= 0) refuse(asked, new Error("the disk is gone"));
      else super.submit([asked]);
      if (changes && type !== RequestType.FLUSH) this.left--;
    }
  }
}

test("a disk that vanishes is EIO, wherever, and goes on when it is back", () => {
  const request = requestFor(imageFolder(RAYOS_FILES));
  const whole = new MemoryDevice({ size: SMALL_DISK, name: "target" });
  install(whole, request);
  const target = new Failing({ size: SMALL_DISK, name: "target" });
  for (let writes = 3; ; writes += 20) {
    target.left = writes;
    try {
      install(target, request);
      break;
    } catch (error) {
      expect(error).toMatchObject({ code: "EIO" });
    }
  }
  target.left = Number.POSITIVE_INFINITY;
  expect(digest(target)).toBe(digest(whole));
});

test("a file that shrinks or goes while it is installed is an error with its name, and resumable", () => {
  for (const harm of [(path: string) => truncateSync(path, 3), (path: string) => rmSync(path)]) {
    const source = imageFolder({ ...RAYOS_FILES, "usr/late": "l".repeat(9000) });
    const target = new Snapshots({ size: SMALL_DISK, name: "target" });
    target.every = 1_000_000;
    const work = installRayos(new Core(), new MediaCore(), target, requestFor(source));
    const run = () => {
      for (let turn = work.next(); !turn.done; turn = work.next()) {
        if (turn.value.step.startsWith("Make the System")) harm(join(source, "usr/late"));
      }
    };
    expect(run).toThrow(/usr\/late/);
    expect(readJournal(target)?.step).toBe(2);
  }
});
