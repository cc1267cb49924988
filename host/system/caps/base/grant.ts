/**
 * What every capability is made of: a grant, which can be revoked, and with it all that was made
 * from it.
 *
 * Interface: a narrower capability holds a child of its parent's grant. Revoking goes down, never
 * up. A revoked grant stays revoked.
 */
import { CapException } from "./outcome.ts";

/** Capabilities made from each other in a row: more than any path has names. */
const DEPTH_MAX = 512;

export type CapKind =
  | "directory"
  | "file"
  | "store"
  | "namespace"
  | "block"
  | "console"
  | "history";

/** The right to use one capability, until it or one above it is revoked. */
export class Grant {
  readonly #parent: Grant | undefined;
  readonly #depth: number;
  /** Children with something to release; others are not kept. */
  readonly #busy = new Set<Grant>();
  readonly #releases = new Set<() => void>();
  #ended: string | undefined;

  constructor(parent?: Grant) {
    this.#parent = parent;
    this.#depth = parent === undefined ? 0 : parent.#depth + 1;
    if (this.#depth > DEPTH_MAX) {
      throw new CapException("overloaded", "derive", `narrowed ${DEPTH_MAX} times in a row.`);
    }
  }

  /** Why it is revoked; undefined while it may be used. */
  get ended(): string | undefined {
    for (let grant: Grant | undefined = this; grant !== undefined; grant = grant.#parent) {
      if (grant.#ended !== undefined) return grant.#ended;
    }
    return undefined;
  }

  child(): Grant {
    return new Grant(this);
  }

  /** @throws {CapException} disconnected: it was revoked */
  check(syscall: string): void {
    const { ended } = this;
    if (ended !== undefined) throw new CapException("disconnected", syscall, `${ended}.`);
  }

  /** Runs `release` once, when this or a grant above it is revoked. */
  onEnd(release: () => void): void {
    this.#releases.add(release);
    for (let grant: Grant = this; grant.#parent !== undefined; grant = grant.#parent) {
      grant.#parent.#busy.add(grant);
    }
  }

  /** Ends this grant and all below it. Every release runs; the first error is thrown after. */
  revoke(reason = "the capability was revoked"): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const errors: unknown[] = [];
    this.#release(errors);
    this.#settle();
    if (errors.length > 0) throw errors[0];
  }

  #release(errors: unknown[]): void {
    for (const child of this.#busy) child.#release(errors);
    this.#busy.clear();
    for (const release of this.#releases) {
      try {
        release();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#releases.clear();
  }

  /** Parents forget those below them that have nothing more to release. */
  #settle(): void {
    for (let grant: Grant = this; grant.#parent !== undefined; grant = grant.#parent) {
      if (grant.#busy.size > 0 || grant.#releases.size > 0) return;
      grant.#parent.#busy.delete(grant);
    }
  }
}

/** What a table holds. */
export abstract class Capability {
  abstract readonly kind: CapKind;
  protected readonly grant: Grant;

  constructor(grant: Grant) {
    this.grant = grant;
  }

  /** False once this, or what it was made from, was revoked. */
  get live(): boolean {
    return this.grant.ended === undefined;
  }

  /** Ends it and every capability made from it: their calls throw "disconnected" from now on. */
  revoke(reason?: string): void {
    this.grant.revoke(reason);
  }
}

/** @throws {CapException} invalidArgument: not a whole number from 0 */
export function checkCount(value: number, syscall: string, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new CapException("invalidArgument", syscall, `${name} is not a whole number from 0.`);
}

/** @throws {CapException} invalidArgument: not bytes */
export function checkBytes(value: Uint8Array, syscall: string): void {
  if (value instanceof Uint8Array) return;
  throw new CapException("invalidArgument", syscall, "the data is not a Uint8Array.");
}
