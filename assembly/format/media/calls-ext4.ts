/**
 * How the media module and its host speak of ext2, ext3 and ext4: nothing of this is on a disk.
 * Little-endian; sectors have 512 bytes. Read by asc and by tsc, so it imports nothing.
 *
 * EXT4_INFO, what ext4Info writes
 *
 * | offset | size | field            | meaning                                            |
 * | -----: | ---: | ---------------- | -------------------------------------------------- |
 * |  0x000 |    8 | blocks           | f64: of the filesystem                             |
 * |  0x008 |    8 | free_blocks      | f64: as the superblock counts them                 |
 * |  0x010 |    8 | reserved_blocks  | f64: for the superuser                             |
 * |  0x018 |    4 | inodes           |                                                    |
 * |  0x01c |    4 | free_inodes      | as the superblock counts them                      |
 * |  0x020 |    4 | block_bytes      | 1024, 2048 or 4096                                 |
 * |  0x024 |    4 | inode_bytes      |                                                    |
 * |  0x028 |    4 | compat           | features that change nothing for a reader          |
 * |  0x02c |    4 | incompat         | features that a reader must know                   |
 * |  0x030 |    4 | ro_compat        | features that a writer must know                   |
 * |  0x034 |    4 | state            | EXT4_IS_*                                          |
 * |  0x038 |    4 | super_group      | group of the superblock in use; 0: the primary one |
 * |  0x03c |    4 | transactions     | that were replayed when it was opened              |
 * |  0x040 |    4 | overlay_blocks   | that they changed, where they are kept in memory   |
 * |  0x044 |    4 | journal_blocks   | 0: there is no journal inside                      |
 * |  0x048 |    4 | orphan           | first inode of the list of orphans, 0: none        |
 * |  0x04c |    4 | label_length     | bytes                                              |
 * |  0x050 |   16 | uuid             |                                                    |
 * |  0x060 |   16 | label            |                                                    |
 *
 * EXT4_STAT, one entry; its name follows, then the target of a link, padded to 8 bytes
 *
 * | offset | size | field         | meaning                                       |
 * | -----: | ---: | ------------- | --------------------------------------------- |
 * |  0x000 |    8 | bytes         | f64                                           |
 * |  0x008 |    8 | sectors       | f64: that it takes                            |
 * |  0x010 |    8 | next          | f64: ext4List: where to go on behind it       |
 * |  0x018 |    8 | atime         | i64: seconds since 1970 UTC                   |
 * |  0x020 |    8 | mtime         |                                               |
 * |  0x028 |    8 | ctime         |                                               |
 * |  0x030 |    8 | crtime        | 0 where inodes are too small for it           |
 * |  0x038 |    4 | atime_ns      | ns to be added                                |
 * |  0x03c |    4 | mtime_ns      |                                               |
 * |  0x040 |    4 | ctime_ns      |                                               |
 * |  0x044 |    4 | crtime_ns     |                                               |
 * |  0x048 |    4 | inode         |                                               |
 * |  0x04c |    4 | mode          | POSIX type and permissions                    |
 * |  0x050 |    4 | links         |                                               |
 * |  0x054 |    4 | uid           |                                               |
 * |  0x058 |    4 | gid           |                                               |
 * |  0x05c |    4 | flags         | of the inode                                  |
 * |  0x060 |    4 | major         | of a device                                   |
 * |  0x064 |    4 | minor         |                                               |
 * |  0x068 |    4 | name_length   | bytes                                         |
 * |  0x06c |    4 | target_length | bytes                                         |
 *
 * EXT4_XATTR, one extended attribute; its full name follows, then its value, padded to 8 bytes
 *
 * | offset | size | field        | meaning |
 * | -----: | ---: | ------------ | ------- |
 * |  0x000 |    4 | name_length  | bytes   |
 * |  0x004 |    4 | value_length | bytes   |
 *
 * EXT4_FINDING, one of `ext4Finding`: what a check met
 *
 * | offset | size | field       | meaning                                        |
 * | -----: | ---: | ----------- | ---------------------------------------------- |
 * |  0x000 |    4 | problem     | Ext4Problem                                    |
 * |  0x004 |    4 | advice      | 1: nothing is damaged                          |
 * |  0x008 |    8 | lba         | u64: sector of the device                      |
 * |  0x010 |    8 | block       | u64: of the filesystem                         |
 * |  0x018 |    8 | detail      | u64                                            |
 * |  0x020 |    8 | other       | u64                                            |
 * |  0x028 |    4 | inode       | 0: none                                        |
 * |  0x02c |    4 | path_length | bytes                                          |
 * |  0x030 |  208 | path        | its end, if it is longer                       |
 */
