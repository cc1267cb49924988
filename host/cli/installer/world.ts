/** What the parts of the installer's command share: the world, its exit codes, how it speaks. */
import type { Disk } from "../../system/disks/disk.ts";
import type { DisksFound } from "../../system/disks/find.ts";
import type { SystemView } from "../../system/disks/system.ts";
import type { Engine } from "../../system/installer/assess.ts";
import type { RayosReport } from "../../system/rayos/plan/types.ts";
import type { Front } from "./front.ts";
import type { Unattended } from "./unattended.ts";

/** What a run may use of the world. */
export interface World {
  out(text: string): void;
  err(text: string): void;
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly nowMs: number;
  /** Seconds that stand for now. @throws {StorageError} EINVAL: the environment says no number */
  sourceDateEpoch(): number | undefined;
  /** Path of the program itself. */
  readonly program: string | undefined;
  /** The command that goes on with an installation that was stopped. */
  readonly resumeCommand: string;
  readonly engine: Engine;
  readonly front: Front;
  readonly system?: SystemView | undefined;
  /** The disks that there are; default: those of the options and of this machine. */
  readonly disks?: DisksFound | undefined;
  /** What to do without asking; default: what the registry file of the options says. */
  readonly unattended?: Unattended | undefined;
  /** Told of an installation that has succeeded. */
  installed?(disk: Disk, report: RayosReport): void;
}

/** Exit codes of the installer, which are its own. */
export const InstallerExit = { DONE: 0, FAILED: 1, USAGE: 2, STOPPED: 130 } as const;

/** A failure that has been told already, by its markers. */
export class Told extends Error {}

/** A line on standard error. */
export function say(world: World, line: string): void {
  world.err(`${line}\n`);
}
