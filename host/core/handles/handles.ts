/**
 * FileSystemDirectoryHandle and FileSystemFileHandle over a filesystem, as the File System standard
 * of browsers has them: whoever works on the files of a page or of its own origin works on a disk.
 */
import type { FilePromises } from "../node/async/promises.ts";
import { asDom, domError } from "./errors.ts";
import { child, HandleHost } from "./place.ts";
import { openWritable, type WritableFileStream } from "./writable.ts";

/** What one read of getFile() takes. */
const PIECE_BYTES = 16 << 20;

interface CreateOptions {
  /** Makes it if it is not there. */
  readonly create?: boolean;
}

const hosts = new WeakMap<FilePromises, HandleHost>();

/** The root directory of a filesystem, as navigator.storage.getDirectory() gives an origin's. */
export function rootHandle(fs: FilePromises): DiskDirectoryHandle {
  const host = hosts.get(fs) ?? new HandleHost(fs);
  hosts.set(fs, host);
  return new DiskDirectoryHandle(host, "/");
}

/** Where a handle leads to; it is nobody else's. */
interface Spot {
  readonly host: HandleHost;
  readonly path: string;
}

let spotOf: (handle: Handle) => Spot;

abstract class Handle {
  static {
    spotOf = (handle) => handle.#spot;
  }

  abstract readonly kind: "file" | "directory";
  /** The last part of its path; of the root "". */
  readonly name: string;
  readonly #spot: Spot;

  /** @internal */
  constructor(host: HandleHost, path: string) {
    this.#spot = { host, path };
    this.name = path.slice(path.lastIndexOf("/") + 1);
  }

  /** True if `other` leads to the same place of the same filesystem. */
  async isSameEntry(other: FileSystemHandle): Promise<boolean> {
    return this.kind === other.kind && pathBelow(this, other) === "";
  }
}

/** Shaped like FileSystemFileHandle. */
export class DiskFileHandle extends Handle implements FileSystemFileHandle {
  readonly kind = "file";

  get [Symbol.toStringTag](): string {
    return "FileSystemFileHandle";
  }

  /**
   * A File with the content as it is now, all of it in memory; its `type` is empty.
   *
   * NotFoundError: it is gone; NotReadableError: damaged, or changed while it was read.
   */
  async getFile(): Promise<File> {
    const { host, path } = spotOf(this);
    return asDom(async () => {
      const handle = await host.fs.open(path, "r");
      try {
        const { mtimeNs, mtimeMs, size } = await handle.stat({ bigint: true });
        const pieces: Uint8Array<ArrayBuffer>[] = [];
        for (let left = Number(size); left > 0; ) {
          const piece = new Uint8Array(Math.min(left, PIECE_BYTES));
          const { bytesRead } = await handle.read(piece);
          if (bytesRead === 0) break;
          pieces.push(piece.subarray(0, bytesRead));
          left -= bytesRead;
        }
        const now = await handle.stat({ bigint: true });
        if (now.mtimeNs !== mtimeNs || now.size !== size) {
          throw domError("NotReadableError", `'${path}' was changed while it was read.`);
        }
        return new File(pieces, this.name, { lastModified: Number(mtimeMs) });
      } finally {
        await handle.close();
      }
    });
  }

  /**
   * A stream into the file; what is there stays until the stream is closed, then all is replaced in
   * one step. With `mode: "exclusive"` no other writer may be open.
   *
   * NotFoundError; NoModificationAllowedError: another writer; NotAllowedError: read-only.
   */
  async createWritable(
    options: {
      /** Starts with what is there instead of an empty file. */
      readonly keepExistingData?: boolean;
      readonly mode?: "siloed" | "exclusive";
    } = {},
  ): Promise<WritableFileStream> {
    const { host, path } = spotOf(this);
    return asDom(() => openWritable(host, path, options));
  }
}

/** Shaped like FileSystemDirectoryHandle. Made by rootHandle(). */
export class DiskDirectoryHandle extends Handle implements FileSystemDirectoryHandle {
  readonly kind = "directory";

  get [Symbol.toStringTag](): string {
    return "FileSystemDirectoryHandle";
  }

