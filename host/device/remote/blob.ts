/**
 * A Blob or File as a read-only block device, in a worker of a browser: what a person chose is
 * looked at where it lies, and never copied as a whole.
 */
import { failure } from "../../base/errors.ts";
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

/** A read is a turn to another process, so small ones take more than they ask for. */
const WINDOW_BYTES = 256 << 10;

/** The one call of a worker that reads a Blob at once. */
export interface BlobReader {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

export interface BlobOptions extends IdentityOptions {
  /** For people; default: the file's name. */
  readonly name?: string | undefined;
  /** Default: FileReaderSync, which only workers have. */
  readonly reader?: BlobReader | undefined;
}

/** A file that a person chose, as a disk. A part of a sector at its end is not part of the disk. */
export class BlobDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim = { level: "none", flush: "nothing: a file to read" };
  readonly #blob: Blob;
  readonly #reader: BlobReader;
  #window = new Uint8Array(0);
  #windowAt = 0;
  #closed = false;

  /** EINVAL: there is not even one sector; EOPNOTSUPP: this is no worker of a browser. */
  constructor(blob: Blob, options: BlobOptions = {}) {
    this.#blob = blob;
    this.name = options.name ?? ("name" in blob ? String(blob.name) : "blob");
    this.#reader = options.reader ?? systemReader();
    const capacity = Math.floor(blob.size / SECTOR_SIZE);
    if (capacity === 0) {
      const message = `'${this.name}' has ${blob.size} bytes: not even one sector of a disk.`;
      throw failure("EINVAL", "open", message, { path: this.name });
    }
    this.identity = deviceIdentity(options);
    const features = Feature.RO | Feature.SEG_MAX | Feature.BLK_SIZE | Feature.FLUSH;
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
    this.#closed = true;
    this.#window = new Uint8Array(0);
  }

  #read(asked: BlockRequest): void {
    const { sector, data } = asked;
    const from = sector * SECTOR_SIZE;
    try {
      if (data.length >= WINDOW_BYTES) data.set(this.#fetch(from, data.length));
      else data.set(this.#windowed(from, data.length));
      complete(asked, data.length);
    } catch (cause) {
      // The browser refuses a file that has changed or is gone since it was chosen.
      const message = `'${this.name}' cannot be read any more: it has changed, moved or is gone.`;
      const hint = "Choose the file again.";
      refuse(asked, failure("EIO", "read", message, { path: this.name, hint, cause }));
    }
  }

  #windowed(from: number, length: number): Uint8Array {
    const held = this.#windowAt + this.#window.length;
    if (from < this.#windowAt || from + length > held) {
      const size = Math.min(WINDOW_BYTES, this.config.capacity * SECTOR_SIZE - from);
      this.#window = this.#fetch(from, Math.max(length, size));
      this.#windowAt = from;
    }
    return this.#window.subarray(from - this.#windowAt, from - this.#windowAt + length);
  }

  #fetch(from: number, length: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#reader.readAsArrayBuffer(this.#blob.slice(from, from + length));
    if (buffer.byteLength !== length) throw new RangeError(`${buffer.byteLength} of ${length}`);
    return new Uint8Array(buffer);
  }
}

/** All bytes of a small Blob, at once. EOPNOTSUPP: this is no worker of a browser. */
export function blobBytes(blob: Blob): Uint8Array<ArrayBuffer> {
  return new Uint8Array(systemReader().readAsArrayBuffer(blob));
}

function systemReader(): BlobReader {
  const { FileReaderSync } = globalThis as { FileReaderSync?: new () => BlobReader };
  if (FileReaderSync !== undefined) return new FileReaderSync();
  const message = "a file can be read as a disk only in a worker of a browser.";
  throw failure("EOPNOTSUPP", "open", message);
}
