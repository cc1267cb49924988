/** The real program `rayos-installer`: its markers, its questions and its exit codes, by pipes. */
import { spawn } from "node:child_process";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { inventorySchema, registrySchema } from "../../host/format/json/rayos.ts";
import { INSTALLER, rayosInstaller } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();
const judge = new Ajv2020({ allowUnionTypes: true }).compile(inventorySchema);

function image(name: string, sizeBytes: number): string {
  const path = fresh(name);
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  return path;
}

/** The markers of a run, each without its prefix; fails where one shares its line. */
function markers(stderr: string): string[] {
  const found = stderr.split("\n").filter((line) => line.includes("RAYOS_INSTALLER"));
  for (const line of found) expect(line).toMatch(/^RAYOS_INSTALLER:[^\r]*$/);
  return found.map((line) => line.replace("RAYOS_INSTALLER:", ""));
}

const SAMPLE = ["STARTED", "SAMPLE_MODE", "PLAN_GENERATED:disk_count=1"];

describe("the three canonical sequences", () => {
  test("the plan", () => {
    const { code, stderr } = rayosInstaller(["--output-format", "json"]);
    expect(code).toBe(0);
    expect(stderr.split("\n")).toEqual([
      "RAYOS_INSTALLER:STARTED",
      "RAYOS_INSTALLER:SAMPLE_MODE",
      "RAYOS_INSTALLER:PLAN_GENERATED:disk_count=1",
      "RAYOS_INSTALLER:JSON_EMITTED",
      "RAYOS_INSTALLER:COMPLETE",
      "",
    ]);
  });

  test.each([["1\nyes\n"], ["1\nYES\n"], [" 1 \r\n yes \r\n"], ["1\nyes"], ["1\nyes\nmore\n"]])(
    "the dry run of %j",
    (input) => {
      const { code, stdout, stderr } = rayosInstaller(["--interactive"], input);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
      expect(markers(stderr)).toEqual([
        ...SAMPLE,
        "INTERACTIVE_MODE",
        "DRY_RUN",
        "INSTALLATION_PLAN_VALIDATED:disk=sample0",
        "INSTALLATION_SUCCESSFUL",
        "INTERACTIVE_COMPLETE",
      ]);
      expect(stderr).toContain("\nAvailable disks:\n  [1] sample0 - 256 GiB\n");
      expect(stderr).toContain("\nPartition configuration:\n");
      expect(stderr.match(/^(Enter the number|Proceed with|.*Type the name)/gm)).toHaveLength(2);
    },
  );

  test.each([["0\n"], ["1\nno\n"], ["1\ny\n"], ["1\n\n"], ["1\n"]])(
    "the cancellation of %j",
    (input) => {
      const { code, stdout, stderr } = rayosInstaller(["--interactive"], input);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
      expect(markers(stderr)).toEqual([
        ...SAMPLE,
        "INTERACTIVE_MODE",
        "INTERACTIVE_CANCELLED",
        "INTERACTIVE_COMPLETE",
      ]);
    },
  );
});

