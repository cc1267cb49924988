/** Streams of node:stream over a file handle, where there is Node. */
import type { Readable, Writable } from "node:stream";
import { node } from "../../../base/platform/node.ts";
import { contentBytes } from "../flags.ts";
import type { Encoding } from "../text.ts";

const READ_BYTES = 1 << 16;

export interface ReadStreamOptions {
  readonly encoding?: Encoding | null;
  /** Closes the handle with the stream. Default true. */
  readonly autoClose?: boolean;
  /** First byte; default: where the file stands. */
  readonly start?: number;
  /** Last byte, itself included. */
  readonly end?: number;
  readonly highWaterMark?: number;
  readonly signal?: AbortSignal | null;
}

export interface WriteStreamOptions {
  readonly encoding?: Encoding | null;
  readonly autoClose?: boolean;
  readonly start?: number;
  readonly highWaterMark?: number;
  /** Makes the file durable before it is closed. */
  readonly flush?: boolean;
}

/** What of a file handle is used here. */
interface Handle {
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ bytesRead: number }>;
  write(
    data: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export function readStream(handle: Handle, options: ReadStreamOptions): Readable {
  const { autoClose = true, end = Number.POSITIVE_INFINITY, highWaterMark = READ_BYTES } = options;
  let at = options.start ?? null;
  let left = end - (at ?? 0) + 1;
  return new node.stream.Readable({
    highWaterMark,
    ...(options.encoding ? { encoding: options.encoding as BufferEncoding } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
    read(size) {
      const buffer = new Uint8Array(Math.max(0, Math.min(size, left)));
      handle.read(buffer, 0, buffer.length, at).then(
        ({ bytesRead }) => {
          left -= bytesRead;
          if (at !== null) at += bytesRead;
          this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
        },
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      if (!autoClose) return done(error);
      handle.close().then(
        () => done(error),
        (failed: Error) => done(error ?? failed),
      );
    },
  });
}

export function writeStream(handle: Handle, options: WriteStreamOptions): Writable {
  const { autoClose = true, flush = false, highWaterMark } = options;
  let at = options.start ?? null;
  const writeAll = async (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at);
      done += bytesWritten;
      if (at !== null) at += bytesWritten;
    }
  };
  const told = (work: Promise<void>, done: (error?: Error | null) => void) =>
    work.then(
      () => done(),
      (error: Error) => done(error),
    );
  return new node.stream.Writable({
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    defaultEncoding: (options.encoding ?? "utf8") as BufferEncoding,
    write: (chunk, _encoding, done) => told(writeAll(contentBytes(chunk)), done),
    final: (done) => told(flush ? handle.sync() : Promise.resolve(), done),
    destroy(error, done) {
      if (!autoClose) return done(error);
      handle.close().then(
        () => done(error),
        (failed: Error) => done(error ?? failed),
      );
    },
  });
}
