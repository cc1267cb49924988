/** `--list-disks` and `--to`: what is shown is what can be chosen. */
import { truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { chosenDisk, listDisks, withTarget } from "../../host/cli/flow/install-disks.ts";
import type { Context } from "../../host/cli/kit/command.ts";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

function image(name: string): string {
  const path = fresh(name);
  writeFileSync(path, "");
  truncateSync(path, 2 ** 20);
  return path;
}

test("a disk is chosen by its number, its name or its path, and by nothing else", () => {
  const [one, two] = [image("one"), image("two")];
  const given = { positionals: [one, two], options: {} };
  for (const to of ["2", basename(two), two]) expect(chosenDisk(given, to)).toBe(two);
  for (const to of ["0", "3", "two", ""]) {
    expect(() => chosenDisk(given, to)).toThrow("no such disk");
  }
});

test("the sample disk and a disk in use are no targets", () => {
  const path = image("payload");
  const options = { source: path };
  expect(() => chosenDisk({ positionals: [], options: {} }, "1")).toThrow("sample disk");
  expect(() => chosenDisk({ positionals: [path], options }, "1")).toThrow("refused: ");
});

test("the list as JSON has the content and the obstacles of each disk", () => {
  const path = image("one");
  let shown: unknown;
  const out = {
    result: (value: unknown, text: () => string) => {
      shown = [value, text()];
    },
  };
  listDisks({ out } as unknown as Context, { positionals: [path], options: {} });
  expect(shown).toMatchObject([
    { sample: false, disks: [{ devPath: path, content: { blank: true }, obstacles: [] }] },
    expect.stringContaining("Available disks:"),
  ]);
});

test("a target is given once, by --target or by --to", () => {
  const path = image("one");
  const to = withTarget({ positionals: [path], options: { to: "1" } });
  expect(to.options["target"]).toBe(path);
  const named = { positionals: [], options: { target: path } };
  expect(withTarget(named)).toEqual(named);
  for (const options of [{}, { target: path, to: "1" }, { enumerateLocalDisks: true }]) {
    expect(() => withTarget({ positionals: [], options })).toThrow();
  }
  expect(() => withTarget({ positionals: [path], options: { target: path } })).toThrow();
});

test("the program lists disks, and installs onto one of the list", () => {
  const [one, two] = [image("one"), image("two")];
  const listed = diskwrightJson(["install", "--list-disks", one, two]);
  expect(listed).toMatchObject({ disks: [{ devPath: one }, { devPath: two }] });
  expect(diskwright(["install", "--source", "x"]).code).toBe(2);
  truncateSync(two, 2 ** 29);
  const sizes = ["--esp-size", "64MiB", "--system-size", "96MiB"];
  const args = ["install", "--layout", "rayos", "--to", "2", one, two, ...sizes, "--yes"];
  const { code, stderr } = diskwright(args);
  expect(code, stderr).toBe(0);
  expect(diskwright(["install", "--list-disks", two]).stdout).toContain("installed: RayOS");
});
