/** `diskwright install --layout rayos|rayos-full`: a system image onto a disk or a part of one. */
import { isDamage } from "../../base/finding.ts";
import { formatSize, parseSize } from "../../base/size.ts";
import { run } from "../../base/work.ts";
import { Core } from "../../core/load.ts";
import { MediaCore } from "../../core/media/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import type { RayosLayoutName } from "../../format/rayos/layout.ts";
import { sourceDateEpoch } from "../../system/image/reproducible.ts";
import { ext4 } from "../../system/rayos/apply/ext4.ts";
import { recheckRayos } from "../../system/rayos/apply/recheck.ts";
import { remakeRecovery } from "../../system/rayos/apply/recovery.ts";
import {
  installRayos,
  openImage,
  planRayosWork,
  type RayosPlan,
  type RayosRequest,
  type RayosTargetPlace,
} from "../../system/rayos/install.ts";
import {
  type Context,
  Exit,
  type ExitCode,
  type Given,
  type OptionSpec,
  UsageError,
} from "../kit/command.ts";
import { openDevice } from "../kit/open.ts";
import { table } from "../kit/output.ts";

const size = (flag: string, what: string): OptionSpec => ({
  flags: `--${flag} <size>`,
  summary: `rayos: size of ${what}`,
  parse: (text) => parseSize(text),
});

/** Options that only these layouts have. */
export const RAYOS_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--partition <number>",
    summary: "rayos: into this partition alone",
    parse: wholeNumber,
  },
  { flags: "--free [lba]", summary: "rayos: into free space, the largest or the one at an LBA" },
  {
    flags: "--esp <number>",
    summary: "rayos: boot files onto this ESP, which others use too; default: a new one",
    parse: (text) => (text === "new" ? undefined : wholeNumber(text)),
  },
  size("esp-size", "the ESP, default 512MiB"),
  size("system-size", "the System partition, default 40GiB"),
  size("state-size", "the state region, default 1GiB"),
  size("log-size", "the log, default 128MiB"),
  size("recovery-size", "the recovery partition, default 1GiB"),
  { flags: "--vm-storage <place>", summary: "rayos: pool, or a folder of the System partition" },
  { flags: "--machine-name, --hostname <name>", summary: "rayos: host name" },
  { flags: "--time-zone, --timezone <zone>", summary: "rayos: such as Europe/Berlin" },
  { flags: "--locale <locale>", summary: "rayos: such as de_DE.UTF-8" },
  {
    flags: "--vm-networking, --networking",
    summary: "rayos: virtual machines may use the network",
  },
  {
    flags: "--no-vm-autoboot, --no-autoboot",
    summary: "rayos: virtual machines do not start by themselves",
  },
  { flags: "--kernel-options <text>", summary: "rayos: added to every boot entry" },
  { flags: "--boot-loader <file>", summary: "rayos: systemd-boot, in place of the image's own" },
  { flags: "--recovery", summary: "rayos: make the recovery partition anew, alone" },
  { flags: "--verify", summary: "rayos: compare an installed disk with its record" },
];

/** Installs, or says what would be done; answers the exit code. */
export async function installRayosLayout(context: Context, given: Given): Promise<ExitCode> {
  const { options } = given;
  const isVerify = options["verify"] === true;
  // Writable for a dry run too: what cannot be opened so would be refused, and it says that.
  const target = openDevice(options["target"] as string, isVerify);
  try {
    if (isVerify) return await verify(context, target);
    if (options["recovery"] === true) await recovery(context, target, requestOf(options));
    else await install(context, target, requestOf(options));
    return Exit.DONE;
  } finally {
    target.close();
  }
}

async function install(context: Context, target: BlockDevice, request: RayosRequest) {
  const { signal } = context;
  const progress = context.progress.update;
  // Opened once for plan and work: a packed image is unpacked whole to be listed.
  const image = await run(openImage(request.source), { signal, progress });
  try {
    await installImage(context, target, { ...request, image });
  } finally {
    image.close();
  }
}

async function installImage(context: Context, target: BlockDevice, request: RayosRequest) {
  const { out, signal, dryRun } = context;
  const progress = context.progress.update;
  const core = new Core();
  const media = new MediaCore();
  const plan = await run(planRayosWork(core, media, target, request), { signal, progress });
  if (dryRun) {
    out.result({ event: "plan", ...plan }, () => describe(plan));
    return;
  }
  out.note(describe(plan));
  await context.confirm(`Install RayOS onto ${target.name}?`);
  // With the origin of the plan that was shown: what is done is what was agreed to.
  const agreed = { ...request, origin: plan.origin };
  const work = installRayos(core, media, target, agreed);
  const report = await run(work, { signal, progress }).catch(stopped(context));
  out.result({ event: "done", ...report }, () => {
    const { resumedAt, tableBackup } = report;
    const resumed = resumedAt === undefined ? "" : `, resumed at step ${resumedAt}`;
    const saved = tableBackup === undefined ? "" : `\nold partition table: ${tableBackup}`;
    return `installed on ${target.name}, read back and equal${resumed}${saved}`;
  });
}

