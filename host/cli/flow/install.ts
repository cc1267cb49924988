/**
 * `diskwright install`: a medium onto a disk. Plan first, then journalled steps, then read-back.
 */
import { formatSize } from "../../base/size.ts";
import { run } from "../../base/work.ts";
import { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { RAYOS_LAYOUTS } from "../../format/rayos/layout.ts";
import { isSplitFolder, openParts } from "../../system/image/parts.ts";
import { sourceDateEpoch } from "../../system/image/reproducible.ts";
import { type InstallOptions, planOf, install as work } from "../../system/install/install.ts";
import type { InstallPlan } from "../../system/install/plan.ts";
import {
  type CommandSpec,
  type Context,
  type Given,
  type OptionSpec,
  UsageError,
} from "../kit/command.ts";
import { openDevice } from "../kit/open.ts";
import { table } from "../kit/output.ts";
import { DISK_OPTIONS, listDisks, withTarget } from "./install-disks.ts";
import { installRayosLayout, RAYOS_OPTIONS } from "./install-rayos.ts";

export const install: CommandSpec = {
  name: "install",
  summary: "Install a medium onto a disk; a cut at any moment can be resumed",
  writes: true,
  arguments: { "[image...]": "image files, for --list-disks and --to" },
  options: [
    {
      flags: "--source <medium>",
      summary: "disk image of mkdisk, or folder; rayos: folder or tar",
    },
    { flags: "--target <disk>", summary: "disk to install onto" },
    ...DISK_OPTIONS,
    {
      flags: "--layout <name>",
      summary: "partition layout",
      choices: ["capos", ...RAYOS_LAYOUTS],
      default: "capos",
    },
    { flags: "--verbatim", summary: "copy the medium byte for byte, identities included" },
    { flags: "--erase", summary: "write over whatever the target has" },
    { flags: "--reinstall", summary: "replace an installed system" },
    { flags: "--resume", summary: "only go on with an installation that was cut short" },
    { flags: "--table-backup <file>", summary: "where the old partition table is saved" },
    { flags: "--seed <text>", summary: "draw all identities from this text" },
    ...RAYOS_OPTIONS,
  ],
  examples: [
    "diskwright install --source medium.img --target disk.img --dry-run",
    "diskwright install --layout rayos --source image.tar.zst --target disk.img --dry-run",
    "diskwright install --list-disks --enumerate-local-disks",
  ],
  async run(context, asked) {
    if (asked.options["listDisks"] === true) {
      listDisks(context, asked);
      return undefined;
    }
    const given = withTarget(asked);
    const { layout, source } = given.options;
    if (layout !== "capos") return installRayosLayout(context, given);
    if (source === undefined) throw new UsageError("--source <medium> is missing.");
    const foreign = RAYOS_OPTIONS.map(nameOf).find((name) => isGiven(given, name));
    if (foreign !== undefined) throw new UsageError(`--${foreign} is for --layout rayos.`);
    await withDisks(given, (medium, target) => go(context, given, medium, target));
    return undefined;
  },
};

/** "--esp-size <size>" is "esp-size"; of two names the second, "--no-..." without its "no". */
function nameOf({ flags }: OptionSpec): string {
  const name = flags.split(/,? /).findLast((word) => word.startsWith("--")) ?? "";
  return name.replace(/^--(no-)?/, "");
}

function isGiven({ options }: Given, name: string): boolean {
  const key = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const value = options[key];
  return name === "autoboot" ? value === false : value !== undefined && value !== false;
}

async function go(
  context: Context,
  { options }: Given,
  medium: BlockDevice,
  target: BlockDevice,
): Promise<void> {
  const { out, signal, dryRun } = context;
  const progress = context.progress.update;
  const asked: InstallOptions = {
    verbatim: options["verbatim"] === true,
    erase: options["erase"] === true,
    reinstall: options["reinstall"] === true,
    resume: options["resume"] === true,
    tableBackup: options["tableBackup"] as string | undefined,
    seed: options["seed"] as string | undefined,
    sourceDateEpoch: sourceDateEpoch(process.env),
  };
  const plan = await run(planOf(medium, target, asked), { signal, progress });
  if (dryRun) {
    out.result({ event: "plan", ...plan }, () => describe(plan));
    return;
  }
  out.note(describe(plan));
  await context.confirm(`Install onto ${target.name}?`);
  // With the identities of the plan that was shown: what is done is what was agreed to.
  const agreed = { ...asked, identities: plan.identities };
  const report = await run(work(medium, target, agreed), { signal, progress }).catch(
    (error: unknown) => {
      if (signal.aborted) out.note(`Stopped. Run the same command again to go on.`);
      throw error;
    },
  );
  out.result({ event: "done", ...report }, () => {
    const resumed = report.resumedAt === undefined ? "" : `, resumed at step ${report.resumedAt}`;
    const saved = report.tableBackup ? `\nold partition table: ${report.tableBackup}` : "";
    return `installed on ${target.name}, read back and equal${resumed}${saved}`;
  });
}

async function withDisks(
  { options }: Given,
  use: (medium: BlockDevice, target: BlockDevice) => Promise<void>,
): Promise<void> {
  const source = options["source"] as string;
  const split = isSplitFolder(source);
  const medium = split ? openParts(new Core(), source) : openDevice(source, true);
  try {
    // Writable for a dry run too: what cannot be opened so would be refused, and it says that.
    const target = openDevice(options["target"] as string, false);
    try {
      await use(medium, target);
    } finally {
      target.close();
    }
  } finally {
    medium.close();
  }
}

function describe(plan: InstallPlan): string {
  const { source, target, partitions, steps } = plan;
  const rows = partitions.map(({ index, name, first, last, sectors }) => [
    `  ${index}`,
    name,
    `LBA ${first} to ${last}`,
    formatSize(sectors * 512),
  ]);
  return [
    `from ${source.name}: ${source.files} files, ${formatSize(source.bytes)}`,
    `onto ${target.name}: ${formatSize(target.sizeBytes)}, ${target.content}`,
    table(rows),
    ...steps.map(({ title, ranges }, index) => {
      const sectors = ranges.reduce((sum, range) => sum + range.sectors, 0);
      return `  step ${index + 1}: ${title} (within ${formatSize(sectors * 512)})`;
    }),
    ...(plan.resumesAt === undefined ? [] : [`  resumes at: ${plan.resumesAt}`]),
  ].join("\n");
}
