/** What browsers answer where a handle cannot do what it is asked: DOMException, TypeError. */
import { StorageError } from "../../base/errors.ts";

/** Names of DOMException by code; a code that is not here is an OperationError. */
const NAMES: Readonly<Record<string, string>> = {
  ENOENT: "NotFoundError",
  ENOTDIR: "TypeMismatchError",
  EISDIR: "TypeMismatchError",
  ENOTEMPTY: "InvalidModificationError",
  EBUSY: "NoModificationAllowedError",
  EROFS: "NotAllowedError",
  ENOSPC: "QuotaExceededError",
  EFBIG: "QuotaExceededError",
  EIO: "NotReadableError",
  EBADMSG: "NotReadableError",
  EBADF: "InvalidStateError",
  ESTALE: "InvalidStateError",
  ECANCELED: "AbortError",
};

/** Codes that say that a name cannot be one. */
const NOT_A_NAME = ["ENAMETOOLONG", "EINVAL", "EILSEQ"];

/** A DOMException; `cause` is the StorageError behind it. */
export function domError(name: string, message: string, cause?: unknown): DOMException {
  const error = new DOMException(message, name);
  if (cause !== undefined) Object.defineProperty(error, "cause", { value: cause });
  return error;
}

/** Runs `use`; what the filesystem refuses becomes what a browser says. */
export async function asDom<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (NOT_A_NAME.includes(error.code)) throw new TypeError(error.message, { cause: error });
    throw domError(NAMES[error.code] ?? "OperationError", error.message, error);
  }
}
