/**
 * The capabilities of one service, by handle.
 *
 * A handle is a positive i32: slot in the low bits, above it a tag that counts the uses of the slot
 * from 1. So 0 and negative numbers are never handles, and a handle that was dropped is refused for
 * ever: its tag does not come again, and a slot whose tags are used up is retired.
 */
import type { Capability } from "./base/grant.ts";
import { CapException, TransportStatus } from "./base/outcome.ts";

const SLOT_BITS = 10;
const SLOTS_MAX = 1 << SLOT_BITS;
const TAG_MAX = (1 << (31 - SLOT_BITS)) - 1;

export interface TableOptions {
  /** Capabilities at one time, at most 1024; default 256. */
  readonly limit?: number;
  /** Uses of one slot before it is retired; default: as many as a handle can tell apart. */
  readonly usesMax?: number;
}

/** A class of capabilities, such as DirectoryCap. */
// biome-ignore lint/complexity/noBannedTypes: their constructors are private
export type CapClass<T extends Capability> = Function & { readonly prototype: T };

interface Slot {
  tag: number;
  cap: Capability | undefined;
  /** The table gives it back when the handle is dropped. */
  owned: boolean;
}

/** A table of handles. Nothing in it can be named by another table's handle but by accident. */
export class CapTable {
  readonly #slots: Slot[] = [];
  readonly #free: number[] = [];
  readonly #limit: number;
  readonly #usesMax: number;
  #count = 0;

  constructor(options: TableOptions = {}) {
    this.#limit = Math.min(options.limit ?? 256, SLOTS_MAX);
    this.#usesMax = Math.min(options.usesMax ?? TAG_MAX, TAG_MAX);
  }

  /** Live handles. */
  get size(): number {
    return this.#count;
  }

  /**
   * A new handle for `cap`.
   *
   * @param options owned (default): dropping the handle revokes the capability, so a file is
   *   closed with it; not owned: somebody else uses the object too
   * @throws {CapException} overloaded: the table is full, or its slots are used up
   */
  insert(cap: Capability, options: { readonly owned?: boolean } = {}): number {
    const index = this.#count < this.#limit ? this.#vacant() : undefined;
    if (index === undefined) {
      throw new CapException("overloaded", "insert", "the table of capabilities is full.");
    }
    const slot = this.#slots[index] as Slot;
    slot.tag += 1;
    slot.cap = cap;
    slot.owned = options.owned !== false;
    this.#count += 1;
    return (slot.tag << SLOT_BITS) | index;
  }

  /** What a handle names; undefined: it is stale, or never was one. */
  lookup(handle: number): Capability | undefined {
    return this.#slot(handle)?.cap;
  }

  /** What a handle names, if it is a `type`; else the status that says why not. */
  find<T extends Capability>(handle: number, type: CapClass<T>): T | TransportStatus {
    const cap = this.lookup(handle);
    if (cap === undefined) return TransportStatus.STALE_HANDLE;
    return cap instanceof type ? (cap as T) : TransportStatus.UNKNOWN_METHOD;
  }

  /** Takes a handle back; false: it was stale. */
  drop(handle: number): boolean {
    const slot = this.#slot(handle);
    if (slot === undefined) return false;
    this.#empty(slot, handle & (SLOTS_MAX - 1), slot.owned);
    return true;
  }

  /** Takes a handle back and revokes what it names, with all that was made from it. */
  revoke(handle: number): boolean {
    const slot = this.#slot(handle);
    if (slot === undefined) return false;
    this.#empty(slot, handle & (SLOTS_MAX - 1), true);
    return true;
  }

  /** Takes every handle back, as when a service has ended. */
  clear(): void {
    for (const [index, slot] of this.#slots.entries()) {
      if (slot.cap !== undefined) this.#empty(slot, index, slot.owned);
    }
  }

  #slot(handle: number): Slot | undefined {
    if (!Number.isInteger(handle) || handle <= 0 || handle > 0x7fffffff) return undefined;
    const slot = this.#slots[handle & (SLOTS_MAX - 1)];
    return slot?.cap !== undefined && slot.tag === handle >> SLOT_BITS ? slot : undefined;
  }

  #vacant(): number | undefined {
    const index = this.#free.shift();
    if (index !== undefined) return index;
    if (this.#slots.length >= SLOTS_MAX) return undefined;
    this.#slots.push({ tag: 0, cap: undefined, owned: false });
    return this.#slots.length - 1;
  }

  #empty(slot: Slot, index: number, revoke: boolean): void {
    const { cap } = slot;
    slot.cap = undefined;
    this.#count -= 1;
    if (slot.tag < this.#usesMax) this.#free.push(index);
    if (revoke) cap?.revoke("its handle was dropped");
  }
}
