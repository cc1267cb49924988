/**
 * Makes a service's time, stack and memory finite: the module written anew, paying as it goes.
 *
 * Two globals are added as the last ones, so that no index moves: fuel left (i64) and stack slots
 * left (i32), both exported under reserved names. Each function entry and loop head takes its cost
 * from the fuel, bulk instructions take by their length, and a function that calls others takes its
 * frame from the stack and gives it back; what is left below zero is a trap. Memory and tables get
 * a limit, the start function becomes an export, custom sections are dropped. The same bytes come
 * out wherever it is done, so the same service uses the same fuel in Node and in a page.
 */
import { unfit, WasmReader, WasmWriter } from "./binary.ts";
import {
  type FunctionType,
  fresh,
  type Limits,
  MODULE_BYTES_MAX,
  type ModuleParts,
  PREAMBLE,
  readModule,
  SECTION_ORDER,
  SectionId,
} from "./module.ts";
import { Op, Type } from "./opcodes.ts";
import { type BulkPoint, type LoopPoint, type ReturnPoint, type Scan, scanBody } from "./scan.ts";

export const FUEL_EXPORT = "diskwright:fuel";
export const STACK_EXPORT = "diskwright:stack";
export const START_EXPORT = "diskwright:start";

/** Slots of 8 bytes: 256 KiB of frames, so that any stack has room for the host's calls. */
export const STACK_SLOTS = 32_768;
const FRAME_SLOTS_MAX = 4_096;
const FUNCTIONS_MAX = 32_768;
const TABLE_ELEMENTS_MAX = 65_536;

export interface Instrumented {
  readonly bytes: Uint8Array;
  /** What the module was before. */
  readonly parts: ModuleParts;
}

export interface Bounds {
  /** Most pages of 64 KiB that the memory may have. */
  readonly pagesMax: number;
  /** What the fuel starts with; none, unless the host is to set it. */
  readonly fuel?: number;
}

/**
 * @throws {StorageError} ENOEXEC: not a valid module, or with parts that a service may not have
 */
export function instrument(bytes: Uint8Array, bounds: Bounds): Instrumented {
  if (bytes.length > MODULE_BYTES_MAX) {
    throw unfit(`the module has ${bytes.length} bytes, ${MODULE_BYTES_MAX} are the limit.`);
  }
  // The bytes may stand in shared memory, where they could change between check and use.
  const own = bytes.slice();
  if (!WebAssembly.validate(own)) throw unfit("the bytes are no valid WebAssembly module.");
  const parts = readModule(own);
  checkReserved(parts);
  const types = new BlockTypes(parts);
  const code = writeCode(parts, types);
  const written = new Map<number, WasmWriter>([
    [SectionId.TYPE, types.section()],
    [SectionId.TABLE, writeTables(parts)],
    [SectionId.MEMORY, writeMemory(parts, bounds.pagesMax)],
    [SectionId.GLOBAL, writeGlobals(parts, bounds.fuel ?? 0)],
    [SectionId.EXPORT, writeExports(parts)],
    [SectionId.CODE, code],
  ]);
  const out = new WasmWriter().bytes(PREAMBLE);
  for (const id of SECTION_ORDER) {
    const section = parts.sections.get(id);
    const anew = written.get(id);
    if (id === SectionId.START || (section === undefined && id !== 6 && id !== 7)) continue;
    if (anew !== undefined) out.section(id, anew);
    else if (section !== undefined) out.section(id, new WasmWriter().bytes(section.rest()));
  }
  return { bytes: out.finish().slice(), parts };
}

function checkReserved(parts: ModuleParts): void {
  const reserved = parts.exports.find(({ name }) => name.startsWith("diskwright:"));
  if (reserved !== undefined) throw unfit(`it exports the reserved name '${reserved.name}'.`);
}

/** Types of the blocks that wrap bodies with several results: those there are, and new ones. */
class BlockTypes {
  readonly #parts: ModuleParts;
  readonly #added: Uint8Array[] = [];
  /** Index by the bytes of the results. */
  readonly #known = new Map<string, number>();

