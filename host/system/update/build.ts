/**
 * A generation from its parts: account, overlay and whatever else it needs become objects of the
 * store, and the generation object names them all. The same parts give the same hashes.
 */
import { toHex } from "../../base/hash.ts";
import type { Store } from "../../core/store.ts";
import { type AccountRecord, encodeAccount } from "../../format/account.ts";
import { encodeGeneration, type GenerationEntry } from "../../format/generation.ts";
import { decodeOverlay, encodeOverlay, type NewOverlay } from "../../format/overlay.ts";
import { RECORD_VERSION } from "../../format/record.ts";

export interface GenerationParts {
  readonly overlay: NewOverlay;
  /** Stored beside it; the overlay then says where. */
  readonly account?: AccountRecord | undefined;
  /** A new base that the overlay must fit too. */
  readonly manifest?: Uint8Array | undefined;
  /** Pointer epoch that it is made for. */
  readonly epoch: number;
  /** Manifest hash of the generation before it. */
  readonly parent?: Uint8Array | undefined;
}

export interface BuiltGeneration {
  readonly manifestHash: Uint8Array;
  readonly overlayHash: Uint8Array;
  readonly overlayEpoch: number;
  readonly accountHash: Uint8Array | undefined;
}

/** Puts all objects into the store; durable at its next commit. */
export function buildGeneration(store: Store, parts: GenerationParts): BuiltGeneration {
  const { account, manifest, epoch, parent } = parts;
  const objects: GenerationEntry[] = [];
  const put = (role: GenerationEntry["role"], name: string, bytes: Uint8Array): Uint8Array => {
    const hash = store.put(bytes);
    objects.push({ role, name, hash, lengthBytes: bytes.length });
    return hash;
  };
  const accountHash = account && put("account", account.name, encodeAccount(account));
  if (manifest !== undefined) put("manifest", "base", manifest);
  const accountStoreLocation = accountHash ?? parts.overlay.accountStoreLocation;
  const overlay = encodeOverlay({
    ...parts.overlay,
    ...(accountStoreLocation === undefined ? {} : { accountStoreLocation }),
  });
  const kept = accountHash ?? keepAccount(store, accountStoreLocation, objects);
  const overlayHash = put("overlay", "overlay", overlay);
  const overlayEpoch = parts.overlay.epoch;
  const minFormat = RECORD_VERSION;
  const body = {
    version: 1,
    epoch,
    parent,
    minFormat,
    overlayHash,
    overlayEpoch,
    objects,
  } as const;
  const manifestHash = store.put(encodeGeneration(body));
  return { manifestHash, overlayHash, overlayEpoch, accountHash: kept };
}

/** The overlay of a generation, to make the next one from. */
export function overlayBefore(store: Store, overlayHash: Uint8Array): NewOverlay {
  const { contentHash: _, ...overlay } = decodeOverlay(store.get(overlayHash));
  return overlay;
}

/** An account that an earlier generation stored is an object of this one too. */
function keepAccount(
  store: Store,
  location: Uint8Array | undefined,
  objects: GenerationEntry[],
): Uint8Array | undefined {
  const lengthBytes = location && store.length(location);
  if (location === undefined || lengthBytes === undefined) return undefined;
  const name = `account-${toHex(location).slice(0, 16)}`;
  objects.push({ role: "account", name, hash: location, lengthBytes });
  return location;
}
