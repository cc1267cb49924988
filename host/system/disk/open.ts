/** From a path or URL to a device: files and device nodes, `file:` and `mem:` URLs. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { failure } from "../../base/errors.ts";
import type { BlockDevice } from "../../device/device.ts";
import { type CreateFileOptions, FileDevice } from "../../device/local/file.ts";
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
}

/**
 * Opens the device behind a path or URL.
 *
 * @throws {StorageError} EINVAL: a URL of another kind; and what the adapter throws
 */
export function openDevice(path: string | URL, options: NamedOptions = {}): BlockDevice {
  const { readOnly = false } = options;
  const shape = options.blkSize === undefined ? {} : { blkSize: options.blkSize };
  const place = placeOf(path);
  if ("file" in place) return FileDevice.open(place.file, { readOnly, ...shape });
  return new MemoryDevice({ size: place.memory, readOnly, name: `${path}`, ...shape });
}

/** Makes a device of `size` behind a path or URL; of a `mem:` URL without a size too. */
export function createDevice(path: string | URL, options: CreateFileOptions): BlockDevice {
  const place = placeOf(path, `${options.size}`);
  if ("file" in place) return FileDevice.create(place.file, options);
  const shape = options.blkSize === undefined ? {} : { blkSize: options.blkSize };
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
