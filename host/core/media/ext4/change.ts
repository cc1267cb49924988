/**
 * Changes of an ext4 volume: files, directories and links, made durable by commit() and, with the
 * mark taken off that says that the journal is in use, by end(). What a volume must be like to be
 * changed, and why another one is not, is said here in words.
 */
import { Ext4Refusal } from "../../../../assembly/format/media/calls-ext4.ts";
import { failure, type StorageError, type StorageErrorOptions } from "../../../base/errors.ts";

/** Bytes that go to the module in one call. */
const PIECE_BYTES = 1 << 20;
const E2FSCK = "Run 'e2fsck -f' on it first.";
const SYSTEM = "Change it with a system that knows it.";

/** Content of a file that is being written: it is seen as a whole, after close(). */
export interface Ext4Writer {
  /** @throws {StorageError} ENOSPC, EFBIG, EIO: what was there before stays */
  write(piece: Uint8Array): void;
  close(): void;
  abort(): void;
}

/** The module, as far as it is needed here. */
export interface ChangeSource {
  readonly memory: {
    readonly bytes: Uint8Array;
    allocate(size: number): number;
    release(address: number, size: number): void;
    with<T>(text: string, use: (address: number, length: number) => T): T;
  };
  readonly exports: Ext4ChangeExports;
  error(result: number, syscall: string, options?: StorageErrorOptions): StorageError;
}

/** assembly/api/media/ext4-change.ts */
export type Ext4ChangeExports = {
  ext4Refusal(volume: number): number;
  ext4ChangeBegin(volume: number): number;
  ext4Commit(volume: number): number;
  ext4ChangeEnd(volume: number): number;
  ext4WriterOpen(volume: number, path: number, length: number): number;
  ext4WriterWrite(writer: number, address: number, length: number): number;
  ext4WriterEnd(writer: number): number;
  ext4WriterAbort(writer: number): void;
  ext4Mkdir(volume: number, path: number, length: number, recursive: number): number;
  ext4Symlink(
    volume: number,
    target: number,
    targetLength: number,
    path: number,
    length: number,
  ): number;
  ext4Remove(volume: number, path: number, length: number): number;
  ext4Rename(
    volume: number,
    from: number,
    fromLength: number,
    to: number,
    toLength: number,
  ): number;
};

export class Ext4Changes {
  readonly #media: ChangeSource;
  readonly #handle: number;
  readonly #features: readonly string[];
  #writer = 0;

  constructor(media: ChangeSource, handle: number, features: readonly string[]) {
    this.#media = media;
    this.#handle = handle;
    this.#features = features;
  }

  /** Throws where the volume, as it is on the disk, is not changed here. */
  refuse(): void {
    const why = this.#media.exports.ext4Refusal(this.#handle);
    if (why === Ext4Refusal.NONE) return;
    const isOurs = OURS.includes(why);
    throw this.#refusal(isOurs ? "EOPNOTSUPP" : "EROFS", "open", why, {});
  }

  /** Begins to change the volume; throws where that cannot be. */
  begin(): void {
    this.#check(this.#media.exports.ext4ChangeBegin(this.#handle), "open");
  }

