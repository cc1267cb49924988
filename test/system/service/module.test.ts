/** Hostile modules: each is refused with a sentence, or runs within its bounds. */
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../../host/base/errors.ts";
import { WasmReader, WasmWriter } from "../../../host/system/service/binary.ts";
import { instrument } from "../../../host/system/service/fuel.ts";
import { PREAMBLE, readModule } from "../../../host/system/service/module.ts";
import { runService } from "../../../host/system/service/runner.ts";
import { scanBody } from "../../../host/system/service/scan.ts";
import { builtService, ServiceMachine, wat } from "../../support/services.ts";

const START = { name: "diskwright:start", kind: "function" };
const MAIN = `(func (export "main") (result i32) (i32.const 0))`;
const MEMORY = `(memory (export "memory") 1)`;

function reasonOf(module: Uint8Array): string {
  const { status, reason } = runService({ name: "hostile", module, fuel: 100_000 });
  expect(status, reason).toBe("refused");
  return reason;
}

describe("a module is refused, and the reason says what it has that it may not", () => {
  test.each([
    [`(module (import "env" "abort" (func)) ${MEMORY} ${MAIN})`, "it imports env.abort"],
    [`(module (import "cap" "reboot" (func)) ${MEMORY} ${MAIN})`, "it imports cap.reboot"],
    [
      `(module (import "cap" "find" (func (param i32) (result i32))) ${MEMORY} ${MAIN})`,
      "it imports cap.find as i>i, not as ii>i",
    ],
    [`(module (import "cap" "memory" (memory 1)) ${MAIN})`, "imports the memory cap.memory"],
    [`(module (import "cap" "t" (table 1 funcref)) ${MEMORY} ${MAIN})`, "the table cap.t"],
    [`(module (import "cap" "g" (global i32)) ${MEMORY} ${MAIN})`, "the global cap.g"],
    [`(module ${MEMORY})`, "it exports no function main"],
    [`(module (global (export "main") i32 (i32.const 0)) ${MEMORY})`, "no function main"],
    [`(module ${MEMORY} (func (export "main")))`, "its main is >, not >i"],
    [`(module ${MEMORY} (func (export "main") (result f64) (f64.const 0)))`, "its main is >?"],
    [`(module ${MAIN})`, "it exports no memory"],
    [`(module (memory 1) ${MAIN})`, "it exports no memory"],
    [`(module (memory (export "memory") 257) ${MAIN})`, "wants 257 pages of memory, 256 are"],
    [`(module (memory (export "memory") 1 2 shared) ${MAIN})`, "the memory is shared"],
    [`(module ${MEMORY} (table 100000 funcref) ${MAIN})`, "tables are larger than 65536"],
    [
      `(module ${MEMORY} ${MAIN} (global (export "diskwright:fuel") i32 (i32.const 0)))`,
      "it exports the reserved name 'diskwright:fuel'",
    ],
    [
      `(module ${MEMORY} (func $f) (func (export "main") (result i32) (return_call $g))
        (func $g (result i32) (i32.const 0)))`,
      "instruction 0x12",
    ],
    [`(module ${MEMORY} ${MAIN} (func (atomic.fence)))`, "instruction 0xfe"],
    [
      `(module ${MEMORY} ${MAIN} (func (param v128) (drop (i32x4.relaxed_trunc_f32x4_s
        (local.get 0)))))`,
      /instruction 0xfd 0x101|no valid/,
    ],
    [`(module ${MEMORY} ${MAIN} (tag $e) (func (throw $e)))`, /section 13|no valid/],
    [`(module (memory (export "memory") 1) (data (i32.const 65530) "too long") ${MAIN})`, /bounds/],
  ])("%s", (text, reason) => {
    expect(reasonOf(wat(text))).toMatch(reason);
  });

  test("empty, cut at any byte, too large, or of another version", () => {
    const module = builtService("overlay-extra");
    expect(reasonOf(new Uint8Array(0))).toBe("the bytes are no valid WebAssembly module");
    // A module that ends behind a section is valid; then it lacks what a service needs.
    for (let length = 0; length < module.length; length++) {
      expect(reasonOf(module.subarray(0, length)), `${length}`).toMatch(/no valid|exports no/);
    }
    const other = module.slice();
    other[4] = 2;
    expect(reasonOf(other)).toBe("the bytes are no valid WebAssembly module");
    const padded = new WasmWriter().bytes(module);
    padded.section(0, new WasmWriter().text("pad").bytes(new Uint8Array(2 << 20)));
    expect(reasonOf(padded.finish())).toMatch(/^the module has \d+ bytes, 2097152 are the limit$/);
  });

  test("a body that grows past what an engine takes", () => {
    const body = new WasmWriter().u8(0);
    for (let count = 0; count < 500_000; count++) body.u8(0x03, 0x40, 0x0b);
    body.u8(0x41, 0, 0x0b);
    const module = new WasmWriter().bytes(PREAMBLE);
    module.section(1, new WasmWriter().u8(1, 0x60, 0, 1, 0x7f));
    module.section(3, new WasmWriter().u8(1, 0));
    module.section(5, new WasmWriter().u8(1, 0, 1));
    module.section(7, new WasmWriter().u8(2).text("main").u8(0, 0).text("memory").u8(2, 0));
    module.section(10, new WasmWriter().u8(1).sized(body));
    expect(reasonOf(module.finish())).toBe("the module is too large for this engine");
  });
});

