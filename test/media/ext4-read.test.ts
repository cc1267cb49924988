/** Volumes that mke2fs made, kept as files: read entry by entry, byte by byte. */
import { expect, test } from "vitest";
import { isExt4 } from "../../host/core/media/ext4.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { faultOf, flip, goldenExt4, openExt4On, textOf, walkExt4 } from "../support/ext4-read.ts";

const NAMES = ["ext2", "ext3", "ext4", "plain"];
const MADE_NS = BigInt(Date.UTC(2024, 1, 29, 12, 34, 56)) * 1_000_000n;
const SUPER = 1024;
const INCOMPATIBLE = SUPER + 0x60;

function holes(): Uint8Array {
  const bytes = new Uint8Array(399 * 8192 + 4096);
  for (let piece = 0; piece < 400; piece++) {
    bytes.fill(65 + (piece % 26), piece * 8192, piece * 8192 + 4096);
  }
  return bytes;
}

test.each(NAMES)("%s: names, kinds, modes, owners, times and bytes", (name) => {
  const volume = openExt4On(goldenExt4(name));
  expect(volume.uuid).toBe("01234567-89ab-cdef-0123-456789abcdef");
  const entries = walkExt4(volume);
  expect(entries.size).toBe(317);
  expect(entries.get("/hello.txt")).toMatchObject({ kind: "file", mode: 0o640, links: 2 });
  expect(entries.get("/hard")?.inode).toBe(entries.get("/hello.txt")?.inode);
  expect(entries.get("/null")).toMatchObject({ kind: "chardev", device: { major: 1, minor: 3 } });
  expect(entries.get("/pipe")).toMatchObject({ kind: "fifo", sizeBytes: 0 });
  expect(entries.get("/dir")).toMatchObject({ kind: "directory", sizeBytes: 0, mode: 0o755 });
  expect(entries.get("/many/a-name-that-is-long-enough-299")?.mtimeNs).toBe(MADE_NS);
  expect(textOf(volume.readFile("/hard"))).toBe("hello\n");
  expect(textOf(volume.readFile("/dir/sub/deep.txt"))).toBe("deep");
  expect(textOf(volume.readFile("/zeros-and-x.bin"))).toBe("x".repeat(5000));
  expect(volume.readFile("/empty")).toHaveLength(0);
  expect(Buffer.compare(volume.readFile("/holes"), holes())).toBe(0);
  expect(volume.stat("/far").sizeBytes).toBe((70 << 20) + 3);
  expect(textOf(volume.read("/far", 70 << 20, 100))).toBe("far");
  expect([...volume.read("/far", 5 << 20, 4096)].every((byte) => byte === 0)).toBe(true);
  expect(Buffer.compare(volume.read("/holes", 4000, 5000), holes().subarray(4000, 9000))).toBe(0);
  volume.close();
});

test.each(NAMES)("%s: links are followed inside the volume, forty at most", (name) => {
  const volume = openExt4On(goldenExt4(name));
  expect(volume.readlink("/fast")).toBe("hello.txt");
  expect(volume.readlink("/slow")).toBe(`${"./".repeat(40)}hello.txt`);
  expect(volume.stat("/slow").kind).toBe("file");
  expect(volume.lstat("/slow")).toMatchObject({ kind: "symlink", sizeBytes: 89 });
  expect(textOf(volume.readFile("/way/deep.txt"))).toBe("deep");
  expect(textOf(volume.readFile("/way/../../slow"))).toBe("hello\n");
  expect(volume.list("/way").map((entry) => entry.name)).toEqual(["deep.txt"]);
  expect(volume.stat("/../..").inode).toBe(2);
  for (const [path, code] of [
    ["/loop", "ELOOP"],
    ["/nothing", "ENOENT"],
    ["/hello.txt/", "ENOTDIR"],
    ["/hello.txt/below", "ENOTDIR"],
    [`/${"n".repeat(256)}`, "ENAMETOOLONG"],
    ["/a\0b", "EINVAL"],
  ] as const) {
    expect(faultOf(() => volume.stat(path)).code, path).toBe(code);
  }
  expect(faultOf(() => volume.readFile("/dir")).code).toBe("EISDIR");
  expect(faultOf(() => volume.readlink("/dir")).code).toBe("EINVAL");
});

