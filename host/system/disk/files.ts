/** The filesystem of a disk in the shapes that callers know: Node's, the browsers', streams. */
import { type DiskDirectoryHandle, rootHandle } from "../../core/handles/handles.ts";
import type { FilePromises } from "../../core/node/async/promises.ts";
import type { PathLike } from "../../core/node/flags.ts";

export interface ReadStreamOptions {
  /** First byte. Default 0. */
  readonly start?: number;
  /** Bytes from there. Default: to the end. */
  readonly length?: number;
  readonly signal?: AbortSignal;
}

export interface WriteStreamOptions {
  /** As open() takes it. Default "w": what is there is replaced. */
  readonly flag?: string | number;
  /** Where the first byte goes; for flag "r+". */
  readonly start?: number;
  readonly signal?: AbortSignal;
}

/** The filesystem of a disk. Made by its Disk. */
export class DiskFiles {
  /** Shaped like node:fs/promises. */
  readonly promises: FilePromises;

  /** @internal */
  constructor(promises: FilePromises) {
    // An own enumerable property: that is where isomorphic-git looks.
    this.promises = promises;
  }

  /** The root as a FileSystemDirectoryHandle, as navigator.storage.getDirectory() gives one. */
  async getDirectory(): Promise<DiskDirectoryHandle> {
    return rootHandle(this.promises);
  }

  /** A byte stream of a file, or of a part of it. ENOENT; EISDIR. */
  async readStream(
    path: PathLike,
    options: ReadStreamOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const handle = await this.promises.open(path, "r");
    return handle.readableWebStream({ ...options, autoClose: true });
  }

  /** A stream of bytes or text into a file. What was written when it is aborted stays there. */
  async writeStream(
    path: PathLike,
    options: WriteStreamOptions = {},
  ): Promise<WritableStream<Uint8Array | string>> {
    const { flag = "w", ...rest } = options;
    const handle = await this.promises.open(path, flag);
    return handle.writableWebStream({ ...rest, autoClose: true });
  }
}
