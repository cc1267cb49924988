/** Disks in the worker's memory: gone with the page. */
import type { BlockDevice, BlockRequest } from "../../../device/device.ts";
import { MemoryDevice } from "../../../device/local/memory.ts";
import { ReadOnlyDevice } from "../../../device/wrap/readonly.ts";
import type { DiskEntry } from "../../rpc/api.ts";
import { alreadyThere, checkName, type Note, notThere, type Part, type Shelf } from "./shelf.ts";

interface KeptDisk {
  readonly parts: Map<Part, MemoryDevice>;
  note: Note;
}

const PIECE_BYTES = 4 << 20;

export class MemoryShelf implements Shelf {
  readonly kind = "memory";
  readonly flush = "keeps nothing: disks last only as long as this page";
  readonly why: string;
  readonly #disks = new Map<string, KeptDisk>();

  constructor(why: string) {
    this.why = why;
  }

  async list(): Promise<DiskEntry[]> {
    return [...this.#disks]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, { parts, note }]) => {
        return { name, sizeBytes: parts.get("disk")?.sizeBytes ?? 0, payload: note.payload };
      });
  }

  async create(name: string, sizeBytes: number): Promise<void> {
    checkName(name);
    if (this.#disks.has(name)) throw alreadyThere(name);
    const disk = new MemoryDevice({ size: sizeBytes, name });
    this.#disks.set(name, { parts: new Map([["disk", disk]]), note: {} });
  }

  async remove(name: string): Promise<void> {
    if (!this.#disks.delete(name)) throw notThere(name);
  }

  async open(name: string, part: Part, options: { readOnly?: boolean } = {}): Promise<BlockDevice> {
    const device = new KeptDevice(this.#part(name, part));
    return options.readOnly ? new ReadOnlyDevice(device) : device;
  }

  async makeMedium(name: string, sizeBytes: number): Promise<BlockDevice> {
    const medium = new MemoryDevice({ size: sizeBytes, name: `${name}.medium` });
    this.#disk(name).parts.set("medium", medium);
    return new KeptDevice(medium);
  }

  async dropMedium(name: string): Promise<void> {
    this.#disk(name).parts.delete("medium");
  }

  async readNote(name: string): Promise<Note> {
    return this.#disk(name).note;
  }

  async writeNote(name: string, note: Note): Promise<void> {
    this.#disk(name).note = note;
  }

  async file(name: string): Promise<Blob> {
    const device = this.#part(name, "disk");
    const pieces: BlobPart[] = [];
    for (let at = 0; at < device.sizeBytes; at += PIECE_BYTES) {
      const bytes = device.peek(at, Math.min(PIECE_BYTES, device.sizeBytes - at));
      pieces.push(new Blob([bytes as Uint8Array<ArrayBuffer>]));
    }
    return new Blob(pieces);
  }

  #disk(name: string): KeptDisk {
    const kept = this.#disks.get(name);
    if (kept === undefined) throw notThere(name);
    return kept;
  }

  #part(name: string, part: Part): MemoryDevice {
    const device = this.#disk(name).parts.get(part);
    if (device === undefined) throw notThere(name, part);
    return device;
  }
}

/** A device whose content stays when it is closed. */
class KeptDevice implements BlockDevice {
  readonly #base: MemoryDevice;

  constructor(base: MemoryDevice) {
    this.#base = base;
  }

  get name() {
    return this.#base.name;
  }

  get config() {
    return this.#base.config;
  }

  get identity() {
    return this.#base.identity;
  }

  get durability() {
    return this.#base.durability;
  }

  submit(requests: readonly BlockRequest[]): void {
    this.#base.submit(requests);
  }

  close(): void {}
}
