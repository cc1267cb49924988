/**
 * What a command is, and how commander runs it: one object per file with its text, options and
 * run().
 * A command reads no argv, prints through its context and returns an exit code.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { Refusal, StorageError } from "../../base/errors.ts";
import { Output } from "./output.ts";
import { Progress } from "./progress.ts";
import { confirm } from "./prompts.ts";

/** Exit codes of `diskwright` (docs/cli.md). */
export const Exit = { DONE: 0, FAILED: 1, USAGE: 2, DAMAGE: 3, REFUSED: 4 } as const;
export type ExitCode = (typeof Exit)[keyof typeof Exit];

export interface OptionSpec {
  /** As commander writes it: `--size <size>`, `--force`. */
  readonly flags: string;
  readonly summary: string;
  readonly default?: string | boolean;
  readonly required?: boolean;
  readonly choices?: readonly string[];
  /** Turns the text into a value; throws to refuse it. */
  readonly parse?: (text: string) => unknown;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** `<disk>` required, `[path]` optional, `<file...>` one or more; the text says what it is. */
  readonly arguments?: Readonly<Record<string, string>>;
  readonly options?: readonly OptionSpec[];
  /** Adds --dry-run and --yes. */
  readonly writes?: boolean;
  readonly examples?: readonly string[];
  readonly subcommands?: readonly CommandSpec[];
  run?(context: Context, given: Given): Promise<ExitCode | undefined> | Promise<void>;
}

/** What the person gave: arguments by position (a variadic one is the rest), options by name. */
export interface Given {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** What a command may use of the world. */
export interface Context {
  readonly out: Output;
  readonly progress: Progress;
  /** Aborted by SIGINT or SIGTERM; long commands stop at a safe point. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  readonly dryRun: boolean;
  /** Asks before a destructive step; --yes answers it. Throws a Refusal where nobody can answer. */
  confirm(question: string): Promise<void>;
}

/** The command line itself is wrong: exit 2, with what was expected. */
export class UsageError extends Error {}

/**
 * Runs `argv` (without node and script) over `specs`; answers the exit code, never exits itself.
 */
export async function runCli(
  specs: readonly CommandSpec[],
  version: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const outcome: Outcome = { code: Exit.DONE };
  const program = strict(new Command("diskwright"))
    .description("Makes, installs, verifies and explains whole bootable disks.")
    .version(version)
    .showHelpAfterError("(diskwright COMMAND --help explains the command)");
  for (const spec of specs) program.addCommand(build(spec, signal, outcome));
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    return Exit.USAGE;
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return outcome.code;
  } catch (error) {
    return report(error, new Output(argv.includes("--json")));
  }
}

interface Outcome {
  code: number;
}

function build(spec: CommandSpec, signal: AbortSignal, outcome: Outcome): Command {
  const command = strict(new Command(spec.name).description(spec.summary));
  for (const subcommand of spec.subcommands ?? []) {
    command.addCommand(build(subcommand, signal, outcome));
  }
  const { run } = spec;
  if (run === undefined) return command;
  for (const [name, text] of Object.entries(spec.arguments ?? {})) command.argument(name, text);
  for (const option of spec.options ?? []) command.addOption(toOption(option));
  if (spec.writes) {
    command.option("--dry-run", "say what would be done, and write nothing");
    command.option("-y, --yes", "answer the question before a destructive step");
  }
  command.option("--json", "print JSON; long commands print one object per line");
  if (spec.examples) command.addHelpText("after", `\nExamples:\n  ${spec.examples.join("\n  ")}`);
  command.action(async () => {
    const options = command.opts<Record<string, unknown>>();
    const context = makeContext(options, signal);
    try {
      const code = await run.call(spec, context, { positionals: command.args, options });
      outcome.code = code ?? Exit.DONE;
    } finally {
      context.progress.stop();
    }
  });
  return command;
}

function makeContext(options: Readonly<Record<string, unknown>>, signal: AbortSignal): Context {
  const out = new Output(options["json"] === true);
  return {
    out,
    progress: new Progress(out),
    signal,
    json: out.json,
    dryRun: options["dryRun"] === true,
    confirm: (question) => confirm(question, options["yes"] === true),
  };
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.summary);
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.required) option.makeOptionMandatory();
  if (spec.choices) option.choices(spec.choices);
  const { parse } = spec;
  if (parse) {
    option.argParser((text) => {
      try {
        return parse(text);
      } catch (error) {
        throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
      }
    });
  }
  return option;
}

/** Commander throws instead of exiting; its messages go to stderr. */
function strict(command: Command): Command {
  return command.exitOverride().configureOutput({
    writeOut: (text) => process.stdout.write(text),
    writeErr: (text) => process.stderr.write(text),
  });
}

/** Prints why a command failed and answers the exit code. */
function report(error: unknown, out: Output): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.DONE : Exit.USAGE;
  if (error instanceof UsageError) {
    out.failure(error.message, { code: "USAGE", message: error.message });
    return Exit.USAGE;
  }
  if (error instanceof Error) {
    out.failure(error.message, describe(error));
    return error instanceof Refusal ? Exit.REFUSED : Exit.FAILED;
  }
  out.failure(String(error), { code: "UNKNOWN", message: String(error) });
  return Exit.FAILED;
}

function describe(error: Error): Record<string, unknown> {
  const told: Record<string, unknown> = { message: error.message };
  if (error instanceof StorageError) {
    const { code, errno, syscall, path, fault, hint } = error;
    Object.assign(told, { code, errno, syscall, path, fault, hint });
  } else if ("code" in error) {
    told["code"] = error.code;
  }
  return told;
}
