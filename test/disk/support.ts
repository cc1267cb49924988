/** Memory disks with a core that may reach them, and tables that lie under right checksums. */
import { crc32 } from "node:zlib";
import { verifyGpt } from "../../host/core/gpt.ts";
import type { Core } from "../../host/core/load.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";

export interface Attached {
  readonly core: Core;
  readonly device: MemoryDevice;
  /** What the core knows the device by. */
  readonly id: number;
}

export function attach(size: string | number, blkSize: 512 | 4096 = 512): Attached {
  return attachDevice(new MemoryDevice({ size, blkSize }));
}

export function attachDevice(device: MemoryDevice, core: Core = freshCore()): Attached {
  return { core, device, id: core.attach(device) };
}

/** The reasons of what verifyGpt finds, each once, in order of the alphabet. */
export function reasonsOf({ core, id }: Attached): string[] {
  return [...new Set(verifyGpt(core, id).map(({ reason }) => reason))].sort();
}

/**
 * Lets `change` edit both headers (primary first) and the array, which is then written to both
 * copies; all checksums are made right afterwards. For tables of 128 entries at the usual places.
 */
export function sealHeaders(
  { device }: Attached,
  change: (headers: DataView[], array: DataView) => unknown,
  entries = 128,
): void {
  const { blkSize } = device.config;
  const end = device.sizeBytes;
  const places = [blkSize, end - blkSize];
  const array = device.peek(2 * blkSize, 16384);
  const headers = places.map((place) => device.peek(place, 92));
  const views = headers.map(({ buffer }) => new DataView(buffer));
  change(views, new DataView(array.buffer));
  views.forEach((view, index) => {
    view.setUint32(88, crc32(array.subarray(0, entries * 128)), true);
    view.setUint32(16, 0, true);
    view.setUint32(16, crc32(headers[index] as Uint8Array), true);
    device.poke(places[index] as number, headers[index] as Uint8Array);
  });
  device.poke(2 * blkSize, array);
  device.poke(end - blkSize - 16384, array);
}
