/**
 * Records of the system for the simulator: what an operation writes, and one line of text for each
 * record, which model and filesystem must agree on.
 */
import { failure } from "../../../host/base/errors.ts";
import type { GenerationRecord, SystemRecords } from "../../../host/core/boot/records.ts";
import { Random } from "../engine/random.ts";

/** Writes or removes one record; `id` of four, `seed` says what it holds. */
export interface RecordOperation {
  readonly kind: "record";
  readonly record: "generation" | "mark" | "pointer";
  readonly id: number;
  readonly seed: number;
  readonly removes: boolean;
}

/** The operation that a number stands for. */
export function recordOperation(seed: number): RecordOperation {
  const random = new Random(seed);
  const record = random.pick(["generation", "generation", "mark", "pointer"] as const);
  return { kind: "record", record, id: 1 + random.below(4), seed, removes: random.chance(30) };
}

/** Carries it out; ENOENT: there is nothing to remove. */
export function changeRecord(records: SystemRecords, operation: RecordOperation): void {
  const { record, id, seed, removes } = operation;
  let done = true;
  if (record === "generation") {
    if (removes) done = records.removeGenerationRecord(id);
    else records.setGenerationRecord(id, generationOf(seed));
  } else if (record === "mark") {
    if (removes) done = records.clearBadMark(hashOf(id));
    else records.setBadMark(hashOf(id), seed & 0xff);
  } else if (removes) done = records.removePointer(nameOf(id));
  else records.setPointer(nameOf(id), bytesOf(seed));
  if (!done) throw failure("ENOENT", "records", "there was nothing to remove.");
}

/** The name of the record, and its line. */
export function recordLine(operation: RecordOperation): readonly [string, string] {
  const { record, id, seed } = operation;
  if (record === "generation") return [`generation ${id}`, generationText(generationOf(seed))];
  if (record === "mark") return [`mark ${hex(hashOf(id))}`, String(seed & 0xff)];
  return [`pointer ${nameOf(id)}`, hex(bytesOf(seed))];
}

/** All records that a filesystem holds, by name. */
export function readRecords(records: SystemRecords): Map<string, string> {
  const lines = new Map<string, string>();
  for (const id of records.generationIds()) {
    const record = records.generationRecord(id);
    lines.set(`generation ${id}`, record === undefined ? "" : generationText(record));
  }
  for (const hash of records.badHashes()) {
    lines.set(`mark ${hex(hash)}`, String(records.badMark(hash)));
  }
  for (const name of records.pointerNames()) {
    lines.set(`pointer ${name}`, hex(records.pointer(name) ?? new Uint8Array(0)));
  }
  return lines;
}

function generationOf(seed: number): GenerationRecord {
  const random = new Random(seed ^ 0x9e4);
  return {
    manifestHash: random.bytes(32),
    state: random.below(5),
    overlayEpoch: random.below(100),
    parent: random.below(4),
    createdNs: BigInt(seed),
    accountHash: random.chance(50) ? random.bytes(32) : undefined,
    stagedBoot: random.below(1000),
    tries: random.below(4),
    successes: random.below(4),
  };
}

function generationText(record: GenerationRecord): string {
  const { manifestHash, accountHash, ...rest } = record;
  const numbers = Object.values(rest).join(" ");
  return `${hex(manifestHash)} ${accountHash === undefined ? "-" : hex(accountHash)} ${numbers}`;
}

function hashOf(id: number): Uint8Array {
  return new Uint8Array(32).fill(id * 57);
}

function nameOf(id: number): string {
  return "golden".repeat(id);
}

function bytesOf(seed: number): Uint8Array {
  return new Random(seed).bytes(1 + (seed % (seed % 8 === 0 ? 1024 : 60)));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
