/**
 * Trees for ext4: any that the format takes, from fast-check, as entries for a build and as a plain
 * description to compare what a reader found with.
 */
import { dirname } from "node:path/posix";
import fc from "fast-check";
import type { Ext4Entry } from "../../host/core/media/ext4-build.ts";

/** One entry as a reader should find it; `content` is that of a file. */
export interface Described {
  readonly kind: Exclude<Ext4Entry["kind"], "link">;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly links: number;
  readonly content: Uint8Array;
  readonly target: string;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** Bytes that tell themselves from those of any other seed. */
export function bytesOf(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 12345) >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** A file's entry with this content, read in odd pieces if `pieceBytes` is given. */
export function fileOf(
  path: string,
  content: Uint8Array,
  more: Partial<Ext4Entry> = {},
  pieceBytes = Number.POSITIVE_INFINITY,
): Ext4Entry {
  const open = () => {
    let done = 0;
    return {
      read(into: Uint8Array) {
        const piece = content.subarray(done, done + Math.min(into.length, pieceBytes));
        into.set(piece);
        done += piece.length;
        return piece.length;
      },
      close() {},
    };
  };
  return { ...entryOf(path, "file"), sizeBytes: content.length, open, ...more };
}

export function entryOf(
  path: string,
  kind: Ext4Entry["kind"],
  more: Partial<Ext4Entry> = {},
): Ext4Entry {
  const mode = kind === "directory" ? 0o755 : kind === "symlink" ? 0o777 : 0o644;
  return {
    path,
    kind,
    mode,
    uid: 0,
    gid: 0,
    mtimeNs: 1_700_000_000_000_000_000n,
    sizeBytes: 0,
    ...more,
  };
}

/** What readers should find, by path; hard links are as many paths with equal descriptions. */
export function describeTree(entries: readonly Ext4Entry[]): Map<string, Described> {
  const names = new Map<string, Ext4Entry>();
  const links = new Map<Ext4Entry, number>();
  for (const entry of entries) {
    const own = entry.kind === "link" ? names.get(entry.target ?? "") : entry;
    if (own === undefined) throw new Error(`no target of ${entry.path}`);
    names.set(entry.path, own);
    links.set(own, (links.get(own) ?? 0) + 1);
  }
  const folders = entries.filter(({ kind }) => kind === "directory");
  for (const folder of folders) {
    const below = folders.filter(({ path }) => dirname(path) === folder.path);
    links.set(folder, 2 + below.length);
  }
  const found = new Map<string, Described>();
  for (const [path, entry] of names) {
    found.set(path, {
      kind: entry.kind as Described["kind"],
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtimeNs: entry.mtimeNs,
      links: links.get(entry) ?? 1,
      content: contentOf(entry),
      target: entry.kind === "symlink" ? (entry.target ?? "") : "",
      device: entry.device,
      xattrs: entry.xattrs ?? new Map(),
    });
  }
  return found;
}

function contentOf({ sizeBytes, open }: Ext4Entry): Uint8Array {
  const content = new Uint8Array(sizeBytes);
  const reader = open?.();
  for (let at = 0; reader !== undefined && at < sizeBytes; )
    at += reader.read(content.subarray(at));
  reader?.close();
  return content;
}

/** No half of a surrogate pair. */
function isUtf8(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

const name = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-z][a-zA-Z0-9._-]{0,20}$/) },
  { weight: 2, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("ä".repeat(127), "日本語 😀", "a b'c\"d\\e", "-rf", "..."),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z]{255}$/) },
);
const usableName = name
  .map((given) => given.replaceAll(/[/\0]/g, "_"))
  .filter((given) => isUtf8(given) && ![".", "..", "lost+found"].includes(given))
  .filter((given) => Buffer.byteLength(given) <= 255);
const sizeBytes = fc.oneof(
  fc.constantFrom(0, 1, 4095, 4096, 4097, 8192, 32767, 32768, 65537, 262144, 262145),
  fc.nat({ max: 100_000 }),
);
const mtimeNs = fc.oneof(
  fc.bigInt({ min: 0n, max: 2_000_000_000_000_000_000n }),
  fc.constantFrom(-1n, -2_147_483_648_000_000_000n, 2_147_483_648_000_000_001n),
  fc.bigInt({ min: 4_294_967_296_000_000_000n, max: 10_737_418_239_999_999_999n }),
);
const xattrs = fc.dictionary(
  fc
    .tuple(fc.constantFrom("user.", "trusted.", "security."), fc.stringMatching(/^[a-z]{1,12}$/))
    .map((parts) => parts.join("")),
  fc.oneof(
    { weight: 3, arbitrary: fc.uint8Array({ maxLength: 40 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 200, maxLength: 900 }) },
  ),
  { maxKeys: 3 },
);

