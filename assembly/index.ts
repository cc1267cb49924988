/**
 * The ABI: what api/ exports. Mirrored by docs/abi.md. The order, hashes first, is that of the code
 * in the module, and the one that compresses best.
 */
// biome-ignore-all assist/source/organizeImports: see above
export * from "./api/hash";
export * from "./api/gpt";
export * from "./api/region";
export * from "./api/store";
export * from "./api/files";
export * from "./api/changes";
export * from "./api/image";
export * from "./api/fat";
export * from "./api/engine";
