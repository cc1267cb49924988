/**
 * Other people's tools. Under CI a missing one fails the test that needs it; elsewhere that test is
 * reported as skipped, with the tool's name.
 */
import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { onTestFinished, test } from "vitest";

const folders = [...(process.env.PATH ?? "").split(delimiter), "/sbin", "/usr/sbin"];

/** Path of a tool, or undefined. A name with a slash is a file that must exist. */
export function findTool(name: string): string | undefined {
  if (name.includes("/")) return existsSync(name) ? name : undefined;
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Vitest's `test` for bodies that need `tools`. */
export function testWith(
  ...tools: readonly string[]
): (name: string, body: () => unknown, timeoutMs?: number) => void {
  const missing = tools.filter((name) => findTool(name) === undefined);
  if (missing.length === 0) {
    return (name, body, timeoutMs) => test(name, async () => void (await body()), timeoutMs);
  }
  const list = missing.join(", ");
  if (!process.env.CI)
    return (name, body) => test.skip(`${name} [missing: ${list}]`, () => void body());
  return (name) =>
    test(name, () => {
      throw new Error(`CI must install ${list}`);
    });
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both streams, stdout first. */
  readonly text: string;
}

/** Runs a tool to its end (two minutes at most) in a UTF-8 locale. */
export function run(
  name: string,
  args: readonly string[],
  options: SpawnSyncOptions = {},
): Outcome {
  const path = findTool(name);
  if (path === undefined) throw new Error(`missing tool: ${name}`);
  const env = { ...process.env, LC_ALL: "C.UTF-8", ...options.env };
  const done = spawnSync(path, args, {
    timeout: 120_000,
    maxBuffer: 1 << 28,
    ...options,
    env,
    encoding: "utf8",
  });
  if (done.error) throw done.error;
  const { status: code, stdout, stderr } = done;
  return { code, stdout, stderr, text: `${stdout}${stderr}` };
}

/** A folder of this test's own, removed when the test has finished. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "diskwright-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
