/** The command line of `rayos-installer`. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseSize } from "../../base/size.ts";
import { RAYOS_LAYOUTS, type RayosLayoutName, type RayosSizes } from "../../format/rayos/layout.ts";
import type {
  FirstBoot,
  RayosConsent,
  RayosRequest,
  RayosTargetPlace,
  VmStorage,
} from "../../system/rayos/plan/types.ts";

/** What a run does: prints the plan, asks, lists for a person, or follows a registry file. */
export type InstallerMode = "plan" | "interactive" | "list" | "unattended";

export interface InstallerOptions {
  readonly mode: InstallerMode;
  readonly debug: boolean;
  readonly local: boolean;
  readonly paths: readonly string[];
  readonly registry: string | undefined;
  readonly layout: RayosLayoutName | undefined;
  readonly source: RayosRequest["source"];
  readonly place: RayosTargetPlace | undefined;
  /** Number of an ESP that is shared; undefined: nothing was said, so a registry file may. */
  readonly esp: number | "new" | undefined;
  readonly sizes: RayosSizes;
  readonly vmStorage: VmStorage | undefined;
  readonly firstBoot: FirstBoot;
  readonly consent: RayosConsent;
  readonly tableBackup: string | false | undefined;
  readonly resume: boolean;
  /** With `registry`: agreement to what it says. */
  readonly yes: boolean;
  readonly seed: string | undefined;
  readonly kernelOptions: string | undefined;
  readonly bootLoader: string | undefined;
}

/** The command line is wrong, or asked for help only. */
export interface NoRun {
  readonly exitCode: 0 | 2;
}

interface Streams {
  out(text: string): void;
  err(text: string): void;
}

/** Reads `argv` without node and script; prints help and what is wrong. */
export function parseOptions(argv: readonly string[], streams: Streams): InstallerOptions | NoRun {
  const program = command(streams);
  try {
    program.parse([...argv], { from: "user" });
    const options = settle(program);
    return options;
  } catch (error) {
    if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : 2 };
    throw error;
  }
}

function command(streams: Streams): Command {
  const program = new Command("rayos-installer")
    .description(
      "Installs RayOS onto a disk. Without options it prints which disks there are, as JSON, " +
        "for a sample disk: nothing of this machine is looked at or written.",
    )
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: streams.err })
    .showHelpAfterError("(rayos-installer --help explains every option)")
    .argument("[image...]", "image files that stand for disks")
    .addOption(
      new Option("--output-format <format>", "form of the plan on standard output")
        .choices(["json"])
        .default("json"),
    )
    .option("--debug", "say more on standard error: lines of INFO: and WARN:")
    .option("--enumerate-local-disks", "look for the disks of this machine too")
    .option("--interactive", "ask which disk, show what would be done, ask again, install")
    .option("--list-disks", "list the disks for a person, with what is on them")
    .option("--registry <file>", "install what this registry.json says, once, without asking")
    .option("--disk <image...>", "image files that stand for disks");
  addInstallOptions(program);
  return program.addHelpText("after", HELP);
}

function addInstallOptions(program: Command): void {
  program
    .addOption(
      new Option("--layout <name>", "partitions to make; default rayos").choices(RAYOS_LAYOUTS),
    )
    .option("--source <path>", "the system: a folder, a tar, tar.gz or tar.zst of one, a medium")
    .option("--partition <number>", "take only this partition of the disk", toNumber)
    .option("--esp <number>", 'boot files onto this ESP of the disk; "new", the default', toEsp)
    .option("--free", "take only the largest free place of the disk")
    .option("--vm-storage <place>", 'where machines are kept: "pool", or a folder', toStorage)
    .option("--machine-name, --hostname <name>", "name of the installed machine")
    .option("--time-zone, --timezone <zone>", "its time zone, such as Europe/Berlin")
    .option("--locale <locale>", "its locale, such as de_DE.UTF-8")
    .option("--vm-networking, --networking", "let its virtual machines use the network")
    .option("--no-vm-autoboot, --no-autoboot", "do not start its virtual machines by themselves")
    .option("--erase", "write over a disk or partition that is not blank")
    .option("--reinstall", "replace an installed system")
    .option("--force", "both of these; never over a disk that is in use")
    .option("--table-backup <file>", "where the old partition table is saved")
    .option("--no-table-backup", "do not save it")
    .option("--resume", "only go on with an installation that was cut short")
    .option("--yes", "with --registry: agree to what the file says")
    .option("--seed <text>", "draw all identities from this text: same input, same bytes")
    .option("--kernel-options <text>", "what every boot entry passes to the kernel besides")
    .option("--boot-loader <file>", "a boot loader in place of the system's own");
  for (const part of ["esp", "system", "state", "log", "recovery"] as const) {
    const text = `size of the ${part === "esp" ? "ESP" : `${part} partition`}, such as 1GiB`;
    program.option(`--${part}-size <size>`, text, toSize);
  }
}

