/** Two formats in one pool: chunks change hands, both fill up, and both can always delete. */
import { expect, test } from "vitest";
import { ErrorCode } from "../../assembly/format/errors.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { RegionImage } from "../support/region.ts";
import { TREE, TreeCore } from "../support/tree.ts";

const EAGAIN = ErrorCode.EAGAIN;
const ENOSPC = ErrorCode.ENOSPC;

/** A region with an index of records and files of one extent each, by number. */
class Pool {
  readonly device: MemoryDevice;
  readonly tree: TreeCore;
  readonly files = new Map<number, { page: number; pages: number; birth: number }>();
  readonly records = new Set<number>();
  /** Epoch of the batch that freed a page last. */
  readonly freed = new Map<number, number>();
  reused = 0;
  region: number;
  readonly #info: number;

  constructor(sizeBytes: number) {
    this.device = new MemoryDevice({ size: sizeBytes });
    this.tree = new TreeCore(this.device);
    expect(this.tree.format({ files: true })).toBe(0);
    this.region = this.tree.open();
    this.#info = this.tree.core.memory.allocate(72);
  }

  commit(kind: number): void {
    const code = this.tree.exports.testCommit(this.region, kind);
    if (code !== 0) throw this.tree.core.error(code, `commit ${kind}`);
  }

  check(what: string): void {
    expect(this.tree.exports.regionCheck(this.region, 1), what).toBe(0);
  }

