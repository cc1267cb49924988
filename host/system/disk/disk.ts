/**
 * A whole disk as one object: its store and its filesystem, opened, kept and closed together.
 *
 * Over a synchronous device the core runs in the calling thread; promises tell when a change is
 * durable. The synchronous classes underneath are public too: see host/index.ts.
 */
import { failure, type StorageError } from "../../base/errors.ts";
import { run } from "../../base/work.ts";
import { FileSystem, openImage } from "../../core/files.ts";
import { Core } from "../../core/load.ts";
import { createPromises } from "../../core/node/async/promises.ts";
import { Region, type RegionInfo } from "../../core/region.ts";
import type { BlockDevice } from "../../device/device.ts";
import { type MakeDiskOptions, makeDisk } from "../image/mkdisk.ts";
import { makeStore } from "../image/mkstore.ts";
import { AmbiguousPlace, findRegion } from "../place.ts";
import { DiskFiles } from "./files.ts";
import { CommitGroup, type Durability, type Part } from "./group.ts";
import { closedDisk, DiskStore, StorePart } from "./store.ts";

/** A path, `path:N`, a `file:` or `mem:` URL, or a device that the caller keeps. */
export type DiskSource = string | URL | BlockDevice;

export interface OpenDiskOptions {
  /** Nothing is written and no lock is taken. */
  readonly readOnly?: boolean;
  /** Aborted: opening stops, and later calls answer ECANCELED; close() still works. */
  readonly signal?: AbortSignal;
  /** A core of the caller's; default: one of its own. */
  readonly core?: Core;
  /** When a mutating promise resolves. Default `batch`. */
  readonly durability?: Durability;
  /** Logical block where a file cannot tell. Default 512. Not for a device. */
  readonly blkSize?: 512 | 4096;
  /** Checks everything before the first write; default: up to 1 GiB. */
  readonly strict?: boolean;
}

export interface CreateDiskOptions extends OpenDiskOptions {
  /** Bytes, or text such as "256MiB". Not for what has its size: devices, nodes, `mem:64MiB`. */
  readonly size?: number | string;
  /** `capos` (default): ESP and data region; `region`: one data region, no partitions. */
  readonly layout?: "capos" | "region";
  /** True: an existing file or device node loses its content. Default: EEXIST. */
  readonly overwrite?: boolean;
  /** What the ESP of `capos` holds. Default: nothing. */
  readonly boot?: MakeDiskOptions["boot"];
  /** Any text: the same text gives the same bytes. */
  readonly seed?: string;
}

/** What a fresh disk of layout capos has beside system/config. */
const FRESH_FOLDERS = ["/etc"];

/** A disk on a device that is open: made there, and opened. As createDisk(). */
export async function createDiskOn(
  device: BlockDevice,
  options: CreateDiskOptions,
  place: DiskPlace,
): Promise<Disk> {
  const { signal, layout = "capos" } = options;
  checkLayout(layout);
  throwIfAborted(signal);
  const seed = { seed: options.seed };
  const work =
    layout === "capos"
      ? makeDisk(device, { ...seed, boot: options.boot ?? [] })
      : makeStore(device, { ...seed, writable: true });
  await run<unknown>(work, { signal });
  const disk = openDiskOn(device, { ...options, readOnly: false }, place);
  if (layout === "region") return disk;
  for (const folder of FRESH_FOLDERS) await disk.fs?.promises.mkdir(folder);
  await disk.sync();
  return disk;
}

/** EINVAL: `layout` is none. */
export function checkLayout(layout: string): void {
  if (layout === "capos" || layout === "region") return;
  throw failure("EINVAL", "create", `there is no layout '${layout}'; there are capos and region.`);
}

/** What probe() calls a CAPOSRO1 image: files that are only read, and no store. */
const IMAGE_SIGNATURE = "capos-ro";

/** Where the disk is on its device, and who closes that. */
export interface DiskPlace {
  /** The device is the disk's to close. */
  readonly owned: boolean;
  readonly partition?: number | undefined;
}

/** The disk on a device that is open. As openDisk(). */
export function openDiskOn(device: BlockDevice, options: OpenDiskOptions, place: DiskPlace): Disk {
  throwIfAborted(options.signal);
  const { core = new Core(), readOnly = false, durability = "batch" } = options;
  if (!["none", "batch", "each"].includes(durability)) {
    throw failure("EINVAL", "open", `durability '${durability}' is none of none, batch and each.`);
  }
  const id = core.attach(device);
  try {
    const { baseSector, sectors, signature } = locate(core, id, place.partition);
    const strict = options.strict === undefined ? {} : { strict: options.strict };
    const window = { baseSector, sectors };
    // To the core `each` is `batch` too: sharing commits among callers is this layer's work.
    const mode = durability === "none" ? "none" : "batch";
    const open = () =>
      signature === IMAGE_SIGNATURE
        ? openImage(core, id, window)
        : Region.open(core, id, { ...window, readOnly, durability: mode, ...strict });
    return new Disk({ device, core, id, open, options, owned: place.owned });
  } catch (error) {
    core.detach(id);
    throw error;
  }
}

