/** Errors of node:fs that have a name of Node's own instead of one of the operating system's. */
import { ErrorCode } from "../../../assembly/format/errors.ts";
import { StorageError, type StorageErrorOptions } from "../../base/errors.ts";

/** Each with the errno that is nearest. */
const CODES = {
  ABORT_ERR: ErrorCode.ECANCELED,
  ERR_DIR_CLOSED: ErrorCode.EBADF,
  ERR_FS_CP_DIR_TO_NON_DIR: ErrorCode.EISDIR,
  ERR_FS_CP_EEXIST: ErrorCode.EEXIST,
  ERR_FS_CP_EINVAL: ErrorCode.EINVAL,
  ERR_FS_CP_NON_DIR_TO_DIR: ErrorCode.ENOTDIR,
  ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY: ErrorCode.EINVAL,
  ERR_FS_EISDIR: ErrorCode.EISDIR,
} as const;

export type NodeCode = keyof typeof CODES;

/** A StorageError whose `code` is the one that callers of node:fs look for. */
export class NodeError extends StorageError {
  constructor(code: NodeCode, syscall: string, message: string, options: StorageErrorOptions = {}) {
    super(CODES[code], syscall, { ...options, message: `${code}: ${message}` });
    Object.assign(this, { code });
  }
}

/** Throws what node:fs answers once `signal` is aborted: an AbortError with the reason as cause. */
export function throwIfAborted(signal: AbortSignal | null | undefined, syscall: string): void {
  if (!signal?.aborted) return;
  const cause: unknown = signal.reason;
  const error = new NodeError("ABORT_ERR", syscall, "the signal was aborted.", { cause });
  throw Object.assign(error, { name: "AbortError" });
}
