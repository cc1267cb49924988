/**
 * `install`: a medium onto a target disk. Plan first, then journalled steps, then read-back.
 *
 * @example
 * const report = await run(install(medium, target, { seed: "7" }), { signal, progress });
 */
import { refusal } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import type { Work } from "../../base/work.ts";
import type { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { drawIdentities } from "../image/mkdisk.ts";
import { type CoreMaker, makeCore, originOf, type SeedOptions } from "../image/reproducible.ts";
import { applyPlan } from "./apply.ts";
import { type JournalEntry, readJournal } from "./journal.ts";
import {
  checkTarget,
  consentOver,
  type Identities,
  type InstallMode,
  type InstallPlan,
  planInstall,
  type Recipe,
  type StepName,
  type TargetDevice,
  type TargetFacts,
} from "./plan.ts";
import { planted } from "./planted.ts";
import { type Contents, openSource, type Source } from "./source.ts";
import { saveTable } from "./table-backup.ts";
import { examineTarget, identifyTarget } from "./target.ts";

export interface InstallOptions extends SeedOptions {
  /** Copies the medium byte for byte, identities included. */
  readonly verbatim?: boolean | undefined;
  /** Consent to write over what the target has. */
  readonly erase?: boolean | undefined;
  /** Consent to replace an installed system. */
  readonly reinstall?: boolean | undefined;
  /** Goes on with an installation that was cut short, and refuses where there is none. */
  readonly resume?: boolean | undefined;
  /**
   * Where the old partition table is saved before it is written over; false: nowhere. Default: a
   * file beside the target, if the target is one.
   */
  readonly tableBackup?: string | false | undefined;
  /** Identities of a plan that was shown, so that what is done is what was shown. */
  readonly identities?: Identities | undefined;
  readonly makeCore?: CoreMaker | undefined;
}

export interface InstallReport {
  readonly plan: InstallPlan;
  /** What was copied and read back. */
  readonly contents: Contents;
  /** The step that this run began with, if it went on with an interrupted installation. */
  readonly resumedAt?: StepName | undefined;
  /** File that holds the old partition table, if there was one. */
  readonly tableBackup?: string | undefined;
}

/** An installation that may begin: nothing is written yet. */
interface Prepared {
  readonly plan: InstallPlan;
  readonly recipe: string;
  readonly journal?: JournalEntry | undefined;
  /** The highest number in a journal on the target, also of an installation that is given up. */
  readonly sequence: number;
  readonly target: TargetFacts;
}

/**
 * What an installation would do. Reads both disks and writes nothing.
 *
 * @throws {Refusal} the target must not be written to, with the option that overrides it
 */
export function* planOf(
  medium: BlockDevice,
  target: BlockDevice,
  options: InstallOptions = {},
): Work<InstallPlan> {
  const source = yield* openSource(coreOf(options), medium, { measure: options.verbatim === true });
  try {
    return prepare(source, target, coreOf(options), options).plan;
  } finally {
    source.close();
  }
}

/**
 * Installs, or goes on with an installation of the same medium that was cut short.
 *
 * @throws {Refusal} before anything is written
 * @throws {StorageError} EBADMSG: it did not read back; the journal is kept; ECANCELED
 */
export function* install(
  medium: BlockDevice,
  target: BlockDevice,
  options: InstallOptions = {},
): Work<InstallReport> {
  const source = yield* openSource(coreOf(options), medium, { measure: options.verbatim === true });
  try {
    return yield* installFrom(source, target, options);
  } finally {
    source.close();
  }
}

/** The same from a medium that is open already, for one target after another; it stays open. */
export function* installFrom(
  source: Source,
  target: BlockDevice,
  options: InstallOptions = {},
): Work<InstallReport> {
  const origin = originOf(options);
  const core = (options.makeCore ?? makeCore)(origin.environment);
  const id = core.attach(target);
  try {
    const prepared = prepare(source, target, core, options);
    const { plan, recipe, journal, sequence, target: facts } = prepared;
    const isKept = journal === undefined && !facts.blank;
    const tableBackup = isKept ? saveTable(core, id, facts.name, options.tableBackup) : undefined;
    yield* applyPlan({
      plan,
      source,
      target,
      core,
      id,
      origin,
      makeCore: options.makeCore ?? makeCore,
      recipe,
      firstStep: journal?.step ?? 0,
      sequence,
    });
    return { plan, contents: source.contents, resumedAt: plan.resumesAt, tableBackup };
  } finally {
    core.detach(id);
  }
}

function prepare(
  source: Source,
  target: BlockDevice,
  core: Core,
  options: InstallOptions,
): Prepared {
  const device = identifyTarget(target, source.medium);
  const journal = readJournal(target);
  const consent = consentOver(journal, target.name, options, options.resume);
  if (journal !== undefined) {
    const resumed = resumeFrom(journal, source, device, options);
    if (resumed !== undefined) return resumed;
    if (options.erase !== true) {
      const message =
        `'${target.name}' has a half-done installation from another medium ` +
        "or with other options.";
      const hint = "Use those again, or --erase to begin anew.";
      throw refusal("ESTALE", "install", message, { path: target.name, hint });
    }
  } else if (options.resume === true) {
    const message = `'${target.name}' has no half-done installation to resume.`;
    throw refusal("ENOENT", "install", message, { path: target.name });
  }
  const facts = { ...device, ...examineTarget(core, target) };
  checkTarget(facts, consent);
  const recipe: Recipe = {
    mode: options.verbatim === true ? "verbatim" : "fresh",
    identities: identitiesOf(options),
    wipe: !facts.blank,
  };
  const plan = planInstall(source.facts, facts, recipe);
  return { plan, recipe: write(recipe), sequence: journal?.sequence ?? 0, target: facts };
}

const HALF_DONE = { blank: false, content: "a half-done installation", installed: false };

/** The interrupted installation's own plan, if this medium and these options give it again. */
function resumeFrom(
  journal: JournalEntry,
  source: Source,
  device: TargetDevice,
  options: InstallOptions,
): Prepared | undefined {
  const recipe = read(journal.recipe);
  const mode: InstallMode = options.verbatim === true ? "verbatim" : "fresh";
  if (recipe === undefined || recipe.mode !== mode) return undefined;
  const identities = identitiesOf(options);
  const isOther = write(recipe) !== write({ ...recipe, identities });
  if (originOf(options).reproducible && isOther) return undefined;
  // What the steps so far have made of the target is no reason to refuse it.
  const facts = { ...device, ...HALF_DONE };
  checkTarget({ ...facts, blank: true }, options);
  const plan = planInstall(source.facts, facts, recipe);
  const at = resumeStep(plan, journal.step);
  const step = plan.steps[at];
  if (plan.hash !== toHex(journal.planHash) || step === undefined) return undefined;
  const resumed = { ...plan, resumesAt: step.name };
  const { recipe: text, sequence } = journal;
  return {
    plan: resumed,
    recipe: text,
    journal: { ...journal, step: at },
    sequence,
    target: facts,
  };
}

/**
 * Where to go on. A region that was being filled is made anew: a copy that finds all it would write
 * commits nothing, and so would leave a superblock copy as the cut had torn it.
 */
function resumeStep({ steps }: InstallPlan, interrupted: number): number {
  const name = steps[interrupted]?.name;
  if ((name !== "objects" && name !== "files") || planted(63)) return interrupted;
  return steps.findIndex((step) => step.name === "region");
}

function identitiesOf(options: InstallOptions): Identities {
  return options.identities ?? drawIdentities(originOf(options));
}

function write(recipe: Recipe): string {
  const { mode, identities, wipe } = recipe;
  const { diskGuid, espGuid, dataGuid, regionUuid, fatSerial } = identities;
  const ordered = { diskGuid, espGuid, dataGuid, regionUuid, fatSerial };
  return JSON.stringify({ mode, identities: ordered, wipe });
}

/** The recipe of a journal whose digest was right; undefined if it is not one of ours. */
function read(text: string): Recipe | undefined {
  try {
    const { mode, identities, wipe } = JSON.parse(text) as Recipe;
    const { diskGuid, espGuid, dataGuid, regionUuid, fatSerial } = identities;
    const texts = [diskGuid, espGuid, dataGuid, regionUuid];
    const fits =
      (mode === "fresh" || mode === "verbatim") &&
      texts.every((guid) => typeof guid === "string") &&
      Number.isInteger(fatSerial) &&
      typeof wipe === "boolean";
    return fits ? { mode, identities, wipe } : undefined;
  } catch {
    return undefined;
  }
}

function coreOf(options: InstallOptions) {
  return (options.makeCore ?? makeCore)(originOf(options).environment);
}
