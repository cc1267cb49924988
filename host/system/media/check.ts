/** Checks an ISO volume: every directory is read, every entry is where it can be. */
import { StorageError } from "../../base/errors.ts";
import type { Finding } from "../../base/finding.ts";
import type { IsoVolume } from "../../core/media/iso.ts";
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
