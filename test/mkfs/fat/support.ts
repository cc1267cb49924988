/** Small volumes for the tests of FAT32, and pictures of what is on them. */
import { FatVolume, type FatWindow } from "../../../host/core/fat.ts";
import type { Core } from "../../../host/core/load.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { freshCore } from "../../support/core.ts";

export const TIMESTAMP = Date.UTC(2026, 1, 3, 4, 5, 6);
export const SERIAL = 0x1badb002;

export interface Bench {
  readonly core: Core;
  readonly device: MemoryDevice;
  readonly id: number;
  readonly fat: FatVolume;
}

/** A formatted volume on a device of its own; 33 MiB is the smallest with 512-byte blocks. */
export function bench(
  size = "33MiB",
  options: { blkSize?: 512 | 4096; core?: Core; clusterBytes?: number } & FatWindow = {},
): Bench {
  const { blkSize = 512, core = freshCore(), ...format } = options;
  const device = new MemoryDevice({ size, blkSize });
  const id = core.attach(device);
  const fat = FatVolume.format(core, id, {
    label: "TEST",
    serial: SERIAL,
    timestamp: TIMESTAMP,
    ...format,
  });
  return { core, device, id, fat };
}

/** `length` bytes that differ from file to file. */
export function content(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export type Tree = Map<string, Uint8Array | undefined>;

/** Every path of the volume, with the content of files; undefined for directories. */
export function treeOf(fat: FatVolume, below = ""): Tree {
  // A hostile disk may have directories that hold themselves.
  if (below.split("/").length > 12) return new Map();
  const tree: Tree = new Map();
  for (const { name, kind } of fat.list(below)) {
    const path = `${below}/${name}`;
    if (kind === "directory") {
      tree.set(path, undefined);
      for (const [inner, bytes] of treeOf(fat, path)) tree.set(inner, bytes);
    } else {
      tree.set(path, fat.readFile(path));
    }
  }
  return tree;
}

/** The tree as lines, for comparison: the same for any order of entries. */
export function picture(tree: Tree): string[] {
  const lines = [...tree].map(([path, bytes]) =>
    bytes === undefined ? `${path}/` : `${path} ${bytes.length} ${fingerprint(bytes)}`,
  );
  return lines.sort();
}

function fingerprint(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}
