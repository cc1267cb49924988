/** Instrumented modules compute what plain ones do, and whatever goes on for ever ends. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Core } from "../../../host/core/load.ts";
import { Region } from "../../../host/core/region.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import {
  FUEL_EXPORT,
  instrument,
  STACK_EXPORT,
  STACK_SLOTS,
  START_EXPORT,
} from "../../../host/system/service/fuel.ts";
import { temporaryPaths } from "../../support/folder.ts";
import { wat } from "../../support/services.ts";

const fresh = temporaryPaths();
const PAGES = 65_536;
const PLENTY = 2 ** 50;
const TIME = 1_700_000_000_000_000_000n;
const UUID = "5f2f6c1e-9d3b-4b7a-8f0e-1c2d3e4f5a6b";
const core = readFileSync(new URL("../../../build/core.wasm", import.meta.url));

/** What the trouble is called: the globals tell it, whatever an engine's message says. */
function trouble(exports: WebAssembly.Exports): string {
  if (((exports[FUEL_EXPORT] as WebAssembly.Global).value as bigint) < 0n) return "fuel";
  return ((exports[STACK_EXPORT] as WebAssembly.Global).value as number) < 0 ? "stack" : "trap";
}

function run(text: string, fuel = 1_000_000) {
  const { bytes } = instrument(wat(text), { pagesMax: 16, fuel });
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const { exports } = new WebAssembly.Instance(module, {});
  try {
    const result = (exports["main"] as () => unknown)();
    const left = Number((exports[FUEL_EXPORT] as WebAssembly.Global).value);
    expect((exports[STACK_EXPORT] as WebAssembly.Global).value).toBe(STACK_SLOTS);
    return { result, used: fuel - left };
  } catch {
    return { ended: trouble(exports) };
  }
}

describe("the core itself, instrumented", () => {
  const metered = new WebAssembly.Module(
    instrument(core, { pagesMax: PAGES, fuel: PLENTY }).bytes as Uint8Array<ArrayBuffer>,
  );
  const plain = new WebAssembly.Module(core);

  /** Some work of a store and a filesystem: what it answers, what is on the device, its fuel. */
  function work(module: WebAssembly.Module, sizes: readonly number[]) {
    let counter = 7;
    const environment = {
      clock: () => TIME,
      random: (into: Uint8Array) => {
        for (let at = 0; at < into.length; at++) into[at] = counter++;
      },
      sha256: () => false,
    };
    const own = new Core({ module, environment });
    // Plain, the engine has run it already.
    (own.exports as unknown as Record<string, (() => void) | undefined>)[START_EXPORT]?.();
    const memory = new MemoryDevice({ size: "8MiB" });
    const device = own.attach(memory);
    Region.format(own, device, { files: true, logSectors: 128, uuid: UUID, timeNs: TIME });
    const { files, store } = Region.open(own, device);
    if (files === null) throw new Error("the region has no files");
    const hashes = sizes.map((size, at) => {
      const bytes = new Uint8Array(size).fill(at + 1);
      files.writeFile(`/file-${at}`, bytes);
      return Buffer.from(store.put(bytes)).toString("hex");
    });
    files.sync();
    store.commit();
    const first = store.get(hashes[0] ?? "");
    const fuel = own.exports as unknown as Record<string, WebAssembly.Global | undefined>;
    const disk = createHash("sha256").update(memory.bytes()).digest("hex");
    return { answers: { hashes, first, disk }, fuel: fuel[FUEL_EXPORT]?.value as bigint };
  }

  test("writes the same disk as the plain one, and uses the same fuel each time", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sizes, (list) => {
        const [expected, once, again] = [
          work(plain, list),
          work(metered, list),
          work(metered, list),
        ];
        expect(once.answers).toEqual(expected.answers);
        expect(again.fuel).toBe(once.fuel);
        expect(once.fuel).toBeLessThan(2n ** 50n - 10_000n);
      }),
      { numRuns: 8 },
    );
  });
});

describe("what never ends, ends", () => {
  test.each([
    ["an empty loop", "(loop $l (br $l))"],
    ["a loop that is left by no branch_if", "(loop $l (br_if $l (i32.const 1)))"],
    ["a loop by a branch table", "(loop $l (br_table $l $l (i32.const 5)))"],
    ["two loops that take turns", "(loop $a (loop $b (br_if $b (i32.const 0)) (br $a)))"],
    ["a loop with a parameter", "(i32.const 1) (loop $l (param i32) (br $l)) "],
    ["a loop in a branch", "(if (i32.const 1) (then (loop $l (br $l))) (else))"],
    [
      "a fill of the whole memory, again and again",
      "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))",
    ],
    [
      "a table grown again and again",
      "(loop $l (drop (table.grow 0 (ref.null func) (i32.const 1))) (br $l))",
    ],
  ])("%s is out of fuel", (_, body) => {
    const text = `(module (memory 1) (table 1 funcref)
      (func (export "main") (result i32) ${body} (i32.const 0)))`;
    expect(run(text)).toEqual({ ended: "fuel" });
  });

  test("calls that go on by tail position or mutually are out of stack", () => {
    const mutual = `(module (func $a (call $b)) (func $b (call $a))
      (func (export "main") (result i32) (call $a) (i32.const 0)))`;
    expect(run(mutual)).toEqual({ ended: "stack" });
    const indirect = `(module (table funcref (elem $a)) (type $t (func))
      (func $a (call_indirect (type $t) (i32.const 0)))
      (func (export "main") (result i32) (call $a) (i32.const 0)))`;
    expect(run(indirect)).toEqual({ ended: "stack" });
  });

  test("a start function that never ends does so only when it is called, with fuel", () => {
    const { bytes } = instrument(wat("(module (func $s (loop $l (br $l))) (start $s))"), {
      pagesMax: 1,
      fuel: 1000,
    });
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    const { exports } = new WebAssembly.Instance(module, {});
    expect(() => (exports[START_EXPORT] as () => void)()).toThrow(WebAssembly.RuntimeError);
    expect(trouble(exports)).toBe("fuel");
  });

  test("a bulk instruction of a length that is not there costs no more than the fuel", () => {
    const text = `(module (memory 1) (func (export "main") (result i32)
      (memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const 0)))`;
    expect(run(text)).toEqual({ ended: "fuel" });
    expect(run(text, 2 ** 32)).toEqual({ ended: "trap" });
  });
});

