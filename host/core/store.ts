/**
 * CAPOSST1 for JavaScript: content-addressed objects of a region, synchronous.
 *
 * Interface: an object is named by the SHA-256 of its bytes. A change is durable once commit() has
 * returned (durability "each": once the call has). After a failed write every call answers ESTALE
 * until reopen().
 */
import {
  EXCHANGE_ADDRESS,
  EXCHANGE_COUNT,
  EXCHANGE_HASH,
  EXCHANGE_LENGTH,
  EXCHANGE_OFFSET,
  FINDING_SIZE,
  GET_UNVERIFIED,
  ITEM_ADDRESS,
  ITEM_HASH,
  ITEM_LENGTH,
  ITEM_SIZE,
  ITEMS_MAX,
  PUT_HASHED,
  ROW_HASH,
  ROW_LENGTH,
  ROW_PINS,
  ROW_SIZE,
  ROWS_MAX,
  STAT_CAPACITY,
  STAT_COMPACTED,
  STAT_EPOCH,
  STAT_FREE,
  STAT_HEALED,
  STAT_OBJECTS,
  STAT_PAYLOAD,
  STAT_PENDING,
  STORE_TRUST_HASHES,
  STREAM_INLINE,
  STREAM_KNOWN,
} from "../../assembly/format/abi.ts";
import { failure } from "../base/errors.ts";
import { compareHashes, HASH_BYTES, type HashLike, toHash, toHex } from "../base/hash.ts";
import {
  decodeFinding,
  type StoreEntry,
  type StoreFinding,
  type StoreOptions,
  type StoreStat,
} from "../base/objects.ts";
import type { StoreExports } from "./exports.ts";
import type { Core } from "./load.ts";
import type { CoreMemory } from "./memory.ts";
import { ObjectWriter } from "./store/writer.ts";

/** Records that one step of verify() reads before it looks for an abort signal. */
const VERIFY_STEP_RECORDS = 1024;
/** Bytes that one unverified read of a large object asks for. */
const READ_BYTES = 1 << 20;
/** Room for the state of a hash in steps. */
const HASHER_BYTES = 256;

/** The content-addressed store of an open region. */
export class Store {
  readonly #core: Core;
  readonly #exports: StoreExports;
  readonly #memory: CoreMemory;
  readonly #each: boolean;
  readonly #device: string;
  readonly #handle: number;
  readonly #exchange: number;
  readonly #items: number;

  /** @param region the core's handle of an open region; one Store per region at a time. */
  constructor(core: Core, region: number, options: StoreOptions = {}) {
    this.#core = core;
    this.#exports = core.exports;
    this.#memory = core.memory;
    this.#each = options.durability === "each";
    this.#device = options.device ?? "device";
    const flags = options.trustHashes === true ? STORE_TRUST_HASHES : 0;
    this.#handle = core.check(core.exports.storeOpen(region, flags), "open");
    this.#exchange = core.exports.storeExchange(this.#handle) >>> 0;
    this.#items = core.exports.storeItems(this.#handle) >>> 0;
  }

