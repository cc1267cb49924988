/**
 * Errors over the border of a thread or a page: structured clone drops what an Error has beside
 * its message, so they travel as plain objects, also fit for JSON, and arrive as what they were.
 */
import { type Fault, Refusal, StorageError } from "../errors.ts";

/** An error as plain data. */
export interface CarriedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly path?: string;
  readonly hint?: string;
  readonly fault?: Fault;
  readonly lostSince?: number;
  /** A Refusal: nothing was written. */
  readonly refused?: true;
  readonly cause?: CarriedError;
}

/** Causes behind one another that travel along; a longer chain, or a circle, is cut. */
const DEPTH_MAX = 8;

/** `error`, whatever was thrown, as plain data. */
export function packError(error: unknown, depth = 0): CarriedError {
  if (!isErrorLike(error)) return { name: "Error", message: String(error) };
  const packed: { -readonly [Key in keyof CarriedError]: CarriedError[Key] } = {
    name: error.name,
    message: error.message,
  };
  if (typeof error.stack === "string") packed.stack = error.stack;
  if (typeof error.code === "string") packed.code = error.code;
  if (typeof error.errno === "number") packed.errno = error.errno;
  if (typeof error.syscall === "string") packed.syscall = error.syscall;
  if (typeof error.path === "string") packed.path = error.path;
  if (error instanceof StorageError) {
    if (error.hint !== undefined) packed.hint = error.hint;
    if (error.fault !== undefined) packed.fault = { ...error.fault };
    if (error.lostSince !== undefined) packed.lostSince = error.lostSince;
    if (error instanceof Refusal) packed.refused = true;
  }
  if (error.cause !== undefined && depth < DEPTH_MAX) {
    packed.cause = packError(error.cause, depth + 1);
  }
  return packed;
}

/** The error that `packed` tells of: a StorageError or Refusal where it was one. */
export function unpackError(packed: CarriedError): Error {
  const { name, message, stack, code, errno, syscall, path, hint, fault, lostSince } = packed;
  const cause = packed.cause === undefined ? undefined : unpackError(packed.cause);
  let error: Error;
  if (packed.name === "StorageError" && errno !== undefined && syscall !== undefined) {
    const Class = packed.refused === true ? Refusal : StorageError;
    error = new Class(errno, syscall, { message, path, hint, fault, cause });
    // Some have a name of Node's own, such as ERR_FS_EISDIR.
    if (code !== undefined) Object.assign(error, { code });
    if (lostSince !== undefined) (error as StorageError).lostSince = lostSince;
  } else {
    error = cause === undefined ? new Error(message) : new Error(message, { cause });
    const told = { code, errno, syscall, path };
    for (const [key, value] of Object.entries(told)) {
      if (value !== undefined) Object.assign(error, { [key]: value });
    }
    if (name !== "Error") Object.defineProperty(error, "name", { value: name, configurable: true });
  }
  // Where it happened is worth more than where it arrived.
  if (stack !== undefined) error.stack = stack;
  return error;
}

interface ErrorLike {
  readonly name: string;
  readonly message: string;
  readonly stack?: unknown;
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly syscall?: unknown;
  readonly path?: unknown;
  readonly cause?: unknown;
}

/** Also a DOMException, and an Error of another realm. */
function isErrorLike(value: unknown): value is ErrorLike {
  if (typeof value !== "object" || value === null) return false;
  const { name, message } = value as { name?: unknown; message?: unknown };
  return typeof name === "string" && typeof message === "string";
}
