/**
 * Walks one function body and says where it must pay: at its entry, at each loop head, before each
 * instruction whose work grows with an operand, and how many stack slots a call of it takes.
 *
 * A point's cost is the number of instructions it stands for: those of the function, or of the
 * loop, outside of loops further in. So fuel measures time to within a constant, whatever the code.
 */
import { unfit, WasmReader } from "./binary.ts";
import type { FunctionType, ModuleParts } from "./module.ts";
import { BULK_SHIFTS, growth, isValueType, Op, skipImmediates, Type } from "./opcodes.ts";

/** What growing the memory costs: it may move all of it. */
const GROW_COST = 1_000;
/** Slots of a frame besides locals and operands: return address, saved registers, instance. */
const FRAME_SLOTS = 8;

export interface LoopPoint {
  readonly kind: "loop";
  /** Byte of the module before which to pay. */
  readonly at: number;
  cost: number;
}

export interface BulkPoint {
  readonly kind: "bulk";
  readonly at: number;
  /** The operand shifted right by this is the cost. */
  readonly shift: number;
}

export interface ReturnPoint {
  readonly kind: "return";
  readonly at: number;
}

export interface Scan {
  /** First byte of the instructions, and the one past the last `end`. */
  readonly from: number;
  readonly to: number;
  /** The declared locals as they stand: groups after their count. */
  readonly groups: Uint8Array;
  readonly groupCount: number;
  /** Parameters and locals. */
  readonly localCount: number;
  readonly entryCost: number;
  readonly points: readonly (LoopPoint | BulkPoint | ReturnPoint)[];
  /** What one call of it takes from the stack. */
  readonly frameSlots: number;
  /** False for a body that calls nothing: its frame is the last one. */
  readonly calls: boolean;
}

interface Frame {
  readonly base: number;
  readonly type: FunctionType;
  /** The point that paid for what stands outside of this loop; undefined if it is no loop. */
  readonly outer: { cost: number } | undefined;
}

const EMPTY = new Uint8Array(0);

/** @throws {StorageError} ENOEXEC: an instruction that is not of WebAssembly 2.0 */
export function scanBody(parts: ModuleParts, type: FunctionType, body: WasmReader): Scan {
  const locals = readLocals(body, type);
  const walk = new Walk(parts, type, body);
  const from = body.at;
  walk.run();
  const { entry, points, height, calls, wide } = walk;
  // A v128 takes two slots; which operands are that wide is not followed.
  const operandSlots = height * (wide ? 2 : 1);
  return {
    ...locals,
    from,
    to: body.at,
    entryCost: entry.cost,
    points,
    frameSlots: FRAME_SLOTS + locals.slots + operandSlots,
    calls,
  };
}

function readLocals(body: WasmReader, type: FunctionType) {
  const groupCount = body.count();
  const groups = new WasmReader(body.bytes, body.at, body.end);
  let localCount = type.params.length;
  let slots = 0;
  for (const param of type.params) slots += param === Type.V128 ? 2 : 1;
  for (let left = groupCount; left > 0; left--) {
    const count = body.u32();
    const of = body.u8();
    if (!isValueType(of)) throw unfit(`a local before byte ${body.at} has an unknown type.`);
    localCount += count;
    slots += count * (of === Type.V128 ? 2 : 1);
  }
  return { groupCount, groups: groups.span(body.at - groups.at).rest(), localCount, slots };
}

class Walk {
  readonly entry = { cost: 1 };
  readonly points: (LoopPoint | BulkPoint | ReturnPoint)[] = [];
  /** The most operands there are at one time. */
  height = 0;
  calls = false;
  wide = false;
  readonly #parts: ModuleParts;
  readonly #body: WasmReader;
  readonly #frames: Frame[];
  #paying: { cost: number } = this.entry;
  #operands = 0;

  constructor(parts: ModuleParts, type: FunctionType, body: WasmReader) {
    this.#parts = parts;
    this.#body = body;
    this.#frames = [{ base: 0, type: { params: EMPTY, results: type.results }, outer: undefined }];
  }

  run(): void {
    while (this.#frames.length > 0) {
      const at = this.#body.at;
      const op = this.#body.u8();
      this.#paying.cost += op === Op.MEMORY_GROW ? GROW_COST : 1;
      this.#step(op, at);
      this.height = Math.max(this.height, this.#operands);
    }
    if (!this.#body.done) throw unfit(`a body goes on past its end, at byte ${this.#body.at}.`);
  }

  #step(op: number, at: number): void {
    if (op === Op.BLOCK || op === Op.LOOP || op === Op.IF) this.#open(op);
    else if (op === Op.ELSE || op === Op.END) this.#close(op);
    else if (op === Op.CALL) this.#call(this.#parts.functions[this.#body.u32()], 0);
    else if (op === Op.CALL_INDIRECT) {
      const type = this.#parts.types[this.#body.u32()];
      this.#body.u32();
      this.#call(type, 1);
    } else this.#plain(op, at);
  }

  #plain(op: number, at: number): void {
    const sub = skipImmediates(this.#body, op);
    if (op === Op.SIMD) this.wide = true;
    const shift = op === Op.BULK ? BULK_SHIFTS.get(sub) : undefined;
    if (shift !== undefined) this.points.push({ kind: "bulk", at, shift });
    if (op === Op.RETURN) this.points.push({ kind: "return", at });
    this.#grow(growth(op, sub));
    const leaves = op === Op.UNREACHABLE || op === Op.RETURN || op === Op.BR || op === Op.BR_TABLE;
    if (leaves) this.#operands = this.#top.base;
  }

  get #top(): Frame {
    return this.#frames[this.#frames.length - 1] as Frame;
  }

  /** What follows a jump is never run and may take operands that are not there. */
  #grow(by: number): void {
    this.#operands = Math.max(this.#operands + by, this.#top.base);
  }

  #call(type: FunctionType | undefined, popped: number): void {
    if (type === undefined) throw unfit(`a call before byte ${this.#body.at} leads nowhere.`);
    this.calls = true;
    this.#grow(-popped - type.params.length);
    this.#grow(type.results.length);
  }

  #open(op: number): void {
    const type = this.#blockType();
    if (op === Op.IF) this.#grow(-1);
    const base = Math.max(this.#operands - type.params.length, this.#top.base);
    this.#operands = base + type.params.length;
    const outer = op === Op.LOOP ? this.#paying : undefined;
    this.#frames.push({ base, type, outer });
    if (op !== Op.LOOP) return;
    const point: LoopPoint = { kind: "loop", at: this.#body.at, cost: 1 };
    this.points.push(point);
    this.#paying = point;
  }

  #close(op: number): void {
    const { base, type, outer } = this.#top;
    if (op === Op.ELSE) {
      this.#operands = base + type.params.length;
      return;
    }
    this.#frames.pop();
    this.#operands = base + type.results.length;
    if (outer !== undefined) this.#paying = outer;
  }

  #blockType(): FunctionType {
    const first = this.#body.u8();
    if (first === Type.EMPTY) return { params: EMPTY, results: EMPTY };
    if (isValueType(first)) return { params: EMPTY, results: Uint8Array.of(first) };
    this.#body.at--;
    const type = this.#parts.types[this.#body.u32()];
    if (type === undefined) throw unfit(`a block before byte ${this.#body.at} has no such type.`);
    return type;
  }
}
