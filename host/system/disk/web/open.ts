/**
 * Disks by their names where there is no Node: each in a worker of its own, since only there a
 * browser's files can be used at once, and since a page must not wait.
 */
import { failure } from "../../../base/errors.ts";
import { loadedModules, type ModuleSources } from "../../../core/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import {
  type CreateDiskOptions,
  createDiskOn,
  isDevice,
  type OpenDiskOptions,
  openDiskOn,
} from "../disk.ts";
import { type AsyncDisk, connectDisk } from "../remote/disk.ts";

/** A name such as `opfs:disk.img`, or a device that the caller keeps. */
export type WebDiskSource = string | URL | BlockDevice;

export interface OpenWebDiskOptions extends Omit<OpenDiskOptions, "core"> {
  /** The worker for the disk, which ends with it. Default: `diskwright/worker`. */
  readonly worker?: () => Worker;
  /**
   * Where everything that is written goes, such as `opfs:NAME`: the disk itself is only read. It is
   * made when it is not there, and goes with this disk from then on.
   */
  readonly changes?: string | URL | undefined;
}

export interface CreateWebDiskOptions extends Omit<CreateDiskOptions, "core" | "boot"> {
  readonly worker?: () => Worker;
  /** What the ESP of `capos` holds, by path. Default: nothing. */
  readonly boot?: Readonly<Record<string, Uint8Array | string>>;
}

/** What the page asks of its worker. */
export interface DiskRequest {
  readonly name: string;
  readonly create: boolean;
  readonly options: OpenWebDiskOptions & CreateWebDiskOptions;
  /** Of the page, if it has loaded some; else they lie beside the worker. */
  readonly modules: ModuleSources;
}

type Ask = Pick<DiskRequest, "name" | "create">;

/** Opens a disk: in a worker by its name, in this thread on a device. As openDisk() of Node. */
export async function openWebDisk(
  source: WebDiskSource,
  options: OpenWebDiskOptions,
  start: () => Worker,
): Promise<AsyncDisk> {
  if (isDevice(source)) return openDiskOn(source, options, { owned: false });
  return inWorker({ name: `${source}`, create: false }, options, start);
}

/** Makes a disk and opens it, likewise. */
export async function createWebDisk(
  source: WebDiskSource,
  options: CreateWebDiskOptions,
  start: () => Worker,
): Promise<AsyncDisk> {
  if (!isDevice(source)) return inWorker({ name: `${source}`, create: true }, options, start);
  const { boot: _, ...rest } = options;
  return createDiskOn(source, rest, { owned: false });
}

async function inWorker(
  ask: Ask,
  { worker: own, changes, ...rest }: OpenWebDiskOptions & CreateWebDiskOptions,
  start: () => Worker,
): Promise<AsyncDisk> {
  const worker = (own ?? start)();
  const { name } = ask;
  const options = changes === undefined ? rest : { ...rest, changes: `${changes}` };
  return connectDisk(
    worker,
    { ...ask, options, modules: loadedModules() },
    {
      ended: () => worker.terminate(),
      lost: () => {
        const why = "the browser stopped it, perhaps for want of memory";
        const hint = "Open the disk again: it is as it was last committed.";
        const message = `the worker of '${name}' has ended: ${why}.`;
        return failure("EIO", "disk", message, { path: name, hint });
      },
      onFail: (fail) => {
        worker.onerror = ({ message }) => {
          const why = message ? `: ${message}` : ", or it could not be loaded";
          fail(failure("EIO", "disk", `the worker of '${name}' has failed${why}.`, { path: name }));
        };
      },
    },
  );
}
