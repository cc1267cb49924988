/** Archives that we write: read back as the same list, whatever a header cannot hold. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileSource } from "../../../host/base/platform/source.ts";
import { finish } from "../../../host/base/work.ts";
import { memoryReader } from "../../../host/system/image/folder.ts";
import type { ImageEntry } from "../../../host/system/rayos/source/entry.ts";
import { contentOf } from "../../../host/system/rayos/source/image.ts";
import { openTar } from "../../../host/system/rayos/source/tar.ts";
import { tarOf } from "../../../host/system/rayos/source/tar-writer.ts";
import { scratch } from "./support.ts";

const COMMON = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 1_700_000_000_000_000_000n, sizeBytes: 0 };

function file(path: string, content: string, more: Partial<ImageEntry> = {}): ImageEntry {
  const bytes = new TextEncoder().encode(content);
  const own = { path, kind: "file", sizeBytes: bytes.length } as const;
  return { ...COMMON, ...own, open: () => memoryReader(bytes), ...more };
}

const ENTRIES: readonly ImageEntry[] = [
  { ...COMMON, path: "a", kind: "directory", mode: 0o755 },
  file("a/plain", "text"),
  file("a/empty", ""),
  file("a/block", "x".repeat(512)),
  file(`a/${"long".repeat(40)}`, "behind 100 bytes"),
  file("a/Grüße", "not ASCII"),
  file("a/owner", "", { uid: 2 ** 21, gid: 4_000_000_000, mode: 0o4755 }),
  file("a/fraction", "", { mtimeNs: 1_700_000_000_123_456_789n }),
  file("a/before 1970", "", { mtimeNs: -1_500_000_000n }),
  file("a/far", "", { mtimeNs: 8_600_000_000_000_000_001n }),
  file("a/attributes", "", {
    xattrs: new Map([
      ["user.note", new TextEncoder().encode("a\nb")],
      ["security.capability", Uint8Array.of(1, 0, 0, 2, 255)],
    ]),
  }),
  { ...COMMON, path: "a/link", kind: "link", target: `a/${"long".repeat(40)}` },
  { ...COMMON, path: "a/symbolic", kind: "symlink", mode: 0o777, target: "/".repeat(120) },
  { ...COMMON, path: "a/null", kind: "chardev", device: { major: 1, minor: 3 } },
  { ...COMMON, path: "a/disk", kind: "blockdev", device: { major: 259, minor: 70_000 } },
  { ...COMMON, path: "a/pipe", kind: "fifo" },
];

function bytesOf(entries: readonly ImageEntry[], pieceBytes: number): Uint8Array {
  const tar = tarOf(entries);
  const reader = tar.open();
  const all = new Uint8Array(tar.sizeBytes);
  const piece = new Uint8Array(pieceBytes);
  let at = 0;
  for (let got = reader.read(piece); got > 0; got = reader.read(piece)) {
    all.set(piece.subarray(0, got), at);
    at += got;
  }
  reader.close();
  expect(at, "it has the size that was said").toBe(tar.sizeBytes);
  return all;
}

test("what is written is read back: names, owners, times, links, devices, attributes", () => {
  const path = join(scratch(), "x.tar");
  writeFileSync(path, bytesOf(ENTRIES, 1 << 16));
  const source = finish(openTar(fileSource(path)));
  const plain = ({ open: _, ...rest }: ImageEntry) => rest;
  expect(source.entries.map(plain)).toEqual(ENTRIES.map(plain));
  for (const [index, entry] of source.entries.entries()) {
    if (entry.kind !== "file") continue;
    expect(contentOf(entry), entry.path).toEqual(contentOf(ENTRIES[index] as ImageEntry));
  }
  source.close();
});

test("the bytes do not depend on the pieces in which they are read", () => {
  const whole = bytesOf(ENTRIES, 1 << 20);
  for (const size of [7, 511, 513]) expect(bytesOf(ENTRIES, size)).toEqual(whole);
});

test("a socket is left out and counted", () => {
  const socket: ImageEntry = { ...COMMON, path: "a/socket", kind: "socket" };
  expect(tarOf([...ENTRIES, socket])).toMatchObject({ omitted: 1 });
  expect(bytesOf([...ENTRIES, socket], 4096)).toEqual(bytesOf(ENTRIES, 4096));
});

test("a file that became shorter ends the archive with EIO and its name", () => {
  const short = file("a/short", "text", { sizeBytes: 10 });
  expect(() => bytesOf([short], 64)).toThrow(
    expect.objectContaining({ code: "EIO", path: "a/short" }),
  );
});
