/**
 * The disks that `diskwright install` can go to: `--list-disks` shows them, `--to` chooses one of
 * them by its number in that list or by its name.
 */
import { refusal } from "../../base/errors.ts";
import { contentLines } from "../../system/disks/content.ts";
import { type Disk, obstacleText } from "../../system/disks/disk.ts";
import { type DisksFound, findDisks } from "../../system/disks/find.ts";
import { listLines } from "../../system/installer/menu.ts";
import { type Context, type Given, type OptionSpec, UsageError } from "../kit/command.ts";

/** What `install` takes besides, to show and choose disks. */
export const DISK_OPTIONS: readonly OptionSpec[] = [
  { flags: "--list-disks", summary: "list the disks: images that are named, and local ones" },
  { flags: "--enumerate-local-disks", summary: "look for the disks of this machine too" },
  { flags: "--to <disk>", summary: "the target: number or name of a listed disk" },
];

/** Prints the disks with what is on them; the JSON says more than the installer's plan. */
export function listDisks({ out }: Context, { positionals, options }: Given): void {
  const found = disksOf(positionals, options);
  const disks = found.disks.map((disk) => ({ ...disk, content: contentOf(found, disk) }));
  out.result({ sample: found.sample, disks }, () =>
    listLines(found.disks, found.contentOf).join("\n"),
  );
}

/**
 * The same request with a target: that of `--target`, or the disk that `--to` chooses.
 *
 * @throws {UsageError} both, or none, or disks to choose from and no choice
 */
export function withTarget(given: Given): Given {
  const { to, target, enumerateLocalDisks } = given.options;
  if (to === undefined) {
    if (given.positionals.length > 0 || enumerateLocalDisks === true) {
      throw new UsageError("disks to choose from need --list-disks or --to.");
    }
    if (target === undefined) throw new UsageError("--target <disk> or --to <disk> is missing.");
    return given;
  }
  if (target !== undefined) throw new UsageError("--target and --to name two disks; give one.");
  return { ...given, options: { ...given.options, target: chosenDisk(given, to as string) } };
}

/**
 * The path of the disk that `--to` names.
 *
 * @throws {UsageError} no such disk; {Refusal} EBUSY: it must not be written to, or is the sample
 */
export function chosenDisk({ positionals, options }: Given, to: string): string {
  const { disks } = disksOf(positionals, options);
  const byNumber = /^\d+$/.test(to) ? disks[Number(to) - 1] : undefined;
  const disk = disks.find(({ name, devPath }) => name === to || devPath === to) ?? byNumber;
  if (disk === undefined) {
    const names = disks.map(({ name }, index) => `${index + 1} ${name}`).join(", ");
    throw new UsageError(`--to ${to}: no such disk; there are ${names === "" ? "none" : names}.`);
  }
  const [obstacle] = disk.obstacles;
  if (obstacle !== undefined) {
    throw refusal("EBUSY", "install", `${obstacleText(disk, obstacle)}.`, { path: disk.devPath });
  }
  if (disk.kind !== "sample") return disk.devPath;
  const hint = "Name an image, or pass --enumerate-local-disks.";
  throw refusal("EINVAL", "install", "the sample disk has no storage behind it.", { hint });
}

function disksOf(paths: readonly string[], options: Given["options"]): DisksFound {
  const source = options["source"] as string | undefined;
  const local = options["enumerateLocalDisks"] === true;
  return findDisks({ paths, local, installer: { program: process.argv[1], payload: source } });
}

function contentOf(found: DisksFound, disk: Disk) {
  const content = found.contentOf(disk);
  if (content === undefined) return null;
  if (typeof content === "string") return { error: content };
  return { ...content, text: contentLines(content) };
}
