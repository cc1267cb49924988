/** Records of the system: generations, BAD marks, named pointers, as durable as the files. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import {
  decodeGenerationRecord,
  encodeGenerationRecord,
  type GenerationRecord,
  GenerationState,
} from "../../host/core/boot/records.ts";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { filesContent } from "../../host/system/image/content.ts";
import { copyFiles } from "../../host/system/image/copy.ts";
import { freshCore } from "../support/core.ts";

const core = freshCore();
const SAFE = Number.MAX_SAFE_INTEGER;

function mounted(size = "16MiB", options: { logSectors?: number } = {}) {
  const device = new MemoryDevice({ size });
  const id = core.attach(device);
  Region.format(core, id, options);
  const region = Region.open(core, id);
  return { device, id, region, files: region.files as FileSystem };
}

/** A mount as an embedder in another language has it: numbers alone. */
function rawMount() {
  const id = core.attach(new MemoryDevice({ size: "16MiB" }));
  Region.format(core, id);
  const { exports } = core;
  const region = exports.regionOpen(id, 0, 0, 0);
  const mount = exports.filesMount(region);
  expect(mount).toBeGreaterThan(0);
  const close = () => {
    expect(exports.filesCommit(mount)).toBe(0);
    exports.filesUnmount(mount);
    expect(exports.regionClose(region)).toBe(0);
  };
  return { id, mount, close };
}

/** What another process would find: a copy of the device as it is now, mounted. */
function afterCrash<T>(device: MemoryDevice, use: (files: FileSystem) => T): T {
  const id = core.attach(device.clone());
  const region = Region.open(core, id);
  try {
    return use(region.files as FileSystem);
  } finally {
    region.close();
    core.detach(id);
  }
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return "OK";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const hash = (seed: number) => new Uint8Array(32).map((_, at) => (at * 7 + seed) & 255);
const RECORD: GenerationRecord = {
  manifestHash: hash(1),
  state: GenerationState.FRESH,
  overlayEpoch: 3,
  parent: 1,
  createdNs: 1_700_000_000_000_000_000n,
  accountHash: undefined,
  stagedBoot: 12,
  tries: 0,
  successes: 0,
};

const count = fc.maxSafeNat();
const anyHash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyRecord: fc.Arbitrary<GenerationRecord> = fc.record({
  manifestHash: anyHash,
  state: fc.nat(GenerationState.RETIRED),
  overlayEpoch: count,
  parent: count,
  createdNs: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  accountHash: fc.option(
    anyHash.filter((bytes) => bytes.some((byte) => byte !== 0)),
    { nil: undefined },
  ),
  stagedBoot: count,
  tries: fc.nat(0xffff_ffff),
  successes: fc.nat(0xffff_ffff),
});

describe("generation records", () => {
  test("every record that fits its fields survives encoding and decoding", () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const value = encodeGenerationRecord(record);
        expect(value.length).toBe(112);
        expect(decodeGenerationRecord(value)).toEqual(record);
      }),
    );
  });

  test("any 112 bytes are EBADMSG or a record that encodes to them again", () => {
    const near = fc.tuple(anyRecord, fc.nat(111), fc.nat(255)).map(([record, at, byte]) => {
      const value = encodeGenerationRecord(record);
      value[at] = byte;
      return value;
    });
    fc.assert(
      fc.property(near, (value) => {
        let record: GenerationRecord;
        try {
          record = decodeGenerationRecord(value);
        } catch (error) {
          expect((error as { code: string }).code).toBe("EBADMSG");
          return;
        }
        expect(encodeGenerationRecord(record)).toEqual(value);
      }),
    );
  });

  test("a value that does not fit its field is EINVAL, and so is id 0", () => {
    const { files } = mounted();
    const values: Partial<GenerationRecord>[] = [
      { manifestHash: new Uint8Array(31) },
      { state: 5 as GenerationState },
      { overlayEpoch: -1 },
      { parent: 2 ** 53 },
      { createdNs: 2n ** 63n },
      { accountHash: new Uint8Array(32) },
      { accountHash: new Uint8Array(33).fill(1) },
      { tries: 2 ** 32 },
      { successes: 0.5 },
    ];
    for (const value of values) {
      const code = codeOf(() => files.records.setGenerationRecord(1, { ...RECORD, ...value }));
      expect(code, Object.keys(value)[0]).toBe("EINVAL");
    }
    for (const id of [0, -1, 1.5, 2 ** 53]) {
      expect(codeOf(() => files.records.setGenerationRecord(id, RECORD))).toBe("EINVAL");
      expect(codeOf(() => files.records.generationRecord(id))).toBe("EINVAL");
    }
    expect(files.records.generationIds()).toEqual([]);
  });

  test("ids come in ascending order, whatever their bytes", () => {
    const { files, region } = mounted();
    const ids = [256, 1, SAFE, 255, 2 ** 32, 65_536, 2];
    for (const id of ids) files.records.setGenerationRecord(id, { ...RECORD, parent: id });
    const sorted = [...ids].sort((one, other) => one - other);
    expect(files.records.generationIds()).toEqual(sorted);
    expect(sorted.map((id) => files.records.generationRecord(id)?.parent)).toEqual(sorted);
    files.sync();
    expect(files.check()).toEqual([]);
    region.close();
  });

  test("an id above 2^53 - 1 is sound on the disk, and EBADMSG for the host", () => {
    const { id, mount, close } = rawMount();
    const { exports, memory } = core;
    const key = memory.allocate(256);
    memory.bytes.fill(0xff, key, key + 8);
    memory.bytes.set(encodeGenerationRecord(RECORD), key + 8);
    expect(exports.filesSetRecord(mount, 0x10, key, 8, key + 8, 112)).toBe(0);
    close();
    const region = Region.open(core, id);
    const files = region.files as FileSystem;
    expect(files.check()).toEqual([]);
    expect([...files.records.entries()].length).toBe(1);
    expect(codeOf(() => files.records.generationIds())).toBe("EBADMSG");
    region.close();
  });
});

