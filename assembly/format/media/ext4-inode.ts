/**
 * ext4, inodes and the extents of a file. Little-endian; times are seconds since 1970.
 * Names with "_low" and "_high" are two halves of one number.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/ext4.md.
 * Source: Linux kernel documentation, filesystems/ext4, "Index Nodes" and "Extent Tree".
 *
 * INODE, one of the table of a group; 256 bytes as we write them
 *
 * | offset | size | field          | meaning                                                |
 * | -----: | ---: | -------------- | ------------------------------------------------------ |
 * |  0x000 |    2 | mode           | MODE_* and permissions                                 |
 * |  0x002 |    2 | uid_low        |                                                        |
 * |  0x004 |    4 | size_low       | bytes                                                  |
 * |  0x008 |    4 | accessed_at    | seconds                                                |
 * |  0x00c |    4 | changed_at     | seconds, of the inode                                  |
 * |  0x010 |    4 | modified_at    | seconds, of the content                                |
 * |  0x014 |    4 | deleted_at     | seconds, 0: it is in use                               |
 * |  0x018 |    2 | gid_low        |                                                        |
 * |  0x01a |    2 | links          |                                                        |
 * |  0x01c |    4 | blocks_low     | sectors of 512, or blocks with INODE_FLAG_HUGE         |
 * |  0x020 |    4 | flags          | INODE_FLAG_*                                           |
 * |  0x024 |    4 | version_low    |                                                        |
 * |  0x028 |   60 | block          | root of the extents, block map, short target or device |
 * |  0x064 |    4 | generation     |                                                        |
 * |  0x068 |    4 | xattr_low      | block with more attributes                             |
 * |  0x06c |    4 | size_high      |                                                        |
 * |  0x070 |    4 | fragment       | zero                                                   |
 * |  0x074 |    2 | blocks_high    |                                                        |
 * |  0x076 |    2 | xattr_high     |                                                        |
 * |  0x078 |    2 | uid_high       |                                                        |
 * |  0x07a |    2 | gid_high       |                                                        |
 * |  0x07c |    2 | checksum_low   | of a CRC-32C                                           |
 * |  0x07e |    2 | reserved       | zero                                                   |
 * |  0x080 |    2 | extra          | bytes in use past 128: 32                              |
 * |  0x082 |    2 | checksum_high  |                                                        |
 * |  0x084 |    4 | changed_extra  | two bits of epoch, 30 of nanoseconds                   |
 * |  0x088 |    4 | modified_extra |                                                        |
 * |  0x08c |    4 | accessed_extra |                                                        |
 * |  0x090 |    4 | created_at     | seconds                                                |
 * |  0x094 |    4 | created_extra  |                                                        |
 * |  0x098 |    4 | version_high   |                                                        |
 * |  0x09c |    4 | project        |                                                        |
 * |  0x0a0 |   96 | xattrs         | INODE_XATTR and entries                                |
 *
 * EXTENTS, header of a node of extents; 12 bytes each follow
 *
 * | offset | size | field      | meaning                                        |
 * | -----: | ---: | ---------- | ---------------------------------------------- |
 * |  0x000 |    2 | magic      | EXTENT_MAGIC                                   |
 * |  0x002 |    2 | count      | of entries                                     |
 * |  0x004 |    2 | max        | entries that fit                               |
 * |  0x006 |    2 | depth      | 0: the entries are extents, else index entries |
 * |  0x008 |    4 | generation | zero                                           |
 *
 * EXTENT_INDEX, an entry of a node whose depth is not 0
 *
 * | offset | size | field     | meaning                                 |
 * | -----: | ---: | --------- | --------------------------------------- |
 * |  0x000 |    4 | block     | first block of the file below it        |
 * |  0x004 |    4 | leaf_low  | block of the volume with the node below |
 * |  0x008 |    2 | leaf_high |                                         |
 * |  0x00a |    2 | reserved  | zero                                    |
 *
 * EXTENT, an entry of a node of depth 0
 *
 * | offset | size | field      | meaning                                                 |
 * | -----: | ---: | ---------- | ------------------------------------------------------- |
 * |  0x000 |    4 | block      | first block of the file                                 |
 * |  0x004 |    2 | length     | blocks; past 32768: EXTENT_UNWRITTEN more than they are |
 * |  0x006 |    2 | start_high |                                                         |
 * |  0x008 |    4 | start_low  | first block of the volume                               |
 *
 * EXTENT_TAIL, behind the last entry that fits into a block
 *
 * | offset | size | field    | meaning                       |
 * | -----: | ---: | -------- | ----------------------------- |
 * |  0x000 |    4 | checksum | CRC-32C of the node before it |
 */
/** Of volumes without extra fields. */
export const INODE_SIZE_SMALL: u32 = 0x80;
export const INODE_EXTRA_WANTED: u32 = 32;
export const INODE_BLOCK_SIZE: u32 = 60;
/** Bad blocks, root, resize inode, journal: these have fixed numbers. */
export const INODE_BAD: u32 = 1;
export const INODE_ROOT: u32 = 2;
export const INODE_RESIZE: u32 = 7;
export const INODE_JOURNAL: u32 = 8;
/** The first that is not reserved: lost+found. */
export const INODE_FIRST: u32 = 11;
/** The most links: a directory with more subdirectories says 1. */
export const INODE_LINKS_MAX: u32 = 65000;

