/** What the handles of one filesystem share: its promises, and who is writing where. */

import type { FilePromises } from "../node/async/promises.ts";
import { domError } from "./errors.ts";

/** A filesystem as its handles see it. Two handles are of the same one if this is the same. */
export class HandleHost {
  readonly fs: FilePromises;
  /** Open writers by path; below 0: one that shares with nobody. */
  readonly #writers = new Map<string, number>();
  /** Files that open writers collect their bytes in: nobody else's business. */
  readonly #hidden = new Set<string>();

  constructor(fs: FilePromises) {
    this.fs = fs;
  }

  isHidden(path: string): boolean {
    return this.#hidden.has(path);
  }

  hide(path: string): void {
    this.#hidden.add(path);
  }

  show(path: string): void {
    this.#hidden.delete(path);
  }

  /** Enters a writer. NoModificationAllowedError: it, or one that is there, shares with nobody. */
  enter(path: string, alone: boolean): void {
    const there = this.#writers.get(path) ?? 0;
    if (there < 0 || (alone && there > 0)) throw locked(path);
    this.#writers.set(path, alone ? -1 : there + 1);
  }

  leave(path: string): void {
    const there = this.#writers.get(path) ?? 0;
    if (there > 1) this.#writers.set(path, there - 1);
    else this.#writers.delete(path);
  }

  /** NoModificationAllowedError: somebody writes `path`, or what is below it. */
  refuseWriters(path: string): void {
    for (const written of this.#writers.keys()) {
      if (written === path || written.startsWith(`${path}/`)) throw locked(written);
    }
  }
}

/** Path of `name` in the directory `path`. TypeError: it is no name of one entry. */
export function child(path: string, name: string): string {
  const text = String(name);
  if (text === "" || text === "." || text === ".." || /[/\0]/.test(text)) {
    throw new TypeError(`'${text}' is not a name of a file or directory.`);
  }
  return path === "/" ? `/${text}` : `${path}/${text}`;
}

function locked(path: string): DOMException {
  return domError("NoModificationAllowedError", `'${path}' is being written.`);
}
