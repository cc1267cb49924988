/**
 * `image mkstore`: a store, or a store and a filesystem side by side, as an image of its own: what
 * goes into partition 2 of a disk, or onto a separate data disk.
 */
import { failure } from "../../base/errors.ts";
import type { Work } from "../../base/work.ts";
import type { FileSystem } from "../../core/files.ts";
import type { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import type { BlockDevice } from "../../device/device.ts";
import { type Extent, extent, SECTOR_BYTES } from "../../format/layout.ts";
import { type Tree, treeBytes } from "./folder.ts";
import { type CoreMaker, makeCore, originOf, type SeedOptions } from "./reproducible.ts";

/** Where the machine's configuration lies in the filesystem of a data region. */
export const CONFIG_FOLDER = "/system/config";

export interface MakeStoreOptions extends SeedOptions {
  /** Puts a filesystem beside the store; `emptyConfig` and `seedConfig` imply it. */
  readonly writable?: boolean | undefined;
  /** Makes an empty system/config: the floor that an installation leaves. */
  readonly emptyConfig?: boolean | undefined;
  /** Makes system/config with these files. */
  readonly seedConfig?: Tree | undefined;
  /** Bytes of the disk that the image will be copied to: chooses the size of its chunks. */
  readonly forBytes?: number | undefined;
  readonly makeCore?: CoreMaker | undefined;
}

export interface MadeStore {
  readonly sizeBytes: number;
  readonly uuid: string;
  readonly filesystem: boolean;
  /** Entries of system/config; undefined where there is none. */
  readonly configEntries?: number | undefined;
}

/**
 * Makes the image on all of `device`.
 *
 * @throws {StorageError} EINVAL: too small, or `emptyConfig` together with `seedConfig`; ENOSPC
 */
export function* makeStore(device: BlockDevice, options: MakeStoreOptions): Work<MadeStore> {
  const { seedConfig, emptyConfig, forBytes } = options;
  if (emptyConfig && seedConfig !== undefined) {
    const message = "an image has either an empty system/config or a seeded one.";
    throw failure("EINVAL", "mkstore", message, { path: device.name });
  }
  const config = seedConfig ?? (emptyConfig ? [] : undefined);
  const origin = originOf(options);
  const core = (options.makeCore ?? makeCore)(origin.environment);
  const id = core.attach(device);
  try {
    const uuid = origin.guid("region");
    const place = extent(0, device.config.capacity);
    const filesystem = options.writable === true || config !== undefined;
    const design = forBytes === undefined ? {} : { forBytes };
    yield* makeRegion(core, id, { place, uuid, filesystem, config, ...design });
    return {
      sizeBytes: device.config.capacity * SECTOR_BYTES,
      uuid,
      filesystem,
      configEntries: config?.filter((entry) => !entry.path.includes("/")).length,
    };
  } finally {
    core.detach(id);
  }
}

export interface RegionSpec {
  readonly place: Extent;
  readonly uuid: string;
  readonly filesystem: boolean;
  /** Content of system/config; undefined: no such folder. */
  readonly config?: Tree | undefined;
  readonly forBytes?: number | undefined;
}

/** Formats a place as a data region and fills system/config. Durable when it ends. */
export function* makeRegion(core: Core, device: number, spec: RegionSpec): Work<void> {
  const { place, uuid, filesystem, config, forBytes } = spec;
  const window = { baseSector: place.first, sectors: place.sectors };
  const design = forBytes === undefined ? {} : { designSectors: forBytes / SECTOR_BYTES };
  const timeNs = core.environment.clock();
  Region.format(core, device, { ...window, uuid, files: filesystem, timeNs, ...design });
  if (config === undefined) return;
  const region = Region.open(core, device, window);
  try {
    const { files } = region;
    if (files === null) throw failure("EINVAL", "mkstore", "system/config needs a filesystem.");
    yield* fillConfig(files, config);
  } finally {
    region.close();
  }
}

/** Makes system/config with `config` in it. */
export function* fillConfig(files: FileSystem, config: Tree): Work<void> {
  files.mkdir(CONFIG_FOLDER, { recursive: true });
  const total = treeBytes(config);
  const buffer = new Uint8Array(1 << 20);
  let done = 0;
  for (const entry of config) {
    const path = `${CONFIG_FOLDER}/${entry.path}`;
    if (entry.kind === "directory") {
      files.mkdir(path);
      continue;
    }
    const reader = entry.open();
    const file = files.open(path, "wx");
    try {
      for (let got = reader.read(buffer); got > 0; got = reader.read(buffer)) {
        for (let at = 0; at < got; ) at += files.write(file, buffer, at, got - at);
        done += got;
        yield { step: "copy system/config", done, total, unit: "bytes" };
      }
    } finally {
      files.close(file);
      reader.close();
    }
  }
  files.sync();
}
