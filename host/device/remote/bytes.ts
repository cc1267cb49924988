/** Bytes that can be read at any place, as a read-only block device: a file that is looked into. */
import { failure } from "../../base/errors.ts";
import type { ByteSource } from "../../base/platform/source.ts";
import {
  admit,
  answerId,
  type BlockDevice,
  type BlockRequest,
  complete,
  type DeviceConfig,
  type DeviceIdentity,
  type DurabilityClaim,
  deviceConfig,
  deviceIdentity,
  Feature,
  type IdentityOptions,
  RequestType,
  refuse,
  refuseClosed,
  SECTOR_SIZE,
} from "../device.ts";

/** Closes its source with itself. A part of a sector at the end is not part of the disk. */
export class BytesDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim = { level: "none", flush: "nothing: bytes to read" };
  readonly #source: ByteSource;
  #closed = false;

  constructor(source: ByteSource, options: IdentityOptions = {}) {
    this.#source = source;
    this.identity = deviceIdentity(options);
    this.name = source.name;
    const features = Feature.RO | Feature.SEG_MAX | Feature.BLK_SIZE | Feature.FLUSH;
    const capacity = Math.floor(source.sizeBytes / SECTOR_SIZE);
    this.config = deviceConfig(capacity, { features, writeback: false });
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      if (asked.type === RequestType.GET_ID) answerId(asked, this.identity.serial);
      else if (asked.type === RequestType.IN) this.#read(asked);
      else complete(asked);
    }
  }

  close(): void {
    if (!this.#closed) this.#source.close();
    this.#closed = true;
  }

  #read(asked: BlockRequest): void {
    const { sector, data } = asked;
    try {
      let got = 0;
      while (got < data.length) {
        const count = this.#source.read(data.subarray(got), sector * SECTOR_SIZE + got);
        if (count === 0) throw failure("EIO", "read", `'${this.name}' ends at LBA ${sector}.`);
        got += count;
      }
      complete(asked, got);
    } catch (cause) {
      refuse(asked, cause);
    }
  }
}
