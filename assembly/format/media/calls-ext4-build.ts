/**
 * How the media module and its host speak of a new ext4 volume: nothing of this is on a medium.
 * Little-endian. Read by asc and by tsc, so it imports nothing.
 *
 * EXT4_OPTIONS, what ext4Build reads
 *
 * | offset | size | field        | meaning                                            |
 * | -----: | ---: | ------------ | -------------------------------------------------- |
 * |  0x000 |    8 | timestamp    | f64: ms since 1970 UTC                             |
 * |  0x008 |    8 | root_percent | f64                                                |
 * |  0x010 |    4 | inode_bytes  | bytes of the volume for each inode; 0: by its size |
 * |  0x014 |    4 | root_mode    | permissions                                        |
 * |  0x018 |   16 | uuid         |                                                    |
 * |  0x028 |   16 | hash_seed    |                                                    |
 * |  0x038 |   16 | label        | UTF-8, padded with zeros                           |
 *
 * EXT4_NODE, what ext4BuildNode reads
 *
 * | offset | size | field       | meaning                                        |
 * | -----: | ---: | ----------- | ---------------------------------------------- |
 * |  0x000 |    8 | bytes       | f64: of a file                                 |
 * |  0x008 |    8 | modified    | f64: whole seconds since 1970 UTC              |
 * |  0x010 |    4 | nanoseconds |                                                |
 * |  0x014 |    4 | parent      | number of the directory                        |
 * |  0x018 |    4 | kind        | Ext4Kind                                       |
 * |  0x01c |    4 | mode        | permissions                                    |
 * |  0x020 |    4 | uid         |                                                |
 * |  0x024 |    4 | gid         |                                                |
 * |  0x028 |    4 | major       | of a device                                    |
 * |  0x02c |    4 | minor       |                                                |
 * |  0x030 |    4 | original    | LINK: number of the node that has another name |
 * |  0x034 |    4 | reserved    | zero                                           |
 *
 * EXT4_FACTS, what ext4BuildFacts writes
 *
 * | offset | size | field          | meaning                            |
 * | -----: | ---: | -------------- | ---------------------------------- |
 * |  0x000 |    8 | blocks         | f64: of 4 KiB                      |
 * |  0x008 |    8 | inodes         | f64                                |
 * |  0x010 |    8 | used_blocks    | f64                                |
 * |  0x018 |    8 | used_inodes    | f64                                |
 * |  0x020 |    8 | missing_blocks | f64: that the tree would need more |
 * |  0x028 |    8 | missing_inodes | f64                                |
 * |  0x030 |    4 | groups         |                                    |
 * |  0x034 |    4 | journal_blocks |                                    |
 */
export enum Ext4Kind {
  FILE = 1,
  DIRECTORY = 2,
  CHARACTER = 3,
  BLOCK = 4,
  FIFO = 5,
  SOCKET = 6,
  SYMLINK = 7,
  /** One more name of an earlier node. */
  LINK = 8,
}

export const EXT4_OPTIONS_TIMESTAMP: u32 = 0x000;
export const EXT4_OPTIONS_ROOT_PERCENT: u32 = 0x008;
export const EXT4_OPTIONS_INODE_BYTES: u32 = 0x010;
export const EXT4_OPTIONS_ROOT_MODE: u32 = 0x014;
export const EXT4_OPTIONS_UUID: u32 = 0x018;
export const EXT4_OPTIONS_HASH_SEED: u32 = 0x028;
export const EXT4_OPTIONS_LABEL: u32 = 0x038;
export const EXT4_OPTIONS_SIZE: u32 = 0x048;

export const EXT4_NODE_BYTES: u32 = 0x000;
export const EXT4_NODE_MODIFIED: u32 = 0x008;
export const EXT4_NODE_NANOSECONDS: u32 = 0x010;
export const EXT4_NODE_PARENT: u32 = 0x014;
export const EXT4_NODE_KIND: u32 = 0x018;
export const EXT4_NODE_MODE: u32 = 0x01c;
export const EXT4_NODE_UID: u32 = 0x020;
export const EXT4_NODE_GID: u32 = 0x024;
export const EXT4_NODE_MAJOR: u32 = 0x028;
export const EXT4_NODE_MINOR: u32 = 0x02c;
export const EXT4_NODE_ORIGINAL: u32 = 0x030;
export const EXT4_NODE_SIZE: u32 = 0x038;

export const EXT4_FACTS_BLOCKS: u32 = 0x000;
export const EXT4_FACTS_INODES: u32 = 0x008;
export const EXT4_FACTS_USED_BLOCKS: u32 = 0x010;
export const EXT4_FACTS_USED_INODES: u32 = 0x018;
export const EXT4_FACTS_MISSING_BLOCKS: u32 = 0x020;
export const EXT4_FACTS_MISSING_INODES: u32 = 0x028;
export const EXT4_FACTS_GROUPS: u32 = 0x030;
export const EXT4_FACTS_JOURNAL_BLOCKS: u32 = 0x034;
export const EXT4_FACTS_SIZE: u32 = 0x038;
