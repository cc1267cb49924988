/**
 * The versions of a workload's content with the models behind them: what a failed commit or a
 * restart brings back is looked up among those that are still legal.
 */
import { type History, Violation } from "../engine/history.ts";

export class Versions<Model> {
  readonly history: History;
  readonly #digest: (model: Model) => number;
  /** Models of the newest versions; the first belongs to version `#first`. */
  readonly #models: Model[] = [];
  readonly #first: number;

  constructor(history: History, digest: (model: Model) => number, now: Model) {
    this.history = history;
    this.#digest = digest;
    this.#first = history.issued;
    this.#models.push(now);
  }

  get newest(): Model {
    return this.#models.at(-1) as Model;
  }

  /** What a life found when it began: version `history.issued`. */
  adopt(model: Model): void {
    this.#models.push(model);
  }

  /** Call before what makes the content `model` goes to the core. */
  issue(model: Model, label: string): void {
    this.#models.push(model);
    this.history.issue(this.#digest(model), label);
  }

  /** The last version was refused: the content is what it was before. */
  refuse(label: string): void {
    this.issue(this.#models.at(-2) as Model, `${label}, refused`);
  }

  /** The newest version is `digest`, one of those issued since the last acknowledged one. */
  take(digest: number, label: string): void {
    this.issue(this.#models[this.#find(digest, label) - this.#first] as Model, label);
  }

  ack(): void {
    this.history.ack();
  }

  /** The session was thrown away and `digest` found: a legal version, and from now on the only one. */
  restore(digest: number, label: string, describe: () => string): void {
    const index = this.#find(digest, `${label}: ${describe()}`);
    this.#models.push(this.#models[index - this.#first] as Model);
    this.history.abort(digest, label);
  }

  /** The newest legal version with this digest. */
  #find(digest: number, label: string): number {
    const { history } = this;
    const oldest = Math.max(history.acked, this.#first);
    for (let index = history.issued; index >= oldest; index--) {
      if (history.digests[index] === digest) return index;
    }
    const from = `${history.labels[history.acked]} (${history.acked})`;
    throw new Violation(`the content is none since ${from}, after ${label}`);
  }
}
