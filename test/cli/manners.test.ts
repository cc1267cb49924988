/** What every command owes the person at the terminal, whatever it does. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { diskwright, diskwrightJson } from "../support/cli.ts";

test("--version prints the version of package.json", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(diskwright(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("without a command the help goes to stderr and the exit code is 2", () => {
  const { code, stdout, stderr } = diskwright([]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toContain("Usage: diskwright");
});

test.each([[["nonsense"]], [["doctor", "--nonsense"]], [["doctor", "surplus"]]])(
  "%j is a usage error: exit 2, nothing on stdout, and what was wrong on stderr",
  (args) => {
    const { code, stdout, stderr } = diskwright(args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("error: ");
  },
);

test("doctor --json names the core and its ABI", () => {
  const { findings } = diskwrightJson(["doctor"]) as { findings: { name: string }[] };
  expect(findings.map(({ name }) => name)).toContain("core.wasm");
});
