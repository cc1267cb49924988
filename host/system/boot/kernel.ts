/**
 * The kernel stage: mounts the data region of the boot disk at its fixed LBA and grants init two
 * capabilities, data-config and data-store, together or not at all.
 *
 * The kernel reads no partition table: it trusts the layout. Whatever is wrong with the region, or
 * missing in it, ends in the base floor, wholesale, and never aborts the boot.
 */
import { StorageError } from "../../base/errors.ts";
import type { FileSystem } from "../../core/files.ts";
import type { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import type { Store } from "../../core/store.ts";
import { isReadOnly } from "../../device/sectors.ts";
import { DATA_REGION_BASE_LBA } from "../../format/layout.ts";
import { BASE_FLOOR, DATA_REGION_MOUNTED, dataRegionMounted } from "../../format/lines.ts";
import type { AttachedDisk } from "./firmware.ts";

/** Where the capability data-config points. */
export const CONFIG_ROOT = "/system/config";

/** What init is given beside the base manifest's capabilities. */
export interface DataGrant {
  /** The filesystem and the folder in it that data-config is scoped to. */
  readonly config: { readonly files: FileSystem; readonly root: string };
  readonly store: Store;
  readonly region: Region;
  readonly readOnly: boolean;
}

/** Why there is no grant. */
export interface BaseFloor {
  /** Name of an ErrorCode: ENOENT for what is absent, EBADMSG for what is malformed. */
  readonly code: string;
  readonly reason: string;
}

export type KernelResult =
  | { readonly mounted: true; readonly grant: DataGrant }
  | { readonly mounted: false; readonly floor: BaseFloor };

export interface KernelOptions {
  /** First sector of the data region, default 264192. */
  readonly dataRegionBase?: number | undefined;
  /**
   * The boot manager's part, before the kernel is entered: durable when it answers. A reason: the
   * kernel gets no grant.
   */
  readonly select?: ((grant: DataGrant) => BaseFloor | undefined) | undefined;
}

/** Mounts the data region, or falls back to the base floor; prints which. */
export function runKernel(
  core: Core,
  disk: AttachedDisk,
  print: (line: string) => void,
  options: KernelOptions = {},
): KernelResult {
  const base = options.dataRegionBase ?? DATA_REGION_BASE_LBA;
  const result = selected(mount(core, disk, base), options);
  print(result.mounted ? DATA_REGION_MOUNTED : BASE_FLOOR);
  return result;
}

/** Where there is nothing that the kernel could mount. */
export function baseFloor(reason: string, print: (line: string) => void): KernelResult {
  print(BASE_FLOOR);
  return floor("ENOENT", reason);
}

/** Init's first look at its grant: one line, and how many entries system/config has. */
export function countConfig(grant: DataGrant, print: (line: string) => void): number {
  const { files, root } = grant.config;
  const entries = files.readdir(root).length;
  print(dataRegionMounted(entries));
  return entries;
}

/** What is mounted, unless early boot says that nothing may run on it. */
function selected(result: KernelResult, { select }: KernelOptions): KernelResult {
  if (!result.mounted || select === undefined) return result;
  const { region } = result.grant;
  try {
    const refusal = select(result.grant);
    if (refusal === undefined) return result;
    region.close();
    return { mounted: false, floor: refusal };
  } catch (error) {
    closeQuietly(region);
    return refused(error);
  }
}

function mount(core: Core, disk: AttachedDisk, base: number): KernelResult {
  if (disk.device.config.capacity <= base) {
    return floor("ENOENT", `the disk ends before LBA ${base}`);
  }
  let region: Region;
  try {
    const readOnly = isReadOnly(disk.device);
    region = Region.open(core, disk.id, { baseSector: base, readOnly });
  } catch (error) {
    return refused(error);
  }
  try {
    const grant = grantOf(region, isReadOnly(disk.device));
    if (grant !== undefined) return { mounted: true, grant };
    region.close();
    return floor("ENOENT", `the data region has no folder ${CONFIG_ROOT}`);
  } catch (error) {
    closeQuietly(region);
    return refused(error);
  }
}

/** Both capabilities, or nothing. */
function grantOf(region: Region, readOnly: boolean): DataGrant | undefined {
  const { files, store } = region;
  if (files === null) return undefined;
  const stats = files.stat(CONFIG_ROOT, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return undefined;
  // A folder that cannot be listed is no grant either: init must not start with half of one.
  files.readdir(CONFIG_ROOT);
  return { config: { files, root: CONFIG_ROOT }, store, region, readOnly };
}

/** What the disk can cause is the base floor; a bug goes through. */
function refused(error: unknown): KernelResult {
  if (error instanceof StorageError) return floor(error.code, error.message);
  throw error;
}

function floor(code: string, reason: string): KernelResult {
  return { mounted: false, floor: { code, reason } };
}

/** Back to the last commit, where the filesystem still answers. */
export function revertQuietly(files: FileSystem): void {
  try {
    files.revert();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  }
}

/** Closes a region after a failure, which is what counts. */
export function closeQuietly(region: Region): void {
  try {
    region.close();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  }
}
