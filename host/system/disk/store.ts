/** The store of a disk: the synchronous Store as promises that keep the disk's durability. */
import { failure } from "../../base/errors.ts";
import type { HashLike } from "../../base/hash.ts";
import type { StoreEntry, StoreFinding, StoreStat } from "../../base/objects.ts";
import { nextTurn } from "../../base/work.ts";
import { disposeBy } from "../../core/node/async/dispose.ts";
import { byteSink, byteStream, pieces } from "../../core/node/async/streams.ts";
import { throwIfAborted } from "../../core/node/codes.ts";
import type { Store } from "../../core/store.ts";
import { type CommitGroup, markLost, type Part } from "./group.ts";

const PAGE_BYTES = 4096;
/** Objects that list() yields before other work gets its turn. */
const LIST_TURN = 256;

/** Where the bytes of an object come from. */
export type ObjectSource =
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>
  | (() => Iterable<Uint8Array>);

/** An object on its way into the store, as a stream. */
export interface ObjectStream {
  readonly writable: WritableStream<Uint8Array | string>;
  /** Its SHA-256, once it is stored. */
  readonly hash: Promise<Uint8Array>;
}

/** Where the store meets the rest of its disk. */
export interface StoreContext {
  readonly store: Store;
  readonly group: CommitGroup;
  readonly part: StorePart;
  /** Throws if the disk is closed or its signal aborted. */
  readonly admit: () => void;
}

/** The store as the group commits it; pages are an estimate, because the core streams its packs. */
export class StorePart implements Part {
  readonly epoch: () => number;
  readonly #store: Store;
  #pages = 0;

  constructor(store: Store, epoch: () => number) {
    this.#store = store;
    this.epoch = epoch;
  }

  add(bytes: number): void {
    this.#pages += 1 + Math.ceil(bytes / PAGE_BYTES);
  }

  dirtyPages(): number {
    return this.#pages;
  }

  commit(): void {
    this.#pages = 0;
    this.#store.commit();
  }
}

