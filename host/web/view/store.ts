/**
 * What the page shows, in one place: the worker's last state, what is going on, the console, the
 * last message. It decides nothing; it calls the worker and remembers what came back.
 */
import type { Activity, Api, BootSummary, Notice, State } from "../rpc/api.ts";
import type { CallOptions, Client } from "../rpc/client.ts";
import { sentenceOf } from "./words.ts";

/** Lines of the console that are kept. */
const LINES_MAX = 500;

export interface Message {
  readonly kind: "done" | "error";
  readonly text: string;
  readonly code?: string | undefined;
}

export interface Running extends Activity {
  /** Undefined: it is one piece, and cannot be stopped. */
  readonly stop?: (() => void) | undefined;
}

/** An action: calls the worker, answers what to say when it is done. */
export type Act = (options: CallOptions<Activity>) => Promise<string | undefined>;

export class Store {
  readonly api: Client<Api>;
  readonly lines: string[] = [];
  state: State | undefined;
  running: Running | undefined;
  message: Message | undefined;
  lastBoot: BootSummary | undefined;
  /** The worker is gone: nothing works any more. */
  lost = false;
  readonly #draw: () => void;

  constructor(api: Client<Api>, draw: () => void) {
    this.api = api;
    this.#draw = draw;
  }

  /** Draws the page soon. */
  changed(): void {
    this.#draw();
  }

  onNotice(notice: Notice): void {
    if (notice.kind === "state") this.state = notice.state;
    else if (notice.kind === "console") this.print(notice.line);
    else {
      const total = notice.kept + notice.lost;
      this.print(`power: cut; of ${total} blocks in the cache ${notice.lost} are lost`);
    }
    this.changed();
  }

  print(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.splice(0, this.lines.length - LINES_MAX);
  }

  say(kind: Message["kind"], text: string, code?: string): void {
    this.message = { kind, text, code };
    this.changed();
  }

  fail(error: unknown): void {
    const { text, code } = sentenceOf(error);
    this.say("error", text, code);
  }

  /** Runs an action; what goes wrong is a message. True: it went well. */
  async act(title: string, act: Act, options: { stoppable?: boolean } = {}): Promise<boolean> {
    const abort = new AbortController();
    const stop = options.stoppable ? () => abort.abort() : undefined;
    this.message = undefined;
    this.running = { title, stop };
    this.changed();
    try {
      const text = await act({
        signal: abort.signal,
        onEvent: (activity) => {
          this.running = { ...activity, stop };
          this.changed();
        },
      });
      if (text !== undefined) this.say("done", text);
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    } finally {
      this.running = undefined;
      this.changed();
    }
  }
}
