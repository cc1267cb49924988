/**
 * `diskwright provision`, `update`, `rollback`, `status`: the generations of an installed system.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { failure } from "../../base/errors.ts";
import { type AccountRecord, decodeAccount } from "../../format/account.ts";
import { accountFromJson, overlayFromJson } from "../../format/json/records.ts";
import { parseJson } from "../../format/json/text.ts";
import { LOG_LEVELS, type LogLevel } from "../../format/manifest.ts";
import { decodeOverlay, type NewOverlay } from "../../format/overlay.ts";
import { collect, pinGeneration, unpinGeneration } from "../../system/boot/collect.ts";
import { findRegion } from "../../system/place.ts";
import * as flows from "../../system/update/flows.ts";
import { type SystemStatus, statusOf } from "../../system/update/status.ts";
import { type InstalledSystem, openSystem } from "../../system/update/system.ts";
import type { CommandSpec, Context, Given, OptionSpec } from "../kit/command.ts";
import { UsageError } from "../kit/command.ts";
import { withDisk } from "../kit/open.ts";
import { table } from "../kit/output.ts";

const DISK = { "<disk>": "installed disk, or DISK:N" };
/** Of the hash, in tables for people. */
const SHORT_HASH = 16;
const BRACE = 0x7b;

const CHANGES: readonly OptionSpec[] = [
  { flags: "--overlay <file>", summary: "the overlay: JSON, or what `image mkoverlay` wrote" },
  { flags: "--account <file>", summary: "the operator's account: JSON, or its record" },
  { flags: "--hostname <name>", summary: "name of the machine" },
  { flags: "--log-level <level>", summary: "least level that is logged", choices: LOG_LEVELS },
];
const ATTEMPTS: OptionSpec = {
  flags: "--attempts <n>",
  summary: "boots that the candidate may use before it is given up: 1 to 3",
  parse: (text) => {
    const count = Number(text);
    if (Number.isInteger(count) && count >= 1 && count <= 3) return count;
    throw new Error("expected 1, 2 or 3");
  },
};

export const provision: CommandSpec = {
  name: "provision",
  summary: "Write the first generation of an installed disk and make it active",
  arguments: DISK,
  writes: true,
  options: CHANGES,
  examples: ["diskwright provision disk.img --account operator.json --hostname node1"],
  run: (context, given) =>
    change(context, given, "Provision", (system, wanted) => flows.provision(system, wanted)),
};

export const update: CommandSpec = {
  name: "update",
  summary: "Stage a new generation; the next boot tries it and falls back if it fails",
  arguments: DISK,
  writes: true,
  options: [
    ...CHANGES,
    { flags: "--manifest <file>", summary: "new base that the overlay must fit too" },
    ATTEMPTS,
    { flags: "--stage-only", summary: "do not arm it yet" },
    { flags: "--arm", summary: "arm what was staged" },
    { flags: "--cancel", summary: "drop the generation that waits" },
    { flags: "--collect", summary: "free what only retired generations need" },
    { flags: "--pin <id>", summary: "keep a generation's objects from collection", parse: idOf },
    { flags: "--unpin <id>", summary: "the opposite of --pin", parse: idOf },
  ],
  examples: [
    "diskwright update disk.img --hostname node2",
    "diskwright update disk.img --overlay next.json --attempts 2",
    "diskwright update disk.img --cancel",
  ],
  run: (context, given) => {
    const { options } = given;
    if (options["collect"] === true) return collectRetired(context, given);
    if (options["pin"] !== undefined) return pin(context, given, "pin", pinGeneration);
    if (options["unpin"] !== undefined) return pin(context, given, "unpin", unpinGeneration);
    if (options["cancel"] === true) return step(context, given, "cancel", flows.cancel);
    if (options["arm"] === true) {
      return step(context, given, "arm what is staged", (system) => {
        const attempts = flows.arm(system, options["attempts"] as number | undefined);
        return { flow: "update", generation: system.generations.control.candidate, attempts };
      });
    }
    const names = ["overlay", "account", "hostname", "logLevel", "manifest"];
    if (names.every((name) => options[name] === undefined)) {
      const wanted = names.map((name) => `--${name.replace("L", "-l")}`).join(", ");
      throw new UsageError(`nothing would change: give at least one of ${wanted}`);
    }
    return change(context, given, "Update", (system, wanted) =>
      flows.update(system, wanted, {
        attempts: options["attempts"] as number | undefined,
        stageOnly: options["stageOnly"] === true,
      }),
    );
  },
};

export const rollback: CommandSpec = {
  name: "rollback",
  summary: "Go back to an older generation: the next boot tries it like any other",
  arguments: DISK,
  writes: true,
  options: [
    {
      flags: "--to <id>",
      summary: "generation whose content shall run; default: the one before the active",
      parse: idOf,
    },
    ATTEMPTS,
    { flags: "--recover", summary: "end recovery: golden is verified again and active" },
  ],
  examples: ["diskwright rollback disk.img", "diskwright rollback disk.img --to 1"],
  run: (context, given) => {
    const { options } = given;
    if (options["recover"] === true) return step(context, given, "end recovery", flows.recover);
    const to = options["to"] as number | undefined;
    const attempts = options["attempts"] as number | undefined;
    return step(context, given, "roll back", (system) => flows.rollback(system, to, { attempts }));
  },
};

export const status: CommandSpec = {
  name: "status",
  summary: "Show generations, pointers, attempts, epochs and hashes, and why they are so",
  arguments: DISK,
  examples: ["diskwright status disk.img", "diskwright status disk.img --json"],
  run: ({ out }, given) =>
    withSystem(given, true, (system) => {
      const found = statusOf(system);
      out.result(found, () => describeStatus(found));
      if (system.baseFault !== undefined) out.note(`manifest of the base: ${system.baseFault}`);
    }),
};

