/** What an installation would come to, before anybody agrees to it; nothing is written. */
import { StorageError } from "../../base/errors.ts";
import { humanSize } from "../../base/size.ts";
import type { Work } from "../../base/work.ts";
import type { BlockDevice } from "../../device/device.ts";
import { FileDevice } from "../../device/local/file.ts";
import {
  type RayosLayoutName,
  type RayosRole,
  type RayosSizes,
  SIZES_DEFAULT,
} from "../../format/rayos/layout.ts";
import { type Disk, obstacleText } from "../disks/disk.ts";
import type { RayosPlan, RayosReport, RayosRequest } from "../rayos/plan/types.ts";
import type { Assessment, SizeLine } from "./dialogue.ts";
import type { MenuRow } from "./menu.ts";

/** Who plans and installs. Its events are RayosEvents. */
export interface Engine {
  /** @throws {Refusal} it must not or cannot be installed there */
  plan(target: BlockDevice, request: RayosRequest): Work<RayosPlan>;
  install(target: BlockDevice, request: RayosRequest): Work<RayosReport>;
  /** Opens a disk for writing; whoever asked closes it. Default: what its path leads to. */
  open?(disk: Disk): BlockDevice;
}

/** The storage of a disk, for writing. @throws {StorageError} EBUSY, EROFS, EACCES, ... */
export function openTarget(engine: Engine, disk: Disk): BlockDevice {
  return engine.open === undefined ? FileDevice.open(disk.devPath) : engine.open(disk);
}

export interface Assessed {
  readonly assessment: Assessment;
  /** Undefined: refused, or the sample disk, for which there is nothing to plan. */
  readonly plan?: RayosPlan | undefined;
}

const WHAT: Readonly<Record<RayosRole, string>> = {
  esp: "ESP (FAT32)",
  system: "System (ext4)",
  state: "State",
  log: "Log",
  recovery: "Recovery (FAT32)",
  pool: "VM pool (ext4)",
};
const ROLES: Readonly<Record<RayosLayoutName, readonly (keyof typeof WHAT)[]>> = {
  rayos: ["esp", "system", "pool"],
  "rayos-full": ["esp", "system", "state", "log", "recovery", "pool"],
};

/** Plans the installation of `request` into a row. What forbids it is an answer, no error. */
export function* assessRow(engine: Engine, row: MenuRow, request: RayosRequest): Work<Assessed> {
  const { disk, place, esp = request.esp } = row;
  const [obstacle] = disk.obstacles;
  if (obstacle !== undefined) return { assessment: { refusal: obstacleText(disk, obstacle) } };
  if (disk.kind === "sample") {
    return { assessment: { sizes: sizeLines(request.layout, request.sizes), notes: [] } };
  }
  let plan: RayosPlan;
  try {
    // For writing, though nothing is written: who may not write, or finds another one at it, shall
    // know before anything is asked.
    const target = openTarget(engine, disk);
    try {
      plan = yield* engine.plan(target, { ...request, place, esp });
    } finally {
      target.close();
    }
  } catch (error) {
    // Whoever stopped it wants no answer.
    if (!(error instanceof StorageError) || error.code === "ECANCELED") throw error;
    return { assessment: { refusal: plainMessage(error) } };
  }
  const sizes = plan.partitions.map(({ role, number, sizeBytes }): SizeLine => {
    const what = `${WHAT[role]}, partition ${number}`;
    return {
      what,
      size: role === "pool" ? `remaining ${humanSize(sizeBytes)}` : humanSize(sizeBytes),
    };
  });
  return { assessment: { sizes, notes: notesOf(plan) }, plan };
}

/** The sizes that a layout has wherever it lies. */
export function sizeLines(layout: RayosLayoutName, sizes: RayosSizes = {}): SizeLine[] {
  return ROLES[layout].map((role) => {
    if (role === "pool") return { what: WHAT[role], size: "remaining" };
    const key = `${role}Bytes` as const;
    return { what: WHAT[role], size: humanSize(sizes[key] ?? SIZES_DEFAULT[key]) };
  });
}

/** The sentence of an error without the code in front of it. */
export function plainMessage(error: Error): string {
  return error.message.replace(/^(?:refused|E[A-Z]+): /, "");
}

function notesOf(plan: RayosPlan): string[] {
  const { source, keeps, warnings, tableBackup, resumesAt, vmStorage, esp } = plan;
  const others = keeps.filter(({ number }) => esp.kind === "new" || number !== esp.number);
  const kept = others.map(({ number }) => number).join(", ");
  return [
    `from ${source.name}: ${source.release}, ${source.files} files, ${humanSize(source.bytes)}`,
    `virtual machines in ${vmStorage}`,
    ...(esp.kind === "new" ? [] : [`boot files onto the ESP, partition ${esp.number}`]),
    ...(kept === "" ? [] : [`partitions that stay as they are: ${kept}`]),
    ...(tableBackup === undefined ? [] : [`the old partition table is saved to ${tableBackup}`]),
    ...(resumesAt === undefined ? [] : [`goes on with an installation that was cut short`]),
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
}
