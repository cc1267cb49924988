/**
 * The host's own binary records: typed-binary behind one strict wrapper.
 *
 * Interface: fields are little-endian, every number is range-checked both ways, counts are bounded
 * by the schema and by the bytes that are there, a record has exactly its length, and whatever is
 * wrong with bytes is one error: EBADMSG with the byte offset. Describe a record with the schemas
 * below and `record()`.
 */
import * as bin from "typed-binary";
import { failure, StorageError } from "./errors.ts";

type Input = Parameters<bin.Uint8Schema["read"]>[0];
type Output = Parameters<bin.Uint8Schema["write"]>[0];
type Measured = ReturnType<bin.Uint8Schema["measure"]>;

const LITTLE_ENDIAN = { endianness: "little" } as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A number of `size` bytes from 0 to `most`. typed-binary's own schemas check no range. */
class UnsignedSchema extends bin.Schema<number> {
  readonly #size: 1 | 2 | 4;
  readonly #most: number;

  constructor(size: 1 | 2 | 4, most: number) {
    super();
    this.#size = size;
    this.#most = most;
  }

  override read(input: Input): number {
    const value =
      this.#size === 1
        ? input.readUint8()
        : this.#size === 2
          ? input.readUint16()
          : input.readUint32();
    return inRange(value, this.#most);
  }

  override write(output: Output, value: number): void {
    inRange(value, this.#most);
    if (this.#size === 1) output.writeUint8(value);
    else if (this.#size === 2) output.writeUint16(value);
    else output.writeUint32(value);
  }

  override measure(_: unknown, measurer = new bin.Measurer()): Measured {
    return measurer.add(this.#size);
  }
}

/** A 64-bit number held as a JavaScript number: exact up to 2^53 - 1, refused above. */
class SafeSchema extends bin.Schema<number> {
  override read(input: Input): number {
    const low = input.readUint32();
    const value = input.readUint32() * 0x1_0000_0000 + low;
    return inRange(value, Number.MAX_SAFE_INTEGER);
  }

  override write(output: Output, value: number): void {
    inRange(value, Number.MAX_SAFE_INTEGER);
    output.writeUint32(value % 0x1_0000_0000);
    output.writeUint32(Math.floor(value / 0x1_0000_0000));
  }

  override measure(_: unknown, measurer = new bin.Measurer()): Measured {
    return measurer.add(8);
  }
}

class WordSchema extends bin.Schema<bigint> {
  override read(input: Input): bigint {
    const low = BigInt(input.readUint32());
    return low | (BigInt(input.readUint32()) << 32n);
  }

  override write(output: Output, value: bigint): void {
    if (typeof value !== "bigint" || value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw new RangeError(`${value} is no unsigned 64-bit number`);
    }
    output.writeUint32(Number(value & 0xffff_ffffn));
    output.writeUint32(Number(value >> 32n));
  }

  override measure(_: unknown, measurer = new bin.Measurer()): Measured {
    return measurer.add(8);
  }
}

/** Bytes: a u32 length of at most `most`, then as many. `exact` has no length in front. */
class BytesSchema extends bin.Schema<Uint8Array> {
  readonly #most: number;
  readonly #exact: boolean;

  constructor(most: number, exact: boolean) {
    super();
    this.#most = most;
    this.#exact = exact;
  }

  override read(input: Input): bin.Parsed<Uint8Array> {
    const length = this.#exact ? this.#most : inRange(input.readUint32(), this.#most);
    return readBytes(input, length) as bin.Parsed<Uint8Array>;
  }

  override write(output: Output, value: bin.Parsed<Uint8Array>): void {
    const bytes = value as Uint8Array;
    if (!(bytes instanceof Uint8Array)) throw new TypeError("the value is not a Uint8Array");
    if (this.#exact && bytes.length !== this.#most) {
      throw new RangeError(`${bytes.length} bytes where ${this.#most} belong`);
    }
    if (!this.#exact) output.writeUint32(inRange(bytes.length, this.#most));
    for (const byte of bytes) output.writeUint8(byte);
  }

  override measure(value: unknown, measurer = new bin.Measurer()): Measured {
    if (this.#exact) return measurer.add(this.#most);
    return measurer.add(4 + (value instanceof Uint8Array ? value.length : this.#most));
  }
}

/** Text as UTF-8: a u32 length in bytes of at most `most`, then the bytes. No NUL ends it. */
class TextSchema extends bin.Schema<string> {
  readonly #most: number;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  override read(input: Input): string {
    return decoder.decode(readBytes(input, inRange(input.readUint32(), this.#most)));
  }

  override write(output: Output, value: string): void {
    if (typeof value !== "string") throw new TypeError("the value is not a string");
    if (/\p{Surrogate}/u.test(value)) throw new RangeError("the text has a lone surrogate");
    const bytes = encoder.encode(value);
    output.writeUint32(inRange(bytes.length, this.#most));
    for (const byte of bytes) output.writeUint8(byte);
  }

  override measure(value: unknown, measurer = new bin.Measurer()): Measured {
    const size = typeof value === "string" ? encoder.encode(value).length : this.#most;
    return measurer.add(4 + size);
  }
}

/** A list: a u32 count of at most `most`, then the items. Each item must take bytes. */
class ListSchema<T> extends bin.Schema<T[]> {
  readonly #item: bin.ISchema<T>;
  readonly #most: number;

  constructor(item: bin.ISchema<T>, most: number) {
    super();
    this.#item = item;
    this.#most = most;
  }

  override read(input: Input): bin.Parsed<T[]> {
    const count = inRange(input.readUint32(), this.#most);
    const items: unknown[] = [];
    for (let index = 0; index < count; index++) {
      const before = input.currentByteOffset;
      items.push(this.#item.read(input));
      // Items of no size would let four bytes ask for any number of them.
      if (input.currentByteOffset === before) throw new RangeError("an item takes no bytes");
    }
    return items as bin.Parsed<T[]>;
  }

  override write(output: Output, value: bin.Parsed<T[]>): void {
    const items = value as unknown as bin.Parsed<T>[];
    if (!Array.isArray(items)) throw new TypeError("the value is not an array");
    output.writeUint32(inRange(items.length, this.#most));
    for (const item of items) this.#item.write(output, item);
  }

  override measure(value: unknown, measurer = new bin.Measurer()): Measured {
    let measured = measurer.add(4);
    if (!Array.isArray(value)) return measured.unbounded;
    for (const item of value) measured = this.#item.measure(item as bin.Parsed<T>, measured);
    return measured;
  }
}

export const u8: bin.ISchema<number> = new UnsignedSchema(1, 0xff);
export const u16: bin.ISchema<number> = new UnsignedSchema(2, 0xffff);
export const u32: bin.ISchema<number> = new UnsignedSchema(4, 0xffff_ffff);
/** 64 bits on the wire, at most 2^53 - 1. */
export const u53: bin.ISchema<number> = new SafeSchema();
export const u64: bin.ISchema<bigint> = new WordSchema();

/** A byte from 0 to `most`: a flag (1) or the code of an enumeration. */
export function upTo(most: number): bin.ISchema<number> {
  return new UnsignedSchema(1, most);
}

/** Exactly `size` bytes. */
export function bytes(size: number): bin.ISchema<Uint8Array> {
  return new BytesSchema(size, true);
}

/** At most `most` bytes, with their length in front. */
export function blob(most: number): bin.ISchema<Uint8Array> {
  return new BytesSchema(most, false);
}

/** At most `most` bytes of UTF-8. */
export function text(most: number): bin.ISchema<string> {
  return new TextSchema(most);
}

/** At most `most` items. */
export function list<T>(item: bin.ISchema<T>, most: number): bin.ISchema<T[]> {
  return new ListSchema(item, most);
}

/** A record with a name, encoded and decoded whole. */
export interface Wire<T> {
  /** @throws {StorageError} EINVAL: a value does not fit its field */
  encode(value: T): Uint8Array;
  /** @throws {StorageError} EBADMSG: not exactly one well-formed record */
  decode(data: Uint8Array): T;
}

/** The schema of a record and its strict codec. `name` is what errors call it. */
export function record<Shape extends Record<string, bin.AnySchema>>(
  name: string,
  fields: Shape,
): Wire<bin.Parsed<bin.ObjectSchema<Shape>>> & { readonly schema: bin.ObjectSchema<Shape> } {
  const schema = bin.object(fields);
  type Value = bin.Parsed<bin.ObjectSchema<Shape>>;
  return {
    schema,
    encode: (value: Value) => encode(name, schema as unknown as bin.ISchema<unknown>, value),
    decode: (data: Uint8Array) =>
      decode(name, schema as unknown as bin.ISchema<unknown>, data) as Value,
  };
}

function encode(name: string, schema: bin.ISchema<unknown>, value: unknown): Uint8Array {
  try {
    const buffer = new ArrayBuffer(schema.measure(value as never).size);
    const output = new bin.BufferWriter(buffer, LITTLE_ENDIAN);
    schema.write(output, value as never);
    if (output.currentByteOffset !== buffer.byteLength) {
      throw new RangeError(`${output.currentByteOffset} bytes written, ${buffer.byteLength} due`);
    }
    return new Uint8Array(buffer);
  } catch (cause) {
    throw failure("EINVAL", "encode", `a value does not fit the ${name}: ${reason(cause)}.`, {
      cause,
    });
  }
}

function decode(name: string, schema: bin.ISchema<unknown>, data: Uint8Array): unknown {
  // A reader looks at the whole buffer behind a view, so it gets an exact copy.
  // (Not slice(), which in a Buffer of Node copies nothing.)
  const exact = new Uint8Array(data).buffer;
  const input = new bin.BufferReader(exact, LITTLE_ENDIAN);
  try {
    const value = schema.read(input);
    const left = exact.byteLength - input.currentByteOffset;
    if (left !== 0) throw new RangeError(`${left} bytes follow the record`);
    return value;
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    const message = `malformed ${name} at byte ${input.currentByteOffset}: ${reason(cause)}.`;
    throw failure("EBADMSG", "decode", message, { cause });
  }
}

function readBytes(input: Input, length: number): Uint8Array {
  // One byte at a time: a length that lies fails at the end of the buffer, with nothing allocated.
  const read: number[] = [];
  for (let at = 0; at < length; at++) read.push(input.readUint8());
  return Uint8Array.from(read);
}

function inRange(value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw new RangeError(`${value} is not a whole number from 0 to ${most}`);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
