/**
 * Result codes of the ABI: Linux errno, negative, so that a count can share the return value.
 * Read by asc and by tsc, so it imports nothing.
 */
export enum ErrorCode {
  OK = 0,
  /** The operation is not permitted on this object. */
  EPERM = -1,
  /** The thing asked for is not there. */
  ENOENT = -2,
  /** The device failed to read, write or flush; the host keeps the cause. */
  EIO = -5,
  /** An argument list or value is larger than the format takes. */
  E2BIG = -7,
  /** The bytes are no program that may run here. */
  ENOEXEC = -8,
  /** The handle is not open, or not open for this. */
  EBADF = -9,
  /** The operation was cut short by a limit of this call; call again. */
  EAGAIN = -11,
  /** No memory: the arena may not grow further. */
  ENOMEM = -12,
  /** The host's operating system refuses access. */
  EACCES = -13,
  /** The thing is in use, or pinned. */
  EBUSY = -16,
  /** The thing is there already. */
  EEXIST = -17,
  /** A rename or link would cross from one filesystem to another. */
  EXDEV = -18,
  /** A directory was needed. */
  ENOTDIR = -20,
  /** A directory was given where a file is needed. */
  EISDIR = -21,
  /** An argument lies outside what the call takes. */
  EINVAL = -22,
  /** A file or object would grow past the largest size. */
  EFBIG = -27,
  /** No space is left. */
  ENOSPC = -28,
  /** The device or filesystem is read-only. */
  EROFS = -30,
  /** Too many links. */
  EMLINK = -31,
  /** A number lies outside the device or structure. */
  ERANGE = -34,
  /** A name is longer than the format takes. */
  ENAMETOOLONG = -36,
  /** The directory still has entries. */
  ENOTEMPTY = -39,
  /** Too many symbolic links on the way. */
  ELOOP = -40,
  /** No attribute of that name. */
  ENODATA = -61,
  /** A checksum, magic or invariant on the disk does not hold. */
  EBADMSG = -74,
  /** A number does not fit its field. */
  EOVERFLOW = -75,
  /** A name is not valid UTF-8. */
  EILSEQ = -84,
  /** The device or format does not have this operation. */
  EOPNOTSUPP = -95,
  /** The other side did not answer in time. */
  ETIMEDOUT = -110,
  /** The handle belongs to a state that was thrown away, or a second writer was detected. */
  ESTALE = -116,
  /** No recognised structure is on the medium. */
  EMEDIUMTYPE = -124,
  /** The call was cancelled by its caller. */
  ECANCELED = -125,
  /** It is unknown whether the commit is durable; it is not aborted. */
  EUNKNOWN = -4094,
}
