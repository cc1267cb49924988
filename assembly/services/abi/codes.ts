/**
 * Numbers of the import module "cap": statuses, flags, records. Read by asc and by tsc, so it
 * imports nothing. docs/service-abi.md explains them.
 *
 * Every function answers an i32: a count or a handle from 0 up, or why there is none.
 *
 * | from | to   | layer                                                                  |
 * | ---: | ---: | ---------------------------------------------------------------------- |
 * |   -1 |  -99 | transport: the call did not reach a capability                         |
 * | -101 | -199 | outcome: what a correct program must expect; -100 less the code        |
 * | -201 | -299 | exception: the capability was reached and could not; -200 less the kind |
 */

/** Transport. The handle was never given out, or was dropped. */
export const STALE_HANDLE: i32 = -1;
/** A pointer and its length lie outside of the memory. */
export const BAD_BUFFER: i32 = -2;
/** The capability behind the handle does not have this function. */
export const UNKNOWN_METHOD: i32 = -3;
/** A number lies outside of what the function takes. */
export const BAD_REQUEST: i32 = -4;

/** The outcome of code n is OUTCOME_BASE - n. */
export const OUTCOME_BASE: i32 = -100;
export const NOT_FOUND: i32 = -101;
export const EXISTS: i32 = -102;
export const NOT_DIRECTORY: i32 = -103;
export const IS_DIRECTORY: i32 = -104;
export const NOT_EMPTY: i32 = -105;
export const DENIED: i32 = -106;
export const INVALID: i32 = -107;
export const CONFLICT: i32 = -108;
export const STALE_EPOCH: i32 = -109;
export const NO_SPACE: i32 = -110;
export const TOO_LARGE: i32 = -111;

/** The exception of kind n is EXCEPTION_BASE - n. */
export const EXCEPTION_BASE: i32 = -200;
export const FAILED: i32 = -201;
export const OVERLOADED: i32 = -202;
export const DISCONNECTED: i32 = -203;
export const UNIMPLEMENTED: i32 = -204;
export const INVALID_ARGUMENT: i32 = -205;

/** Flags of dir_open. */
export const OPEN_READ: i32 = 1;
export const OPEN_WRITE: i32 = 2;
export const OPEN_APPEND: i32 = 4;
export const OPEN_CREATE: i32 = 8;
export const OPEN_EXCLUSIVE: i32 = 16;
export const OPEN_TRUNCATE: i32 = 32;

/** Kinds of entries, in dir_list and dir_stat. */
export const KIND_FILE: i32 = 1;
export const KIND_DIRECTORY: i32 = 2;
export const KIND_SYMLINK: i32 = 3;

/** An entry of dir_list: u8 kind, u8 length of the name, the name. */
export const ENTRY_KIND: i32 = 0;
export const ENTRY_LENGTH: i32 = 1;
export const ENTRY_NAME: i32 = 2;

/** What dir_stat writes: u32 kind, u32 zero, u64 size in bytes, u64 milliseconds since 1970. */
export const STAT_KIND: i32 = 0;
export const STAT_SIZE_BYTES: i32 = 8;
export const STAT_MTIME_MS: i32 = 16;
export const STAT_SIZE: i32 = 24;

/** What block_info writes: u32 bytes of a block, u32 flags (1: read-only), u64 blocks. */
export const INFO_BLOCK_BYTES: i32 = 0;
export const INFO_FLAGS: i32 = 4;
export const INFO_BLOCKS: i32 = 8;
export const INFO_SIZE: i32 = 16;
