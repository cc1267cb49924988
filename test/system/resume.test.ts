/** Installations that are cut short, at every write there is, and gone on with. */
import { describe, expect, test } from "vitest";
import { Refusal } from "../../host/base/errors.ts";
import { finish, run } from "../../host/base/work.ts";
import { type BlockRequest, RequestType, refuse } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { type InstallOptions, install, planOf } from "../../host/system/install/install.ts";
import { readJournal } from "../../host/system/install/journal.ts";
import { Machine } from "../../host/system/machine.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { frozen, MEDIUM_SIZE, makeMedium, noise, withRegion } from "./support.ts";

/** The medium's own size, so that a copy byte for byte is a whole disk too. */
const SIZE = MEDIUM_SIZE;

function smallMedium(seed = "m"): MemoryDevice {
  const boot = memoryTree({ "EFI/BOOT/BOOTX64.EFI": noise(3000, 1), "loader/loader.conf": "x" });
  const disk = makeMedium({ boot, seed });
  withRegion(disk, ({ store, files }) => {
    store.putMany([noise(100, 2), noise(9000, 3)]);
    store.commit();
    files?.writeFile("/system/config/hostname", "box");
    files?.sync();
  });
  return disk;
}

const medium = frozen(smallMedium());

/** Keeps a copy of the disk as it is after each write: what a cut right there would leave. */
class Snapshots extends MemoryDevice {
  readonly taken: MemoryDevice[] = [];

  override submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      super.submit([asked]);
      const { type } = asked;
      if (type !== RequestType.IN && type !== RequestType.FLUSH) this.taken.push(this.clone());
    }
  }
}

/** Fails every write from number `after` on. */
class Failing extends MemoryDevice {
  writesLeft = Number.POSITIVE_INFINITY;

  override submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      const changes = asked.type !== RequestType.IN && asked.type !== RequestType.GET_ID;
      if (changes && this.writesLeft <= 0) refuse(asked, new Error("the power is gone"));
      else super.submit([asked]);
      if (changes && asked.type !== RequestType.FLUSH) this.writesLeft--;
    }
  }
}

function snapshotsOf(options: InstallOptions): MemoryDevice[] {
  const target = new Snapshots({ size: SIZE, name: "target" });
  finish(install(medium, target, options));
  return target.taken;
}

function expectInstalled(disk: MemoryDevice, when: string): void {
  expect(finish(verifyDisk(frozen(disk))).findings, when).toEqual([]);
  expect(readJournal(disk), when).toBeUndefined();
}

describe.each<[string, InstallOptions]>([
  ["a fresh installation", {}],
  ["a verbatim installation", { verbatim: true }],
])("%s", (_, options) => {
  const snapshots = snapshotsOf(options);

  test("cut after any write, and begun again, ends installed and equal", () => {
    expect(snapshots.length).toBeGreaterThan(20);
    for (const [index, snapshot] of snapshots.entries()) {
      const disk = snapshot.clone();
      const when = `after write ${index + 1} of ${snapshots.length}`;
      const half = readJournal(disk);
      // Before the first journal the target is blank; after the last it is installed.
      if (half === undefined && index > 0) {
        expectInstalled(disk, when);
        continue;
      }
      const report = finish(install(medium, disk, options));
      const begun = half === undefined ? undefined : report.plan.steps[half.step]?.name;
      // A region that was being filled is made anew.
      const filling = begun === "objects" || begun === "files";
      expect(report.resumedAt, when).toBe(filling ? "region" : begun);
      expectInstalled(disk, when);
    }
  });

  test("cut before the table is written boots nothing, and verify says why", () => {
    const middle = snapshots.find((disk) => readJournal(disk)?.step === 3) as MemoryDevice;
    expect(new Machine({ disks: [frozen(middle)] }).boot().outcome).toBe("no-bootable-device");
    const findings = finish(verifyDisk(frozen(middle))).findings;
    expect(findings.map(({ reason }) => reason)).toContain("HALF_DONE");
  });
});

