/** The functions core.wasm exports, as the host sees them. Mirrors docs/abi.md. */
import type { FilesExports, ImageExports } from "./node/exports.ts";

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
export type HashExports = {
  crc32(crc: number, address: number, length: number): number;
  crc32c(crc: number, address: number, length: number): number;
  /** `out` holds the u64 seed before and the hash after. */
  xxh64At(address: number, length: number, out: number): void;
  sha256(address: number, length: number, out: number): void;
  sha256Own(address: number, length: number, out: number): void;
  /** `state`: SHA256_STATE_SIZE (112) bytes. */
  sha256Begin(state: number): void;
  sha256Update(state: number, address: number, length: number): void;
  sha256End(state: number, out: number): void;
  /** Four messages of one length; `out` takes 128 bytes. */
  sha256Four(a0: number, a1: number, a2: number, a3: number, length: number, out: number): void;
};

/** assembly/api/region.ts */
export type RegionExports = {
  /** `uuid`: 16 bytes; `timeNs`: an i64; `session`: a u64, or 0 for a random one. */
  regionFormat(
    device: number,
    base: number,
    sectors: number,
    uuid: number,
    designSectors: number,
    logSectors: number,
    withFiles: number,
    timeNs: number,
    session: number,
  ): number;
  regionOpen(device: number, base: number, sectors: number, flags: number): number;
  regionClose(region: number): number;
  regionAbandon(region: number): number;
  regionRest(region: number): number;
  regionInfo(region: number, out: number): number;
  regionOwners(region: number, out: number): number;
  regionCheck(region: number, flags: number): number;
  regionFinding(index: number): number;
  regionCheckEnd(): void;
  regionRepair(region: number): number;
  regionGrow(region: number): number;
};

/** assembly/api/store.ts */
export type StoreExports = {
  storeOpen(region: number, flags: number): number;
  storeClose(store: number): number;
  storeReopen(store: number): number;
  storeExchange(store: number): number;
  storeItems(store: number): number;
  storeStat(store: number): number;
  storeCommit(store: number): number;
  storePutBegin(store: number, count: number): number;
  storePutEnd(store: number, count: number, flags: number): number;
  storeStreamOpen(store: number, flags: number, length: number): number;
  storeStreamRoom(stream: number): number;
  storeStreamAdvance(stream: number, count: number): number;
  storeStreamEnd(stream: number): number;
  storeStreamCancel(stream: number): number;
  storeGet(store: number, flags: number): number;
  storeRead(store: number, length: number, flags: number): number;
  storeReaderOpen(store: number, flags: number): number;
  storeReaderNext(reader: number): number;
  storeReaderClose(reader: number): number;
  storeBlame(store: number): number;
  storeHas(store: number): number;
  storeDelete(store: number): number;
  storePin(store: number, change: number): number;
  storeList(store: number, limit: number, after: number): number;
  storeCompact(store: number): number;
  storeCollect(store: number, hashes: number, count: number): number;
  storeRebuild(store: number): number;
  storeVerifierOpen(store: number): number;
  storeVerifierNext(verifier: number, records: number): number;
  storeVerifierClose(verifier: number): number;
};

/** assembly/api/files.ts and assembly/api/image.ts */
export type { FilesExports, ImageExports } from "./node/exports.ts";

/** assembly/api/gpt.ts */
export type GptExports = {
  gptRead(device: number, lenient: number, out: number): number;
  gptEmpty(device: number, slots: number, out: number): number;
  gptWrite(device: number, table: number, length: number, sides: number, fresh: number): number;
  gptVerify(device: number, out: number): number;
  gptRepair(device: number, apply: number): number;
  gptSave(device: number, out: number): number;
  gptRestore(device: number, saved: number, length: number, apply: number): number;
  probeAt(device: number, base: number, sectors: number): number;
  blankAt(device: number, base: number, sectors: number): number;
};

/** assembly/api/fat.ts */
export type FatExports = {
  fatFormat(
    device: number,
    base: number,
    sectors: number,
    serial: number,
    clusterBytes: number,
    timestamp: number,
    label: number,
  ): number;
  fatOpen(
    device: number,
    base: number,
    sectors: number,
    readOnly: number,
    timestamp: number,
  ): number;
  fatClose(volume: number): number;
  fatFlush(volume: number): number;
  fatSpace(volume: number, out: number, count: number): number;
  fatStat(volume: number, path: number, length: number, out: number): number;
  fatList(
    volume: number,
    path: number,
    length: number,
    from: number,
    out: number,
    size: number,
  ): number;
  fatRead(
    volume: number,
    path: number,
    pathLength: number,
    offset: number,
    out: number,
    length: number,
  ): number;
  fatCreate(volume: number, path: number, length: number): number;
  fatWrite(writer: number, address: number, length: number): number;
  fatWriterClose(writer: number): number;
  fatWriterAbort(writer: number): number;
  fatMkdir(volume: number, path: number, length: number, recursive: number): number;
  fatRemove(volume: number, path: number, length: number): number;
  fatRename(volume: number, from: number, fromLength: number, to: number, toLength: number): number;
  fatCheck(volume: number): number;
  fatFinding(index: number): number;
  fatCheckEnd(): void;
};