describe("all kinds", () => {
  test("what is not there is undefined, and its removal says so", () => {
    const { records } = mounted().files;
    expect(records.generationRecord(1)).toBeUndefined();
    expect(records.badMark(hash(1))).toBeUndefined();
    expect(records.pointer("golden")).toBeUndefined();
    expect(records.removeGenerationRecord(1)).toBe(false);
    expect(records.clearBadMark(hash(1))).toBe(false);
    expect(records.removePointer("golden")).toBe(false);
    expect([...records.entries()]).toEqual([]);
  });

  test("keys that only begin alike are different records", () => {
    const { records } = mounted().files;
    for (const name of ["a", "ab", "abc", "b"]) records.setPointer(name, new Uint8Array([1]));
    expect(records.removePointer("ab")).toBe(true);
    expect(records.pointerNames()).toEqual(["a", "abc", "b"]);
    expect(records.pointer("ab")).toBeUndefined();
  });

  test("names and sizes that break a rule are EINVAL, and change nothing", () => {
    const { files } = mounted();
    const { records } = files;
    const one = new Uint8Array(1);
    const acts = [
      ...["", "a/b", ".", "..", "a\0", "x".repeat(256)].map(
        (name) => () => records.setPointer(name, one),
      ),
      () => records.setPointer("p", new Uint8Array(0)),
      () => records.setPointer("p", new Uint8Array(1025)),
      () => records.setPointer("p", new Uint8Array(1 << 20)),
      () => records.setBadMark(new Uint8Array(31), 1),
      () => records.setBadMark(hash(1), 256),
      () => records.badMark(new Uint8Array(0)),
    ];
    expect(acts.map(codeOf)).toEqual(acts.map(() => "EINVAL"));
    expect([...records.entries()]).toEqual([]);
    records.setPointer("x".repeat(255), new Uint8Array(1024).fill(3));
    expect(records.pointer("x".repeat(255))).toEqual(new Uint8Array(1024).fill(3));
    expect(files.check()).toEqual([]);
  });

  test("kinds of other records are refused: no inode can be reached as a record", () => {
    const { mount, close } = rawMount();
    const { exports, memory } = core;
    const place = memory.allocate(512);
    for (const kind of [0, 1, 2, 0x0f, 0x13, 0x110, 0xffff_ffff]) {
      expect(exports.filesRecord(mount, kind, place, 8, place, 512), `${kind}`).toBe(-22);
      expect(exports.filesSetRecord(mount, kind, place, 8, place, 0), `${kind}`).toBe(-22);
      expect(exports.filesNextRecord(mount, kind, place, 0, place, 512), `${kind}`).toBe(-22);
    }
    expect(exports.filesRecord(mount, 0x11, place, 256, place, 512)).toBe(-22);
    close();
  });

  test("a result that does not fit is ERANGE, and nothing is copied", () => {
    const { mount, close } = rawMount();
    const { exports, memory } = core;
    const place = memory.allocate(512);
    memory.bytes.set([0x61, 0x62, 1, 2, 3], place);
    expect(exports.filesSetRecord(mount, 0x11, place, 2, place + 2, 3)).toBe(0);
    const out = place + 64;
    memory.bytes.fill(0xee, out, out + 8);
    expect(exports.filesRecord(mount, 0x11, place, 2, out, 2)).toBe(-34);
    expect(exports.filesNextRecord(mount, 0x11, place, 0, out, 1)).toBe(-34);
    expect(memory.slice(out, 8)).toEqual(new Uint8Array(8).fill(0xee));
    expect(exports.filesRecord(mount, 0x11, place, 2, out, 3)).toBe(3);
    expect(exports.filesNextRecord(mount, 0x11, place, 0, out, 2)).toBe(2);
    expect(exports.filesNextRecord(mount, 0x11, place, 2, out, 2)).toBe(0);
    close();
  });

  test("calls on a filesystem that was unmounted are EBADF", () => {
    const { files, region } = mounted();
    region.close();
    const acts = [
      () => files.records.pointer("p"),
      () => files.records.setPointer("p", new Uint8Array(1)),
      () => files.records.generationIds(),
      () => files.setControl(new Uint8Array(128)),
    ];
    expect(acts.map(codeOf)).toEqual(acts.map(() => "EBADF"));
  });
});