test.each(NAMES)("%s: attributes in the inode and in a block of their own", (name) => {
  const attributes = openExt4On(goldenExt4(name)).xattrs("/hello.txt");
  expect(textOf(attributes.get("user.note") ?? new Uint8Array())).toBe("in the inode");
  expect(textOf(attributes.get("user.long") ?? new Uint8Array())).toBe("v".repeat(600));
  expect(attributes.size).toBe(2);
});

test.each(NAMES)("%s: a check finds nothing", (name) => {
  expect(openExt4On(goldenExt4(name)).check()).toEqual([]);
});

test("label, space and features are those that other tools tell", () => {
  const volume = openExt4On(goldenExt4("ext4"));
  expect(volume.label).toBe("GOLDEN4");
  expect(volume.space()).toMatchObject({ totalBytes: 12 << 20, blockBytes: 4096, inodes: 512 });
  expect(volume.features.join(" ")).toBe(
    "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg " +
      "sparse_super large_file huge_file dir_nlink extra_isize metadata_csum",
  );
});

test("a feature nobody knows is refused by its name, one only writers need is not", () => {
  const device = goldenExt4("plain");
  flip(device, INCOMPATIBLE + 3, 0x80);
  expect(() => openExt4On(device)).toThrow(/EOPNOTSUPP.*FEATURE_I31/);
  const other = goldenExt4("plain");
  flip(other, SUPER + 0x67, 0x40);
  const volume = openExt4On(other, { readOnly: false });
  expect(volume.info.readOnly).toBe(true);
  expect(textOf(volume.readFile("/hard"))).toBe("hello\n");
});

test("a damaged superblock is replaced by a backup: read-only, and a check tells", () => {
  for (const at of [SUPER + 0x38, SUPER + 0x18]) {
    const device = goldenExt4("plain");
    flip(device, at, 0x5a);
    const volume = openExt4On(device, { readOnly: false });
    expect(textOf(volume.readFile("/dir/sub/deep.txt"))).toBe("deep");
    expect(volume.info).toMatchObject({ superGroup: 1, readOnly: true });
    expect(volume.check()[0]).toMatchObject({ kind: "SUPERBLOCK", isAdvice: false });
  }
});

test("what is no volume is told from one that is damaged", () => {
  const blank = new MemoryDevice({ size: "1MiB" });
  expect(isExt4(blank)).toBe(false);
  expect(faultOf(() => openExt4On(blank)).code).toBe("EMEDIUMTYPE");
  expect(isExt4(goldenExt4("ext4"))).toBe(true);
  const damaged = goldenExt4("ext4");
  flip(damaged, SUPER + 0x20);
  expect(isExt4(damaged)).toBe(true);
  expect(faultOf(() => openExt4On(damaged))).toMatchObject({ code: "EBADMSG", lba: 2 });
  const cut = MemoryDevice.from(goldenExt4("ext4").peek(0, 8 << 20));
  expect(faultOf(() => openExt4On(cut))).toMatchObject({ code: "EBADMSG" });
});

test("a volume behind others on a device is read through its window", () => {
  const inner = goldenExt4("ext4");
  const device = new MemoryDevice({ size: "16MiB" });
  device.poke(1 << 20, inner.peek(0, inner.sizeBytes));
  const window = { baseSector: 2048, sectors: inner.sizeBytes / 512 };
  const volume = openExt4On(device, window);
  expect(textOf(volume.readFile("/hard"))).toBe("hello\n");
  expect(volume.check()).toEqual([]);
});
