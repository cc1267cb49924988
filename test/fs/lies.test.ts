/**
 * CAPOSWF1 images that lie with right checksums: records are changed below the filesystem and
 * committed. Every call answers a typed error or something whole; nothing traps, nothing hangs.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";
import { TREE, TreeCore } from "../support/tree.ts";

const WF_RECLAIM = 20;
const INODE = 1;
const DIRENT = 2;
const EXTENT = 4;
const INLINE = 5;
const BACK = 6;
const [GENERATION, POINTER, BAD_MARK] = [0x10, 0x11, 0x12];
/** Numbers in the order of creation below: /d, /d/f, /d/g, /d/l, /e. */
const [D, F, G, L, E] = [16n, 17n, 18n, 19n, 20n];
const CODES =
  /^(OK|EBADMSG|EIO|ENOENT|ENOTDIR|EISDIR|ELOOP|EINVAL|ENOTEMPTY|EFBIG|ENOSPC|ESTALE|ENAMETOOLONG|EEXIST|EILSEQ|EPERM)$/;

const origin = (() => {
  const core = freshCore();
  const device = new MemoryDevice({ size: "8MiB" });
  const id = core.attach(device);
  Region.format(core, id);
  const region = Region.open(core, id);
  const files = region.files as FileSystem;
  files.mkdir("/d");
  files.writeFile("/d/f", new Uint8Array(200_000).fill(7));
  files.writeFile("/d/g", "small");
  files.symlink("f", "/d/l");
  files.mkdir("/e");
  region.close();
  return device;
})();

function key(ino: bigint, kind: number, rest: Uint8Array = new Uint8Array(0)): Uint8Array {
  const out = new Uint8Array(9 + rest.length);
  new DataView(out.buffer).setBigUint64(0, ino);
  out[8] = kind;
  out.set(rest, 9);
  return out;
}

const HASH = new Uint8Array(32);

const text = (name: string) => new TextEncoder().encode(name);

function number(value: bigint, name = ""): Uint8Array {
  const out = new Uint8Array(8 + text(name).length);
  new DataView(out.buffer).setBigUint64(0, value);
  out.set(text(name), 8);
  return out;
}

interface Forger {
  get(where: Uint8Array): DataView;
  put(where: Uint8Array, value: Uint8Array | DataView, tree?: number): void;
  drop(where: Uint8Array): void;
}

/** A copy of the image with records changed and committed. */
function forged(change: (forger: Forger) => void): MemoryDevice {
  const device = origin.clone();
  const trees = new TreeCore(device);
  const region = trees.open();
  expect(region).toBeGreaterThan(0);
  change({
    get(where) {
      const value = trees.get(region, TREE.WF_FILES, where);
      if (typeof value === "number") throw new Error(`no record: ${value}`);
      return new DataView(value.buffer, value.byteOffset, value.byteLength);
    },
    put(where, value, tree = TREE.WF_FILES) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      expect(trees.put(region, tree, where, bytes)).toBe(0);
    },
    drop(where) {
      expect(trees.delete(region, TREE.WF_FILES, where)).toBe(0);
    },
  });
  expect(trees.exports.testCommit(region, 1)).toBe(0);
  trees.exports.regionClose(region);
  return device;
}

function inode(forger: Forger, ino: bigint, change: (view: DataView) => void): void {
  const view = forger.get(key(ino, INODE));
  change(view);
  forger.put(key(ino, INODE), view);
}