  constructor(parts: ModuleParts) {
    this.#parts = parts;
    for (const [index, { params, results }] of parts.types.entries()) {
      if (params.length === 0) this.#known.set(results.join(), index);
    }
  }

  /** Writes the type of a block that takes nothing and leaves `results`. */
  write(out: WasmWriter, results: Uint8Array): void {
    if (results.length === 0) out.u8(Type.EMPTY);
    else if (results.length === 1) out.bytes(results);
    else out.positive(this.#find(results));
  }

  #find(results: Uint8Array): number {
    const key = results.join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const index = this.#parts.types.length + this.#added.push(results) - 1;
    this.#known.set(key, index);
    return index;
  }

  section(): WasmWriter {
    const all: FunctionType[] = [
      ...this.#parts.types,
      ...this.#added.map((results) => ({ params: new Uint8Array(0), results })),
    ];
    const out = new WasmWriter().u32(all.length);
    for (const { params, results } of all) {
      out.u8(0x60).u32(params.length).bytes(params).u32(results.length).bytes(results);
    }
    return out;
  }
}

function writeLimits(out: WasmWriter, { least, most = 0xffff_ffff }: Limits, cap: number): void {
  out.u8(1).u32(least).u32(Math.min(most, cap));
}

function writeMemory({ memory }: ModuleParts, pagesMax: number): WasmWriter {
  const out = new WasmWriter();
  if (memory === undefined) return out.u32(0);
  if (memory.least > pagesMax) {
    throw unfit(`it wants ${memory.least} pages of memory, ${pagesMax} are the limit.`);
  }
  out.u32(1);
  writeLimits(out, memory, pagesMax);
  return out;
}

function writeTables({ tables }: ModuleParts): WasmWriter {
  const out = new WasmWriter().u32(tables.length);
  for (const table of tables) {
    if (table.least > TABLE_ELEMENTS_MAX || tables.length > 16) {
      throw unfit(`its tables are larger than ${TABLE_ELEMENTS_MAX} elements, or more than 16.`);
    }
    out.u8(table.type);
    writeLimits(out, table, TABLE_ELEMENTS_MAX);
  }
  return out;
}

function writeGlobals(parts: ModuleParts, fuel: number): WasmWriter {
  const out = new WasmWriter().u32(parts.globalCount + 2);
  const section = parts.sections.get(SectionId.GLOBAL);
  if (section !== undefined) {
    const there = fresh(section);
    there.u32();
    out.bytes(there.rest());
  }
  return out
    .u8(Type.I64, 1, Op.I64_CONST)
    .positive(fuel)
    .u8(Op.END)
    .u8(Type.I32, 1, Op.I32_CONST)
    .positive(STACK_SLOTS)
    .u8(Op.END);
}

function writeExports(parts: ModuleParts): WasmWriter {
  const { exports, globalCount, start } = parts;
  const out = new WasmWriter().u32(exports.length + 2 + (start === undefined ? 0 : 1));
  for (const { name, kind, index } of exports) out.text(name).u8(kind).u32(index);
  out.text(FUEL_EXPORT).u8(3).u32(globalCount);
  out
    .text(STACK_EXPORT)
    .u8(3)
    .u32(globalCount + 1);
  // The engine would run it before its fuel is there; as an export it is called when all is ready.
  if (start !== undefined) out.text(START_EXPORT).u8(0).u32(start);
  return out;
}

function writeCode(parts: ModuleParts, types: BlockTypes): WasmWriter {
  const section = parts.sections.get(SectionId.CODE);
  const out = new WasmWriter();
  const declared = parts.functions.length - parts.imports.length;
  if (declared > FUNCTIONS_MAX) {
    throw unfit(`it has ${declared} functions, ${FUNCTIONS_MAX} are the limit.`);
  }
  const reader = section === undefined ? new WasmReader(new Uint8Array(0)) : fresh(section);
  const count = section === undefined ? 0 : reader.count();
  if (count !== declared) throw unfit(`${declared} functions are declared, ${count} are there.`);
  out.u32(count);
  const body = new WasmWriter();
  for (let index = 0; index < count; index++) {
    const type = parts.functions[parts.imports.length + index] as FunctionType;
    const scan = scanBody(parts, type, reader.span(reader.u32()));
    if (scan.frameSlots > FRAME_SLOTS_MAX) {
      throw unfit(`function ${index} needs ${scan.frameSlots} stack slots for one call.`);
    }
    out.sized(new Payer(parts, scan, reader.bytes, body.clear()).write(type, types));
  }
  if (!reader.done) throw unfit("the code section has bytes past its last function.");
  return out;
}

