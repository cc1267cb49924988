/** Checks volumes of foreign filesystems: those of an ISO image, and those of the ext family. */
import { StorageError } from "../../base/errors.ts";
import type { Finding } from "../../base/finding.ts";
import { type Ext4Finding, Ext4Volume } from "../../core/media/ext4.ts";
import type { IsoVolume } from "../../core/media/iso.ts";
import { MediaCore } from "../../core/media/load.ts";
import { isIso, openIso } from "../../core/media/open.ts";
import type { BlockDevice } from "../../device/device.ts";

/** Levels of directories that are looked into: more than any tool writes. */
const DEPTH_MAX = 256;

/**
 * What is wrong with the volume of a device; undefined where there is none. Content has no sums on
 * such a medium, so what is found is structure alone, and only the first thing in each directory.
 */
export function checkIso(device: BlockDevice): Finding[] | undefined {
  if (!isIso(device)) return undefined;
  const findings: Finding[] = [];
  const told = (error: unknown, path?: string) => {
    if (!(error instanceof StorageError) || error.code === "EIO") throw error;
    const { reason = error.code, lba = 0 } = error.fault ?? {};
    const place = path === undefined ? {} : { path };
    findings.push({ reason, lba, device: device.name, message: error.message, ...place });
  };
  let volume: IsoVolume;
  try {
    volume = openIso(device);
  } catch (error) {
    told(error);
    return findings;
  }
  try {
    const waiting = ["/"];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      try {
        for (const { name, kind } of volume.list(path)) {
          if (kind !== "directory" || path.split("/").length > DEPTH_MAX) continue;
          waiting.push(path === "/" ? `/${name}` : `${path}/${name}`);
        }
      } catch (error) {
        told(error, path);
      }
    }
  } finally {
    volume.close();
  }
  return findings;
}

/**
 * What is wrong with the ext volume in a window of a device: everything it says is held against
 * what can be reached. A journal that is not empty is advice, and read from memory.
 */
export function checkExt4(
  device: BlockDevice,
  window: { readonly baseSector?: number | undefined; readonly sectors?: number | undefined },
): Finding[] {
  const media = new MediaCore();
  let volume: Ext4Volume | undefined;
  try {
    const { baseSector, sectors } = window;
    const options = { baseSector, sectors, readOnly: true };
    volume = Ext4Volume.open(media, media.attach(device), options);
    return volume.check().map((finding) => ext4Finding(finding, device));
  } catch (error) {
    if (!(error instanceof StorageError) || error.code === "EIO") throw error;
    const { reason = error.code, lba = window.baseSector ?? 0 } = error.fault ?? {};
    return [{ reason, lba, device: device.name, message: error.message }];
  } finally {
    volume?.close();
  }
}

function ext4Finding(finding: Ext4Finding, device: BlockDevice): Finding {
  const { kind, lba, block, path, reason, isAdvice } = finding;
  return {
    reason: kind,
    lba,
    device: device.name,
    ...(path === undefined ? {} : { path }),
    message: `block ${block}: ${reason}`,
    ...(isAdvice ? { severity: "advice" as const } : {}),
  };
}
