/** The installer's prompts on a real terminal, which `script` of util-linux gives it. */
import { spawn, spawnSync } from "node:child_process";
import { truncateSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { diskwrightJson, INSTALLER, PROGRAM } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";
import { imageFolder, RAYOS_FILES } from "../system/rayos/support.ts";

const fresh = temporaryPaths();
const hasScript = spawnSync("script", ["--version"]).status === 0;
const DOWN = "\u001b[B";

interface Typed {
  /** What must be on the screen before the keys are pressed. */
  readonly after: string;
  readonly keys: string;
}

const INTERACTIVE = [INSTALLER, "--interactive"];

/** Runs a program on a terminal of so many columns; the screen's text, without its movements. */
function onTerminal(
  columns: number,
  typed: readonly Typed[],
  program: readonly string[] = INTERACTIVE,
): Promise<string[]> {
  const words = [process.execPath, ...program].map((word) => `"${word}"`).join(" ");
  const line = `stty cols ${columns} rows 40; ${words}; echo "exit $?"; stty -a`;
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    env: { ...process.env, TERM: "xterm", CI: "" },
  });
  let screen = "";
  const left = [...typed];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    screen += text;
    const next = left[0];
    if (next === undefined || !screen.includes(next.after)) return;
    left.shift();
    setTimeout(() => child.stdin.write(next.keys), 200);
  });
  const limit = setTimeout(() => child.kill(), 20_000);
  return new Promise((resolve) => {
    child.once("close", () => {
      clearTimeout(limit);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what terminals are told
      resolve(screen.replace(/\u001b\[[\d;?]*[A-Za-z]/g, "").split(/\r?\n/));
    });
  });
}

function markers(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith("RAYOS_INSTALLER:")).map((line) => line.slice(16));
}

const OPENING = ["STARTED", "SAMPLE_MODE", "PLAN_GENERATED:disk_count=1", "INTERACTIVE_MODE"];

test.skipIf(!hasScript)(
  "Enter on the sample, then yes: the canonical lines, each alone",
  async () => {
    const lines = await onTerminal(100, [
      { after: "[0] cancel", keys: "\r" },
      { after: "(yes/no)", keys: "yes\r" },
    ]);
    expect(markers(lines)).toEqual([
      ...OPENING,
      "DRY_RUN",
      "INSTALLATION_PLAN_VALIDATED:disk=sample0",
      "INSTALLATION_SUCCESSFUL",
      "INTERACTIVE_COMPLETE",
    ]);
    expect(lines).toContain("exit 0");
  },
);

test.skipIf(!hasScript)("the last row cancels", async () => {
  const lines = await onTerminal(100, [{ after: "[0] cancel", keys: `${DOWN}\r` }]);
  expect(markers(lines)).toEqual([...OPENING, "INTERACTIVE_CANCELLED", "INTERACTIVE_COMPLETE"]);
  expect(lines).toContain("exit 0");
});

test.skipIf(!hasScript)(
  "Ctrl-C at the second prompt: 130, and the terminal echoes again",
  async () => {
    const lines = await onTerminal(100, [
      { after: "[0] cancel", keys: "\r" },
      { after: "(yes/no)", keys: "\u0003" },
    ]);
    expect(markers(lines)).toEqual([...OPENING, "INTERACTIVE_CANCELLED"]);
    expect(lines).toContain("exit 130");
    const modes = lines.join(" ").split(/\s+|;/);
    expect(modes).toContain("icanon");
    expect(modes).toContain("echo");
  },
);

test.skipIf(!hasScript)(
  "on a terminal too narrow for prompts the questions are lines",
  async () => {
    const lines = await onTerminal(20, [
      { after: "0 to cancel", keys: "1\r" },
      { after: "(yes/no)", keys: "yes\r" },
    ]);
    expect(markers(lines).at(-1)).toBe("INTERACTIVE_COMPLETE");
    expect(lines).toContain("exit 0");
  },
);

test.skipIf(!hasScript)(
  "in the emulated machine the prompts are the same, and a cancellation starts the kernel",
  async () => {
    const [iso, disk] = [fresh("m.iso"), fresh("small.img")];
    const payload = imageFolder(RAYOS_FILES);
    diskwrightJson(["image", "mkmedia", iso, "--layout", "rayos", "--payload", payload]);
    writeFileSync(disk, "");
    truncateSync(disk, 2 ** 20);
    const keys = [{ after: "[0] cancel", keys: `${DOWN}\r` }];
    const lines = await onTerminal(100, keys, [PROGRAM, "boot", disk, "--cdrom", iso]);
    expect(markers(lines).slice(-2)).toEqual(["INTERACTIVE_CANCELLED", "INTERACTIVE_COMPLETE"]);
    expect(lines).toContain("RayOS uefi_boot: binary read OK; exiting boot services");
    expect(lines).toContain("exit 0");
  },
);
