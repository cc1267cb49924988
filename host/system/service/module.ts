/**
 * Reads a service's Wasm binary strictly: its sections, what it imports and exports, its limits.
 *
 * Interface: `readModule` answers what instrumentation needs, or refuses with ENOEXEC and a
 * sentence. The engine has validated the bytes before; here every part that is not WebAssembly 2.0,
 * and every import that is no function, is refused by name.
 */
import { unfit, WasmReader } from "./binary.ts";
import { isValueType, Type } from "./opcodes.ts";

export const SectionId = {
  CUSTOM: 0,
  TYPE: 1,
  IMPORT: 2,
  FUNCTION: 3,
  TABLE: 4,
  MEMORY: 5,
  GLOBAL: 6,
  EXPORT: 7,
  START: 8,
  ELEMENT: 9,
  CODE: 10,
  DATA: 11,
  DATA_COUNT: 12,
} as const;

/** The order in which sections stand, each at most once. */
export const SECTION_ORDER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];

export const MODULE_BYTES_MAX = 2 * 1024 * 1024;
/** The eight bytes every module starts with: "\0asm" and version 1. */
export const PREAMBLE: Uint8Array = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

export interface FunctionType {
  readonly params: Uint8Array;
  readonly results: Uint8Array;
}

export interface FunctionImport {
  readonly module: string;
  readonly name: string;
  readonly type: FunctionType;
}

export interface Export {
  readonly name: string;
  /** 0 function, 1 table, 2 memory, 3 global. */
  readonly kind: number;
  readonly index: number;
}

export interface Limits {
  readonly least: number;
  readonly most: number | undefined;
}

export interface Table extends Limits {
  readonly type: number;
}

/** A binary taken apart; `sections` are the spans of what stands in it, by id. */
export interface ModuleParts {
  readonly sections: ReadonlyMap<number, WasmReader>;
  readonly types: readonly FunctionType[];
  readonly imports: readonly FunctionImport[];
  /** Type of each function: imported ones first. */
  readonly functions: readonly FunctionType[];
  readonly tables: readonly Table[];
  readonly memory: Limits | undefined;
  readonly globalCount: number;
  readonly exports: readonly Export[];
  /** Index of the start function. */
  readonly start: number | undefined;
}

/** @throws {StorageError} ENOEXEC */
export function readModule(bytes: Uint8Array): ModuleParts {
  const sections = readSections(bytes);
  const types = vector(sections, SectionId.TYPE, readType);
  const typeAt = (index: number): FunctionType => {
    const type = types[index];
    if (type === undefined) throw unfit(`there is no type ${index}.`);
    return type;
  };
  const imports = vector(sections, SectionId.IMPORT, (reader) => readImport(reader, typeAt));
  const own = vector(sections, SectionId.FUNCTION, (reader) => typeAt(reader.u32()));
  const memories = vector(sections, SectionId.MEMORY, (reader) => readLimits(reader, "memory"));
  if (memories.length > 1) throw unfit(`it has ${memories.length} memories, one is the limit.`);
  const starts = sections.get(SectionId.START);
  return {
    sections,
    types,
    imports,
    functions: [...imports.map(({ type }) => type), ...own],
    tables: vector(sections, SectionId.TABLE, readTable),
    memory: memories[0],
    globalCount: vector(sections, SectionId.GLOBAL, readGlobal).length,
    exports: vector(sections, SectionId.EXPORT, readExport),
    start: starts === undefined ? undefined : fresh(starts).u32(),
  };
}

/** A reader at the first byte of a section's content. */
export function fresh(section: WasmReader): WasmReader {
  return new WasmReader(section.bytes, section.at, section.end);
}

function readSections(bytes: Uint8Array): Map<number, WasmReader> {
  const reader = new WasmReader(bytes);
  for (const byte of PREAMBLE) {
    if (reader.u8() !== byte) throw unfit("the bytes are no WebAssembly module of version 1.");
  }
  const sections = new Map<number, WasmReader>();
  let last = -1;
  while (!reader.done) {
    const id = reader.u8();
    const content = reader.span(reader.u32());
    if (id === SectionId.CUSTOM) continue;
    const place = SECTION_ORDER.indexOf(id);
    if (place < 0) throw unfit(`section ${id} is not of WebAssembly 2.0.`);
    if (place <= last) throw unfit(`section ${id} stands twice or out of order.`);
    last = place;
    sections.set(id, content);
  }
  return sections;
}

function vector<T>(
  sections: ReadonlyMap<number, WasmReader>,
  id: number,
  item: (reader: WasmReader) => T,
): T[] {
  const section = sections.get(id);
  if (section === undefined) return [];
  const reader = fresh(section);
  const items: T[] = [];
  for (let left = reader.count(); left > 0; left--) items.push(item(reader));
  if (!reader.done) throw unfit(`section ${id} has bytes past its last item.`);
  return items;
}

function readType(reader: WasmReader): FunctionType {
  const form = reader.u8();
  if (form !== 0x60) throw unfit(`type form 0x${form.toString(16)} is not of WebAssembly 2.0.`);
  return { params: valueTypes(reader), results: valueTypes(reader) };
}

function valueTypes(reader: WasmReader): Uint8Array {
  const types = reader.span(reader.u32()).rest();
  for (const type of types) {
    if (!isValueType(type)) throw unfit(`value type 0x${type.toString(16)} is unknown.`);
  }
  return types;
}

function readImport(reader: WasmReader, typeAt: (index: number) => FunctionType): FunctionImport {
  const module = reader.text();
  const name = reader.text();
  const kind = reader.u8();
  if (kind !== 0) {
    const what = ["function", "table", "memory", "global"][kind] ?? `thing of kind ${kind}`;
    throw unfit(`it imports the ${what} ${module}.${name}; a service imports functions only.`);
  }
  return { module, name, type: typeAt(reader.u32()) };
}

function readLimits(reader: WasmReader, what: string): Limits {
  const flags = reader.u8();
  if (flags > 1) throw unfit(`the ${what} is shared or 64 bits wide.`);
  const least = reader.u32();
  return { least, most: flags === 1 ? reader.u32() : undefined };
}

function readTable(reader: WasmReader): Table {
  const type = reader.u8();
  if (type !== Type.FUNCREF && type !== 0x6f) {
    throw unfit(`table type 0x${type.toString(16)} is not of WebAssembly 2.0.`);
  }
  return { type, ...readLimits(reader, "table") };
}

/** Steps over a global: its type, and a constant expression of one instruction. */
function readGlobal(reader: WasmReader): void {
  if (!isValueType(reader.u8())) throw unfit("a global has an unknown type.");
  reader.u8();
  const op = reader.u8();
  if (op === 0x41) reader.skipSigned(32);
  else if (op === 0x42) reader.skipSigned(64);
  else if (op === 0x43) reader.skip(4);
  else if (op === 0x44) reader.skip(8);
  else if (op === 0x23 || op === 0xd2) reader.u32();
  else if (op === 0xd0) reader.skip(1);
  else if (op === 0xfd && reader.u32() === 0x0c) reader.skip(16);
  else throw unfit("the first value of a global is not of WebAssembly 2.0.");
  if (reader.u8() !== 0x0b) throw unfit("the first value of a global is not of WebAssembly 2.0.");
}

function readExport(reader: WasmReader): Export {
  return { name: reader.text(), kind: reader.u8(), index: reader.u32() };
}
