/**
 * Installing RayOS: a system image onto a disk, into a partition, or into free space. Plan first,
 * then journalled steps, then everything is read back, then the partition table.
 *
 * @example
 * const request = { layout: "rayos", source: "image.tar.zst", place: { kind: "disk" } } as const;
 * const plan = planRayosInstall(core, media, target, request);
 * const work = installRayos(core, media, target, { ...request, origin: plan.origin });
 * const report = await run(work, { signal, progress });
 */
import { refusal, StorageError } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import { formatSize } from "../../base/size.ts";
import { finish, type Work } from "../../base/work.ts";
import { Core } from "../../core/load.ts";
import { MediaCore } from "../../core/media/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { SECTOR_BYTES } from "../../format/layout.ts";
import type { Tree } from "../image/folder.ts";
import { originOf } from "../image/reproducible.ts";
import { type JournalEntry, readJournal } from "../install/journal.ts";
import { consentOver } from "../install/plan.ts";
import { backupPath, saveTable } from "../install/table-backup.ts";
import { applyRayos, ext4Request } from "./apply/apply.ts";
import { ext4 } from "./apply/ext4.ts";
import { contentFor, partitionOf, type RayosContent } from "./content/content.ts";
import { checkRayosTarget } from "./plan/consent.ts";
import { checkEspRoom, espOf, usableEsps as usableEspsOn } from "./plan/esp.ts";
import type { Ext4Tools } from "./plan/ext4.ts";
import { planRayos, settlePartitions } from "./plan/plan.ts";
import {
  drawOrigin,
  placeName,
  type RayosRecipe,
  readRecipe,
  withOldTable,
  writeRecipe,
} from "./plan/recipe.ts";
import { examineRayosTarget, installsOn, type RayosTarget, tableOf } from "./plan/target.ts";
import type {
  ExistingInstall,
  RayosPartition,
  RayosPlan,
  RayosReport,
  RayosRequest,
} from "./plan/types.ts";
import { openImage, type SystemImage } from "./source/image.ts";

export type * from "./plan/types.ts";
export { openImage, type SystemImage } from "./source/image.ts";

/** Another ext4, for tests. */
export interface RayosTools {
  readonly ext4: Ext4Tools;
}

const DEFAULT_TOOLS: RayosTools = { ext4 };

/** An installation that may begin: nothing is written yet. */
interface Prepared {
  readonly plan: RayosPlan;
  readonly content: RayosContent;
  readonly recipe: RayosRecipe;
  readonly firstStep: number;
  readonly sequence: number;
}

/** What an installation would do; nothing is written. Errors as those of planRayosWork. */
export function planRayosInstall(
  core: Core,
  media: MediaCore,
  target: BlockDevice,
  request: RayosRequest,
  tools: RayosTools = DEFAULT_TOOLS,
): RayosPlan {
  return finish(planRayosWork(core, media, target, request, tools));
}

/**
 * The same in pieces: a packed image takes its time to be listed.
 *
 * @throws {Refusal} the target must not be written to, with the option that overrides it
 * @throws {StorageError} EBADMSG, EINVAL, ...: the image cannot be installed, with the file
 */
export function* planRayosWork(
  core: Core,
  media: MediaCore,
  target: BlockDevice,
  request: RayosRequest,
  tools: RayosTools = DEFAULT_TOOLS,
): Work<RayosPlan> {
  const image = request.image ?? (yield* openImage(request.source));
  try {
    return prepare(core, media, tools.ext4, image, target, request).plan;
  } finally {
    if (request.image === undefined) image.close();
  }
}

/**
 * Installs, or goes on with an installation of the same image that was cut short.
 *
 * @throws {Refusal} before anything is written
 * @throws {StorageError} EBADMSG: it did not read back; the journal is kept; ECANCELED
 */
