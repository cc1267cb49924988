/** The functions core.wasm exports, as the host sees them. Mirrors docs/abi.md. */

/** A type alias, because the loader's generic wants an index signature. */
export type CoreExports = EngineExports &
  HashExports &
  RegionExports &
  StoreExports &
  FilesExports &
  ImageExports &
  GptExports &
  FatExports;

export type EngineExports = {
  readonly memory: WebAssembly.Memory;
  abiVersion(): number;
  allocate(size: number): number;
  release(address: number, size: number): void;
  arenaLimit(bytes: number): void;
  arenaUsedBytes(): number;
  faultAddress(): number;
};

/** assembly/api/hash.ts */
export type HashExports = Record<never, never>;

/** assembly/api/region.ts */
export type RegionExports = Record<never, never>;

/** assembly/api/store.ts */
export type StoreExports = Record<never, never>;

/** assembly/api/files.ts */
export type FilesExports = Record<never, never>;

/** assembly/api/image.ts */
export type ImageExports = Record<never, never>;

/** assembly/api/gpt.ts */
export type GptExports = Record<never, never>;

/** assembly/api/fat.ts */
export type FatExports = Record<never, never>;