/** One body written anew, with what it pays. */
class Payer {
  readonly #scan: Scan;
  readonly #source: Uint8Array;
  readonly #fuel: number;
  readonly #stack: number;
  readonly #out: WasmWriter;

  constructor(parts: ModuleParts, scan: Scan, source: Uint8Array, out: WasmWriter) {
    this.#out = out;
    this.#scan = scan;
    this.#source = source;
    this.#fuel = parts.globalCount;
    this.#stack = parts.globalCount + 1;
  }

  write(type: FunctionType, types: BlockTypes): WasmWriter {
    const { groupCount, groups, points, calls, entryCost, from, to } = this.#scan;
    const out = this.#out;
    const length = points.some(({ kind }) => kind === "bulk") ? 1 : 0;
    out.u32(groupCount + length).bytes(groups);
    // The last local keeps the length of a bulk instruction while it is paid for.
    if (length === 1) out.u32(1).u8(Type.I32);
    this.#takeFuel(() => out.u8(Op.I64_CONST).positive(entryCost));
    if (!calls) {
      this.#copy(from, to, points);
      return out;
    }
    this.#moveStack(Op.I32_SUB);
    out.u8(Op.GLOBAL_GET).u32(this.#stack).u8(Op.I32_CONST, 0, Op.I32_LT_S);
    this.#trapIf();
    // A jump out of the body now leaves this block, so every way out but `return` ends here.
    out.u8(Op.BLOCK);
    types.write(out, type.results);
    this.#copy(from, to, points);
    this.#moveStack(Op.I32_ADD);
    out.u8(Op.END);
    return out;
  }

  #copy(from: number, to: number, points: Scan["points"]): void {
    let at = from;
    for (const point of points) {
      this.#out.bytes(this.#source.subarray(at, point.at));
      at = point.at;
      this.#pay(point);
    }
    this.#out.bytes(this.#source.subarray(at, to));
  }

  #pay(point: LoopPoint | BulkPoint | ReturnPoint): void {
    const out = this.#out;
    if (point.kind === "loop") {
      this.#takeFuel(() => out.u8(Op.I64_CONST).positive(point.cost));
    } else if (point.kind === "bulk") {
      const local = this.#scan.localCount;
      out.u8(Op.LOCAL_TEE).u32(local);
      this.#takeFuel(() =>
        out
          .u8(Op.LOCAL_GET)
          .u32(local)
          .u8(Op.I32_CONST, point.shift, Op.I32_SHR_U, Op.I64_EXTEND_I32_U),
      );
    } else if (this.#scan.calls) {
      this.#moveStack(Op.I32_ADD);
    }
  }

  #takeFuel(cost: () => void): void {
    const out = this.#out.u8(Op.GLOBAL_GET).u32(this.#fuel);
    cost();
    out.u8(Op.I64_SUB, Op.GLOBAL_SET).u32(this.#fuel);
    out.u8(Op.GLOBAL_GET).u32(this.#fuel).u8(Op.I64_CONST, 0, Op.I64_LT_S);
    this.#trapIf();
  }

  #moveStack(by: number): void {
    const out = this.#out.u8(Op.GLOBAL_GET).u32(this.#stack);
    out.u8(Op.I32_CONST).positive(this.#scan.frameSlots).u8(by);
    out.u8(Op.GLOBAL_SET).u32(this.#stack);
  }

  #trapIf(): void {
    this.#out.u8(Op.IF, Type.EMPTY, Op.UNREACHABLE, Op.END);
  }
}
