/** The program behind its first line: streams, signals and the front end of one run. */
import { sourceDateEpoch } from "../../system/image/reproducible.ts";
import { runInstaller } from "./app.ts";
import { engine } from "./engine.ts";
import { isTerminal, LineFront, TerminalFront } from "./front.ts";
import { type InstallerOptions, parseOptions } from "./options.ts";
import { InstallerExit, type World } from "./world.ts";

const out = (text: string): void => void process.stdout.write(text);
const err = (text: string): void => void process.stderr.write(text);

/** Runs `argv`, without node and script, and answers the exit code. */
export async function start(argv: readonly string[], program: string): Promise<number> {
  const options = parseOptions(argv, { out, err });
  return "exitCode" in options ? options.exitCode : await runOptions(options, argv, program);
}

async function runOptions(
  given: InstallerOptions,
  argv: readonly string[],
  program: string,
): Promise<number> {
  const abort = new AbortController();
  let stoppedBy: number | undefined;
  for (const [name, code] of [
    ["SIGINT", InstallerExit.STOPPED],
    ["SIGTERM", 143],
  ] as const) {
    process.on(name, () => {
      // The second time nobody waits for a safe point; what was begun can be resumed all the same.
      if (stoppedBy !== undefined) process.exit(code);
      stoppedBy = code;
      abort.abort(new Error(`stopped by ${name}`));
    });
  }
  const { signal } = abort;
  const front = isTerminal()
    ? new TerminalFront(err, signal)
    : new LineFront(process.stdin, err, signal);
  const world: World = {
    ...{ out, err, signal, engine, front },
    nowMs: Date.now(),
    sourceDateEpoch: () => sourceDateEpoch(process.env),
    program,
    resumeCommand: resumeCommand(argv),
  };
  try {
    const code = await runInstaller(given, world);
    return code === InstallerExit.STOPPED ? (stoppedBy ?? code) : code;
  } finally {
    front.close();
  }
}

/** The same command with --resume, as a shell takes it. */
function resumeCommand(words: readonly string[]): string {
  const all = words.includes("--resume") ? words : [...words, "--resume"];
  const quoted = all.map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return ["rayos-installer", ...quoted].join(" ");
}
