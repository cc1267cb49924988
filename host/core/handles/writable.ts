/**
 * A FileSystemWritableFileStream over a filesystem: what is written is collected in a file beside
 * the target, which takes the target's place in one step when the stream is closed. Aborted, or
 * with the power cut before, the target is what it was.
 */
import { constants } from "../node/async/constants.ts";
import type { FileHandle } from "../node/async/handle.ts";
import { asDom } from "./errors.ts";
import type { HandleHost } from "./place.ts";

type Data = BufferSource | Blob | string;

/** What the standard calls WriteParams. */
export interface WriteCommand {
  readonly type: "write" | "seek" | "truncate";
  readonly size?: number | null;
  readonly position?: number | null;
  readonly data?: Data | null;
}

/** What a stream can be given. */
export type Chunk = Data | WriteCommand;

const PERMISSIONS = 0o7777;
const RANDOM_BYTES = 8;

/** The file that collects, and where in it the next byte goes. */
class Collector {
  readonly #host: HandleHost;
  readonly #target: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  #position = 0;

  constructor(host: HandleHost, target: string, path: string, handle: FileHandle) {
    this.#host = host;
    this.#target = target;
    this.#path = path;
    this.#handle = handle;
  }

  async take(chunk: Chunk): Promise<void> {
    const command = commandOf(chunk);
    if (command.type === "truncate") {
      const size = numberOf(command.size, "size");
      await this.#handle.truncate(size);
      this.#position = Math.min(this.#position, size);
      return;
    }
    if (command.type === "seek") {
      this.#position = numberOf(command.position, "position");
      return;
    }
    const { data } = command;
    if (command.position !== undefined && command.position !== null) {
      this.#position = numberOf(command.position, "position");
    }
    if (data instanceof Blob) {
      // A Blob may be larger than memory.
      const reader = data.stream().getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        await this.#write(value);
      }
    }
    await this.#write(bytesOf(data));
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#host.fs.rename(this.#path, this.#target);
    this.#leave();
  }

  async abort(): Promise<void> {
    await this.#handle.close();
    this.#leave();
    await this.#host.fs.rm(this.#path, { force: true });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(
        bytes,
        done,
        bytes.length - done,
        this.#position,
      );
      done += bytesWritten;
      this.#position += bytesWritten;
    }
  }

  #leave(): void {
    this.#host.show(this.#path);
    this.#host.leave(this.#target);
  }
}

/** Shaped like FileSystemWritableFileStream. Made by createWritable() of a file handle. */
export class WritableFileStream extends WritableStream<Chunk> {
  /** @internal */
  constructor(collector: Collector) {
    super({
      async write(chunk) {
        try {
          await asDom(() => collector.take(chunk));
        } catch (error) {
          // The stream is errored from here on: nothing of it will reach the target.
          await collector.abort().catch(() => {});
          throw error;
        }
      },
      close: () => asDom(() => collector.close()),
      abort: () => asDom(() => collector.abort()),
    });
  }

  get [Symbol.toStringTag](): string {
    return "FileSystemWritableFileStream";
  }

  /** Writes where the cursor stands, or as a command says. */
  write(chunk: Chunk): Promise<void> {
    return this.#send(chunk);
  }

  /** Moves the cursor. */
  seek(position: number): Promise<void> {
    return this.#send({ type: "seek", position });
  }

  /** Makes the file `size` bytes long; a cursor behind the new end moves to it. */
  truncate(size: number): Promise<void> {
    return this.#send({ type: "truncate", size });
  }

  async #send(chunk: Chunk): Promise<void> {
    const writer = this.getWriter();
    const written = writer.write(chunk);
    writer.releaseLock();
    return written;
  }
}

/** Begins to write the file at `path`, which is there. */
export async function openWritable(
  host: HandleHost,
  path: string,
  options: { readonly keepExistingData?: boolean; readonly mode?: string },
): Promise<WritableFileStream> {
  const { fs } = host;
  // Through links: what takes the file's place must not take the link's.
  const target = await fs.realpath(path);
  const { mode } = await fs.stat(target);
  const collecting = `${target.slice(0, target.lastIndexOf("/"))}/.swap-${randomName()}`;
  host.enter(target, options.mode === "exclusive");
  try {
    host.hide(collecting);
    if (options.keepExistingData) await fs.copyFile(target, collecting);
    const flags = constants.O_RDWR | constants.O_CREAT;
    const handle = await fs.open(collecting, flags, mode & PERMISSIONS);
    return new WritableFileStream(new Collector(host, target, collecting, handle));
  } catch (error) {
    host.show(collecting);
    host.leave(target);
    await fs.rm(collecting, { force: true }).catch(() => {});
    throw error;
  }
}

function commandOf(chunk: Chunk): WriteCommand {
  const plain =
    typeof chunk === "object" &&
    chunk !== null &&
    !ArrayBuffer.isView(chunk) &&
    !(chunk instanceof ArrayBuffer) &&
    !(chunk instanceof Blob);
  if (!plain) return { type: "write", data: chunk as Data };
  const command = chunk as WriteCommand;
  if (["write", "seek", "truncate"].includes(command.type)) return command;
  throw new TypeError(`'${String(command.type)}' is none of write, seek and truncate.`);
}

function bytesOf(data: BufferSource | string | null | undefined): Uint8Array {
  if (data === undefined || data === null) throw new TypeError("there is no data to write.");
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data))
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new TextEncoder().encode(String(data));
}

function numberOf(value: number | null | undefined, name: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`${name} is ${String(value)}, not a whole number from 0.`);
}

function randomName(): string {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
