/** Regions at the level of trees: what core.test.wasm exports beyond the product. */
import { ErrorCode } from "../../assembly/format/errors.ts";
import type { Core } from "../../host/core/load.ts";
import type { BlockDevice } from "../../host/device/device.ts";
import { plantedCore } from "./core.ts";

/** assembly/testing/tree.ts */
interface TreeExports {
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
  regionRepair(region: number): number;
  regionGrow(region: number): number;
  regionCheck(region: number, flags: number): number;
  regionFinding(index: number): number;
  testReserve(region: number, kind: number, pages: number, data: number, removal: number): number;
  testChange(region: number, tree: number, k: number, kl: number, v: number, vl: number): number;
  testPut(region: number, tree: number, k: number, kl: number, v: number, vl: number): number;
  testDelete(region: number, tree: number, k: number, kl: number): number;
  testGet(region: number, tree: number, k: number, kl: number, out: number): number;
  testCommit(region: number, kind: number): number;
  testAbort(region: number, kind: number): void;
  testReopen(region: number, kind: number): number;
  testDirty(region: number, kind: number): number;
  testCursor(region: number, tree: number): number;
  testSeek(cursor: number, k: number, kl: number): number;
  testNext(cursor: number): number;
  testCursorClose(cursor: number): void;
  testAllocate(region: number, wanted: number): number;
  testAllocated(): number;
  testFree(region: number, page: number, count: number, birth: number): number;
  testPagesWrite(region: number, page: number, address: number, count: number): number;
  testPagesRead(region: number, page: number, address: number, count: number): number;
  testSpaceFrom(region: number, kind: number, first: number): number;
  testGrant(region: number, wanted: number): number;
}

export const OPEN = { READ_ONLY: 1, STRICT: 2, NO_FLUSH: 4, PREVIOUS: 8, REPAIR: 16 } as const;
export const TREE = { ST_INDEX: 1, ST_SPACE: 2, ST_REFS: 3, WF_FILES: 17, WF_SPACE: 18 } as const;
export const LOG_SECTORS = 128;
export const UUID = new Uint8Array(16).map((_, at) => at * 7 + 1);

/** A core with one device, for tests that go below the product's API. */
export class TreeCore {
  readonly core: Core;
  readonly exports: TreeExports;
  readonly device: number;
  readonly #buffer: number;

  constructor(device: BlockDevice, planted = 0) {
    this.core = plantedCore(planted);
    this.exports = this.core.exports as unknown as TreeExports;
    this.device = this.core.attach(device);
    this.#buffer = this.core.memory.allocate(8192);
  }

  format(options: { files?: boolean; logSectors?: number; designSectors?: number } = {}): number {
    const { bytes, view } = this.core.memory;
    bytes.set(UUID, this.#buffer);
    view.setBigInt64(this.#buffer + 16, 1_700_000_000_000_000_000n, true);
    view.setBigUint64(this.#buffer + 24, 77n, true);
    return this.exports.regionFormat(
      this.device,
      0,
      0,
      this.#buffer,
      options.designSectors ?? 0,
      options.logSectors ?? LOG_SECTORS,
      options.files ? 1 : 0,
      this.#buffer + 16,
      this.#buffer + 24,
    );
  }

  open(flags = 0): number {
    return this.exports.regionOpen(this.device, 0, 0, flags);
  }

  put(region: number, tree: number, key: Uint8Array, value: Uint8Array): number {
    const { bytes } = this.core.memory;
    bytes.set(key, this.#buffer);
    bytes.set(value, this.#buffer + 1024);
    const { testPut } = this.exports;
    return testPut(region, tree, this.#buffer, key.length, this.#buffer + 1024, value.length);
  }

  /** A put, or without a value a delete, under a reserve that was made before. */
  change(region: number, tree: number, key: Uint8Array, value?: Uint8Array): number {
    const { bytes } = this.core.memory;
    bytes.set(key, this.#buffer);
    if (value !== undefined) bytes.set(value, this.#buffer + 1024);
    const length = value?.length ?? 0xffffffff;
    const { testChange } = this.exports;
    return testChange(region, tree, this.#buffer, key.length, this.#buffer + 1024, length);
  }

  delete(region: number, tree: number, key: Uint8Array): number {
    this.core.memory.bytes.set(key, this.#buffer);
    return this.exports.testDelete(region, tree, this.#buffer, key.length);
  }

  /** The value, or a negative errno. */
  get(region: number, tree: number, key: Uint8Array): Uint8Array | number {
    this.core.memory.bytes.set(key, this.#buffer);
    const out = this.#buffer + 4096;
    const length = this.exports.testGet(region, tree, this.#buffer, key.length, out);
    return length < 0 ? length : this.core.memory.slice(out, length);
  }

  /** All records of a tree in order; throws the code of an error. */
  list(region: number, tree: number): [Uint8Array, Uint8Array][] {
    const cursor = this.exports.testCursor(region, tree) >>> 0;
    const records: [Uint8Array, Uint8Array][] = [];
    for (;;) {
      const code = this.exports.testNext(cursor);
      if (code === ErrorCode.ENOENT) break;
      if (code < 0) {
        this.exports.testCursorClose(cursor);
        throw new Error(ErrorCode[code]);
      }
      const { view } = this.core.memory;
      const word = (at: number) => view.getUint32(cursor + at, true);
      const key = this.core.memory.slice(word(8), word(12));
      records.push([key, this.core.memory.slice(word(16), word(20))]);
    }
    this.exports.testCursorClose(cursor);
    return records;
  }
}
