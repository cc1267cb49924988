/** What a disk's worker does: finds the device by its name, and serves the disk on it. */
import { loadModules, type ModuleSources } from "../../../core/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { memoryTree } from "../../image/folder.ts";
import { createDiskOn, type Disk, openDiskOn } from "../disk.ts";
import { serveDisk } from "../remote/disk.ts";
import type { Port } from "../remote/peer.ts";
import { type DeviceKinds, kindOf, parseWebName } from "./devices.ts";
import type { DiskRequest } from "./open.ts";

/** Serves one disk of any of `kinds` to the other end of `port`. */
export function serveWebDisk(port: Port, kinds: DeviceKinds, own: ModuleSources): void {
  serveDisk<DiskRequest>(port, async (request) => {
    await loadModules({ ...own, ...request.modules });
    const name = parseWebName(request.name);
    const { open, create, remove } = kindOf(kinds, name, request.create);
    const { options } = request;
    const isNew = request.create && create !== undefined;
    const { device, settled } = await (isNew ? create : open)(name.rest, options);
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
