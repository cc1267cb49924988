/**
 * Where the page keeps its disks: each with its image, the medium it is installed from while that
 * is not done, and a note about both.
 */
import { failure, StorageError } from "../../../base/errors.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { flushDevice } from "../../../device/sectors.ts";
import type { DiskEntry, PayloadFacts, ShelfKind } from "../../rpc/api.ts";

/** What is kept of a disk. */
export type Part = "disk" | "medium";

/** What is remembered of a disk beside its bytes. */
export interface Note {
  readonly payload?: PayloadFacts | undefined;
  /** UEFI variables of its machine. */
  readonly nvram?: Uint8Array | undefined;
}

/** A device of the shelf. */
export interface ShelfDevice extends BlockDevice {
  /**
   * Resolves once what was flushed lasts, and after close() once it is closed; where that is not at
   * once. Rejects if it never will.
   */
  settled?(): Promise<void>;
}

export interface Shelf {
  readonly kind: ShelfKind;
  /** Why disks are not in the browser's own filesystem, a sentence; undefined where they are. */
  readonly why?: string | undefined;
  /** What a FLUSH means there: the rest of a sentence that begins with it. */
  readonly flush: string;
  list(): Promise<DiskEntry[]>;
  /** EEXIST; ENOSPC: the browser does not give that much. */
  create(name: string, sizeBytes: number): Promise<void>;
  remove(name: string): Promise<void>;
  /** ENOENT; EBUSY: it is open elsewhere. Closed by closing the device. */
  open(name: string, part: Part, options?: { readOnly?: boolean }): Promise<ShelfDevice>;
  /** A new medium for the disk, zeros; one that was there is gone. */
  makeMedium(name: string, sizeBytes: number): Promise<ShelfDevice>;
  dropMedium(name: string): Promise<void>;
  readNote(name: string): Promise<Note>;
  writeNote(name: string, note: Note): Promise<void>;
  /** The image as a file, while nobody has it open. */
  file(name: string): Promise<Blob>;
}

/** Closes a device; what was flushed lasts, and another may open it, when this resolves. */
export async function putBack(device: ShelfDevice): Promise<void> {
  device.close();
  await device.settled?.();
}

/** Why the device takes no more writes: it has lost some. Undefined while it has not. */
export async function lossOf(device: ShelfDevice): Promise<StorageError | undefined> {
  try {
    flushDevice(device);
    await device.settled?.();
    return undefined;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error.cause instanceof StorageError ? error.cause : error;
  }
}

/** What a disk may be called: it is a folder's name, and part of a lock's. */
const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,39}$/;

/** @throws {StorageError} EINVAL */
export function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw failure("EINVAL", "create", `'${name}' is no name for a disk.`, {
    hint: "Use up to 40 letters, digits, dots, dashes and underscores; begin with a letter.",
  });
}

export function alreadyThere(name: string): Error {
  const hint = "Choose another name, or delete that disk first.";
  return failure("EEXIST", "create", `there is a disk '${name}' already.`, { path: name, hint });
}

export function notThere(name: string, part: Part = "disk"): Error {
  const what = part === "disk" ? `there is no disk '${name}'` : `'${name}' has no medium`;
  const hint = "The browser may have evicted it; ask for persistent storage to keep disks.";
  return failure("ENOENT", "open", `${what}.`, { path: name, hint });
}