export const EXT4_INFO_BLOCKS: u32 = 0x000;
export const EXT4_INFO_FREE_BLOCKS: u32 = 0x008;
export const EXT4_INFO_RESERVED_BLOCKS: u32 = 0x010;
export const EXT4_INFO_INODES: u32 = 0x018;
export const EXT4_INFO_FREE_INODES: u32 = 0x01c;
export const EXT4_INFO_BLOCK_BYTES: u32 = 0x020;
export const EXT4_INFO_INODE_BYTES: u32 = 0x024;
export const EXT4_INFO_COMPAT: u32 = 0x028;
export const EXT4_INFO_INCOMPAT: u32 = 0x02c;
export const EXT4_INFO_RO_COMPAT: u32 = 0x030;
export const EXT4_INFO_STATE: u32 = 0x034;
export const EXT4_INFO_SUPER_GROUP: u32 = 0x038;
export const EXT4_INFO_TRANSACTIONS: u32 = 0x03c;
export const EXT4_INFO_OVERLAY_BLOCKS: u32 = 0x040;
export const EXT4_INFO_JOURNAL_BLOCKS: u32 = 0x044;
export const EXT4_INFO_ORPHAN: u32 = 0x048;
export const EXT4_INFO_LABEL_LENGTH: u32 = 0x04c;
export const EXT4_INFO_UUID: u32 = 0x050;
export const EXT4_INFO_LABEL: u32 = 0x060;
export const EXT4_INFO_SIZE: u32 = 0x070;

/** Bits of EXT4_INFO's state: changes are refused. */
export const EXT4_IS_READ_ONLY: u32 = 1;
/** The journal held transactions when it was opened. */
export const EXT4_IS_REPLAYED: u32 = 2;
/** The superblock says that a system met errors. */
export const EXT4_IS_IN_DOUBT: u32 = 4;
/** The block of the primary superblock has the magic, whole or not. */
export const EXT4_IS_MARKED: u32 = 8;

export const EXT4_STAT_BYTES: u32 = 0x000;
export const EXT4_STAT_SECTORS: u32 = 0x008;
export const EXT4_STAT_NEXT: u32 = 0x010;
export const EXT4_STAT_ATIME: u32 = 0x018;
export const EXT4_STAT_MTIME: u32 = 0x020;
export const EXT4_STAT_CTIME: u32 = 0x028;
export const EXT4_STAT_CRTIME: u32 = 0x030;
export const EXT4_STAT_ATIME_NS: u32 = 0x038;
export const EXT4_STAT_MTIME_NS: u32 = 0x03c;
export const EXT4_STAT_CTIME_NS: u32 = 0x040;
export const EXT4_STAT_CRTIME_NS: u32 = 0x044;
export const EXT4_STAT_INODE: u32 = 0x048;
export const EXT4_STAT_MODE: u32 = 0x04c;
export const EXT4_STAT_LINKS: u32 = 0x050;
export const EXT4_STAT_UID: u32 = 0x054;
export const EXT4_STAT_GID: u32 = 0x058;
export const EXT4_STAT_FLAGS: u32 = 0x05c;
export const EXT4_STAT_MAJOR: u32 = 0x060;
export const EXT4_STAT_MINOR: u32 = 0x064;
export const EXT4_STAT_NAME_LENGTH: u32 = 0x068;
export const EXT4_STAT_TARGET_LENGTH: u32 = 0x06c;
export const EXT4_STAT_SIZE: u32 = 0x070;
/** Room for any one entry: a name of 255 bytes, a target of 4096. */
export const EXT4_STAT_ROOM: u32 = 0x1170;

export const EXT4_XATTR_NAME_LENGTH: u32 = 0x000;
export const EXT4_XATTR_VALUE_LENGTH: u32 = 0x004;
export const EXT4_XATTR_SIZE: u32 = 0x008;
/** Room for the attributes of any inode. */
export const EXT4_XATTRS_ROOM: u32 = 0x20000;

export const EXT4_FINDING_PROBLEM: u32 = 0x000;
export const EXT4_FINDING_ADVICE: u32 = 0x004;
export const EXT4_FINDING_LBA: u32 = 0x008;
export const EXT4_FINDING_BLOCK: u32 = 0x010;
export const EXT4_FINDING_DETAIL: u32 = 0x018;
export const EXT4_FINDING_OTHER: u32 = 0x020;
export const EXT4_FINDING_INODE: u32 = 0x028;
export const EXT4_FINDING_PATH_LENGTH: u32 = 0x02c;
export const EXT4_FINDING_PATH: u32 = 0x030;
export const EXT4_FINDING_SIZE: u32 = 0x100;

