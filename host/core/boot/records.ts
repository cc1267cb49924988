/**
 * The records of the system in CAPOSWF1 as typed values: what is known of each generation, which
 * contents are BAD, named pointers. They change in the same commit as files and boot control.
 */
import {
  BAD_MARK_SIZE,
  BAD_MARK_WHY,
  FileKey,
  GENERATION_ID_SIZE,
  GENERATION_RECORD_ACCOUNT_HASH,
  GENERATION_RECORD_CREATED,
  GENERATION_RECORD_MANIFEST_HASH,
  GENERATION_RECORD_OVERLAY_EPOCH,
  GENERATION_RECORD_PARENT,
  GENERATION_RECORD_SIZE,
  GENERATION_RECORD_STAGED_BOOT,
  GENERATION_RECORD_STATE,
  GENERATION_RECORD_SUCCESSES,
  GENERATION_RECORD_TRIES,
  GenerationState,
  MANIFEST_HASH_SIZE,
} from "../../../assembly/format/wf.ts";
import { failure, type StorageError } from "../../base/errors.ts";

export { GenerationState };

const RESERVED = GENERATION_RECORD_STATE + 1;
const RESERVED_END = GENERATION_RECORD_OVERLAY_EPOCH;
const KINDS = [FileKey.GENERATION, FileKey.POINTER, FileKey.BAD_MARK] as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What is known of one generation; its id is the pointer epoch. */
export interface GenerationRecord {
  /** SHA-256 of the generation object, 32 bytes: the content. */
  readonly manifestHash: Uint8Array;
  readonly state: GenerationState;
  readonly overlayEpoch: number;
  /** Id of the generation that it was made from; 0 = none. */
  readonly parent: number;
  /** Since 1970 UTC. */
  readonly createdNs: bigint;
  /** SHA-256 of the account record, 32 bytes, if the generation has one. */
  readonly accountHash: Uint8Array | undefined;
  /** Boot sequence of the boot that staged it. */
  readonly stagedBoot: number;
  /** Times that it was booted. */
  readonly tries: number;
  /** Boots that passed their checks. */
  readonly successes: number;
}

/** A record as bytes. */
export interface RawRecord {
  readonly kind: number;
  /** What stands behind inode and kind. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Records as bytes: what the core keeps, by kind and what stands behind it in the key. */
export interface RecordsPort {
  /** The value, or undefined if there is no such record. */
  record(kind: number, key: Uint8Array): Uint8Array | undefined;
  /** Writes the record, or removes it (undefined). False: there was nothing to remove. */
  setRecord(kind: number, key: Uint8Array, value: Uint8Array | undefined): boolean;
  /** The key that follows `key`, which need not be there; the empty one stands before all. */
  nextRecord(kind: number, key: Uint8Array): Uint8Array | undefined;
}

/**
 * The records of one mounted filesystem. Every change is durable with sync(), together with what
 * else was changed since the last one.
 *
 * @throws {StorageError} EROFS: a change of a read-only mount or image; EOPNOTSUPP: reading where
 *   the format has no records; ENOSPC: the region is full; EBADMSG: a record breaks a rule
 * @example
 * const { records } = files;
 * records.setGenerationRecord(2, { ...record, state: GenerationState.CONFIRMED });
 * files.setControl(encodeControl({ ...control, active: 2 }));
 * files.sync();
 */
export class SystemRecords {
  readonly #port: RecordsPort;

  constructor(port: RecordsPort) {
    this.#port = port;
  }

  /** What is known of generation `id`. */
  generationRecord(id: number): GenerationRecord | undefined {
    const value = this.#port.record(FileKey.GENERATION, generationKey(id));
    return value === undefined ? undefined : decodeGenerationRecord(value);
  }

  setGenerationRecord(id: number, record: GenerationRecord): void {
    this.#port.setRecord(FileKey.GENERATION, generationKey(id), encodeGenerationRecord(record));
  }

  /** False: there was none. */
  removeGenerationRecord(id: number): boolean {
    return this.#port.setRecord(FileKey.GENERATION, generationKey(id), undefined);
  }

  /** Ids of all generations that have a record, ascending. */
  generationIds(): number[] {
    return this.#keys(FileKey.GENERATION).map((key) => {
      if (key.length !== GENERATION_ID_SIZE) throw malformed("key length", key.length);
      const id = new DataView(key.buffer, key.byteOffset).getBigUint64(0, false);
      if (id > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("id", id);
      return Number(id);
    });
  }

  /** Why the content with this manifest hash is BAD, 0 to 255; undefined: it is not. */
  badMark(manifestHash: Uint8Array): number | undefined {
    return this.#port.record(FileKey.BAD_MARK, checkedHash(manifestHash))?.[BAD_MARK_WHY];
  }

  setBadMark(manifestHash: Uint8Array, why: number): void {
    const value = new Uint8Array(BAD_MARK_SIZE);
    value[BAD_MARK_WHY] = fitting("the reason", why, 0xff);
    this.#port.setRecord(FileKey.BAD_MARK, checkedHash(manifestHash), value);
  }

  /** False: there was none. */
  clearBadMark(manifestHash: Uint8Array): boolean {
    return this.#port.setRecord(FileKey.BAD_MARK, checkedHash(manifestHash), undefined);
  }

  /** Manifest hashes of everything that is marked BAD, in the order of their bytes. */
  badHashes(): Uint8Array[] {
    return this.#keys(FileKey.BAD_MARK);
  }

  /** The bytes that a name points at. */
  pointer(name: string): Uint8Array | undefined {
    return this.#port.record(FileKey.POINTER, encoder.encode(name));
  }