function dirent(ino: bigint, type: number): Uint8Array {
  const out = new Uint8Array(9);
  new DataView(out.buffer).setBigUint64(0, ino, true);
  out[8] = type;
  return out;
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return "OK";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** Everything a program may do with such an image; the codes of all calls. */
function exercise(files: FileSystem): string[] {
  const paths = ["/", "/d", "/d/f", "/d/g", "/d/l", "/e", "/e/x", "/d/..", "/d/x/x/x"];
  const codes: string[] = [];
  for (const path of paths) {
    codes.push(codeOf(() => files.stat(path)));
    codes.push(codeOf(() => files.readdir(path)));
    codes.push(codeOf(() => files.readFile(path)));
    codes.push(codeOf(() => files.readlink(path)));
    codes.push(codeOf(() => files.listXattrs(path)));
  }
  const { records } = files;
  codes.push(codeOf(() => [...records.entries()]));
  codes.push(codeOf(() => records.generationIds().map((id) => records.generationRecord(id))));
  codes.push(codeOf(() => records.pointerNames().map((name) => records.pointer(name))));
  codes.push(codeOf(() => records.badHashes().map((hash) => records.badMark(hash))));
  codes.push(codeOf(() => files.check({ data: true })));
  const changes: (() => unknown)[] = [
    () => files.writeFile("/d/f", "new"),
    () => files.truncate("/d/f", 100_000),
    () => files.truncate("/d/g", 2),
    () => files.rename("/d", "/e/d"),
    () => files.rename("/e", "/d/e"),
    () => files.link("/d/g", "/h"),
    () => files.unlink("/d/g"),
    () => files.unlink("/d/l"),
    () => files.rm("/d", { recursive: true }),
    () => files.mkdir("/new"),
    () => records.setPointer("p", new Uint8Array(9)),
    () => records.removeGenerationRecord(1),
    () => files.sync(),
  ];
  for (const change of changes) codes.push(codeOf(change));
  return codes;
}

const lies: readonly (readonly [string, (forger: Forger) => void])[] = [
  ["a missing inode", (f) => f.drop(key(G, INODE))],
  ["an entry of another type", (f) => f.put(key(D, DIRENT, text("g")), dirent(G, 2))],
  ["an entry of an unknown type", (f) => f.put(key(D, DIRENT, text("g")), dirent(G, 9))],
  ["an entry that leads to the root", (f) => f.put(key(D, DIRENT, text("x")), dirent(1n, 2))],
  ["an entry that leads nowhere", (f) => f.put(key(D, DIRENT, text("x")), dirent(999n, 1))],
  ["a directory that holds itself", (f) => f.put(key(D, DIRENT, text("x")), dirent(D, 2))],
  ["an entry without a back reference", (f) => f.put(key(1n, DIRENT, text("x")), dirent(G, 1))],
  ["a back reference without an entry", (f) => f.drop(key(D, DIRENT, text("g")))],
  ["a missing back reference", (f) => f.drop(key(G, BACK, number(D, "g")))],
  ["a name with a slash", (f) => f.put(key(D, DIRENT, text("a/b")), dirent(G, 1))],
  ["the name ..", (f) => f.put(key(D, DIRENT, text("..")), dirent(G, 1))],
  ["a wrong nlink", (f) => inode(f, G, (view) => view.setUint32(4, 7, true))],
  ["an nlink of 0", (f) => inode(f, G, (view) => view.setUint32(4, 0, true))],
  ["a size beyond 2^44", (f) => inode(f, F, (view) => view.setBigUint64(16, 1n << 63n, true))],
  ["a size that leaves extents", (f) => inode(f, F, (view) => view.setBigUint64(16, 5n, true))],
  ["an inline size of 2^40", (f) => inode(f, G, (view) => view.setBigUint64(16, 1n << 40n, true))],
  ["a mode of a device", (f) => inode(f, G, (view) => view.setUint16(0, 0o060644, true))],
  [
    "a file that claims to be a directory",
    (f) => inode(f, F, (view) => view.setUint16(0, 0o040755, true)),
  ],
  ["unknown flags", (f) => inode(f, G, (view) => view.setUint16(2, 0xff00, true))],
  ["extents in an inline file", (f) => inode(f, F, (view) => view.setUint16(2, 1, true))],
  ["a wrong count of data pages", (f) => inode(f, F, (view) => view.setBigUint64(72, 1n, true))],
  ["a wrong count of entries", (f) => inode(f, D, (view) => view.setBigUint64(16, 9n, true))],
  ["a parent that is no directory", (f) => inode(f, D, (view) => view.setBigUint64(64, F, true))],
  [
    "parents in a circle",
    (f) => {
      inode(f, D, (view) => view.setBigUint64(64, E, true));
      inode(f, E, (view) => view.setBigUint64(64, D, true));
    },
  ],
  [
    "an extent outside the chunks",
    (f) => extent(f, 0n, (view) => view.setUint32(0, 0xffffff, true)),
  ],
  ["an extent in the head", (f) => extent(f, 0n, (view) => view.setUint32(0, 1, true))],
  ["an extent of another length", (f) => extent(f, 0n, (view) => view.setUint16(6, 3, true))],
  ["an extent of no pages", (f) => extent(f, 0n, (view) => view.setUint16(6, 0, true))],
  [
    "an extent from the future",
    (f) => extent(f, 0n, (view) => view.setBigUint64(8, 1n << 60n, true)),
  ],
  [
    "extents that overlap",
    (f) => f.put(key(F, EXTENT, number(4096n)), f.get(key(F, EXTENT, number(0n)))),
  ],
  [
    "an extent that is not aligned",
    (f) => f.put(key(F, EXTENT, number(5n)), f.get(key(F, EXTENT, number(0n)))),
  ],
  [
    "an extent past the end",
    (f) => f.put(key(F, EXTENT, number(1n << 43n)), f.get(key(F, EXTENT, number(0n)))),
  ],
  ["a link without a target", (f) => f.drop(key(L, INLINE))],
  ["a link of 2,000 bytes", (f) => f.put(key(L, INLINE), new Uint8Array(1900).fill(97))],
  ["inline content of another length", (f) => f.put(key(G, INLINE), new Uint8Array(900))],
  [
    "a queued inode that has a name",
    (f) => f.put(new Uint8Array([1, ...number(G)]), new Uint8Array(0), WF_RECLAIM),
  ],
  [
    "a queued inode that is not there",
    (f) => f.put(new Uint8Array([1, ...number(77n)]), new Uint8Array(0), WF_RECLAIM),
  ],
  ["a generation without an id", (f) => f.put(key(0n, GENERATION), new Uint8Array(112))],
  ["generation 0", (f) => f.put(key(0n, GENERATION, number(0n)), new Uint8Array(112))],
  ["an id of 9 bytes", (f) => f.put(key(0n, GENERATION, number(1n, "x")), new Uint8Array(112))],
  ["a generation of 111 bytes", (f) => f.put(key(0n, GENERATION, number(1n)), new Uint8Array(111))],
  ["a generation in state 5", (f) => generation(f, 0x20, 5)],
  ["a generation with a reserved byte", (f) => generation(f, 0x27, 1)],
  ["a pointer without a name", (f) => f.put(key(0n, POINTER), new Uint8Array(4))],
  ["a pointer with a slash", (f) => f.put(key(0n, POINTER, text("a/b")), new Uint8Array(4))],
  [
    "a pointer whose name is no UTF-8",
    (f) => f.put(key(0n, POINTER, new Uint8Array([0xff])), new Uint8Array(4)),
  ],
  ["a pointer of no bytes", (f) => f.put(key(0n, POINTER, text("p")), new Uint8Array(0))],
  ["a pointer of 1,025 bytes", (f) => f.put(key(0n, POINTER, text("p")), new Uint8Array(1025))],
  ["a pointer name of 300", (f) => f.put(key(0n, POINTER, new Uint8Array(300)), new Uint8Array(4))],
  ["a mark of 31 bytes", (f) => f.put(key(0n, BAD_MARK, new Uint8Array(31)), new Uint8Array(1))],
  ["a mark with two reasons", (f) => f.put(key(0n, BAD_MARK, HASH), new Uint8Array(2))],
  ["a mark without a reason", (f) => f.put(key(0n, BAD_MARK, HASH), new Uint8Array(0))],
  ["a record of no kind", (f) => f.put(key(0n, 0x13), new Uint8Array(3))],
  ["an inode 0", (f) => f.put(key(0n, INODE), new Uint8Array(80))],
  ["a record of an unknown kind", (f) => f.put(key(G, 0x77), new Uint8Array(3))],
  ["a key of 3 bytes", (f) => f.put(new Uint8Array([0, 0, 1]), new Uint8Array(3))],
  [
    "a second root in the queue's shape",
    (f) => f.put(new Uint8Array([9, 9]), new Uint8Array(3), WF_RECLAIM),
  ],
];

/** A generation record that is right but for one byte. */
function generation(forger: Forger, at: number, byte: number): void {
  const value = new Uint8Array(112);
  value[at] = byte;
  forger.put(key(0n, GENERATION, number(1n)), value);
}

function extent(forger: Forger, offset: bigint, change: (view: DataView) => void): void {
  const where = key(F, EXTENT, number(offset));
  const view = forger.get(where);
  change(view);
  forger.put(where, view);
}

function withFiles<T>(device: MemoryDevice, use: (files: FileSystem) => T): T {
  const core = freshCore();
  const region = Region.open(core, core.attach(device), { strict: false });
  return use(region.files as FileSystem);
}

describe("a lie with right checksums", () => {
  test("the image before it is sound", () => {
    withFiles(origin.clone(), (files) => {
      expect(files.check({ data: true })).toEqual([]);
      expect([...exercise(files)].filter((code) => code === "EBADMSG")).toEqual([]);
    });
  });

  test.each(lies)("%s is found by the check", (_, lie) => {
    withFiles(forged(lie), (files) => {
      const found = files.check();
      expect(found.length).toBeGreaterThan(0);
      expect(found.every(({ code }) => code === "EBADMSG")).toBe(true);
    });
  });

  test.each(lies)("%s makes no call trap or hang", (_, lie) => {
    withFiles(forged(lie), (files) => {
      const codes = exercise(files);
      expect(codes.filter((code) => !CODES.test(code))).toEqual([]);
    });
  });

  test("any bytes in any record: a typed error or something whole", () => {
    const records = [key(D, INODE), key(F, INODE), key(G, INODE), key(F, EXTENT, number(0n))];
    const byte = fc.record({ at: fc.nat(79), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.nat(3), fc.array(byte, { minLength: 1, maxLength: 4 }), (which, changes) => {
        const device = forged((forger) => {
          const where = records[which] as Uint8Array;
          const view = forger.get(where);
          for (const { at, value } of changes) view.setUint8(at % view.byteLength, value);
          forger.put(where, view);
        });
        const codes = withFiles(device, exercise);
        expect(codes.filter((code) => !CODES.test(code))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
