/**
 * The records of generations and the BAD marks of contents, as CAPOSWF1 keeps them beside its
 * files: durable in the same commit as files and boot control. Strict both ways.
 */
import {
  FileKey,
  RECORD_ACCOUNT_HASH,
  RECORD_CREATED,
  RECORD_HAS_ACCOUNT,
  RECORD_MANIFEST_HASH,
  RECORD_OVERLAY_EPOCH,
  RECORD_PARENT,
  RECORD_RESERVED,
  RECORD_SIZE,
  RECORD_STAGED_BOOT,
  RECORD_STATE,
  RECORD_STATE_MAX,
} from "../../../assembly/format/wf.ts";
import { failure, type StorageError } from "../../base/errors.ts";
import { HASH_BYTES } from "../../base/hash.ts";

/** By the number of the state on the disk. */
const STATES = ["FRESH", "CONFIRMED", "BAD", "INCONCLUSIVE", "RETIRED"] as const;
export type GenerationState = (typeof STATES)[number];

/** What is known of one generation; its id, a pointer epoch, is the key. */
export interface GenerationRecord {
  /** The content: SHA-256 of the generation object. */
  readonly manifestHash: Uint8Array;
  readonly accountHash: Uint8Array | undefined;
  readonly state: GenerationState;
  /** What was active when it was staged; 0: nothing. */
  readonly parent: number;
  readonly overlayEpoch: number;
  /** Boot sequence when it was staged. */
  readonly stagedBoot: number;
  /** ns since 1970 UTC. */
  readonly createdNs: bigint;
}

/** The calls of a filesystem that records need. */
export interface RecordCalls {
  record(kind: number, key: Uint8Array): Uint8Array | undefined;
  nextRecord(kind: number, key: Uint8Array): Uint8Array | undefined;
  setRecord(kind: number, key: Uint8Array, value: Uint8Array): void;
}

const NONE = new Uint8Array(0);
const ID_BYTES = 8;

export class GenerationRecords {
  readonly #files: RecordCalls;

  constructor(files: RecordCalls) {
    this.#files = files;
  }

  /** @throws {StorageError} EBADMSG: a value that the format does not know */
  get(id: number): GenerationRecord | undefined {
    const value = this.#files.record(FileKey.GENERATION, keyOf(id));
    return value && decode(id, value);
  }

  /** Ids that have a record, ascending. */
  ids(): number[] {
    const ids: number[] = [];
    for (let key: Uint8Array | undefined = keyOf(1); key !== undefined; ) {
      key = this.#files.nextRecord(FileKey.GENERATION, key);
      if (key === undefined) break;
      const id = idOf(key);
      ids.push(id);
      key = id < Number.MAX_SAFE_INTEGER ? keyOf(id + 1) : undefined;
    }
    return ids;
  }

  set(id: number, record: GenerationRecord): void {
    this.#files.setRecord(FileKey.GENERATION, keyOf(id), encode(record));
  }

  /** ENOENT: there is none. */
  remove(id: number): void {
    this.#files.setRecord(FileKey.GENERATION, keyOf(id), NONE);
  }

  /** Why the content with this manifest hash must not boot; undefined: it may. */
  badMark(hash: Uint8Array): number | undefined {
    const value = this.#files.record(FileKey.BAD_MARK, hash);
    if (value === undefined) return undefined;
    const [why = 0] = value;
    if (value.length !== 1 || why === 0) throw malformed("BAD mark", why);
    return why;
  }

  /** `why` from 1 to 255. */
  setBadMark(hash: Uint8Array, why: number): void {
    this.#files.setRecord(FileKey.BAD_MARK, hash, Uint8Array.of(why));
  }

  /** The content may boot again; nothing to do if it might. */
  clearBadMark(hash: Uint8Array): void {
    if (this.badMark(hash) !== undefined) this.#files.setRecord(FileKey.BAD_MARK, hash, NONE);
  }
}

/** Keys are big-endian, so that their order is that of the ids. */
function keyOf(id: number): Uint8Array {
  const key = new Uint8Array(ID_BYTES);
  new DataView(key.buffer).setBigUint64(0, BigInt(id));
  return key;
}

function idOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const id = key.length === ID_BYTES ? view.getBigUint64(0) : 0n;
  if (id > 0n && id <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(id);
  throw malformed(`key of a generation, ${key.length} bytes`, id);
}

function encode(record: GenerationRecord): Uint8Array {
  const { manifestHash, accountHash, state, parent, overlayEpoch, stagedBoot } = record;
  const value = new Uint8Array(RECORD_SIZE);
  const view = new DataView(value.buffer);
  value.set(hashOf(manifestHash), RECORD_MANIFEST_HASH);
  if (accountHash !== undefined) value.set(hashOf(accountHash), RECORD_ACCOUNT_HASH);
  value[RECORD_HAS_ACCOUNT] = accountHash === undefined ? 0 : 1;
  value[RECORD_STATE] = STATES.indexOf(state);
  view.setBigUint64(RECORD_PARENT, BigInt(parent), true);
  view.setBigUint64(RECORD_OVERLAY_EPOCH, BigInt(overlayEpoch), true);
  view.setBigUint64(RECORD_STAGED_BOOT, BigInt(stagedBoot), true);
  view.setBigInt64(RECORD_CREATED, record.createdNs, true);
  return value;
}

function decode(id: number, value: Uint8Array): GenerationRecord {
  if (value.length !== RECORD_SIZE) throw malformed(`length of generation ${id}`, value.length);
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const word = (name: string, offset: number): number => {
    const found = view.getBigUint64(offset, true);
    if (found <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(found);
    throw malformed(`${name} of generation ${id}`, found);
  };
  const state = view.getUint8(RECORD_STATE);
  const hasAccount = view.getUint8(RECORD_HAS_ACCOUNT);
  const reserved = value.subarray(RECORD_RESERVED, RECORD_PARENT);
  const account = value.slice(RECORD_ACCOUNT_HASH, RECORD_ACCOUNT_HASH + HASH_BYTES);
  if (state > RECORD_STATE_MAX) throw malformed(`state of generation ${id}`, state);
  const stray = hasAccount === 0 && account.some((byte) => byte !== 0);
  if (hasAccount > 1 || stray) throw malformed(`account of generation ${id}`, hasAccount);
  if (reserved.some((byte) => byte !== 0)) throw malformed(`reserved of generation ${id}`, 1);
  return {
    manifestHash: value.slice(RECORD_MANIFEST_HASH, RECORD_MANIFEST_HASH + HASH_BYTES),
    accountHash: hasAccount === 0 ? undefined : account,
    state: STATES[state] as GenerationState,
    parent: word("parent", RECORD_PARENT),
    overlayEpoch: word("overlay epoch", RECORD_OVERLAY_EPOCH),
    stagedBoot: word("staged boot", RECORD_STAGED_BOOT),
    createdNs: view.getBigInt64(RECORD_CREATED, true),
  };
}

function hashOf(hash: Uint8Array): Uint8Array {
  if (hash.length === HASH_BYTES) return hash;
  throw failure("EINVAL", "record", `a hash has ${HASH_BYTES} bytes, not ${hash.length}.`);
}

function malformed(what: string, value: number | bigint): StorageError {
  return failure("EBADMSG", "record", `${what} is ${value}, which the format does not know.`);
}
