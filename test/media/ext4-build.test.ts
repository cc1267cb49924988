/** ext4 volumes that we write: the same bytes each time, and never half a volume. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { finish } from "../../host/base/work.ts";
import {
  buildExt4,
  type Ext4BuildOptions,
  type Ext4Entry,
  planExt4,
  smallestExt4,
} from "../../host/core/media/ext4-build.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { RequestStatus, RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { ReadOnlyDevice } from "../../host/device/wrap/readonly.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { buildOn, FIXED } from "../support/ext4.ts";
import { bytesOf, entryOf, ext4Tree, fileOf } from "../support/ext4-trees.ts";
import { digest, noise } from "../system/support.ts";

const MAGIC_AT = 1024 + 56;
const ENTRIES: Ext4Entry[] = [
  fileOf("etc/hostname", bytesOf(1, 6)),
  fileOf("boot/kernel", bytesOf(2, 700_001), {}, 10_000),
  entryOf("bin", "symlink", { target: "usr/bin" }),
  entryOf("long", "symlink", { target: "t".repeat(60) }),
  entryOf("same", "link", { target: "boot/kernel" }),
  ...Array.from({ length: 300 }, (_, index) => fileOf(`many/${index}`, bytesOf(index, index))),
];

function volumeOf(options: Partial<Ext4BuildOptions> = {}, blkSize: 512 | 4096 = 512) {
  const device = new MemoryDevice({ size: "64MiB", blkSize });
  buildOn(device, { entries: ENTRIES, ...options });
  return device;
}

function hasSuper(device: MemoryDevice): boolean {
  return Buffer.from(device.peek(MAGIC_AT, 2)).equals(Buffer.from([0x53, 0xef]));
}

test("the same input gives the same bytes on blocks of 512 and of 4096", () => {
  const first = digest(volumeOf());
  expect(digest(volumeOf())).toBe(first);
  expect(digest(volumeOf({}, 4096))).toBe(first);
  expect(digest(volumeOf({ label: "OTHER" }))).not.toBe(first);
  expect(digest(volumeOf({ timestampMs: 0 }))).not.toBe(first);
});

test("a window has the bytes of a device of its size, and nothing around it is touched", () => {
  const alone = volumeOf();
  const device = new MemoryDevice({ size: "70MiB" });
  device.poke(0, noise(1 << 20, 5));
  device.poke(65 << 20, noise(1 << 20, 6));
  buildOn(device, { entries: ENTRIES, baseSector: 2048, sectors: 131_072 });
  expect(digest(device, 2048, 131_072)).toBe(digest(alone));
  expect(Buffer.compare(device.peek(0, 1 << 20), noise(1 << 20, 5))).toBe(0);
  expect(Buffer.compare(device.peek(65 << 20, 1 << 20), noise(1 << 20, 6))).toBe(0);
});

test("a plan says what the volume has, and writes nothing", () => {
  const device = new MemoryDevice({ size: "64MiB" });
  const trace = new TraceDevice(new ReadOnlyDevice(device));
  const media = new MediaCore();
  const plan = planExt4(media, media.attach(trace), { ...FIXED, entries: ENTRIES });
  expect(trace.log).toEqual([]);
  expect(buildOn(device, { entries: ENTRIES })).toEqual(plan);
  expect(plan).toMatchObject({ blocks: 16384, inodes: 16384, groups: 1, journalBlocks: 1024 });
});

test("the superblock dies first and comes last, with a FLUSH behind the one and before the other", () => {
  const trace = new TraceDevice(new MemoryDevice({ size: "64MiB" }));
  buildOn(trace, { entries: ENTRIES });
  const touches = trace.log.map(({ sector, sectors }) => sector <= 2 && sector + sectors > 2);
  const writes = trace.log.map(({ type }) => type !== RequestType.FLUSH);
  const supers = trace.log.flatMap((_, index) => (touches[index] && writes[index] ? [index] : []));
  expect(supers).toEqual([0, trace.log.length - 2]);
  const flushes = trace.log.flatMap(({ type }, index) =>
    type === RequestType.FLUSH ? [index] : [],
  );
  expect(flushes).toEqual([1, trace.log.length - 3, trace.log.length - 1]);
});

test("a write that fails leaves the old volume, none, or the new one, and says EIO", () => {
  const old = volumeOf({ label: "OLD" });
  const before = digest(old);
  const after = digest(volumeOf({ label: "NEW" }));
  const seen = new Set<string>();
  let failed = true;
  for (let nth = 1; failed; nth++) {
    const device = volumeOf({ label: "OLD" });
    const trace = new TraceDevice(device);
    trace.inject({ nth, times: Number.POSITIVE_INFINITY });
    failed = false;
    try {
      buildOn(trace, { entries: ENTRIES, label: "NEW" });
    } catch (error) {
      failed = true;
      expect(error).toMatchObject({ code: "EIO" });
    }
    if (!hasSuper(device)) {
      seen.add("none");
      continue;
    }
    const now = digest(device);
    expect([before, after]).toContain(now);
    seen.add(now === before ? "old" : "new");
    expect(trace.log.some(({ status }) => status === RequestStatus.IOERR)).toBe(failed);
  }
  expect([...seen].sort()).toEqual(["new", "none", "old"]);
}, 60_000);

test("a build that stops half-way leaves no volume, old or new", () => {
  const device = volumeOf();
  const media = new MediaCore();
  const work = buildExt4(media, media.attach(device), { ...FIXED, entries: ENTRIES });
  work.next();
  work.return(undefined as never);
  expect(hasSuper(device)).toBe(false);
});

test("what ext4 does not take is refused before anything is written", () => {
  const device = new TraceDevice(new MemoryDevice({ size: "64MiB" }));
  const refused = (code: string, options: Partial<Ext4BuildOptions>) =>
    expect(() => buildOn(device, options), code).toThrow(code);
  const one = (path: string, more: Partial<Ext4Entry> = {}) => ({
    entries: [entryOf(path, "file", more)],
  });
  refused("EINVAL", { label: "x".repeat(17) });
  refused("EINVAL", { label: "ä".repeat(9) });
  refused("EINVAL", { uuid: new Uint8Array(15) });
  refused("EINVAL", { sectors: 131_071 });
  refused("ERANGE", { sectors: 131_073 });
  refused("EINVAL", { timestampMs: Number.NaN });
  refused("EINVAL", { reservedPercent: 51 });
  refused("EINVAL", { bytesPerInode: 1 });
  refused("EINVAL", one("a/.."));
  refused("EINVAL", one(""));
  refused("EINVAL", one("a\0"));
  refused("EINVAL", one("a", { mode: 0o10000 }));
  refused("EINVAL", one("a", { uid: -1 }));
  refused("EINVAL", one("a", { mtimeNs: 1n << 70n }));
  refused("EINVAL", one("a", { sizeBytes: 1.5 }));
  refused("EINVAL", one("a", { xattrs: new Map([["other.name", bytesOf(1, 1)]]) }));
  refused("EINVAL", one("a", { xattrs: new Map([["system.posix_acl_access", bytesOf(1, 5)]]) }));
  refused("E2BIG", one("a", { xattrs: new Map([["user.a", bytesOf(1, 4096)]]) }));
  refused("ENAMETOOLONG", one("x".repeat(256)));
  refused("ENAMETOOLONG", { entries: [entryOf("a", "symlink", { target: "t".repeat(4096) })] });
  refused("EINVAL", { entries: [entryOf("a", "symlink", { target: "" })] });
  refused("ENOENT", { entries: [entryOf("a", "link", { target: "b" })] });
  refused("EPERM", { entries: [entryOf("d", "directory"), entryOf("a", "link", { target: "d" })] });
  refused("EEXIST", { entries: [entryOf("a", "file"), entryOf("a", "fifo")] });
  refused("EEXIST", { entries: [entryOf("a/b", "file"), entryOf("a", "file")] });
  refused("EEXIST", one("lost+found"));
  refused("ENOTDIR", { entries: [entryOf("a", "file"), entryOf("a/b", "file")] });
  refused("EFBIG", one("a", { sizeBytes: 2 ** 45 }));
  refused("ENOSPC", one("a", { sizeBytes: 2 ** 30 }));
  expect(device.log).toEqual([]);
  const small = new MemoryDevice({ size: "32MiB" });
  expect(() => buildOn(small)).toThrow("EINVAL");
  expect(() => buildOn(new ReadOnlyDevice(new MemoryDevice({ size: "64MiB" })))).toThrow("EROFS");
});

test("a tree that does not fit says what it needs", () => {
  const device = new MemoryDevice({ size: "64MiB" });
  const entries = [entryOf("a", "file", { sizeBytes: 2 ** 30 })];
  expect(() => buildOn(device, { entries })).toThrow(/needs at least 10\d{8} bytes/);
  const many = Array.from({ length: 20_000 }, (_, index) => entryOf(`${index}`, "fifo"));
  expect(() => buildOn(device, { entries: many })).toThrow(/needs 20011 inodes, .* has 16384/);
});

test("content that is shorter or longer than it was is EIO, and leaves no volume", () => {
  for (const sizeBytes of [5, 7]) {
    const device = new MemoryDevice({ size: "64MiB" });
    const entries = [{ ...fileOf("a", bytesOf(1, 6)), sizeBytes }];
    expect(() => buildOn(device, { entries })).toThrow(/EIO.*changed while it was read/);
    expect(hasSuper(device)).toBe(false);
  }
});

test("the smallest volume holds its tree", () => {
  const media = new MediaCore();
  const check = (entries: Ext4Entry[]) => {
    const device = media.attach(new MemoryDevice({ size: smallestExt4(media, entries) * 512 }));
    const plan = planExt4(media, device, { ...FIXED, entries });
    expect(plan.usedBlocks).toBeLessThan(plan.blocks);
    media.detach(device);
  };
  check([]);
  check([entryOf("a", "file", { sizeBytes: 2 ** 30 })]);
  check([entryOf("a", "file", { sizeBytes: 100 * 2 ** 30 })]);
  check(Array.from({ length: 70_000 }, (_, index) => entryOf(`d/${index}`, "directory")));
  fc.assert(fc.property(ext4Tree, check), { numRuns: 10 });
});

test("numbers of any kind are refused or kept, and never trap", () => {
  const number = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.constantFrom(
      0,
      -1,
      2 ** 31,
      2 ** 32,
      2 ** 53,
      2 ** 63,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ),
  );
  const media = new MediaCore();
  const device = media.attach(new MemoryDevice({ size: "64MiB" }));
  const given = fc.record(
    {
      baseSector: number,
      sectors: number,
      timestampMs: number,
      bytesPerInode: number,
      reservedPercent: number,
      rootMode: number,
      mode: number,
      sizeBytes: number,
      kind: fc.constantFrom("file", "fifo", "chardev", "symlink"),
      major: number,
      minor: number,
    },
    { requiredKeys: ["kind"] },
  );
  fc.assert(
    fc.property(given, ({ kind, mode = 0, sizeBytes = 0, major = 0, minor = 0, ...options }) => {
      const more = { mode, sizeBytes, device: { major, minor }, target: "t" };
      try {
        const entries = [entryOf("a", kind as Ext4Entry["kind"], more)];
        planExt4(media, device, { ...FIXED, ...options, entries });
      } catch (error) {
        expect(error).toBeInstanceOf(StorageError);
      }
    }),
    { numRuns: 500 },
  );
});

test("an entry for a directory may follow what is in it, and lost+found may be one", () => {
  const device = new MemoryDevice({ size: "64MiB" });
  const entries = [
    fileOf("a/b", bytesOf(1, 3)),
    entryOf("a", "directory", { mode: 0o700 }),
    fileOf("lost+found/c", bytesOf(1, 3)),
    entryOf("lost+found", "directory", { mode: 0o711 }),
  ];
  expect(buildOn(device, { entries }).usedInodes).toBe(14);
  const media = new MediaCore();
  const work = buildExt4(media, media.attach(device), { ...FIXED, entries });
  expect(finish(work).usedInodes).toBe(14);
});