  putRecord(number: number): boolean {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, Math.imul(number + 1, 2654435761) >>> 0);
    let code = this.tree.put(this.region, TREE.ST_INDEX, key, new Uint8Array(400));
    if (code === EAGAIN) {
      this.commit(0);
      code = this.tree.put(this.region, TREE.ST_INDEX, key, new Uint8Array(400));
    }
    if (code === ENOSPC) return false;
    expect(code).toBe(0);
    this.records.add(number);
    return true;
  }

  dropRecord(number: number): void {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, Math.imul(number + 1, 2654435761) >>> 0);
    let code = this.tree.delete(this.region, TREE.ST_INDEX, key);
    if (code === EAGAIN) {
      this.commit(0);
      code = this.tree.delete(this.region, TREE.ST_INDEX, key);
    }
    expect(code, `record ${number}`).toBe(0);
    this.records.delete(number);
  }

  #reserve(pages: number, data: number, removal: number): number {
    const { testReserve } = this.tree.exports;
    const code = testReserve(this.region, 1, pages, data, removal);
    if (code !== EAGAIN) return code;
    this.commit(1);
    return testReserve(this.region, 1, pages, data, removal);
  }

  putFile(number: number, pages: number): boolean {
    const { exports } = this.tree;
    const code = this.#reserve(12, pages, 0);
    if (code === ENOSPC) return false;
    expect(code).toBe(0);
    const got = exports.testAllocate(this.region, pages);
    expect(got).toBeGreaterThan(0);
    const birth = this.#batchEpoch();
    const page = exports.testAllocated();
    for (let at = page; at < page + got; at++) {
      const freed = this.freed.get(at);
      if (freed === undefined) continue;
      expect(birth, `page ${at}, freed by ${freed}`).toBeGreaterThanOrEqual(freed + 2);
      this.reused += 1;
    }
    const value = Buffer.alloc(16 + 8 * got);
    value.writeUInt32LE(page, 0);
    value.writeUInt16LE(got, 6);
    value.writeBigUInt64LE(BigInt(birth), 8);
    expect(this.tree.change(this.region, TREE.WF_FILES, this.#key(number), value)).toBe(0);
    this.files.set(number, { page, pages: got, birth });
    return true;
  }

  dropFile(number: number): void {
    const { page, pages, birth } = this.files.get(number) ?? { page: 0, pages: 0, birth: 0 };
    expect(this.#reserve(12, 0, 1), `file ${number}`).toBe(0);
    expect(this.tree.exports.testFree(this.region, page, pages, birth)).toBe(0);
    const epoch = this.#batchEpoch();
    for (let at = page; at < page + pages; at++) {
      if (birth === epoch) this.freed.delete(at);
      else this.freed.set(at, epoch);
    }
    expect(this.tree.change(this.region, TREE.WF_FILES, this.#key(number))).toBe(0);
    this.files.delete(number);
  }

  /** The epoch that the open batch of the filesystem will have. */
  #batchEpoch(): number {
    const { core } = this.tree;
    core.exports.regionInfo(this.region, this.#info);
    return core.memory.view.getFloat64(this.#info + 0x20, true) + 1;
  }

  #key(number: number): Uint8Array {
    const key = Buffer.alloc(17);
    key.writeUInt32BE(16 + number, 4);
    key[8] = 4;
    return key;
  }

  reopen(): void {
    expect(this.tree.exports.regionClose(this.region)).toBe(0);
    this.region = this.tree.open();
    expect(this.region).toBeGreaterThan(0);
  }
}

/** Fills one format until it takes no more, with a commit every few changes; what it took. */
function fill(pool: Pool, kind: number): number {
  let count = 0;
  while (kind === 0 ? pool.putRecord(count) : pool.putFile(count, 1 + (count % 3))) {
    if (++count % 7 === 0) pool.commit(kind);
  }
  pool.commit(kind);
  return count;
}

test.each([
  ["store first", 0, 1],
  ["files first", 1, 0],
])(
  "with both formats full, %s, each deletes everything, and the space comes back",
  (_name, one, two) => {
    const pool = new Pool(2 << 20);
    const first = fill(pool, one);
    const second = fill(pool, two);
    expect(first).toBeGreaterThan(30);
    pool.check("full");
    pool.reopen();
    pool.check("full, opened again");
    const { files, records } = pool;
    for (const number of [...files.keys()]) {
      pool.dropFile(number);
      if (number % 5 === 0) pool.commit(1);
    }
    pool.commit(1);
    pool.check("no files");
    for (const number of [...records]) {
      pool.dropRecord(number);
      if (number % 11 === 0) pool.commit(0);
    }
    pool.commit(0);
    pool.check("no records");
    expect(pool.tree.list(pool.region, TREE.ST_INDEX)).toEqual([]);
    // What WF gave back may be granted again: the second filling is nearly as large.
    expect(fill(pool, one)).toBeGreaterThan(first * 0.8);
    expect(second).toBeGreaterThanOrEqual(0);
    pool.check("filled again");
  },
);

test("a full store gets back the chunks that an emptied filesystem does not need", () => {
  const pool = new Pool(4 << 20);
  const files = fill(pool, 1);
  const before = fill(pool, 0);
  for (const number of [...pool.files.keys()]) pool.dropFile(number);
  pool.commit(1);
  for (let round = 0; round < 4; round++) {
    pool.putFile(0, 1);
    pool.commit(1);
    pool.dropFile(0);
    pool.commit(1);
  }
  let after = before;
  while (pool.putRecord(after)) {
    if (++after % 7 === 0) pool.commit(0);
  }
  pool.commit(0);
  expect(files).toBeGreaterThan(100);
  expect(after).toBeGreaterThan(before + 50);
  pool.check("after the returns");
  pool.reopen();
  pool.check("after the returns, opened again");
});

test("a grant is carried by both views of the store before WF adopts it", () => {
  const pool = new Pool(2 << 20);
  for (let number = 0; number < 40; number++) {
    if (!pool.putFile(number, 3)) break;
    pool.commit(1);
    const image = new RegionImage(pool.device.bytes());
    const [st, wf] = [image.newest(0), image.newest(256)];
    const owners = image.chunks(st);
    for (const [chunk] of image.chunks(wf)) {
      const entry = owners.get(chunk);
      expect(entry?.owner, `chunk ${chunk}`).toBe(4);
      expect(entry?.changed).toBeLessThan(st.epoch);
    }
    expect(wf.grantSeq).toBe(st.grantSeq);
  }
  expect(pool.files.size).toBeGreaterThan(10);
});

test("a freed page is given out again by the second batch after at the earliest, and then it is", () => {
  const pool = new Pool(2 << 20);
  for (let round = 0; round < 60; round++) {
    for (let number = round; number < round + 4; number++) {
      if (pool.files.has(number % 9)) pool.dropFile(number % 9);
      expect(pool.putFile(number % 9, 1 + (round % 3))).toBe(true);
    }
    pool.commit(1);
  }
  expect(pool.reused).toBeGreaterThan(100);
  pool.check("end");
});
