/** Where questions are asked: line by line on a pipe, with prompts on a terminal. */
import type { Readable } from "node:stream";
import * as lines from "../../format/rayos/lines.ts";
import {
  ANSWER_LENGTH_MAX,
  type DialogueState,
  rowText,
  type Said,
} from "../../system/installer/dialogue.ts";

/** On a narrower terminal, as on one of unknown width, prompts are plain lines. */
const COLUMNS_MIN = 40;

/** A state in which somebody is asked. */
export type Asking = Extract<DialogueState, { readonly prompt: string }>;

export interface Front {
  /** Prints what a turn says. */
  say(said: readonly Said[]): void;
  /** The answer; undefined where there is none any more. @throws {Stopped} */
  ask(state: Asking): Promise<string | undefined>;
  close(): void;
}

/** Somebody pressed Ctrl-C, or the process was told to end. */
export class Stopped extends Error {}

/** Reads lines of a stream, at most ANSWER_LENGTH_MAX characters of each. */
export class LineFront implements Front {
  readonly #input: Readable;
  readonly #print: (text: string) => void;
  readonly #signal: AbortSignal;
  #text = "";
  /** The rest of an overlong line is passed over. */
  #skipping = false;
  #ended = false;
  #wake: (() => void) | undefined;
  #listening = false;

  constructor(input: Readable, print: (text: string) => void, signal: AbortSignal) {
    this.#input = input;
    this.#print = print;
    this.#signal = signal;
  }

  say(said: readonly Said[]): void {
    for (const { line } of said) this.#print(`${line}\n`);
  }

  async ask({ prompt }: Asking): Promise<string | undefined> {
    // A whole line: what comes next is a line of its own, whether or not somebody types.
    this.#print(`${prompt.trimEnd()}\n`);
    return await this.#line();
  }

  close(): void {
    this.#input.pause();
    this.#input.destroy();
  }

  async #line(): Promise<string | undefined> {
    this.#listen();
    for (;;) {
      if (this.#signal.aborted) throw new Stopped();
      const line = this.#take();
      if (line !== undefined) return line;
      if (this.#ended) return undefined;
      this.#input.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#input.pause();
    }
  }

  /** The next line, if all of it is here, or as much of it as an answer may have. */
  #take(): string | undefined {
    const end = this.#text.indexOf("\n");
    if (end >= 0) {
      const line = this.#text.slice(0, Math.min(end, ANSWER_LENGTH_MAX));
      this.#text = this.#text.slice(end + 1);
      return line;
    }
    if (this.#text.length <= ANSWER_LENGTH_MAX && !(this.#ended && this.#text !== "")) {
      return undefined;
    }
    const line = this.#text.slice(0, ANSWER_LENGTH_MAX);
    this.#skipping = !this.#ended;
    this.#text = "";
    return line;
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    const wake = () => {
      const resolve = this.#wake;
      this.#wake = undefined;
      resolve?.();
    };
    const ended = () => {
      this.#ended = true;
      wake();
    };
    this.#input.setEncoding("utf8");
    this.#input.on("data", (piece: string) => {
      this.#add(piece);
      wake();
    });
    this.#input.once("end", ended).once("close", ended).once("error", ended);
    this.#signal.addEventListener("abort", wake, { once: true });
  }

  #add(piece: string): void {
    let rest = piece;
    if (this.#skipping) {
      const end = rest.indexOf("\n");
      if (end < 0) return;
      this.#skipping = false;
      rest = rest.slice(end + 1);
    }
    this.#text += rest;
  }
}

/** Prompts of @clack/prompts on the terminal of standard error. */
export class TerminalFront implements Front {
  readonly #print: (text: string) => void;
  readonly #signal: AbortSignal;

  constructor(print: (text: string) => void, signal: AbortSignal) {
    this.#print = print;
    this.#signal = signal;
  }

  say(said: readonly Said[]): void {
    // The rows are shown by the prompt that chooses among them.
    for (const { kind, line } of said) if (kind !== "menu") this.#print(`${line}\n`);
  }

  async ask(state: Asking): Promise<string | undefined> {
    const { select, text, isCancel } = await import("@clack/prompts");
    const common = { output: process.stderr, signal: this.#signal };
    const asked =
      state.kind === "choose"
        ? select({ ...common, message: state.prompt.trimEnd(), options: choices(state) })
        : text({ ...common, message: state.prompt.trimEnd() });
    const given: unknown = await Promise.race([asked, ended(process.stdin)]);
    // The prompt leaves control sequences at the cursor; a marker is alone on its line.
    this.#print("\n");
    if (isCancel(given) || this.#signal.aborted) throw new Stopped();
    return given as string | undefined;
  }

  close(): void {
    process.stdin.pause();
  }
}

function choices(state: Extract<Asking, { kind: "choose" }>) {
  const rows = state.rows.map((row, index) => ({
    value: `${index + 1}`,
    label: rowText(row, index + 1).trim(),
    hint: row.details.map(lines.oneLine).join("; "),
  }));
  return [...rows, { value: "0", label: "[0] cancel", hint: "" }];
}

/** A terminal that goes away is the end of all answers. */
function ended(input: Readable): Promise<undefined> {
  return new Promise((resolve) => {
    input.once("end", () => resolve(undefined)).once("close", () => resolve(undefined));
  });
}

/** True where prompts can be drawn: a terminal at both ends that is wide and moves its cursor. */
export function isTerminal(): boolean {
  const { env, stdin, stderr } = process;
  const both = stdin.isTTY === true && stderr.isTTY === true;
  return both && env["TERM"] !== "dumb" && stderr.columns >= COLUMNS_MIN;
}