describe("durability", () => {
  test("records, control block and files become durable together", () => {
    const { files, device } = mounted();
    const step = (number: number) => {
      files.writeFile("/gen-active", `${number}`);
      files.setControl(new Uint8Array(128).fill(number));
      files.records.setGenerationRecord(number, { ...RECORD, tries: number });
      files.records.setBadMark(hash(number), number);
      if (number > 1) files.records.removeGenerationRecord(number - 1);
      files.records.setPointer("newest", Uint8Array.of(number));
    };
    const seen = (found: FileSystem) => [
      found.readFile("/gen-active", "utf8"),
      found.control()[0],
      found.records.generationIds().map((id) => found.records.generationRecord(id)?.tries),
      found.records.badHashes().map((bytes) => found.records.badMark(bytes)),
      found.records.pointer("newest"),
    ];
    step(1);
    files.sync();
    step(2);
    expect(afterCrash(device, seen)).toEqual(["1", 1, [1], [1], Uint8Array.of(1)]);
    files.sync();
    expect(afterCrash(device, seen)).toEqual(["2", 2, [2], [1, 2], Uint8Array.of(2)]);
    step(3);
    files.revert();
    expect(seen(files)).toEqual(["2", 2, [2], [1, 2], Uint8Array.of(2)]);
  });

  test("a record alone is a commit, and the removal of the last one too", () => {
    const { files, device } = mounted();
    files.sync();
    files.records.setBadMark(hash(9), 4);
    files.sync();
    expect(afterCrash(device, (found) => found.records.badMark(hash(9)))).toBe(4);
    expect(files.records.clearBadMark(hash(9))).toBe(true);
    files.sync();
    expect(afterCrash(device, (found) => found.records.badHashes())).toEqual([]);
    expect(files.check()).toEqual([]);
  });

  test("a full region answers ENOSPC, keeps what it has, and lets records go", () => {
    const { files, id, region } = mounted("2MiB", { logSectors: 128 });
    const held: string[] = [];
    let code = "OK";
    for (let number = 0; code === "OK" && number < 5000; number++) {
      const name = `pointer-${number}-${"x".repeat(200)}`;
      code = codeOf(() => files.records.setPointer(name, new Uint8Array(1000).fill(number)));
      if (code === "OK") held.push(name);
    }
    expect(code).toBe("ENOSPC");
    expect(files.records.pointerNames()).toEqual([...held].sort());
    files.sync();
    for (const name of held) expect(files.records.removePointer(name)).toBe(true);
    files.sync();
    files.records.setPointer("again", new Uint8Array(1000));
    files.sync();
    expect(files.check()).toEqual([]);
    region.close();
    expect(Region.verify(core, id)).toEqual([]);
  });

  test("a copy of a filesystem has its records, and their content is told apart", () => {
    const [source, target] = [mounted().files, mounted().files];
    source.records.setGenerationRecord(5, RECORD);
    source.records.setBadMark(hash(2), 1);
    source.records.setPointer("golden", hash(3));
    source.sync();
    finish(copyFiles(source, target));
    expect([...target.records.entries()]).toEqual([...source.records.entries()]);
    const digest = (files: FileSystem) => finish(filesContent(files, "read")).digest;
    expect(digest(target)).toBe(digest(source));
    target.records.clearBadMark(hash(2));
    expect(digest(target)).not.toBe(digest(source));
  });
});

