/** Reading back finds whatever a volume says of a file that is not what was to be written. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { finish } from "../../../host/base/work.ts";
import { Core } from "../../../host/core/load.ts";
import { buildExt4 } from "../../../host/core/media/ext4-build.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { volumeDifference } from "../../../host/system/rayos/apply/compare.ts";
import { ext4 } from "../../../host/system/rayos/apply/ext4.ts";
import { recheckRayos } from "../../../host/system/rayos/apply/recheck.ts";
import { installRayos, type RayosTools } from "../../../host/system/rayos/install.ts";
import type { ImageEntry } from "../../../host/system/rayos/source/entry.ts";
import { requestFor, SMALL_DISK, scratch } from "./support.ts";
import { tar } from "./tars.ts";

const TEXT = "what is in the file";
const ENTRIES: readonly ImageEntry[] = [
  entry("etc", "directory", { mode: 0o755 }),
  entry("etc/secret", "file", {
    ...{ mode: 0o600, uid: 7, gid: 8, mtimeNs: -1_500_000_001n },
    xattrs: new Map([["user.note", Buffer.from("one")]]),
  }),
  entry("etc/other", "file"),
  entry("etc/name", "link", { target: "etc/secret" }),
  entry("etc/way", "symlink", { target: "secret", mode: 0o777 }),
  entry("dev/disk", "blockdev", { device: { major: 8, minor: 1 } }),
];

function entry(path: string, kind: ImageEntry["kind"], more: Partial<ImageEntry> = {}): ImageEntry {
  const isFile = kind === "file";
  return {
    ...{ path, kind, mode: 0o644, uid: 0, gid: 0, mtimeNs: 5_000_000_009n },
    sizeBytes: isFile ? TEXT.length : 0,
    ...(isFile ? { open: () => reader(TEXT) } : {}),
    ...more,
  };
}

function reader(text: string) {
  let rest = Buffer.from(text);
  return {
    read: (into: Uint8Array) => {
      const got = rest.copy(into);
      rest = rest.subarray(got);
      return got;
    },
    close: () => {},
  };
}

/** The entries with those at `path` as `change` makes them. */
function changed(path: string, change: Partial<ImageEntry>): ImageEntry[] {
  return ENTRIES.map((each) => (each.path === path ? { ...each, ...change } : each));
}

/** What is found on a volume of `written` by a reader who expects `due`. */
function found(written: readonly ImageEntry[], due = ENTRIES): string | undefined {
  const media = new MediaCore();
  const device = media.attach(new MemoryDevice({ size: "64MiB" }));
  const identity = { uuid: new Uint8Array(16).fill(1), hashSeed: new Uint8Array(16).fill(2) };
  finish(buildExt4(media, device, { ...identity, timestampMs: 0, entries: written }));
  const volume = ext4.open?.(media, device, { baseSector: 0, sectors: 131072 });
  if (volume === undefined) throw new Error("nothing reads ext4");
  return volumeDifference(volume, due);
}

const note = (value: string) => new Map([["user.note", Buffer.from(value)]]);
const CASES: readonly (readonly [string, readonly ImageEntry[]])[] = [
  ["'etc/secret' has mode 0604, not 0600", changed("etc/secret", { mode: 0o604 })],
  ["'etc' has mode 1755, not 0755", changed("etc", { mode: 0o1755 })],
  ["'etc/secret' belongs to 6:8, not to 7:8", changed("etc/secret", { uid: 6 })],
  ["'etc/secret' belongs to 7:65544, not to 7:8", changed("etc/secret", { gid: 65_544 })],
  [
    "'etc/way' was changed at 5000000008 ns, not at 5000000009 ns",
    changed("etc/way", { mtimeNs: 5_000_000_008n }),
  ],
  [
    "'etc/secret' has another value of the attribute 'user.note'",
    changed("etc/secret", { xattrs: note("onf") }),
  ],
  [
    "'etc/secret' has no attribute 'user.note'",
    changed("etc/secret", { xattrs: new Map([["user.nota", Buffer.from("one")]]) }),
  ],
  [
    "'etc/other' has the attribute 'user.note', which was not written",
    changed("etc/other", { xattrs: note("one") }),
  ],
  ["'etc/way' leads to 'other', not to 'secret'", changed("etc/way", { target: "other" })],
  ["'dev/disk' is device 8:2, not 8:1", changed("dev/disk", { device: { major: 8, minor: 2 } })],
  ["'dev/disk' is a chardev, not a blockdev", changed("dev/disk", { kind: "chardev" })],
  [
    "'etc/other' has 3 bytes, not 19",
    changed("etc/other", { sizeBytes: 3, open: () => reader("abc") }),
  ],
  // A name of another file, and one of a copy that is equal in all else.
  ["'etc/secret' has 1 names, not 2", changed("etc/name", { target: "etc/other" })],
  ["'etc/secret' has 1 names, not 2", changed("etc/name", { ...ENTRIES[1], path: "etc/name" })],
  ["'etc/more' is there and was not written", [...ENTRIES, entry("etc/more", "fifo")]],
  ["'dev/disk' is not there", [...ENTRIES.slice(0, -1), entry("dev", "directory")]],
];

