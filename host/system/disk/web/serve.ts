/** What a disk's worker does: finds the device by its name, and serves the disk on it. */
import { StorageError } from "../../../base/errors.ts";
import type { Port } from "../../../base/web/peer/peer.ts";
import { loadModules, type ModuleSources } from "../../../core/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { OverlayDevice } from "../../../device/wrap/overlay.ts";
import { memoryTree } from "../../image/folder.ts";
import { createDiskOn, type Disk, openDiskOn } from "../disk.ts";
import { serveDisk } from "../remote/disk.ts";
import { type DeviceKinds, kindOf, parseWebName, type WebDevice } from "./devices.ts";
import type { DiskRequest } from "./open.ts";

/** Serves one disk of any of `kinds` to the other end of `port`. */
export function serveWebDisk(port: Port, kinds: DeviceKinds, own: ModuleSources): void {
  serveDisk<DiskRequest>(port, async (request) => {
    await loadModules({ ...own, ...request.modules });
    const name = parseWebName(request.name);
    const { open, create, remove } = kindOf(kinds, name, request.create);
    const { options } = request;
    const isNew = request.create && create !== undefined;
    const found = await (isNew ? create : open)(name.rest, options);
    const { device, settled } = await withChanges(found, options, kinds);
    try {
      const place = { owned: true, partition: name.partition };
      const disk = isNew ? await made(device, options) : openDiskOn(device, options, place);
      return { disk, settled, each: options.durability === "each" };
    } catch (error) {
      device.close();
      // Half a disk is none: what was made here goes again.
      if (isNew && options.overwrite !== true) await remove?.(name.rest).catch(() => {});
      throw error;
    }
  });
}

function made(device: BlockDevice, { boot, ...rest }: DiskRequest["options"]): Promise<Disk> {
  const tree = boot === undefined ? {} : { boot: memoryTree(boot) };
  return createDiskOn(device, { ...rest, ...tree }, { owned: true });
}

/** The device, or a layer over it that takes what is written. Closes `base` if it fails. */
async function withChanges(
  base: WebDevice,
  options: DiskRequest["options"],
  kinds: DeviceKinds,
): Promise<WebDevice> {
  const { changes, readOnly } = options;
  if (changes === undefined) return base;
  const below = base.device;
  try {
    const name = parseWebName(changes);
    const kind = kindOf(kinds, name, true);
    const layer = await kind.open(name.rest, { readOnly }).catch((error) => {
      if (error instanceof StorageError && error.code === "ENOENT" && !readOnly) return undefined;
      throw error;
    });
    if (layer !== undefined) return over(layer, (file) => OverlayDevice.open(below, file));
    const size = OverlayDevice.sizeFor(below);
    const fresh = await kind.create?.(name.rest, { size });
    if (fresh === undefined) return base;
    return over(fresh, (file) => OverlayDevice.create(below, file));
  } catch (error) {
    below.close();
    throw error;
  }
}

function over({ device, settled }: WebDevice, lay: (file: BlockDevice) => BlockDevice): WebDevice {
  try {
    return { device: lay(device), ...(settled && { settled }) };
  } catch (error) {
    device.close();
    throw error;
  }
}
