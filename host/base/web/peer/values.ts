/**
 * What travels between two peers, as structured clone takes it. Plain values, bytes, dates and maps
 * go as they are; views as copies of what they show, or as their size where a call fills them;
 * errors, URLs, signals and the kinds of a peer as records that are made into the same again;
 * everything with methods, functions too, stays where it is and is called from afar.
 */
import { failure } from "../../errors.ts";
import { type CarriedError, packError, unpackError } from "../carry.ts";

/** A class whose objects travel as what they hold, and arrive as objects of that class. */
export interface Kind {
  readonly name: string;
  /** What structured clone takes; undefined: it is none of these. */
  pack(value: object): object | undefined;
  unpack(data: object): object;
}

/** What values need of their peer. */
export interface Objects {
  kinds(): readonly Kind[];
  show(object: object): number;
  find(number: number): object;
  call(object: number, method: string, given: readonly unknown[]): Promise<unknown>;
  /** Tells the other end when `signal` is aborted; the number is what it knows it by. */
  watch(signal: AbortSignal): number;
  signal(number: number): AbortSignal;
  /** The other end is told when `proxy` is no longer used. */
  keep(proxy: object, number: number): void;
}

/** An object of the other end. */
interface Shown {
  readonly number: number;
  readonly methods: readonly string[];
  /** Methods that answer with a generator: here they do so at once, as they do there. */
  readonly generators: readonly string[];
  /** Properties that are plain values, as they were. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly iterable: boolean;
}

type Packed =
  | { readonly is: "error"; readonly error: CarriedError }
  | { readonly is: "kind"; readonly kind: string; readonly data: object }
  | { readonly is: "url"; readonly href: string }
  | { readonly is: "signal"; readonly number: number; readonly aborted?: CarriedError }
  | { readonly is: "yours"; readonly number: number }
  | { readonly is: "shown"; readonly shown: Shown }
  | { readonly is: "function"; readonly number: number }
  | { readonly is: "room"; readonly sizeBytes: number }
  | { readonly is: "readable"; readonly number: number }
  | { readonly is: "writable"; readonly number: number };

/** The method that every object has that can be iterated. */
export const ITERATE = "@iterate";

/** The one method of a function. */
export const APPLY = "@apply";
/** The property that marks a record of ours among plain objects. */
const MARK = "diskwright:packed";
/** Node's own streams are no use where there is no Node. */
const NOT_SHOWN = ["constructor", "createReadStream", "createWriteStream"];
/** Methods that answer with a stream or an iterable at once, not with a promise of one. */
const AT_ONCE: Readonly<Record<string, (later: Promise<unknown>) => unknown>> = {
  getStream: (later) => laterReadable(later as Promise<ReadableStream>),
  readableWebStream: (later) => laterReadable(later as Promise<ReadableStream>),
  writableWebStream: (later) => laterWritable(later as Promise<WritableStream>),
  readLines: (later) => laterIterable(later as Promise<AsyncIterable<unknown>>),
};

/** The number of each object of the other end that was decoded here. */
const theirs = new WeakMap<object, number>();

/** `value` as it travels; of views in `filled` the other end needs no more than the room. */
export function encode(value: unknown, objects: Objects, filled?: ReadonlySet<unknown>): unknown {
  if (typeof value !== "object" || value === null) {
    if (typeof value !== "function") return value;
    const own = theirs.get(value);
    const number = own ?? objects.show(value);
    return { [MARK]: { is: own === undefined ? "function" : "yours", number } };
  }
  const packed = pack(value, objects);
  if (packed !== undefined) return { [MARK]: packed };
  if (Array.isArray(value)) return value.map((each) => encode(each, objects, filled));
  if (filled?.has(value)) return { [MARK]: roomFor(value as ArrayBufferView) };
  if (ArrayBuffer.isView(value)) return copied(value);
  if (isCloned(value)) return value;
  if (isPlain(value) && !Object.values(value).some((each) => typeof each === "function")) {
    return mapped(value, (each) => encode(each, objects, filled));
  }
  return shown(value, objects);
}

export function decode(value: unknown, objects: Objects): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => decode(each, objects));
  if (!isPlain(value)) return value;
  if (MARK in value) return unpack(value[MARK] as Packed, objects);
  return mapped(value, (each) => decode(each, objects));
}

/** The buffer of a long result that is all the result's own, so that it may be handed on. */
export function ownedBuffer(result: unknown, bytesMin: number): ArrayBuffer | undefined {
  if (!(result instanceof Uint8Array) || result.length < bytesMin) return undefined;
  const { buffer } = result;
  return buffer instanceof ArrayBuffer && buffer.byteLength === result.length ? buffer : undefined;
}

function pack(value: object, objects: Objects): Packed | undefined {
  const number = theirs.get(value);
  if (number !== undefined) return { is: "yours", number };
  if (value instanceof Error) return { is: "error", error: packError(value) };
  for (const { name, pack: packKind } of objects.kinds()) {
    const data = packKind(value);
    if (data !== undefined) return { is: "kind", kind: name, data };
  }
  if (value instanceof URL) return { is: "url", href: value.href };
  if (value instanceof AbortSignal) {
    const aborted = value.aborted ? { aborted: packError(value.reason) } : {};
    return { is: "signal", number: objects.watch(value), ...aborted };
  }
  if (value instanceof ReadableStream) {
    return { is: "readable", number: objects.show(value.getReader()) };
  }
  if (value instanceof WritableStream) {
    return { is: "writable", number: objects.show(value.getWriter()) };
  }
  return undefined;
}