/** What a check finds; the host makes a sentence of it. Append only. */
export enum Ext4Problem {
  NONE = 0,
  /** The primary superblock is damaged; `detail` is the group whose backup is in use. */
  SUPERBLOCK = 1,
  /** A system met errors on it. */
  ERRORS_MET = 2,
  /** The journal had to be replayed: `detail` transactions. */
  DIRTY = 3,
  /** Inodes wait to be deleted. */
  ORPHANS = 4,
  /** The journal says that it met an error. */
  JOURNAL_ERROR = 5,
  /** A descriptor of group `detail` fails its checksum. */
  GROUP_CHECKSUM = 6,
  /** A bitmap or inode table of group `detail` is not where it can be. */
  GROUP_PLACE = 7,
  /** The bitmap of blocks of group `detail` fails its checksum. */
  BLOCK_BITMAP_CHECKSUM = 8,
  INODE_BITMAP_CHECKSUM = 9,
  /** `detail` is in use and marked free; `other` such blocks in its group. */
  BLOCK_MARKED_FREE = 10,
  /** `detail` is marked as in use, by nothing; `other` such blocks in its group. */
  BLOCK_LOST = 11,
  INODE_MARKED_FREE = 12,
  INODE_LOST = 13,
  /** Group `detail` counts its free blocks wrong: `other`. */
  GROUP_FREE_BLOCKS = 14,
  GROUP_FREE_INODES = 15,
  GROUP_DIRECTORIES = 16,
  /** The superblock counts `detail`, there are `other`. */
  FREE_BLOCKS = 17,
  FREE_INODES = 18,
  INODE_CHECKSUM = 19,
  /** A field at offset `detail` of the inode has an impossible value. */
  INODE_FIELD = 20,
  /** The inode says it has `detail` sectors, it has `other`. */
  INODE_SECTORS = 21,
  /** The size, `detail`, does not fit the blocks, which end at `other`. */
  INODE_SIZE = 22,
  /** The tree of extents is wrong; `detail` is the Reason. */
  EXTENTS = 23,
  /** Block `detail` belongs to something else too. */
  OVERLAP = 24,
  /** The inode counts `detail` links, there are `other`. */
  LINKS = 25,
  /** An inode in use has no name. */
  UNATTACHED = 26,
  /** A block of a directory fails its checksum. */
  DIRECTORY_CHECKSUM = 27,
  /** An entry at offset `detail` of its block is impossible. */
  ENTRY = 28,
  /** An entry leads to inode `detail`, which is not in use. */
  ENTRY_FREE = 29,
  /** An entry says type `detail`, the inode is of type `other`. */
  ENTRY_TYPE = 30,
  /** "." or ".." lead to inode `detail` where they must lead to `other`. */
  DOTS = 31,
  /** A directory has two names. */
  DIRECTORY_TWICE = 32,
  /** Extended attributes cannot be read. */
  XATTRS = 33,
  /** The device cannot be read there. */
  UNREADABLE = 34,
  /** A hash tree of a directory is wrong. */
  HASH_TREE = 35,
  /** There are more findings than fit. */
  MORE = 36,
  /** Group `detail` says that its table of inodes ends unused earlier than it does. */
  UNUSED = 37,
}

/** Why a volume is not changed here; the host makes a sentence of it. Append only. */
export enum Ext4Refusal {
  NONE = 0,
  /** The device, or the volume as it was opened. */
  READ_ONLY = 1,
  /** A backup of the superblock is in use. */
  BACKUP = 2,
  /** A feature that a writer must know, or that changes what a file is. */
  FEATURE = 3,
  /** There is no journal inside. */
  JOURNAL = 4,
  /** The journal has too few blocks, or numbers too small for the volume. */
  JOURNAL_SIZE = 5,
  /** New files need extents. */
  EXTENTS = 6,
  /** A system met errors, or the volume was never unmounted. */
  ERRORS = 7,
  /** Files that were deleted while open wait to be cleared. */
  ORPHANS = 8,
  /** The device has blocks larger than the volume's. */
  BLOCK_SIZE = 9,
  /** An inode that must not change: immutable, append-only, encrypted, verity, inline. */
  INODE = 10,
  /** The blocks of the file or directory are mapped as ext3 does it. */
  BLOCK_MAP = 11,
  /** One step changes more blocks than the journal takes. */
  TRANSACTION = 12,
  /** Files are open that are read. */
  OPEN_FILES = 13,
}
