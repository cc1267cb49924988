/**
 * What all records of the system have in common: a head with magic, version, length and SHA-256,
 * and the rules for names and texts.
 *
 * A record is decoded in this order, and the first thing wrong is the answer: size and magic
 * (schema-invalid), version (version-mismatch), length (schema-invalid), digest (hash-mismatch),
 * body and rules (schema-invalid). So a damaged byte is a hash mismatch, and a body is parsed only
 * if it is what its writer wrote. What decodes encodes to the same bytes again.
 *
 * HEAD, in front of every record's body
 *
 * | offset | size | field    | meaning                                             |
 * | -----: | ---: | -------- | --------------------------------------------------- |
 * |  0x000 |    8 | magic    | ASCII: which record this is                         |
 * |  0x008 |    2 | version  | 1; another version may have another body            |
 * |  0x00a |    2 | reserved | zero                                                |
 * |  0x00c |    4 | length   | bytes of the whole record                           |
 * |  0x010 |   32 | digest   | SHA-256 of all bytes of the record but these 32     |
 */
import { ErrorCode } from "../../assembly/format/errors.ts";
import { failure, StorageError } from "../base/errors.ts";
import { compareHashes, HASH_BYTES } from "../base/hash.ts";
import { sha256 } from "../base/seed.ts";
import * as wire from "../base/wire.ts";

export const HEAD_MAGIC = 0x000;
export const HEAD_VERSION = 0x008;
export const HEAD_LENGTH = 0x00c;
export const HEAD_DIGEST = 0x010;
export const HEAD_SIZE = 0x030;

export const RECORD_VERSION = 1;
/** Names of services, binaries, capabilities, roles and accounts, in bytes, all of them ASCII. */
export const NAME_BYTES_MAX = 64;
/** Letters, digits, dot, dash, underscore: a name is also a file name, and stands in log lines. */
export const NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
/** No control, no lone surrogate, no line separator, nothing that turns the direction of text. */
export const TEXT_PATTERN = "^[^\\p{Cc}\\p{Cs}\\u2028-\\u202e\\u2066-\\u2069]*$";

const NAME = new RegExp(NAME_PATTERN, "u");
const TEXT = new RegExp(TEXT_PATTERN, "u");

/** What is wrong with a record: the three classes that decoding tells apart. */
export type RecordFault = "schema-invalid" | "version-mismatch" | "hash-mismatch";

/** The one error of the decoders: EBADMSG, with the class and the reason in words. */
export class RecordReject extends StorageError {
  readonly class: RecordFault;
  /** One line without a full stop. */
  readonly reason: string;

  constructor(name: string, fault: RecordFault, reason: string, cause?: unknown) {
    const message = `EBADMSG: ${name}: ${fault}: ${reason}.`;
    super(ErrorCode.EBADMSG, "decode", { message, cause });
    this.class = fault;
    this.reason = reason;
  }
}

/** A value that breaks a rule of its record: where, as a path in its JSON, and what. */
export class BrokenRule extends Error {
  readonly place: string;
  readonly rule: string;

  constructor(place: string, rule: string) {
    super(`${place}: ${rule}`);
    this.place = place;
    this.rule = rule;
  }
}

/** A kind of record: how its values become bytes and back. */
export interface RecordFormat<T> {
  /** What errors call it. */
  readonly name: string;
  readonly magic: string;
  readonly bytesMax: number;
  /** @throws {StorageError} EINVAL: the value breaks a rule; the message says where */
  encode(value: T): Uint8Array;
  /** @throws {RecordReject} not exactly one well-formed record */
  decode(data: Uint8Array): T;
}

export interface RecordSpec<T, Body> {
  readonly name: string;
  /** Eight characters of ASCII. */
  readonly magic: string;
  readonly bytesMax: number;
  readonly body: wire.Wire<Body>;
  /** From the body as it lies on the wire; `digest` is the head's. */
  fromBody(body: Body, digest: Uint8Array): T;
  toBody(value: T): Body;
  /** @throws {BrokenRule} */
  check(value: T): void;
}

export function recordFormat<T, Body>(spec: RecordSpec<T, Body>): RecordFormat<T> {
  const { name, magic, bytesMax } = spec;
  return {
    name,
    magic,
    bytesMax,
    encode: (value) => encodeRecord(spec, value),
    decode: (data) => decodeRecord(spec, data),
  };
}

/** The magic of a record, to tell kinds apart; "" where there is no head. */
export function magicOf(data: Uint8Array): string {
  if (data.length < HEAD_SIZE) return "";
  return String.fromCharCode(...data.subarray(HEAD_MAGIC, HEAD_VERSION));
}

/** The digest that a record's head should hold. */
export function recordDigest(data: Uint8Array): Uint8Array {
  const rest = new Uint8Array(data.length - HASH_BYTES);
  rest.set(data.subarray(0, HEAD_DIGEST));
  rest.set(data.subarray(HEAD_SIZE), HEAD_DIGEST);
  return sha256(rest);
}