  /** NotFoundError; TypeMismatchError: it is a directory; TypeError: no name. */
  async getFileHandle(name: string, options: CreateOptions = {}): Promise<DiskFileHandle> {
    const { host, path } = spotOf(this);
    const at = child(path, name);
    return asDom(async () => {
      const kind = await kindOf(host, at);
      if (kind === "directory") throw domError("TypeMismatchError", `'${at}' is a directory.`);
      if (kind === undefined)
        await createOr(options, at, () => host.fs.writeFile(at, "", { flag: "wx" }));
      return new DiskFileHandle(host, at);
    });
  }

  /** NotFoundError; TypeMismatchError: it is a file; TypeError: no name. */
  async getDirectoryHandle(
    name: string,
    options: CreateOptions = {},
  ): Promise<DiskDirectoryHandle> {
    const { host, path } = spotOf(this);
    const at = child(path, name);
    return asDom(async () => {
      const kind = await kindOf(host, at);
      if (kind === "file") throw domError("TypeMismatchError", `'${at}' is a file.`);
      if (kind === undefined) await createOr(options, at, () => host.fs.mkdir(at));
      return new DiskDirectoryHandle(host, at);
    });
  }

  /**
   * NotFoundError; InvalidModificationError: a directory with entries, and not `recursive`;
   * NoModificationAllowedError: it, or what is below it, is being written.
   */
  async removeEntry(name: string, options: { readonly recursive?: boolean } = {}): Promise<void> {
    const { host, path } = spotOf(this);
    const at = child(path, name);
    return asDom(async () => {
      host.refuseWriters(at);
      const stats = await host.fs.lstat(at);
      if (!stats.isDirectory()) await host.fs.unlink(at);
      else if (options.recursive) await host.fs.rm(at, { recursive: true });
      else await host.fs.rmdir(at);
    });
  }

  /** The names that lead from here to `other`: none where it is this one; null: not below. */
  async resolve(other: FileSystemHandle): Promise<string[] | null> {
    const below = pathBelow(this, other);
    if (below === undefined) return null;
    return below === "" ? [] : below.slice(1).split("/");
  }

  async *entries(): FileSystemDirectoryHandleAsyncIterator<[string, DiskHandle]> {
    const { host, path } = spotOf(this);
    for (const { name } of await asDom(() => host.fs.readdir(path, { withFileTypes: true }))) {
      const at = child(path, name);
      // Links are what they lead to; what leads nowhere, or has gone meanwhile, is not there.
      const kind = host.isHidden(at) ? undefined : await asDom(() => kindOf(host, at));
      if (kind === "file") yield [name, new DiskFileHandle(host, at)];
      else if (kind === "directory") yield [name, new DiskDirectoryHandle(host, at)];
    }
  }

  async *keys(): FileSystemDirectoryHandleAsyncIterator<string> {
    for await (const [name] of this.entries()) yield name;
  }

  async *values(): FileSystemDirectoryHandleAsyncIterator<DiskHandle> {
    for await (const [, handle] of this.entries()) yield handle;
  }

  [Symbol.asyncIterator](): FileSystemDirectoryHandleAsyncIterator<[string, DiskHandle]> {
    return this.entries();
  }
}

export type DiskHandle = DiskFileHandle | DiskDirectoryHandle;

/** Where `other` is seen from `from`: "" there, "/a/b" below it, undefined elsewhere. */
function pathBelow(from: Handle, other: unknown): string | undefined {
  if (!(other instanceof Handle)) return undefined;
  const [{ host, path }, there] = [spotOf(from), spotOf(other)];
  if (there.host !== host) return undefined;
  if (there.path === path) return "";
  const start = path === "/" ? "" : path;
  return there.path.startsWith(`${start}/`) ? there.path.slice(start.length) : undefined;
}

async function kindOf(host: HandleHost, path: string): Promise<"file" | "directory" | undefined> {
  try {
    return (await host.fs.stat(path)).isDirectory() ? "directory" : "file";
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  }
}

async function createOr(
  { create }: CreateOptions,
  path: string,
  make: () => Promise<unknown>,
): Promise<void> {
  if (!create) throw domError("NotFoundError", `there is no '${path}'.`);
  await make();
}
