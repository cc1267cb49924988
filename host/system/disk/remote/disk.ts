/**
 * A disk in another thread, with the surface of one in this: the store, the filesystem, durability
 * and errors are the same, and everything that takes time is done over there.
 */
import { failure } from "../../../base/errors.ts";
import { holdLife, lifeName, watchLife } from "../../../base/web/life.ts";
import { FIRST, Peer, type Port } from "../../../base/web/peer/peer.ts";
import { constants } from "../../../core/node/async/constants.ts";
import type { FilePromises } from "../../../core/node/async/promises.ts";
import { contentBytes } from "../../../core/node/flags.ts";
import type { RegionInfo } from "../../../core/region.ts";
import type { Disk } from "../disk.ts";
import { DiskFiles } from "../files.ts";
import type { DiskStore } from "../store.ts";
import { DISK_KINDS } from "./kinds.ts";

/** A disk, wherever it is. */
export interface AsyncDisk {
  readonly path: string;
  readonly store: Pick<DiskStore, keyof DiskStore> | null;
  readonly fs: DiskFiles | null;
  /** As of the newest answer of the disk. */
  readonly info: RegionInfo | null;
  sync(): Promise<void>;
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** What one end asks of the other that has the disks; `Request` says which disk. */
interface Desk<Request> {
  /** Holds the lock of this name to the end of its thread: who waits for it learns of that. */
  live(name: string): Promise<void>;
  open(request: Request): Promise<Parts>;
  sync(): Promise<void>;
  reopen(): Promise<Parts>;
  close(): Promise<void>;
}

interface Parts {
  readonly path: string;
  readonly info: RegionInfo | null;
  readonly store: AsyncDisk["store"];
  readonly promises: FilePromises | null;
}

/** A disk to serve. */
export interface ServedDisk {
  readonly disk: Disk;
  /** Resolves once what was flushed lasts, where that is later than the flush. */
  readonly settled?: (() => Promise<void>) | undefined;
  /** True: every answer waits for that, not only that of sync() and close(). */
  readonly each?: boolean;
}

/** Serves one disk to the other end of `port`; `open` finds it. */
export function serveDisk<Request>(
  port: Port,
  open: (request: Request) => Promise<ServedDisk>,
): void {
  let served: ServedDisk | undefined;
  let disk: Disk | undefined;
  let told = "";
  const opened = () => {
    if (disk !== undefined) return disk;
    throw failure("EBADF", "disk", "no disk is open.");
  };
  const parts = (): Parts => {
    const { path, info, store, fs } = opened();
    told = JSON.stringify(info);
    return { path, info, store, promises: fs?.promises ?? null };
  };
  const desk: Desk<Request> = {
    live: holdLife,
    open: async (request) => {
      if (disk !== undefined) throw failure("EBUSY", "open", `'${disk.path}' is open here.`);
      served = await open(request);
      disk = served.disk;
      return parts();
    },
    sync: async () => {
      await opened().sync();
      await served?.settled?.();
    },
    reopen: async () => {
      await opened().reopen();
      return parts();
    },
    close: async () => {
      await opened().close();
      await served?.settled?.();
    },
  };
  const notice = () => {
    const info = infoOf(disk);
    if (info === undefined || JSON.stringify(info) === told) return undefined;
    told = JSON.stringify(info);
    return info;
  };
  const settle = async () => {
    if (served?.each) await served.settled?.();
  };
  new Peer(port, { notice, settle, kinds: DISK_KINDS }).show(desk);
}

/** The disk's facts; undefined while it has none to tell, as after a failure or its close. */
function infoOf(disk: Disk | undefined): RegionInfo | null | undefined {
  try {
    return disk?.info;
  } catch {
    return undefined;
  }
}

/** A disk that the other end of a port serves. Made by connectDisk(). */
export class RemoteDisk implements AsyncDisk {
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #peer: Peer;
  readonly #ended: () => void;
  #parts: Parts;
  #fs: AsyncDisk["fs"];
  #store: AsyncDisk["store"];
  #info: RegionInfo | null;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(peer: Peer, parts: Parts, ended: () => void) {
    this.#peer = peer;
    this.#parts = parts;
    this.#fs = filesOf(parts);
    this.#store = storeOf(parts);
    this.#info = parts.info;
    this.#ended = ended;
    if (typeof Symbol.asyncDispose === "symbol") {
      Object.defineProperty(this, Symbol.asyncDispose, { value: () => this.close() });
    }
  }

  get path(): string {
    return this.#parts.path;
  }

  get store(): AsyncDisk["store"] {
    return this.#store;
  }

  get fs(): AsyncDisk["fs"] {
    return this.#fs;
  }

  get info(): RegionInfo | null {
    return this.#info;
  }

  async sync(): Promise<void> {
    await this.#peer.call(FIRST, "sync", []);
  }

  async reopen(): Promise<void> {
    this.#parts = (await this.#peer.call(FIRST, "reopen", [])) as Parts;
    this.#fs = filesOf(this.#parts);
    this.#store = storeOf(this.#parts);
    this.#info = this.#parts.info;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** @internal */
  tell(info: RegionInfo): void {
    this.#info = info;
  }

  async #close(): Promise<void> {
    try {
      await this.#peer.call(FIRST, "close", []);
    } finally {
      const { path } = this;
      this.#peer.end(failure("EBADF", "disk", `'${path}' is closed.`, { path }));
      this.#ended();
    }
  }
}

export interface Connection {
  /** A thread that ends without a word is noticed where there are locks; why it has, is told. */
  readonly lost?: () => Error;
  /** Runs once the disk is closed, or was never opened. */
  readonly ended?: () => void;
  /** Given a way to say that the other end has failed. */
  readonly onFail?: (fail: (reason: Error) => void) => void;
}

/** Opens the disk that `request` names at the other end of `port`. Rejects as opening it does. */
export async function connectDisk(
  port: Port,
  request: unknown,
  connection: Connection = {},
): Promise<RemoteDisk> {
  const { onFail, lost } = connection;
  let disk: RemoteDisk | undefined;
  let forget = () => {};
  const ended = () => {
    forget();
    connection.ended?.();
  };
  const onNotice = (info: unknown) => disk?.tell(info as RegionInfo);
  const peer = new Peer(port, { onNotice, kinds: DISK_KINDS });
  onFail?.((reason) => peer.end(reason));
  try {
    if (lost !== undefined) {
      const name = lifeName();
      await peer.call(FIRST, "live", [name]);
      forget = watchLife(name, () => peer.end(lost()));
    }
    const parts = (await peer.call(FIRST, "open", [request])) as Parts;
    disk = new RemoteDisk(peer, parts, ended);
    return disk;
  } catch (error) {
    ended();
    throw error;
  }
}

/** The shapes of a filesystem are made here, over the calls to the other end. */
function filesOf({ promises }: Parts): AsyncDisk["fs"] {
  return promises === null ? null : new DiskFiles(Object.assign(promises, { constants }));
}

/**
 * The store of the other end; what answers with a stream at once is made here, over a call that
 * takes or gives one. Close and store are two steps: the hash tells when the object is stored.
 */
function storeOf({ store }: Parts): AsyncDisk["store"] {
  if (store === null) return null;
  const writeStream: DiskStore["writeStream"] = (options = {}) => {
    const { readable, writable } = new TransformStream<Uint8Array | string, Uint8Array>({
      transform: (chunk, controller) => controller.enqueue(contentBytes(chunk)),
    });
    const hash = store.putStream(readable, options);
    // Whoever does not ask for the hash is told by the stream.
    hash.catch(() => {});
    return { writable, hash };
  };
  return Object.assign(store, { writeStream });
}
