/**
 * Printing: data on stdout as text or JSON, everything else on stderr; colour where it is wanted.
 */
import { styleText } from "node:util";

export type Cell = string | number | bigint;

/** Where a command prints. One per run. */
export class Output {
  readonly json: boolean;
  readonly #colour: boolean;

  constructor(json: boolean) {
    this.json = json;
    const { env, stdout } = process;
    this.#colour = stdout.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  }

  /** The result: `value` as one line of JSON with --json, else `text`. */
  result(value: unknown, text: string | (() => string)): void {
    if (this.json) this.event(value);
    else this.line(typeof text === "string" ? text : text());
  }

  /** A line of data on stdout. */
  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** One JSON object on a line of stdout. */
  event(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, plain)}\n`);
  }

  /** Bytes of data on stdout. */
  bytes(data: Uint8Array): void {
    process.stdout.write(data);
  }

  /** A line for the person on stderr; nothing with --json. */
  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  /** A marker line of a protocol on stderr. */
  marker(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  /** Why the command failed, on stderr: a sentence, or an object with --json. */
  failure(text: string, told: Readonly<Record<string, unknown>>): void {
    const line = this.json ? JSON.stringify({ error: told }, plain) : `diskwright: ${text}`;
    process.stderr.write(`${line}\n`);
  }

  paint(style: Parameters<typeof styleText>[0], text: string): string {
    return this.#colour ? styleText(style, text) : text;
  }
}

/** Lines of a table: numbers to the right, text to the left, a head line if given. */
export function table(rows: readonly (readonly Cell[])[], head?: readonly string[]): string {
  const texts = (head ? [head, ...rows] : rows).map((row) => row.map(String));
  const columns = Math.max(0, ...texts.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...texts.map((row) => row[column]?.length ?? 0)),
  );
  const right = widths.map((_, column) => rows.every((row) => typeof row[column] !== "string"));
  return texts
    .map((row) =>
      row
        .map((text, column) => {
          const width = widths[column] ?? 0;
          return right[column] ? text.padStart(width) : text.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** JSON of what JSON lacks: bigints as numbers where exact, bytes as hex. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    const near = Number(value);
    return Number.isSafeInteger(near) ? near : value.toString();
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}
