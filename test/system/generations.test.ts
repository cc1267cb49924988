/** The life of generations on a real disk: every boot is a new mount, every flow a new session. */
import { describe, expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { finish } from "../../host/base/work.ts";
import { collect, pinGeneration } from "../../host/system/boot/collect.ts";
import { cancel, provision, rollback, update } from "../../host/system/update/flows.ts";
import { statusOf } from "../../host/system/update/status.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { boot, makeSystem, service, withSystem } from "../support/system.ts";

const ACCOUNT = {
  version: 1,
  principalId: new Uint8Array(32).fill(7),
  name: "operator",
  displayName: "The operator",
  roles: ["admin"],
  attributes: [],
  credentialRefs: [],
  storageRoots: [],
  defaultProfiles: [],
} as const;

function provisioned(parts: Parameters<typeof makeSystem>[0] = {}) {
  const disk = makeSystem(parts);
  const first = withSystem(disk, (system) =>
    provision(system, { account: ACCOUNT, settings: { hostname: "one" } }),
  );
  return { disk, first };
}

const bad = {
  version: 1,
  epoch: 9,
  services: [service("extra", "bad.wasm")],
  settings: {},
} as const;

describe("a provisioned system", () => {
  test("boots its generation and applies its overlay", () => {
    const { disk, first } = provisioned();
    const report = boot(disk);
    expect(report.outcome).toBe("checkpoint");
    expect(report.generation).toEqual({ id: 1, kind: "active", manifestHash: first.manifestHash });
    expect(report.init?.settings.hostname).toBe("one");
    expect(report.lines).toContain(
      `[init] overlay applied: epoch=1 services=0 account=${first.accountHash}`,
    );
  });

  test("cannot be provisioned again", () => {
    const { disk } = provisioned();
    expect(() => withSystem(disk, (system) => provision(system, {}))).toThrow(/active already/);
  });

  test("confirms an update at the checkpoint of the boot that tries it", () => {
    const { disk, first } = provisioned();
    const second = withSystem(disk, (system) => update(system, { settings: { hostname: "two" } }));
    expect(second).toMatchObject({ generation: 2, attempts: 1, accountHash: first.accountHash });
    expect(withSystem(disk, statusOf)).toMatchObject({ phase: "armed", active: 1, candidate: 2 });
    const report = boot(disk);
    expect(report.generation).toMatchObject({ id: 2, kind: "candidate" });
    expect(report.init?.settings.hostname).toBe("two");
    const status = withSystem(disk, statusOf);
    expect(status).toMatchObject({ phase: "idle", active: 2, golden: 2, previous: [1] });
    expect(status).toMatchObject({ rollbacks: 0, why: null });
    expect(boot(disk).generation).toMatchObject({ id: 2, kind: "active" });
  });

  test("falls back by itself from an update whose service fails, and never tries it again", () => {
    const { disk, first } = provisioned();
    withSystem(disk, (system) => update(system, { overlay: bad }));
    const report = boot(disk);
    expect(report).toMatchObject({ outcome: "checkpoint", resets: 1 });
    expect(report.generation).toMatchObject({ id: 1, manifestHash: first.manifestHash });
    expect(report.lines.join("\n")).toMatch(/generation 2 [0-9a-f]{64} failed: service extra: /);
    const status = withSystem(disk, statusOf);
    expect(status).toMatchObject({ active: 1, candidate: null, rollbacks: 1 });
    expect(status.why).toBe("the candidate failed in its attempts");
    expect(status.generations.find(({ id }) => id === 2)).toMatchObject({
      state: "BAD",
      bad: true,
    });
    expect(boot(disk).generation).toMatchObject({ id: 1 });
  });

  test("rolls back on request under a higher epoch, and confirms that too", () => {
    const { disk, first } = provisioned();
    withSystem(disk, (system) => update(system, { settings: { hostname: "two" } }));
    boot(disk);
    const back = withSystem(disk, (system) => rollback(system));
    expect(back).toMatchObject({ generation: 3, manifestHash: first.manifestHash });
    expect(boot(disk).init?.settings.hostname).toBe("one");
    expect(withSystem(disk, statusOf)).toMatchObject({ active: 3, previous: [2, 1] });
  });

  test("drops a candidate that is cancelled", () => {
    const { disk } = provisioned();
    withSystem(disk, (system) => update(system, { settings: { hostname: "two" } }));
    withSystem(disk, (system) => cancel(system));
    expect(boot(disk).generation).toMatchObject({ id: 1, kind: "active" });
  });

  test("frees what only retired generations needed, and nothing else", () => {
    const { disk } = provisioned();
    for (const hostname of ["two", "three", "four", "five", "six"]) {
      withSystem(disk, (system) => update(system, { settings: { hostname } }));
      expect(boot(disk).outcome).toBe("checkpoint");
    }
    const mine = withSystem(disk, ({ grant }) => grant.store.put(new Uint8Array(100).fill(9)));
    const { gone, kept, status } = withSystem(disk, (system) => {
      const before = statusOf(system).generations;
      const collection = collect(system.generations, system.grant);
      const kept = system.grant.store.has(mine);
      const gone = before.filter(({ id }) => collection.retired.includes(id));
      expect(collection.objects).toBe(2 * gone.length);
      return { gone, kept, status: statusOf(system) };
    });
    expect(kept).toBe(true);
    expect(gone.map(({ id }) => id)).toEqual([1, 2]);
    withSystem(disk, ({ grant }) => {
      for (const { manifestHash } of gone) expect(grant.store.has(manifestHash)).toBe(false);
      expect(status.generations.every(({ ready }) => ready)).toBe(true);
    });
    expect(boot(disk).outcome).toBe("checkpoint");
  });

  test("keeps the objects of a pinned generation after it is retired", () => {
    const { disk, first } = provisioned();
    withSystem(disk, ({ generations, grant }) => pinGeneration(generations, grant.store, 1));
    for (const hostname of ["two", "three", "four", "five", "six"]) {
      withSystem(disk, (system) => update(system, { settings: { hostname } }));
      boot(disk);
    }
    withSystem(disk, ({ generations, grant }) => {
      expect(collect(generations, grant).retired).toContain(1);
      expect(grant.store.has(first.manifestHash)).toBe(true);
    });
  });

  test("writes its marker files anew where they say something else", () => {
    const { disk } = provisioned();
    withSystem(disk, ({ grant }) => {
      grant.config.files.writeFile("/system/config/gen-active", "nonsense");
      grant.config.files.writeFile("/system/config/overlay.bin", "stale");
    });
    const report = boot(disk);
    expect(report.lines).toContain(
      "[gen] marker files differ from boot control and are rewritten: gen-active, overlay.bin",
    );
    expect(boot(disk).lines.join("\n")).not.toContain("marker files");
  });
});

/** Leaves the filesystem no room for the smallest file. */
function fillFiles(disk: Parameters<typeof boot>[0]): void {
  withSystem(disk, ({ grant }) => {
    const { files } = grant.config;
    files.mkdir("/ballast");
    let count = 0;
    for (const bytes of [1 << 20, 1 << 16, 4096, 1]) {
      for (;;) {
        try {
          files.writeFile(`/ballast/${count++}`, new Uint8Array(bytes));
          files.sync();
        } catch (error) {
          expect(error).toMatchObject({ code: "ENOSPC" });
          files.reopen();
          break;
        }
      }
    }
  });
}

// Once a full filesystem refused the commit of SELECT: an update could then never be confirmed.
describe("on a filesystem that is full", () => {
  test("an update is tried and confirmed, and the tree follows when there is room", () => {
    const { disk } = provisioned();
    withSystem(disk, (system) => update(system, { settings: { hostname: "two" } }));
    fillFiles(disk);
    const report = boot(disk);
    expect(report).toMatchObject({ outcome: "checkpoint", resets: 0 });
    expect(report.generation).toMatchObject({ id: 2, kind: "candidate" });
    withSystem(disk, ({ grant, generations }) => {
      expect(generations.control).toMatchObject({ active: 2, golden: 2, candidate: 0 });
      expect(generations.record(2)?.state).toBe("FRESH");
      expect(generations.stray()).toContain("gen-active");
      grant.config.files.rm("/ballast", { recursive: true });
    });
    expect(boot(disk).lines.join("\n")).toContain("marker files differ");
    withSystem(disk, ({ generations }) => {
      expect(generations.record(2)?.state).toBe("CONFIRMED");
      expect(generations.stray()).toEqual([]);
    });
  });

  test("an update that fails is counted, and fallen back from", () => {
    const { disk } = provisioned();
    withSystem(disk, (system) => update(system, { overlay: bad }));
    fillFiles(disk);
    const report = boot(disk);
    expect(report).toMatchObject({ outcome: "checkpoint", resets: 1 });
    expect(report.generation).toMatchObject({ id: 1 });
    expect(boot(disk).generation).toMatchObject({ id: 1 });
  });
});

describe("verify", () => {
  const findings = (disk: Parameters<typeof boot>[0]) => finish(verifyDisk(disk)).findings;

  test("says nothing of a system in any phase of an update", () => {
    const { disk } = provisioned();
    expect(findings(disk)).toEqual([]);
    withSystem(disk, (system) => update(system, { settings: { hostname: "two" } }));
    expect(findings(disk)).toEqual([]);
    boot(disk);
    withSystem(disk, (system) => update(system, { overlay: bad }));
    boot(disk);
    expect(findings(disk)).toEqual([]);
  });

  test("names a marker file that differs, and an object that a generation lacks", () => {
    const { disk, first } = provisioned();
    withSystem(disk, ({ grant }) => {
      grant.config.files.writeFile("/system/config/gen-active", "nonsense");
      grant.store.delete(first.accountHash ?? "");
      grant.store.commit();
    });
    expect(findings(disk).map(({ area, reason }) => `${area} ${reason}`)).toEqual([
      "generations GENERATION_INCOMPLETE",
      "generations MARKER_DIFFERS",
    ]);
  });
});

describe("three failures of the active generation", () => {
  test("lead to recovery where nothing older can run", () => {
    const { disk } = provisioned({ services: [service("base", "trap.wasm")] });
    const report = boot(disk);
    expect(report.outcome).toBe("recovery");
    expect(report.resets).toBe(3);
    expect(report.lines.at(-1)).not.toContain("data region: mounted");
    expect(withSystem(disk, statusOf)).toMatchObject({ recovery: true, active: 1 });
  });
});

test("hashes of generations differ, and that of the account stays", () => {
  const { disk, first } = provisioned();
  const second = withSystem(disk, (system) => update(system, { settings: { hostname: "two" } }));
  expect(second.manifestHash).not.toBe(first.manifestHash);
  expect(second.accountHash).toBe(first.accountHash);
  expect(toHex(new Uint8Array(32))).not.toBe(first.manifestHash);
});
