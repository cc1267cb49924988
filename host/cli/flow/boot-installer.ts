/**
 * The installer inside the emulated machine: it sees the machine's disks and no others, takes the
 * system image from the medium that it was started from, and speaks on the machine's console.
 */
import { basename } from "node:path";
import { failure } from "../../base/errors.ts";
import type { BlockDevice } from "../../device/device.ts";
import { isReadOnly } from "../../device/sectors.ts";
import { sizesOfLayout } from "../../format/rayos/boot-mode.ts";
import * as lines from "../../format/rayos/lines.ts";
import type { Disk, Obstacle } from "../../system/disks/disk.ts";
import type { DisksFound } from "../../system/disks/find.ts";
import { deviceDisk, type ImageDisk } from "../../system/disks/images.ts";
import { sourceDateEpoch } from "../../system/image/reproducible.ts";
import type { InstallerCall, InstallerEnd, RunInstaller } from "../../system/rayos-loader.ts";
import { runInstaller } from "../installer/app.ts";
import { engine } from "../installer/engine.ts";
import { isTerminal, LineFront, TerminalFront } from "../installer/front.ts";
import { type InstallerOptions, parseOptions } from "../installer/options.ts";
import { followed } from "../installer/unattended.ts";
import { InstallerExit, type World } from "../installer/world.ts";

const STARTED_FROM: Obstacle = { kind: "installer", reason: "the installer was started from it" };
const READ_ONLY: Obstacle = { kind: "read-only", reason: "it is read-only" };

export interface MachineInstallerOptions {
  readonly signal: AbortSignal;
  /** The command that starts the machine again; the installer then goes on where it stopped. */
  readonly resumeCommand: string;
}

/** An installer that reads answers from standard input, unless registry.json has them. */
export function machineInstaller(given: MachineInstallerOptions): RunInstaller {
  return async (call) => {
    call.print(lines.STARTED);
    const { console, flush } = lineWriter(call.print);
    const { signal } = given;
    const front = isTerminal()
      ? new TerminalFront(console, signal)
      : new LineFront(process.stdin, console, signal);
    let end: InstallerEnd = { kind: "nothing", reason: "nothing was installed" };
    const found = disksOf(call);
    const options = optionsOf(call);
    const { settings } = call;
    const world: World = {
      ...{ out: console, err: console, signal, front, nowMs: Date.now() },
      engine: { ...engine, open: (disk) => borrowed(deviceOf(found, disk)) },
      sourceDateEpoch: () => sourceDateEpoch(process.env),
      program: undefined,
      resumeCommand: given.resumeCommand,
      disks: found.list,
      // The machine itself clears the switch, of a volume that it has open.
      unattended: settings && followed(options, settings, () => {}),
      installed: (disk, { plan }) => {
        const { uniqueGuid: espGuid, loader } = plan.esp;
        end = { kind: "installed", disk: deviceOf(found, disk), espGuid, loader: `/${loader}` };
      },
    };
    try {
      const code = await runInstaller(options, world);
      if (code !== InstallerExit.STOPPED) return end;
      throw failure("ECANCELED", "boot", "stopped while the installer ran.");
    } finally {
      flush();
      front.close();
    }
  };
}

function optionsOf({ settings, medium, layout }: InstallerCall): InstallerOptions {
  const silent = { out: () => {}, err: () => {} };
  const options = parseOptions(["--interactive"], silent) as InstallerOptions;
  return {
    ...options,
    mode: settings === undefined ? "interactive" : "unattended",
    source: medium,
    layout: settings?.layout ?? layout?.layout,
    sizes: sizesOfLayout(layout),
  };
}

interface MachineDisks {
  readonly list: DisksFound;
  readonly devices: ReadonlyMap<string, BlockDevice>;
}

function disksOf({ disks, bootDevice, isRemovable }: InstallerCall): MachineDisks {
  const bases = disks.map(({ name }) => basename(name));
  const known = disks.map((device): ImageDisk => {
    const base = basename(device.name);
    const isAlone = bases.filter((other) => other === base).length === 1;
    const obstacles = [
      ...(device === bootDevice ? [STARTED_FROM] : []),
      ...(isReadOnly(device) ? [READ_ONLY] : []),
    ];
    const { disk, content } = deviceDisk(
      device,
      device.name,
      isAlone ? base : device.name,
      obstacles,
    );
    return { disk: { ...disk, serial: device.identity.serial }, content };
  });
  return {
    list: {
      sample: false,
      disks: known.map(({ disk }) => disk),
      fromRemovable: isRemovable,
      warnings: [],
      contentOf: (asked) => known.find(({ disk }) => disk === asked)?.content,
    },
    devices: new Map(disks.map((device) => [device.name, device])),
  };
}

function deviceOf({ devices }: MachineDisks, { devPath }: Disk): BlockDevice {
  const device = devices.get(devPath);
  if (device !== undefined) return device;
  throw failure("ENOENT", "boot", `'${devPath}' is no disk of this machine.`, { path: devPath });
}

/** The machine's own device; closing it is the machine's business. */
function borrowed(device: BlockDevice): BlockDevice {
  return {
    name: device.name,
    config: device.config,
    identity: device.identity,
    durability: device.durability,
    submit: (requests) => device.submit(requests),
    close: () => {},
  };
}

/** Pieces of text as lines. */
function lineWriter(print: (line: string) => void) {
  let rest = "";
  const console = (text: string): void => {
    const all = (rest + text).split("\n");
    rest = all.pop() ?? "";
    for (const line of all) print(line);
  };
  const flush = (): void => {
    if (rest !== "") print(rest);
    rest = "";
  };
  return { console, flush };
}
