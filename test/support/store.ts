/** A fresh region with its store over a traced memory device, and bytes that depend on a number. */

import type { Core } from "../../host/core/load.ts";
import { Region, type RegionOpenOptions } from "../../host/core/region.ts";
import type { Store } from "../../host/core/store.ts";
import { MemoryDevice, type MemoryOptions } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { freshCore } from "./core.ts";

export interface FixtureOptions {
  readonly size?: number | string;
  readonly blkSize?: 512 | 4096;
  readonly logSectors?: number;
  /** Sectors that the chunk size is chosen for. */
  readonly designSectors?: number;
  readonly files?: boolean;
  readonly open?: RegionOpenOptions;
  readonly core?: Core;
}

/** 2 GiB: chunks of 1 MiB. */
export const DESIGN_1MIB = 2 ** 22;
/** 16 GiB: chunks of 8 MiB. */
export const DESIGN_8MIB = 2 ** 25;

export class Fixture {
  readonly memory: MemoryDevice;
  readonly device: TraceDevice;
  readonly options: FixtureOptions;
  core: Core;
  region: Region;

  constructor(options: FixtureOptions = {}) {
    this.options = options;
    const memory: MemoryOptions = { size: options.size ?? "8MiB", blkSize: options.blkSize ?? 512 };
    this.memory = new MemoryDevice(memory);
    this.device = new TraceDevice(this.memory);
    this.core = options.core ?? freshCore();
    const id = this.core.attach(this.device);
    Region.format(this.core, id, {
      files: options.files ?? false,
      logSectors: options.logSectors ?? 128,
      designSectors: options.designSectors,
    });
    this.region = Region.open(this.core, id, options.open);
  }

  get store(): Store {
    return this.region.store;
  }

  /** Opens the region anew in another instance of the core; what was not committed is gone. */
  crash(open: RegionOpenOptions | undefined = this.options.open): Store {
    this.core = freshCore();
    this.region = Region.open(this.core, this.core.attach(this.device), open);
    return this.store;
  }

  /** Closes the region properly and opens it anew. */
  reopen(open: RegionOpenOptions | undefined = this.options.open): Store {
    this.region.close();
    return this.crash(open);
  }
}

/** `length` bytes that differ for each `seed`, the same every time. */
export function bytesOf(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (Math.imul(seed, 0x9e3779b1) ^ length ^ 0x5bd1e995) >>> 0;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** Runs `act`, which must throw, and gives the error. */
export function errorOf(act: () => unknown): { code: string; message: string; fault?: Fault } {
  try {
    act();
  } catch (error) {
    return error as { code: string; message: string; fault?: Fault };
  }
  throw new Error("nothing was thrown");
}

interface Fault {
  readonly reason: string;
  readonly lba?: number;
}
