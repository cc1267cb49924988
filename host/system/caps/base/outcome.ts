/**
 * What a call through a capability can come to, in three layers that are never mixed.
 *
 * 1. TransportStatus: the call did not reach a capability (stale handle, bad buffer, no such
 *    method). A negative number at the boundary of a service.
 * 2. CapException: the capability was reached and could not do its work: revoked, device failed,
 *    argument outside what is documented. Thrown.
 * 3. Outcome: what a correct program must expect: not found, exists, denied, conflict. Returned.
 *
 * The text of all three is for people. It names only what the caller named: no path above a
 * narrowed directory, no device, no address.
 */
import { failure, StorageError } from "../../../base/errors.ts";

/** Layer 3, in an order that never changes: the number of a code is its place here, from 1. */
export const OUTCOME_CODES = [
  "not-found",
  "exists",
  "not-directory",
  "is-directory",
  "not-empty",
  "denied",
  "invalid",
  "conflict",
  "stale-epoch",
  "no-space",
  "too-large",
] as const;
export type OutcomeCode = (typeof OUTCOME_CODES)[number];

/** Layer 2, in an order that never changes: the number of a kind is its place here, from 1. */
export const EXCEPTION_KINDS = [
  "failed",
  "overloaded",
  "disconnected",
  "unimplemented",
  "invalidArgument",
] as const;
/** What a client does about it: give up, try later, ask for a new capability, do without, mend. */
export type ExceptionKind = (typeof EXCEPTION_KINDS)[number];

/** Layer 1, as a service sees it. */
export const TransportStatus = {
  OK: 0,
  /** The handle was never given out, or what it named was dropped or revoked. */
  STALE_HANDLE: -1,
  /** A buffer lies outside the memory of the service. */
  BAD_BUFFER: -2,
  /** The capability behind the handle does not have this method. */
  UNKNOWN_METHOD: -3,
  /** The request does not have the form that the method takes. */
  BAD_REQUEST: -4,
} as const;
export type TransportStatus = (typeof TransportStatus)[keyof typeof TransportStatus];

export interface Refused {
  readonly ok: false;
  readonly code: OutcomeCode;
  readonly reason: string;
}

/** Layer 3: a value, or the ordinary reason why there is none. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | Refused;

export function ok(): Outcome<void>;
export function ok<T>(value: T): Outcome<T>;
export function ok<T>(value?: T): Outcome<T | undefined> {
  return { ok: true, value };
}

export function refused(code: OutcomeCode, reason: string): Refused {
  return { ok: false, code, reason };
}

/** The value, where the host knows no other outcome; else a StorageError that says the reason. */
export function unwrap<T>(outcome: Outcome<T>, syscall = "call"): T {
  if (outcome.ok) return outcome.value;
  throw failure(ERRNO_OF_OUTCOME[outcome.code], syscall, `${outcome.reason}.`);
}

const ERRNO_OF_KIND = {
  failed: "EIO",
  overloaded: "EAGAIN",
  disconnected: "ESTALE",
  unimplemented: "EOPNOTSUPP",
  invalidArgument: "EINVAL",
} as const;

const ERRNO_OF_OUTCOME = {
  "not-found": "ENOENT",
  exists: "EEXIST",
  "not-directory": "ENOTDIR",
  "is-directory": "EISDIR",
  "not-empty": "ENOTEMPTY",
  denied: "EROFS",
  invalid: "EINVAL",
  conflict: "EBUSY",
  "stale-epoch": "ESTALE",
  "no-space": "ENOSPC",
  "too-large": "EFBIG",
} as const;

/** Layer 2. `cause` is what happened underneath, for the host; a service never sees it. */
export class CapException extends StorageError {
  override readonly name: string = "CapException";
  readonly kind: ExceptionKind;

  constructor(kind: ExceptionKind, syscall: string, sentence: string, cause?: unknown) {
    const { errno } = failure(ERRNO_OF_KIND[kind], syscall, sentence);
    super(errno, syscall, { message: `${kind}: ${syscall}: ${sentence}`, cause });
    this.kind = kind;
  }
}

/**
 * Thrown by what stands behind a capability to be answered as exactly this outcome. Its message is
 * shown to the service.
 */
export class OutcomeError extends StorageError {
  readonly outcome: OutcomeCode;

  constructor(outcome: OutcomeCode, syscall: string, reason: string) {
    const { errno } = failure(ERRNO_OF_OUTCOME[outcome], syscall, reason);
    super(errno, syscall, { message: reason });
    this.outcome = outcome;
  }
}

const OUTCOME_OF_ERRNO: Readonly<Record<string, OutcomeCode>> = {
  ENOENT: "not-found",
  EEXIST: "exists",
  ENOTDIR: "not-directory",
  EISDIR: "is-directory",
  ENOTEMPTY: "not-empty",
  EROFS: "denied",
  EPERM: "denied",
  EACCES: "denied",
  ELOOP: "denied",
  EINVAL: "invalid",
  ENAMETOOLONG: "invalid",
  EILSEQ: "invalid",
  EXDEV: "invalid",
  EBUSY: "conflict",
  ENOSPC: "no-space",
  EFBIG: "too-large",
  E2BIG: "too-large",
  EOVERFLOW: "too-large",
  EMLINK: "too-large",
};

const KIND_OF_ERRNO: Readonly<Record<string, ExceptionKind>> = {
  EAGAIN: "overloaded",
  ENOMEM: "overloaded",
  ESTALE: "disconnected",
  EBADF: "disconnected",
  EOPNOTSUPP: "unimplemented",
};

const WORDS: Readonly<Record<OutcomeCode, string>> = {
  "not-found": "not found",
  exists: "is there already",
  "not-directory": "not a directory",
  "is-directory": "is a directory",
  "not-empty": "the directory is not empty",
  denied: "not permitted",
  invalid: "not valid here",
  conflict: "in use",
  "stale-epoch": "the epoch is stale",
  "no-space": "no space is left",
  "too-large": "too large",
};

/**
 * Runs `act` and sorts what it throws into the layers.
 *
 * @param subject what the caller named, for the text of a refusal
 * @throws {CapException} what happened is no ordinary outcome
 */
export function attempt<T>(syscall: string, subject: string, act: () => Outcome<T>): Outcome<T> {
  try {
    return act();
  } catch (error) {
    return sorted(error, syscall, subject);
  }
}

function sorted(error: unknown, syscall: string, subject: string): Refused {
  if (error instanceof OutcomeError) return refused(error.outcome, error.message);
  // Anything else than a StorageError is a bug of ours, and no outcome.
  if (error instanceof CapException || !(error instanceof StorageError)) throw error;
  const outcome = OUTCOME_OF_ERRNO[error.code];
  if (outcome !== undefined) {
    return refused(outcome, subject === "" ? WORDS[outcome] : `'${subject}': ${WORDS[outcome]}`);
  }
  const kind = causeKind(error) ?? KIND_OF_ERRNO[error.code] ?? "failed";
  const reason = error.fault?.reason;
  const because = reason === undefined || reason === "NONE" ? "" : `, ${reason}`;
  throw new CapException(
    kind,
    syscall,
    `what is behind it failed (${error.code}${because}).`,
    error,
  );
}

/** A device that is closed answers EIO; that it is gone is said by the cause. */
function causeKind(error: StorageError): ExceptionKind | undefined {
  const { cause } = error;
  if (error.code !== "EIO" || !(cause instanceof StorageError)) return undefined;
  return cause.code === "EBADF" ? "disconnected" : undefined;
}
