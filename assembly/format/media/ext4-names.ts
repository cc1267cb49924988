/**
 * ext4, directories with their index, and extended attributes. Little-endian.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/ext4.md.
 * Source: Linux kernel documentation, filesystems/ext4, "Directory Entries", "Hash Tree
 * Directories" and "Extended Attributes".
 *
 * ENTRY, of a directory; its name follows, padded to 4 bytes. None crosses a block
 *
 * | offset | size | field       | meaning                       |
 * | -----: | ---: | ----------- | ----------------------------- |
 * |  0x000 |    4 | inode       | 0: nothing stands here        |
 * |  0x004 |    2 | length      | of the entry, to the next one |
 * |  0x006 |    1 | name_length |                               |
 * |  0x007 |    1 | type        | ENTRY_TYPE_*                  |
 *
 * LEAF_TAIL, the last 12 bytes of a block of entries
 *
 * | offset | size | field       | meaning                        |
 * | -----: | ---: | ----------- | ------------------------------ |
 * |  0x000 |    4 | inode       | zero                           |
 * |  0x004 |    2 | length      | 12                             |
 * |  0x006 |    1 | name_length | zero                           |
 * |  0x007 |    1 | type        | ENTRY_TYPE_TAIL                |
 * |  0x008 |    4 | checksum    | CRC-32C of the block before it |
 *
 * INDEX_ROOT, block 0 of a directory with an index; INDEX_ENTRY follow, then INDEX_TAIL
 *
 * | offset | size | field              | meaning                                      |
 * | -----: | ---: | ------------------ | -------------------------------------------- |
 * |  0x000 |    4 | dot_inode          | of the directory                             |
 * |  0x004 |    2 | dot_length         | 12                                           |
 * |  0x006 |    1 | dot_name_length    | 1                                            |
 * |  0x007 |    1 | dot_type           | directory                                    |
 * |  0x008 |    4 | dot_name           | "."                                          |
 * |  0x00c |    4 | parent_inode       |                                              |
 * |  0x010 |    2 | parent_length      | the rest of the block                        |
 * |  0x012 |    1 | parent_name_length | 2                                            |
 * |  0x013 |    1 | parent_type        | directory                                    |
 * |  0x014 |    4 | parent_name        | ".."                                         |
 * |  0x018 |    4 | reserved           | zero                                         |
 * |  0x01c |    1 | hash_version       | HASH_*                                       |
 * |  0x01d |    1 | info_length        | 8                                            |
 * |  0x01e |    1 | levels             | of index nodes below this one                |
 * |  0x01f |    1 | flags              | zero                                         |
 * |  0x020 |    2 | limit              | entries that fit, this one counted           |
 * |  0x022 |    2 | count              | entries in use, this one counted             |
 * |  0x024 |    4 | first              | block of the directory for the lowest hashes |
 *
 * INDEX_NODE, another block of an index; INDEX_ENTRY follow, then INDEX_TAIL
 *
 * | offset | size | field       | meaning                                      |
 * | -----: | ---: | ----------- | -------------------------------------------- |
 * |  0x000 |    4 | inode       | zero                                         |
 * |  0x004 |    2 | length      | of the block                                 |
 * |  0x006 |    1 | name_length | zero                                         |
 * |  0x007 |    1 | type        | zero                                         |
 * |  0x008 |    2 | limit       | entries that fit, this one counted           |
 * |  0x00a |    2 | count       | entries in use, this one counted             |
 * |  0x00c |    4 | first       | block of the directory for the lowest hashes |
 *
 * INDEX_ENTRY, of an index, ordered by hash
 *
 * | offset | size | field | meaning                                                     |
 * | -----: | ---: | ----- | ----------------------------------------------------------- |
 * |  0x000 |    4 | hash  | the lowest of its block; bit 0: the block before has it too |
 * |  0x004 |    4 | block | of the directory                                            |
 *
 * INDEX_TAIL, the last 8 bytes of a block of an index
 *
 * | offset | size | field    | meaning                                              |
 * | -----: | ---: | -------- | ---------------------------------------------------- |
 * |  0x000 |    4 | reserved | zero                                                 |
 * |  0x004 |    4 | checksum | CRC-32C of the entries and this tail, itself as zero |
 *
 * XATTR_BLOCK, head of a block of attributes; entries follow, values stand at the end
 *
 * | offset | size | field      | meaning                   |
 * | -----: | ---: | ---------- | ------------------------- |
 * |  0x000 |    4 | magic      | XATTR_MAGIC               |
 * |  0x004 |    4 | references | inodes that use the block |
 * |  0x008 |    4 | blocks     | 1                         |
 * |  0x00c |    4 | hash       | of all entries            |
 * |  0x010 |    4 | checksum   | CRC-32C of the block      |
 * |  0x014 |   12 | reserved   | zero                      |
 *
 * INODE_XATTR, head of the attributes in an inode, at its extra size; entries follow
 *
 * | offset | size | field | meaning     |
 * | -----: | ---: | ----- | ----------- |
 * |  0x000 |    4 | magic | XATTR_MAGIC |
 *
 * XATTR, an attribute; its name follows, padded to 4 bytes. Four zero bytes end the list
 *
 * | offset | size | field        | meaning                                                     |
 * | -----: | ---: | ------------ | ----------------------------------------------------------- |
 * |  0x000 |    1 | name_length  |                                                             |
 * |  0x001 |    1 | name_index   | XATTR_INDEX_*: the part of the name in front                |
 * |  0x002 |    2 | value_offset | from the first entry (inode) or from the start of the block |
 * |  0x004 |    4 | value_inode  | zero                                                        |
 * |  0x008 |    4 | value_size   | bytes                                                       |
 * |  0x00c |    4 | hash         | of name and value, zero in an inode                         |
 */
