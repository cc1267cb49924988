/** Carries an installation out, and says each thing when it has happened. */
import { failure, StorageError } from "../../base/errors.ts";
import { type ProgressEvent, run } from "../../base/work.ts";
import type { BlockDevice } from "../../device/device.ts";
import * as lines from "../../format/rayos/lines.ts";
import { SECTOR_BYTES } from "../../system/disks/disk.ts";
import { openTarget, plainMessage } from "../../system/installer/assess.ts";
import type { MenuRow } from "../../system/installer/menu.ts";
import type { RayosEvent, RayosReport, RayosRequest } from "../../system/rayos/plan/types.ts";
import { Stopped } from "./front.ts";
import { say, Told, type World } from "./world.ts";

/** The sample disk has no storage: everything is said and nothing is written. */
export function dryRun(world: World, { disk }: MenuRow): void {
  say(world, lines.DRY_RUN);
  say(world, lines.stepLine(`${disk.name} is a sample: nothing is written.`));
  say(world, lines.planValidated(disk.name));
  say(world, lines.INSTALLATION_SUCCESSFUL);
}

/**
 * Installs onto the row's disk.
 *
 * @throws {Told} it failed, and the markers say so
 * @throws {Stopped} it was stopped at a safe point, and the line says how to go on
 */
export async function carryOut(world: World, row: MenuRow, request: RayosRequest): Promise<void> {
  const { name } = row.disk;
  let step = "";
  let begun = false;
  const progress = (event: ProgressEvent): void => {
    if (event.step !== step) {
      step = event.step;
      say(world, lines.stepLine(step));
    }
    const { created } = event as RayosEvent;
    if (created !== undefined) {
      say(world, lines.partitionCreated(created.number, created.sizeBytes));
    }
  };
  let report: RayosReport;
  try {
    // The lock of the device: a second installer ends here.
    const target = openTarget(world.engine, row.disk);
    try {
      checkSame(target, row);
      say(world, lines.INSTALL_BEGIN);
      begun = true;
      report = await run(world.engine.install(target, request), {
        signal: world.signal,
        progress,
      });
    } finally {
      target.close();
    }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const stopped = error.code === "ECANCELED" && world.signal.aborted;
    const reason = stopped ? "stopped by the user" : reasonOf(error, step);
    if (begun) say(world, lines.installFailed(reason));
    say(world, lines.installationFailed(reason));
    if (!stopped) throw new Told(reason, { cause: error });
    say(world, `Stopped. To go on where it stopped: ${world.resumeCommand}`);
    throw new Stopped();
  }
  for (const warning of report.warnings) say(world, lines.stepLine(`warning: ${warning}`));
  if (report.tableBackup !== undefined) {
    say(world, lines.stepLine(`old partition table: ${report.tableBackup}`));
  }
  say(world, lines.installComplete(name));
  say(world, lines.planValidated(name));
  say(world, lines.INSTALLATION_SUCCESSFUL);
  world.installed?.(row.disk, report);
}

/** A name may lead to another disk by now: one was pulled out, another took its name. */
function checkSame(target: BlockDevice, { disk }: MenuRow): void {
  const sizeBytes = target.config.capacity * SECTOR_BYTES;
  if (disk.sizeBytes === null || Math.abs(sizeBytes - disk.sizeBytes) < SECTOR_BYTES) return;
  const message = `'${disk.devPath}' had ${disk.sizeBytes} bytes, and now has ${sizeBytes}.`;
  throw failure("ESTALE", "install", message, { path: disk.devPath });
}

/** The step that failed, in front of why. */
function reasonOf(error: StorageError, step: string): string {
  const why = plainMessage(error);
  return step === "" ? why : `${step}: ${why}`;
}
