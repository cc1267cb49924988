/** What a service may do and what becomes of it: every misbehaviour has a status and a sentence. */
import { expect, test } from "vitest";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { BlockCap } from "../../../host/system/caps/block.ts";
import { ConsoleCap } from "../../../host/system/caps/console.ts";
import { unwrap } from "../../../host/system/caps/outcome.ts";
import { StoreCap } from "../../../host/system/caps/store.ts";
import { runService } from "../../../host/system/service/runner.ts";
import { builtService, ServiceMachine, wat } from "../../support/services.ts";

const FUEL = 2_000_000;

test("a service with nothing wrong ends as ok, and its lines carry its name", () => {
  const machine = new ServiceMachine();
  const report = machine.run("overlay-extra");
  expect(report).toMatchObject({ name: "overlay-extra", status: "ok", exitCode: 0 });
  expect(machine.lines).toEqual(["[overlay-extra] started via overlay"]);
  expect(report.reached).toBe("cap.console_write, call 2");
});

test("console-paths uses what it was granted, and works with a console alone", () => {
  const machine = new ServiceMachine();
  machine.files.writeFile("/system/config/one", "1");
  machine.files.mkdir("/system/config/two");
  expect(machine.run("console-paths").status).toBe("ok");
  const caps = { console: machine.console("console-paths") };
  expect(machine.run("console-paths", { caps }).status).toBe("ok");
  expect(machine.lines).toEqual([
    "[console-paths] config entries=2",
    "[console-paths] Console paths ok.",
    "[console-paths] Console paths ok.",
  ]);
});

test("the config is listed whole when it takes several calls", () => {
  const machine = new ServiceMachine();
  const name = "a-long-name-so-that-few-fit-into-the-room-of-one-call-".repeat(3);
  for (let at = 0; at < 90; at++) {
    machine.files.writeFile(`/system/config/${name}${at}`, "");
  }
  expect(machine.run("console-paths").status).toBe("ok");
  expect(machine.lines[0]).toBe("[console-paths] config entries=90");
});

test.each([
  ["testing/hang", "fuel", "used up its fuel of 2000000"],
  ["testing/trap", "trap", "trapped: unreachable code was reached"],
  ["testing/exit", "exit", "ended with 7; the last refusal was: 'no-such-file': not found"],
  ["testing/flood", "flood", "flooded the console: testing/flood wrote more than 1000 lines"],
  ["testing/ungranted", "refused", 'asked for the capability "target", which it was not granted'],
  [
    "testing/hog",
    "trap",
    "trapped: unreachable code was reached; its memory is at the limit of 256 pages",
  ],
  ["testing/deep", "trap", "trapped: its calls go too deep for the stack"],
])("%s ends as %s, by name, and the next one runs", (name, status, reason) => {
  const machine = new ServiceMachine();
  const report = machine.run(name, { fuel: FUEL });
  expect(report).toMatchObject({ name, status, reason });
  expect(machine.run("overlay-extra").status).toBe("ok");
});

test("a wrong pointer, handle, flag or number is answered with the status that says so", () => {
  const report = new ServiceMachine().run("testing/careless");
  expect(report).toMatchObject({ status: "ok", exitCode: 0 });
});

test("the same service over the same disk uses the same fuel, to the unit", () => {
  const used = ["console-paths", "testing/careless", "testing/exit", "testing/flood"].map(
    (name) => {
      const [first, second] = [new ServiceMachine().run(name), new ServiceMachine().run(name)];
      expect(second.fuelUsed, name).toBe(first.fuelUsed);
      return first.fuelUsed;
    },
  );
  expect(used.every((units) => units > 1000)).toBe(true);
});

test("fuel is enough or it is not: one unit less than needed is out of fuel", () => {
  const { fuelUsed } = new ServiceMachine().run("overlay-extra");
  expect(new ServiceMachine().run("overlay-extra", { fuel: fuelUsed }).status).toBe("ok");
  const short = new ServiceMachine().run("overlay-extra", { fuel: fuelUsed - 1 });
  expect(short).toMatchObject({ status: "fuel", fuelUsed: fuelUsed - 1 });
});

