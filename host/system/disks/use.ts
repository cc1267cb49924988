/**
 * Who uses the disks of this machine: which one holds the running system, which one the installer,
 * what is mounted, swapped to, or part of a volume. All of it comes down to whole disks, through
 * partitions, device-mapper and software RAID, and the files behind loop devices.
 */
import { type Obstacle, ordered } from "./disk.ts";
import type { BlockEntry, BlockTable } from "./sysfs.ts";
import { parseMounts, parseSwaps, type SystemView } from "./system.ts";

/** Mount points that the running system cannot do without. */
const SYSTEM_PLACES = ["/", "/boot", "/boot/efi", "/efi", "/usr", "/sysroot"];

export interface InstallerFiles {
  /** The program itself. */
  readonly program?: string | undefined;
  /** What it installs. */
  readonly payload?: string | undefined;
}

/** Why each disk must not be written to, by its name in the table; disks in no use are absent. */
export function usesOf(
  table: BlockTable,
  system: SystemView,
  installer: InstallerFiles = {},
): Map<string, Obstacle[]> {
  const index = new Index(table, system);
  const uses = new Map<string, Obstacle[]>();
  const add = (disks: Iterable<string>, obstacle: Obstacle): void => {
    for (const disk of disks) uses.set(disk, [...(uses.get(disk) ?? []), obstacle]);
  };
  for (const { device, at, source } of parseMounts(system.mounts())) {
    const disks = index.disksOf(index.nodeOf(device) ?? index.nodeAt(source));
    if (SYSTEM_PLACES.includes(at)) {
      add(disks, { kind: "boot", reason: `it holds ${at} of the running system` });
    } else add(disks, { kind: "mounted", reason: `it is mounted at ${at}` });
  }
  for (const path of parseSwaps(system.swaps())) {
    add(index.disksOf(index.nodeAt(path)), { kind: "swap", reason: "it is used as swap" });
  }
  const own = [
    [installer.program, "the installer runs from it"],
    [installer.payload, "what shall be installed is on it"],
  ] as const;
  for (const [path, reason] of own) {
    if (path !== undefined) add(index.disksWith(path), { kind: "installer", reason });
  }
  for (const entry of table.entries) add([entry.name], readOnlyOr(entry));
  for (const [disk, obstacles] of uses) uses.set(disk, ordered(obstacles).filter(isReal));
  return new Map([...uses].filter(([, obstacles]) => obstacles.length > 0));
}

const NOTHING: Obstacle = { kind: "read-only", reason: "" };

function isReal(obstacle: Obstacle): boolean {
  return obstacle.reason !== "";
}

function readOnlyOr(entry: BlockEntry): Obstacle {
  const holders = [entry, ...entry.partitions].flatMap((each) => each.holders);
  if (holders.length > 0) return { kind: "held", reason: `${holders[0]} is made of it` };
  return entry.readOnly === true ? { kind: "read-only", reason: "it is read-only" } : NOTHING;
}

/** Finds the whole disks under a node of any kind. */
class Index {
  readonly #entries: ReadonlyMap<string, BlockEntry>;
  /** Name of the node with a number, of disks and partitions alike. */
  readonly #byDevice = new Map<string, string>();
  /** The disk of each partition, and of each disk itself. */
  readonly #diskOf = new Map<string, string>();
  readonly #system: SystemView;

  constructor(table: BlockTable, system: SystemView) {
    this.#system = system;
    this.#entries = new Map(table.entries.map((entry) => [entry.name, entry]));
    for (const entry of table.entries) {
      for (const { name, device } of [entry, ...entry.partitions]) {
        this.#diskOf.set(name, entry.name);
        if (device !== "") this.#byDevice.set(device, name);
      }
    }
  }

  nodeOf(device: string | undefined): string | undefined {
    return device === undefined ? undefined : this.#byDevice.get(device);
  }

  /** The node that a path such as /dev/mapper/root leads to, or whose filesystem holds a file. */
  nodeAt(path: string): string | undefined {
    if (!path.startsWith("/")) return undefined;
    const real = this.#system.resolve(path);
    const name = real.startsWith("/dev/") ? real.slice("/dev/".length).replaceAll("/", "!") : "";
    return this.#diskOf.has(name) ? name : this.nodeOf(this.#system.deviceOf(path));
  }

  /** The disks that a file lies on. */
  disksWith(path: string): Set<string> {
    const node = this.nodeOf(this.#system.deviceOf(path));
    if (node !== undefined) return this.disksOf(node);
    // A filesystem over several disks has a number of its own; its mount names one of them.
    const real = this.#system.resolve(path);
    const mounts = parseMounts(this.#system.mounts()).filter(
      ({ at }) => real === at || real.startsWith(at === "/" ? "/" : `${at}/`),
    );
    const deepest = mounts.reduce(
      (best, each) => (each.at.length >= best.length ? each.at : best),
      "",
    );
    const at = mounts.findLast((mount) => mount.at === deepest);
    return this.disksOf(at === undefined ? undefined : this.nodeAt(at.source));
  }

  disksOf(node: string | undefined, seen = new Set<string>()): Set<string> {
    const disk = node === undefined ? undefined : this.#diskOf.get(node);
    if (node === undefined || disk === undefined || seen.has(node)) return new Set();
    seen.add(node);
    const entry = this.#entries.get(disk) as BlockEntry;
    const below = [...entry.slaves];
    if (entry.backingFile !== undefined) {
      const holder = this.nodeOf(this.#system.deviceOf(entry.backingFile));
      if (holder !== undefined) below.push(holder);
    }
    return new Set([disk, ...below.flatMap((each) => [...this.disksOf(each, seen)])]);
  }
}
