/** Volumes of mke2fs, of many kinds, for tests that change them; and a device that can be cut. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type BlockDevice, RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { run, scratch } from "./tools.ts";

/** Kinds of volumes, each with what mke2fs makes it of. */
export const KINDS: readonly (readonly [string, readonly string[]])[] = [
  ["as mke2fs makes it", []],
  ["without checksums", ["-O", "^metadata_csum"]],
  ["without 64-bit numbers", ["-O", "^64bit"]],
  ["with blocks of 1 KiB", ["-b", "1024"]],
  [
    "with blocks of 1 KiB, a small journal, checksums of groups alone",
    ["-b", "1024", "-J", "size=1", "-O", "^metadata_csum,^64bit,uninit_bg,^flex_bg"],
  ],
  ["without any checksum", ["-b", "2048", "-O", "^metadata_csum,^uninit_bg"]],
  ["with inodes of 128 bytes", ["-b", "2048", "-I", "128"]],
  ["without an index", ["-b", "1024", "-O", "^dir_index"]],
  ["with descriptors in their groups", ["-b", "1024", "-O", "meta_bg,^resize_inode"]],
  [
    "with a seed, deep directories, and orphans in a file",
    ["-b", "1024", "-O", "metadata_csum_seed,large_dir,orphan_file,fast_commit"],
  ],
];

/** A volume of `kind` in memory; `journal`: what debugfs makes of its journal first. */
export function volumeOf(
  flags: readonly string[],
  size = "24M",
  journal: readonly string[] = [],
): MemoryDevice {
  const image = join(scratch(), "image");
  const made = run("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "4096", ...flags, image, size]);
  expect(made.code, made.text).toBe(0);
  if (journal.length > 0) {
    const input = `${journal.join("\n")}\n`;
    expect(run("debugfs", ["-w", "-f", "-", image], { input }).code).toBe(0);
  }
  return MemoryDevice.from(readFileSync(image), { name: "image" });
}

/** The volume as a file, for the tools. */
export function fileOf(device: MemoryDevice): string {
  const path = join(scratch(), "volume");
  writeFileSync(path, device.peek(0, device.sizeBytes));
  return path;
}

export interface Recorded {
  readonly device: BlockDevice;
  writes(): number;
  /** The disk with the first `count` writes. */
  cut(count: number): MemoryDevice;
}

/** A device that remembers what is written to it. */
export function recorded(inner: MemoryDevice): Recorded {
  const start = inner.clone();
  const writes: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const { name, config, identity, durability } = inner;
  const device: BlockDevice = {
    ...{ name, config, identity, durability },
    close: () => undefined,
    submit(requests) {
      for (const { type, sector, data } of requests) {
        if (type === RequestType.OUT) writes.push({ at: sector * 512, bytes: data.slice() });
      }
      inner.submit(requests);
    },
  };
  return {
    device,
    writes: () => writes.length,
    cut(count) {
      const disk = start.clone();
      for (const { at, bytes } of writes.slice(0, count)) disk.poke(at, bytes);
      return disk;
    },
  };
}
