/** A module's memory as bytes: views that follow its growth, strings and blocks in and out. */
import { failure } from "../base/errors.ts";
import type { EngineExports } from "./exports.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A window on the memory of one instance. Views are valid until the next call into the core. */
export class CoreMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: EngineExports;
  #bytes: Uint8Array;
  #view: DataView;

  constructor(exports: EngineExports) {
    this.#exports = exports;
    this.#memory = exports.memory;
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
  }

  /** All of the memory. Growth makes a new one: never keep it across a call. */
  get bytes(): Uint8Array {
    // What has grown is detached: to see that is cheaper than to ask the memory for its buffer.
    if (this.#bytes.length === 0) this.#renew();
    return this.#bytes;
  }

  get view(): DataView {
    if (this.#bytes.length === 0) this.#renew();
    return this.#view;
  }

  /** Bytes that the instance's memory takes. */
  get sizeBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  slice(address: number, length: number): Uint8Array {
    return this.bytes.slice(address, address + length);
  }

  subarray(address: number, length: number): Uint8Array {
    return this.bytes.subarray(address, address + length);
  }

  text(address: number, length: number): string {
    return decoder.decode(this.subarray(address, length));
  }

  u64(address: number): bigint {
    return this.view.getBigUint64(address, true);
  }

  /** A block of `size` bytes of the arena; the caller releases it. */
  allocate(size: number): number {
    const address = this.#exports.allocate(size) >>> 0;
    if (address === 0) {
      throw failure("ENOMEM", "allocate", `the core has no ${size} bytes of memory left.`);
    }
    return address;
  }

  release(address: number, size: number): void {
    this.#exports.release(address, size);
  }

  /** Copies `data` into a block, runs `use` with its address and length, and releases it. */
  with<T>(data: Uint8Array | string, use: (address: number, length: number) => T): T {
    const source = typeof data === "string" ? encoder.encode(data) : data;
    const address = this.allocate(source.length);
    try {
      this.bytes.set(source, address);
      return use(address, source.length);
    } finally {
      this.release(address, source.length);
    }
  }

  #renew(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
  }
}
