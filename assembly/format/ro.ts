/**
 * CAPOSRO1, the read-only image: bytes on the disk, version 1. Little-endian.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/ro.md.
 * Superblock at LBA 0; the index (all nodes, then all names) from RO_INDEX_LBA; then the content of
 * files and symbolic links in the order of the nodes, each padded with zeros to a whole sector.
 *
 * RO_SUPERBLOCK, one sector
 *
 * | offset | size | field        | meaning                                |
 * | -----: | ---: | ------------ | -------------------------------------- |
 * |  0x000 |    8 | magic        | "CAPOSRO1"                             |
 * |  0x008 |    2 | major        | 1                                      |
 * |  0x00a |    2 | minor        | 0                                      |
 * |  0x00c |    4 | nodes        | >= 1                                   |
 * |  0x010 |   16 | uuid         | an input of the build                  |
 * |  0x020 |    8 | sectors      | of the image                           |
 * |  0x028 |    8 | index_lba    | RO_INDEX_LBA                           |
 * |  0x030 |    8 | index_length | bytes, at most RO_INDEX_MAX            |
 * |  0x038 |    8 | data_lba     | the sector after the index             |
 * |  0x040 |   32 | index_hash   | SHA-256 of the index                   |
 * |  0x060 |  400 | reserved     | zero                                   |
 * |  0x1f0 |    8 | self_lba     | 0                                      |
 * |  0x1f8 |    8 | checksum     | XXH64 of 0x000 to 0x1f7, seed 0        |
 *
 * RO_NODE, sorted by (parent, name); node 0 is the root: parent 0, empty name
 *
 * | offset | size | field       | meaning                                                   |
 * | -----: | ---: | ----------- | --------------------------------------------------------- |
 * |  0x000 |    4 | parent      | a directory of a smaller number                           |
 * |  0x004 |    4 | name_offset | from the start of the index; names follow each other      |
 * |  0x008 |    2 | name_length |                                                           |
 * |  0x00a |    1 | type        | 1 file 2 directory 3 symlink                              |
 * |  0x00b |    1 | reserved    | zero                                                      |
 * |  0x00c |    4 | mode        | POSIX type and permissions                                |
 * |  0x010 |    8 | length      | bytes of content; directories: zero                       |
 * |  0x018 |    8 | data_lba    | of the content; zero where there is none                  |
 * |  0x020 |   32 | hash        | SHA-256 of the content; directories: zero                 |
 */
/** "CAPOSRO1" as two little-endian words. */
export const RO_MAGIC_LOW: u32 = 0x4f504143;
export const RO_MAGIC_HIGH: u32 = 0x314f5253;
export const RO_MAJOR: u32 = 1;
export const RO_MINOR: u32 = 0;

export const RO_SUPERBLOCK_MAGIC: u32 = 0x000;
export const RO_SUPERBLOCK_MAJOR: u32 = 0x008;
export const RO_SUPERBLOCK_MINOR: u32 = 0x00a;
export const RO_SUPERBLOCK_NODES: u32 = 0x00c;
export const RO_SUPERBLOCK_UUID: u32 = 0x010;
export const RO_SUPERBLOCK_SECTORS: u32 = 0x020;
export const RO_SUPERBLOCK_INDEX_LBA: u32 = 0x028;
export const RO_SUPERBLOCK_INDEX_LENGTH: u32 = 0x030;
export const RO_SUPERBLOCK_DATA_LBA: u32 = 0x038;
export const RO_SUPERBLOCK_INDEX_HASH: u32 = 0x040;
export const RO_SUPERBLOCK_RESERVED: u32 = 0x060;
export const RO_SUPERBLOCK_SELF_LBA: u32 = 0x1f0;
export const RO_SUPERBLOCK_CHECKSUM: u32 = 0x1f8;
export const RO_SUPERBLOCK_SIZE: u32 = 0x200;

export const RO_NODE_PARENT: u32 = 0x000;
export const RO_NODE_NAME_OFFSET: u32 = 0x004;
export const RO_NODE_NAME_LENGTH: u32 = 0x008;
export const RO_NODE_TYPE: u32 = 0x00a;
export const RO_NODE_RESERVED: u32 = 0x00b;
export const RO_NODE_MODE: u32 = 0x00c;
export const RO_NODE_LENGTH: u32 = 0x010;
export const RO_NODE_DATA_LBA: u32 = 0x018;
export const RO_NODE_HASH: u32 = 0x020;
export const RO_NODE_SIZE: u32 = 0x040;

export const RO_INDEX_LBA: u32 = 1;
export const RO_INDEX_MAX: u32 = 0x4000000;
