/**
 * What the generations of a region keep in its store, and what goes when they are retired.
 *
 * Interface: only objects of retired generations are ever deleted; what others have put stays. An
 * object goes when no generation of either view of the filesystem needs it (formats.md 1.6), when
 * nobody has pinned it, and never before that is durable.
 */
import { StorageError } from "../../base/errors.ts";
import { toHash, toHex } from "../../base/hash.ts";
import type { Store } from "../../core/store.ts";
import { readGeneration } from "./content.ts";
import type { Generations } from "./generations.ts";
import type { DataGrant } from "./kernel.ts";

/** A set of hashes. */
export class HashSet {
  readonly #hex = new Set<string>();

  add(hash: Uint8Array): void {
    this.#hex.add(toHex(hash));
  }

  has(hash: Uint8Array): boolean {
    return this.#hex.has(toHex(hash));
  }

  delete(hash: Uint8Array): void {
    this.#hex.delete(toHex(hash));
  }

  get size(): number {
    return this.#hex.size;
  }

  *[Symbol.iterator](): Iterator<Uint8Array> {
    for (const hex of this.#hex) yield toHash(hex);
  }
}

export interface Collection {
  /** Generations that were retired and whose records are gone. */
  readonly retired: readonly number[];
  readonly objects: number;
  /** Objects that stay because somebody has pinned them. */
  readonly pinned: number;
}

/** Every object that a generation which is not retired needs, its generation object among them. */
export function retainedHashes(generations: Generations, store: Store): HashSet {
  return hashesOf(generations, store, (id) => generations.record(id)?.state !== "RETIRED");
}

/**
 * Retires every generation that nothing refers to, and frees what only they needed.
 *
 * Each step is durable before the next begins; cut short, the next collection goes on.
 */
export function collect(generations: Generations, grant: DataGrant): Collection {
  const { store, config } = grant;
  const { active, candidate, golden, selected, ring } = generations.control;
  const inUse = new Set([active, candidate, golden, selected, ...ring]);
  for (const id of generations.ids()) {
    if (!inUse.has(id) && generations.record(id)?.state !== "RETIRED") generations.drop(id);
  }
  const retired = generations.ids().filter((id) => generations.record(id)?.state === "RETIRED");
  if (retired.length === 0) return { retired, objects: 0, pinned: 0 };
  // The older of the two views may still need them: one more commit, and neither does.
  config.files.setControl(config.files.control());
  config.files.sync();
  const kept = retainedHashes(generations, store);
  const dead = hashesOf(generations, store, (id) => retired.includes(id));
  let objects = 0;
  let pinned = 0;
  for (const hash of dead) {
    if (kept.has(hash) || !store.has(hash)) continue;
    if (removed(store, hash)) objects += 1;
    else pinned += 1;
  }
  store.commit();
  generations.forget(retired);
  return { retired, objects, pinned };
}

/** Pins everything that generation `id` needs: no collection takes it. */
export function pinGeneration(generations: Generations, store: Store, id: number): number {
  return everyObject(generations, store, id, (hash) => store.pin(hash));
}

export function unpinGeneration(generations: Generations, store: Store, id: number): number {
  return everyObject(generations, store, id, (hash) => store.unpin(hash));
}

function everyObject(
  generations: Generations,
  store: Store,
  id: number,
  act: (hash: Uint8Array) => void,
): number {
  const hashes = hashesOf(generations, store, (other) => other === id);
  for (const hash of hashes) act(hash);
  store.commit();
  return hashes.size;
}

function hashesOf(
  generations: Generations,
  store: Store,
  wanted: (id: number) => boolean,
): HashSet {
  const hashes = new HashSet();
  for (const id of generations.ids()) {
    const hash = generations.hashOf(id);
    if (hash === undefined || !wanted(id)) continue;
    hashes.add(hash);
    const generation = readGeneration(store, hash);
    if (!generation.ok) continue;
    for (const { hash: object } of generation.value.objects) hashes.add(object);
  }
  return hashes;
}

/** False: it is pinned. */
function removed(store: Store, hash: Uint8Array): boolean {
  try {
    store.delete(hash);
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code === "EBUSY") return false;
    throw error;
  }
}
