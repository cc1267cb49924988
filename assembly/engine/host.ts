/**
 * Everything the core asks of its host: import module "host". docs/abi.md says what each must do.
 * Its sha256 is declared beside its only caller, engine/hash/host.
 */

/**
 * Carries out `count` requests (format/abi REQUEST) at `requests`, in any order; 0 or a negative
 * errno.
 */
export declare function submit(device: u32, requests: usize, count: u32): i32;

/** Writes CONFIG of `device` at `out`; 0, or ENOENT (-2) if there is no such device. */
export declare function config(device: u32, out: usize): i32;

/** Fills `length` bytes with random ones (session ids, uuids). */
export declare function random(out: usize, length: u32): void;

/** Writes the wall clock at `out`: i64, ns since 1970 UTC. */
export declare function clock(out: usize): void;
