/** System images: what is read of honest ones, and what hostile ones get. */
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../../host/base/errors.ts";
import { finish } from "../../../host/base/work.ts";
import { contentOf, openImage } from "../../../host/system/rayos/source/image.ts";
import { noise } from "../support.ts";
import { imageFolder, RAYOS_FILES, scratch } from "./support.ts";
import { type Member, memberBytes, tar } from "./tars.ts";

function fileOf(bytes: Uint8Array): string {
  const path = join(scratch(), "image");
  writeFileSync(path, bytes);
  return path;
}

function open(bytes: Uint8Array) {
  return finish(openImage(fileOf(bytes)));
}

function codeOf(bytes: Uint8Array): string {
  try {
    open(bytes).close();
    return "OK";
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
}

function textAt(image: ReturnType<typeof open>, path: string): string {
  const entry = image.entries.find((each) => each.path === path);
  if (entry === undefined) throw new Error(`no ${path}`);
  return new TextDecoder().decode(contentOf(entry));
}

describe("an honest archive", () => {
  const members: Member[] = [
    { name: "./", type: "5", mode: 0o755 },
    { name: "./dir/", type: "5", mode: 0o1777, uid: 3, gid: 4 },
    { name: "./dir/file", content: "hello", mode: 0o4755, mtime: 5 },
    { name: "./dir/again", type: "1", link: "./dir/file" },
    { name: "./lnk", type: "2", link: "/etc/absolute" },
    { name: "./null", type: "3", device: [1, 3] },
    { name: "./sda", type: "4", device: [8, 0] },
    { name: "./pipe", type: "6" },
    {
      name: "short",
      content: "x",
      pax: {
        path: `long/${"n".repeat(200)}`,
        mtime: "7.25",
        uid: "70000",
        "SCHILY.xattr.user.a": "value",
        "LIBARCHIVE.xattr.security.capability": Buffer.from([1, 2, 3]).toString("base64"),
      },
    },
  ];

  test("is listed with kinds, modes, owners, times, links, devices and attributes", () => {
    const image = open(tar(...members));
    const of = (path: string) => image.entries.find((each) => each.path === path);
    expect(image.entries.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
      "directory dir",
      "file dir/file",
      "link dir/again",
      "symlink lnk",
      "chardev null",
      "blockdev sda",
      "fifo pipe",
      `file long/${"n".repeat(200)}`,
    ]);
    expect(of("dir")).toMatchObject({ mode: 0o1777, uid: 3, gid: 4 });
    expect(of("dir/file")).toMatchObject({ mode: 0o4755, mtimeNs: 5_000_000_000n, sizeBytes: 5 });
    expect(of("dir/again")?.target).toBe("dir/file");
    expect(of("lnk")?.target).toBe("/etc/absolute");
    expect(of("null")?.device).toEqual({ major: 1, minor: 3 });
    const long = of(`long/${"n".repeat(200)}`);
    expect(long).toMatchObject({ mtimeNs: 7_250_000_000n, uid: 70000 });
    expect([...(long?.xattrs ?? [])].map(([name, value]) => [name, [...value]])).toEqual([
      ["user.a", [...Buffer.from("value")]],
      ["security.capability", [1, 2, 3]],
    ]);
    image.close();
  });

  test("packed is the same list and the same content, read in any order", () => {
    const bytes = tar(...members, { name: "big", content: noise(300_000) });
    const plain = open(bytes);
    const packed = open(gzipSync(bytes));
    expect(packed.kind).toBe("tar.gz");
    expect(packed.entries.map(({ path }) => path)).toEqual(plain.entries.map(({ path }) => path));
    for (const path of ["big", "dir/file", "big"]) {
      expect(textAt(packed, path)).toBe(textAt(plain, path));
    }
  });

  test("with GNU long names is read by them", () => {
    const long = `d/${"g".repeat(180)}`;
    const bytes = Buffer.concat([
      memberBytes({ name: "././@LongLink", type: "L", content: `${long}\0` }),
      memberBytes({ name: long.slice(0, 100), content: "g" }),
      Buffer.alloc(1024),
    ]);
    expect(textAt(open(bytes), long)).toBe("g");
  });
});