/** A module with some bytes changed, put in, or left out. */
const mutations = fc.array(
  fc.record({
    kind: fc.constantFrom("flip", "insert", "remove"),
    place: fc.nat(1_000_000),
    byte: fc.nat(255),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutated(
  bytes: Uint8Array,
  list: readonly { kind: string; place: number; byte: number }[],
): Uint8Array {
  const out = [...bytes];
  for (const { kind, place, byte } of list) {
    const at = place % out.length;
    if (kind === "flip") out[at] = byte;
    else if (kind === "insert") out.splice(at, 0, byte);
    else out.splice(at, 1);
  }
  return Uint8Array.from(out);
}

const services = readdirSync("build/services").filter((name) => name.endsWith(".wasm"));
const originals = services.map((name) => builtService(name.replace(/\.wasm$/, "")));

test("a service with changed bytes never throws and never hangs", () => {
  const machine = new ServiceMachine();
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.constantFrom(...originals), mutations, (original, list) => {
      const report = machine.run("mutant", { module: mutated(original, list), fuel: 100_000 });
      seen.add(report.status);
      expect(report.reason).not.toBe("");
      expect(report.fuelUsed).toBeLessThanOrEqual(100_000);
    }),
    { numRuns: 400 },
  );
  expect([...seen]).toContain("refused");
});

test("the reader alone, without an engine before it, answers or refuses with ENOEXEC", () => {
  fc.assert(
    fc.property(fc.constantFrom(...originals), mutations, (original, list) => {
      onlyRefuses(() => readModule(mutated(original, list)));
    }),
    { numRuns: 1000 },
  );
});

test("a body of any bytes is walked to its end, or refused with ENOEXEC", () => {
  const parts = readModule(builtService("system-update"));
  const type = { params: new Uint8Array(0), results: Uint8Array.of(0x7f) };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      onlyRefuses(() => scanBody(parts, type, new WasmReader(bytes)));
    }),
    { numRuns: 3000 },
  );
});

test("what comes out is valid, keeps every name, and is the same each time", () => {
  for (const [at, original] of originals.entries()) {
    const { bytes } = instrument(original, { pagesMax: 256 });
    expect(WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>), services[at]).toBe(true);
    expect(instrument(original, { pagesMax: 256 }).bytes).toEqual(bytes);
    const names = (binary: Uint8Array) =>
      WebAssembly.Module.exports(new WebAssembly.Module(binary as Uint8Array<ArrayBuffer>));
    expect(names(bytes)).toEqual([
      ...names(original),
      { name: "diskwright:fuel", kind: "global" },
      { name: "diskwright:stack", kind: "global" },
      ...(readModule(original).start === undefined ? [] : [START]),
    ]);
    expect(() => instrument(bytes, { pagesMax: 256 })).toThrow(/reserved name/);
  }
});

test("custom sections are gone: nothing in them could be right any more", () => {
  const named = wat(`(module ${MEMORY} (func $secret-name) ${MAIN})`);
  const custom = new WasmWriter().bytes(named);
  custom.section(0, new WasmWriter().text("secret-name"));
  const { bytes } = instrument(custom.finish(), { pagesMax: 1 });
  expect(Buffer.from(custom.finish()).includes("secret-name")).toBe(true);
  expect(Buffer.from(bytes).includes("secret-name")).toBe(false);
});

function onlyRefuses(act: () => unknown): void {
  try {
    expect(act()).toBeDefined();
  } catch (error) {
    expect(error).toBeInstanceOf(StorageError);
    expect((error as StorageError).code).toBe("ENOEXEC");
  }
}