function unpack(packed: Packed, objects: Objects): unknown {
  switch (packed.is) {
    case "error":
      return unpackError(packed.error);
    case "kind": {
      const kind = objects.kinds().find(({ name }) => name === packed.kind);
      if (kind !== undefined) return kind.unpack(packed.data);
      throw failure("EBADMSG", "call", `there is no kind '${packed.kind}' at this end.`);
    }
    case "url":
      return new URL(packed.href);
    case "signal": {
      const { number, aborted } = packed;
      return aborted === undefined
        ? objects.signal(number)
        : AbortSignal.abort(unpackError(aborted));
    }
    case "yours":
      return objects.find(packed.number);
    case "room":
      return new Uint8Array(packed.sizeBytes);
    case "readable":
      return kept(readable(callsOf(packed.number, objects)), packed.number, objects);
    case "writable":
      return kept(writable(callsOf(packed.number, objects)), packed.number, objects);
    case "shown":
      return proxy(packed.shown, objects);
    case "function": {
      const { number } = packed;
      const far = (...given: unknown[]) => objects.call(number, APPLY, given);
      theirs.set(far, number);
      return kept(far, number, objects);
    }
  }
}

function shown(value: object, objects: Objects): unknown {
  const { methods, generators, data } = described(value);
  const iterable = Symbol.asyncIterator in value || Symbol.iterator in value;
  const number = objects.show(value);
  return { [MARK]: { is: "shown", shown: { number, methods, generators, data, iterable } } };
}

/** Names of methods, own and inherited, and the properties that are plain values. */
function described(value: object) {
  const methods: string[] = [];
  const generators: string[] = [];
  const data: Record<string, unknown> = {};
  for (let at = value; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (NOT_SHOWN.includes(name) || name in data || methods.includes(name)) continue;
      const found = propertyOf(value, name);
      if (typeof found === "function") {
        methods.push(name);
        if (/Generator/.test(found.constructor.name)) generators.push(name);
      } else if (typeof found !== "object" && typeof found !== "symbol") data[name] = found;
    }
  }
  return { methods, generators, data };
}

function propertyOf(value: object, name: string): unknown {
  try {
    return (value as Record<string, unknown>)[name];
  } catch {
    // A property that cannot be read now has nothing to show.
    return null;
  }
}

/** An object whose methods are calls to the other end; methods are own and enumerable. */
function proxy({ number, methods, generators, data, iterable }: Shown, objects: Objects): object {
  const call = callsOf(number, objects);
  const far: Record<string | symbol, unknown> = { ...data };
  for (const method of methods) {
    const later = AT_ONCE[method];
    far[method] = generators.includes(method)
      ? (...given: unknown[]) =>
          laterIterable(call(method, given) as Promise<AsyncIterable<unknown>>)
      : later !== undefined
        ? (...given: unknown[]) => later(call(method, given))
        : (...given: unknown[]) => call(method, given);
  }
  const hidden = (symbol: symbol, does: () => unknown) =>
    Object.defineProperty(far, symbol, { value: does, enumerable: false });
  if (iterable) hidden(Symbol.asyncIterator, () => iterated(call));
  if (typeof Symbol.asyncDispose === "symbol" && methods.includes("close")) {
    hidden(Symbol.asyncDispose, () => call("close", []));
  }
  theirs.set(far, number);
  return kept(far, number, objects);
}

type Call = (method: string, given: readonly unknown[]) => Promise<unknown>;

function callsOf(number: number, objects: Objects): Call {
  return (method, given) => objects.call(number, method, given);
}

function kept<T extends object>(far: T, number: number, objects: Objects): T {
  objects.keep(far, number);
  return far;
}

async function* iterated(call: Call): AsyncGenerator<unknown> {
  const iterator = (await call(ITERATE, [])) as AsyncIterator<unknown, unknown>;
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await iterator.next();
      ended = done === true;
      if (ended) return value;
      yield value;
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}

async function* laterIterable(later: Promise<AsyncIterable<unknown>>): AsyncGenerator<unknown> {
  yield* await later;
}

function readable(call: Call): ReadableStream<unknown> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = (await call("read", [])) as ReadableStreamReadResult<unknown>;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async (reason) => void (await call("cancel", [reason])),
  });
}

function writable(call: Call): WritableStream<unknown> {
  return new WritableStream({
    write: async (piece) => void (await call("write", [piece])),
    close: async () => void (await call("close", [])),
    abort: async (reason) => void (await call("abort", [reason])),
  });
}

function laterReadable(later: Promise<ReadableStream>): ReadableStream {
  const reader = later.then((stream) => stream.getReader());
  return readable(async (method, given) => {
    const known = (await reader) as unknown as Record<string, (...given: unknown[]) => unknown>;
    return known[method]?.(...given);
  });
}

function laterWritable(later: Promise<WritableStream>): WritableStream {
  const writer = later.then((stream) => stream.getWriter());
  return writable(async (method, given) => {
    const known = (await writer) as unknown as Record<string, (...given: unknown[]) => unknown>;
    return known[method]?.(...given);
  });
}

function roomFor({ byteLength }: ArrayBufferView): Packed {
  return { is: "room", sizeBytes: byteLength };
}

/** What a view shows, and no more: cloned as it is, all of its buffer would travel. */
function copied(view: ArrayBufferView): unknown {
  const { buffer, byteOffset, byteLength } = view;
  const isWhole = buffer instanceof ArrayBuffer && byteLength === buffer.byteLength;
  if (isWhole && view.constructor === Uint8Array) return view;
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

/** Objects that structured clone keeps as what they are. */
function isCloned(value: object): boolean {
  const classes = [ArrayBuffer, Date, Map, Set, RegExp, Blob, WebAssembly.Module];
  return classes.some((each) => value instanceof each);
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function mapped(value: object, change: (each: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, change(each)]));
}
