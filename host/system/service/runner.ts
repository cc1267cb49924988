/**
 * Runs one service: its module is read, made finite, given exactly its capabilities, and called.
 *
 * Interface: runService() never throws and never hangs for longer than its fuel lasts. Whatever
 * the service does, it ends as one status with a reason that names what happened.
 */
import { StorageError } from "../../base/errors.ts";
import type { Capability } from "../caps/base/grant.ts";
import { ConsoleCap } from "../caps/console.ts";
import { unfit } from "./binary.ts";
import { CAP_CALLS } from "./calls.ts";
import { FUEL_EXPORT, instrument, STACK_EXPORT, START_EXPORT } from "./fuel.ts";
import { ServiceImports, Stop } from "./imports.ts";
import type { FunctionType, ModuleParts } from "./module.ts";
import { Type } from "./opcodes.ts";

/** About a second of work. */
export const FUEL_DEFAULT = 1_000_000_000;
/** 16 MiB. */
export const MEMORY_PAGES_DEFAULT = 256;

export interface ServiceOptions {
  /** For the report. */
  readonly name: string;
  /** The Wasm binary: exports `main` (no parameters, an i32) and `memory`, imports "cap" only. */
  readonly module: Uint8Array;
  /** What it is granted, by the local name that it looks up. */
  readonly caps?: Readonly<Record<string, Capability>>;
  /** The bytes of its entry in the manifest. */
  readonly config?: Uint8Array;
  readonly fuel?: number;
  readonly memoryPages?: number;
}

/**
 * ok: main answered 0 · exit: another number · trap: the program or the host broke off · fuel: it
 * went on for too long · refused: it cannot run here, or asked for what it was not granted ·
 * flood: it wrote more than a console takes
 */
export type ServiceStatus = "ok" | "exit" | "trap" | "fuel" | "refused" | "flood";

export interface ServiceReport {
  readonly name: string;
  readonly status: ServiceStatus;
  /** What main answered, if it did. */
  readonly exitCode?: number;
  /** One line, without the name and a full stop. */
  readonly reason: string;
  readonly fuelUsed: number;
  /** The last call of "cap" before the end. */
  readonly reached?: string;
  /** The host's error behind it, for whoever looks after the host. */
  readonly cause?: unknown;
}

/** What V8, SpiderMonkey and JavaScriptCore say of a trap, in one language. */
const TRAPS: readonly (readonly [RegExp, string])[] = [
  [/unreachable/i, "unreachable code was reached"],
  [/memory access|index out of bounds|out of bounds memory/i, "memory access out of bounds"],
  [/table/i, "table access out of bounds"],
  [/zero/i, "division by zero"],
  [/signature|null function|indirect/i, "indirect call to the wrong function"],
  [/unrepresentable|overflow|truncat|conversion/i, "a number does not fit"],
];

/** Services whose lines start with another word than their name. */
const PREFIXES: ReadonlyMap<string, string> = new Map([
  ["generation-proof", "[gen] "],
  ["system-install", "[install] "],
  ["system-provision", "[provision] "],
  ["system-update", "[update] "],
]);

/** What stands before each line of a service. It writes none itself, so it cannot feign one. */
export function consolePrefix(service: string): string {
  return PREFIXES.get(service) ?? `[${service}] `;
}

/** Runs the service to its end. */
export function runService(options: ServiceOptions): ServiceReport {
  const { name, caps = {}, config = new Uint8Array(0) } = options;
  const imports = new ServiceImports(caps, config);
  const run = new Run(options, imports);
  const ended = run.toEnd();
  imports.end();
  for (const cap of Object.values(caps)) if (cap instanceof ConsoleCap && cap.live) cap.flush();
  const reached = imports.lastCall;
  return {
    name,
    ...ended,
    fuelUsed: run.fuelUsed,
    ...(reached === undefined ? {} : { reached: `cap.${reached}, call ${imports.callCount}` }),
  };
}

type Ended = Pick<ServiceReport, "status" | "reason" | "exitCode" | "cause">;

class Run {
  readonly #options: ServiceOptions;
  readonly #imports: ServiceImports;
  readonly #fuelMax: number;
  readonly #pagesMax: number;
  #fuel: WebAssembly.Global | undefined;
  #stack: WebAssembly.Global | undefined;
  #memory: WebAssembly.Memory | undefined;

  constructor(options: ServiceOptions, imports: ServiceImports) {
    this.#options = options;
    this.#imports = imports;
    this.#fuelMax = options.fuel ?? FUEL_DEFAULT;
    this.#pagesMax = options.memoryPages ?? MEMORY_PAGES_DEFAULT;
  }