const HELP = `
Markers, one per line, and questions go to standard error; JSON goes to standard output.
Exit codes: 0 done, or cancelled; 1 failed or refused; 2 wrong usage; 130 stopped by Ctrl-C.

Examples:
  rayos-installer                                   the plan for the sample disk
  printf '1\\nyes\\n' | rayos-installer --interactive  a dry run on it
  rayos-installer disk.img --interactive --source system.tar.zst
  rayos-installer --enumerate-local-disks --list-disks
  rayos-installer --enumerate-local-disks --registry registry.json --yes`;

type Values = Readonly<Record<string, unknown>>;

function settle(program: Command): InstallerOptions {
  const values: Values = program.opts();
  const text = (name: string) => values[name] as string | undefined;
  const flag = (name: string) => values[name] === true;
  refuseConflicts(program, values);
  const { tableBackup } = values;
  return {
    mode: modeOf(values),
    debug: flag("debug"),
    local: flag("enumerateLocalDisks"),
    paths: [...program.args, ...((values["disk"] as string[] | undefined) ?? [])],
    registry: text("registry"),
    layout: text("layout") as RayosLayoutName | undefined,
    source: text("source"),
    place: placeOf(values),
    esp: values["esp"] as number | "new" | undefined,
    sizes: sizesOf(values),
    vmStorage: values["vmStorage"] as VmStorage | undefined,
    firstBoot: {
      machineName: text("hostname"),
      timeZone: text("timezone"),
      locale: text("locale"),
      networking: flag("networking") ? true : undefined,
      autoboot: values["autoboot"] === false ? false : undefined,
    },
    consent: {
      erase: flag("erase") || flag("force"),
      reinstall: flag("reinstall") || flag("force"),
    },
    tableBackup: tableBackup === true ? undefined : (tableBackup as string | false | undefined),
    resume: flag("resume"),
    yes: flag("yes"),
    seed: text("seed"),
    kernelOptions: text("kernelOptions"),
    bootLoader: text("bootLoader"),
  };
}

function modeOf(values: Values): InstallerMode {
  if (values["registry"] !== undefined) return "unattended";
  if (values["listDisks"] === true) return "list";
  return values["interactive"] === true ? "interactive" : "plan";
}

function refuseConflicts(program: Command, values: Values): void {
  const pairs = [
    ["registry", "interactive", "--registry and --interactive exclude each other"],
    ["registry", "listDisks", "--registry and --list-disks exclude each other"],
    ["interactive", "listDisks", "--interactive and --list-disks exclude each other"],
    ["partition", "free", "--partition and --free exclude each other"],
  ] as const;
  for (const [one, other, message] of pairs) {
    if (values[one] !== undefined && values[other] !== undefined)
      program.error(`error: ${message}`);
  }
  if (values["yes"] === true && values["registry"] === undefined) {
    program.error("error: --yes answers only for --registry; a menu is answered by a person");
  }
}

function placeOf(values: Values): RayosTargetPlace | undefined {
  const number = values["partition"] as number | undefined;
  if (number !== undefined) return { kind: "partition", number };
  return values["free"] === true ? { kind: "free" } : undefined;
}

function sizesOf(values: Values): RayosSizes {
  const size = (name: string) => values[`${name}Size`] as number | undefined;
  const given = {
    espBytes: size("esp"),
    systemBytes: size("system"),
    stateBytes: size("state"),
    logBytes: size("log"),
    recoveryBytes: size("recovery"),
  };
  return given;
}

function toNumber(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("A partition is a number from 1.");
}

function toEsp(text: string): number | "new" {
  return text === "new" ? text : toNumber(text);
}

function toStorage(text: string): VmStorage {
  if (text === "pool") return "pool";
  if (text.startsWith("/")) return { path: text };
  throw new InvalidArgumentError('It is "pool" or a path that begins with "/".');
}

function toSize(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
