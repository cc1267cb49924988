/**
 * Incremental verification. A run is decided by the sectors that it reads before it writes them; a
 * crash state of the same interval that differs from an earlier one in other sectors only goes
 * exactly the way of that one's run, so its verdict is known.
 */
import type { Choice } from "./choice.ts";

const RUNS_MAX = 400;

interface Run {
  /** 1 = read before it was written. */
  readonly touched: Uint8Array;
  readonly signature: string;
  readonly found: number;
}

export class Memo {
  readonly #runs: Run[] = [];

  /** What an earlier run found that this choice must find too; undefined if there was none. */
  recall(choice: Choice, key: number): number | undefined {
    for (const [index, run] of this.#runs.entries()) {
      if (choice.signature(run.touched, key) !== run.signature) continue;
      if (index > 0) this.#runs.unshift(...this.#runs.splice(index, 1));
      return run.found;
    }
    return undefined;
  }

  keep(choice: Choice, key: number, touched: Uint8Array, found: number): void {
    const signature = choice.signature(touched, key);
    this.#runs.unshift({ touched, signature, found });
    if (this.#runs.length > RUNS_MAX) this.#runs.pop();
  }
}