export function* installRayos(
  core: Core,
  media: MediaCore,
  target: BlockDevice,
  request: RayosRequest,
  tools: RayosTools = DEFAULT_TOOLS,
): Work<RayosReport> {
  const image = request.image ?? (yield* openImage(request.source));
  try {
    const prepared = prepare(core, media, tools.ext4, image, target, request);
    const { plan, content, recipe, firstStep, sequence } = prepared;
    const { seed, createdS } = plan.origin;
    // Clock and randomness of the plan, so that the same plan writes the same bytes.
    const { environment } = originOf({ seed, sourceDateEpoch: createdS });
    const writer = new Core({ environment });
    const mediaWriter = new MediaCore({ environment });
    const id = writer.attach(target);
    const mediaId = mediaWriter.attach(target);
    let kept = recipe;
    if (plan.resumesAt === undefined && plan.tableBackup !== undefined) {
      const tableBackup = saveTable(writer, id, target.name, plan.tableBackup);
      kept = { ...recipe, tableBackup };
    }
    yield* applyRayos({
      ...{ plan, content, target, core: writer, id, media: mediaWriter, mediaId },
      ...{ ext4: tools.ext4, recipe: writeRecipe(kept), firstStep, sequence },
      resumed: plan.resumesAt !== undefined,
    });
    const { files, bytes } = plan.source;
    const { resumesAt: resumedAt, warnings } = plan;
    return { plan, files, bytes, warnings, resumedAt, tableBackup: kept.tableBackup };
  } finally {
    if (request.image === undefined) image.close();
  }
}

/** Systems that are on a device: for a menu, and for a warning before anything is asked. EIO. */
export function detectInstalls(
  core: Core,
  media: MediaCore,
  device: BlockDevice,
  tools: RayosTools = DEFAULT_TOOLS,
): ExistingInstall[] {
  const id = core.attach(device);
  try {
    return installsOn(core, media, tools.ext4, device, tableOf(core, id));
  } finally {
    core.detach(id);
  }
}

/** Numbers of the ESPs on a device that could be shared, so far as room does not matter. EIO. */
export function detectEsps(core: Core, device: BlockDevice): number[] {
  const id = core.attach(device);
  try {
    return usableEspsOn(core, id, tableOf(core, id));
  } finally {
    core.detach(id);
  }
}

function prepare(
  core: Core,
  media: MediaCore,
  ext4: Ext4Tools,
  image: SystemImage,
  target: BlockDevice,
  request: RayosRequest,
): Prepared {
  const facts = examineRayosTarget(core, media, ext4, target, request);
  const journal = readJournal(target);
  const place = placeName(request.place);
  const consent = consentOver(journal, target.name, request.consent ?? {}, request.resume, place);
  const tools = { core, media, ext4 };
  if (journal !== undefined) {
    const resumed = resume(tools, image, target, facts, request, journal);
    if (resumed !== undefined) return resumed;
    if (request.consent?.erase !== true) {
      const message =
        `'${target.name}' has a half-done installation of another image ` +
        "or with other options.";
      const hint = "Use those again, or --erase to begin anew.";
      throw refusal("ESTALE", "install", message, { path: target.name, hint });
    }
  } else if (request.resume === true) {
    const message = `'${target.name}' has no half-done installation to resume.`;
    throw refusal("ENOENT", "install", message, { path: target.name });
  }
  checkRayosTarget(facts, request.place, consent, request.esp);
  const origin = request.origin ?? drawOrigin(request);
  const wipe = !facts.blank;
  const { plan, content } = planWith(tools, image, target, facts, request, { origin, wipe });
  const tableBackup = backupOf(core, target, request);
  const replaced = replacedRange(facts, request);
  const kept = plan.esp.kind === "existing" ? plan.esp.kept : undefined;
  return {
    plan: { ...plan, tableBackup },
    content,
    recipe: { origin, wipe, place, replaced, kept },
    firstStep: 0,
    sequence: journal?.sequence ?? 0,
  };
}

interface Readers {
  readonly core: Core;
  readonly media: MediaCore;
  readonly ext4: Ext4Tools;
}