describe("refused by code, before anything else is looked at", () => {
  const cases: [string, string, Uint8Array][] = [
    ["a '..'", "EINVAL", tar({ name: "a/../../b" })],
    ["an absolute path", "EINVAL", tar({ name: "/etc/passwd" })],
    ["a link that leaves the tree", "EINVAL", tar({ name: "a/l", type: "2", link: "../../x" })],
    [
      "a path through a link",
      "ENOTDIR",
      tar({ name: "l", type: "2", link: "/etc" }, { name: "l/passwd" }),
    ],
    ["a path through a file", "ENOTDIR", tar({ name: "f" }, { name: "f/g" })],
    ["a name twice", "EEXIST", tar({ name: "f" }, { name: "./f" })],
    ["a hard link to nothing", "ENOENT", tar({ name: "h", type: "1", link: "gone" })],
    [
      "a hard link to a later file",
      "ENOENT",
      tar({ name: "h", type: "1", link: "f" }, { name: "f" }),
    ],
    ["a device number too high", "ERANGE", tar({ name: "d", type: "3", device: [4096, 0] })],
    ["a name that is not UTF-8", "EILSEQ", tar({ name: Uint8Array.of(0x66, 0xff) })],
    ["a name of 256 bytes", "ENAMETOOLONG", tar({ pax: { path: "n".repeat(256) } })],
    ["a sparse file", "EOPNOTSUPP", tar({ pax: { "GNU.sparse.major": "1" } })],
    ["a type that nobody knows", "EOPNOTSUPP", tar({ type: "Q" })],
    ["a size beyond the end", "EBADMSG", tar({ name: "f", size: 100_000 })],
    ["a size of 8 GiB", "EBADMSG", tar({ name: "f", size: 0o77777777777 })],
    ["an end inside a file", "EBADMSG", tar({ name: "f", content: noise(5000) }).slice(0, 3000)],
    ["an end inside a header", "EBADMSG", tar({ name: "f" }, { name: "g" }).slice(0, 700)],
    ["a pax number that is none", "EBADMSG", tar({ pax: { size: "many" } })],
    ["what is no archive", "EMEDIUMTYPE", noise(4096)],
    ["gzip of what is no archive", "EMEDIUMTYPE", gzipSync(noise(4096))],
    [
      "a MANIFEST row that leaves the tree",
      "EBADMSG",
      tar({ name: "MANIFEST", content: "a ../b\n" }),
    ],
    ["a MANIFEST row of one word", "EBADMSG", tar({ name: "MANIFEST", content: "alone\n" })],
    ["checksums of nothing", "EBADMSG", tar({ name: ".checksums", content: "what?\n" })],
  ];
  test.each(cases)("%s is %s", (_, code, bytes) => {
    expect(codeOf(bytes)).toBe(code);
    // A packed one finds out the same way, but an end that is missing is the packer's to notice.
    if (code !== "EMEDIUMTYPE") expect(codeOf(gzipSync(bytes))).toBe(code);
  });

  test("a header with a wrong checksum", () => {
    const bytes = tar({ name: "f" }, { name: "g" });
    bytes[512 + 3] = 0x41;
    expect(codeOf(bytes)).toBe("EBADMSG");
  });

  test("gzip data that is cut off, or has a flipped bit in its trailer", () => {
    const bytes = gzipSync(tar({ name: "f", content: noise(20_000) }));
    expect(codeOf(bytes.subarray(0, bytes.length - 9))).toBe("EBADMSG");
    const flipped = Uint8Array.from(bytes);
    flipped[flipped.length - 6] = (flipped.at(-6) as number) ^ 1;
    expect(codeOf(flipped)).toBe("EBADMSG");
  });
});

