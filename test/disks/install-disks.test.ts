/** `--list-disks` and `--to`: what is shown is what can be chosen. */
import { truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { chosenDisk, listDisks } from "../../host/cli/flow/install-disks.ts";
import type { Context } from "../../host/cli/kit/command.ts";
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