describe("atomically", () => {
  const STATE = (files: FileSystem) => [
    files.exists("/gen-active") ? files.readFile("/gen-active", "utf8") : "",
    files.control()[0],
    files.records.generationIds(),
    files.records.badHashes().length,
  ];
  const step = fc.record({
    kind: fc.constantFrom("file", "large", "control", "set", "remove", "mark", "clear"),
    number: fc.integer({ min: 1, max: 9 }),
  });
  const group = fc.record({ steps: fc.array(step, { maxLength: 12 }), fails: fc.boolean() });

  function carryOut(files: FileSystem, kind: string, number: number): void {
    if (kind === "file") files.writeFile("/gen-active", `${number}`);
    else if (kind === "large") files.writeFile(`/l${number}`, new Uint8Array(5000).fill(number));
    else if (kind === "control") files.setControl(new Uint8Array(128).fill(number));
    else if (kind === "set") files.records.setGenerationRecord(number, RECORD);
    else if (kind === "remove") files.records.removeGenerationRecord(number);
    else if (kind === "mark") files.records.setBadMark(hash(number), number);
    else files.records.clearBadMark(hash(number));
  }

  test.each(["3MiB", "16MiB"])(
    "on %s a group of changes is durable as a whole when it returns, and nothing of it before",
    (size) => {
      fc.assert(
        fc.property(fc.array(group, { minLength: 1, maxLength: 5 }), (groups) => {
          const { device, files, region, id } = mounted(size, { logSectors: 128 });
          // A removal of nothing leaves a batch open that has less in hand.
          files.records.removeGenerationRecord(1);
          for (const { steps, fails } of groups) {
            const before = STATE(files);
            const act = () =>
              files.atomically(() => {
                for (const { kind, number } of steps) {
                  carryOut(files, kind, number);
                  expect(afterCrash(device, STATE)).toEqual(before);
                }
                if (fails) throw new Error("changed my mind");
              });
            if (fails) expect(act).toThrow("changed my mind");
            else act();
            expect(afterCrash(device, STATE)).toEqual(STATE(files));
            if (fails) expect(STATE(files)).toEqual(before);
          }
          expect(files.check({ data: true })).toEqual([]);
          region.close();
          expect(Region.verify(core, id)).toEqual([]);
          core.detach(id);
        }),
        { numRuns: 12 },
      );
    },
  );

  test("what was changed before is committed first, and is not taken back", () => {
    const { files, device } = mounted();
    files.writeFile("/gen-active", "before");
    const act = () =>
      files.atomically(() => {
        files.writeFile("/gen-active", "after");
        throw new Error("no");
      });
    expect(act).toThrow("no");
    expect(files.readFile("/gen-active", "utf8")).toBe("before");
    expect(afterCrash(device, STATE)[0]).toBe("before");
  });

  test("what does not fit one batch is ENOSPC and nothing of it is left", () => {
    const { files, device, id, region } = mounted("3MiB", { logSectors: 128 });
    files.writeFile("/gen-active", "old");
    files.sync();
    const act = () =>
      files.atomically(() => {
        files.writeFile("/gen-active", "new");
        for (let number = 0; number < 500; number++) {
          files.writeFile(`/f${number}`, new Uint8Array(20_000).fill(number));
        }
      });
    expect(codeOf(act)).toBe("ENOSPC");
    expect(files.readdir("/")).toEqual(["gen-active"]);
    expect(afterCrash(device, STATE)[0]).toBe("old");
    expect(codeOf(() => files.atomically(() => files.sync(), { records: 4096 }))).toBe("EINVAL");
    expect(codeOf(() => files.atomically(() => files.sync(), { records: 4000 }))).toBe("ENOSPC");
    // The next batch is an ordinary one, which commits by itself when it is full.
    files.writeFile("/next", "x");
    files.sync();
    expect(files.check({ data: true })).toEqual([]);
    region.close();
    expect(Region.verify(core, id)).toEqual([]);
  });

  test("a read-only mount is EROFS before anything is called", () => {
    const { id, region } = mounted();
    region.close();
    const reader = Region.open(core, id, { readOnly: true });
    const never = () => expect.unreachable();
    expect(codeOf(() => reader.files?.atomically(never))).toBe("EROFS");
    reader.close();
  });
});

