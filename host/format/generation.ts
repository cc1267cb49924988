/**
 * GenerationObject: one whole configuration of a machine: which overlay, and every object it needs.
 * It lies in the store; its SHA-256 there, the manifest hash, is the identity of its content. The
 * same content may run again under a later pointer epoch.
 *
 * Bytes: docs/format/records.md.
 */
import { compareHashes, toHex } from "../base/hash.ts";
import * as wire from "../base/wire.ts";
import {
  demand,
  demandCount,
  demandHash,
  demandName,
  demandNumber,
  demandUnique,
  fromOptional,
  NAME_BYTES_MAX,
  optional,
  quoted,
  type RecordFormat,
  recordFormat,
  toOptional,
} from "./record.ts";

export const GENERATION_MAGIC = "CAPOSGN1";
export const GENERATION_BYTES_MAX = 256 * 1024;
export const OBJECTS_MAX = 1024;
/** 2^40: the largest object of a store. */
export const OBJECT_BYTES_MAX = 2 ** 40;

export const OBJECT_ROLES = ["overlay", "account", "manifest", "binary", "data"] as const;
export type ObjectRole = (typeof OBJECT_ROLES)[number];

export interface GenerationObject {
  readonly version: 1;
  /** Pointer epoch that it was first made for. */
  readonly epoch: number;
  /** Manifest hash of the generation before it. */
  readonly parent?: Uint8Array | undefined;
  /** Oldest record version that its reader must know. */
  readonly minFormat: number;
  /** Store hash of the encoded overlay. */
  readonly overlayHash: Uint8Array;
  readonly overlayEpoch: number;
  /** Everything that the store must hold for this generation: exactly one is the overlay. */
  readonly objects: readonly GenerationEntry[];
}

export interface GenerationEntry {
  readonly role: ObjectRole;
  readonly name: string;
  readonly hash: Uint8Array;
  readonly lengthBytes: number;
}

export const entryWire = wire.record("object", {
  role: wire.upTo(OBJECT_ROLES.length - 1),
  name: wire.text(NAME_BYTES_MAX),
  hash: wire.bytes(32),
  lengthBytes: wire.u53,
});

/** The body of a generation object. */
export const generationWire = wire.record("generation body", {
  epoch: wire.u53,
  parent: optional(wire.bytes(32)),
  minFormat: wire.u16,
  overlayHash: wire.bytes(32),
  overlayEpoch: wire.u53,
  objects: wire.list(entryWire.schema, OBJECTS_MAX),
});

export const generationFormat: RecordFormat<GenerationObject> = recordFormat<
  GenerationObject,
  ReturnType<typeof generationWire.decode>
>({
  name: "generation",
  magic: GENERATION_MAGIC,
  bytesMax: GENERATION_BYTES_MAX,
  body: generationWire,
  fromBody: ({ epoch, parent, minFormat, overlayHash, overlayEpoch, objects }) => ({
    version: 1,
    epoch,
    ...fromOptional("parent", parent),
    minFormat,
    overlayHash,
    overlayEpoch,
    objects: objects.map((entry) => ({ ...entry, role: OBJECT_ROLES[entry.role] as ObjectRole })),
  }),
  toBody: ({ epoch, parent, minFormat, overlayHash, overlayEpoch, objects }) => ({
    epoch,
    parent: toOptional(parent),
    minFormat,
    overlayHash,
    overlayEpoch,
    objects: objects.map((entry) => ({ ...entry, role: OBJECT_ROLES.indexOf(entry.role) })),
  }),
  check: checkGeneration,
});

/** @throws {StorageError} EINVAL: the value breaks a rule */
export function encodeGeneration(generation: GenerationObject): Uint8Array {
  return generationFormat.encode(generation);
}

/** @throws {RecordReject} the bytes are not exactly one well-formed generation object */
export function decodeGeneration(data: Uint8Array): GenerationObject {
  return generationFormat.decode(data);
}

/** @throws {BrokenRule} */
export function checkGeneration(generation: GenerationObject): void {
  const { epoch, parent, minFormat, overlayHash, overlayEpoch, objects } = generation;
  demandNumber("version", generation.version, 1, 1);
  demandNumber("epoch", epoch, 1, Number.MAX_SAFE_INTEGER);
  demandNumber("minFormat", minFormat, 1, 0xffff);
  demandHash("overlayHash", overlayHash);
  demandNumber("overlayEpoch", overlayEpoch, 1, Number.MAX_SAFE_INTEGER);
  if (parent !== undefined) {
    demandHash("parent", parent);
    // The first generation has none, and a parent is older, so a chain ends.
    demand(epoch > 1, "parent", "the first epoch has no parent");
  }
  demandCount("objects", objects, OBJECTS_MAX);
  const lengths = new Map<string, number>();
  for (const [index, entry] of objects.entries()) {
    const place = `objects[${index}]`;
    demand(OBJECT_ROLES.includes(entry.role), `${place}.role`, `${quoted(entry.role)} is no role`);
    demandName(`${place}.name`, entry.name);
    demandHash(`${place}.hash`, entry.hash);
    demandNumber(`${place}.lengthBytes`, entry.lengthBytes, 0, OBJECT_BYTES_MAX);
    const hex = toHex(entry.hash);
    const known = lengths.get(hex) ?? entry.lengthBytes;
    demand(known === entry.lengthBytes, `${place}.lengthBytes`, "one hash has two lengths");
    lengths.set(hex, known);
    const itself = parent !== undefined && compareHashes(parent, entry.hash) === 0;
    demand(!itself, `${place}.hash`, "the parent is not an object of its child");
  }
  demandUnique(
    objects.map(({ role, name }) => `${role} ${name}`),
    (index) => `objects[${index}]`,
  );
  const overlays = objects.filter(({ role }) => role === "overlay");
  const [overlay] = overlays;
  const named = overlay !== undefined && compareHashes(overlay.hash, overlayHash) === 0;
  demand(named && overlays.length === 1, "objects", "the overlay is not exactly one of them");
}