describe("a half-done installation", () => {
  const half = () => {
    const target = new Failing({ size: SIZE, name: "target" });
    target.writesLeft = 40;
    expect(() => finish(install(medium, target))).toThrow();
    target.writesLeft = Number.POSITIVE_INFINITY;
    expect(readJournal(target)).toBeDefined();
    return target;
  };

  test("fails with the device's error, and goes on when the device is back", () => {
    const target = new Failing({ size: SIZE, name: "target" });
    for (let writes = 5; readJournal(target) !== undefined || writes === 5; writes += 60) {
      target.writesLeft = writes;
      try {
        finish(install(medium, target));
      } catch (error) {
        expect(error).toMatchObject({ code: "EIO" });
      }
      target.writesLeft = Number.POSITIVE_INFINITY;
    }
    expectInstalled(target, "at last");
  });

  test("keeps the identities it began with", () => {
    const target = half();
    const begun = JSON.parse(readJournal(target)?.recipe ?? "{}");
    const { plan } = finish(install(medium, target, { resume: true }));
    expect(plan.identities).toEqual(begun.identities);
    expectInstalled(target, "resumed");
  });

  test("shows in the plan where it would go on", () => {
    const target = half();
    const plan = finish(planOf(medium, target));
    const begun = plan.steps[readJournal(target)?.step ?? -1]?.name ?? "";
    expect(plan.resumesAt).toBe(/objects|files/.test(begun) ? "region" : begun);
  });

  test("is refused to another medium, other identities or another mode, unless erased", () => {
    const cases: [MemoryDevice, InstallOptions][] = [
      [frozen(smallMedium("other")), {}],
      [medium, { seed: "s" }],
      [medium, { verbatim: true }],
    ];
    const other = smallMedium();
    withRegion(other, ({ files }) => files?.writeFile("/system/config/more", "m"));
    cases.push([frozen(other), {}]);
    for (const [index, [from, options]] of cases.entries()) {
      const target = half();
      if (index === 0) {
        // The same content from another disk is the same medium.
        expect(finish(install(from, target, options)).resumedAt).toBeDefined();
        continue;
      }
      expect(() => finish(install(from, target, options)), `case ${index}`).toThrow(Refusal);
      expect(() => finish(install(from, target, options))).toThrow(/--erase/);
      // Cut right after its first journal entry, the new installation is the one that goes on.
      const given = readJournal(target)?.sequence ?? 0;
      target.writesLeft = 1;
      expect(() => finish(install(from, target, { ...options, erase: true }))).toThrow();
      expect(readJournal(target)?.sequence).toBe(given + 1);
      target.writesLeft = Number.POSITIVE_INFINITY;
      const erased = finish(install(from, target, { ...options, erase: true }));
      expect(erased.resumedAt).toBe("wipe");
      expect(readJournal(target)).toBeUndefined();
    }
  });

  test("is asked for with --resume where there is none: refused", () => {
    const target = new MemoryDevice({ size: SIZE });
    expect(() => finish(install(medium, target, { resume: true }))).toThrow(/to resume/);
  });

  test("stopped by a signal goes on with the same command", async () => {
    const target = new MemoryDevice({ size: SIZE, name: "target" });
    const abort = new AbortController();
    const progress = ({ step }: { step: string }) => {
      if (step === "copy objects") abort.abort();
    };
    const stopped = run(install(medium, target), { signal: abort.signal, progress });
    await expect(stopped).rejects.toMatchObject({ code: "ECANCELED" });
    const report = await run(install(medium, target));
    expect(report.resumedAt).toBe("region");
    expectInstalled(target, "after the signal");
  });
});

test("an installation whose read-back failed copies everything anew when it is run again", () => {
  const rehearsal = new TraceDevice(new MemoryDevice({ size: SIZE, name: "target" }));
  finish(install(medium, rehearsal));
  const loader = rehearsal.log.find(
    ({ type, sectors }) => type === RequestType.OUT && sectors === 6,
  );
  expect(loader).toBeDefined();
  const target = new TraceDevice(new MemoryDevice({ size: SIZE, name: "target" }));
  // The loader is acknowledged and never stored.
  const within = { sector: loader?.sector ?? 0, sectors: 1 };
  target.inject({ on: RequestType.OUT, within, times: Number.POSITIVE_INFINITY, answer: "lost" });
  expect(() => finish(install(medium, target))).toThrow(/EBADMSG/);
  target.clear();
  const report = finish(install(medium, target));
  expect(report.resumedAt).toBe("esp");
  expect(finish(verifyDisk(target)).findings).toEqual([]);
});