describe("against a model", () => {
  const turn = fc.record({
    kind: fc.constantFrom("generation", "generation", "mark", "pointer"),
    number: fc.integer({ min: 1, max: 12 }),
    removes: fc.boolean(),
    seed: fc.nat(1000),
    after: fc.constantFrom("", "", "sync", "revert", "mount"),
  });

  test("any sequence of changes, commits and restarts holds what a Map holds", () => {
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 60 }), (turns) => {
        const device = new MemoryDevice({ size: "8MiB" });
        const id = core.attach(device);
        Region.format(core, id);
        let region = Region.open(core, id);
        let files = region.files as FileSystem;
        let model = new Map<string, string>();
        let versions = [new Map(model)];
        for (const { kind, number, removes, seed, after } of turns) {
          const name = `${kind} ${number}`;
          const done = change(files, kind, number, removes, seed);
          if (removes) expect(done, name).toBe(model.delete(name));
          else model.set(name, textOf(kind, seed));
          versions.push(new Map(model));
          if (after === "sync") {
            files.sync();
            versions = [new Map(model)];
          } else if (after === "revert") {
            files.revert();
            // A batch may have committed by itself: then some of the newest changes are left.
            const left = contentOf(files);
            expect(versions.map(sorted)).toContainEqual(left);
            model = new Map(left);
            versions = [new Map(left)];
          } else if (after === "mount") {
            region.close();
            versions = [new Map(model)];
            region = Region.open(core, id);
            files = region.files as FileSystem;
          }
          expect(contentOf(files)).toEqual(sorted(model));
        }
        expect(files.check()).toEqual([]);
        region.close();
        expect(Region.verify(core, id)).toEqual([]);
        core.detach(id);
      }),
      { numRuns: 40 },
    );
  });

  function textOf(kind: string, seed: number): string {
    return kind === "mark" ? `${seed & 255}` : `${seed}`;
  }

  /** Carries one turn out; answers what a removal says. */
  function change(
    { records }: FileSystem,
    kind: string,
    number: number,
    removes: boolean,
    seed: number,
  ): boolean {
    if (kind === "generation") {
      if (removes) return records.removeGenerationRecord(number);
      records.setGenerationRecord(number, { ...RECORD, overlayEpoch: seed });
    } else if (kind === "mark") {
      if (removes) return records.clearBadMark(hash(number));
      records.setBadMark(hash(number), seed & 255);
    } else {
      if (removes) return records.removePointer(`p${number}`);
      records.setPointer(`p${number}`, new Uint8Array(1 + seed));
    }
    return true;
  }

  /** All records as the model has them. */
  function contentOf({ records }: FileSystem): Map<string, string> {
    const found: [string, string][] = [
      ...records.generationIds().map((id): [string, string] => {
        return [`generation ${id}`, `${records.generationRecord(id)?.overlayEpoch}`];
      }),
      ...records.badHashes().map((bytes): [string, string] => {
        return [`mark ${bytes[0]}`, `${records.badMark(bytes)}`];
      }),
      ...records.pointerNames().map((name): [string, string] => {
        return [`pointer ${name.slice(1)}`, `${(records.pointer(name)?.length ?? 0) - 1}`];
      }),
    ];
    return sorted(new Map(found));
  }

  function sorted(records: ReadonlyMap<string, string>): Map<string, string> {
    return new Map([...records].sort());
  }
});
