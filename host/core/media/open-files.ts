/** Files of one volume that are open in media.wasm: read in pieces, closed with their volume. */
import { failure } from "../../base/errors.ts";
import type { MediaCore } from "./load.ts";

/** Bytes that come from the module in one call. */
const PIECE_BYTES = 1 << 20;

/** The calls of one kind of volume. */
export interface FileCalls {
  open(volume: number, path: number, length: number): number;
  read(file: number, offset: number, out: number, length: number): number;
  bytes(file: number): number;
  close(file: number): number;
}

/** An open file; reads are cut short at its end. */
export interface MediaFile {
  readonly sizeBytes: number;
  /** Fills `into` from byte `offset` of the file; answers how many bytes it got. */
  read(offset: number, into: Uint8Array): number;
  close(): void;
}

export class OpenFiles {
  readonly #media: MediaCore;
  readonly #calls: FileCalls;
  readonly #files = new Set<number>();

  constructor(media: MediaCore, calls: FileCalls) {
    this.#media = media;
    this.#calls = calls;
  }

  open(volume: number, path: string): MediaFile {
    const media = this.#media;
    const calls = this.#calls;
    const opened = media.memory.with(path, (at, length) => calls.open(volume, at, length));
    const file = media.check(opened, "open", { path });
    this.#files.add(file);
    return {
      sizeBytes: calls.bytes(file),
      read: (offset, into) => this.#read(file, path, offset, into),
      close: () => {
        if (this.#files.delete(file)) media.check(calls.close(file), "close");
      },
    };
  }

  /** Up to `length` bytes from `offset`; fewer at the end of the file. */
  read(volume: number, path: string, offset: number, length: number): Uint8Array {
    const file = this.open(volume, path);
    try {
      const into = roomFor(path, Math.max(0, Math.min(length, file.sizeBytes - offset)));
      return into.subarray(0, file.read(offset, into));
    } finally {
      file.close();
    }
  }

  closeAll(): void {
    for (const file of this.#files) this.#calls.close(file);
    this.#files.clear();
  }

  #read(file: number, path: string, offset: number, into: Uint8Array): number {
    const { memory } = this.#media;
    const room = Math.min(PIECE_BYTES, into.length);
    if (room === 0) return 0;
    const out = memory.allocate(room);
    try {
      let done = 0;
      while (done < into.length) {
        const wanted = Math.min(room, into.length - done);
        const got = this.#calls.read(file, offset + done, out, wanted);
        this.#media.check(got, "read", { path });
        into.set(memory.subarray(out, got), done);
        done += got;
        // Fewer bytes than asked for: the end of the file.
        if (got < wanted) break;
      }
      return done;
    } finally {
      memory.release(out, room);
    }
  }
}

function roomFor(path: string, bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    const message = `'${path}' has ${bytes} bytes, more than fit into memory at once.`;
    throw failure("EFBIG", "read", message, { path, cause, hint: "Read it in pieces." });
  }
}
