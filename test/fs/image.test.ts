/** CAPOSRO1: what is built is read back, nothing changes it, and no bit of it can rot unseen. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  RO_NODE_LENGTH,
  RO_NODE_MODE,
  RO_NODE_NAME_LENGTH,
  RO_NODE_NAME_OFFSET,
  RO_NODE_PARENT,
  RO_NODE_SIZE,
  RO_NODE_TYPE,
  RO_SUPERBLOCK_CHECKSUM,
  RO_SUPERBLOCK_DATA_LBA,
  RO_SUPERBLOCK_INDEX_HASH,
  RO_SUPERBLOCK_INDEX_LENGTH,
  RO_SUPERBLOCK_NODES,
  RO_SUPERBLOCK_SECTORS,
} from "../../assembly/format/ro.ts";
import { buildImage, type FileSystem, openImage } from "../../host/core/files.ts";
import type { ImageEntry } from "../../host/core/node/image.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";

const UUID = new Uint8Array(16).map((_, index) => index + 1);
const core = freshCore();

function built(
  entries: readonly ImageEntry[],
  options: { size?: number; blkSize?: 512 | 4096; uuid?: Uint8Array } = {},
): { device: MemoryDevice; id: number; sectors: number } {
  const { size = 4 << 20, blkSize = 512, uuid = UUID } = options;
  const device = new MemoryDevice({ size, blkSize });
  const id = core.attach(device);
  return { device, id, sectors: buildImage(core, id, entries, { uuid }) };
}

/** Opens, gives the filesystem to `use`, unmounts. */
function within<T>(id: number, use: (files: FileSystem) => T): T {
  const files = openImage(core, id);
  try {
    return use(files);
  } finally {
    files.unmount();
  }
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return "OK";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const SMALL: readonly ImageEntry[] = [
  { path: "boot/bins/init.wasm", content: new Uint8Array(1300).fill(7), mode: 0o755 },
  { path: "etc/motd", content: "hello" },
  { path: "etc/empty", content: "" },
  { path: "etc/link", target: "motd" },
  { path: "loop", target: "loop" },
  { path: "umläut/日本", content: "x" },
];

describe("reading", () => {
  const { id } = built(SMALL);

  test("files, links and directories read back", () => {
    within(id, (files) => {
      expect(files.readFile("/etc/motd", "utf8")).toBe("hello");
      expect(files.readFile("etc/../etc/./link", "utf8")).toBe("hello");
      expect(files.readFile("/umläut/日本", "utf8")).toBe("x");
      expect(files.readFile("/etc/empty").length).toBe(0);
      expect(files.readlink("/etc/link")).toBe("motd");
      expect(files.readdir("/")).toEqual(["boot", "etc", "loop", "umläut"]);
      expect(files.readdir("/", { recursive: true })).toContain("boot/bins/init.wasm");
      expect(files.stat("/boot/bins/init.wasm").mode).toBe(0o100755);
      expect(files.stat("/etc").size).toBe(3);
      expect(files.lstat("/etc/link").isSymbolicLink()).toBe(true);
      expect(files.check({ data: true })).toEqual([]);
    });
  });

  test("a range reads the same bytes as the whole file", () => {
    const content = new Uint8Array(3 << 20).map((_, at) => (at * 7 + (at >> 9)) & 255);
    const large = built([{ path: "large", content }], { size: 8 << 20 });
    within(large.id, (files) => {
      const fd = files.open("large");
      const piece = new Uint8Array(70_001);
      for (const at of [0, 1, 511, 513, (3 << 20) - 70_001, (1 << 20) - 3]) {
        expect(files.read(fd, piece, 0, piece.length, at)).toBe(piece.length);
        expect(Buffer.compare(piece, content.subarray(at, at + piece.length))).toBe(0);
      }
      expect(files.read(fd, piece, 0, 100, (3 << 20) - 40)).toBe(40);
      expect(files.read(fd, piece, 0, 100, 3 << 20)).toBe(0);
      files.close(fd);
      expect(codeOf(() => files.read(fd, piece))).toBe("EBADF");
    });
  });

  test.each([
    ["/nothing", "ENOENT"],
    ["/etc/motd/x", "ENOTDIR"],
    ["/etc/motd/", "ENOTDIR"],
    ["/loop", "ELOOP"],
    [`/${"x".repeat(256)}`, "ENAMETOOLONG"],
    [`/${"x/".repeat(2048)}y`, "ENAMETOOLONG"],
    ["", "ENOENT"],
    ["/a\0b", "EINVAL"],
  ])("stat of %j is %s", (path, code) => {
    within(id, (files) => expect(codeOf(() => files.stat(path))).toBe(code));
  });

  test("every change answers EROFS and leaves the image as it was", () => {
    within(id, (files) => {
      const before = Buffer.from((core.device(id) as MemoryDevice).bytes());
      const fd = files.open("/etc/motd");
      const changes: readonly (() => unknown)[] = [
        () => files.writeFile("/new", "x"),
        () => files.writeFile("/etc/motd", "x"),
        () => files.open("/etc/motd", "r+"),
        () => files.open("/etc/motd", "a"),
        () => files.truncate("/etc/motd", 1),
        () => files.ftruncate(fd, 1),
        () => files.mkdir("/d"),
        () => files.rmdir("/etc"),
        () => files.unlink("/etc/motd"),
        () => files.rename("/etc/motd", "/motd"),
        () => files.link("/etc/motd", "/motd"),
        () => files.symlink("a", "/b"),
        () => files.chmod("/etc/motd", 0o600),
        () => files.chown("/etc/motd", 1, 1),
        () => files.utimes("/etc/motd", 1, 1),
        () => files.lutimes("/etc/link", 1, 1),
        () => files.setXattr("/etc/motd", "user.a", new Uint8Array(1)),
        () => files.removeXattr("/etc/motd", "user.a"),
        () => files.setControl(new Uint8Array(128)),
        () => files.records.setPointer("p", new Uint8Array(1)),
        () => files.records.removePointer("p"),
        () => files.access("/etc/motd", 2),
      ];
      expect(changes.map(codeOf)).toEqual(changes.map(() => "EROFS"));
      expect(codeOf(() => files.write(fd, "x"))).toBe("EBADF");
      const reads = [() => files.records.pointer("p"), () => files.records.generationIds()];
      expect(reads.map(codeOf)).toEqual(["EOPNOTSUPP", "EOPNOTSUPP"]);
      expect(Buffer.compare(before, (core.device(id) as MemoryDevice).bytes())).toBe(0);
    });
  });

  test("what closes gives its memory back", () => {
    const round = () =>
      within(id, (files) => {
        files.open("/etc/motd");
        files.readdir("/etc");
        files.readFile("/boot/bins/init.wasm");
      });
    round();
    const before = core.exports.arenaUsedBytes();
    for (let count = 0; count < 200; count++) round();
    expect(core.exports.arenaUsedBytes()).toBe(before);
  });
});

describe("building", () => {
  test("the same entries in another order give the same bytes, another uuid others", () => {
    const [a, b] = [built(SMALL), built([...SMALL].reverse())];
    const other = built(SMALL, { uuid: new Uint8Array(16).fill(9) });
    expect(Buffer.compare(a.device.bytes(), b.device.bytes())).toBe(0);
    expect(Buffer.compare(a.device.bytes(), other.device.bytes())).not.toBe(0);
  });

  test("a device of 4096-byte blocks gets the same image", () => {
    const [a, b] = [built(SMALL), built(SMALL, { blkSize: 4096 })];
    expect(Buffer.compare(a.device.bytes(), b.device.bytes())).toBe(0);
    within(b.id, (files) => expect(files.check({ data: true })).toEqual([]));
  });

  test("the layout is the one the format page draws", () => {
    const { device, sectors } = built([{ path: "a", content: "hello" }]);
    const view = new DataView(device.bytes().buffer);
    const indexLength = 2 * RO_NODE_SIZE + 1;
    expect(Buffer.from(device.peek(0, 8)).toString("latin1")).toBe("CAPOSRO1");
    expect(Number(view.getBigUint64(RO_SUPERBLOCK_INDEX_LENGTH, true))).toBe(indexLength);
    expect(Number(view.getBigUint64(RO_SUPERBLOCK_DATA_LBA, true))).toBe(2);
    expect(Number(view.getBigUint64(RO_SUPERBLOCK_SECTORS, true))).toBe(sectors);
    expect(sectors).toBe(3);
    const hash = createHash("sha256").update(device.peek(512, indexLength)).digest();
    expect(Buffer.from(device.peek(RO_SUPERBLOCK_INDEX_HASH, 32))).toEqual(hash);
    expect(Buffer.from(device.peek(1024, 5)).toString()).toBe("hello");
  });

  test.each([
    ["a path that stands twice", [{ path: "a" }, { path: "/a/" }], "EEXIST"],
    ["a path through a file", [{ path: "a", content: "" }, { path: "a/b" }], "ENOTDIR"],
    ["a name of 256 bytes", [{ path: "x".repeat(256) }], "ENAMETOOLONG"],
    ["the name ..", [{ path: "a/../b" }], "EINVAL"],
    ["an empty link", [{ path: "a", target: "" }], "EINVAL"],
    ["a content of another size", [{ path: "a", size: 3, content: () => [UUID] }], "EINVAL"],
    ["more than the device holds", [{ path: "a", content: new Uint8Array(5 << 20) }], "ENOSPC"],
    ["257 directories deep", [{ path: "d/".repeat(257) }], "ENAMETOOLONG"],
  ] as const)("%s is refused", (_, entries, code) => {
    expect(codeOf(() => built(entries))).toBe(code);
  });

  test("an image cut short is no image, and neither is the one before it", () => {
    const { id } = built(SMALL);
    const cut = [{ path: "a", size: 9, content: () => [new Uint8Array(4)] }];
    expect(codeOf(() => buildImage(core, id, cut, { uuid: UUID }))).toBe("EINVAL");
    expect(codeOf(() => openImage(core, id))).toBe("EMEDIUMTYPE");
  });

  test("a streamed file of 3 MiB reads back, and a directory of 5,000 names is in order", () => {
    const piece = new Uint8Array(100_000).map((_, at) => at & 255);
    const names = Array.from({ length: 5000 }, (_, at) => `f${(at * 7919) % 5000}`);
    const { id } = built(
      [
        { path: "big", size: 3_000_000, content: () => Array(30).fill(piece) },
        ...names.map((name) => ({ path: `many/${name}`, content: name })),
      ],
      { size: 16 << 20 },
    );
    within(id, (files) => {
      expect(Buffer.compare(files.readFile("big").subarray(2_900_000), piece)).toBe(0);
      expect(files.readdir("many")).toEqual([...names].sort());
      expect(files.readFile("many/f4999", "utf8")).toBe("f4999");
      expect(files.check({ data: true })).toEqual([]);
    });
  });
});

const nameOf = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((name) => {
  const clean = !/[/\0]/.test(name);
  return clean && name !== "." && name !== "..";
});
const contentOf = fc.uint8Array({ maxLength: 3000 });

test("any tree reads back as it was given", () => {
  const tree = fc.dictionary(
    fc.array(nameOf, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
    contentOf,
    { maxKeys: 20 },
  );
  fc.assert(
    fc.property(tree, (given) => {
      const paths = Object.keys(given);
      const files = paths.filter((path) => !paths.some((other) => other.startsWith(`${path}/`)));
      const { id } = built(files.map((path) => ({ path, content: given[path] as Uint8Array })));
      within(id, (mounted) => {
        for (const path of files) {
          expect(Buffer.compare(mounted.readFile(path), given[path] as Uint8Array)).toBe(0);
        }
        const found = mounted
          .readdir("/", { recursive: true })
          .filter((path) => mounted.lstat(path).isFile());
        expect(found.sort()).toEqual([...files].sort());
        expect(mounted.check({ data: true })).toEqual([]);
      });
      core.detach(id);
    }),
    { numRuns: 60 },
  );
});

describe("damage", () => {
  test("every single flipped bit of an image is found", () => {
    const { device, id, sectors } = built(SMALL);
    const found = () => {
      try {
        return within(id, (files) => files.check({ data: true }).length > 0);
      } catch (error) {
        return /^(EBADMSG|EMEDIUMTYPE)$/.test((error as { code: string }).code);
      }
    };
    const missed: number[] = [];
    for (let bit = 0; bit < sectors * 512 * 8; bit++) {
      device.flip(bit);
      if (!found()) missed.push(bit);
      device.flip(bit);
    }
    expect(missed).toEqual([]);
    expect(found()).toBe(false);
  });

  test("a flipped bit in one file leaves the others readable and names the place", () => {
    const { device, id } = built(SMALL);
    const at = Buffer.from(device.bytes()).indexOf("hello");
    device.flip(at * 8);
    within(id, (files) => {
      expect(codeOf(() => files.readFile("/etc/motd"))).toBe("EBADMSG");
      expect(files.readFile("/boot/bins/init.wasm").length).toBe(1300);
      expect(files.check({ data: true })).toMatchObject([
        { code: "EBADMSG", reason: "CONTENT_HASH", path: "/etc/motd", lba: at / 512, length: 5 },
      ]);
    });
  });

  test("an image truncated at any sector is refused", () => {
    const { device, sectors } = built(SMALL);
    for (let kept = 1; kept < sectors; kept++) {
      const id = core.attach(MemoryDevice.from(device.bytes().slice(0, kept * 512)));
      expect(
        codeOf(() => openImage(core, id)),
        `${kept} sectors`,
      ).toBe("EBADMSG");
    }
  });

  test("random and zeroed devices are no image", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 4096 }), (bytes) => {
        const whole = new Uint8Array(4096);
        whole.set(bytes);
        const id = core.attach(MemoryDevice.from(whole));
        expect(codeOf(() => openImage(core, id))).toBe("EMEDIUMTYPE");
        core.detach(id);
      }),
      { numRuns: 50 },
    );
  });
});

