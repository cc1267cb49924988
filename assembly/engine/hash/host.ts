/** What the hashes ask of the host: import module "host", as engine/host has the rest. */

/**
 * Writes the SHA-256 of `length` bytes at `out`; 0, or a negative errno if the host has no fast
 * one.
 */
export declare function sha256(address: usize, length: u32, out: usize): i32;
