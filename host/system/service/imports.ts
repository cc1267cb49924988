/**
 * What a service reaches of its host: the import module "cap" of one run.
 *
 * Interface: each function pays for itself in fuel, checks every pointer against the memory and
 * every handle against the table, and answers an i32: a result from 0 up, or a negative status in
 * one of three ranges (assembly/services/abi/codes). Nothing a service passes can throw through
 * it, but for a Stop: the run is over then, with a reason.
 */
import {
  BAD_BUFFER,
  BAD_REQUEST,
  EXCEPTION_BASE,
  INVALID,
  OUTCOME_BASE,
} from "../../../assembly/services/abi/codes.ts";
import type { Capability } from "../caps/base/grant.ts";
import {
  CapException,
  EXCEPTION_KINDS,
  OUTCOME_CODES,
  type Outcome,
  TransportStatus,
} from "../caps/outcome.ts";
import { CapTable } from "../caps/table.ts";

/** A longer name or path is no name. */
const TEXT_BYTES_MAX = 8192;
/** What every call costs, and how many bytes moved cost one unit more. */
const CALL_FUEL = 200;
const BYTES_PER_FUEL = 4;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Why a run ends before its program does. */
export class Stop extends Error {
  readonly status: "trap" | "fuel" | "refused" | "flood";

  constructor(status: Stop["status"], reason: string, cause?: unknown) {
    super(reason, { cause });
    this.status = status;
  }
}

/** One function of the module "cap". */
export interface CapCall {
  /** One letter a parameter: i is i32, I is i64. The result is an i32. */
  readonly params: string;
  /** What it costs besides its bytes. */
  readonly fuel?: number;
  readonly run: (host: ServiceImports, ...given: never[]) => number;
}

/** A negative status with the text that reason() answers. */
class Answer extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

const TRANSPORT_TEXT: Readonly<Record<number, string>> = {
  [TransportStatus.STALE_HANDLE]: "the handle is stale, or never was one",
  [TransportStatus.UNKNOWN_METHOD]: "the capability does not have this function",
};

/** One run's side of the module "cap". */
export class ServiceImports {
  readonly config: Uint8Array;
  /** Text of the last status that was negative, as UTF-8. */
  reason: Uint8Array = new Uint8Array(0);
  /** The last function that was called, and how many were. */
  lastCall: string | undefined;
  callCount = 0;
  readonly #caps: ReadonlyMap<string, Capability>;
  readonly #handles = new Map<string, number>();
  readonly #table = new CapTable();
  #memory: WebAssembly.Memory | undefined;
  #fuel: WebAssembly.Global | undefined;

  constructor(caps: Readonly<Record<string, Capability>>, config: Uint8Array) {
    this.#caps = new Map(Object.entries(caps));
    this.config = config;
  }

  /** The imports; connect() must follow before the first call. */
  module(calls: Readonly<Record<string, CapCall>>): WebAssembly.ModuleImports {
    const module: Record<string, WebAssembly.ImportValue> = {};
    for (const [name, call] of Object.entries(calls)) {
      module[name] = (...given: (number | bigint)[]) => this.#enter(name, call, given);
    }
    return module;
  }

  connect(memory: WebAssembly.Memory, fuel: WebAssembly.Global): void {
    this.#memory = memory;
    this.#fuel = fuel;
  }

  /** Ends every handle; what the service opened is closed, what it was granted is left alone. */
  end(): void {
    while (this.#table.size > 0) {
      try {
        this.#table.clear();
      } catch {
        // What failed to close is gone from the table; the rest goes on.
      }
    }
  }

