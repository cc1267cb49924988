/** What a disk's worker does: finds the device by its name, and serves the disk on it. */
import { loadModules, type ModuleSources } from "../../../core/load.ts";
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
    return request.create ? create(request, kinds) : open(request, kinds);
  });
}

async function open({ name, options }: DiskRequest, kinds: DeviceKinds): Promise<Disk> {
  const parts = parseWebName(name);
  const device = await kindOf(kinds, parts, false).open(parts.rest, options);
  try {
    return openDiskOn(device, options, { owned: true, partition: parts.partition });
  } catch (error) {
    device.close();
    throw error;
  }
}

async function create({ name, options }: DiskRequest, kinds: DeviceKinds): Promise<Disk> {
  const parts = parseWebName(name);
  const { boot, ...rest } = options;
  const device = await kindOf(kinds, parts, true).create?.(parts.rest, options);
  if (device === undefined) throw new Error("a kind that can make devices");
  try {
    const tree = boot === undefined ? {} : { boot: memoryTree(boot) };
    return await createDiskOn(device, { ...rest, ...tree }, { owned: true });
  } catch (error) {
    device.close();
    throw error;
  }
}