function encodeRecord<T, Body>(spec: RecordSpec<T, Body>, value: T): Uint8Array {
  const { name, magic, bytesMax } = spec;
  try {
    spec.check(value);
  } catch (error) {
    if (!(error instanceof BrokenRule)) throw error;
    throw failure("EINVAL", "encode", `${name}: ${error.message}.`, { cause: error });
  }
  const body = spec.body.encode(spec.toBody(value));
  const length = HEAD_SIZE + body.length;
  if (length > bytesMax) {
    throw failure("EINVAL", "encode", `${name}: ${length} bytes, ${bytesMax} at most.`);
  }
  const data = new Uint8Array(length);
  const view = new DataView(data.buffer);
  for (let at = 0; at < magic.length; at++) data[HEAD_MAGIC + at] = magic.charCodeAt(at);
  view.setUint16(HEAD_VERSION, RECORD_VERSION, true);
  view.setUint32(HEAD_LENGTH, length, true);
  data.set(body, HEAD_SIZE);
  data.set(recordDigest(data), HEAD_DIGEST);
  return data;
}

function decodeRecord<T, Body>(spec: RecordSpec<T, Body>, given: Uint8Array): T {
  const { name, bytesMax } = spec;
  const reject = (fault: RecordFault, reason: string, cause?: unknown) =>
    new RecordReject(name, fault, reason, cause);
  if (given.length > bytesMax) {
    throw reject("schema-invalid", `${given.length} bytes, ${bytesMax} at most`);
  }
  // A copy: what is answered does not change with the caller's buffer.
  const data = new Uint8Array(given);
  if (data.length < HEAD_SIZE) {
    throw reject("schema-invalid", `${data.length} bytes, fewer than a head of ${HEAD_SIZE}`);
  }
  if (magicOf(data) !== spec.magic) throw reject("schema-invalid", `no magic ${spec.magic}`);
  const view = new DataView(data.buffer);
  const version = view.getUint16(HEAD_VERSION, true);
  if (version !== RECORD_VERSION) {
    throw reject("version-mismatch", `version ${version}, not ${RECORD_VERSION}`);
  }
  if (view.getUint16(HEAD_VERSION + 2, true) !== 0) {
    throw reject("schema-invalid", "reserved bytes are not zero");
  }
  const length = view.getUint32(HEAD_LENGTH, true);
  if (length !== data.length) {
    throw reject("schema-invalid", `${data.length} bytes, the head says ${length}`);
  }
  const digest = data.slice(HEAD_DIGEST, HEAD_SIZE);
  if (compareHashes(recordDigest(data), digest) !== 0) {
    throw reject("hash-mismatch", "the content is not what its SHA-256 says");
  }
  try {
    const value = spec.fromBody(spec.body.decode(data.subarray(HEAD_SIZE)), digest);
    spec.check(value);
    return value;
  } catch (error) {
    if (error instanceof BrokenRule) throw reject("schema-invalid", error.message, error);
    if (!(error instanceof StorageError)) throw error;
    const reason = error.message.replace(/^EBADMSG: /, "").replace(/\.$/, "");
    throw reject("schema-invalid", reason, error);
  }
}

/** A field that may be left out: a count of 0 or 1, then the value. */
export function optional<T>(schema: Parameters<typeof wire.list<T>>[0]) {
  return wire.list(schema, 1);
}

/** An optional field as the list it is on the wire. */
export function toOptional<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}

/** The field `name` with its value, or nothing where the list is empty. */
export function fromOptional<Name extends string, T>(
  name: Name,
  values: readonly T[],
): { readonly [N in Name]?: T } {
  const [value] = values;
  return (value === undefined ? {} : { [name]: value }) as { readonly [N in Name]?: T };
}

/** @throws {BrokenRule} unless `holds` */
export function demand(holds: boolean, place: string, rule: string): void {
  if (!holds) throw new BrokenRule(place, rule);
}

/** A name: NAME_PATTERN, 1 to NAME_BYTES_MAX bytes. */
export function demandName(place: string, name: string): void {
  demand(name.length <= NAME_BYTES_MAX, place, `longer than ${NAME_BYTES_MAX} bytes`);
  demand(NAME.test(name), place, `${quoted(name)} is not a name`);
}

/** A text for people: TEXT_PATTERN, at most `most` characters. */
export function demandText(place: string, text: string, most: number): void {
  demand(text.length <= most * 2 && [...text].length <= most, place, `over ${most} characters`);
  demand(TEXT.test(text), place, `${quoted(text)} holds a character that no text may hold`);
}

export function demandCount(place: string, items: readonly unknown[], most: number): void {
  demand(items.length <= most, place, `${items.length} entries, ${most} at most`);
}

/** A whole number from `least` to `most`. */
export function demandNumber(place: string, value: number, least: number, most: number): void {
  const holds = Number.isSafeInteger(value) && value >= least && value <= most;
  demand(holds, place, `${value} is not a whole number from ${least} to ${most}`);
}

/** 32 bytes that are not all zero. */
export function demandHash(place: string, hash: Uint8Array): void {
  demand(hash.length === HASH_BYTES, place, `${hash.length} bytes where ${HASH_BYTES} belong`);
  demand(
    hash.some((byte) => byte !== 0),
    place,
    "32 bytes of zero name nothing",
  );
}

/** No two of `values` are equal; `place` is told the index of the second one. */
export function demandUnique(values: readonly string[], place: (index: number) => string): void {
  const seen = new Set<string>();
  for (const [index, value] of values.entries()) {
    demand(!seen.has(value), place(index), `${quoted(value)} is there twice`);
    seen.add(value);
  }
}

/** How names compare where they are file names of a FAT volume, or where people compare them. */
export function folded(name: string): string {
  return name.toLowerCase();
}

/** A value in a sentence, on one line whatever it holds. */
export function quoted(text: string): string {
  const short = text.length > NAME_BYTES_MAX ? `${text.slice(0, NAME_BYTES_MAX)}...` : text;
  return JSON.stringify(short).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