async function recovery(context: Context, target: BlockDevice, request: RayosRequest) {
  const { out, signal, dryRun } = context;
  if (request.source === undefined) throw new UsageError("--recovery needs --source.");
  if (dryRun) throw new UsageError("--recovery has no --dry-run; it writes one partition alone.");
  await context.confirm(`Make the recovery partition of ${target.name} anew?`);
  const progress = context.progress.update;
  const work = remakeRecovery(new Core(), target, request);
  const report = await run(work, { signal, progress }).catch(stopped(context));
  out.result({ event: "done", ...report }, () => {
    const { number, files, resumedAt } = report;
    const resumed = resumedAt === undefined ? "" : `, resumed at step ${resumedAt}`;
    return `recovery partition ${number} of ${target.name}: ${files} files, read back${resumed}`;
  });
}

/** Says how a work that was stopped goes on. */
function stopped({ out, signal }: Context): (error: unknown) => never {
  return (error) => {
    if (signal.aborted) out.note("Stopped. Run the same command with --resume to go on.");
    throw error;
  };
}

async function verify(context: Context, target: BlockDevice): Promise<ExitCode> {
  const { out, signal } = context;
  const progress = context.progress.update;
  const work = recheckRayos(new Core(), new MediaCore(), target, ext4);
  const report = await run(work, { signal, progress });
  const { release, files, findings } = report;
  const isWhole = !findings.some(isDamage);
  out.result({ event: "verified", ok: isWhole, ...report }, () =>
    isWhole
      ? `${target.name}: ${release}, ${files} files as they were installed`
      : findings.map(({ message }) => message).join("\n"),
  );
  return isWhole ? Exit.DONE : Exit.DAMAGE;
}

function requestOf(options: Given["options"]): RayosRequest {
  const text = (name: string) => options[name] as string | undefined;
  const bytes = (name: string) => options[name] as number | undefined;
  const storage = text("vmStorage");
  const consent = { erase: options["erase"] === true, reinstall: options["reinstall"] === true };
  return {
    layout: options["layout"] as RayosLayoutName,
    source: text("source"),
    place: placeOf(options),
    esp: options["esp"] as number | undefined,
    sizes: {
      espBytes: bytes("espSize"),
      systemBytes: bytes("systemSize"),
      stateBytes: bytes("stateSize"),
      logBytes: bytes("logSize"),
      recoveryBytes: bytes("recoverySize"),
    },
    vmStorage: storage === undefined || storage === "pool" ? "pool" : { path: storage },
    firstBoot: {
      machineName: text("hostname"),
      timeZone: text("timezone"),
      locale: text("locale"),
      networking: options["networking"] === true,
      autoboot: options["autoboot"] !== false,
    },
    consent,
    tableBackup: text("tableBackup"),
    seed: text("seed"),
    sourceDateEpoch: sourceDateEpoch(process.env),
    kernelOptions: text("kernelOptions"),
    bootLoader: text("bootLoader"),
    resume: options["resume"] === true,
  };
}

function placeOf(options: Given["options"]): RayosTargetPlace {
  const { partition, free } = options as { partition?: number; free?: string | true };
  if (partition !== undefined && free !== undefined) {
    throw new UsageError("--partition and --free name two places; give one.");
  }
  if (partition !== undefined) return { kind: "partition", number: partition };
  if (free === undefined) return { kind: "disk" };
  return free === true ? { kind: "free" } : { kind: "free", first: wholeNumber(free) };
}

function wholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`'${text}' is no whole number.`);
}

function describe(plan: RayosPlan): string {
  const { source, target, partitions, keeps, steps, warnings, place } = plan;
  const rows = partitions.map(({ number, name, first, last, sizeBytes }) => [
    `  ${number}`,
    name,
    `LBA ${first} to ${last}`,
    formatSize(sizeBytes),
  ]);
  const isShared = (number: number) => plan.esp.kind === "existing" && number === plan.esp.number;
  const kept = keeps.map(({ number, name, first, last }) => [
    `  ${number}`,
    name,
    `LBA ${first} to ${last}`,
    isShared(number) ? "gets the boot files" : "stays as it is",
  ]);
  const where = { disk: "the whole disk", partition: "one partition", free: "free space" };
  return [
    `from ${source.name}: ${source.release}, ${source.files} files, ${formatSize(source.bytes)}`,
    `onto ${target.name}, ${where[place.kind]}: ${formatSize(target.sizeBytes)}, ${target.content}`,
    table([...rows, ...kept]),
    ...steps.map(({ title, ranges }, index) => {
      const sectors = ranges.reduce((sum, range) => sum + range.sectors, 0);
      return `  step ${index + 1}: ${title} (within ${formatSize(sectors * 512)})`;
    }),
    ...(plan.esp.kind === "existing"
      ? []
      : plan.usableEsps.map(
          (number) => `  partition ${number} is an ESP: --esp ${number} shares it`,
        )),
    ...(plan.tableBackup === undefined ? [] : [`  old table saved to: ${plan.tableBackup}`]),
    ...(plan.resumesAt === undefined ? [] : [`  resumes at: ${plan.resumesAt}`]),
    ...warnings.map((warning) => `  warning: ${warning}`),
  ].join("\n");
}
