/**
 * The device side of a split virtqueue (virtio 1.2, section 2.7) in guest memory.
 *
 * The guest is not trusted: every address is checked against its memory, every chain has at most
 * as many descriptors as the device said it takes, and whatever the specification forbids throws
 * QueueError, after which the device needs a reset. Each field is read once: the guest may run at
 * the same time.
 */
import {
  AVAILABLE_ENTRY_SIZE,
  AVAILABLE_F_NO_INTERRUPT,
  DESCRIPTOR_ADDRESS,
  DESCRIPTOR_F_INDIRECT,
  DESCRIPTOR_F_NEXT,
  DESCRIPTOR_F_WRITE,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_NEXT,
  DESCRIPTOR_SIZE,
  RING_ENTRIES,
  RING_FLAGS,
  RING_INDEX,
  USED_ENTRY_SIZE,
} from "./virtio-layout.ts";

/** The driver broke the protocol. */
export class QueueError extends Error {
  override readonly name = "QueueError";
}

/** Where a driver put its rings: guest-physical addresses. */
export interface QueuePlaces {
  /** A power of two, at most the device's largest. */
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
}

/** A descriptor chain, taken apart: what the device reads, then what it writes. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Uint8Array[];
  readonly writable: readonly Uint8Array[];
  readonly readableBytes: number;
  readonly writableBytes: number;
}

export interface QueueFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

const U16 = 0xffff;
/** Section 2.7.4.2: a chain describes at most 2^32 bytes. */
const CHAIN_SIZE_MAX = 2 ** 32;

interface Table {
  readonly address: number;
  readonly entries: number;
  /** An indirect table. */
  readonly inner: boolean;
}

interface Descriptor {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

/** One queue; made when the driver enables it. */
export class Virtqueue {
  readonly size: number;
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  readonly #places: QueuePlaces;
  readonly #features: QueueFeatures;
  readonly #chainMax: number;
  /** Next entry of the available ring to take, modulo 2^16. */
  #taken = 0;
  #returned = 0;
  /** The used index at the last decision about an interrupt. */
  #signalled = 0;

  /**
   * @param chainMax most descriptors of one chain
   * @throws {QueueError} the rings lie wrong
   */
  constructor(
    memory: Uint8Array,
    places: QueuePlaces,
    features: QueueFeatures,
    chainMax: number = places.size,
  ) {
    const { size, descriptors, available, used } = places;
    if (!Number.isInteger(size) || size < 1 || size > 32768 || (size & (size - 1)) !== 0) {
      throw new QueueError(`queue size ${size} is no power of two up to 32768`);
    }
    this.size = size;
    this.#memory = memory;
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    this.#places = places;
    this.#features = features;
    this.#chainMax = chainMax;
    this.#checkPart("descriptor table", descriptors, size * DESCRIPTOR_SIZE, 16);
    this.#checkPart("available ring", available, RING_ENTRIES + size * AVAILABLE_ENTRY_SIZE + 2, 2);
    this.#checkPart("used ring", used, RING_ENTRIES + size * USED_ENTRY_SIZE + 2, 4);
  }

