/** What a check of an ext4 volume found, as sentences. */
import {
  EXT4_FINDING_ADVICE,
  EXT4_FINDING_BLOCK,
  EXT4_FINDING_DETAIL,
  EXT4_FINDING_INODE,
  EXT4_FINDING_LBA,
  EXT4_FINDING_OTHER,
  EXT4_FINDING_PATH,
  EXT4_FINDING_PATH_LENGTH,
  EXT4_FINDING_PROBLEM,
  Ext4Problem,
} from "../../../../assembly/format/media/calls-ext4.ts";

/** Something that a check met on the volume. */
export interface Ext4Finding {
  /** Name of an Ext4Problem of assembly/format/media/calls-ext4. */
  readonly kind: string;
  /** Sector of the device, units of 512 bytes. */
  readonly lba: number;
  /** Block of the volume. */
  readonly block: number;
  readonly inode?: number;
  readonly path?: string;
  /** A sentence: what is wrong. */
  readonly reason: string;
  /** True where nothing is damaged. */
  readonly isAdvice: boolean;
}

/** The module, as far as findings need it. */
export interface FindingSource {
  readonly memory: { readonly view: DataView; text(address: number, length: number): string };
  readonly exports: { ext4Finding(index: number): number };
}

/** The `count` findings of the check that the module ran last. */
export function readFindings(media: FindingSource, count: number): Ext4Finding[] {
  const findings: Ext4Finding[] = [];
  for (let index = 0; index < count; index++) {
    const at = media.exports.ext4Finding(index) >>> 0;
    const { view } = media.memory;
    const problem = view.getUint32(at + EXT4_FINDING_PROBLEM, true) as Ext4Problem;
    const inode = view.getUint32(at + EXT4_FINDING_INODE, true);
    const length = view.getUint32(at + EXT4_FINDING_PATH_LENGTH, true);
    const path = media.memory.text(at + EXT4_FINDING_PATH, length);
    const number = (field: number) => Number(view.getBigUint64(at + field, true));
    const [detail, other] = [number(EXT4_FINDING_DETAIL), number(EXT4_FINDING_OTHER)];
    findings.push({
      kind: Ext4Problem[problem] ?? `problem ${problem}`,
      lba: number(EXT4_FINDING_LBA),
      block: number(EXT4_FINDING_BLOCK),
      ...(inode === 0 ? {} : { inode }),
      ...(length === 0 ? {} : { path }),
      reason: placed(sentence(problem, detail, other), inode),
      isAdvice: view.getUint32(at + EXT4_FINDING_ADVICE, true) !== 0,
    });
  }
  return findings;
}

function placed(text: string, inode: number): string {
  return inode === 0 ? text : `Inode ${inode}: ${text}`;
}

type Sentence = (detail: number, other: number) => string;

const SENTENCES: Readonly<Record<Ext4Problem, Sentence>> = {
  [Ext4Problem.NONE]: () => "nothing.",
  [Ext4Problem.SUPERBLOCK]: (group) =>
    `the primary superblock is damaged; the backup in group ${group} was used.`,
  [Ext4Problem.ERRORS_MET]: () => "a system that used the volume met errors on it.",
  [Ext4Problem.DIRTY]: (count) =>
    `the volume was not unmounted: its journal held ${count} transactions.`,
  [Ext4Problem.ORPHANS]: () => "files that were deleted while open wait to be given up.",
  [Ext4Problem.JOURNAL_ERROR]: (code) => `the journal says that it met error ${code}.`,
  [Ext4Problem.GROUP_CHECKSUM]: (group) => `the descriptor of group ${group} fails its checksum.`,
  [Ext4Problem.GROUP_PLACE]: (group) =>
    `the descriptor of group ${group} names a bitmap or table where none can be.`,
  [Ext4Problem.BLOCK_BITMAP_CHECKSUM]: (group) =>
    `the bitmap of blocks of group ${group} fails its checksum.`,
  [Ext4Problem.INODE_BITMAP_CHECKSUM]: (group) =>
    `the bitmap of inodes of group ${group} fails its checksum.`,
  [Ext4Problem.BLOCK_MARKED_FREE]: (block, count) =>
    `${count} blocks from ${block} on are in use and marked free.`,
  [Ext4Problem.BLOCK_LOST]: (block, count) =>
    `${count} blocks from ${block} on are marked as in use, by nothing.`,
  [Ext4Problem.INODE_MARKED_FREE]: () => "it is in use and marked free.",
  [Ext4Problem.INODE_LOST]: () => "it is marked as in use and is not.",
  [Ext4Problem.GROUP_FREE_BLOCKS]: (group, count) =>
    `group ${group} counts its free blocks wrong: ${count}.`,
  [Ext4Problem.GROUP_FREE_INODES]: (group, count) =>
    `group ${group} counts its free inodes wrong: ${count}.`,
  [Ext4Problem.GROUP_DIRECTORIES]: (group, count) =>
    `group ${group} counts its directories wrong: ${count}.`,
  [Ext4Problem.FREE_BLOCKS]: (told, found) =>
    `the superblock counts ${told} free blocks, there are ${found}.`,
  [Ext4Problem.FREE_INODES]: (told, found) =>
    `the superblock counts ${told} free inodes, there are ${found}.`,
  [Ext4Problem.INODE_CHECKSUM]: () => "it fails its checksum.",
  [Ext4Problem.INODE_FIELD]: (offset) =>
    `the field at offset 0x${offset.toString(16)} has an impossible value.`,
  [Ext4Problem.INODE_SECTORS]: (told, found) => `it counts ${told} sectors and has ${found}.`,
  [Ext4Problem.INODE_SIZE]: (size, end) =>
    `its size, ${size} bytes, does not fit its blocks, which end at ${end}.`,
  [Ext4Problem.EXTENTS]: () => "its tree of extents or block map cannot be.",
  [Ext4Problem.OVERLAP]: (block) => `block ${block} belongs to something else too.`,
  [Ext4Problem.LINKS]: (told, found) => `it counts ${told} links and has ${found}.`,
  [Ext4Problem.UNATTACHED]: () => "it is in use and has no name.",
  [Ext4Problem.DIRECTORY_CHECKSUM]: () => "a block of the directory fails its checksum.",
  [Ext4Problem.ENTRY]: (offset) =>
    `the entry at offset 0x${offset.toString(16)} of its block cannot be.`,
  [Ext4Problem.ENTRY_FREE]: (number) => `an entry leads to inode ${number}, which is not in use.`,
  [Ext4Problem.ENTRY_TYPE]: (told, found) => `its entry says type ${told}, it is of type ${found}.`,
  [Ext4Problem.DOTS]: (told, right) => `'.' or '..' leads to inode ${told} where ${right} belongs.`,
  [Ext4Problem.DIRECTORY_TWICE]: () => "the directory has two names.",
  [Ext4Problem.XATTRS]: () => "its extended attributes cannot be read.",
  [Ext4Problem.UNREADABLE]: () => "the device cannot be read there.",
  [Ext4Problem.HASH_TREE]: () => "the index of the directory cannot be.",
  [Ext4Problem.MORE]: () => "there are more findings than fit.",
  [Ext4Problem.UNUSED]: (group) =>
    `group ${group} counts as never used a part of its table that is in use.`,
};

function sentence(problem: Ext4Problem, detail: number, other: number): string {
  const text = SENTENCES[problem];
  return text === undefined ? `problem ${problem}, ${detail}, ${other}.` : text(detail, other);
}
