/** Any record of the system as JSON, by its magic: what `image show` prints. */
import { toHex } from "../../base/hash.ts";
import { ACCOUNT_MAGIC, decodeAccount } from "../account.ts";
import { decodeGeneration, GENERATION_MAGIC } from "../generation.ts";
import { decodeManifest, MANIFEST_MAGIC } from "../manifest.ts";
import { decodeOverlay, OVERLAY_MAGIC } from "../overlay.ts";
import { decodePointer, POINTER_MAGIC } from "../pointer.ts";
import { magicOf, RecordReject } from "../record.ts";
import { accountToJson, manifestToJson, overlayToJson } from "./records.ts";

export type RecordKind = "manifest" | "overlay" | "account" | "generation" | "pointer";

export interface ShownRecord {
  readonly kind: RecordKind;
  readonly value: object;
}

/** No record is longer. */
export const SHOWN_BYTES_MAX = 1 << 20;

const READERS: Readonly<Record<string, (data: Uint8Array) => ShownRecord>> = {
  [MANIFEST_MAGIC]: (data) => ({ kind: "manifest", value: manifestToJson(decodeManifest(data)) }),
  [OVERLAY_MAGIC]: (data) => ({ kind: "overlay", value: overlayToJson(decodeOverlay(data)) }),
  [ACCOUNT_MAGIC]: (data) => ({ kind: "account", value: accountToJson(decodeAccount(data)) }),
  [GENERATION_MAGIC]: (data) => {
    const { objects, overlayHash, parent, ...rest } = decodeGeneration(data);
    const value = {
      ...rest,
      ...(parent === undefined ? {} : { parent: toHex(parent) }),
      overlayHash: toHex(overlayHash),
      objects: objects.map((entry) => ({ ...entry, hash: toHex(entry.hash) })),
    };
    return { kind: "generation", value };
  },
  [POINTER_MAGIC]: (data) => {
    const pointer = decodePointer(data);
    return { kind: "pointer", value: { ...pointer, hash: toHex(pointer.hash) } };
  },
};

/** @throws {RecordReject} no record, or a damaged one */
export function showRecord(data: Uint8Array): ShownRecord {
  const read = Object.hasOwn(READERS, magicOf(data)) ? READERS[magicOf(data)] : undefined;
  if (read !== undefined) return read(data);
  const known = Object.keys(READERS).join(", ");
  throw new RecordReject("record", "schema-invalid", `no magic of a record: ${known}`);
}