test("a limit of memory is what memory.grow answers -1 at", () => {
  const module = wat(`(module (memory (export "memory") 1)
    (func (export "main") (result i32) (local i32)
      (loop $more
        (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (memory.size)))`);
  const report = runService({ name: "grow", module, memoryPages: 9 });
  expect(report).toMatchObject({ status: "exit", exitCode: 9 });
});

test("a device that fails is a status the service sees, and the machine goes on", () => {
  const device = new MemoryDevice({ size: "1MiB" });
  const target = unwrap(BlockCap.over(device), "open");
  const module = wat(`(module
    (import "cap" "find" (func $find (param i32 i32) (result i32)))
    (import "cap" "block_read" (func $read (param i32 i64 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "target")
    (func (export "main") (result i32)
      (call $read (call $find (i32.const 0) (i32.const 6))
        (i64.const 0) (i32.const 1) (i32.const 64))))`);
  expect(runService({ name: "reads", module, caps: { target } })).toMatchObject({ exitCode: 1 });
  device.close();
  const report = runService({ name: "reads", module, caps: { target } });
  expect(report).toMatchObject({ status: "exit", exitCode: -203 });
  expect(report.reason).toContain("disconnected: readBlocks");
});

test("a bug of the host ends the service with a reason that leaks nothing of it", () => {
  const secret = new Error("at address 0xdeadbeef");
  const store = StoreCap.over({
    put: () => {
      throw secret;
    },
  } as never);
  const module = wat(`(module
    (import "cap" "find" (func $find (param i32 i32) (result i32)))
    (import "cap" "store_put" (func $put (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "store")
    (func (export "main") (result i32)
      (call $put (call $find (i32.const 0) (i32.const 5))
        (i32.const 0) (i32.const 1) (i32.const 64))))`);
  const report = runService({ name: "unlucky", module, caps: { store } });
  expect(report).toMatchObject({
    status: "trap",
    reason: "the host failed inside of cap.store_put (Error)",
    cause: secret,
  });
});

test("what a service opened is closed after it, what it was granted is not", () => {
  const machine = new ServiceMachine();
  const { config } = machine;
  const module = wat(`(module
    (import "cap" "find" (func $find (param i32 i32) (result i32)))
    (import "cap" "dir_open" (func $open (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "config")
    (func (export "main") (result i32)
      (i32.lt_s
        (call $open (call $find (i32.const 0) (i32.const 6)) (i32.const 0) (i32.const 1)
          (i32.const 10))
        (i32.const 0))))`);
  // It leaves a file open for writing; were it still open, the second run would get "conflict".
  for (let times = 0; times < 2; times++) {
    expect(runService({ name: "leaves", module, caps: { config } }).status).toBe("ok");
  }
  expect(config.live).toBe(true);
});

test("a service reaches nothing but what it was granted, under the granted name", () => {
  const machine = new ServiceMachine();
  const module = builtService("console-paths");
  const report = runService({ name: "poor", module, caps: { screen: machine.console("poor") } });
  expect(report).toMatchObject({
    status: "refused",
    reason: 'asked for the capability "console", which it was not granted',
  });
  expect(machine.lines).toEqual([]);
});

test("a name of Object.prototype is neither a grant nor a function", () => {
  const module = wat(`(module
    (import "cap" "find" (func $find (param i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "toString")
    (func (export "main") (result i32) (call $find (i32.const 0) (i32.const 8))))`);
  expect(runService({ name: "sly", module }).status).toBe("refused");
  const imported = wat(`(module (import "cap" "constructor" (func (result i32)))
    (memory (export "memory") 1) (func (export "main") (result i32) (i32.const 0)))`);
  expect(runService({ name: "sly", module: imported }).reason).toContain("cap.constructor");
});

test("the last line of a service that ends without a newline is shown", () => {
  const machine = new ServiceMachine();
  const module = wat(`(module
    (import "cap" "find" (func $find (param i32 i32) (result i32)))
    (import "cap" "console_write" (func $write (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "console")
    (func (export "main") (result i32)
      (drop (call $write (call $find (i32.const 0) (i32.const 7)) (i32.const 0) (i32.const 7)))
      (i32.const 0)))`);
  const console = ConsoleCap.over(machine.log, { name: "short" });
  expect(runService({ name: "short", module, caps: { console } }).status).toBe("ok");
  expect(machine.lines).toEqual(["[short] console"]);
});
