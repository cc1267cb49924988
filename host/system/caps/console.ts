/**
 * The console as a capability: lines under the name of who wrote them, within limits.
 *
 * Interface: text is collected into lines. Control characters and what is not UTF-8 come out as
 * U+FFFD, so no line can pass for two, or for somebody else's. Over its limits a service is named
 * once, and everything more it writes is "too-large".
 */
import { Capability, checkCount, Grant } from "./base/grant.ts";
import { CapException, type Outcome, ok, refused } from "./base/outcome.ts";

/** A longer line is broken here. */
export const LINE_BYTES_MAX = 1024;
export const CONSOLE_BYTES_MAX = 64 * 1024;
export const CONSOLE_LINES_MAX = 1000;
/** Lines that a log keeps. */
const LOG_LINES_MAX = 10_000;

const encoder = new TextEncoder();

export interface ConsoleLine {
  /** Counts the lines of the log from 1. */
  readonly number: number;
  readonly source: string;
  /** As it was shown, with its prefix. */
  readonly text: string;
}

/** The lines of a machine: shown as they come, the newest kept. */
export class ConsoleLog {
  readonly #show: (text: string) => void;
  readonly #lines: ConsoleLine[] = [];
  readonly #flooded = new Set<string>();
  #count = 0;

  constructor(show: (text: string) => void = () => {}) {
    this.#show = show;
  }