  /** Stores `bytes` and returns their SHA-256; stores nothing if they are there already. */
  put(bytes: Uint8Array): Uint8Array {
    if (!this.#place(bytes)) return this.#putLarge(bytes, undefined);
    this.#check(this.#exports.storePutEnd(this.#handle, 1, 0), "put");
    this.#afterChange();
    return this.#memory.slice(this.#items + ITEM_HASH, HASH_BYTES);
  }

  /** Stores many objects with few calls into the core; hashes in the order of `list`. */
  putMany(list: readonly Uint8Array[]): Uint8Array[] {
    const hashes: Uint8Array[] = [];
    for (let from = 0; from < list.length; ) {
      const taken = this.#putSome(list, from, hashes);
      if (taken === 0) hashes.push(this.#putLarge(list[from] as Uint8Array, undefined));
      from += Math.max(1, taken);
    }
    if (list.length > 0) this.#afterChange();
    return hashes;
  }

  /**
   * Stores `bytes` under the hash their caller already has.
   *
   * @throws {StorageError} EBADMSG: it is not their hash (not checked under `trustHashes`)
   */
  putHashed(hash: HashLike, bytes: Uint8Array): Uint8Array {
    const named = toHash(hash);
    if (!this.#place(bytes)) return this.#putLarge(bytes, named);
    this.#memory.bytes.set(named, this.#items + ITEM_HASH);
    this.#check(this.#exports.storePutEnd(this.#handle, 1, PUT_HASHED), "put", named);
    this.#afterChange();
    return named.slice();
  }

  /**
   * Stores what `source` yields, of any length, never whole in memory.
   *
   * @param source pieces of any size; or a function that yields them anew at each call, which is
   *   then read twice and may be of any length
   * @throws {StorageError} EFBIG: more than 1,024 chunks, read once
   */
  putStream(source: Iterable<Uint8Array> | (() => Iterable<Uint8Array>)): Uint8Array {
    const twice = typeof source === "function";
    if (!twice) return this.#putPieces(source, 0, 0);
    let length = 0;
    const state = this.#memory.allocate(HASHER_BYTES);
    try {
      this.#core.exports.sha256Begin(state);
      for (const bytes of source()) {
        length += bytes.length;
        for (let at = 0; at < bytes.length; at += READ_BYTES) {
          this.#memory.with(bytes.subarray(at, at + READ_BYTES), (address, count) =>
            this.#core.exports.sha256Update(state, address, count),
          );
        }
      }
      this.#core.exports.sha256End(state, this.#exchange + EXCHANGE_HASH);
    } finally {
      this.#memory.release(state, HASHER_BYTES);
    }
    return this.#putPieces(source(), STREAM_KNOWN, length);
  }

  /** An object whose pieces come one by one, with other work between; durable as a put is. */
  writer(): ObjectWriter {
    return this.#writer(0, 0);
  }

  /**
   * The bytes of an object.
   *
   * @throws {StorageError} ENOENT; EBADMSG: it is damaged, `fault.lba` says where
   */
  get(hash: HashLike, options: { readonly verify?: boolean } = {}): Uint8Array {
    const named = this.#name(hash);
    const flags = options.verify === false ? GET_UNVERIFIED : 0;
    const whole = this.#check(this.#exports.storeGet(this.#handle, flags), "get", named);
    const length = this.#memory.view.getFloat64(this.#exchange + EXCHANGE_LENGTH, true);
    if (whole !== 0) return this.#memory.slice(this.#address(), length);
    if (length > 2 ** 32) {
      throw failure("EFBIG", "get", `${toHex(named)} has ${length} bytes.`, {
        hint: "Read it with readInto() or readStream().",
      });
    }
    const target = new Uint8Array(length);
    this.#readLarge(named, target, flags === 0);
    return target;
  }

  /**
   * Copies the object's bytes from `offset` on into `target`; fewer than fit only at its end.
   * A range is verified by its segments, or by the whole object where it has only one.
   *
   * @returns bytes copied
   */
  readInto(
    hash: HashLike,
    target: Uint8Array,
    offset = 0,
    options: { readonly verify?: boolean } = {},
  ): number {
    const named = toHash(hash);
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw failure("EINVAL", "read", `offset ${offset} is not a whole number from 0.`);
    }
    const flags = options.verify === false ? GET_UNVERIFIED : 0;
    this.#memory.bytes.set(named, this.#exchange + EXCHANGE_HASH);
    const whole = this.#check(this.#exports.storeGet(this.#handle, flags), "read", named);
    const length = this.#memory.view.getFloat64(this.#exchange + EXCHANGE_LENGTH, true);
    const count = Math.max(0, Math.min(target.length, length - offset));
    const part = target.subarray(0, count);
    if (count === 0) return 0;
    if (whole !== 0) part.set(this.#memory.subarray(this.#address() + offset, count));
    else if (count === length) this.#readLarge(named, part, flags === 0);
    else this.#readPart(named, part, offset, flags);
    return count;
  }

  /** The object's bytes in pieces. The last one comes only after the hash of all has matched. */
  *readStream(hash: HashLike, options: { readonly verify?: boolean } = {}): Generator<Uint8Array> {
    const named = this.#name(hash);
    const flags = options.verify === false ? GET_UNVERIFIED : 0;
    const reader = this.#check(this.#exports.storeReaderOpen(this.#handle, flags), "read", named);
    try {
      for (;;) {
        const count = this.#check(this.#exports.storeReaderNext(reader), "read", named);
        if (count === 0) return;
        yield this.#memory.slice(this.#address(), count);
      }
    } finally {
      this.#exports.storeReaderClose(reader);
    }
  }

  /** True if the object is there and no read has found it damaged. */
  has(hash: HashLike): boolean {
    const named = this.#name(hash);
    return this.#check(this.#exports.storeHas(this.#handle), "has", named) === 1;
  }

  /** Bytes of an object, undefined if it is not there. */
  length(hash: HashLike): number | undefined {
    if (!this.has(hash)) return undefined;
    return this.#memory.view.getFloat64(this.#exchange + EXCHANGE_LENGTH, true);
  }

  /** Removes an object. ENOENT: it is not there; EBUSY: it is pinned. */
  delete(hash: HashLike): void {
    const named = this.#name(hash);
    this.#check(this.#exports.storeDelete(this.#handle), "delete", named);
    this.#afterChange();
  }

  /** Keeps an object from being deleted or collected until as many unpin(); returns its pins. */
  pin(hash: HashLike): number {
    return this.#pin(hash, 1);
  }

  /** Takes one pin back. EINVAL: it has none. */
  unpin(hash: HashLike): number {
    return this.#pin(hash, -1);
  }

  /** Objects in the order of their hashes, after `after`; read in bounded steps. */
  *list(
    options: { readonly after?: HashLike; readonly limit?: number } = {},
  ): Generator<StoreEntry> {
    let after = options.after === undefined ? undefined : toHash(options.after);
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    while (left > 0) {
      const rows = this.#listStep(after, Math.min(left, ROWS_MAX));
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.hash;
      left -= rows.length;
    }
  }

  [Symbol.iterator](): Generator<StoreEntry> {
    return this.list();
  }

  stat(): StoreStat {
    this.#check(this.#exports.storeStat(this.#handle), "stat");
    const { view } = this.#memory;
    const at = this.#address();
    return {
      objects: view.getFloat64(at + STAT_OBJECTS, true),
      payloadBytes: view.getFloat64(at + STAT_PAYLOAD, true),
      capacityBytes: view.getFloat64(at + STAT_CAPACITY, true),
      freeBytes: view.getFloat64(at + STAT_FREE, true),
      epoch: view.getFloat64(at + STAT_EPOCH, true),
      pending: view.getFloat64(at + STAT_PENDING, true) !== 0,
      compactedRecords: view.getFloat64(at + STAT_COMPACTED, true),
      healedRecords: view.getFloat64(at + STAT_HEALED, true),
    };
  }

  /** Makes everything so far durable. EUNKNOWN: it is not known whether it is. */
  commit(): void {
    this.#check(this.#exports.storeCommit(this.#handle), "commit");
  }

  /** Rewrites the emptiest pack chunk; returns the records moved, 0 if nothing would be gained. */
  compact(): number {
    const moved = this.#check(this.#exports.storeCompact(this.#handle), "compact");
    this.#afterChange();
    return moved;
  }

  /**
   * Deletes every object that is neither in `roots` nor pinned, each step a commit.
   *
   * @returns objects deleted
   */
  collect(roots: Iterable<HashLike>): number {
    const kept = [...roots].map((hash) => toHash(hash)).sort(compareHashes);
    const packed = new Uint8Array(kept.length * HASH_BYTES);
    kept.forEach((hash, index) => {
      packed.set(hash, index * HASH_BYTES);
    });
    return this.#memory.with(packed, (address) =>
      this.#check(this.#exports.storeCollect(this.#handle, address, kept.length), "collect"),
    );
  }

  /** Makes the index anew from the packs, after it was damaged; returns the objects found. */
  rebuild(): number {
    return this.#check(this.#exports.storeRebuild(this.#handle), "rebuild");
  }

  /** Reads every record of every object and checks it against index, space and hash. */
  verify(options: { readonly signal?: AbortSignal | undefined } = {}): StoreFinding[] {
    const findings: StoreFinding[] = [];
    const verifier = this.#check(this.#exports.storeVerifierOpen(this.#handle), "verify");
    try {
      for (;;) {
        options.signal?.throwIfAborted();
        const count = this.#check(
          this.#exports.storeVerifierNext(verifier, VERIFY_STEP_RECORDS),
          "verify",
        );
        for (let row = 0; row < count; row++) {
          const bytes = this.#memory.slice(this.#address() + row * FINDING_SIZE, FINDING_SIZE);
          findings.push(decodeFinding(bytes, this.#device));
        }
        if (this.#memory.view.getUint32(this.#exchange + EXCHANGE_COUNT, true) === 1) break;
      }
    } finally {
      this.#exports.storeVerifierClose(verifier);
    }
    return findings;
  }

  /** After EIO with `lostSince` or ESTALE: goes on from the last durable state. */
  reopen(): void {
    this.#check(this.#exports.storeReopen(this.#handle), "reopen");
  }

  /** Gives back the store's memory. What was not committed waits for the region's commit. */
  close(): void {
    this.#check(this.#exports.storeClose(this.#handle), "close");
  }

  /** Copies one object into the write buffer; false if it does not fit there. */
  #place(bytes: Uint8Array): boolean {
    this.#memory.view.setUint32(this.#items + ITEM_LENGTH, bytes.length, true);
    const taken = this.#check(this.#exports.storePutBegin(this.#handle, 1), "put");
    if (taken === 0) return false;
    const address = this.#memory.view.getUint32(this.#items + ITEM_ADDRESS, true);
    this.#memory.bytes.set(bytes, address);
    return true;
  }

  #putSome(list: readonly Uint8Array[], from: number, hashes: Uint8Array[]): number {
    const items = this.#items;
    const offered = Math.min(list.length - from, ITEMS_MAX);
    const { view } = this.#memory;
    for (let index = 0; index < offered; index++) {
      const { length } = list[from + index] as Uint8Array;
      view.setUint32(items + index * ITEM_SIZE + ITEM_LENGTH, length, true);
    }
    const taken = this.#check(this.#exports.storePutBegin(this.#handle, offered), "put");
    const after = this.#memory.view;
    for (let index = 0; index < taken; index++) {
      const address = after.getUint32(items + index * ITEM_SIZE + ITEM_ADDRESS, true);
      this.#memory.bytes.set(list[from + index] as Uint8Array, address);
    }
    if (taken === 0) return 0;
    this.#check(this.#exports.storePutEnd(this.#handle, taken, 0), "put");
    for (let index = 0; index < taken; index++) {
      hashes.push(this.#memory.slice(items + index * ITEM_SIZE + ITEM_HASH, HASH_BYTES));
    }
    return taken;
  }

  /** An object that the write buffer does not hold: hashed where it is, then written in pieces. */
  #putLarge(bytes: Uint8Array, claimed: Uint8Array | undefined): Uint8Array {
    const hash = new Uint8Array(HASH_BYTES);
    if (!this.#core.environment.sha256(bytes, hash)) {
      const made = this.putStream(() => [bytes]);
      if (claimed !== undefined && compareHashes(claimed, made) !== 0) throw mismatch(claimed);
      return made;
    }
    if (claimed !== undefined && compareHashes(claimed, hash) !== 0) throw mismatch(claimed);
    this.#memory.bytes.set(hash, this.#exchange + EXCHANGE_HASH);
    return this.#putPieces([bytes], STREAM_KNOWN | STREAM_INLINE, bytes.length);
  }

  #putPieces(pieces: Iterable<Uint8Array>, flags: number, length: number): Uint8Array {
    const writer = this.#writer(flags, length);
    // Known, and there already.
    if (writer.known) return writer.end();
    try {
      for (const piece of pieces) writer.write(piece);
      const hash = writer.end();
      this.#afterChange();
      return hash;
    } finally {
      writer.cancel();
    }
  }

