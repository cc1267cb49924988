/** One run of `rayos-installer`: options in, markers and an exit code out. */
import { StorageError } from "../../base/errors.ts";
import { run } from "../../base/work.ts";
import * as lines from "../../format/rayos/lines.ts";
import { type DisksFound, findDisks } from "../../system/disks/find.ts";
import { inventoryOf, inventoryText } from "../../system/disks/inventory.ts";
import { assessRow, plainMessage } from "../../system/installer/assess.ts";
import { answer, assessed, begin, type Decision } from "../../system/installer/dialogue.ts";
import { listLines, type MenuRow, menuRows } from "../../system/installer/menu.ts";
import type { RayosPlan, RayosRequest } from "../../system/rayos/plan/types.ts";
import { imageName } from "../../system/rayos/source/image.ts";
import { carryOut, dryRun } from "./carry-out.ts";
import { Stopped } from "./front.ts";
import type { InstallerOptions } from "./options.ts";
import { openRegistry, type Unattended } from "./unattended.ts";
import { InstallerExit, say, Told, type World } from "./world.ts";

/** Runs to the end; `Stopped` and errors come out as exit codes. */
export async function runInstaller(options: InstallerOptions, world: World): Promise<number> {
  try {
    await go(options, world);
    return InstallerExit.DONE;
  } catch (error) {
    if (isStop(error, world)) {
      if (!(error instanceof Stopped)) say(world, "Stopped. Nothing was written.");
      return InstallerExit.STOPPED;
    }
    if (!(error instanceof Error)) throw error;
    say(world, lines.errorLine(plainMessage(error)));
    if (options.debug && !(error instanceof StorageError) && !(error instanceof Told)) {
      world.err(`${error.stack}\n`);
    }
    return InstallerExit.FAILED;
  }
}

async function go(options: InstallerOptions, world: World): Promise<void> {
  const { mode } = options;
  const registry = mode === "unattended" ? (world.unattended ?? openRegistry(options)) : undefined;
  const settled = registry?.options ?? options;
  const found = announce(settled, world);
  if (registry !== undefined) {
    await follow(registry, world, found);
  } else if (settled.mode === "interactive") {
    await ask(settled, world, found);
  } else if (settled.mode === "list") {
    world.out(`${listLines(found.disks, found.contentOf).join("\n")}\n`);
    say(world, lines.COMPLETE);
  } else {
    world.out(`${inventoryText(inventoryOf(found.disks, world.nowMs))}\n`);
    say(world, lines.JSON_EMITTED);
    say(world, lines.COMPLETE);
  }
}

/** Installs what a registry file says. */
async function follow(registry: Unattended, world: World, found: DisksFound): Promise<void> {
  const row = chosen(registry, world, found);
  const request = requestOf(registry.options, world);
  const { assessment, plan } = await run(assessRow(world.engine, row, request), world);
  if ("refusal" in assessment) refuse(world, assessment.refusal);
  for (const note of assessment.notes) say(world, lines.stepLine(note));
  if (row.disk.kind === "sample") dryRun(world, row);
  else {
    await carryOut(world, row, agreed(request, row, plan));
    registry.done();
  }
  say(world, lines.COMPLETE);
}

function chosen(registry: Unattended, world: World, found: DisksFound): MenuRow {
  try {
    return registry.choose(found.disks);
  } catch (error) {
    if (error instanceof StorageError) refuse(world, plainMessage(error));
    throw error;
  }
}

/** Finds the disks and says so. */
function announce(options: InstallerOptions, world: World): DisksFound {
  const { local, paths, source, debug } = options;
  const sample = world.disks === undefined && !local && paths.length === 0;
  if (sample && debug) {
    say(world, "INFO: the sample disk stands in; --enumerate-local-disks looks for real ones");
  }
  say(world, sample ? lines.SAMPLE_MODE : lines.ENUMERATE_MODE);
  const payload = imageName(source);
  const installer = { program: world.program, payload };
  const found = world.disks ?? findDisks({ paths, local, installer, system: world.system });
  if (debug) for (const warning of found.warnings) say(world, `WARN: ${lines.oneLine(warning)}`);
  if (!sample) {
    for (const { name, sizeBytes } of found.disks) say(world, lines.diskDetected(name, sizeBytes));
  }
  say(world, lines.planGenerated(found.disks.length));
  return found;
}

/** The menu: asks until the dialogue has decided, and does what it decided. */
async function ask(options: InstallerOptions, world: World, found: DisksFound): Promise<void> {
  const request = requestOf(options, world);
  const { decision, plan } = await talk(options, world, found, request).catch((error: unknown) => {
    if (!isStop(error, world)) throw error;
    // Nothing was begun, and that is said whole.
    say(world, "");
    say(world, "Stopped. Nothing was written; run the same command again to start over.");
    say(world, lines.INTERACTIVE_CANCELLED);
    throw new Stopped();
  });
  await decide(world, decision, request, plan);
  say(world, lines.INTERACTIVE_COMPLETE);
}

async function talk(
  options: InstallerOptions,
  world: World,
  found: DisksFound,
  request: RayosRequest,
): Promise<{ decision: Decision; plan: RayosPlan | undefined }> {
  const { place, sizes } = options;
  const { layout, esp } = request;
  const rows = menuRows(found.disks, found.contentOf, { layout, sizes, place, esp });
  let turn = begin(rows, found.fromRemovable);
  let plan: RayosPlan | undefined;
  for (;;) {
    world.front.say(turn.said);
    const { state } = turn;
    if (state.kind === "end") return { decision: state.decision, plan };
    if (state.kind === "assess") {
      const outcome = await run(assessRow(world.engine, state.row, request), world);
      plan = outcome.plan;
      turn = assessed(state, outcome.assessment);
    } else turn = answer(state, await world.front.ask(state));
  }
}

async function decide(
  world: World,
  decision: Decision,
  request: RayosRequest,
  plan: RayosPlan | undefined,
): Promise<void> {
  switch (decision.kind) {
    case "cancelled":
      return;
    case "failed":
      throw new Told(decision.message);
    case "refused":
      refuse(world, decision.reason);
      return;
    case "dry-run":
      dryRun(world, decision.row);
      return;
    case "install":
      await carryOut(world, decision.row, agreed(request, decision.row, plan));
  }
}

/** What is done is what was shown: with the identities of the plan. */
function agreed(
  request: RayosRequest,
  { place, esp = request.esp }: MenuRow,
  plan: RayosPlan | undefined,
): RayosRequest {
  return { ...request, place, esp, origin: plan?.origin };
}

function refuse(world: World, reason: string): never {
  say(world, lines.installationFailed(reason));
  throw new Told(reason);
}

function requestOf(options: InstallerOptions, world: World): RayosRequest {
  const { layout = "rayos", place = { kind: "disk" }, esp, source, sizes, vmStorage } = options;
  const { firstBoot, consent, tableBackup, seed, kernelOptions, bootLoader, resume } = options;
  return {
    layout,
    place,
    esp: esp === "new" ? undefined : esp,
    source,
    sizes,
    vmStorage,
    firstBoot,
    consent,
    tableBackup,
    seed,
    sourceDateEpoch: world.sourceDateEpoch(),
    kernelOptions,
    bootLoader,
    resume: resume ? true : undefined,
    protectedPaths: world.program === undefined ? [] : [world.program],
  };
}

function isStop(error: unknown, { signal }: World): boolean {
  const cancelled = error instanceof StorageError && error.code === "ECANCELED";
  return error instanceof Stopped || (cancelled && signal.aborted);
}