describe("an image that lies with right checksums", () => {
  const lies: readonly (readonly [string, (index: DataView, head: DataView) => void])[] = [
    [
      "a node that is its own parent",
      (index) => index.setUint32(node(2) + RO_NODE_PARENT, 2, true),
    ],
    ["a parent of a larger number", (index) => index.setUint32(node(1) + RO_NODE_PARENT, 4, true)],
    ["a parent that is a file", (index) => index.setUint32(node(8) + RO_NODE_PARENT, 7, true)],
    [
      "a name that leaves the index",
      (index) => index.setUint16(node(3) + RO_NODE_NAME_LENGTH, 65535, true),
    ],
    ["an empty name", (index) => index.setUint16(node(3) + RO_NODE_NAME_LENGTH, 0, true)],
    ["names that overlap", (index) => index.setUint32(node(3) + RO_NODE_NAME_OFFSET, 700, true)],
    ["an unknown type", (index) => index.setUint8(node(3) + RO_NODE_TYPE, 9)],
    ["a mode of another type", (index) => index.setUint32(node(3) + RO_NODE_MODE, 0o040644, true)],
    ["an absurd size", (index) => index.setBigUint64(node(7) + RO_NODE_LENGTH, 1n << 63n, true)],
    [
      "a size past the image",
      (index) => index.setBigUint64(node(7) + RO_NODE_LENGTH, 1n << 40n, true),
    ],
    ["a root that is a file", (index) => index.setUint8(RO_NODE_TYPE, 1)],
    [
      "more nodes than the index holds",
      (_, head) => head.setUint32(RO_SUPERBLOCK_NODES, 0xffffffff, true),
    ],
    ["no nodes", (_, head) => head.setUint32(RO_SUPERBLOCK_NODES, 0, true)],
    [
      "an index of 2^60 bytes",
      (_, head) => head.setBigUint64(RO_SUPERBLOCK_INDEX_LENGTH, 1n << 60n, true),
    ],
    ["an index of nothing", (_, head) => head.setBigUint64(RO_SUPERBLOCK_INDEX_LENGTH, 0n, true)],
    [
      "more sectors than the device",
      (_, head) => head.setBigUint64(RO_SUPERBLOCK_SECTORS, 1n << 50n, true),
    ],
    ["data before the index", (_, head) => head.setBigUint64(RO_SUPERBLOCK_DATA_LBA, 1n, true)],
  ];
  const node = (number: number) => number * RO_NODE_SIZE;

  test.each(lies)("%s is EBADMSG", (_, lie) => {
    const { device, id } = built(SMALL);
    rewrite(device, lie);
    expect(codeOf(() => openImage(core, id))).toBe("EBADMSG");
  });

  test("two siblings of one name are refused as a duplicate", () => {
    const { device, id } = built([{ path: "aa" }, { path: "ab" }]);
    rewrite(device, (index) => index.setUint8(3 * RO_NODE_SIZE + 3, 0x61));
    expect(() => openImage(core, id)).toThrow(/duplicate/);
  });

  test("any field of any node may hold anything: a typed error or a whole tree, never a trap", () => {
    const { device } = built(SMALL);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 }),
        fc.integer({ min: 0, max: RO_NODE_SIZE - 8 }),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        (number, offset, value) => {
          const copy = device.clone();
          rewrite(copy, (index) => index.setBigUint64(node(number) + offset, value, true));
          const id = core.attach(copy);
          const code = codeOf(() => within(id, (files) => files.readdir("/", { recursive: true })));
          expect(["OK", "EBADMSG"]).toContain(code);
          core.detach(id);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Changes index and superblock, then makes hash and checksum right again. */
function rewrite(device: MemoryDevice, lie: (index: DataView, head: DataView) => void): void {
  const head = device.peek(0, 512).slice();
  const headView = new DataView(head.buffer);
  const length = Number(headView.getBigUint64(RO_SUPERBLOCK_INDEX_LENGTH, true));
  const index = device.peek(512, length).slice();
  lie(new DataView(index.buffer), headView);
  head.set(createHash("sha256").update(index).digest(), RO_SUPERBLOCK_INDEX_HASH);
  headView.setBigUint64(RO_SUPERBLOCK_CHECKSUM, xxh64(head.subarray(0, 504)), true);
  device.poke(0, head);
  device.poke(512, index);
}

function xxh64(bytes: Uint8Array): bigint {
  return core.memory.with(bytes, (address, length) =>
    core.memory.with(new Uint8Array(8), (out) => {
      core.exports.xxh64At(address, length, out);
      return core.memory.u64(out);
    }),
  );
}