test("a tar with any bytes changed is read or refused, and nothing else", () => {
  const honest = tar(
    { name: "d", type: "5" },
    { name: "d/f", content: noise(700), pax: { mtime: "5.5", "SCHILY.xattr.user.x": "y" } },
    { name: "l", type: "2", link: "d/f" },
    { name: "h", type: "1", link: "d/f" },
  );
  const change = fc.record({ at: fc.nat(honest.length - 1), byte: fc.nat(255) });
  const damage = fc.record({
    changes: fc.array(change, { maxLength: 6 }),
    fixed: fc.boolean(),
    keep: fc.integer({ min: 0, max: honest.length }),
    packed: fc.boolean(),
  });
  fc.assert(
    fc.property(damage, ({ changes, fixed, keep, packed }) => {
      const bytes = Uint8Array.from(honest.subarray(0, keep));
      for (const { at, byte } of changes) if (at < keep) bytes[at] = byte;
      // With their checksums put right the changes reach what is behind the checksum.
      if (fixed)
        for (let at = 0; at + 512 <= keep; at += 512) fixChecksum(bytes.subarray(at, at + 512));
      const code = codeOf(packed ? gzipSync(bytes) : bytes);
      expect(code).toMatch(/^(OK|E[A-Z]+)$/);
    }),
    { numRuns: 300 },
  );
});

function fixChecksum(block: Uint8Array): void {
  if (Buffer.from(block.subarray(257, 262)).toString() !== "ustar") return;
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}

describe("MANIFEST and .checksums", () => {
  test("listed files go where they are listed, all others stay, the lists are kept", () => {
    const image = finish(openImage(imageFolder(RAYOS_FILES)));
    const paths = image.entries.filter(({ kind }) => kind === "file").map(({ path }) => path);
    expect(paths.sort()).toEqual([
      "EFI/BOOT/BOOTX64.EFI",
      "boot/initrd",
      "boot/kernel.bin",
      "usr/lib/os-release",
      "usr/share/rayos/MANIFEST",
      "usr/share/rayos/VERSION",
    ]);
    expect(image.release).toBe("RayOS System Image, Tue Jan  6");
    expect(image.warnings).toEqual([]);
  });

  test("a listed file that is not there is a warning", () => {
    const { "boot/initrd": _, ...rest } = RAYOS_FILES;
    const image = finish(openImage(imageFolder(rest)));
    expect(image.warnings).toEqual(["MANIFEST lists 'boot/initrd', which the image does not have"]);
  });

  test("two files at one destination are refused", () => {
    const files = { a: "1", b: "2", MANIFEST: "a /b\n" };
    expect(() => finish(openImage(imageFolder(files)))).toThrow(/EEXIST.*'b'/);
  });

  const digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  const list = (rows: string) => ({ "boot/x": "hello", ".checksums": rows });

  test("builders' absolute paths find their files, and the row of the list itself says nothing", () => {
    const rows = `${digest}  /home/b/img/boot/x\n${"0".repeat(64)}  /home/b/img/.checksums\n`;
    const image = finish(openImage(imageFolder(list(rows))));
    expect(image.digests.get("boot/x")).toBe(digest);
  });

  test("a file that is not what its row says, or not there, is named", () => {
    const wrong = imageFolder(list(`${digest.replace("2", "3")}  /b/boot/x\n`));
    expect(() => finish(openImage(wrong))).toThrow(/EBADMSG: 'boot\/x' .*not what .checksums says/);
    const gone = imageFolder(list(`${digest}  /b/boot/y\n`));
    expect(() => finish(openImage(gone))).toThrow(/EBADMSG: '\/b\/boot\/y' .*not there/);
  });
});

test("a folder keeps links as links, finds hard links, and follows nothing", () => {
  const folder = imageFolder({ "a/one": "1" });
  linkSync(join(folder, "a/one"), join(folder, "a/two"));
  symlinkSync("a", join(folder, "b"));
  mkdirSync(join(folder, "c"));
  chmodSync(join(folder, "c"), 0o2711);
  const { entries } = finish(openImage(folder));
  expect(entries.map(({ path, kind, target = "" }) => `${kind} ${path} ${target}`.trim())).toEqual([
    "directory a",
    "symlink b a",
    "directory c",
    "file a/one",
    "link a/two a/one",
  ]);
  expect(entries.find(({ path }) => path === "c")?.mode).toBe(0o2711);
  symlinkSync("../../outside", join(folder, "d"));
  expect(() => finish(openImage(folder))).toThrow(/EINVAL: 'd' .* leaves the tree/);
});
