/** The commands of the pages are run as they stand, in a shell, with the real program. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { greeter } from "../../host/system/demo/greeter.ts";
import { temporaryPaths } from "../support/folder.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/host/cli/main.js", import.meta.url));
const fresh = temporaryPaths();

function shell(script: string, folder: string) {
  const whole = `set -euo pipefail\ndiskwright() { '${process.execPath}' '${PROGRAM}' "$@"; }\n`;
  const options = { cwd: folder, encoding: "utf8", timeout: 120_000 } as const;
  return spawnSync("bash", ["-c", whole + script], { ...options, env: { ...process.env } });
}

test("docs/flows.md: the life of a system, from top to bottom", () => {
  const page = readFileSync("docs/flows.md", "utf8");
  const script = /^```sh\n(.*?)^```$/ms.exec(page)?.[1] ?? "";
  const folder = fresh("flows");
  mkdirSync(folder);
  const { status, stdout, stderr } = shell(script, folder);
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("diskwright:")]);
  expect(stdout).toMatch(/\[gen\] generation 2 [0-9a-f]{64} is golden/);
  expect(stdout).toMatch(/\[gen\] generation 3 [0-9a-f]{64} failed: service overlay-failing/);
  const found = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
  expect(found).toMatchObject({ active: 4, golden: 4, phase: "idle", previous: [2, 1] });
});

test("README.md: from a folder with a boot loader to a verified disk", () => {
  const page = readFileSync("README.md", "utf8");
  const section = page.split("## Use it from the command line")[1]?.split("\n## ")[0] ?? "";
  const script = [...section.matchAll(/^ {4}(.*)$/gm)].map(([, line]) => line).join("\n");
  const folder = fresh("readme");
  mkdirSync(join(folder, "boot/EFI/BOOT"), { recursive: true });
  writeFileSync(join(folder, "boot/EFI/BOOT/BOOTX64.EFI"), greeter("hello"));
  const { status, stdout, stderr } = shell(script, folder);
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("diskwright:")]);
  expect(stdout).toContain("data region: mounted");
  expect(stdout).toContain("clean");
});
