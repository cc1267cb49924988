/** One filesystem's check, whatever kind it is. */
import type { Finding } from "../../base/finding.ts";
import { FatVolume } from "../../core/fat.ts";
import type { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import { findFiles } from "../../system/volume.ts";

export interface Checked {
  readonly kind: string;
  readonly findings: readonly Finding[];
}

/** Everything that is wrong with the filesystem at `partition`, or the only one there is. */
export function checkDisk(core: Core, device: number, partition?: number): Checked {
  const place = findFiles(core, device, partition);
  if (place.signature === "fat") {
    const name = core.device(device)?.name ?? "device";
    const findings = FatVolume.verify(core, device, place).map(({ kind, lba, path, reason }) => ({
      reason: kind,
      lba,
      device: name,
      message: reason,
      ...(path === undefined ? {} : { path }),
    }));
    return { kind: "FAT32", findings };
  }
  return { kind: "CAPOS region", findings: Region.verify(core, device, place) };
}