export const NAME_MAX: u32 = 255;
/** A target of a symbolic link shorter than this stands in its inode. */
export const TARGET_FAST: u32 = 60;
export const TARGET_MAX: u32 = 4095;

export const ENTRY_TYPE_UNKNOWN: u32 = 0;
export const ENTRY_TYPE_FILE: u32 = 1;
export const ENTRY_TYPE_DIRECTORY: u32 = 2;
export const ENTRY_TYPE_CHARACTER: u32 = 3;
export const ENTRY_TYPE_BLOCK: u32 = 4;
export const ENTRY_TYPE_FIFO: u32 = 5;
export const ENTRY_TYPE_SOCKET: u32 = 6;
export const ENTRY_TYPE_SYMLINK: u32 = 7;
export const ENTRY_TYPE_TAIL: u32 = 0xde;
/** The length of an entry that is all of a block of 64 KiB. */
export const ENTRY_LENGTH_64K: u32 = 0xffff;

export const HASH_LEGACY: u32 = 0;
export const HASH_HALF_MD4: u32 = 1;
export const HASH_TEA: u32 = 2;
/** The same with bytes of names taken as unsigned. */
export const HASH_LEGACY_UNSIGNED: u32 = 3;
export const HASH_HALF_MD4_UNSIGNED: u32 = 4;
export const HASH_TEA_UNSIGNED: u32 = 5;
export const HASH_SIP: u32 = 6;
export const INDEX_INFO_LENGTH: u32 = 8;
/** Entries that fit into the root and into a node of 4 KiB, the first one counted. */
export const INDEX_LIMIT_ROOT: u32 = 507;
export const INDEX_LIMIT_NODE: u32 = 510;
/** Levels of nodes below the root, without INCOMPATIBLE_LARGE_DIRECTORY. */
export const INDEX_LEVELS_MAX: u32 = 1;

export const XATTR_MAGIC: u32 = 0xea020000;
export const XATTR_INDEX_NONE: u32 = 0;
/** "user." */
export const XATTR_INDEX_USER: u32 = 1;
/** "system.posix_acl_access", all of the name */
export const XATTR_INDEX_ACL_ACCESS: u32 = 2;
/** "system.posix_acl_default", all of the name */
export const XATTR_INDEX_ACL_DEFAULT: u32 = 3;
/** "trusted." */
export const XATTR_INDEX_TRUSTED: u32 = 4;
/** "security." */
export const XATTR_INDEX_SECURITY: u32 = 6;
/** "system." */
export const XATTR_INDEX_SYSTEM: u32 = 7;
/** "system.richacl", all of the name */
export const XATTR_INDEX_RICHACL: u32 = 8;

