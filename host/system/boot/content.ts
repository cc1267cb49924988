/**
 * The content of a generation, as it lies in the store: its object, its overlay, and whether all
 * that it names is there and is what its hash says.
 */
import { StorageError } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import type { Store } from "../../core/store.ts";
import { decodeGeneration, type GenerationObject } from "../../format/generation.ts";
import { decodeManifest, type SystemManifest } from "../../format/manifest.ts";
import { RECORD_VERSION, RecordReject } from "../../format/record.ts";
import { type Outcome, ok, refused } from "../caps/base/outcome.ts";
import { composeBytes, refusalText } from "../config/compose.ts";

/** Largest records that are read whole. */
const RECORD_BYTES_MAX = 1 << 20;

/** A generation whose objects were all read back equal to their hashes. */
export interface ReadyContent {
  readonly hash: Uint8Array;
  readonly generation: GenerationObject;
  readonly overlay: Uint8Array;
  /** Hash of the account record that the overlay names among its objects. */
  readonly accountHash: Uint8Array | undefined;
}

/**
 * Reads everything that generation `hash` needs.
 *
 * @returns "not-found": an object is missing; "invalid": one is damaged or not what its entry says
 * @throws {StorageError} the device failed
 */
export function readContent(store: Store, hash: Uint8Array): Outcome<ReadyContent> {
  const name = `generation ${toHex(hash)}`;
  const generation = readGeneration(store, hash);
  if (!generation.ok) return generation;
  const { minFormat, objects, overlayHash } = generation.value;
  if (minFormat > RECORD_VERSION) {
    return refused("invalid", `${name} needs records of version ${minFormat}`);
  }
  for (const entry of objects) {
    const what = `${name}: ${entry.role} ${entry.name} ${toHex(entry.hash)}`;
    const length = store.length(entry.hash);
    if (length === undefined) return refused("not-found", `${what} is missing`);
    if (length !== entry.lengthBytes) {
      return refused("invalid", `${what} has ${length} bytes, not ${entry.lengthBytes}`);
    }
    const whole = attempt(() => {
      for (const _ of store.readStream(entry.hash));
    });
    if (whole === undefined) return refused("invalid", `${what} is damaged`);
  }
  const overlay = attempt(() => store.get(overlayHash));
  if (overlay === undefined) return refused("invalid", `${name}: its overlay is damaged`);
  const account = objects.find(({ role }) => role === "account");
  return ok({
    hash,
    generation: generation.value,
    overlay: overlay.value,
    accountHash: account?.hash,
  });
}

/** The generation object alone: what it names is not looked at. */
export function readGeneration(store: Store, hash: Uint8Array): Outcome<GenerationObject> {
  const bytes = readRecord(store, hash, `generation ${toHex(hash)}`);
  if (!bytes.ok) return bytes;
  try {
    return ok(decodeGeneration(bytes.value));
  } catch (error) {
    if (!(error instanceof RecordReject)) throw error;
    return refused("invalid", `generation ${toHex(hash)}: ${error.class}: ${error.reason}`);
  }
}

/**
 * Whether the base lets the overlay of `content` run. A generation that brings a base manifest of
 * its own is asked of that one too.
 *
 * @param base the manifest that boots this disk; undefined: it has none, and consults no overlay
 * @returns "conflict": a base refuses it, and why
 */
export function admits(
  store: Store,
  content: ReadyContent,
  base: SystemManifest | undefined,
): Outcome<void> {
  if (base !== undefined) {
    const answer = composeBytes(base, content.overlay);
    if ("refused" in answer) return refused("conflict", refusalText(answer.refused));
  }
  const entry = content.generation.objects.find(({ role }) => role === "manifest");
  if (entry === undefined) return ok();
  const bytes = readRecord(store, entry.hash, `manifest ${entry.name}`);
  if (!bytes.ok) return bytes;
  try {
    const answer = composeBytes(decodeManifest(bytes.value), content.overlay);
    if ("refused" in answer) return refused("conflict", refusalText(answer.refused));
  } catch (error) {
    if (!(error instanceof RecordReject)) throw error;
    return refused("invalid", `manifest ${entry.name}: ${error.class}: ${error.reason}`);
  }
  return ok();
}

function readRecord(store: Store, hash: Uint8Array, name: string): Outcome<Uint8Array> {
  const length = store.length(hash);
  if (length === undefined) return refused("not-found", `${name} is not in the store`);
  if (length > RECORD_BYTES_MAX) return refused("invalid", `${name} has ${length} bytes`);
  const read = attempt(() => store.get(hash));
  return read === undefined ? refused("invalid", `${name} is damaged`) : ok(read.value);
}

/** What was read; undefined where the store knows that it is damaged. */
function attempt<T>(read: () => T): { readonly value: T } | undefined {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof StorageError && error.code === "EBADMSG") return undefined;
    throw error;
  }
}
