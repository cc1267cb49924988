/** Progress of long work: a bar on a terminal, JSON events with --json, silence on a pipe. */
import { createRequire } from "node:module";
import type { SingleBar } from "cli-progress";
import type { ProgressEvent } from "../../base/work.ts";
import type { Output } from "./output.ts";

/** Loads the bar when the first one is drawn: most runs draw none, and start faster. */
const load = createRequire(import.meta.url);
/** A bar appears only for work that takes longer than this. */
const PATIENCE_MS = 1000;
const EVENT_INTERVAL_MS = 250;

export class Progress {
  readonly #out: Output;
  readonly #startedMs = performance.now();
  #bar: SingleBar | undefined;
  #step = "";
  #lastEventMs = Number.NEGATIVE_INFINITY;

  constructor(out: Output) {
    this.#out = out;
  }

  /** Shows an event; pass it as a callback. */
  readonly update = (event: ProgressEvent): void => {
    if (this.#out.json) this.#emit(event);
    else if (process.stderr.isTTY) this.#draw(event);
  };

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #emit(event: ProgressEvent): void {
    const nowMs = performance.now();
    const border = event.step !== this.#step || event.done >= event.total;
    if (!border && nowMs - this.#lastEventMs < EVENT_INTERVAL_MS) return;
    this.#step = event.step;
    this.#lastEventMs = nowMs;
    this.#out.event({ event: "progress", ...event });
  }

  #draw(event: ProgressEvent): void {
    if (performance.now() - this.#startedMs < PATIENCE_MS) return;
    const what = `${event.step} in ${event.unit}`;
    if (this.#bar === undefined || this.#step !== what) {
      this.stop();
      this.#step = what;
      const format = `${event.step} [{bar}] {percentage}% {value}/{total} ${event.unit} {eta}s`;
      const { Presets, SingleBar } = load("cli-progress") as typeof import("cli-progress");
      this.#bar = new SingleBar(
        { format, stream: process.stderr, clearOnComplete: true, hideCursor: true },
        Presets.shades_classic,
      );
      this.#bar.start(event.total, event.done);
    }
    this.#bar.update(event.done);
  }
}
