/** A memory device with a core that may reach it. */
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
