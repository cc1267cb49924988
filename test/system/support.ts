/** Disks, media and boot folders for the tests of whole flows: small, in memory, reproducible. */
import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { finish } from "../../host/base/work.ts";
import { Core } from "../../host/core/load.ts";
import { Region } from "../../host/core/region.ts";
import type { BlockDevice } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { eachPiece, isZero, readSectors } from "../../host/device/sectors.ts";
import { DATA_REGION_BASE_LBA, ESP_SECTORS_MIN } from "../../host/format/layout.ts";
import { memoryTree, type Tree } from "../../host/system/image/folder.ts";
import { type MakeDiskOptions, makeDisk } from "../../host/system/image/mkdisk.ts";
import { originOf } from "../../host/system/image/reproducible.ts";

/** The smallest ESP keeps the tests fast; the data region stays where the kernel looks. */
export const ESP_SECTORS = ESP_SECTORS_MIN;
export const MEDIUM_SIZE = "136MiB";

/** Bytes that no other call gives. */
export function noise(size: number, salt = 1): Uint8Array {
  let state = (salt * 2_654_435_761) >>> 0 || 1;
  return new Uint8Array(size).map(() => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}

/** A boot folder of some 300 KiB with long names and an empty folder's worth of depth. */
export function bootTree(): Tree {
  return memoryTree({
    "EFI/BOOT/BOOTX64.EFI": noise(70_001, 1),
    "EFI/Linux/linux-6.1.0-cloud-amd64.efi": noise(180_000, 2),
    "loader/entries/gen-1.conf": "title Gen 1\nlinux /a/linux.efi\n",
    "loader/loader.conf": "timeout 0\n",
    "boot/bins/Ein langer Name mit Umläuten.bin": noise(513, 3),
    empty: "",
  });
}

export function makeMedium(options: Partial<MakeDiskOptions> = {}): MemoryDevice {
  const device = new MemoryDevice({ size: MEDIUM_SIZE, name: "medium" });
  finish(makeDisk(device, { boot: bootTree(), espSectors: ESP_SECTORS, seed: "m", ...options }));
  return device;
}

/** Opens the data region of a disk, does something with it, and closes it. */
export function withRegion<T>(disk: BlockDevice, use: (region: Region) => T): T {
  // A clock that stands still: what is written twice is written alike.
  const core = new Core({ environment: originOf({ seed: "test" }).environment });
  const id = core.attach(disk);
  const region = Region.open(core, id, { baseSector: DATA_REGION_BASE_LBA });
  try {
    return use(region);
  } finally {
    region.close();
    core.detach(id);
  }
}

/** SHA-256 of a run of sectors, quick over the empty ones. */
export function digest(
  device: BlockDevice,
  first = 0,
  sectors = device.config.capacity - first,
): string {
  const hash = createHash("sha256");
  for (let at = 0; at < sectors; at += 2048) {
    const piece = readSectors(device, first + at, Math.min(2048, sectors - at));
    hash.update(isZero(piece) ? `${piece.length} zeros` : piece);
  }
  return hash.digest("hex");
}

/** The disk as a file, with holes where it is zero. */
export function toFile(device: MemoryDevice, path: string): void {
  const file = openSync(path, "wx");
  ftruncateSync(file, device.sizeBytes);
  eachPiece(device, 0, device.config.capacity, (bytes, sector) => {
    if (!isZero(bytes)) writeSync(file, bytes, 0, bytes.length, sector * 512);
    return true;
  });
  closeSync(file);
}

/** A read-only copy of what is on a disk now. */
export function frozen(device: MemoryDevice): MemoryDevice {
  return device.clone({ readOnly: true });
}