function locate(core: Core, id: number, partition: number | undefined) {
  try {
    return findRegion(core, id, partition);
  } catch (error) {
    if (!(error instanceof AmbiguousPlace)) throw error;
    throw failure("EINVAL", "open", `${error.message}.`);
  }
}

interface Mounted {
  readonly device: BlockDevice;
  readonly core: Core;
  readonly id: number;
  readonly open: () => Region | FileSystem;
  readonly options: OpenDiskOptions;
  readonly owned: boolean;
}

/** What an open region gives: replaced as a whole by reopen(). */
interface Session {
  info(): RegionInfo | null;
  readonly group: CommitGroup;
  readonly store: DiskStore | null;
  readonly fs: DiskFiles | null;
  close(): void;
}

/** An open disk. Made by createDisk() and openDisk(). */
export class Disk {
  /** What the disk is called: its path or URL. */
  readonly path: string;
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #mounted: Mounted;
  #session: Session;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(mounted: Mounted) {
    this.#mounted = mounted;
    this.path = mounted.device.name;
    this.#session = this.#begin();
    // `await using` where the engine has it.
    if (typeof Symbol.asyncDispose === "symbol") {
      Object.defineProperty(this, Symbol.asyncDispose, { value: () => this.close() });
    }
  }

  /** Null where the disk has none: on a read-only image. */
  get store(): DiskStore | null {
    return this.#session.store;
  }

  /** Null where the region is a store alone. */
  get fs(): DiskFiles | null {
    return this.#session.fs;
  }

  /** The region: its identity, size and epochs. Null on a read-only image. */
  get info(): RegionInfo | null {
    return this.#session.info();
  }

  /** Makes everything so far durable, in store and filesystem; concurrent callers share it. */
  async sync(): Promise<void> {
    this.#admit();
    await this.#session.group.sync();
  }

  /**
   * After EIO or ESTALE: goes on from the last durable state. Everything since is lost; `store`,
   * `fs` and file handles taken before answer EBADF or ESTALE.
   */
  async reopen(): Promise<void> {
    this.#admit();
    const session = this.#session;
    session.group.abandon(failure("ESTALE", "reopen", "the change was thrown away by reopen()."));
    try {
      session.close();
    } catch {
      // It had failed, or nobody would reopen it.
    }
    this.#session = this.#begin();
  }

  /**
   * Commits, and closes store, filesystem and device. What still waits is settled first. A second
   * call gives the same promise.
   *
   * @throws {StorageError} EIO, EUNKNOWN: the last commit failed; everything is closed all the same
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { core, id, device, owned } = this.#mounted;
    const session = this.#session;
    const steps = [
      () => session.group.stop(),
      () => session.close(),
      () => core.detach(id),
      () => owned && device.close(),
    ];
    const failures: unknown[] = [];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        failures.push(error);
      }
    }
    // Later ones follow from the first.
    if (failures.length > 0) throw failures[0];
  }

  #begin(): Session {
    const { options, open } = this.#mounted;
    const opened = open();
    if (opened instanceof FileSystem) return imageSession(opened);
    const { store, files } = opened;
    const part = new StorePart(store, () => opened.info.storeEpoch);
    const filesEpoch = () => opened.info.filesEpoch ?? 0;
    const filesPart = files === null ? undefined : new FilesPart(files, filesEpoch);
    const group = new CommitGroup(filesPart === undefined ? [part] : [part, filesPart], {
      durability: options.durability ?? "batch",
      readOnly: opened.info.readOnly,
      rest: () => opened.rest(),
    });
    const admit = () => this.#admit();
    return {
      info: () => opened.info,
      group,
      store: new DiskStore({ store, group, part, admit }),
      fs: filesPart === undefined ? null : filesOf(filesPart, group),
      close: () => opened.close(),
    };
  }

  #admit(): void {
    if (this.#closing !== undefined) throw closedDisk(this.path);
    throwIfAborted(this.#mounted.options.signal);
  }
}

/** A filesystem as the group commits it. */
class FilesPart implements Part {
  readonly files: FileSystem;
  readonly epoch: () => number;

  constructor(files: FileSystem, epoch: () => number) {
    this.files = files;
    this.epoch = epoch;
  }

  dirtyPages(): number {
    return this.files.dirtyPages;
  }

  commit(): void {
    this.files.sync();
  }
}

function filesOf(part: FilesPart, group: CommitGroup): DiskFiles {
  const settle = () => group.changed(part);
  const sync = () => group.sync(part);
  return new DiskFiles(createPromises(part.files, { settle, sync }));
}

function imageSession(files: FileSystem): Session {
  const group = new CommitGroup([], { durability: "batch", readOnly: true });
  const fs = new DiskFiles(files.promises);
  return { info: () => null, group, store: null, fs, close: () => files.unmount() };
}

/** True for a device, false for a name of one. */
export function isDevice(source: DiskSource): source is BlockDevice {
  return typeof source === "object" && "submit" in source;
}

/** ECANCELED: the signal was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const cause: unknown = signal.reason;
  throw failure("ECANCELED", "disk", "the signal was aborted.", { cause }) satisfies StorageError;
}