type Reported = Pick<flows.FlowReport, "flow" | "generation" | "attempts"> &
  Partial<flows.FlowReport>;

async function change(
  context: Context,
  given: Given,
  verb: string,
  act: (system: InstalledSystem, wanted: flows.Change) => Reported,
): Promise<void> {
  const wanted = changeOf(given);
  await step(context, given, verb.toLowerCase(), (system) => act(system, wanted));
}

/** A flow that writes: asked for, then done, or with --dry-run what it would start from. */
async function step(
  context: Context,
  given: Given,
  what: string,
  act: (system: InstalledSystem) => Reported,
): Promise<void> {
  const { out, dryRun } = context;
  const [disk = ""] = given.positionals;
  if (dryRun) {
    await withSystem(given, true, (system) => {
      const found = statusOf(system);
      out.result({ dryRun, what, status: found }, () => `would ${what}:\n${describeStatus(found)}`);
    });
    return;
  }
  await context.confirm(`${what.charAt(0).toUpperCase()}${what.slice(1)} on ${disk}?`);
  await withSystem(given, false, (system) => {
    const done = act(system);
    out.result(done, () => told(done));
  });
}

async function collectRetired(context: Context, given: Given): Promise<void> {
  const { out, dryRun } = context;
  if (dryRun) throw new UsageError("--collect has no dry run: `status` shows what is in use");
  await withSystem(given, false, ({ generations, grant }) => {
    const { retired, objects, pinned } = collect(generations, grant);
    out.result({ retired, objects, pinned }, () => {
      const which = retired.length === 0 ? "none" : retired.join(", ");
      return `retired generations: ${which}; objects freed: ${objects}, pinned and kept: ${pinned}`;
    });
  });
}

async function pin(
  { out }: Context,
  given: Given,
  what: "pin" | "unpin",
  act: typeof pinGeneration,
): Promise<void> {
  const id = given.options[what] as number;
  await withSystem(given, false, ({ generations, grant }) => {
    if (generations.record(id) === undefined) {
      throw failure("ENOENT", what, `there is no generation ${id}.`);
    }
    const objects = act(generations, grant.store, id);
    out.result({ what, generation: id, objects }, `${what}: generation ${id}, objects: ${objects}`);
  });
}

function idOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new Error("expected the number of a generation, as `status` shows it");
}

function withSystem<T>(
  { positionals: [disk = ""] }: Given,
  readOnly: boolean,
  use: (system: InstalledSystem) => T,
): Promise<T> {
  return withDisk(disk, { readOnly }, ({ core, id, partition }) => {
    const { baseSector, sectors } = findRegion(core, id, partition);
    const system = openSystem(core, id, { baseSector, sectors, readOnly });
    try {
      return use(system);
    } finally {
      system.close();
    }
  });
}

function changeOf({ options }: Given): flows.Change {
  const hostname = options["hostname"] as string | undefined;
  const logLevel = options["logLevel"] as LogLevel | undefined;
  const manifest = options["manifest"] as string | undefined;
  return {
    overlay: fileOf(options["overlay"], readOverlayFile),
    account: fileOf(options["account"], readAccountFile),
    settings: {
      ...(hostname === undefined ? {} : { hostname }),
      ...(logLevel === undefined ? {} : { logLevel }),
    },
    manifest: manifest === undefined ? undefined : readFileSync(manifest),
  };
}

function fileOf<T>(path: unknown, read: (path: string) => T): T | undefined {
  return typeof path === "string" ? read(path) : undefined;
}

function readOverlayFile(path: string): NewOverlay {
  const bytes = readFileSync(path);
  const file = (name: string) => readFileSync(join(dirname(path), name));
  const { contentHash: _, ...overlay } =
    bytes[0] === BRACE ? overlayFromJson(parseJson(bytes), { file }) : decodeOverlay(bytes);
  return overlay;
}

function readAccountFile(path: string): AccountRecord {
  const bytes = readFileSync(path);
  return bytes[0] === BRACE ? accountFromJson(parseJson(bytes)) : decodeAccount(bytes);
}

function told({ flow, generation, attempts, manifestHash, accountHash }: Reported): string {
  const waits = attempts > 0 ? `, tried at the next boot, attempts: ${attempts}` : "";
  return [
    `${flow}: generation ${generation}${waits}`,
    ...(manifestHash === undefined ? [] : [`manifest ${manifestHash}`]),
    ...(accountHash === undefined ? [] : [`account  ${accountHash}`]),
  ].join("\n");
}

/** A status for people. */
export function describeStatus(found: SystemStatus): string {
  if (!found.provisioned) return "not provisioned: the base boots without any generation";
  const head = found.recovery ? "recovery: no generation may run" : `phase ${found.phase}`;
  const rows = found.generations.map((each) => [
    each.id,
    each.roles.join(" ") || "-",
    `${each.state.toLowerCase()}${each.bad && each.state !== "BAD" ? ", bad" : ""}`,
    each.overlayEpoch,
    each.manifestHash.slice(0, SHORT_HASH),
    each.accountHash?.slice(0, SHORT_HASH) ?? "-",
    each.fault ?? (each.ready === null ? "-" : "complete"),
  ]);
  const tries = found.candidate === null ? "" : `, attempts left: ${found.triesLeft}`;
  return [
    `${head}${tries}, boot ${found.bootSequence}, pointer epoch ${found.pointerEpoch}`,
    ...(found.why === null ? [] : [`last rollback of ${found.rollbacks}: ${found.why}`]),
    table(rows, ["id", "role", "state", "overlay", "manifest", "account", "objects"]),
  ].join("\n");
}
