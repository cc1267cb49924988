/** A device that only reads: what would change the base is refused before it gets there. */
import {
  admit,
  type BlockDevice,
  type BlockRequest,
  type DeviceConfig,
  Feature,
  refuseClosed,
} from "../device.ts";

/**
 * `base`, read-only. Closing it closes the base.
 *
 * @example
 * const device = new ReadOnlyDevice(FileDevice.open("disk.img", { readOnly: true }));
 */
export class ReadOnlyDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: BlockDevice["identity"];
  readonly durability: BlockDevice["durability"];
  readonly #base: BlockDevice;
  #closed = false;

  constructor(base: BlockDevice) {
    this.#base = base;
    this.name = base.name;
    this.identity = base.identity;
    this.durability = base.durability;
    const erases = Feature.DISCARD | Feature.WRITE_ZEROES;
    this.config = {
      ...base.config,
      features: (base.config.features | Feature.RO) & ~erases,
      maxDiscard: 0,
      maxWriteZeroes: 0,
      zeroesMayUnmap: false,
    };
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    const admitted = requests.filter((asked) => admit(this.config, asked, this.name));
    if (admitted.length > 0) this.#base.submit(admitted);
  }

  close(): void {
    this.#closed = true;
    this.#base.close();
  }
}
