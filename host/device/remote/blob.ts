/**
 * A Blob or File as bytes to read and as a read-only block device, in a worker of a browser: what a
 * person chose is looked at where it lies, and never copied as a whole.
 */
import { failure } from "../../base/errors.ts";
import type { ByteSource } from "../../base/platform/source.ts";
import { type IdentityOptions, SECTOR_SIZE } from "../device.ts";
import { BytesDevice } from "./bytes.ts";

/** A read is a turn to another process, so small ones take more than they ask for. */
const WINDOW_BYTES = 256 << 10;

/** The one call of a worker that reads a Blob at once. */
export interface BlobReader {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

export interface BlobSourceOptions {
  /** For people; default: the file's name. */
  readonly name?: string | undefined;
  /** Default: FileReaderSync, which only workers have. */
  readonly reader?: BlobReader | undefined;
}

export interface BlobOptions extends BlobSourceOptions, IdentityOptions {}

/** A file that a person chose, as a disk. A part of a sector at its end is not part of the disk. */
export class BlobDevice extends BytesDevice {
  /** EINVAL: there is not even one sector; EOPNOTSUPP: this is no worker of a browser. */
  constructor(blob: Blob, options: BlobOptions = {}) {
    const source = blobSource(blob, options);
    const { name, sizeBytes } = source;
    if (sizeBytes < SECTOR_SIZE) {
      const message = `'${name}' has ${sizeBytes} bytes: not even one sector of a disk.`;
      throw failure("EINVAL", "open", message, { path: name });
    }
    super(source, options);
  }
}

/** The bytes of a Blob. EOPNOTSUPP: this is no worker of a browser. */
export function blobSource(blob: Blob, options: BlobSourceOptions = {}): ByteSource {
  const { name = "name" in blob ? String(blob.name) : "blob", reader = systemReader() } = options;
  const bytes = new BlobBytes(blob, name, reader);
  return {
    ...{ name, sizeBytes: blob.size },
    read: (into, offset) => bytes.read(into, offset),
    close: () => bytes.forget(),
  };
}

class BlobBytes {
  readonly #blob: Blob;
  readonly #name: string;
  readonly #reader: BlobReader;
  #window = new Uint8Array(0);
  #windowAt = 0;

  constructor(blob: Blob, name: string, reader: BlobReader) {
    this.#blob = blob;
    this.#name = name;
    this.#reader = reader;
  }

  read(into: Uint8Array, offset: number): number {
    const length = Math.max(0, Math.min(into.length, this.#blob.size - offset));
    try {
      const isLarge = length >= WINDOW_BYTES;
      into.set(isLarge ? this.#fetch(offset, length) : this.#windowed(offset, length));
      return length;
    } catch (cause) {
      // The browser refuses a file that has changed or is gone since it was chosen.
      const message = `'${this.#name}' cannot be read any more: it has changed, moved or is gone.`;
      const hint = "Choose the file again.";
      throw failure("EIO", "read", message, { path: this.#name, hint, cause });
    }
  }

  forget(): void {
    this.#window = new Uint8Array(0);
  }

  #windowed(from: number, length: number): Uint8Array {
    const held = this.#windowAt + this.#window.length;
    if (from < this.#windowAt || from + length > held) {
      this.#window = this.#fetch(from, Math.min(WINDOW_BYTES, this.#blob.size - from));
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

function systemReader(): BlobReader {
  const { FileReaderSync } = globalThis as { FileReaderSync?: new () => BlobReader };
  if (FileReaderSync !== undefined) return new FileReaderSync();
  const message = "a file can be read at once only in a worker of a browser.";
  throw failure("EOPNOTSUPP", "open", message);
}
