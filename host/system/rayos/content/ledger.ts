/**
 * What every file that is installed must read back as: digests, taken while a file is copied, or by
 * reading it again where nobody copied it in this run, as after a cut.
 */
import { failure } from "../../../base/errors.ts";
import { finish, type Work } from "../../../base/work.ts";
import { createDigest } from "../../../core/hash/digest.ts";
import type { Tree, TreeEntry } from "../../image/folder.ts";
import type { EntryReader, ImageEntry } from "../source/entry.ts";
import { hashEntry } from "../source/image.ts";

export type Volume = "esp" | "system" | "recovery";

/** The digests of one installation. */
export class Ledger {
  readonly #known = new Map<string, string>();
  readonly #sources = new Map<string, ImageEntry>();

  /** Takes what is known of the image already. */
  learn(volume: Volume, digests: ReadonlyMap<string, string>): void {
    for (const [path, digest] of digests) this.#known.set(keyOf(volume, path), digest);
  }

  /** The entries with readers that hash what they give. */
  watch(volume: Volume, entries: readonly ImageEntry[]): ImageEntry[] {
    return entries.map((entry) => {
      const { open } = entry;
      if (entry.kind !== "file" || open === undefined) return entry;
      const key = keyOf(volume, entry.path);
      this.#sources.set(key, entry);
      return { ...entry, open: () => this.#reader(key, entry, open()) };
    });
  }

  /** The same for a tree of a FAT. */
  watchTree(volume: Volume, tree: Tree): Tree {
    return tree.map((entry) => {
      if (entry.kind !== "file") return entry;
      const key = keyOf(volume, entry.path);
      const source = asEntry(entry);
      this.#sources.set(key, source);
      return { ...entry, open: () => this.#reader(key, source, entry.open()) };
    });
  }

  /** SHA-256 of a file of a volume, hexadecimal. Reads it if that must be. */
  *digest(volume: Volume, path: string): Work<string> {
    const key = keyOf(volume, path);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const source = this.#sources.get(key);
    if (source === undefined)
      throw failure("ENOENT", "verify", `nobody knows '${path}'.`, { path });
    const digest = yield* hashEntry(source);
    this.#known.set(key, digest);
    return digest;
  }

  /** The same here and now. */
  digestNow(volume: Volume, path: string): string {
    return finish(this.digest(volume, path));
  }

  #reader(key: string, { path, sizeBytes }: ImageEntry, inner: EntryReader): EntryReader {
    const hash = createDigest();
    let at = 0;
    const end = () => {
      const digest = hash.hex();
      const known = this.#known.get(key);
      if (known !== undefined && known !== digest) {
        const message = `'${path}' is not what it was when it was checked.`;
        throw failure("EBADMSG", "install", message, { path });
      }
      this.#known.set(key, digest);
    };
    let ended = false;
    return {
      read: (into) => {
        const got = inner.read(into);
        if (ended) return got;
        hash.update(into.subarray(0, got));
        at += got;
        if (at >= sizeBytes) {
          ended = true;
          if (at === sizeBytes) end();
        }
        return got;
      },
      close: () => inner.close(),
    };
  }
}

function keyOf(volume: Volume, path: string): string {
  return `${volume}/${path}`;
}

function asEntry(entry: TreeEntry): ImageEntry {
  return {
    path: entry.path,
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeNs: 0n,
    sizeBytes: entry.size,
    open: () => entry.open(),
  };
}
