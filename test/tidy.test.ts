/** Properties of the code itself: who imports whom, sizes, heads, and marks left behind. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path/posix";
import { expect, test } from "vitest";
import { LAYERS } from "./layers.ts";

const LINES_MAX = 500;
const COLUMNS_MAX = 100;
const FILES_MAX = 9;

const files = ["assembly", "host"].flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: "utf8" }).map((name) => join(root, name)),
);
const sources = files.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"));

test("a row of LAYERS names only rows above it", () => {
  const above: string[] = [];
  for (const [folder, allowed] of Object.entries(LAYERS)) {
    expect(above, folder).toEqual(expect.arrayContaining([...allowed]));
    above.push(folder);
  }
});

test.each(sources)("%s imports only what its folder may", (path) => {
  const folder = dirname(path);
  const upward = relativeImports(path).filter(
    (target) => dirname(target) !== folder && !LAYERS[folder]?.includes(dirname(target)),
  );
  expect(upward).toEqual([]);
  expect(LAYERS[folder], `${folder} has no row in LAYERS`).toBeDefined();
});

test("no file imports itself through others", () => {
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    expect(trail, "import cycle").not.toContain(path);
    if (done.has(path)) return;
    for (const next of relativeImports(path)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of sources) visit(path, []);
});

test.each(sources)("%s has a head, short lines and no left-over marks", (path) => {
  const lines = readFileSync(path, "utf8").split("\n");
  expect(lines[0]).toMatch(/^\/\*\*/);
  expect(lines.length).toBeLessThanOrEqual(LINES_MAX);
  expect(lines.filter((line) => line.length > COLUMNS_MAX)).toEqual([]);
  expect(lines.filter((line) => /\b(FIXME|XXX)\b|console\.log/.test(line))).toEqual([]);
});

test("of host/ only host/core reads the tables of disk formats", () => {
  const format = /assembly\/format\/(?!abi|errors)[\w/]+\.ts$/;
  const readers = sources
    .filter((path) => path.startsWith("host/") && !path.startsWith("host/core/"))
    .filter((path) => relativeImports(path).some((target) => format.test(target)));
  expect(readers).toEqual([]);
});

test("no file in host/ holds a signature of a disk format", () => {
  const signature = /EFI PART|CPG1|OBJ1|RRaA|rrAa|CAPOSRG1|0x4f504143|0x31475043|0xaa55/i;
  const sentences = "host/core/gpt/problems.ts";
  const holders = sources
    .filter((path) => path.startsWith("host/") && path !== sentences)
    .filter((path) => signature.test(readFileSync(path, "utf8")));
  expect(holders).toEqual([]);
});

test("no folder holds more than nine files", () => {
  const counts = new Map<string, number>();
  for (const path of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  expect([...counts].filter(([, count]) => count > FILES_MAX)).toEqual([]);
});

/**
 * Repository paths of the modules that `path` imports by a relative name, in any of the three
 * forms. What ends in "?url" is the address of a file, not a module.
 */
function relativeImports(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const names = [...text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)];
  const modules = names.filter(([, name = ""]) => !name.endsWith("?url"));
  return modules.map(([, name = ""]) =>
    join(dirname(path), name.endsWith(".ts") ? name : `${name}.ts`),
  );
}
