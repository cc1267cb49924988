/** The functions media.wasm exports, as the host sees them. Mirrors docs/abi.md. */
import type { EngineExports } from "../exports.ts";
import type { Ext4ChangeExports } from "./ext4/change.ts";

/** A type alias, because the loader's generic wants an index signature. */
export type MediaExports = EngineExports &
  Xxh64Exports &
  UnpackExports &
  IsoExports &
  IsoBuildExports &
  Ext4Exports &
  Ext4ChangeExports &
  Ext4BuildExports;

/** assembly/api/media/hash.ts */
export type Xxh64Exports = {
  xxh64StreamBegin(state: number): void;
  xxh64StreamUpdate(state: number, address: number, length: number): number;
  xxh64StreamEnd(state: number, address: number, length: number, total: number): number;
};

/** assembly/api/media/unpack.ts */
export type UnpackExports = {
  zstdBegin(windowBytes: number): number;
  zstdBlock(frame: number, type: number, address: number, length: number): number;
  zstdContent(frame: number): number;
  zstdEnd(frame: number): void;
  gzipBegin(): number;
  gzipRoom(file: number): number;
  gzipRoomBytes(file: number): number;
  gzipFed(file: number, length: number): void;
  gzipStep(file: number, isLast: number): number;
  gzipContent(file: number): number;
  gzipReason(file: number): number;
  gzipEnd(file: number): void;
};

/** assembly/api/media/iso.ts */
export type IsoExports = {
  isoOpen(device: number, base: number, sectors: number, names: number): number;
  isoClose(volume: number): number;
  isoInfo(volume: number, out: number): number;
  isoStat(volume: number, path: number, length: number, out: number): number;
  isoList(
    volume: number,
    path: number,
    length: number,
    from: number,
    out: number,
    size: number,
  ): number;
  isoFileOpen(volume: number, path: number, length: number): number;
  isoFileRead(file: number, offset: number, out: number, length: number): number;
  isoFileBytes(file: number): number;
  isoFileClose(file: number): number;
};

/** assembly/api/media/build.ts */
export type IsoBuildExports = {
  isoBuild(
    device: number,
    base: number,
    sectors: number,
    timestamp: number,
    label: number,
    labelLength: number,
  ): number;
  isoBuildNode(
    build: number,
    parent: number,
    type: number,
    mode: number,
    bytes: number,
    name: number,
    nameLength: number,
  ): number;
  isoBuildLayout(build: number, bootSectors: number): number;
  isoBuildPlaces(build: number, out: number): number;
  isoBuildWrite(build: number, address: number, length: number): number;
  isoBuildFinish(build: number): number;
  isoBuildEnd(build: number): void;
};

/** assembly/api/media/ext4.ts */
export type Ext4Exports = {
  ext4Open(device: number, base: number, sectors: number, readOnly: number): number;
  ext4Close(volume: number): number;
  ext4Info(volume: number, out: number): number;
  ext4Stat(volume: number, path: number, length: number, follow: number, out: number): number;
  ext4List(
    volume: number,
    path: number,
    length: number,
    from: number,
    out: number,
    size: number,
  ): number;
  ext4Xattrs(
    volume: number,
    path: number,
    length: number,
    follow: number,
    out: number,
    size: number,
  ): number;
  ext4FileOpen(volume: number, path: number, length: number): number;
  ext4FileRead(file: number, offset: number, out: number, length: number): number;
  ext4FileBytes(file: number): number;
  ext4FileClose(file: number): number;
  ext4Check(volume: number): number;
  ext4Finding(index: number): number;
  ext4CheckEnd(): void;
};

/** assembly/api/media/ext4-build.ts */
export type Ext4BuildExports = {
  ext4Build(device: number, base: number, sectors: number, options: number): number;
  ext4BuildNode(
    build: number,
    node: number,
    name: number,
    nameLength: number,
    target: number,
    targetLength: number,
  ): number;
  ext4BuildXattr(
    build: number,
    node: number,
    name: number,
    nameLength: number,
    value: number,
    valueLength: number,
  ): number;
  ext4BuildLayout(build: number): number;
  ext4BuildFacts(build: number, out: number): number;
  ext4BuildWrite(build: number, address: number, length: number): number;
  ext4BuildFinish(build: number): number;
  ext4BuildEnd(build: number): void;
};