  /** Services that went over their limits, by name. */
  get flooded(): readonly string[] {
    return [...this.#flooded];
  }

  add(source: string, text: string): void {
    this.#count += 1;
    this.#lines.push({ number: this.#count, source, text });
    if (this.#lines.length > LOG_LINES_MAX) this.#lines.shift();
    this.#show(text);
  }

  flood(source: string, why: string): void {
    if (this.#flooded.has(source)) return;
    this.#flooded.add(source);
    this.add("console", `[console] ${source}: ${why}; the rest is dropped`);
  }

  /** Lines behind number `after`, oldest first; of one source if it is named. */
  lines(after: number, limit: number, source?: string): ConsoleLine[] {
    const rest = this.#lines.filter(
      (line) => line.number > after && (source === undefined || line.source === source),
    );
    return rest.slice(0, limit);
  }
}

export interface ConsoleOptions {
  /** Who writes, for the log and for people. */
  readonly name: string;
  /** In front of each line; default: the name in brackets. */
  readonly prefix?: string;
  /** Bytes of text, the prefix not counted. */
  readonly bytesMax?: number;
  readonly linesMax?: number;
}

/** What a ConsoleCap and those made from it share. */
interface Budget {
  readonly name: string;
  readonly bytesMax: number;
  readonly linesMax: number;
  bytes: number;
  lines: number;
}

/** The right to write lines. */
export class ConsoleCap extends Capability {
  readonly kind = "console";
  readonly #log: ConsoleLog;
  readonly #prefix: string;
  readonly #budget: Budget;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #line = "";

  private constructor(grant: Grant, log: ConsoleLog, prefix: string, budget: Budget) {
    super(grant);
    this.#log = log;
    this.#prefix = prefix;
    this.#budget = budget;
  }

  static over(log: ConsoleLog, options: ConsoleOptions): ConsoleCap {
    const { bytesMax = CONSOLE_BYTES_MAX, linesMax = CONSOLE_LINES_MAX } = options;
    const name = sanitized(options.name);
    const prefix = options.prefix === undefined ? `[${name}] ` : sanitized(options.prefix);
    const budget = { name, bytesMax, linesMax, bytes: 0, lines: 0 };
    return new ConsoleCap(new Grant(), log, prefix, budget);
  }

  /** Writes text, or bytes of UTF-8; answers the bytes taken. What has no "\n" yet waits. */
  write(text: string | Uint8Array): Outcome<number> {
    this.grant.check("write");
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    if (!(bytes instanceof Uint8Array)) {
      throw new CapException("invalidArgument", "write", "it is neither text nor bytes.");
    }
    const { name, bytesMax, linesMax } = this.#budget;
    const lines = this.#budget.lines + countLines(bytes);
    if (this.#budget.bytes + bytes.length > bytesMax) return this.#flood(`${bytesMax} bytes`);
    if (lines > linesMax) return this.#flood(`${linesMax} lines`);
    this.#budget.bytes += bytes.length;
    this.#budget.lines = lines;
    const parts = (this.#line + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#line = parts.pop() ?? "";
    for (const part of parts) this.#show(name, part);
    return ok(bytes.length);
  }

  /** Writes one whole line. */
  writeLine(text: string): Outcome<number> {
    return this.write(`${text}\n`);
  }

  /** Shows what has no "\n" yet as a line. */
  flush(): Outcome<void> {
    this.grant.check("flush");
    const rest = this.#line + this.#decoder.decode();
    this.#line = "";
    if (rest !== "") this.#show(this.#budget.name, rest);
    return ok();
  }

  /** The same console and limits, with one more prefix behind this one's. */
  withPrefix(prefix: string): ConsoleCap {
    this.grant.check("withPrefix");
    const whole = this.#prefix + sanitized(prefix);
    return new ConsoleCap(this.grant.child(), this.#log, whole, this.#budget);
  }

  /** The lines of this writer, for reading. */
  history(): HistoryCap {
    this.grant.check("history");
    return HistoryCap.over(this.#log, this.#budget.name, this.grant.child());
  }

  #show(name: string, line: string): void {
    const clean = sanitized(line.endsWith("\r") ? line.slice(0, -1) : line);
    for (const piece of broken(clean)) this.#log.add(name, this.#prefix + piece);
  }

  #flood(limit: string): Outcome<never> {
    const { name } = this.#budget;
    // Spent for good: a smaller write that would still fit is refused too.
    this.#budget.bytes = this.#budget.bytesMax + 1;
    this.#log.flood(name, `wrote more than ${limit}`);
    return refused("too-large", `${name} wrote more than ${limit}`);
  }
}

/** The right to read what was written. */
export class HistoryCap extends Capability {
  readonly kind = "history";
  readonly #log: ConsoleLog;
  readonly #source: string | undefined;

  private constructor(grant: Grant, log: ConsoleLog, source: string | undefined) {
    super(grant);
    this.#log = log;
    this.#source = source;
  }

  /** All lines of a log, or those of one source. */
  static over(log: ConsoleLog, source?: string, grant = new Grant()): HistoryCap {
    return new HistoryCap(grant, log, source);
  }

  /** Lines behind number `after`, oldest first. */
  read(after = 0, limit = 100): Outcome<ConsoleLine[]> {
    this.grant.check("read");
    checkCount(after, "read", "the number");
    checkCount(limit, "read", "the limit");
    return ok(this.#log.lines(after, limit, this.#source));
  }

  /** Only the lines of `source`. */
  only(source: string): Outcome<HistoryCap> {
    this.grant.check("only");
    if (this.#source !== undefined && this.#source !== source) {
      return refused("denied", "the history is of another source");
    }
    return ok(new HistoryCap(this.grant.child(), this.#log, source));
  }
}

/** Without what could move a cursor, end a line or turn text around. */
function sanitized(text: string): string {
  return text
    .replaceAll("\t", " ")
    .replaceAll(/[\p{Cc}\p{Surrogate}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, "\ufffd");
}

/** Pieces of at most LINE_BYTES_MAX bytes; one empty piece for an empty line. */
function broken(line: string): string[] {
  const bytes = encoder.encode(line);
  if (bytes.length <= LINE_BYTES_MAX) return [line];
  const pieces: string[] = [];
  for (let rest = line; rest !== ""; ) {
    const { read } = encoder.encodeInto(rest, new Uint8Array(LINE_BYTES_MAX));
    pieces.push(rest.slice(0, read));
    rest = rest.slice(read);
  }
  return pieces;
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === 10) count += 1;
  return count;
}