test.each(CASES)("%s", (words, written) => {
  expect(found(written)).toBe(words);
});

test("the volume as it was to be written has no difference", () => {
  expect(found(ENTRIES)).toBeUndefined();
});

test("two files that swapped a name are told apart, though each has as many names as it should", () => {
  const twins = [...ENTRIES, entry("etc/twin", "link", { target: "etc/other" })];
  const swapped = twins.map((each) => {
    if (each.path === "etc/twin") return { ...each, target: "etc/secret" };
    return each.path === "etc/name" ? { ...each, target: "etc/other" } : each;
  });
  expect(found(swapped, twins)).toBe("'etc/name' is not the file 'etc/secret' by another name");
});

/** An image with an attribute and a hard link, and tools that write one entry of it otherwise. */
function harmed(path: string, change: Partial<ImageEntry>, isRead: boolean) {
  const source = join(scratch(), "image.tar");
  const pax = { "SCHILY.xattr.user.note": "one" };
  writeFileSync(
    source,
    tar(
      { name: "etc", type: "5", mode: 0o755 },
      { name: "etc/secret", content: TEXT, mode: 0o600, uid: 7, gid: 8, pax },
      { name: "etc/other", content: TEXT },
      { name: "etc/name", type: "1", link: "etc/secret" },
    ),
  );
  const build: RayosTools["ext4"]["build"] = (media, device, request) => {
    const entries = request.entries.map((each) =>
      each.path === path ? { ...each, ...change } : each,
    );
    return ext4.build(media, device, { ...request, entries });
  };
  const { open, ...rest } = ext4;
  const tools = { ext4: { ...rest, ...(isRead ? { open } : {}), build } } as RayosTools;
  const target = new MemoryDevice({ size: SMALL_DISK, name: "target" });
  const work = installRayos(new Core(), new MediaCore(), target, requestFor(source), tools);
  return { target, work };
}

const HARM: readonly (readonly [string, Partial<ImageEntry>, string])[] = [
  ["etc/secret", { mode: 0o4600 }, "'etc/secret' has mode 4600, not 0600"],
  ["etc/secret", { uid: 70_007 }, "'etc/secret' belongs to 70007:8, not to 7:8"],
  ["etc/secret", { xattrs: note("two") }, "another value of the attribute 'user.note'"],
  ["etc/other", { mtimeNs: 1n }, "'etc/other' was changed at 1 ns"],
  ["etc/name", { target: "etc/other" }, "'etc/name'"],
];

test.each(HARM)("an installation that wrote %s with %o is refused, and said why", (...given) => {
  const [path, change, words] = given;
  const { work } = harmed(path, change, true);
  expect(() => finish(work)).toThrow(path === "etc/name" ? /has \d names, not/ : words);
});

test.each(HARM)("--verify finds %s with %o by the record of the installation", (...given) => {
  const [path, change, words] = given;
  const { target, work } = harmed(path, change, false);
  finish(work);
  const { findings } = finish(recheckRayos(new Core(), new MediaCore(), target, ext4));
  expect(findings.map(({ message }) => message)).toEqual([expect.stringContaining(words)]);
});
