/** The tables in the module heads are the specification: they must tile, and match the constants. */
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { signaturesOf } from "./support/signatures.ts";

const STRUCT = /^ \* ([A-Z][A-Z0-9_]*),.*$/;
const ROW = /^ \* \| +(0x[0-9a-f]+) \| +(\d+) \| (\w+) /;

for (const folder of ["assembly/format", "assembly/format/media", "host/format"]) {
  for (const file of listed(folder)) {
    const lines = readFileSync(`${folder}/${file}`, "utf8").split("\n");
    const constants: Record<string, unknown> = await import(
      /* @vite-ignore */ resolve(folder, file)
    );
    let struct = "";
    const structs = new Map<string, { offset: number; size: number; field: string }[]>();
    for (const line of lines) {
      struct = STRUCT.exec(line)?.[1] ?? struct;
      const row = ROW.exec(line);
      if (!row) continue;
      const [, offset = "", size = "", field = ""] = row;
      structs.set(struct, [
        ...(structs.get(struct) ?? []),
        { offset: Number(offset), size: Number(size), field },
      ]);
    }
    if (structs.size === 0) continue;
    describe(`${folder}/${file}`, () => {
      for (const [name, rows] of structs) {
        test(`${name}: the table tiles the struct and matches the constants`, () => {
          let end = 0;
          for (const { offset, size, field } of rows) {
            expect(offset, `${field}: gap or overlap`).toBe(end);
            end = offset + size;
            if (!field.startsWith("reserved"))
              expect(constants[`${name}_${field.toUpperCase()}`], field).toBe(offset);
          }
          expect(constants[`${name}_SIZE`]).toBe(end);
        });
      }
    });
  }
}

test("docs/abi.md names every export and every import of both modules, and nothing else", () => {
  const page = readFileSync("docs/abi.md", "utf8");
  const named = [...page.matchAll(/^\| `(\w+)` \| \(/gm)].map(([, name]) => name);
  const core = functionsOf("core");
  // What both export stands there once.
  const functions = [...core, ...functionsOf("media").filter((name) => !core.includes(name))];
  expect(named.sort()).toEqual(functions.sort());
});

test("docs/abi.md says of each how many arguments of which size it takes, and what it answers", () => {
  const page = readFileSync("docs/abi.md", "utf8");
  const middle = page.indexOf("\n## Exports\n");
  // Wasm knows 32 bits, whatever they mean.
  const rowsOf = (text: string) =>
    new Map(
      [...text.matchAll(/^\| `(\w+)` \| (\(.*?) \|/gm)].map(([, name = "", row = ""]) => [
        name,
        row.replace(/\w+: /g, "").replaceAll("u32", "i32"),
      ]),
    );
  const [taken, given] = [rowsOf(page.slice(0, middle)), rowsOf(page.slice(middle))];
  for (const name of ["core", "media"]) {
    const { imports, exports } = signaturesOf(readFileSync(`build/${name}.wasm`));
    expect(exports.size).toBeGreaterThan(20);
    for (const [each, signature] of imports)
      expect([each, taken.get(each.slice(5))]).toEqual([each, signature]);
    for (const [each, signature] of exports)
      expect([each, given.get(each)]).toEqual([each, signature]);
  }
});

/** Exports and imports of a module of the build. */
function functionsOf(name: string): string[] {
  const module = new WebAssembly.Module(readFileSync(`build/${name}.wasm`));
  return [...WebAssembly.Module.exports(module), ...WebAssembly.Module.imports(module)]
    .filter(({ kind, name }) => kind === "function" && name !== "abort")
    .map(({ name }) => name);
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder).filter((f) => f.endsWith(".ts"));
  } catch {
    return [];
  }
}
