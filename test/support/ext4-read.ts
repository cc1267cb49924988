/** Volumes of the ext family in memory: unpacked from other tools' files, walked, and spoiled. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { StorageError } from "../../host/base/errors.ts";
import { type Ext4OpenOptions, type Ext4Stat, Ext4Volume } from "../../host/core/media/ext4.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";

/** A file of test/golden/ext4 as a device. */
export function goldenExt4(name: string): MemoryDevice {
  const packed = readFileSync(new URL(`../golden/ext4/${name}.img.gz`, import.meta.url));
  return MemoryDevice.from(gunzipSync(packed), { name });
}

export function openExt4On(device: MemoryDevice, options: Ext4OpenOptions = {}): Ext4Volume {
  const media = new MediaCore();
  return Ext4Volume.open(media, media.attach(device), { readOnly: true, ...options });
}

/** Every entry by its path, directories before what is in them. */
export function walkExt4(volume: Ext4Volume, folder = ""): Map<string, Ext4Stat> {
  const found = new Map<string, Ext4Stat>();
  for (const stat of volume.list(folder)) {
    const path = `${folder}/${stat.name}`;
    found.set(path, stat);
    if (stat.kind !== "directory") continue;
    for (const [below, entry] of walkExt4(volume, path)) found.set(below, entry);
  }
  return found;
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The code, reason and place of what `act` throws; code "none": nothing. */
export function faultOf(act: () => unknown): { code: string; reason?: string; lba?: number } {
  try {
    act();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const { reason = "", lba = -1 } = error.fault ?? {};
    return { code: error.code, reason, lba };
  }
  return { code: "none" };
}

/** Flips bits of the byte at `at`. */
export function flip(device: MemoryDevice, at: number, mask = 0xff): void {
  const [byte = 0] = device.peek(at, 1);
  device.poke(at, Uint8Array.of(byte ^ mask));
}
