/**
 * Disks in the browser's own filesystem: a folder for each, below `diskwright/`.
 *
 * ```
 * diskwright/NAME/disk.img     the disk
 *                 medium.img   what it is installed from, until that is done
 *                 note.json    the payload's title and state, the machine's UEFI variables
 * ```
 */

import { failure } from "../../../base/errors.ts";
import { domFailure } from "../../../base/web/dom.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { OpfsDevice, removeOpfs } from "../../../device/local/opfs.ts";
import type { DiskEntry, PayloadFacts } from "../../rpc/api.ts";
import { alreadyThere, checkName, type Note, notThere, type Part, type Shelf } from "./shelf.ts";

const ROOT = "diskwright";
const FILES = { disk: "disk.img", medium: "medium.img" } as const;
const NOTE = "note.json";

type Directory = FileSystemDirectoryHandle & {
  entries(): AsyncIterable<[string, FileSystemHandle]>;
};

export class OpfsShelf implements Shelf {
  readonly kind = "opfs";
  readonly flush = "is flush() of the file, which waits until it is on this computer's disk";

  /** @throws {StorageError} EOPNOTSUPP, EACCES: this browser or window has no storage of its own */
  static async open(): Promise<OpfsShelf> {
    if (navigator.storage?.getDirectory === undefined) {
      throw failure("EOPNOTSUPP", "open", "this browser has no filesystem for pages (OPFS).");
    }
    const shelf = new OpfsShelf();
    await shelf.#root();
    return shelf;
  }

  async list(): Promise<DiskEntry[]> {
    const entries: DiskEntry[] = [];
    for await (const [name, handle] of (await this.#root()).entries()) {
      if (handle.kind !== "directory") continue;
      const image = await this.#image(name).catch(() => undefined);
      // A folder without an image: the page ended while it was made.
      if (image === undefined) continue;
      const { payload } = await this.readNote(name);
      entries.push({ name, sizeBytes: image.size, payload });
    }
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  async create(name: string, sizeBytes: number): Promise<void> {
    checkName(name);
    if ((await this.#image(name).catch(() => undefined)) !== undefined) throw alreadyThere(name);
    const device = await OpfsDevice.create(pathOf(name, "disk"), {
      size: sizeBytes,
      root: await this.#root(),
    });
    device.close();
  }

  async remove(name: string): Promise<void> {
    // The lock of the image says whether another tab has it open.
    (await this.open(name, "disk")).close();
    await this.dropMedium(name);
    try {
      await (await this.#root()).removeEntry(name, { recursive: true });
    } catch (cause) {
      throw domFailure(cause, "unlink", name);
    }
  }

  async open(name: string, part: Part, options: { readOnly?: boolean } = {}): Promise<BlockDevice> {
    try {
      return await OpfsDevice.open(pathOf(name, part), { ...options, root: await this.#root() });
    } catch (cause) {
      throw (cause as { code?: string }).code === "ENOENT" ? notThere(name, part) : cause;
    }
  }

  async makeMedium(name: string, sizeBytes: number): Promise<BlockDevice> {
    const path = pathOf(name, "medium");
    return OpfsDevice.create(path, { size: sizeBytes, overwrite: true, root: await this.#root() });
  }

  async dropMedium(name: string): Promise<void> {
    await removeOpfs(pathOf(name, "medium"), await this.#root()).catch(() => undefined);
  }

  async readNote(name: string): Promise<Note> {
    try {
      const folder = await this.#folder(name);
      const file = await (await folder.getFileHandle(NOTE)).getFile();
      return parseNote(await file.text());
    } catch {
      // A note that is not there or cannot be read says nothing: the disk speaks for itself.
      return {};
    }
  }

  /** A reader finds the old note or the new one: it takes its place when it is whole. */
  async writeNote(name: string, { payload, nvram }: Note): Promise<void> {
    try {
      const folder = await this.#folder(name);
      const handle = await folder.getFileHandle(NOTE, { create: true });
      const writer = await handle.createWritable();
      await writer.write(JSON.stringify({ payload, nvram: nvram && [...nvram] }));
      await writer.close();
    } catch (cause) {
      throw domFailure(cause, "write", `${name}/${NOTE}`);
    }
  }

  async file(name: string): Promise<Blob> {
    try {
      return await this.#image(name);
    } catch (cause) {
      throw domFailure(cause, "read", name);
    }
  }

  /** Looked for anew each time: the browser may have evicted it since. */
  async #root(): Promise<Directory> {
    try {
      const storage = await navigator.storage.getDirectory();
      return (await storage.getDirectoryHandle(ROOT, { create: true })) as Directory;
    } catch (cause) {
      throw domFailure(cause, "open", ROOT);
    }
  }

  async #folder(name: string): Promise<Directory> {
    return (await (await this.#root()).getDirectoryHandle(name)) as Directory;
  }

  async #image(name: string): Promise<File> {
    return (await (await this.#folder(name)).getFileHandle(FILES.disk)).getFile();
  }
}

function pathOf(name: string, part: Part): string {
  return `${name}/${FILES[part]}`;
}

function parseNote(text: string): Note {
  const { payload, nvram } = JSON.parse(text) as { payload?: PayloadFacts; nvram?: number[] };
  return { payload, nvram: Array.isArray(nvram) ? Uint8Array.from(nvram) : undefined };
}