  create(path: string): Ext4Writer {
    const { memory, exports } = this.#media;
    const writer = this.#check(
      memory.with(path, (at, length) => exports.ext4WriterOpen(this.#handle, at, length)),
      "open",
      path,
    );
    this.#writer = writer;
    return {
      write: (piece) => this.#write(writer, path, piece),
      close: () => {
        this.#ended(writer);
        this.#check(exports.ext4WriterEnd(writer), "write", path);
      },
      abort: () => {
        this.#ended(writer);
        exports.ext4WriterAbort(writer);
      },
    };
  }

  mkdir(path: string, recursive: boolean): void {
    const { memory, exports } = this.#media;
    const made = memory.with(path, (at, length) =>
      exports.ext4Mkdir(this.#handle, at, length, recursive ? 1 : 0),
    );
    this.#check(made, "mkdir", path);
  }

  symlink(target: string, path: string): void {
    const { memory, exports } = this.#media;
    const made = memory.with(target, (to, toLength) =>
      memory.with(path, (at, length) =>
        exports.ext4Symlink(this.#handle, to, toLength, at, length),
      ),
    );
    this.#check(made, "symlink", path);
  }

  remove(path: string): void {
    const { memory, exports } = this.#media;
    const removed = memory.with(path, (at, length) => exports.ext4Remove(this.#handle, at, length));
    this.#check(removed, "unlink", path);
  }

  rename(from: string, to: string): void {
    const { memory, exports } = this.#media;
    const renamed = memory.with(from, (at, length) =>
      memory.with(to, (other, otherLength) =>
        exports.ext4Rename(this.#handle, at, length, other, otherLength),
      ),
    );
    this.#check(renamed, "rename", from);
  }

  commit(): void {
    this.#check(this.#media.exports.ext4Commit(this.#handle), "fsync");
  }

  end(): void {
    const { exports } = this.#media;
    if (this.#writer !== 0) exports.ext4WriterAbort(this.#writer);
    this.#writer = 0;
    this.#check(exports.ext4ChangeEnd(this.#handle), "close");
  }

  /** Another one may be open by now. */
  #ended(writer: number): void {
    if (this.#writer === writer) this.#writer = 0;
  }

  #write(writer: number, path: string, piece: Uint8Array): void {
    const { memory, exports } = this.#media;
    const room = Math.min(PIECE_BYTES, piece.length);
    if (room === 0) return;
    const address = memory.allocate(room);
    try {
      for (let done = 0; done < piece.length; done += room) {
        const part = piece.subarray(done, done + room);
        memory.bytes.set(part, address);
        this.#check(exports.ext4WriterWrite(writer, address, part.length), "write", path);
      }
    } finally {
      memory.release(address, room);
    }
  }

  #check(result: number, syscall: string, path?: string): number {
    if (result >= 0) return result;
    const error = this.#media.error(result, syscall, { path });
    const { fault } = error;
    if (fault?.reason !== "EXT4_CHANGE") throw error;
    const code = error.code as Parameters<typeof failure>[0];
    throw this.#refusal(code, syscall, fault.detail ?? 0, { path, fault });
  }

  #refusal(
    code: Parameters<typeof failure>[0],
    syscall: string,
    why: Ext4Refusal,
    options: StorageErrorOptions,
  ): StorageError {
    const [message, hint] = WORDS[why] ?? [`refusal ${why}.`, undefined];
    const features = this.#features.filter((name) => !PLAIN.has(name)).join(", ");
    return failure(code, syscall, message.replace("FEATURES", features), { ...options, hint });
  }
}

/** What is no fault of the volume: it is we who do not know how. */
const OURS: readonly Ext4Refusal[] = [
  ...[Ext4Refusal.FEATURE, Ext4Refusal.JOURNAL, Ext4Refusal.EXTENTS, Ext4Refusal.ORPHANS],
];

/** Features of volumes that are changed. */
const PLAIN: ReadonlySet<string> = new Set([
  ..."has_journal ext_attr resize_inode dir_index fast_commit orphan_file".split(" "),
  ..."sparse_super2 stable_inodes dir_prealloc filetype needs_recovery meta_bg".split(" "),
  ..."extent 64bit flex_bg metadata_csum_seed large_dir sparse_super large_file".split(" "),
  ..."btree_dir huge_file uninit_bg dir_nlink extra_isize metadata_csum".split(" "),
]);

const WORDS: Readonly<Record<Ext4Refusal, readonly [string, string | undefined]>> = {
  [Ext4Refusal.NONE]: ["nothing.", undefined],
  [Ext4Refusal.READ_ONLY]: ["the device is read-only, or the volume was opened so.", undefined],
  [Ext4Refusal.BACKUP]: ["the primary superblock is damaged: a backup of it is read.", E2FSCK],
  [Ext4Refusal.FEATURE]: ["the volume has what is only read here: FEATURES.", SYSTEM],
  [Ext4Refusal.JOURNAL]: [
    "the volume has no journal inside, so a power cut in a change could damage it.",
    "Give it one with 'tune2fs -j', or change it with another system.",
  ],
  [Ext4Refusal.JOURNAL_SIZE]: [
    "the journal is too small for a change, or for the volume's block numbers.",
    "Make a larger one with 'tune2fs -O ^has_journal' and 'tune2fs -j'.",
  ],
  [Ext4Refusal.EXTENTS]: [
    "the volume is one of ext2 or ext3, without extents or types of entries.",
    "Turn it into ext4 with 'tune2fs -O extent,filetype', or change it with another system.",
  ],
  [Ext4Refusal.ERRORS]: ["a system met errors on the volume, or its journal is in doubt.", E2FSCK],
  [Ext4Refusal.ORPHANS]: ["files that were deleted while open wait to be given up.", E2FSCK],
  [Ext4Refusal.BLOCK_SIZE]: [
    "the device has larger blocks than the volume, so none of them is written alone.",
    "Copy the volume to a device with blocks of 512 bytes.",
  ],
  [Ext4Refusal.INODE]: [
    "it is immutable, append-only, encrypted, under verity or inline.",
    "Take the flag off with 'chattr' where the volume is mounted.",
  ],
  [Ext4Refusal.BLOCK_MAP]: [
    "its blocks are mapped as ext3 does it, and only extents are changed here.",
    "Copy it where the volume is mounted, or convert it with 'e2fsck -E bmap2extent'.",
  ],
  [Ext4Refusal.TRANSACTION]: [
    "one step changes more blocks than a quarter of the journal.",
    "Give the volume a larger journal, or change it where it is mounted.",
  ],
  [Ext4Refusal.OPEN_FILES]: ["files of the volume are open and read.", "Close them first."],
};
