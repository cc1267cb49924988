/** The ABI of media.wasm: foreign filesystems, what api/media exports. Mirrored by docs/abi.md. */

export * from "./api/engine";
export * from "./api/media/build";
export * from "./api/media/ext4";
export * from "./api/media/ext4-build";
export * from "./api/media/ext4-change";
export * from "./api/media/ext4-check";
export * from "./api/media/hash";
export * from "./api/media/iso";
export * from "./api/media/unpack";
