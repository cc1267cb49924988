/** Bytes of a Wasm binary: a reader that never leaves its span, a writer, LEB128 both ways. */
import { failure, type StorageError } from "../../base/errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The refusal of a module that may not run: one error for whatever is wrong with it. */
export function unfit(sentence: string): StorageError {
  return failure("ENOEXEC", "load", sentence);
}

/** Reads one span of a module's bytes, and refuses to go past its end. */
export class WasmReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  u8(): number {
    if (this.at >= this.end) throw unfit(`the module ends early, at byte ${this.end}.`);
    return this.bytes[this.at++] as number;
  }

  /** An unsigned number of at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw unfit(`a number at byte ${this.at} has more than 32 bits.`);
  }

  /** A count of items of at least one byte each, so that it asks for no more than is there. */
  count(): number {
    const value = this.u32();
    if (value > this.end - this.at) throw unfit(`a count at byte ${this.at} is past the end.`);
    return value;
  }

  /** Steps over a signed number of at most `bits` bits. */
  skipSigned(bits: number): void {
    for (let left = bits; left > 0; left -= 7) if (this.u8() < 0x80) return;
    throw unfit(`a number at byte ${this.at} has more than ${bits} bits.`);
  }

  skip(sizeBytes: number): void {
    if (sizeBytes > this.end - this.at) throw unfit(`the module ends early, at byte ${this.end}.`);
    this.at += sizeBytes;
  }

  /** A reader of the next `sizeBytes` bytes; this one steps over them. */
  span(sizeBytes: number): WasmReader {
    const from = this.at;
    this.skip(sizeBytes);
    return new WasmReader(this.bytes, from, this.at);
  }

  text(): string {
    const span = this.span(this.u32());
    try {
      return decoder.decode(span.rest());
    } catch {
      throw unfit(`a name at byte ${span.at} is not UTF-8.`);
    }
  }

  /** What is left of the span. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }
}

/** Collects bytes. */
export class WasmWriter {
  #buffer = new Uint8Array(64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  u8(...values: number[]): this {
    const at = this.#room(values.length);
    for (let index = 0; index < values.length; index++) {
      this.#buffer[at + index] = values[index] as number;
    }
    return this;
  }

  u32(value: number): this {
    return this.#groups(value, 0x80);
  }

  /** A number from 0 to 2^53 - 1, written as signed. */
  positive(value: number): this {
    return this.#groups(value, 0x40);
  }

  bytes(data: Uint8Array): this {
    const at = this.#room(data.length);
    this.#buffer.set(data, at);
    return this;
  }

  text(value: string): this {
    const data = encoder.encode(value);
    return this.u32(data.length).bytes(data);
  }

  /** `content` with its size in front. */
  sized(content: WasmWriter): this {
    return this.u32(content.size).bytes(content.finish());
  }

  section(id: number, content: WasmWriter): this {
    return this.u8(id).sized(content);
  }

  /** What was written; valid until the next write. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  /** Starts anew with the same memory. */
  clear(): this {
    this.#size = 0;
    return this;
  }

  /** Seven bits a byte, until what is left is less than `last`. */
  #groups(value: number, last: number): this {
    let left = value;
    while (left >= last) {
      this.u8((left % 0x80) | 0x80);
      left = Math.floor(left / 0x80);
    }
    return this.u8(left);
  }

  /** Where the next `sizeBytes` bytes go; the buffer may be another one after it. */
  #room(sizeBytes: number): number {
    const at = this.#size;
    this.#size += sizeBytes;
    if (this.#size > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#size, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    return at;
  }
}
