/** An open file as a class shaped like FileHandle of node:fs/promises. */
import { StorageError } from "../../../base/errors.ts";
import type { FileCalls, StatOptions } from "../calls.ts";
import { throwIfAborted } from "../codes.ts";
import { contentBytes, type ModeLike, type TimeLike } from "../flags.ts";
import type { BigIntStats, Stats } from "../stats.ts";
import { decoded, type Encoding, encodingOf, nodeBytes } from "../text.ts";
import { type Content, readAll, writeContent } from "./content.ts";
import { disposeBy } from "./dispose.ts";
import {
  type ReadStreamOptions,
  readStream,
  type WriteStreamOptions,
  writeStream,
} from "./node-streams.ts";
import { byteSink, byteStream, lines } from "./streams.ts";

/** How promises become durable; without hooks a change is durable at the next sync(). */
export interface PromiseHooks {
  /** Awaited after each change: makes it as durable as the caller asked for. */
  readonly settle?: () => Promise<void>;
  /** Makes everything so far durable. */
  readonly sync?: () => Promise<void>;
}

export interface ReadOptions {
  readonly encoding?: Encoding | null;
  readonly signal?: AbortSignal | null;
}

export interface ReadPathOptions extends ReadOptions {
  readonly flag?: string | number;
}

export interface WriteOptions extends ReadOptions {
  /** Makes the file durable before the promise resolves. */
  readonly flush?: boolean;
}

export interface WritePathOptions extends WriteOptions {
  readonly flag?: string | number;
  readonly mode?: ModeLike;
}

type Position = number | bigint | null | undefined;

/** A part of a buffer, and a place in a file. */
export interface Span {
  readonly offset?: number | null;
  readonly length?: number | null;
  readonly position?: Position;
}

const READ_BYTES = 16_384;

export class FileHandle {
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #files: FileCalls;
  readonly #hooks: Required<PromiseHooks>;
  readonly #path: string;
  #fd: number;

  /** @internal */
  constructor(files: FileCalls, hooks: Required<PromiseHooks>, fd: number, path: string) {
    this.#files = files;
    this.#hooks = hooks;
    this.#fd = fd;
    this.#path = path;
  }

  /** The descriptor; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Reads into a buffer: all of it from where the file stands, if nothing else is said. */
  async read<T extends ArrayBufferView>(
    buffer: T,
    offset?: number | Span | null,
    length?: number | null,
    position?: Position,
  ): Promise<{ bytesRead: number; buffer: T }>;
  async read(
    options?: Span & { readonly buffer?: ArrayBufferView },
  ): Promise<{ bytesRead: number; buffer: ArrayBufferView }>;
  async read(
    into: ArrayBufferView | (Span & { readonly buffer?: ArrayBufferView }) = {},
    offset?: number | Span | null,
    length?: number | null,
    position?: Position,
  ): Promise<{ bytesRead: number; buffer: ArrayBufferView }> {
    const inOptions = !ArrayBuffer.isView(into);
    const buffer = inOptions ? (into.buffer ?? nodeBytes(new Uint8Array(READ_BYTES))) : into;
    const [at, count, from] = inOptions ? spanOf(into) : spanOf(offset, length, position);
    const bytesRead = this.#files.read(this.#open("read"), contentBytes(buffer), at, count, from);
    return { bytesRead, buffer };
  }

  /** Fills one buffer after the other; stops at the end of the file. */
  async readv<T extends ArrayBufferView>(
    buffers: readonly T[],
    position?: Position,
  ): Promise<{ bytesRead: number; buffers: readonly T[] }> {
    const fd = this.#open("read");
    const bytesRead = inTurn(buffers, position, (bytes, from) =>
      this.#files.read(fd, bytes, 0, bytes.length, from),
    );
    return { bytesRead, buffers };
  }

  /** Writes bytes (buffer, offset, length, position) or text (text, position, encoding). */
  async write<T extends ArrayBufferView | string>(
    data: T,
    offset?: number | bigint | Span | null,
    length?: number | Encoding | null,
    position?: Position,
  ): Promise<{ bytesWritten: number; buffer: T }> {
    const fd = this.#open("write");
    let bytesWritten: number;
    if (typeof data === "string") {
      const bytes = contentBytes(data, length as Encoding | null | undefined);
      bytesWritten = this.#files.write(fd, bytes, 0, bytes.length, offset as Position);
    } else {
      const [at, count, to] = spanOf(offset as number, length as number | null, position);
      bytesWritten = this.#files.write(fd, contentBytes(data), at, count, to);
    }
    await this.#hooks.settle();
    return { bytesWritten, buffer: data };
  }

  /** Writes one buffer after the other. */
  async writev<T extends ArrayBufferView>(
    buffers: readonly T[],
    position?: Position,
  ): Promise<{ bytesWritten: number; buffers: readonly T[] }> {
    const fd = this.#open("write");
    const bytesWritten = inTurn(buffers, position, (bytes, to) =>
      this.#files.write(fd, bytes, 0, bytes.length, to),
    );
    await this.#hooks.settle();
    return { bytesWritten, buffers };
  }

  async stat(options: StatOptions & { readonly bigint: true }): Promise<BigIntStats>;
  async stat(options?: StatOptions): Promise<Stats>;
  async stat(options?: StatOptions): Promise<Stats | BigIntStats> {
    return this.#files.fstat(this.#open("fstat"), options);
  }

  async truncate(length?: number | null): Promise<void> {
    this.#files.ftruncate(this.#open("ftruncate"), Math.max(0, length ?? 0));
    await this.#hooks.settle();
  }

