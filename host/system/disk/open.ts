/** From a path or URL to a device: files and device nodes, `file:` and `mem:` URLs. */
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { failure } from "../../base/errors.ts";
import type { BlockDevice } from "../../device/device.ts";
import { FileDevice } from "../../device/local/file.ts";
import { MemoryDevice } from "../../device/local/memory.ts";

/** The `syscall` of an error about the name itself, before anything was opened. */
export const NAME_SYSCALL = "name";

/** What people write where a disk is meant. */
export interface DiskName {
  readonly path: string;
  /** Of `path:N`, counted from 1. */
  readonly partition?: number;
}

/** Splits `path:N`. A file whose own name ends so is meant itself. EINVAL: partition 0. */
export function parseDiskName(text: string): DiskName {
  const [, path = "", digits = ""] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (path === "" || path === "mem" || existsSync(text)) return { path: text };
  const partition = Number(digits);
  if (partition > 0) return { path, partition };
  throw failure("EINVAL", NAME_SYSCALL, `'${text}': partitions count from 1.`, { path: text });
}

export interface NamedOptions {
  readonly readOnly?: boolean | undefined;
  /** Logical block where the file itself cannot tell. Default 512. */
  readonly blkSize?: 512 | 4096 | undefined;
  /** PCI slot, or a whole identity; where a machine has several disks, each has its own. */
  readonly pci?: number | string | undefined;
}

/**
 * Opens the device behind a path or URL.
 *
 * @throws {StorageError} EINVAL: a URL of another kind; and what the adapter throws
 */
export function openDevice(path: string | URL, options: NamedOptions = {}): BlockDevice {
  const { readOnly = false, pci } = options;
  const shape = {
    ...(options.blkSize === undefined ? {} : { blkSize: options.blkSize }),
    ...(pci === undefined ? {} : { pci }),
  };
  const place = placeOf(path);
  if ("file" in place) return FileDevice.open(place.file, { readOnly, ...shape });
  return new MemoryDevice({ size: place.memory, readOnly, name: `${path}`, ...shape });
}

export interface CreateNamedOptions extends NamedOptions {
  /** Not for a device node, which has its own, nor for a `mem:` URL that says it. */
  readonly size?: number | string | undefined;
  /** What is there loses its content. Default: EEXIST. */
  readonly overwrite?: boolean | undefined;
}

/**
 * Makes a device behind a path or URL: a sparse file, memory, or an existing device node.
 *
 * @throws {StorageError} EINVAL: no size; EEXIST: there is something, and no `overwrite`
 */
export function createDevice(path: string | URL, options: CreateNamedOptions): BlockDevice {
  const { size = "", overwrite = false } = options;
  const shape = options.blkSize === undefined ? {} : { blkSize: options.blkSize };
  const place = placeOf(path, `${size}`);
  const isNode =
    "file" in place && statSync(place.file, { throwIfNoEntry: false })?.isBlockDevice();
  if (isNode) {
    if (overwrite) return FileDevice.open(place.file, shape);
    const hint = "Allow it to be overwritten, if it is the right one.";
    throw failure("EEXIST", "open", `'${path}' is a device node.`, { path: `${path}`, hint });
  }
  if (size === "" && ("file" in place || place.memory === "")) {
    throw failure("EINVAL", "create", `'${path}' needs a size, such as "256MiB".`);
  }
  if ("file" in place) return FileDevice.create(place.file, { size, overwrite, ...shape });
  return new MemoryDevice({ size: place.memory, name: `${path}`, ...shape });
}

function placeOf(path: string | URL, size = ""): { file: string } | { memory: string } {
  const text = `${path}`;
  const [, scheme] = /^([a-z][a-z0-9+.-]+):/i.exec(text) ?? [];
  if (scheme === "mem") return { memory: text.slice("mem:".length) || size };
  if (scheme === "file") return { file: fileURLToPath(text) };
  // A path may hold a colon; what looks like a URL is none.
  if (scheme === undefined || !text.startsWith(`${scheme}://`)) return { file: text };
  const message = `'${text}': no device for ${scheme}: URLs; there are paths, file: and mem:.`;
  throw failure("EINVAL", NAME_SYSCALL, message, { path: text });
}
