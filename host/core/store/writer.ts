/** One object on its way into a store, piece by piece: its name is known at the end. */
import { EXCHANGE_ADDRESS, EXCHANGE_HASH } from "../../../assembly/format/abi.ts";
import { failure } from "../../base/errors.ts";
import { HASH_BYTES } from "../../base/hash.ts";

/** What a writer needs of the class Core. */
export interface WriterCore {
  readonly exports: {
    storeStreamOpen(store: number, flags: number, length: number): number;
    storeStreamRoom(stream: number): number;
    storeStreamAdvance(stream: number, length: number): number;
    storeStreamEnd(stream: number): number;
    storeStreamCancel(stream: number): number;
  };
  readonly memory: {
    readonly bytes: Uint8Array;
    readonly view: DataView;
    slice(address: number, length: number): Uint8Array;
  };
  check(result: number, syscall: string): number;
}

/** Made by Store.writer(). Other calls of the store may come between its pieces. */
export class ObjectWriter {
  readonly #core: WriterCore;
  readonly #exchange: number;
  readonly #stream: number;
  #open: boolean;

  /** @param store the core's handle of an open store, and the address of its exchange area */
  constructor(core: WriterCore, store: number, exchange: number, flags = 0, length = 0) {
    this.#core = core;
    this.#exchange = exchange;
    const opened = core.exports.storeStreamOpen(store, flags, length);
    this.#stream = core.check(opened, "put");
    this.#open = this.#stream !== 0;
  }

  /** The object was there already, so nothing needs to be written. */
  get known(): boolean {
    return this.#stream === 0;
  }

  write(bytes: Uint8Array): void {
    if (!this.#open) throw failure("EBADF", "put", "the object is finished.");
    const { exports, memory } = this.#core;
    for (let at = 0; at < bytes.length; ) {
      const room = this.#core.check(exports.storeStreamRoom(this.#stream), "put");
      const part = bytes.subarray(at, at + room);
      memory.bytes.set(part, memory.view.getUint32(this.#exchange + EXCHANGE_ADDRESS, true));
      this.#core.check(exports.storeStreamAdvance(this.#stream, part.length), "put");
      at += part.length;
    }
  }

  /** The object enters the store; answers its SHA-256. */
  end(): Uint8Array {
    if (this.#open) {
      this.#open = false;
      this.#core.check(this.#core.exports.storeStreamEnd(this.#stream), "put");
    }
    return this.#core.memory.slice(this.#exchange + EXCHANGE_HASH, HASH_BYTES);
  }

  /** Gives up an object that is not finished; harmless after end(). */
  cancel(): void {
    if (this.#open) this.#core.exports.storeStreamCancel(this.#stream);
    this.#open = false;
  }
}
