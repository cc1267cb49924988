/** The ABI: what api/ exports. Mirrored by docs/abi.md. */
export * from "./api/changes";
export * from "./api/engine";
export * from "./api/fat";
export * from "./api/files";
export * from "./api/gpt";
export * from "./api/hash";
export * from "./api/image";
export * from "./api/region";
export * from "./api/store";
