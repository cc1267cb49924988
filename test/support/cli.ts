/** Runs the real program, as a person would: dist/host/cli/main.js in a process of its own. */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const PROGRAM = fileURLToPath(new URL("../../dist/host/cli/main.js", import.meta.url));
/** The other program of the package. */
export const INSTALLER = fileURLToPath(
  new URL("../../dist/host/cli/installer/main.js", import.meta.url),
);

export interface CliOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `diskwright ARGS` to its end; `input` is its standard input, nothing by default. */
export function diskwright(args: readonly string[], input: string | Uint8Array = ""): CliOutcome {
  return runProgram(PROGRAM, args, input);
}

/** Runs `rayos-installer ARGS` to its end, through real pipes. */
export function rayosInstaller(args: readonly string[], input = ""): CliOutcome {
  return runProgram(INSTALLER, args, input);
}

function runProgram(
  program: string,
  args: readonly string[],
  input: string | Uint8Array,
): CliOutcome {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [program, ...args], {
    input,
    encoding: "utf8",
    timeout: 120_000,
    maxBuffer: 1 << 28,
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (error) throw error;
  return { code: status, stdout, stderr };
}

/** The same beside other work: two at a time use two cores. */
export function diskwrightAside(args: readonly string[]): Promise<CliOutcome> {
  const env = { ...process.env, NO_COLOR: "1" };
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** The one JSON object that `diskwright ARGS --json` prints last. */
export function diskwrightJson(args: readonly string[]): Record<string, unknown> {
  const { code, stdout, stderr } = diskwright([...args, "--json"]);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}${stdout}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}