export const MODE_TYPE: u32 = 0xf000;
export const MODE_FIFO: u32 = 0x1000;
export const MODE_CHARACTER: u32 = 0x2000;
export const MODE_DIRECTORY: u32 = 0x4000;
export const MODE_BLOCK: u32 = 0x6000;
export const MODE_FILE: u32 = 0x8000;
export const MODE_SYMLINK: u32 = 0xa000;
export const MODE_SOCKET: u32 = 0xc000;

export const INODE_FLAG_SYNC: u32 = 0x8;
export const INODE_FLAG_IMMUTABLE: u32 = 0x10;
export const INODE_FLAG_APPEND: u32 = 0x20;
export const INODE_FLAG_ENCRYPTED: u32 = 0x800;
/** The directory has an index (htree). */
export const INODE_FLAG_INDEX: u32 = 0x1000;
/** The number of blocks counts blocks, not sectors. */
export const INODE_FLAG_HUGE: u32 = 0x40000;
export const INODE_FLAG_EXTENTS: u32 = 0x80000;
export const INODE_FLAG_VERITY: u32 = 0x100000;
/** The value of one attribute is the content of this inode. */
export const INODE_FLAG_XATTR: u32 = 0x200000;
export const INODE_FLAG_INLINE: u32 = 0x10000000;

/** Bits of the epoch in the "_extra" fields. */
export const EXTRA_EPOCH_MASK: u32 = 3;
export const EXTRA_NANOSECONDS_SHIFT: u32 = 2;

/** Words of a block map (INODE_BLOCK without INODE_FLAG_EXTENTS). */
export const MAP_DIRECT: u32 = 12;
export const MAP_SINGLE: u32 = 12;
export const MAP_DOUBLE: u32 = 13;
export const MAP_TRIPLE: u32 = 14;

export const EXTENT_MAGIC: u32 = 0xf30a;
/** What fits into an inode and into a block of 4 KiB. */
export const EXTENTS_IN_INODE: u32 = 4;
export const EXTENTS_IN_BLOCK: u32 = 340;
export const EXTENTS_DEPTH_MAX: u32 = 5;
export const EXTENT_LENGTH_MAX: u32 = 0x8000;
/** Added to the length of an extent that reads as zeros. */
export const EXTENT_UNWRITTEN: u32 = 0x8000;

export const INODE_MODE: u32 = 0x000;
export const INODE_UID_LOW: u32 = 0x002;
export const INODE_SIZE_LOW: u32 = 0x004;
export const INODE_ACCESSED_AT: u32 = 0x008;
export const INODE_CHANGED_AT: u32 = 0x00c;
export const INODE_MODIFIED_AT: u32 = 0x010;
export const INODE_DELETED_AT: u32 = 0x014;
export const INODE_GID_LOW: u32 = 0x018;
export const INODE_LINKS: u32 = 0x01a;
export const INODE_BLOCKS_LOW: u32 = 0x01c;
export const INODE_FLAGS: u32 = 0x020;
export const INODE_VERSION_LOW: u32 = 0x024;
export const INODE_BLOCK: u32 = 0x028;
export const INODE_GENERATION: u32 = 0x064;
export const INODE_XATTR_LOW: u32 = 0x068;
export const INODE_SIZE_HIGH: u32 = 0x06c;
export const INODE_FRAGMENT: u32 = 0x070;
export const INODE_BLOCKS_HIGH: u32 = 0x074;
export const INODE_XATTR_HIGH: u32 = 0x076;
export const INODE_UID_HIGH: u32 = 0x078;
export const INODE_GID_HIGH: u32 = 0x07a;
export const INODE_CHECKSUM_LOW: u32 = 0x07c;
export const INODE_EXTRA: u32 = 0x080;
export const INODE_CHECKSUM_HIGH: u32 = 0x082;
export const INODE_CHANGED_EXTRA: u32 = 0x084;
export const INODE_MODIFIED_EXTRA: u32 = 0x088;
export const INODE_ACCESSED_EXTRA: u32 = 0x08c;
export const INODE_CREATED_AT: u32 = 0x090;
export const INODE_CREATED_EXTRA: u32 = 0x094;
export const INODE_VERSION_HIGH: u32 = 0x098;
export const INODE_PROJECT: u32 = 0x09c;
export const INODE_XATTRS: u32 = 0x0a0;
export const INODE_SIZE: u32 = 0x100;

export const EXTENTS_MAGIC: u32 = 0x000;
export const EXTENTS_COUNT: u32 = 0x002;
export const EXTENTS_MAX: u32 = 0x004;
export const EXTENTS_DEPTH: u32 = 0x006;
export const EXTENTS_GENERATION: u32 = 0x008;
export const EXTENTS_SIZE: u32 = 0x00c;

export const EXTENT_INDEX_BLOCK: u32 = 0x000;
export const EXTENT_INDEX_LEAF_LOW: u32 = 0x004;
export const EXTENT_INDEX_LEAF_HIGH: u32 = 0x008;
export const EXTENT_INDEX_SIZE: u32 = 0x00c;

export const EXTENT_BLOCK: u32 = 0x000;
export const EXTENT_LENGTH: u32 = 0x004;
export const EXTENT_START_HIGH: u32 = 0x006;
export const EXTENT_START_LOW: u32 = 0x008;
export const EXTENT_SIZE: u32 = 0x00c;

export const EXTENT_TAIL_CHECKSUM: u32 = 0x000;
export const EXTENT_TAIL_SIZE: u32 = 0x004;
