/** system/config as a service sees it: marker files ask for transitions, and nothing gets past. */
import { describe, expect, test } from "vitest";
import { encodePointer, type PointerState } from "../../host/format/pointer.ts";
import { unwrap } from "../../host/system/caps/base/outcome.ts";
import { DirectoryCap } from "../../host/system/caps/directory.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import { GuardedTree } from "../../host/system/init/guarded.ts";
import { buildGeneration } from "../../host/system/update/build.ts";
import type { InstalledSystem } from "../../host/system/update/system.ts";
import { makeSystem, withSystem } from "../support/system.ts";

const PLACE = ["system", "config"];
const medium = makeSystem();

function guarded(system: InstalledSystem, healthy = true): DirectoryCap {
  const files = new FilesTree(system.grant.config.files);
  const { generations } = system;
  const tree = new GuardedTree(files, { place: PLACE, generations, healthy: () => healthy });
  return unwrap(DirectoryCap.over(tree, { path: PLACE.join("/") }), "open");
}

function content(system: InstalledSystem, hostname: string, epoch: number): Uint8Array {
  const overlay = { version: 1, epoch, services: [], settings: { hostname } } as const;
  return buildGeneration(system.grant.store, { overlay, epoch }).manifestHash;
}

/** Writes a pointer as a service does; answers what closing the file came to. */
function ask(
  directory: DirectoryCap,
  name: string,
  state: PointerState,
  pointerEpoch: number,
  hash: Uint8Array,
): string {
  const opened = directory.open(name, { write: true, create: true });
  if (!opened.ok) return opened.code;
  const bytes = encodePointer({ version: 1, state, pointerEpoch, overlayEpoch: 1, hash });
  const written = opened.value.write(0, bytes);
  const closed = opened.value.close();
  if (!written.ok) return written.code;
  return closed.ok ? "ok" : closed.code;
}

function session<T>(use: (system: InstalledSystem, directory: DirectoryCap) => T): T {
  return withSystem(medium.clone(), (system) => use(system, guarded(system)));
}

describe("a pointer written to gen-active", () => {
  test("provisions a system once, under epoch 1 alone", () => {
    session((system, directory) => {
      const hash = content(system, "one", 1);
      expect(ask(directory, "gen-active", "active", 2, hash)).toBe("invalid");
      expect(system.generations.provisioned).toBe(false);
      expect(ask(directory, "gen-active", "active", 1, hash)).toBe("ok");
      expect(system.generations.control).toMatchObject({ active: 1, golden: 1, highWater: 1 });
      expect(ask(directory, "gen-active", "active", 1, hash)).toBe("stale-epoch");
    });
  });

  test("moves back to confirmed content under a higher epoch, and to no other", () => {
    session((system, directory) => {
      const { generations } = system;
      const one = content(system, "one", 1);
      const two = content(system, "two", 2);
      ask(directory, "gen-active", "active", 1, one);
      expect(ask(directory, "gen-active", "active", 2, two)).toBe("denied");
      expect(ask(directory, "gen-candidate", "attempting", 2, two)).toBe("ok");
      const running = unwrap(generations.select(1), "select");
      unwrap(generations.confirm(running, 3), "confirm");
      expect(ask(directory, "gen-active", "active", 2, one)).toBe("stale-epoch");
      expect(ask(directory, "gen-active", "active", 3, one)).toBe("ok");
      expect(generations.control).toMatchObject({ active: 2, candidate: 3, triesLeft: 1 });
    });
  });
});

describe("a pointer written to gen-candidate", () => {
  test("stages, then arms, and is dropped by removing the file", () => {
    session((system, directory) => {
      const { generations } = system;
      ask(directory, "gen-active", "active", 1, content(system, "one", 1));
      const two = content(system, "two", 2);
      expect(ask(directory, "gen-candidate", "staged", 2, two)).toBe("ok");
      expect(generations.control).toMatchObject({ phase: 1, candidate: 2 });
      expect(ask(directory, "gen-candidate", "attempting", 2, two)).toBe("ok");
      expect(generations.control).toMatchObject({ phase: 2, candidate: 2 });
      expect(directory.remove("gen-candidate").ok).toBe(true);
      expect(generations.control).toMatchObject({ phase: 0, candidate: 0, highWater: 2 });
      expect(ask(directory, "gen-candidate", "staged", 2, two)).toBe("stale-epoch");
    });
  });

  test("is refused where the running generation has not passed its checks", () => {
    withSystem(medium.clone(), (system) => {
      const directory = guarded(system, false);
      ask(directory, "gen-active", "active", 1, content(system, "one", 1));
      const two = content(system, "two", 2);
      expect(ask(directory, "gen-candidate", "staged", 2, two)).toBe("conflict");
      expect(system.generations.control.candidate).toBe(0);
    });
  });

  test("is refused where an object is missing, and nothing is written", () => {
    session((system, directory) => {
      ask(directory, "gen-active", "active", 1, content(system, "one", 1));
      const before = system.generations.control;
      const missing = new Uint8Array(32).fill(5);
      expect(ask(directory, "gen-candidate", "staged", 2, missing)).toBe("not-found");
      expect(system.generations.control).toEqual(before);
    });
  });
});

describe("what the generations write themselves", () => {
  test.each(["update-phase", "overlay.bin"])("%s is written by no service", (name) => {
    session((system, directory) => {
      ask(directory, "gen-active", "active", 1, content(system, "one", 1));
      const opened = directory.open(name, { write: true, create: true });
      expect(opened).toMatchObject({ ok: false, code: "denied" });
      expect(directory.remove(name)).toMatchObject({ ok: false, code: "denied" });
    });
  });

  test("no marker is renamed away, renamed over, linked or made a directory", () => {
    session((system, directory) => {
      ask(directory, "gen-active", "active", 1, content(system, "one", 1));
      const file = unwrap(directory.open("other", { write: true, create: true }), "open");
      unwrap(file.close(), "close");
      for (const marker of ["gen-active", "update-phase", "overlay.bin"]) {
        expect(directory.rename(marker, "mine")).toMatchObject({ code: "denied" });
        expect(directory.rename("other", marker)).toMatchObject({ code: "denied" });
        expect(directory.link(marker, "mine")).toMatchObject({ code: "denied" });
      }
      expect(directory.remove("gen-active")).toMatchObject({ code: "denied" });
      expect(directory.mkdir("gen-candidate")).toMatchObject({ code: "denied" });
    });
  });

  test("noise in a marker is no pointer, and a long one no file", () => {
    session((system, directory) => {
      ask(directory, "gen-active", "active", 1, content(system, "one", 1));
      const file = unwrap(directory.open("gen-candidate", { write: true, create: true }), "open");
      unwrap(file.write(0, new Uint8Array(20).fill(3)), "write");
      expect(file.close()).toMatchObject({ ok: false, code: "invalid" });
      const long = unwrap(directory.open("gen-candidate", { write: true, create: true }), "open");
      expect(long.write(0, new Uint8Array(4096))).toMatchObject({ code: "too-large" });
      expect(system.generations.control.candidate).toBe(0);
    });
  });
});
