/**
 * What page and worker say to each other: calls with an id, their events and answers, and errors
 * that keep Node's fields on the way.
 *
 * ```
 * page                         worker
 *  call 7 install  ----------->
 *  cancel 7        ----------->  aborts the call's signal
 *                  <-----------  event 7 (progress), as often as the call likes
 *                  <-----------  result 7  or  error 7
 *                  <-----------  notice (what belongs to no call: a new state, a console line)
 * ```
 */
import { type Fault, Refusal, StorageError } from "../../base/errors.ts";

export type FromPage =
  | { readonly kind: "call"; readonly id: number; readonly method: string; readonly args: unknown }
  | { readonly kind: "cancel"; readonly id: number };

export type FromWorker =
  | { readonly kind: "event"; readonly id: number; readonly event: unknown }
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: WireError }
  | { readonly kind: "notice"; readonly notice: unknown };

/** An error as it crosses the border: structured cloning would lose its class and fields. */
export interface WireError {
  readonly refused: boolean;
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly path?: string | undefined;
  readonly hint?: string | undefined;
  readonly fault?: Fault | undefined;
  readonly stack?: string | undefined;
  readonly cause?: WireError | undefined;
}

/** What Worker, MessagePort and the worker's own scope have in common. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** Causes deeper than this are left out: nobody reads them, and a cycle must end. */
const CAUSES_MAX = 4;

/** The error as a plain object. */
export function toWire(thrown: unknown, depth = 0): WireError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack, cause } = error;
  const { code, errno, syscall, path, hint, fault } = error as Partial<StorageError>;
  const below = cause instanceof Error && depth < CAUSES_MAX ? toWire(cause, depth + 1) : undefined;
  return {
    ...{ refused: error instanceof Refusal, name, message, stack, cause: below },
    code: typeof code === "string" ? code : undefined,
    ...{ errno, syscall, path, hint, fault },
  };
}

/** The error again: a StorageError or Refusal if it was one, with the same code and fields. */
export function fromWire(wire: WireError): Error {
  const { name, message, errno, syscall = "call", path, hint, fault, stack } = wire;
  const cause = wire.cause === undefined ? undefined : fromWire(wire.cause);
  const isOurs = wire.code !== undefined && errno !== undefined;
  const Kind = wire.refused ? Refusal : StorageError;
  const options = { message, path, hint, fault, cause };
  const error = isOurs
    ? new Kind(errno, syscall, options)
    : Object.assign(new Error(message, { cause }), { name });
  if (stack !== undefined) error.stack = stack;
  return error;
}
