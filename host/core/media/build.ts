/**
 * Builds ISO 9660 images: a list of paths becomes sorted nodes and a stream of content. Nothing of
 * a file is kept in memory.
 */
import {
  ISO_PLACES_BOOT_SECTOR,
  ISO_PLACES_BOOT_SECTORS,
  ISO_PLACES_SECTORS,
  ISO_PLACES_SIZE,
  IsoType,
} from "../../../assembly/format/media/calls.ts";
import { failure } from "../../base/errors.ts";
import { compareBytes } from "../../base/platform/bytes.ts";
import type { Work } from "../../base/work.ts";
import type { MediaCore } from "./load.ts";

const DATA_ROOM = 1 << 18;
const FILE_MODE = 0o444;
const FOLDER_MODE = 0o555;
/** What a primary volume descriptor takes. */
const LABEL = /^[A-Z0-9_]{0,32}$/;

const encoder = new TextEncoder();

/** A file or directory of an image. */
export interface IsoEntry {
  /** From the root, "/" between names and none in front. Directories above come by themselves. */
  readonly path: string;
  readonly kind: "file" | "directory";
  /** Bytes; 0 for a directory. */
  readonly size: number;
  /** Opens a file's content. */
  open(): IsoReader;
}

export interface IsoReader {
  /** Fills `into` from the next byte on; answers how many bytes it got, 0 at the end. */
  read(into: Uint8Array): number;
  close(): void;
}

export interface IsoBuildOptions {
  readonly entries: readonly IsoEntry[];
  /** At most 32 capitals, digits and "_". */
  readonly label: string;
  /** Milliseconds since 1970 UTC, of everything. */
  readonly timestampMs: number;
  /** Sectors of 512 bytes for the boot image; 0: none. */
  readonly bootSectors: number;
  /** First sector of the image on the device, and its sectors: default, all of it. */
  readonly baseSector?: number | undefined;
  readonly sectors?: number | undefined;
}

/** Places on the device, in sectors of 512 bytes from the start of the image. */
export interface IsoPlaces {
  /** Of the whole image, with room for a backup partition table at its end. */
  readonly sectors: number;
  /** Where the boot image belongs, on a MiB; 0: there is none. */
  readonly bootSector: number;
  readonly bootSectors: number;
}

interface PlannedNode {
  readonly parent: number;
  readonly name: Uint8Array;
  readonly path: string;
  readonly entry: IsoEntry | undefined;
}

interface Branch {
  readonly path: string;
  entry: IsoEntry | undefined;
  readonly children: Map<string, Branch>;
}

/** Where everything of an image would go; nothing is written. Errors as those of buildIso. */
export function planIso(media: MediaCore, device: number, options: IsoBuildOptions): IsoPlaces {
  const nodes = planNodes(options.entries);
  return withBuild(media, device, options, (build) => layOut(media, build, nodes, options));
}

/**
 * Writes an image: all of it but the boot image and the partition table, which are the caller's.
 *
 * @throws {StorageError} ENOSPC: the device is too small; EEXIST: a path stands twice; ENOTDIR: a
 *   path leads through a file; EINVAL: a name, label or time the format does not take; EIO
 */
export function* buildIso(
  media: MediaCore,
  device: number,
  options: IsoBuildOptions,
): Work<IsoPlaces> {
  const nodes = planNodes(options.entries);
  const build = begin(media, device, options);
  try {
    const places = layOut(media, build, nodes, options);
    const total = options.entries.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    for (const { entry } of nodes) {
      if (entry?.kind !== "file") continue;
      for (const written of writeContent(media, build, entry)) {
        yield { step: "copy payload", done: done + written, total, unit: "bytes" };
      }
      done += entry.size;
    }
    media.check(media.exports.isoBuildFinish(build), "isoBuild");
    return places;
  } finally {
    media.exports.isoBuildEnd(build);
  }
}

function withBuild<T>(
  media: MediaCore,
  device: number,
  options: IsoBuildOptions,
  use: (build: number) => T,
): T {
  const build = begin(media, device, options);
  try {
    return use(build);
  } finally {
    media.exports.isoBuildEnd(build);
  }
}

