/**
 * A window of a device, such as a partition: a device of its own whose sector 0 is further in.
 *
 * The offset is added here and nowhere else; a request that leaves the window never reaches the
 * base.
 */
import { failure } from "../../base/errors.ts";
import {
  admit,
  type BlockDevice,
  type BlockRequest,
  type DeviceConfig,
  Feature,
  refuseClosed,
  SECTOR_SIZE,
} from "../device.ts";
import { Relay } from "./relay.ts";

export interface WindowOptions {
  /** First sector of the window on the base, whole blocks. */
  readonly sector: number;
  /** Absent: to the end of the base. */
  readonly sectors?: number;
  readonly readOnly?: boolean;
  readonly name?: string;
  /** True: closing the window closes the base. Default false: several windows share it. */
  readonly ownsBase?: boolean;
}

/**
 * Sectors `sector` to `sector + sectors - 1` of `base` as a device.
 *
 * @throws {StorageError} EINVAL: not whole blocks; ERANGE: outside the base
 * @example
 * const esp = new WindowDevice(disk, { sector: 2048, sectors: 262144 });
 */
export class WindowDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: BlockDevice["identity"];
  readonly durability: BlockDevice["durability"];
  readonly #base: BlockDevice;
  readonly #sector: number;
  readonly #ownsBase: boolean;
  readonly #relay: Relay;
  #closed = false;

  constructor(base: BlockDevice, options: WindowOptions) {
    const { sector, readOnly = false } = options;
    const { capacity, blkSize, features } = base.config;
    const block = blkSize / SECTOR_SIZE;
    const sectors = options.sectors ?? capacity - sector;
    this.name = options.name ?? `${base.name}@${sector}`;
    if (!isWhole(sector, block) || !isWhole(sectors, block)) {
      const message = `window ${sector}+${sectors} is not whole ${blkSize}-byte blocks.`;
      throw failure("EINVAL", "open", message, { path: base.name });
    }
    if (sector < 0 || sectors < 0 || sector + sectors > capacity) {
      const message = `window ${sector}+${sectors} leaves ${base.name}, ${capacity} sectors.`;
      throw failure("ERANGE", "open", message, { path: base.name });
    }
    this.#base = base;
    this.#sector = sector;
    this.#ownsBase = options.ownsBase ?? false;
    this.#relay = new Relay(base);
    this.identity = base.identity;
    this.durability = base.durability;
    const read = readOnly ? Feature.RO : 0;
    this.config = { ...base.config, capacity: sectors, features: features | read };
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    for (const asked of requests) {
      if (admit(this.config, asked, this.name)) this.#relay.add(asked, this.#sector);
    }
    this.#relay.submit();
  }

  close(): void {
    this.#closed = true;
    if (this.#ownsBase) this.#base.close();
  }
}

function isWhole(sectors: number, block: number): boolean {
  return Number.isSafeInteger(sectors) && sectors % block === 0;
}