describe("the stack", () => {
  const fibonacci = `(module (func $f (export "f") (param i32) (result i32)
      (if (i32.lt_s (local.get 0) (i32.const 2)) (then (return (local.get 0))))
      (i32.add (call $f (i32.sub (local.get 0) (i32.const 1)))
        (call $f (i32.sub (local.get 0) (i32.const 2)))))
    (func (export "main") (result i32) (call $f (i32.const 20))))`;

  test("is whole again after returns in the middle, and the cost is that of each run", () => {
    const { result, used } = run(fibonacci);
    expect(result).toBe(6765);
    expect(run(fibonacci).used).toBe(used);
  });

  test("is whole again after every way out of a body with several results", () => {
    const way = (jump: string) => `(module (func $leaf)
      (func $many (param i32) (result i32 i64)
        (call $leaf) (i32.const 1) (i64.const 2) ${jump})
      (func (export "main") (result i32)
        (call $many (i32.const 0)) (drop)))`;
    for (const jump of [
      "",
      "(return)",
      "(br 0)",
      "(br_if 0 (i32.const 1))",
      "(br_table 0 0 (i32.const 9))",
      "(return) (unreachable)",
    ]) {
      expect(run(way(jump)).result, jump).toBe(1);
    }
  });

  test("a frame that no stack should hold is refused", () => {
    const many = "(local i64)".repeat(5000);
    expect(() => run(`(module (func (export "main") (result i32) ${many} (i32.const 0)))`)).toThrow(
      /needs 50\d\d stack slots/,
    );
  });
});

test("fuel is the number of instructions: a loop of n turns costs n times its body", () => {
  const turns = (n: number) =>
    run(`(module (func (export "main") (result i32) (local i32)
      (loop $l (br_if $l (i32.lt_s
        (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const ${n}))))
      (local.get 0)))`).used as number;
  const [ten, twenty, thirty] = [turns(10), turns(20), turns(30)];
  expect(twenty - ten).toBe(thirty - twenty);
  expect(twenty - ten).toBe(10 * 9);
});

/** Random valid modules by binaryen's own fuzzer; each runs plain and instrumented. */
describe("modules of a fuzzer", () => {
  const SEEDS = 4;
  const FEATURES = "simd bulk-memory sign-ext nontrapping-float-to-int multivalue mutable-globals";

  function generated(seed: number): Uint8Array {
    const [input, output] = [fresh(`in-${seed}`), fresh(`out-${seed}.wasm`)];
    let state = seed;
    const noise = Uint8Array.from({ length: 600 + ((seed * 997) % 5000) }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 16;
    });
    writeFileSync(input, noise);
    const enable = FEATURES.split(" ").map((name) => `--enable-${name}`);
    spawnSync("node_modules/.bin/wasm-opt", ["-q", "-ttf", input, "-o", output, ...enable]);
    return readFileSync(output);
  }

  /** What each export answers and logs, and the memory after all of it. */
  function behaviour(bytes: Uint8Array): string[] {
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    const said: string[] = [];
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      imports[from] = { ...imports[from] };
      imports[from][name] = (...given: unknown[]) => said.push(`${name} ${given.join()}`) - 1;
    }
    const { exports } = new WebAssembly.Instance(module, imports);
    const calls = { ...exports } as Record<string, (...given: unknown[]) => unknown>;
    calls[START_EXPORT]?.();
    for (const [name, call] of Object.entries(calls)) {
      if (typeof call !== "function" || name === START_EXPORT) continue;
      for (const value of [0, 7, 0n, 7n]) {
        said.push(`${name}(${value}) = ${answer(call, value)}`);
      }
    }
    const memory = exports["memory"] as WebAssembly.Memory | undefined;
    const content = new Uint8Array(memory?.buffer ?? new ArrayBuffer(0));
    said.push(createHash("sha256").update(content).digest("hex"));
    return said;
  }

  function answer(call: (...given: unknown[]) => unknown, value: unknown): string {
    try {
      const result = call(...new Array(call.length).fill(value));
      return typeof result === "function" ? "a function" : String(result);
    } catch (error) {
      return (error as Error).message;
    }
  }

  const seeds = Array.from({ length: SEEDS }, (_, at) => at + 1);
  test.each(seeds)("of seed %i do the same with fuel as without", (seed) => {
    const bytes = generated(seed);
    const imported = WebAssembly.Module.imports(
      new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>),
    );
    const other = imported.find(({ kind }) => kind !== "function");
    if (other !== undefined) {
      expect(() => instrument(bytes, { pagesMax: PAGES })).toThrow(other.name);
      return;
    }
    const metered = instrument(bytes, { pagesMax: PAGES, fuel: PLENTY }).bytes;
    expect(behaviour(metered)).toEqual(behaviour(bytes));
  });
});
