/** docs/service-abi.md against the code, its example compiled, and what hangs together. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path/posix";
import * as asc from "assemblyscript/asc";
import { expect, test } from "vitest";
import * as codes from "../../../assembly/services/abi/codes.ts";
import {
  EXCEPTION_KINDS,
  OUTCOME_CODES,
  TransportStatus,
} from "../../../host/system/caps/outcome.ts";
import { CAP_CALLS } from "../../../host/system/service/calls.ts";
import { SHIPPED_SERVICES, shippedService } from "../../../host/system/service/shipped.ts";
import { temporaryPaths } from "../../support/folder.ts";
import { builtService, ServiceMachine } from "../../support/services.ts";

const fresh = temporaryPaths();
const page = readFileSync("docs/service-abi.md", "utf8");
const constants = codes as unknown as Record<string, number>;

test("docs/service-abi.md lists every function of cap with its types, and no other", () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\w*) ?\|/gm)].map(([, name, types]) => [
    name,
    types,
  ]);
  expect(rows).toEqual(Object.entries(CAP_CALLS).map(([name, { params }]) => [name, params]));
});

test("docs/service-abi.md lists every status with its number", () => {
  const rows = [...page.matchAll(/^\| (-\d+) \| `(\w+)` \|/gm)].map(([, number, name]) => [
    name,
    Number(number),
  ]);
  const statuses = Object.entries(constants).filter(
    ([name, value]) => value < 0 && !name.endsWith("_BASE"),
  );
  expect(rows).toEqual(statuses);
});

test("the statuses a service sees are those of the capabilities, in their order", () => {
  const upper = (text: string) => text.replace(/[A-Z]/g, "-$&").replaceAll("-", "_").toUpperCase();
  for (const [at, code] of OUTCOME_CODES.entries()) {
    expect(constants[upper(code)], code).toBe(codes.OUTCOME_BASE - 1 - at);
  }
  for (const [at, kind] of EXCEPTION_KINDS.entries()) {
    expect(constants[upper(kind)], kind).toBe(codes.EXCEPTION_BASE - 1 - at);
  }
  for (const [name, status] of Object.entries(TransportStatus)) {
    if (name !== "OK") expect(constants[name], name).toBe(status);
  }
});

test("the kit declares each function of cap, with its types", () => {
  const kit = readFileSync("assembly/services/kit/cap.ts", "utf8");
  const letters: Record<string, string> = { i32: "i", usize: "i", i64: "I" };
  const declared = [...kit.matchAll(/function (\w+)\(([^)]*)\): i32;/g)].map(
    ([, name = "", params = ""]) => [
      name,
      [...params.matchAll(/: (\w+)/g)].map(([, type = ""]) => letters[type]).join(""),
    ],
  );
  expect(declared).toEqual(Object.entries(CAP_CALLS).map(([name, { params }]) => [name, params]));
});

test("the example of docs/service-abi.md compiles and lists a directory", async () => {
  const [source, wasm] = [fresh("hello.ts"), fresh("hello.wasm")];
  const [, example = ""] = /```ts\n(.*?)```/s.exec(page) ?? [];
  writeFileSync(source, example);
  const argv = ["--runtime", "stub", "--use", "abort=", "-O3", "--config", "none.json"];
  const base = ["--baseDir", dirname(source), "--outFile", basename(wasm)];
  const { error, stderr } = await asc.main([basename(source), ...argv, ...base]);
  expect(error, stderr.toString()).toBeNull();
  const machine = new ServiceMachine();
  machine.files.writeFile("/system/config/one", "1");
  machine.files.writeFile("/system/config/two", "2");
  const module = new Uint8Array(readFileSync(wasm));
  expect(machine.run("hello", { module })).toMatchObject({ status: "ok" });
  expect(machine.lines).toEqual(["[hello] one", "[hello] two"]);
});

test("nothing that runs a service needs Node", () => {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(path, "utf8");
    expect(text, path).not.toMatch(/^(import|export) (?!type ).*from "node:/m);
    const imports = text.matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]+)"/gms);
    for (const [, name = ""] of imports) visit(join(dirname(path), name));
  };
  visit("host/system/service/runner.ts");
  expect(seen.size).toBeGreaterThan(10);
});

test("each shipped service is built, imports cap only, and is listed", () => {
  const built = readdirSync("build/services").filter((name) => name.endsWith(".wasm"));
  expect(built).toEqual(SHIPPED_SERVICES.map((name) => `${name}.wasm`));
  for (const name of SHIPPED_SERVICES) {
    const bytes = shippedService(name);
    expect(bytes).toEqual(builtService(name));
    expect(bytes.length, name).toBeLessThan(8192);
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    const modules = new Set(WebAssembly.Module.imports(module).map((each) => each.module));
    expect([...modules], name).toEqual(["cap"]);
  }
  expect(() => shippedService("system-reboot" as never)).toThrow(/no service 'system-reboot'/);
});
