/**
 * The one error type of the host: Node's fields, and a sentence that says what, where, why, what
 * to do.
 */
import { ErrorCode } from "../../assembly/format/errors.ts";

/** Where on a device, and why there: what the core's fault report says. */
export interface Fault {
  /** Name of a Reason of assembly/format/abi, such as "CHECKSUM". */
  readonly reason: string;
  /** Name of the device, if the fault has a place on one. */
  readonly device?: string;
  /** Sector of the device, units of 512 bytes. */
  readonly lba?: number;
  readonly detail?: number;
}

export interface StorageErrorOptions {
  readonly path?: string | undefined;
  readonly cause?: unknown;
  readonly fault?: Fault | undefined;
  readonly message?: string | undefined;
  /** What the person can do about it: a full sentence or an option's name. */
  readonly hint?: string | undefined;
}

/** An error of storage, the system above it or the request itself, shaped like Node's own. */
export class StorageError extends Error {
  override readonly name: string = "StorageError";
  /** Name of the ErrorCode, such as "EBADMSG". */
  readonly code: string;
  /** Negative Linux errno. */
  readonly errno: number;
  readonly syscall: string;
  // Declared only, so that what an error does not have is not there, not undefined.
  declare readonly path?: string;
  declare readonly fault?: Fault;
  declare readonly hint?: string;
  /** The last durable epoch: what was answered since is lost, and reopen() goes on from there. */
  declare lostSince?: number;

  constructor(errno: number, syscall: string, options: StorageErrorOptions = {}) {
    const code = codeName(errno);
    const { cause } = options;
    const message = options.message ?? sentence(code, syscall, options);
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    if (options.path !== undefined) this.path = options.path;
    if (options.fault !== undefined) this.fault = options.fault;
    if (options.hint !== undefined) this.hint = options.hint;
    const { fault } = options;
    if (fault?.reason === "LOST_SINCE" && fault.detail !== undefined) this.lostSince = fault.detail;
  }
}

/** Throws a StorageError when `result` is an error code; otherwise returns it, a count or OK. */
export function check(result: number, syscall: string, options: StorageErrorOptions = {}): number {
  if (result >= 0) return result;
  throw new StorageError(result, syscall, options);
}

/** A StorageError with a sentence of its own. */
export function failure(
  code: keyof typeof ErrorCode,
  syscall: string,
  message: string,
  options: StorageErrorOptions = {},
): StorageError {
  const hint = options.hint === undefined ? "" : ` ${options.hint}`;
  return new StorageError(ErrorCode[code], syscall, {
    ...options,
    message: `${code}: ${message}${hint}`,
  });
}

/** Refused for safety: nothing was written. The command line exits with 4. */
export class Refusal extends StorageError {}

/** A Refusal with its reason and, in `hint`, the option that overrides it, if one may. */
export function refusal(
  code: keyof typeof ErrorCode,
  syscall: string,
  message: string,
  options: StorageErrorOptions = {},
): Refusal {
  const hint = options.hint === undefined ? "" : ` ${options.hint}`;
  return new Refusal(ErrorCode[code], syscall, {
    ...options,
    message: `refused: ${message}${hint}`,
  });
}

/** What the operating system said, as a StorageError of the same code, itself the cause. */
export function systemFailure(cause: unknown, syscall: string, path: string): StorageError {
  if (cause instanceof StorageError) return cause;
  const { code = "EIO", message } = cause as { code?: string; message: string };
  const errno = (ErrorCode as unknown as Record<string, number>)[code] ?? ErrorCode.EIO;
  return new StorageError(errno, syscall, { path, cause, message });
}

/** The name of an errno, as Node writes it. */
export function codeName(errno: number): string {
  return ErrorCode[errno] ?? "EIO";
}

function sentence(code: string, syscall: string, options: StorageErrorOptions): string {
  const { path, fault } = options;
  const parts = [`${code}: ${syscall}`];
  if (path !== undefined) parts.push(`'${path}'`);
  if (fault?.lba !== undefined) parts.push(`on ${fault.device ?? "device"} at LBA ${fault.lba}`);
  if (fault !== undefined && fault.reason !== "NONE") {
    const detail = fault.detail ? `, detail 0x${fault.detail.toString(16)}` : "";
    parts.push(`(${fault.reason.toLowerCase().replaceAll("_", " ")}${detail})`);
  }
  return parts.join(" ");
}
