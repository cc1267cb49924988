/**
 * What the installation needs of ext4, as one value, so that a test can put a filesystem of its own
 * in its place and a cut of the installation costs no megabytes of tables.
 */
import type { Work } from "../../../base/work.ts";
import type { Ext4Stat } from "../../../core/media/ext4.ts";
import type { MediaCore } from "../../../core/media/load.ts";
import type { ImageEntry } from "../source/entry.ts";

export interface Ext4Window {
  readonly baseSector: number;
  readonly sectors: number;
}

export interface Ext4Request extends Ext4Window {
  readonly label: string;
  readonly uuid: Uint8Array;
  readonly hashSeed: Uint8Array;
  readonly timestampMs: number;
  readonly entries: readonly ImageEntry[];
}

/** What a volume says of one name. */
export type Ext4Found = Omit<Ext4Stat, "blocks" | "atimeNs" | "ctimeNs" | "crtimeNs">;

export interface Ext4Read {
  readonly label: string;
  /** The names in a folder; "" is the root. */
  list(path: string): readonly Ext4Found[];
  /** Of a link, what it says itself. */
  stat(path: string): Ext4Found;
  xattrs(path: string): ReadonlyMap<string, Uint8Array>;
  open(path: string): {
    readonly sizeBytes: number;
    read(offset: number, into: Uint8Array): number;
    close(): void;
  };
  /** Sentences about what is wrong. */
  check(): readonly string[];
  close(): void;
}

export interface Ext4Tools {
  /** Sectors of the smallest filesystem that surely holds the entries. */
  smallest(media: MediaCore, entries: readonly ImageEntry[]): number;
  /** Refuses what `build` would refuse; writes nothing. */
  plan(media: MediaCore, device: number, request: Ext4Request): void;
  build(media: MediaCore, device: number, request: Ext4Request): Work<unknown>;
  /** Read-only; absent where nothing reads ext4. @throws {StorageError} EMEDIUMTYPE, EBADMSG */
  open?(media: MediaCore, device: number, window: Ext4Window): Ext4Read;
}