describe("exit code 1 without INTERACTIVE_COMPLETE", () => {
  test.each([["x\n"], ["\n"], [""], ["-1\n"], ["2\n"], ["1.5\n"], ["\0\n"], ["9".repeat(60_000)]])(
    "a first answer that is no number of the menu",
    (input) => {
      const { code, stderr } = rayosInstaller(["--interactive"], input);
      expect(code).toBe(1);
      expect(markers(stderr)).toEqual([...SAMPLE, "INTERACTIVE_MODE"]);
      expect(stderr).toMatch(/\nError: [^\n]+\n$/);
    },
  );

  test("an image that is not there: nothing of a plan is said", () => {
    const { code, stdout, stderr } = rayosInstaller([fresh("absent.img")]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(markers(stderr)).toEqual(["STARTED", "ENUMERATE_MODE"]);
    expect(stderr).toMatch(/\nError: [^\n]*absent\.img[^\n]*\n$/);
  });

  test("an environment that is wrong is an error, no crash", () => {
    process.env["SOURCE_DATE_EPOCH"] = "abc";
    try {
      const { code, stderr } = rayosInstaller(["--interactive"], "1\nyes\n");
      expect(code).toBe(1);
      expect(stderr).toMatch(/\nError: SOURCE_DATE_EPOCH[^\n]*\n$/);
    } finally {
      delete process.env["SOURCE_DATE_EPOCH"];
    }
  });

  test("a disk that must not be written to: INSTALLATION_FAILED comes first", () => {
    const path = image("own.img", 2 ** 20);
    const { code, stderr } = rayosInstaller(["--interactive", "--source", path, path], "1\n");
    expect(code).toBe(1);
    const said = markers(stderr);
    expect(said.slice(0, -1)).toEqual([
      "STARTED",
      "ENUMERATE_MODE",
      `DISK_DETECTED:${basename(path)}:1048576`,
      "PLAN_GENERATED:disk_count=1",
      "INTERACTIVE_MODE",
    ]);
    expect(said.at(-1)).toMatch(/^INSTALLATION_FAILED:reason=.*what shall be installed/);
    expect(stderr).toMatch(/\nError: [^\n]+\n$/);
  });
});

describe("usage", () => {
  test.each([
    [["--nonsense"]],
    [["--output-format", "xml"]],
    [["--output-format"]],
    [["--layout", "capos"]],
    [["--partition", "0"]],
    [["--partition", "1", "--free"]],
    [["--system-size", "much"]],
    [["--interactive", "--registry", "x"]],
    [["--yes"]],
    [["--version"]],
  ])("%j: exit code 2, and STARTED was said before", (args) => {
    const { code, stdout, stderr } = rayosInstaller(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.startsWith("RAYOS_INSTALLER:STARTED\nerror: ")).toBe(true);
  });

  test("--help: exit code 0, STARTED alone on standard error, and every option explained", () => {
    const { code, stdout, stderr } = rayosInstaller(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "RAYOS_INSTALLER:STARTED\n" });
    const source = readFileSync("host/cli/installer/options.ts", "utf8");
    const flags = [...source.matchAll(/["`](--[a-z-]+)(?: <|[",`])/g)].map(([, flag]) => flag);
    expect(flags.length).toBeGreaterThan(20);
    for (const flag of flags) expect(stdout).toContain(`${flag}`);
  });

  test("a device node without --enumerate-local-disks is refused", () => {
    const { code, stderr } = rayosInstaller(["/dev/null"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/\nError: /);
  });
});

describe("the plan on standard output", () => {
  test("the sample disk, as text of two spaces", () => {
    const { stdout } = rayosInstaller([]);
    const plan = JSON.parse(stdout);
    expect(judge(plan), JSON.stringify(judge.errors)).toBe(true);
    expect(stdout).toBe(`${JSON.stringify(plan, undefined, 2)}\n`);
    expect(Math.abs(plan.timestamp_epoch_s - Date.now() / 1000)).toBeLessThan(60);
    expect(plan.disks).toEqual([
      {
        name: "sample0",
        dev_path: "sample://disk0",
        is_removable: false,
        is_read_only: false,
        sector_size_bytes: 512,
        size_bytes: 274877906944,
        partitions: [536870912, 42949672960, 214748364800].map((size, index) => ({
          name: `sample0p${index + 1}`,
          dev_path: `sample://disk0p${index + 1}`,
          number: index + 1,
          size_bytes: size,
        })),
      },
    ]);
  });

  test("two image files: disk_count=2, and their real sizes", () => {
    const [one, two] = [image("one.img", 2 ** 38), image("two.img", 3 * 2 ** 20)];
    const { code, stdout, stderr } = rayosInstaller([one, "--disk", two]);
    expect(code).toBe(0);
    expect(markers(stderr)).toEqual([
      "STARTED",
      "ENUMERATE_MODE",
      `DISK_DETECTED:${basename(one)}:274877906944`,
      `DISK_DETECTED:${basename(two)}:3145728`,
      "PLAN_GENERATED:disk_count=2",
      "JSON_EMITTED",
      "COMPLETE",
    ]);
    const plan = JSON.parse(stdout);
    expect(judge(plan), JSON.stringify(judge.errors)).toBe(true);
    const told = plan.disks.map((disk: Record<string, unknown>) => [
      disk["dev_path"],
      disk["size_bytes"],
    ]);
    expect(told).toEqual([one, two].map((path) => [path, statSync(path).size]));
  });

  test("--enumerate-local-disks: valid JSON whatever this machine has, a marker for each", () => {
    const { code, stdout, stderr } = rayosInstaller(["--enumerate-local-disks"]);
    expect(code).toBe(0);
    const plan = JSON.parse(stdout);
    expect(judge(plan), JSON.stringify(judge.errors)).toBe(true);
    const detected = plan.disks.map(
      ({ name, size_bytes }: { name: string; size_bytes: number }) =>
        `DISK_DETECTED:${name}:${size_bytes}`,
    );
    expect(markers(stderr)).toEqual([
      "STARTED",
      "ENUMERATE_MODE",
      ...detected,
      `PLAN_GENERATED:disk_count=${plan.disks.length}`,
      "JSON_EMITTED",
      "COMPLETE",
    ]);
  });

  test("--debug says more, and never on the line of a marker", () => {
    const { stderr } = rayosInstaller(["--debug"]);
    expect(stderr.split("\n").slice(0, 3)).toEqual([
      "RAYOS_INSTALLER:STARTED",
      expect.stringMatching(/^INFO: /),
      "RAYOS_INSTALLER:SAMPLE_MODE",
    ]);
  });

  test("a file name cannot forge a marker", () => {
    const path = image("x\nRAYOS_INSTALLER:COMPLETE", 2 ** 20);
    const { stderr } = rayosInstaller(["--interactive", path], "0\n");
    const forged = stderr.split("\n").filter((line) => line === "RAYOS_INSTALLER:COMPLETE");
    expect(forged).toEqual([]);
  });
});