const spec = fc.record({
  parent: fc.nat(),
  name: usableName,
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant("file" as const) },
    { weight: 5, arbitrary: fc.constant("directory" as const) },
    { weight: 3, arbitrary: fc.constantFrom("symlink" as const, "link" as const) },
    { weight: 1, arbitrary: fc.constantFrom("fifo", "socket", "chardev", "blockdev") },
  ),
  mode: fc.oneof(fc.constantFrom(0o4755, 0o2755, 0o1777, 0o000, 0o7777), fc.nat({ max: 0o7777 })),
  uid: fc.oneof(fc.constantFrom(0, 1000, 65535, 65536), fc.nat({ max: 0x7ffffffe })),
  gid: fc.oneof(fc.constantFrom(0, 1000, 65535, 65536), fc.nat({ max: 0x7ffffffe })),
  mtimeNs,
  sizeBytes,
  targetBytes: fc.oneof(fc.constantFrom(1, 59, 60, 61, 4095), fc.integer({ min: 1, max: 200 })),
  device: fc.record({ major: fc.nat({ max: 4095 }), minor: fc.nat({ max: 0xfffff }) }),
  xattrs,
  pieceBytes: fc.constantFrom(100, 4096, 5000, 1 << 20),
});

/** Any tree: up to 40 entries, and one directory with up to some hundred files more. */
export const ext4Tree: fc.Arbitrary<Ext4Entry[]> = fc
  .tuple(
    fc.array(spec, { maxLength: 40 }),
    fc.constantFrom(0, 0, 3, 60, 400),
    fc.constantFrom(10, 100, 240),
    fc.nat({ max: 30 }),
  )
  .map(([specs, wide, nameLength, depth]) => {
    const entries: Ext4Entry[] = [];
    const folders = [""];
    const originals: Ext4Entry[] = [];
    const taken = new Set<string>();
    const add = (entry: Ext4Entry) => {
      if (taken.has(entry.path)) return;
      taken.add(entry.path);
      entries.push(entry);
      if (entry.kind === "directory") folders.push(entry.path);
      else if (entry.kind !== "link") originals.push(entry);
    };
    for (const [index, given] of specs.entries()) {
      const parent = folders[given.parent % folders.length] ?? "";
      const path = parent === "" ? given.name : `${parent}/${given.name}`;
      const { mode, uid, gid } = given;
      const more = { mode, uid, gid, mtimeNs: given.mtimeNs };
      const attributes = new Map(Object.entries(given.xattrs));
      if (given.kind === "file") {
        const content = bytesOf(index + 1, given.sizeBytes);
        add(fileOf(path, content, { ...more, xattrs: attributes }, given.pieceBytes));
      } else if (given.kind === "link") {
        const original = originals[given.parent % Math.max(1, originals.length)];
        if (original !== undefined) add(entryOf(path, "link", { target: original.path }));
      } else if (given.kind === "symlink") {
        const target = "target/".repeat(600).slice(0, given.targetBytes);
        add(entryOf(path, "symlink", { ...more, mode: 0o777, target }));
      } else if (given.kind === "chardev" || given.kind === "blockdev") {
        add(entryOf(path, given.kind, { ...more, device: given.device }));
      } else if (given.kind === "directory") {
        add(entryOf(path, "directory", { ...more, xattrs: attributes }));
      } else add(entryOf(path, given.kind as "fifo" | "socket", more));
    }
    let deep = "deep";
    for (let level = 0; level < depth; level++) {
      add(entryOf(deep, "directory"));
      deep += `/level${level}`;
    }
    if (wide > 0) add(entryOf("wide", "directory"));
    for (let index = 0; index < wide; index++) {
      const long = `${index}-${"x".repeat(nameLength)}`;
      add(fileOf(`wide/${long}`, bytesOf(index, index % 50)));
    }
    return entries;
  });
