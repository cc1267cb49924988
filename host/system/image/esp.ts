/**
 * The EFI system partition: made from a tree of files, read back as one.
 *
 * The ESP holds exactly that tree, any bytes, nothing added and nothing renamed; what a FAT cannot
 * hold is refused by name before its content is read.
 */
import { failure, refusal } from "../../base/errors.ts";
import { formatSize } from "../../base/size.ts";
import type { Work } from "../../base/work.ts";
import { type FatStat, FatVolume } from "../../core/fat.ts";
import type { Core } from "../../core/load.ts";
import { type Extent, SECTOR_BYTES } from "../../format/layout.ts";
import { type Tree, type TreeEntry, type TreeReader, treeBytes } from "./folder.ts";

/** Bytes copied between two looks at the clock of the world outside. */
const COPY_BYTES = 1 << 20;
const CLUSTER_SECTORS_MAX = 128;

export interface EspOptions {
  readonly place: Extent;
  readonly tree: Tree;
  readonly label: string;
  readonly serial: number;
  /** Milliseconds since 1970 UTC, of everything on the volume. */
  readonly timestampMs: number;
}

/** Formats the place as FAT32 and copies the tree. ENOSPC, EEXIST, EINVAL name the file. */
export function* makeEsp(core: Core, device: number, options: EspOptions): Work<void> {
  const { place, tree, label, serial, timestampMs } = options;
  const window = { baseSector: place.first, sectors: place.sectors };
  const timestamp = timestampMs;
  const volume = FatVolume.format(core, device, { ...window, label, serial, timestamp });
  try {
    checkRoom(volume, tree, place);
    yield* copyTree(volume, tree);
    volume.flush();
  } finally {
    volume.close();
  }
}

/** The label and the tree of an ESP; readers stay good while `volume` is open. */
export function espTree(volume: FatVolume): Tree {
  const entries: TreeEntry[] = [];
  const waiting = [""];
  for (let folder = waiting.shift(); folder !== undefined; folder = waiting.shift()) {
    for (const stat of volume.list(folder === "" ? "/" : folder)) {
      const path = folder === "" ? stat.name : `${folder}/${stat.name}`;
      entries.push(entryOf(volume, path, stat));
      if (stat.kind === "directory") waiting.push(path);
    }
  }
  return entries.sort((one, other) => (one.path < other.path ? -1 : 1));
}

function entryOf(volume: FatVolume, path: string, stat: FatStat): TreeEntry {
  return {
    path,
    kind: stat.kind,
    size: stat.sizeBytes,
    modifiedMs: stat.mtimeMs,
    open: () => fatReader(volume, path),
  };
}

function fatReader(volume: FatVolume, path: string): TreeReader {
  let at = 0;
  return {
    read: (into) => {
      const got = volume.readInto(path, at, into);
      at += got;
      return got;
    },
    close: () => {},
  };
}

function* copyTree(volume: FatVolume, tree: Tree): Work<void> {
  const total = treeBytes(tree);
  const largest = tree.reduce((most, entry) => Math.max(most, entry.size), 1);
  const buffer = new Uint8Array(Math.min(COPY_BYTES, largest));
  let done = 0;
  for (const entry of tree) {
    if (volume.exists(entry.path)) {
      const message = `'${entry.path}' is there twice: a FAT does not tell upper from lower case.`;
      throw failure("EEXIST", "mkdisk", message, { path: entry.path });
    }
    if (entry.kind === "directory") {
      volume.mkdir(entry.path);
      continue;
    }
    const writer = volume.create(entry.path);
    const reader = entry.open();
    let open = true;
    try {
      let size = 0;
      for (let got = reader.read(buffer); got > 0; got = reader.read(buffer)) {
        writer.write(buffer.subarray(0, got));
        size += got;
        yield { step: "copy boot files", done: done + size, total, unit: "bytes" };
      }
      if (size !== entry.size) throw changed(entry, size);
      open = false;
      writer.close();
      done += size;
    } finally {
      reader.close();
      if (open) writer.abort();
    }
  }
  yield { step: "copy boot files", done, total, unit: "bytes" };
}

/** Says how large an ESP the tree needs before half of it is copied. */
function checkRoom(volume: FatVolume, tree: Tree, place: Extent): void {
  const { clusterBytes, freeClusters } = volume.statfs();
  const needed = tree.reduce((sum, entry) => sum + clustersOf(entry, clusterBytes), 0);
  if (needed <= freeClusters) return;
  const missing = (needed - freeClusters) * (clusterBytes / SECTOR_BYTES);
  // Each cluster more costs its entry in two tables.
  const more = Math.ceil((missing * 1.02 + CLUSTER_SECTORS_MAX) / 2048) * 2048;
  const message =
    `the boot files take ${formatSize(needed * clusterBytes)}; ` +
    `the ESP has room for ${formatSize(freeClusters * clusterBytes)}.`;
  const hint = `--esp-sectors ${place.sectors + more} would do.`;
  throw refusal("ENOSPC", "mkdisk", message, { hint });
}

function clustersOf(entry: TreeEntry, clusterBytes: number): number {
  if (entry.kind === "file") return Math.ceil(entry.size / clusterBytes);
  return 1;
}

function changed(entry: TreeEntry, size: number): Error {
  const message =
    `'${entry.path}' changed while it was read: ` + `${entry.size} bytes before, ${size} now.`;
  return failure("EIO", "mkdisk", message, { path: entry.path });
}
