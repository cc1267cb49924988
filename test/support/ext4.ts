/** ext4 volumes that tests build: always of the same uuid, seed and time. */
import { finish } from "../../host/base/work.ts";
import {
  buildExt4,
  type Ext4BuildOptions,
  type Ext4Facts,
} from "../../host/core/media/ext4-build.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import type { BlockDevice } from "../../host/device/device.ts";
import { FileDevice } from "../../host/device/local/file.ts";

export const UUID = "01234567-89ab-cdef-0123-456789abcdef";
export const HASH_SEED = "11111111-2222-3333-4444-555555555555";
/** 2026-01-02 03:04:05 UTC */
export const WHEN_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

export const FIXED: Ext4BuildOptions = {
  uuid: Buffer.from(UUID.replaceAll("-", ""), "hex"),
  hashSeed: Buffer.from(HASH_SEED.replaceAll("-", ""), "hex"),
  timestampMs: WHEN_MS,
};

export function buildOn(device: BlockDevice, options: Partial<Ext4BuildOptions> = {}): Ext4Facts {
  const media = new MediaCore();
  return finish(buildExt4(media, media.attach(device), { ...FIXED, ...options }));
}

/** A sparse image file with a volume. */
export function imageOf(
  path: string,
  sizeBytes: number,
  options: Partial<Ext4BuildOptions> & { readonly blkSize?: 512 | 4096 } = {},
): Ext4Facts {
  const { blkSize = 512, ...given } = options;
  const device = FileDevice.create(path, { size: sizeBytes, blkSize });
  try {
    return buildOn(device, given);
  } finally {
    device.close();
  }
}
