/** What an ext4 volume says of itself as a whole, with names for its features. */
import {
  EXT4_INFO_BLOCK_BYTES,
  EXT4_INFO_BLOCKS,
  EXT4_INFO_COMPAT,
  EXT4_INFO_FREE_BLOCKS,
  EXT4_INFO_FREE_INODES,
  EXT4_INFO_INCOMPAT,
  EXT4_INFO_INODES,
  EXT4_INFO_JOURNAL_BLOCKS,
  EXT4_INFO_LABEL,
  EXT4_INFO_LABEL_LENGTH,
  EXT4_INFO_ORPHAN,
  EXT4_INFO_OVERLAY_BLOCKS,
  EXT4_INFO_RO_COMPAT,
  EXT4_INFO_SIZE,
  EXT4_INFO_STATE,
  EXT4_INFO_SUPER_GROUP,
  EXT4_INFO_TRANSACTIONS,
  EXT4_INFO_UUID,
  EXT4_IS_IN_DOUBT,
  EXT4_IS_MARKED,
  EXT4_IS_READ_ONLY,
  EXT4_IS_REPLAYED,
} from "../../../../assembly/format/media/calls-ext4.ts";
import { toHex } from "../../../base/hash.ts";

/** Names by the number of the bit; "" where nobody gave it one. */
const COMPAT = [
  ..."dir_prealloc imagic_inodes has_journal ext_attr resize_inode dir_index".split(" "),
  ...["lazy_bg", "", "", "sparse_super2", "fast_commit", "stable_inodes", "orphan_file"],
];
const INCOMPAT = [
  ..."compression filetype needs_recovery journal_dev meta_bg".split(" "),
  ...["", "extent", "64bit", "mmp", "flex_bg", "ea_inode", "", "dirdata"],
  ..."metadata_csum_seed large_dir inline_data encrypt casefold".split(" "),
];
const RO_COMPAT = [
  ..."sparse_super large_file btree_dir huge_file uninit_bg dir_nlink extra_isize".split(" "),
  ...["", "quota", "bigalloc", "metadata_csum", "replica", "read-only", "project"],
  ..."shared_blocks verity orphan_present".split(" "),
];

export interface Ext4Info {
  readonly label: string;
  readonly uuid: string;
  readonly features: readonly string[];
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly blockBytes: number;
  readonly inodes: number;
  readonly freeInodes: number;
  /** Group of the superblock in use: 0 is the primary one, else that is damaged. */
  readonly superGroup: number;
  /** Nothing is written: asked for, or forced by a feature or a damaged superblock. */
  readonly readOnly: boolean;
  /** The place of the primary superblock has the magic. */
  readonly isMarked: boolean;
  /** A system that used the volume met errors on it. */
  readonly inDoubt: boolean;
  readonly journal: {
    /** 0: the volume has none of its own. */
    readonly blocks: number;
    /** It was not empty when the volume was opened. */
    readonly wasDirty: boolean;
    /** Transactions that were replayed then. */
    readonly transactions: number;
    /** Blocks that they changed, kept in memory because nothing may be written. */
    readonly blocksInMemory: number;
  };
  /** First of the inodes that wait to be deleted, 0: none. */
  readonly orphan: number;
}

/** The module, as far as it is needed here. */
export interface InfoSource {
  readonly memory: {
    readonly view: DataView;
    text(address: number, length: number): string;
    slice(address: number, length: number): Uint8Array;
    allocate(size: number): number;
    release(address: number, size: number): void;
  };
  readonly exports: { ext4Info(volume: number, out: number): number };
  check(result: number, syscall: string): number;
}

/** Asks for the EXT4_INFO of an open volume. */
export function readInfo(media: InfoSource, handle: number): Ext4Info {
  const { memory, exports } = media;
  const out = memory.allocate(EXT4_INFO_SIZE);
  try {
    media.check(exports.ext4Info(handle, out), "ext4Info");
    const { view } = memory;
    const word = (field: number) => view.getUint32(out + field, true);
    const number = (field: number) => view.getFloat64(out + field, true);
    const state = word(EXT4_INFO_STATE);
    const features = {
      compat: word(EXT4_INFO_COMPAT),
      incompat: word(EXT4_INFO_INCOMPAT),
      roCompat: word(EXT4_INFO_RO_COMPAT),
    };
    return {
      label: memory.text(out + EXT4_INFO_LABEL, word(EXT4_INFO_LABEL_LENGTH)),
      uuid: uuidText(memory.slice(out + EXT4_INFO_UUID, 16)),
      features: featureNames(features),
      blocks: number(EXT4_INFO_BLOCKS),
      freeBlocks: number(EXT4_INFO_FREE_BLOCKS),
      blockBytes: word(EXT4_INFO_BLOCK_BYTES),
      inodes: word(EXT4_INFO_INODES),
      freeInodes: word(EXT4_INFO_FREE_INODES),
      superGroup: word(EXT4_INFO_SUPER_GROUP),
      readOnly: (state & EXT4_IS_READ_ONLY) !== 0,
      isMarked: (state & EXT4_IS_MARKED) !== 0,
      inDoubt: (state & EXT4_IS_IN_DOUBT) !== 0,
      journal: {
        blocks: word(EXT4_INFO_JOURNAL_BLOCKS),
        wasDirty: (state & EXT4_IS_REPLAYED) !== 0,
        transactions: word(EXT4_INFO_TRANSACTIONS),
        blocksInMemory: word(EXT4_INFO_OVERLAY_BLOCKS),
      },
      orphan: word(EXT4_INFO_ORPHAN),
    };
  } finally {
    memory.release(out, EXT4_INFO_SIZE);
  }
}

/** Names of the features whose bits are set, in the order that other tools print them. */
export function featureNames(bits: {
  readonly compat?: number;
  readonly incompat?: number;
  readonly roCompat?: number;
}): string[] {
  const { compat = 0, incompat = 0, roCompat = 0 } = bits;
  return [
    ...named(compat, COMPAT, "FEATURE_C"),
    ...named(incompat, INCOMPAT, "FEATURE_I"),
    ...named(roCompat, RO_COMPAT, "FEATURE_R"),
  ];
}

function named(word: number, names: readonly string[], prefix: string): string[] {
  const found: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    if (((word >>> bit) & 1) !== 0) found.push(names[bit] || `${prefix}${bit}`);
  }
  return found;
}

function uuidText(bytes: Uint8Array): string {
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
