/**
 * What follows each instruction of a Wasm body, and how many operands it leaves: WebAssembly 2.0
 * (bulk memory, sign extension, saturating conversion, SIMD, several results, reference types).
 *
 * Interface: `skipImmediates` steps over an instruction's immediates or refuses the instruction.
 * Growth is an upper bound: what a body needs is never more than what it sums to.
 */
import { unfit, type WasmReader } from "./binary.ts";

export const Op = {
  UNREACHABLE: 0x00,
  BLOCK: 0x02,
  LOOP: 0x03,
  IF: 0x04,
  ELSE: 0x05,
  END: 0x0b,
  BR: 0x0c,
  BR_IF: 0x0d,
  BR_TABLE: 0x0e,
  RETURN: 0x0f,
  CALL: 0x10,
  CALL_INDIRECT: 0x11,
  LOCAL_GET: 0x20,
  LOCAL_TEE: 0x22,
  GLOBAL_GET: 0x23,
  GLOBAL_SET: 0x24,
  MEMORY_GROW: 0x40,
  I32_CONST: 0x41,
  I64_CONST: 0x42,
  I32_LT_S: 0x48,
  I64_LT_S: 0x53,
  I32_ADD: 0x6a,
  I32_SUB: 0x6b,
  I32_SHR_U: 0x76,
  I64_SUB: 0x7d,
  I64_EXTEND_I32_U: 0xad,
  BULK: 0xfc,
  SIMD: 0xfd,
} as const;

export const Type = { I32: 0x7f, I64: 0x7e, V128: 0x7b, FUNCREF: 0x70, EMPTY: 0x40 } as const;

/** i32, i64, f32, f64, v128, funcref, externref. */
const VALUE_TYPES: readonly number[] = [0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f];

export function isValueType(byte: number): boolean {
  return VALUE_TYPES.includes(byte);
}

/** How much work an instruction of the 0xfc row does with its topmost operand, as a shift of it. */
export const BULK_SHIFTS: ReadonlyMap<number, number> = new Map([
  // memory.init, memory.copy, memory.fill: one unit for 16 bytes.
  ...[0x08, 0x0a, 0x0b].map((sub) => [sub, 4] as const),
  // table.init, table.copy, table.grow, table.fill: one unit for an element.
  ...[0x0c, 0x0e, 0x0f, 0x11].map((sub) => [sub, 0] as const),
]);

/** Rows of instructions that are alike: first, last, how operands grow at most. */
const PLAIN: readonly (readonly [number, number, number])[] = [
  [0x00, 0x01, 0],
  [0x0f, 0x0f, 0],
  [0x1a, 0x1a, -1],
  [0x1b, 0x1b, -2],
  [0x45, 0x45, 0],
  [0x46, 0x4f, -1],
  [0x50, 0x50, 0],
  [0x51, 0x66, -1],
  [0x67, 0x69, 0],
  [0x6a, 0x78, -1],
  [0x79, 0x7b, 0],
  [0x7c, 0x8a, -1],
  [0x8b, 0x91, 0],
  [0x92, 0x98, -1],
  [0x99, 0x9f, 0],
  [0xa0, 0xa6, -1],
  [0xa7, 0xc4, 0],
  [0xd1, 0xd1, 0],
];

const GROWTH = new Int8Array(256);
const IS_PLAIN = new Uint8Array(256);
for (const [first, last, growth] of PLAIN) {
  GROWTH.fill(growth, first, last + 1);
  IS_PLAIN.fill(1, first, last + 1);
}
for (const pushing of [0x20, 0x23, 0x3f, 0x41, 0x42, 0x43, 0x44, 0xd0, 0xd2]) GROWTH[pushing] = 1;
for (const popping of [0x0d, 0x0e, 0x21, 0x24, 0x26]) GROWTH[popping] = -1;
GROWTH.fill(-2, 0x36, 0x3f);
GROWTH[0x26] = -2;
GROWTH[0x1c] = -2;

/** Operands after the instruction less those before it, at most; calls and blocks apart. */
export function growth(op: number, sub: number): number {
  if (op === Op.BULK) {
    if (sub === 0x10) return 1;
    return sub === 0x0f ? -1 : BULK_SHIFTS.has(sub) ? -3 : 0;
  }
  if (op === Op.SIMD) {
    if (sub === 0x0c) return 1;
    return sub === 0x0b ? -2 : 0;
  }
  return GROWTH[op] as number;
}

/** Steps over what follows `op`, blocks and calls apart; answers the sub-opcode. */
export function skipImmediates(reader: WasmReader, op: number): number {
  if (IS_PLAIN[op] === 1) return 0;
  if (op >= 0x28 && op <= 0x3e) skipAddress(reader);
  else if ((op >= 0x20 && op <= 0x26) || op === Op.BR || op === Op.BR_IF || op === 0xd2) {
    reader.u32();
  } else if (op === Op.BULK) return skipBulk(reader);
  else if (op === Op.SIMD) return skipSimd(reader);
  else if (op === Op.I32_CONST) reader.skipSigned(32);
  else if (op === Op.I64_CONST) reader.skipSigned(64);
  else if (op === 0x43) reader.skip(4);
  else if (op === 0x44) reader.skip(8);
  else if (op === 0x3f || op === Op.MEMORY_GROW) zero(reader);
  else if (op === 0xd0) valueType(reader);
  else if (op === 0x1c) for (let left = reader.count(); left > 0; left--) valueType(reader);
  else if (op === Op.BR_TABLE) for (let left = reader.count(); left >= 0; left--) reader.u32();
  else throw unknown(reader, op);
  return 0;
}

function skipBulk(reader: WasmReader): number {
  const sub = reader.u32();
  if (sub > 0x11) throw unknown(reader, Op.BULK, sub);
  if (sub >= 0x08) {
    const memories = sub === 0x0a ? 2 : sub === 0x08 || sub === 0x0b ? 1 : 0;
    const indexes = sub === 0x0c || sub === 0x0e ? 2 : sub === 0x0a || sub === 0x0b ? 0 : 1;
    for (let left = indexes; left > 0; left--) reader.u32();
    for (let left = memories; left > 0; left--) zero(reader);
  }
  return sub;
}

function skipSimd(reader: WasmReader): number {
  const sub = reader.u32();
  if (sub > 0xff) throw unknown(reader, Op.SIMD, sub);
  if (sub <= 0x0b || (sub >= 0x54 && sub <= 0x5d)) skipAddress(reader);
  if (sub === 0x0c || sub === 0x0d) reader.skip(16);
  if ((sub >= 0x15 && sub <= 0x22) || (sub >= 0x54 && sub <= 0x5b)) reader.skip(1);
  return sub;
}

function skipAddress(reader: WasmReader): void {
  // Bit 6 would name another memory.
  if (reader.u32() >= 0x40) throw unfit(`byte ${reader.at} names a second memory.`);
  reader.u32();
}

function zero(reader: WasmReader): void {
  if (reader.u8() !== 0) throw unfit(`byte ${reader.at - 1} names a second memory.`);
}

function valueType(reader: WasmReader): void {
  const byte = reader.u8();
  if (!isValueType(byte)) throw unfit(`byte ${reader.at - 1} is no type of WebAssembly 2.0.`);
}

function unknown(reader: WasmReader, op: number, sub?: number): Error {
  const name = [op, ...(sub === undefined ? [] : [sub])].map((part) => `0x${part.toString(16)}`);
  return unfit(`instruction ${name.join(" ")} before byte ${reader.at} is not of WebAssembly 2.0.`);
}