  #writer(flags: number, length: number): ObjectWriter {
    return new ObjectWriter(this.#core, this.#handle, this.#exchange, flags, length);
  }

  #readLarge(hash: Uint8Array, target: Uint8Array, verify: boolean): void {
    for (let done = 0; done < target.length; ) {
      const wanted = Math.min(target.length - done, READ_BYTES);
      const count = this.#read(hash, done, wanted, GET_UNVERIFIED);
      target.set(this.#memory.subarray(this.#address(), count), done);
      done += count;
    }
    if (!verify) return;
    const made = new Uint8Array(HASH_BYTES);
    // The native hash of the bytes as they were returned; on a difference the core finds the place.
    if (this.#core.environment.sha256(target, made) && compareHashes(made, hash) === 0) return;
    this.#name(hash);
    this.#check(this.#exports.storeBlame(this.#handle), "get", hash);
  }

  /** A range of a large object: by its segments, or through all of it where it has only one. */
  #readPart(hash: Uint8Array, target: Uint8Array, offset: number, flags: number): void {
    const segments = this.#memory.view.getUint32(this.#exchange + EXCHANGE_COUNT, true);
    if (segments > 1 || flags !== 0) {
      for (let done = 0; done < target.length; ) {
        const count = this.#read(hash, offset + done, target.length - done, flags);
        target.set(this.#memory.subarray(this.#address(), count), done);
        done += count;
      }
      return;
    }
    let at = 0;
    for (const piece of this.readStream(hash)) {
      const from = Math.max(offset, at);
      const to = Math.min(offset + target.length, at + piece.length);
      if (from < to) target.set(piece.subarray(from - at, to - at), from - offset);
      at += piece.length;
    }
  }

  #read(hash: Uint8Array, offset: number, length: number, flags: number): number {
    this.#memory.bytes.set(hash, this.#exchange + EXCHANGE_HASH);
    this.#memory.view.setFloat64(this.#exchange + EXCHANGE_OFFSET, offset, true);
    const wanted = Math.min(length, READ_BYTES);
    return this.#check(this.#exports.storeRead(this.#handle, wanted, flags), "read", hash);
  }