  /** Chains that wait to be taken. */
  pending(): number {
    const index = this.#view.getUint16(this.#places.available + RING_INDEX, true);
    const count = (index - this.#taken) & U16;
    if (count <= this.size) return count;
    throw new QueueError(`available index ${index} is ${count} ahead of a queue of ${this.size}`);
  }

  /** Takes the next chain; pending() said there is one. */
  take(): Chain {
    const slot = this.#taken & (this.size - 1);
    const entry = this.#places.available + RING_ENTRIES + slot * AVAILABLE_ENTRY_SIZE;
    const head = this.#view.getUint16(entry, true);
    this.#taken = (this.#taken + 1) & U16;
    if (this.#features.eventIndex) {
      const event = this.#places.used + RING_ENTRIES + this.size * USED_ENTRY_SIZE;
      this.#view.setUint16(event, this.#taken, true);
    }
    return this.#walk(head);
  }

  /** Gives a chain back, `length` bytes of its writable part written. */
  give(head: number, length: number): void {
    const slot = this.#returned & (this.size - 1);
    const entry = this.#places.used + RING_ENTRIES + slot * USED_ENTRY_SIZE;
    this.#view.setUint32(entry, head, true);
    this.#view.setUint32(entry + 4, length, true);
    this.#returned = (this.#returned + 1) & U16;
    // The index last: an entry is seen only once it is whole.
    this.#view.setUint16(this.#places.used + RING_INDEX, this.#returned, true);
  }

  /** Whether the driver wants an interrupt for what was given back since the last call. */
  wantsInterrupt(): boolean {
    const before = this.#signalled;
    if (before === this.#returned) return false;
    this.#signalled = this.#returned;
    const { available } = this.#places;
    if (!this.#features.eventIndex) {
      const flags = this.#view.getUint16(available + RING_FLAGS, true);
      return (flags & AVAILABLE_F_NO_INTERRUPT) === 0;
    }
    const place = available + RING_ENTRIES + this.size * AVAILABLE_ENTRY_SIZE;
    const event = this.#view.getUint16(place, true);
    return ((this.#returned - event - 1) & U16) < ((this.#returned - before) & U16);
  }

  #walk(head: number): Chain {
    const readable: Uint8Array[] = [];
    const writable: Uint8Array[] = [];
    let [readableBytes, writableBytes] = [0, 0];
    let table: Table = { address: this.#places.descriptors, entries: this.size, inner: false };
    let index = head;
    for (let count = 0; ; count++) {
      if (count >= this.#chainMax) throw new QueueError("a descriptor chain is too long or a loop");
      let found = this.#descriptor(table, index);
      if ((found.flags & DESCRIPTOR_F_INDIRECT) !== 0) {
        table = this.#indirect(table, found);
        found = this.#descriptor(table, 0);
        if ((found.flags & DESCRIPTOR_F_INDIRECT) !== 0) this.#indirect(table, found);
      }
      const part = this.#slice(found);
      if ((found.flags & DESCRIPTOR_F_WRITE) !== 0) {
        writable.push(part);
        writableBytes += part.length;
      } else {
        if (writable.length > 0) throw new QueueError("a readable part behind a writable one");
        readable.push(part);
        readableBytes += part.length;
      }
      if (readableBytes + writableBytes > CHAIN_SIZE_MAX) {
        throw new QueueError("a descriptor chain of more than 2^32 bytes");
      }
      if ((found.flags & DESCRIPTOR_F_NEXT) === 0) break;
      index = found.next;
    }
    return { head, readable, writable, readableBytes, writableBytes };
  }

  #indirect(table: Table, found: Descriptor): Table {
    if (!this.#features.indirect) throw new QueueError("indirect descriptors were not negotiated");
    if (table.inner) {
      throw new QueueError("an indirect table inside an indirect table");
    }
    if ((found.flags & DESCRIPTOR_F_NEXT) !== 0) {
      throw new QueueError("a descriptor both indirect and continued");
    }
    const { address, length } = found;
    const entries = length / DESCRIPTOR_SIZE;
    if (entries < 1 || !Number.isInteger(entries)) {
      throw new QueueError(`an indirect table of ${length} bytes`);
    }
    this.#slice(found);
    return { address, entries, inner: true };
  }

  #descriptor(table: Table, index: number): Descriptor {
    if (index >= table.entries) {
      throw new QueueError(`descriptor ${index} of a table of ${table.entries}`);
    }
    const at = table.address + index * DESCRIPTOR_SIZE;
    const view = this.#view;
    const low = view.getUint32(at + DESCRIPTOR_ADDRESS, true);
    const high = view.getUint32(at + DESCRIPTOR_ADDRESS + 4, true);
    return {
      address: high * 2 ** 32 + low,
      length: view.getUint32(at + DESCRIPTOR_LENGTH, true),
      flags: view.getUint16(at + DESCRIPTOR_FLAGS, true),
      next: view.getUint16(at + DESCRIPTOR_NEXT, true),
    };
  }

  #slice({ address, length }: Descriptor): Uint8Array {
    if (address + length > this.#memory.length) {
      throw new QueueError(`buffer 0x${address.toString(16)}+${length} lies outside guest memory`);
    }
    return this.#memory.subarray(address, address + length);
  }

  #checkPart(name: string, address: number, length: number, alignment: number): void {
    const inside = Number.isSafeInteger(address) && address >= 0;
    if (!inside || address % alignment !== 0 || address + length > this.#memory.length) {
      throw new QueueError(`the ${name} at ${address} lies wrong`);
    }
  }
}
