/**
 * A second reader of regions, written from the format's tables alone: it shares no code and no
 * constant with the core. Every structure is checked as it is read; what is wrong throws.
 */
const MASK = (1n << 64n) - 1n;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (64n - by))) & MASK;
const mix = (lane: bigint, word: bigint) => (rotate((lane + word * P2) & MASK, 31n) * P1) & MASK;

/** XXH64 of `bytes`, after its specification. */
export function xxh64(bytes: Uint8Array, seed: bigint): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  let hash = (seed + P5) & MASK;
  if (bytes.length >= 32) {
    const lanes = [seed + P1 + P2, seed + P2, seed, seed - P1].map((x) => x & MASK);
    for (; at + 32 <= bytes.length; at += 32) {
      for (let lane = 0; lane < 4; lane++) {
        lanes[lane] = mix(lanes[lane] as bigint, view.getBigUint64(at + 8 * lane, true));
      }
    }
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint];
    hash = (rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n)) & MASK;
    for (const lane of lanes) hash = ((hash ^ mix(0n, lane)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotate(hash ^ mix(0n, view.getBigUint64(at, true)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= bytes.length) {
    const word = (BigInt(view.getUint32(at, true)) * P1) & MASK;
    hash = (rotate(hash ^ word, 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++) {
    hash = (rotate(hash ^ ((BigInt(bytes[at] as number) * P5) & MASK), 11n) * P1) & MASK;
  }
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

export interface Pointer {
  readonly page: number;
  readonly level: number;
  readonly second: number;
  readonly birth: bigint;
  readonly csum: bigint;
}

export interface Superblock {
  readonly lba: number;
  readonly magic: string;
  readonly state: number;
  readonly epoch: bigint;
  readonly previous: bigint;
  readonly session: bigint;
  readonly sectors: number;
  /** Roots A to D, limbo current and previous; null pointers are null. */
  readonly pointers: readonly (Pointer | null)[];
  readonly freePages: bigint;
  readonly live: readonly [bigint, bigint];
  readonly returnSeen: bigint;
  readonly grantSeq: bigint;
  readonly features: readonly [bigint, bigint, bigint];
  readonly chunkShift: number;
  readonly openMeta: number;
  readonly openData: number;
  readonly firstChunk: number;
  readonly logSectors: number;
  readonly returnSeq: bigint;
  readonly bodyCsum: bigint;
}

export interface Chunk {
  readonly owner: number;
  readonly home: number;
  readonly freePages: number;
  readonly csum: bigint;
  readonly changed: bigint;
}

function fail(what: string): never {
  throw new Error(what);
}

/** An image of a region in memory. */
export class RegionImage {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly tag: bigint;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.tag = xxh64(bytes.subarray(8 * 512 + 16, 8 * 512 + 32), 0n);
  }

  #u48(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint16(at + 4, true) * 2 ** 32;
  }

  pointer(at: number): Pointer | null {
    const { view } = this;
    const page = this.#u48(at);
    if (page === 0) {
      if (this.bytes.subarray(at, at + 32).some((byte) => byte !== 0))
        fail("null pointer not zero");
      return null;
    }
    const second = this.#u48(at + 8);
    if (view.getUint16(at + 14, true) !== 0) fail("pointer padding");
    if ((this.bytes[at + 7] as number) !== (second === 0 ? 0 : 1)) fail("pointer flags");
    const birth = view.getBigUint64(at + 16, true);
    const csum = view.getBigUint64(at + 24, true);
    return { page, level: this.bytes[at + 6] as number, second, birth, csum };
  }

  /** The copy at `lba`, verified, or null if it is no valid copy. */
  superblock(lba: number): Superblock | null {
    const at = lba * 512;
    const { bytes, view } = this;
    const u64 = (offset: number) => view.getBigUint64(at + offset, true);
    const u32 = (offset: number) => view.getUint32(at + offset, true);
    const magic = Buffer.from(bytes.subarray(at, at + 8)).toString("latin1");
    if (magic !== (lba < 256 ? "CAPOSST1" : "CAPOSWF1")) return null;
    if (xxh64(bytes.subarray(at, at + 504), 0n) !== u64(504)) return null;
    if (xxh64(bytes.subarray(at, at + 480), 0n) !== u64(480)) return null;
    if (u64(488) !== BigInt(lba) || u64(496) !== 0n) return null;
    if (view.getUint16(at + 8, true) !== 1) fail("major");
    if (bytes[at + 320] !== 9 || bytes[at + 321] !== 12 || bytes[at + 323] !== 1) fail("shifts");
    return {
      lba,
      magic,
      state: u32(12),
      epoch: u64(32),
      previous: u64(40),
      session: u64(48),
      sectors: Number(u64(56)),
      pointers: [64, 96, 128, 160, 192, 224].map((offset) => this.pointer(at + offset)),
      freePages: u64(256),
      live: [u64(264), u64(272)],
      returnSeen: u64(280),
      grantSeq: u64(288),
      features: [u64(296), u64(304), u64(312)],
      chunkShift: bytes[at + 322] as number,
      openMeta: u32(324),
      openData: u32(328),
      firstChunk: u32(464),
      logSectors: u32(468),
      returnSeq: u64(472),
      bodyCsum: u64(480),
    };
  }

  /** The newest of the four copies of a format: slots at `base`, mirrors 128 and 136 behind. */
  newest(base: 0 | 256): Superblock {
    const copies = [base, base + 1, base + 128, base + 136]
      .map((lba) => this.superblock(lba))
      .filter((copy) => copy !== null);
    copies.sort((a, b) => (a.epoch < b.epoch ? 1 : -1));
    return copies[0] ?? fail("no superblock");
  }

  /** Verifies a metadata page and answers where it starts. */
  page(
    number: number,
    kind: number,
    level: number,
    tree: number,
    pointer: Omit<Pointer, "second">,
  ) {
    const at = number * 4096;
    const { view } = this;
    const zeroed = this.bytes.slice(at, at + 4096);
    zeroed.fill(0, 8, 16);
    zeroed.fill(0, 56, 64);
    const csum = xxh64(zeroed, this.tag ^ BigInt(kind));
    if (csum !== view.getBigUint64(at + 56, true)) fail(`page ${number}: checksum`);
    if (pointer.csum !== 0n && csum !== pointer.csum) fail(`page ${number}: pointer's checksum`);
    if (Buffer.from(this.bytes.subarray(at, at + 4)).toString() !== "CPG1") fail("page magic");
    if (this.bytes[at + 4] !== kind || this.bytes[at + 5] !== level) fail(`page ${number}: kind`);
    if (view.getBigUint64(at + 8, true) !== BigInt(number)) fail(`page ${number}: self`);
    if (view.getBigUint64(at + 16, true) !== pointer.birth) fail(`page ${number}: birth`);
    if (view.getBigUint64(at + 24, true) !== BigInt(tree)) fail(`page ${number}: tree`);
    if (view.getBigUint64(at + 32, true) !== this.tag) fail(`page ${number}: tag`);
    if (this.bytes.subarray(at + 46, at + 56).some((byte) => byte !== 0)) fail("page padding");
    return at;
  }

  /** All records of the tree under `root` as hex, in order; `visit` sees every page number. */
  records(
    root: Pointer | null,
    tree: number,
    visit: (page: number) => void = () => {},
  ): [string, string][] {
    if (root === null) return [];
    const kind = root.level === 0 ? 1 : 2;
    if (root.second !== 0) {
      visit(root.second);
      this.page(root.second, kind, root.level, tree, root);
    }
    visit(root.page);
    const at = this.page(root.page, kind, root.level, tree, root);
    const { view, bytes } = this;
    const count = view.getUint16(at + 6, true);
    const prefixLength = view.getUint16(at + 44, true);
    const prefix = Buffer.from(bytes.subarray(at + 4096 - prefixLength, at + 4096)).toString("hex");
    const list: [string, string][] = [];
    let previous = "";
    for (let index = 0; index < count; index++) {
      const record = at + view.getUint16(at + 64 + 2 * index, true);
      const suffixLength = view.getUint16(record, true);
      const start = record + 4 + suffixLength;
      const suffix = Buffer.from(bytes.subarray(record + 4, start)).toString("hex");
      const length = view.getUint16(record + 2, true);
      const key = prefix + suffix;
      if (kind === 1) {
        list.push([key, Buffer.from(bytes.subarray(start, start + length)).toString("hex")]);
      } else {
        const child = this.pointer(start) ?? fail("null child");
        if (child.level !== root.level - 1) fail("level does not fall by one");
        const below = this.records(child, tree, visit);
        const first = below[0]?.[0] ?? fail("empty child");
        if (index > 0 && first < key) fail("key below its separator");
        if (index > 0 && previous >= key) fail("key at or above the next separator");
        list.push(...below);
      }
      previous = list[list.length - 1]?.[0] ?? "";
    }
    for (let index = 1; index < list.length; index++) {
      if ((list[index - 1]?.[0] ?? "") >= (list[index]?.[0] ?? "")) fail("keys out of order");
    }
    return list;
  }

  /** The chunk entries of a space tree. */
  chunks(superblock: Superblock): Map<number, Chunk> {
    const map = new Map<number, Chunk>();
    const tree = superblock.lba < 256 ? 2 : 18;
    for (const [key, value] of this.records(superblock.pointers[1] ?? null, tree)) {
      if (!key.startsWith("01")) continue;
      const bytes = Buffer.from(value, "hex");
      map.set(Number.parseInt(key.slice(2), 16), {
        owner: bytes[0] as number,
        home: bytes[1] as number,
        freePages: bytes.readUInt32LE(4),
        csum: bytes.readBigUInt64LE(16),
        changed: bytes.readBigUInt64LE(24),
      });
    }
    return map;
  }

  /** Page numbers that the bitmap of a meta or data chunk marks as used. */
  used(superblock: Superblock, number: number, chunk: Chunk): number[] {
    const pages = 2 ** (superblock.chunkShift - 12);
    const first = superblock.firstChunk / 8 + number * pages;
    const tree = superblock.lba < 256 ? 2 : 18;
    const pointer = { page: first + chunk.home, level: 0, birth: chunk.changed, csum: chunk.csum };
    const at = this.page(first + chunk.home, 3, 0, tree, pointer) + 64;
    const list: number[] = [];
    for (let bit = 0; bit < 4032 * 8; bit++) {
      if ((((this.bytes[at + (bit >> 3)] as number) >> (bit & 7)) & 1) === 0) continue;
      if (bit >= pages) fail("bit past the chunk's end");
      list.push(first + bit);
    }
    if (list.length !== pages - chunk.freePages) fail(`chunk ${number}: free pages`);
    return list;
  }

  /** Pages of a limbo list and the pages it names. */
  limbo(pointer: Pointer | null, tree: number): { own: number[]; named: number[] } {
    const own: number[] = [];
    const named: number[] = [];
    let next = pointer?.page ?? 0;
    let csum = pointer?.csum ?? 0n;
    while (next !== 0) {
      own.push(next);
      const at = this.page(next, 4, 0, tree, { ...(pointer as Pointer), csum });
      const count = this.view.getUint32(at + 72, true);
      for (let index = 0; index < count; index++) {
        const first = this.#u48(at + 80 + 8 * index);
        const length = this.view.getUint16(at + 86 + 8 * index, true);
        for (let page = first; page < first + length; page++) named.push(page);
      }
      next = this.#u48(at + 64);
      csum = 0n;
    }
    return { own, named };
  }
}