  get fuelUsed(): number {
    if (this.#fuel === undefined) return 0;
    const left = this.#fuel.value as bigint;
    return left < 0n ? this.#fuelMax : this.#fuelMax - Number(left);
  }

  toEnd(): Ended {
    let exports: WebAssembly.Exports;
    try {
      exports = this.#load();
    } catch (error) {
      return { status: "refused", reason: sentence(error) };
    }
    try {
      (exports[START_EXPORT] as (() => void) | undefined)?.();
      const exitCode = (exports["main"] as () => number)();
      if (exitCode === 0) return { status: "ok", exitCode, reason: "ended with 0" };
      return { status: "exit", exitCode, reason: `ended with ${exitCode}${this.#lastReason()}` };
    } catch (error) {
      return this.#broken(error);
    }
  }

  #load(): WebAssembly.Exports {
    const { bytes, parts } = instrument(this.#options.module, { pagesMax: this.#pagesMax });
    checkImports(parts);
    checkExports(parts);
    const module = compile(bytes);
    const { exports } = new WebAssembly.Instance(module, { cap: this.#imports.module(CAP_CALLS) });
    this.#fuel = exports[FUEL_EXPORT] as WebAssembly.Global;
    this.#stack = exports[STACK_EXPORT] as WebAssembly.Global;
    this.#memory = exports["memory"] as WebAssembly.Memory;
    this.#fuel.value = BigInt(this.#fuelMax);
    this.#imports.connect(this.#memory, this.#fuel);
    return exports;
  }

  #broken(error: unknown): Ended {
    if (error instanceof Stop && error.status !== "fuel") {
      const { status, message, cause } = error;
      return { status, reason: message, ...(cause === undefined ? {} : { cause }) };
    }
    if (error instanceof Stop || (this.#fuel?.value as bigint) < 0n) {
      return { status: "fuel", reason: `used up its fuel of ${this.#fuelMax}` };
    }
    const name = error instanceof Error ? error.name : "";
    // An engine whose stack is smaller than ours says so in its own way.
    const overflow = name === "RangeError" || name === "InternalError";
    if (overflow || (this.#stack?.value as number) < 0) {
      return { status: "trap", reason: "trapped: its calls go too deep for the stack" };
    }
    return { status: "trap", reason: `trapped: ${trapName(error)}${this.#memoryNote()}` };
  }

  #memoryNote(): string {
    const pages = (this.#memory?.buffer.byteLength ?? 0) / 65_536;
    return pages >= this.#pagesMax ? `; its memory is at the limit of ${pages} pages` : "";
  }

  #lastReason(): string {
    const text = new TextDecoder().decode(this.#imports.reason);
    return text === "" ? "" : `; the last refusal was: ${text}`;
  }
}

function compile(bytes: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch {
    throw unfit("the module is too large for this engine.");
  }
}

function checkImports({ imports }: ModuleParts): void {
  for (const { module, name, type } of imports) {
    if (module !== "cap")
      throw unfit(`it imports ${module}.${name}; there is only the module cap.`);
    const call = Object.hasOwn(CAP_CALLS, name) ? CAP_CALLS[name] : undefined;
    if (call === undefined) throw unfit(`it imports cap.${name}, which there is not.`);
    if (letters(type) !== `${call.params}>i`) {
      throw unfit(`it imports cap.${name} as ${letters(type)}, not as ${call.params}>i.`);
    }
  }
}

/** The types of a function as calls.ts writes them. */
function letters({ params, results }: FunctionType): string {
  const letter = (type: number) => (type === Type.I32 ? "i" : type === Type.I64 ? "I" : "?");
  return `${[...params].map(letter).join("")}>${[...results].map(letter).join("")}`;
}

function checkExports({ exports, functions, memory }: ModuleParts): void {
  const main = exports.find(({ name, kind }) => name === "main" && kind === 0);
  const type = main === undefined ? undefined : functions[main.index];
  if (type === undefined) throw unfit("it exports no function main.");
  if (letters(type) !== ">i") throw unfit(`its main is ${letters(type)}, not >i.`);
  const exported = exports.some(({ name, kind }) => name === "memory" && kind === 2);
  if (memory === undefined || !exported) throw unfit("it exports no memory.");
}

function trapName(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return TRAPS.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}

/** An error as one line without its code and full stop. */
function sentence(error: unknown): string {
  if (!(error instanceof StorageError)) return `it could not be started: ${trapName(error)}`;
  return error.message.replace(/^[A-Z]+: /, "").replace(/\.$/, "");
}