  /** Makes everything so far durable, of this file and of all others: one commit. */
  async sync(): Promise<void> {
    this.#open("fsync");
    await this.#hooks.sync();
  }

  async datasync(): Promise<void> {
    this.#open("fdatasync");
    await this.#hooks.sync();
  }

  /** What follows from where the file stands. */
  async readFile(
    options: Encoding | (ReadOptions & { readonly encoding: Encoding }),
  ): Promise<string>;
  async readFile(options?: ReadOptions | null): Promise<Uint8Array>;
  async readFile(options?: ReadOptions | Encoding | null): Promise<Uint8Array | string> {
    const signal = typeof options === "object" ? options?.signal : undefined;
    const bytes = await readAll(this.#files, this.#open("read"), true, signal);
    return decoded(nodeBytes(bytes), encodingOf(options));
  }

  /** Writes from where the file stands; cuts nothing off. */
  async writeFile(data: Content, options?: WriteOptions | Encoding | null): Promise<void> {
    const given = typeof options === "object" ? options : undefined;
    throwIfAborted(given?.signal, "write");
    await writeContent(this.#files, this.#open("write"), data, encodingOf(options), given?.signal);
    await (given?.flush ? this.#hooks.sync() : this.#hooks.settle());
  }

  /** As writeFile(): a handle of flag "a" appends by itself. */
  async appendFile(data: Content, options?: WriteOptions | Encoding | null): Promise<void> {
    await this.writeFile(data, options);
  }

  async chmod(mode: ModeLike): Promise<void> {
    this.#files.fchmod(this.#open("fchmod"), mode);
    await this.#hooks.settle();
  }

  async chown(uid: number, gid: number): Promise<void> {
    this.#files.fchown(this.#open("fchown"), uid, gid);
    await this.#hooks.settle();
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    this.#files.futimes(this.#open("futime"), atime, mtime);
    await this.#hooks.settle();
  }

  /** Closes it; a second call does nothing. */
  async close(): Promise<void> {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    this.#files.close(fd);
    await this.#hooks.settle();
  }

  /** A byte stream of what follows from `start`, or from where the file stands. */
  readableWebStream(
    options: {
      readonly start?: number;
      /** Bytes from `start`; default: to the end. */
      readonly length?: number;
      readonly signal?: AbortSignal | null;
      /** Closes the handle with the stream. Default false. */
      readonly autoClose?: boolean;
      /** Every stream is one of bytes. */
      readonly type?: "bytes" | undefined;
    } = {},
  ): ReadableStream<Uint8Array> {
    this.#open("read");
    let { start: at } = options;
    let left = options.length ?? Number.POSITIVE_INFINITY;
    return byteStream({
      signal: options.signal,
      read: (into) => {
        const wanted = Math.min(into.length, left);
        const got = this.#files.read(this.#open("read"), into, 0, wanted, at ?? null);
        if (at !== undefined) at += got;
        left -= got;
        return got;
      },
      close: async () => {
        if (options.autoClose) await this.close();
      },
    });
  }

  /** A stream of bytes or text into the file, from `start` or from where it stands. */
  writableWebStream(
    options: {
      readonly start?: number;
      readonly signal?: AbortSignal | null;
      readonly autoClose?: boolean;
    } = {},
  ): WritableStream<Uint8Array | string> {
    this.#open("write");
    let { start: at } = options;
    return byteSink({
      signal: options.signal,
      write: async (bytes) => {
        for (let done = 0; done < bytes.length; ) {
          const rest = bytes.length - done;
          const put = this.#files.write(this.#open("write"), bytes, done, rest, at ?? null);
          done += put;
          if (at !== undefined) at += put;
        }
        await this.#hooks.settle();
      },
      close: async () => {
        if (options.autoClose) await this.close();
      },
      abort: async () => {
        if (options.autoClose) await this.close();
      },
    });
  }

  /** The lines of what follows, as UTF-8 and without their ends; closes the handle. */
  readLines(): AsyncIterable<string> {
    return lines(this.readableWebStream({ autoClose: true }));
  }

  /** A Readable of node:stream. EOPNOTSUPP: not in Node. */
  createReadStream(options: ReadStreamOptions = {}) {
    this.#open("read");
    return readStream(this, options);
  }

  /** A Writable of node:stream. EOPNOTSUPP: not in Node. */
  createWriteStream(options: WriteStreamOptions = {}) {
    this.#open("write");
    return writeStream(this, options);
  }

  #open(syscall: string): number {
    if (this.#fd >= 0) return this.#fd;
    throw new StorageError(-9, syscall, { path: this.#path });
  }
}

disposeBy(FileHandle, (handle) => handle.close());

function spanOf(
  offset?: number | Span | null,
  length?: number | null,
  position?: Position,
): [offset: number | undefined, length: number | undefined, position: number | bigint | null] {
  if (typeof offset === "object" && offset !== null) {
    return spanOf(offset.offset, offset.length, offset.position);
  }
  return [offset ?? undefined, length ?? undefined, position ?? null];
}

/** Moves one buffer after the other, until one is not moved whole; answers the bytes in all. */
function inTurn(
  buffers: readonly ArrayBufferView[],
  position: Position,
  move: (bytes: Uint8Array, position: number | null) => number,
): number {
  const stands = position === null || position === undefined || position === -1;
  let done = 0;
  for (const buffer of buffers) {
    const moved = move(contentBytes(buffer), stands ? null : Number(position) + done);
    done += moved;
    if (moved < buffer.byteLength) break;
  }
  return done;
}