/** Content-addressed objects; an object is named by the SHA-256 of its bytes. */
export class DiskStore {
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #store: Store;
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#store = context.store;
    this.#context = context;
  }

  /** Stores `bytes` and resolves to their SHA-256, when they are as durable as the mode says. */
  async put(bytes: Uint8Array): Promise<Uint8Array> {
    return this.#change(bytes.length, (store) => store.put(bytes));
  }

  /** Stores many objects at once; hashes in the order of `list`. */
  async putMany(list: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const bytes = list.reduce((sum, { length }) => sum + length, 0);
    return this.#change(bytes, (store) => store.putMany(list));
  }

  /** Stores `bytes` under the hash their caller has. EBADMSG: it is not theirs. */
  async putHashed(hash: HashLike, bytes: Uint8Array): Promise<Uint8Array> {
    return this.#change(bytes.length, (store) => store.putHashed(hash, bytes));
  }

  /**
   * Stores what `source` yields, never whole in memory: a stream, any iterable of bytes, or a
   * function that yields them anew at each call, which is read twice and may be of any length.
   */
  async putStream(
    source: ObjectSource,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Uint8Array> {
    const yielded = "getReader" in source ? pieces(source) : source;
    if (!isAsync(yielded)) return this.#change(0, (store) => store.putStream(yielded));
    this.#context.admit();
    const writer = this.#store.writer();
    try {
      for await (const piece of yielded) {
        this.#context.admit();
        throwIfAborted(options.signal, "put");
        writer.write(piece);
      }
      return await this.#change(0, () => writer.end());
    } finally {
      writer.cancel();
    }
  }

  /**
   * An object that is written as a stream: `hash` resolves when the stream is closed and the object
   * as durable as the mode says. Aborted, nothing is stored and `hash` rejects.
   */
  writeStream(options: { readonly signal?: AbortSignal } = {}): ObjectStream {
    this.#context.admit();
    const writer = this.#store.writer();
    let settle: { resolve(hash: Uint8Array): void; reject(reason: unknown): void };
    const hash = new Promise<Uint8Array>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // Whoever does not ask for the hash is told by the stream.
    hash.catch(() => {});
    const give = (reason: unknown) => {
      writer.cancel();
      settle.reject(reason);
    };
    const writable = byteSink({
      signal: options.signal,
      write: (bytes) => {
        this.#context.admit();
        writer.write(bytes);
      },
      close: async () => {
        try {
          settle.resolve(await this.#change(0, () => writer.end()));
        } catch (error) {
          give(error);
          throw error;
        }
      },
      abort: give,
    });
    return { writable, hash };
  }

  /** The bytes of an object, verified. ENOENT; EBADMSG: damaged. */
  async get(hash: HashLike, options: { readonly verify?: boolean } = {}): Promise<Uint8Array> {
    return this.#read((store) => store.get(hash, options));
  }

  /** Copies the object's bytes from `offset` on into `target`; resolves to how many. */
  async readInto(
    hash: HashLike,
    target: Uint8Array,
    offset = 0,
    options: { readonly verify?: boolean } = {},
  ): Promise<number> {
    return this.#read((store) => store.readInto(hash, target, offset, options));
  }

  /** The object's bytes in pieces. The last one comes only after the hash of all has matched. */
  async *readStream(
    hash: HashLike,
    options: { readonly verify?: boolean } = {},
  ): AsyncGenerator<Uint8Array> {
    const pieces = this.#read((store) => store.readStream(hash, options));
    for (const piece of pieces) {
      yield piece;
      this.#context.admit();
    }
  }

  /** The same as a byte stream. ENOENT and EBADMSG come from its first and its last read. */
  getStream(
    hash: HashLike,
    options: { readonly verify?: boolean; readonly signal?: AbortSignal } = {},
  ): ReadableStream<Uint8Array> {
    const source = this.readStream(hash, options);
    let piece = new Uint8Array(0);
    return byteStream({
      signal: options.signal,
      read: async (into) => {
        if (piece.length === 0) piece = (await source.next()).value ?? piece;
        const part = piece.subarray(0, into.length);
        into.set(part);
        piece = piece.subarray(part.length);
        return part.length;
      },
      close: async () => {
        await source.return(undefined);
      },
    });
  }

  async has(hash: HashLike): Promise<boolean> {
    return this.#read((store) => store.has(hash));
  }

  /** Bytes of an object, undefined if it is not there. */
  async length(hash: HashLike): Promise<number | undefined> {
    return this.#read((store) => store.length(hash));
  }

  /** Removes an object. ENOENT: it is not there; EBUSY: it is pinned. */
  async delete(hash: HashLike): Promise<void> {
    return this.#change(0, (store) => store.delete(hash));
  }

  /** Keeps an object from being deleted or collected; resolves to its pins. */
  async pin(hash: HashLike): Promise<number> {
    return this.#change(0, (store) => store.pin(hash));
  }

  async unpin(hash: HashLike): Promise<number> {
    return this.#change(0, (store) => store.unpin(hash));
  }

  /** Objects in the order of their hashes, after `after`. */
  async *list(
    options: { readonly after?: HashLike; readonly limit?: number } = {},
  ): AsyncGenerator<StoreEntry> {
    let count = 0;
    for (const entry of this.#read((store) => store.list(options))) {
      yield entry;
      this.#context.admit();
      count += 1;
      if (count % LIST_TURN === 0) await nextTurn();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<StoreEntry> {
    return this.list();
  }

  async stat(): Promise<StoreStat> {
    return this.#read((store) => store.stat());
  }

  /** Makes everything so far durable; concurrent callers share one commit. */
  async commit(): Promise<void> {
    this.#context.admit();
    await this.#context.group.sync(this.#context.part);
  }

  /** Rewrites the emptiest pack chunk; resolves to the records moved. */
  async compact(): Promise<number> {
    return this.#change(0, (store) => store.compact());
  }

  /** Deletes every object that is neither in `roots` nor pinned; resolves to how many. */
  async collect(roots: Iterable<HashLike>): Promise<number> {
    return this.#change(0, (store) => store.collect(roots));
  }

  /** Reads every record of every object and checks it against index, space and hash. */
  async verify(options: { readonly signal?: AbortSignal } = {}): Promise<StoreFinding[]> {
    return this.#read((store) => store.verify(options));
  }

  #read<T>(use: (store: Store) => T): T {
    this.#context.admit();
    return use(this.#store);
  }

  async #change<T>(bytes: number, use: (store: Store) => T): Promise<T> {
    const { admit, group, part } = this.#context;
    admit();
    try {
      const result = use(this.#store);
      part.add(bytes);
      await group.changed(part);
      return result;
    } catch (error) {
      markLost(error, part);
      throw error;
    }
  }
}

// `await using store = disk.store`: what was stored is durable at the end of the block.
disposeBy(DiskStore, (store) => store.commit());

function isAsync(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | (() => unknown),
): source is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in source;
}

/** What every call answers once its disk is closed. */
export function closedDisk(path: string): Error {
  return failure("EBADF", "disk", `'${path}' is closed.`, { path });
}
