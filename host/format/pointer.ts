/**
 * GenerationPointer: content of the marker files gen-active and gen-candidate of system/config.
 * They show any reader what the control block says; the block decides. All pointers have one size.
 *
 * Bytes: docs/format/records.md.
 */
import * as wire from "../base/wire.ts";
import {
  demand,
  demandHash,
  demandNumber,
  HEAD_SIZE,
  quoted,
  type RecordFormat,
  recordFormat,
} from "./record.ts";

export const POINTER_MAGIC = "CAPOSGP1";
export const POINTER_STATES = ["active", "staged", "attempting"] as const;
export type PointerState = (typeof POINTER_STATES)[number];

export interface GenerationPointer {
  readonly version: 1;
  readonly state: PointerState;
  /** Rises with every pointer, also where the content is older: the generation's id. */
  readonly pointerEpoch: number;
  readonly overlayEpoch: number;
  /** Manifest hash of the generation. */
  readonly hash: Uint8Array;
}

/** The body of a pointer. */
export const pointerWire = wire.record("pointer body", {
  state: wire.upTo(POINTER_STATES.length - 1),
  pointerEpoch: wire.u53,
  overlayEpoch: wire.u53,
  hash: wire.bytes(32),
});

export const POINTER_BYTES = HEAD_SIZE + 1 + 8 + 8 + 32;

export const pointerFormat: RecordFormat<GenerationPointer> = recordFormat<
  GenerationPointer,
  ReturnType<typeof pointerWire.decode>
>({
  name: "pointer",
  magic: POINTER_MAGIC,
  bytesMax: POINTER_BYTES,
  body: pointerWire,
  fromBody: (body) => ({
    version: 1,
    ...body,
    state: POINTER_STATES[body.state] as PointerState,
  }),
  toBody: ({ state, pointerEpoch, overlayEpoch, hash }) => ({
    state: POINTER_STATES.indexOf(state),
    pointerEpoch,
    overlayEpoch,
    hash,
  }),
  check: checkPointer,
});

/** @throws {StorageError} EINVAL: the value breaks a rule */
export function encodePointer(pointer: GenerationPointer): Uint8Array {
  return pointerFormat.encode(pointer);
}

/** @throws {RecordReject} the bytes are not exactly one well-formed pointer */
export function decodePointer(data: Uint8Array): GenerationPointer {
  return pointerFormat.decode(data);
}

/** @throws {BrokenRule} */
export function checkPointer(pointer: GenerationPointer): void {
  const { state } = pointer;
  demandNumber("version", pointer.version, 1, 1);
  demand(POINTER_STATES.includes(state), "state", `${quoted(state)} is no state`);
  demandNumber("pointerEpoch", pointer.pointerEpoch, 1, Number.MAX_SAFE_INTEGER);
  demandNumber("overlayEpoch", pointer.overlayEpoch, 1, Number.MAX_SAFE_INTEGER);
  demandHash("hash", pointer.hash);
}