/** The interrupted installation's own plan, if this image and these options give it again. */
function resume(
  tools: Readers,
  image: SystemImage,
  target: BlockDevice,
  found: RayosTarget,
  request: RayosRequest,
  journal: JournalEntry,
): Prepared | undefined {
  const recipe = readRecipe(journal.recipe);
  if (recipe === undefined) return undefined;
  const { origin } = recipe;
  const asked = request.seed === undefined ? undefined : drawOrigin(request);
  if (asked !== undefined && asked.seed !== origin.seed) return undefined;
  const facts: RayosTarget = {
    ...withOldTable(found, request, recipe),
    content: "a half-done installation",
    installs: [],
  };
  checkRayosTarget(facts, request.place, { erase: true, reinstall: true }, request.esp);
  try {
    const { plan, content } = planWith(tools, image, target, facts, request, recipe);
    const step = plan.steps[journal.step];
    if (plan.hash !== toHex(journal.planHash) || step === undefined) return undefined;
    const resumed = { ...plan, resumesAt: step.name, tableBackup: recipe.tableBackup };
    const { sequence } = journal;
    return { plan: resumed, content, recipe, firstStep: journal.step, sequence };
  } catch (error) {
    // Other options than those it began with may fit nowhere; then it is another installation.
    if (error instanceof StorageError && error.code !== "EIO") return undefined;
    throw error;
  }
}

function planWith(
  tools: Readers,
  image: SystemImage,
  target: BlockDevice,
  facts: RayosTarget,
  request: RayosRequest,
  { origin, wipe, kept }: Pick<RayosRecipe, "origin" | "wipe" | "kept">,
): { plan: RayosPlan; content: RayosContent } {
  const { media, ext4 } = tools;
  const { partitions } = settlePartitions(facts, request, origin);
  const { shared, usableEsps, checkRoom } = espsOf(tools, target, facts, request, kept);
  const content = contentFor(image, request, origin, partitions, target.name, shared);
  checkRoom(content.esp);
  const system = partitionOf(partitions, "system") as RayosPartition;
  const needed = ext4.smallest(media, content.system);
  if (needed > system.sectors) {
    const bytes = Math.ceil((needed * SECTOR_BYTES) / 2 ** 20) * 2 ** 20;
    const have = formatSize(system.sizeBytes);
    const message = `the image does not fit on a System partition of ${have}.`;
    const hint = `--system-size ${formatSize(bytes)} would do.`;
    throw refusal("ENOSPC", "plan", message, { path: target.name, hint });
  }
  const mediaId = media.attach(target);
  try {
    for (const role of ["system", "pool"] as const) {
      ext4.plan(media, mediaId, ext4Request({ partitions, origin }, role, content[role]));
    }
  } finally {
    media.detach(mediaId);
  }
  const choices = { wipe, shared, usableEsps };
  return { plan: planRayos(facts, request, origin, content.planned, choices), content };
}

/** The ESP that is shared, as it is or as it was when a cut installation began; and others. */
function espsOf(
  { core }: Readers,
  target: BlockDevice,
  { table }: RayosTarget,
  { esp, place }: RayosRequest,
  kept: readonly string[] | undefined,
) {
  const id = core.attach(target);
  try {
    const whole = place.kind === "disk" || kept !== undefined;
    const usableEsps = whole ? [] : usableEspsOn(core, id, table);
    if (esp === undefined) return { shared: undefined, usableEsps, checkRoom: () => {} };
    const found = espOf(core, id, table, esp, target.name, kept);
    const checkRoom = (tree: Tree) => {
      if (kept === undefined) checkEspRoom(found, tree);
    };
    return { shared: found, usableEsps, checkRoom };
  } finally {
    core.detach(id);
  }
}

function backupOf(core: Core, target: BlockDevice, request: RayosRequest): string | undefined {
  const id = core.attach(target);
  try {
    return backupPath(core, id, target.name, request.tableBackup);
  } finally {
    core.detach(id);
  }
}

function replacedRange({ table }: RayosTarget, { place }: RayosRequest): RayosRecipe["replaced"] {
  if (place.kind !== "partition") return undefined;
  const found = table?.partitions.find(({ index }) => index === place.number);
  return found && { firstLba: found.firstLba, lastLba: found.lastLba };
}