  #enter(name: string, call: CapCall, given: readonly (number | bigint)[]): number {
    this.lastCall = name;
    this.callCount += 1;
    this.pay(CALL_FUEL + (call.fuel ?? 0));
    try {
      return call.run(this, ...(given as never[]));
    } catch (error) {
      return this.#failed(name, error);
    }
  }

  #failed(name: string, error: unknown): number {
    if (error instanceof Answer) {
      this.reason = encoder.encode(error.message);
      return error.status;
    }
    if (error instanceof CapException) {
      this.reason = encoder.encode(error.message);
      return EXCEPTION_BASE - 1 - EXCEPTION_KINDS.indexOf(error.kind);
    }
    if (error instanceof Stop) throw error;
    // The service sees no more of it; whoever runs it finds the error as the cause.
    const what = error instanceof Error ? error.name : typeof error;
    throw new Stop("trap", `the host failed inside of cap.${name} (${what})`, error);
  }

  /** @throws {Stop} fuel */
  pay(units: number): void {
    const fuel = this.#fuel;
    if (fuel === undefined) throw new Stop("trap", "cap was called before the service started");
    fuel.value -= BigInt(units);
    if (fuel.value < 0n) throw new Stop("fuel", "out of fuel");
  }

  payBytes(lengthBytes: number): void {
    this.pay(Math.ceil(lengthBytes / BYTES_PER_FUEL));
  }

  /** The bytes at `pointer` themselves, paid for. */
  bytes(pointer: number, length: number): Uint8Array {
    const buffer = this.#memory?.buffer ?? new ArrayBuffer(0);
    const at = pointer >>> 0;
    const lengthBytes = length >>> 0;
    if (at + lengthBytes > buffer.byteLength) {
      throw new Answer(BAD_BUFFER, `${lengthBytes} bytes at ${at} lie outside of the memory`);
    }
    this.payBytes(lengthBytes);
    return new Uint8Array(buffer, at, lengthBytes);
  }

  /** A copy, for what keeps its argument. */
  copy(pointer: number, length: number): Uint8Array {
    return this.bytes(pointer, length).slice();
  }

  view(pointer: number, length: number): DataView {
    const { buffer, byteOffset, byteLength } = this.bytes(pointer, length);
    return new DataView(buffer, byteOffset, byteLength);
  }

  text(pointer: number, length: number): string {
    const span = this.bytes(pointer, length);
    if (span.length > TEXT_BYTES_MAX) {
      throw new Answer(BAD_REQUEST, `a text has at most ${TEXT_BYTES_MAX} bytes`);
    }
    try {
      return decoder.decode(span);
    } catch {
      throw new Answer(INVALID, "the text is not UTF-8");
    }
  }

  /** Copies as much of `bytes` as there is room for; answers how many there are. */
  fill(bytes: Uint8Array, pointer: number, room: number): number {
    const span = this.bytes(pointer, room);
    span.set(bytes.subarray(0, span.length));
    return bytes.length;
  }

  /** A 64-bit position or length. */
  whole(value: bigint, name: string): number {
    if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    throw new Answer(BAD_REQUEST, `${name} ${value} is not from 0 to 2^53 - 1`);
  }

  bad(reason: string): never {
    throw new Answer(BAD_REQUEST, reason);
  }

  /** The handle of what was granted under `name`. @throws {Stop} refused: it was not */
  grant(name: string): number {
    const cap = this.#caps.get(name);
    if (cap === undefined) {
      const shown = JSON.stringify(name.slice(0, 64));
      throw new Stop("refused", `asked for the capability ${shown}, which it was not granted`);
    }
    const known = this.#handles.get(name);
    if (known !== undefined && this.#table.lookup(known) !== undefined) return known;
    const handle = this.#table.insert(cap, { owned: false });
    this.#handles.set(name, handle);
    return handle;
  }

  /** Names of what was granted. */
  granted(): string[] {
    return [...this.#caps.keys()];
  }

  /** A handle for what the service has just made. */
  own(cap: Capability): number {
    try {
      return this.#table.insert(cap);
    } catch (error) {
      cap.revoke("there was no handle for it");
      throw error;
    }
  }

  drop(handle: number): void {
    if (!this.#table.drop(handle)) this.#stale(TransportStatus.STALE_HANDLE);
  }

  /** What a handle names, if it is of this class. */
  cap<T extends Capability>(handle: number, type: { readonly prototype: T }): T {
    const found = this.#table.lookup(handle);
    if (found === undefined) return this.#stale(TransportStatus.STALE_HANDLE);
    if (Object.prototype.isPrototypeOf.call(type.prototype, found)) return found as T;
    return this.#stale(TransportStatus.UNKNOWN_METHOD);
  }

  /** The value of an outcome. */
  take<T>(outcome: Outcome<T>): T {
    if (outcome.ok) return outcome.value;
    const status = OUTCOME_BASE - 1 - OUTCOME_CODES.indexOf(outcome.code);
    throw new Answer(status, outcome.reason);
  }

  #stale(status: number): never {
    throw new Answer(status, TRANSPORT_TEXT[status] ?? `transport status ${status}`);
  }
}
