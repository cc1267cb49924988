/** ISO 9660 volumes in memory: built by us, forged by hand, or unpacked from other tools' files. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { finish } from "../../host/base/work.ts";
import { buildIso, type IsoBuildOptions, type IsoPlaces } from "../../host/core/media/build.ts";
import { type IsoOpenOptions, type IsoStat, IsoVolume } from "../../host/core/media/iso.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { memoryTree } from "../../host/system/image/folder.ts";

export const BLOCK = 2048;
/** 2026-01-02 03:04:05 UTC */
export const WHEN_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

export interface Built {
  readonly device: MemoryDevice;
  readonly places: IsoPlaces;
}

/** An image of these files in memory. */
export function isoOf(
  files: Readonly<Record<string, Uint8Array | string>>,
  options: Partial<IsoBuildOptions> & {
    readonly size?: string;
    readonly blkSize?: 512 | 4096;
  } = {},
): Built {
  const { size = "16MiB", blkSize = 512, ...given } = options;
  const device = new MemoryDevice({ size, blkSize, name: "cd" });
  const media = new MediaCore();
  const places = finish(
    buildIso(media, media.attach(device), {
      entries: memoryTree(files),
      label: "TEST",
      timestampMs: WHEN_MS,
      bootSectors: 0,
      ...given,
    }),
  );
  return { device, places };
}

export function openOn(device: MemoryDevice, options: IsoOpenOptions = {}): IsoVolume {
  const media = new MediaCore();
  return IsoVolume.open(media, media.attach(device), options);
}

/** Every entry by its path, directories before what is in them. */
export function walkIso(volume: IsoVolume, folder = ""): Map<string, IsoStat> {
  const found = new Map<string, IsoStat>();
  for (const stat of volume.list(folder)) {
    const path = `${folder}/${stat.name}`;
    found.set(path, stat);
    if (stat.kind !== "directory") continue;
    for (const [below, entry] of walkIso(volume, path)) found.set(below, entry);
  }
  return found;
}

/** A file of test/golden/iso as a device. */
export function goldenIso(name: string): MemoryDevice {
  const packed = readFileSync(new URL(`../golden/iso/${name}.iso.gz`, import.meta.url));
  return MemoryDevice.from(gunzipSync(packed), { name });
}

/** A number in both orders at byte `at`. */
export function pokeBoth(device: MemoryDevice, at: number, value: number): void {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value, true);
  view.setUint32(4, value, false);
  device.poke(at, bytes);
}

/** Where the record of `name` (a plain identifier, or a part of any) stands on the medium. */
export function recordAt(device: MemoryDevice, name: string, from = 18 * BLOCK): number {
  const wanted = Buffer.from(name, "latin1");
  const bytes = Buffer.from(device.peek(0, Math.min(device.sizeBytes, 1 << 20)));
  for (let at = bytes.indexOf(wanted, from); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
    const record = at - 33;
    const length = bytes[record] ?? 0;
    // A path table has names too; a record knows its own length and that of the name.
    if (length > 33 && (bytes[at - 1] ?? 0) >= wanted.length && bytes[record + 28] === 1) {
      return record;
    }
  }
  throw new Error(`no record of '${name}'`);
}