  /** Points `name`, 1 to 255 bytes as a file's, at 1 to 1,024 bytes. */
  setPointer(name: string, value: Uint8Array): void {
    if (value.length === 0) throw unfit("a pointer", "without bytes");
    this.#port.setRecord(FileKey.POINTER, encoder.encode(name), value);
  }

  /** False: there was none. */
  removePointer(name: string): boolean {
    return this.#port.setRecord(FileKey.POINTER, encoder.encode(name), undefined);
  }

  /** Names of all pointers, in the order of their bytes. */
  pointerNames(): string[] {
    return this.#keys(FileKey.POINTER).map((key) => {
      try {
        return decoder.decode(key);
      } catch {
        throw malformed("pointer name of length", key.length);
      }
    });
  }

  /** Every record as the core keeps it, by kind and key. */
  *entries(): Generator<RawRecord> {
    for (const kind of KINDS) {
      for (const key of this.#keys(kind)) {
        const value = this.#port.record(kind, key);
        if (value !== undefined) yield { kind, key, value };
      }
    }
  }

  /** Takes over every record of another filesystem. */
  copyFrom(source: SystemRecords): void {
    for (const { kind, key, value } of source.entries()) this.#port.setRecord(kind, key, value);
  }

  #keys(kind: FileKey): Uint8Array[] {
    const keys: Uint8Array[] = [];
    let key = this.#port.nextRecord(kind, new Uint8Array(0));
    while (key !== undefined) {
      keys.push(key);
      key = this.#port.nextRecord(kind, key);
    }
    return keys;
  }
}

/** @throws {StorageError} EBADMSG: the bytes are no generation record */
export function decodeGenerationRecord(value: Uint8Array): GenerationRecord {
  if (value.length !== GENERATION_RECORD_SIZE) throw malformed("length", value.length);
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const word = (name: string, offset: number): number => {
    const number = view.getBigUint64(offset, true);
    if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(name, number);
    return Number(number);
  };
  const hash = (offset: number) => value.slice(offset, offset + MANIFEST_HASH_SIZE);
  const state = view.getUint8(GENERATION_RECORD_STATE);
  if (state > GenerationState.RETIRED) throw malformed("state", state);
  const reserved = value.subarray(RESERVED, RESERVED_END);
  if (reserved.some((byte) => byte !== 0)) throw malformed("reserved bytes", reserved.join(" "));
  const account = hash(GENERATION_RECORD_ACCOUNT_HASH);
  return {
    manifestHash: hash(GENERATION_RECORD_MANIFEST_HASH),
    state,
    overlayEpoch: word("overlay epoch", GENERATION_RECORD_OVERLAY_EPOCH),
    parent: word("parent", GENERATION_RECORD_PARENT),
    createdNs: view.getBigInt64(GENERATION_RECORD_CREATED, true),
    accountHash: account.some((byte) => byte !== 0) ? account : undefined,
    stagedBoot: word("staging boot", GENERATION_RECORD_STAGED_BOOT),
    tries: view.getUint32(GENERATION_RECORD_TRIES, true),
    successes: view.getUint32(GENERATION_RECORD_SUCCESSES, true),
  };
}

/** @throws {StorageError} EINVAL: a value does not fit its field */
export function encodeGenerationRecord(record: GenerationRecord): Uint8Array {
  const value = new Uint8Array(GENERATION_RECORD_SIZE);
  const view = new DataView(value.buffer);
  const word = (name: string, offset: number, number: number): void =>
    view.setBigUint64(offset, BigInt(fitting(name, number, Number.MAX_SAFE_INTEGER)), true);
  const half = (name: string, offset: number, number: number): void =>
    view.setUint32(offset, fitting(name, number, 0xffff_ffff), true);
  const { manifestHash, accountHash, createdNs } = record;
  const state = fitting("state", record.state, GenerationState.RETIRED);
  if (createdNs !== BigInt.asIntN(64, createdNs)) throw unfit("createdNs", createdNs);
  if (accountHash?.every((byte) => byte === 0)) throw unfit("accountHash", "of zeros");
  value.set(checkedHash(manifestHash), GENERATION_RECORD_MANIFEST_HASH);
  view.setUint8(GENERATION_RECORD_STATE, state);
  word("overlayEpoch", GENERATION_RECORD_OVERLAY_EPOCH, record.overlayEpoch);
  word("parent", GENERATION_RECORD_PARENT, record.parent);
  view.setBigInt64(GENERATION_RECORD_CREATED, createdNs, true);
  if (accountHash) value.set(checkedHash(accountHash), GENERATION_RECORD_ACCOUNT_HASH);
  word("stagedBoot", GENERATION_RECORD_STAGED_BOOT, record.stagedBoot);
  half("tries", GENERATION_RECORD_TRIES, record.tries);
  half("successes", GENERATION_RECORD_SUCCESSES, record.successes);
  return value;
}

function generationKey(id: number): Uint8Array {
  const key = new Uint8Array(GENERATION_ID_SIZE);
  if (id === 0) throw unfit("the id of a generation", id);
  const value = fitting("the id of a generation", id, Number.MAX_SAFE_INTEGER);
  new DataView(key.buffer).setBigUint64(0, BigInt(value), false);
  return key;
}

function checkedHash(hash: Uint8Array): Uint8Array {
  if (hash.length === MANIFEST_HASH_SIZE) return hash;
  throw unfit("a hash", `of ${hash.length} bytes`);
}

function fitting(name: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw unfit(name, value);
}

function malformed(name: string, value: number | bigint | string): StorageError {
  return failure("EBADMSG", "records", `a record of the system has ${name} ${value}.`);
}

function unfit(name: string, value: number | bigint | string): StorageError {
  return failure("EINVAL", "records", `${name} ${value} fits no record of the system.`);
}