  #pin(hash: HashLike, change: number): number {
    const named = this.#name(hash);
    const pins = this.#check(this.#exports.storePin(this.#handle, change), "pin", named);
    this.#afterChange();
    return pins;
  }

  #listStep(after: Uint8Array | undefined, limit: number): StoreEntry[] {
    if (after !== undefined) this.#memory.bytes.set(after, this.#exchange + EXCHANGE_HASH);
    const flag = after === undefined ? 0 : 1;
    const count = this.#check(this.#exports.storeList(this.#handle, limit, flag), "list");
    const { view } = this.#memory;
    return Array.from({ length: count }, (_, index) => {
      const at = this.#address() + index * ROW_SIZE;
      return {
        hash: this.#memory.slice(at + ROW_HASH, HASH_BYTES),
        length: view.getFloat64(at + ROW_LENGTH, true),
        pins: view.getFloat64(at + ROW_PINS, true),
      };
    });
  }

  #afterChange(): void {
    if (this.#each) this.commit();
  }

  #address(): number {
    return this.#memory.view.getUint32(this.#exchange + EXCHANGE_ADDRESS, true);
  }

  /** Puts the hash where the core looks for it. */
  #name(hash: HashLike): Uint8Array {
    const named = toHash(hash);
    this.#memory.bytes.set(named, this.#exchange + EXCHANGE_HASH);
    return named;
  }

  #check(result: number, syscall: string, hash?: Uint8Array): number {
    if (result >= 0) return result;
    throw this.#core.error(result, syscall, hash === undefined ? {} : { path: toHex(hash) });
  }
}

function mismatch(claimed: Uint8Array): Error {
  return failure("EBADMSG", "put", `the bytes do not have the hash ${toHex(claimed)}.`);
}