export const ENTRY_INODE: u32 = 0x000;
export const ENTRY_LENGTH: u32 = 0x004;
export const ENTRY_NAME_LENGTH: u32 = 0x006;
export const ENTRY_TYPE: u32 = 0x007;
export const ENTRY_SIZE: u32 = 0x008;

export const LEAF_TAIL_INODE: u32 = 0x000;
export const LEAF_TAIL_LENGTH: u32 = 0x004;
export const LEAF_TAIL_NAME_LENGTH: u32 = 0x006;
export const LEAF_TAIL_TYPE: u32 = 0x007;
export const LEAF_TAIL_CHECKSUM: u32 = 0x008;
export const LEAF_TAIL_SIZE: u32 = 0x00c;

export const INDEX_ROOT_DOT_INODE: u32 = 0x000;
export const INDEX_ROOT_DOT_LENGTH: u32 = 0x004;
export const INDEX_ROOT_DOT_NAME_LENGTH: u32 = 0x006;
export const INDEX_ROOT_DOT_TYPE: u32 = 0x007;
export const INDEX_ROOT_DOT_NAME: u32 = 0x008;
export const INDEX_ROOT_PARENT_INODE: u32 = 0x00c;
export const INDEX_ROOT_PARENT_LENGTH: u32 = 0x010;
export const INDEX_ROOT_PARENT_NAME_LENGTH: u32 = 0x012;
export const INDEX_ROOT_PARENT_TYPE: u32 = 0x013;
export const INDEX_ROOT_PARENT_NAME: u32 = 0x014;
export const INDEX_ROOT_HASH_VERSION: u32 = 0x01c;
export const INDEX_ROOT_INFO_LENGTH: u32 = 0x01d;
export const INDEX_ROOT_LEVELS: u32 = 0x01e;
export const INDEX_ROOT_FLAGS: u32 = 0x01f;
export const INDEX_ROOT_LIMIT: u32 = 0x020;
export const INDEX_ROOT_COUNT: u32 = 0x022;
export const INDEX_ROOT_FIRST: u32 = 0x024;
export const INDEX_ROOT_SIZE: u32 = 0x028;

export const INDEX_NODE_INODE: u32 = 0x000;
export const INDEX_NODE_LENGTH: u32 = 0x004;
export const INDEX_NODE_NAME_LENGTH: u32 = 0x006;
export const INDEX_NODE_TYPE: u32 = 0x007;
export const INDEX_NODE_LIMIT: u32 = 0x008;
export const INDEX_NODE_COUNT: u32 = 0x00a;
export const INDEX_NODE_FIRST: u32 = 0x00c;
export const INDEX_NODE_SIZE: u32 = 0x010;

export const INDEX_ENTRY_HASH: u32 = 0x000;
export const INDEX_ENTRY_BLOCK: u32 = 0x004;
export const INDEX_ENTRY_SIZE: u32 = 0x008;

export const INDEX_TAIL_CHECKSUM: u32 = 0x004;
export const INDEX_TAIL_SIZE: u32 = 0x008;

export const XATTR_BLOCK_MAGIC: u32 = 0x000;
export const XATTR_BLOCK_REFERENCES: u32 = 0x004;
export const XATTR_BLOCK_BLOCKS: u32 = 0x008;
export const XATTR_BLOCK_HASH: u32 = 0x00c;
export const XATTR_BLOCK_CHECKSUM: u32 = 0x010;
export const XATTR_BLOCK_SIZE: u32 = 0x020;

export const INODE_XATTR_MAGIC: u32 = 0x000;
export const INODE_XATTR_SIZE: u32 = 0x004;

export const XATTR_NAME_LENGTH: u32 = 0x000;
export const XATTR_NAME_INDEX: u32 = 0x001;
export const XATTR_VALUE_OFFSET: u32 = 0x002;
export const XATTR_VALUE_INODE: u32 = 0x004;
export const XATTR_VALUE_SIZE: u32 = 0x008;
export const XATTR_HASH: u32 = 0x00c;
export const XATTR_SIZE: u32 = 0x010;