describe("docs/rayos-installer.md", () => {
  const page = readFileSync("docs/rayos-installer.md", "utf8");

  test("begins with a session that the program really has", () => {
    const [block = ""] = /^ {4}\$ printf.*?\n(?=\n\S)/ms.exec(page) ?? [];
    const [, ...shown] = block.split("\n").map((line) => line.replace(/^ {4}/, ""));
    const { stderr } = rayosInstaller(["--interactive"], "1\nyes\n");
    expect(shown.join("\n")).toBe(stderr);
  });

  test("names every marker that there is, and its registry file is one", () => {
    const source = readFileSync("host/format/rayos/lines.ts", "utf8");
    const names = [...source.matchAll(/\$\{PREFIX\}([A-Z_:]+)/g)].map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(15);
    for (const name of names) expect(page).toContain(`\`${name.replace(/:$/, "")}`);
    const examples = [...page.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = ""]) => text);
    const [inventory, registry] = examples.map((text) => JSON.parse(text));
    expect(judge(inventory), JSON.stringify(judge.errors)).toBe(true);
    const ours = new Ajv2020({ allowUnionTypes: true }).compile(registrySchema);
    expect(ours(registry), JSON.stringify(ours.errors)).toBe(true);
  });
});

/** Starts the program, waits until it has said `until`, sends a signal, and reads to the end. */
function interrupted(args: string[], input: string, until: string, signal: NodeJS.Signals) {
  const child = spawn(process.execPath, [INSTALLER, ...args]);
  let stderr = "";
  let sent = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    if (sent || !stderr.includes(until)) return;
    sent = true;
    child.kill(signal);
  });
  child.stdin.write(input);
  return new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, stderr }));
  });
}

describe("a signal at a question", () => {
  const questions = [
    ["first", "", "Enter the number"],
    ["second", "1\n", "Proceed with"],
  ] as const;
  test.each(questions)("SIGINT at the %s one: said whole, 130", async (_, input, until) => {
    const { code, stderr } = await interrupted(["--interactive"], input, until, "SIGINT");
    expect(code).toBe(130);
    expect(markers(stderr)).toEqual([...SAMPLE, "INTERACTIVE_MODE", "INTERACTIVE_CANCELLED"]);
    expect(stderr).toContain("Stopped. Nothing was written");
    expect(stderr.endsWith("\n")).toBe(true);
  });

  test("SIGTERM is the same with 143", async () => {
    const { code } = await interrupted(["--interactive"], "", "Enter the number", "SIGTERM");
    expect(code).toBe(143);
  });
});