function begin(media: MediaCore, device: number, options: IsoBuildOptions): number {
  const { label, timestampMs, baseSector = 0, sectors = 0 } = options;
  if (!LABEL.test(label)) {
    const hint = "It has up to 32 capitals, digits and '_'.";
    throw failure("EINVAL", "isoBuild", `'${label}' is no label of an ISO 9660 volume.`, { hint });
  }
  const build = media.memory.with(label, (at, length) =>
    media.exports.isoBuild(device, baseSector, sectors, timestampMs, at, length),
  );
  return media.check(build, "isoBuild");
}

function layOut(
  media: MediaCore,
  build: number,
  nodes: readonly PlannedNode[],
  { bootSectors }: IsoBuildOptions,
): IsoPlaces {
  const { exports, memory } = media;
  for (const { parent, name, path, entry } of nodes) {
    const isFile = entry?.kind === "file";
    const type = isFile ? IsoType.FILE : IsoType.DIRECTORY;
    const mode = isFile ? FILE_MODE : FOLDER_MODE;
    const size = isFile ? entry.size : 0;
    const added = memory.with(name, (at, length) =>
      exports.isoBuildNode(build, parent, type, mode, size, at, length),
    );
    media.check(added, "isoBuild", { path });
  }
  media.check(exports.isoBuildLayout(build, bootSectors), "isoBuild");
  const out = memory.allocate(ISO_PLACES_SIZE);
  try {
    media.check(exports.isoBuildPlaces(build, out), "isoBuild");
    const number = (field: number) => memory.view.getFloat64(out + field, true);
    return {
      sectors: number(ISO_PLACES_SECTORS),
      bootSector: number(ISO_PLACES_BOOT_SECTOR),
      bootSectors: number(ISO_PLACES_BOOT_SECTORS),
    };
  } finally {
    memory.release(out, ISO_PLACES_SIZE);
  }
}

/** Yields the bytes written so far. */
function* writeContent(media: MediaCore, build: number, entry: IsoEntry): Iterable<number> {
  const { exports, memory } = media;
  const piece = new Uint8Array(DATA_ROOM);
  const room = memory.allocate(DATA_ROOM);
  const reader = entry.open();
  let written = 0;
  try {
    for (let got = reader.read(piece); got > 0; got = reader.read(piece)) {
      written += got;
      if (written > entry.size) break;
      memory.bytes.set(piece.subarray(0, got), room);
      media.check(exports.isoBuildWrite(build, room, got), "isoBuild", { path: entry.path });
      yield written;
    }
  } finally {
    reader.close();
    memory.release(room, DATA_ROOM);
  }
  if (written === entry.size) return;
  const { path, size } = entry;
  const message = `'${path}' changed while it was read: it had ${size} bytes before.`;
  throw failure("EIO", "isoBuild", message, { path });
}

/** Nodes in the order of the format: level by level, in a directory by the bytes of the names. */
function planNodes(entries: readonly IsoEntry[]): PlannedNode[] {
  const root: Branch = { path: "", entry: undefined, children: new Map() };
  for (const entry of entries) plant(root, entry);
  const nodes: PlannedNode[] = [];
  const branches: { branch: Branch; number: number }[] = [{ branch: root, number: 0 }];
  for (const { branch, number } of branches) {
    const children = [...branch.children].map(([name, child]) => ({
      name: encoder.encode(name),
      child,
    }));
    children.sort((one, other) => compareBytes(one.name, other.name));
    for (const { name, child } of children) {
      nodes.push({ parent: number, name, path: child.path, entry: child.entry });
      branches.push({ branch: child, number: nodes.length });
    }
  }
  return nodes;
}

function plant(root: Branch, entry: IsoEntry): void {
  let branch = root;
  const { path } = entry;
  for (const name of path.split("/").filter((part) => part !== "")) {
    if (branch.entry?.kind === "file") {
      throw failure("ENOTDIR", "isoBuild", `'${path}' leads through a file.`, { path });
    }
    let child = branch.children.get(name);
    if (child === undefined) {
      child = { path: `${branch.path}/${name}`, entry: undefined, children: new Map() };
      branch.children.set(name, child);
    }
    branch = child;
  }
  const isTaken = branch.entry !== undefined || branch.children.size > 0;
  if (entry.kind === "directory" && branch.entry?.kind !== "file") branch.entry = entry;
  else if (isTaken) throw failure("EEXIST", "isoBuild", `'${path}' is there twice.`, { path });
  else branch.entry = entry;
}
