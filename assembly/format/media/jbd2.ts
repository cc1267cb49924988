/**
 * The journal of ext4 (jbd2): a file of blocks. Big-endian, all of it.
 *
 *     superblock | descriptor, blocks ..., revocations, commit | descriptor, ... | unused
 *
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/ext4.md.
 * Source: Linux kernel documentation, filesystems/ext4, "Journal (jbd2)".
 *
 * JOURNAL_HEADER, of every block of the journal that is not a logged one
 *
 * | offset | size | field    | meaning            |
 * | -----: | ---: | -------- | ------------------ |
 * |  0x000 |    4 | magic    | JOURNAL_MAGIC      |
 * |  0x004 |    4 | type     | JOURNAL_TYPE_*     |
 * |  0x008 |    4 | sequence | of the transaction |
 *
 * JOURNAL, the superblock, the first 1024 bytes of the first block
 *
 * | offset | size | field                | meaning                                   |
 * | -----: | ---: | -------------------- | ----------------------------------------- |
 * |  0x000 |   12 | header               | JOURNAL_HEADER                            |
 * |  0x00c |    4 | block_size           |                                           |
 * |  0x010 |    4 | blocks               | of the journal, this one counted          |
 * |  0x014 |    4 | first                | block of the log                          |
 * |  0x018 |    4 | sequence             | of the first transaction in the log       |
 * |  0x01c |    4 | start                | block of it, 0: the log is empty          |
 * |  0x020 |    4 | error                |                                           |
 * |  0x024 |    4 | compatible           | JOURNAL_COMPATIBLE_*                      |
 * |  0x028 |    4 | incompatible         | JOURNAL_INCOMPATIBLE_*                    |
 * |  0x02c |    4 | read_only            |                                           |
 * |  0x030 |   16 | uuid                 |                                           |
 * |  0x040 |    4 | users                | 1                                         |
 * |  0x044 |    4 | dynamic_super        | zero                                      |
 * |  0x048 |    4 | transaction_max      | zero                                      |
 * |  0x04c |    4 | transaction_data_max | zero                                      |
 * |  0x050 |    1 | checksum_type        | 4: CRC-32C                                |
 * |  0x051 |    3 | reserved             | zero                                      |
 * |  0x054 |    4 | fast_blocks          | of fast commits at the end                |
 * |  0x058 |    4 | head                 | of an empty log                           |
 * |  0x05c |  160 | reserved_2           | zero                                      |
 * |  0x0fc |    4 | checksum             | CRC-32C of the 1024 bytes, itself as zero |
 * |  0x100 |  768 | user_uuids           |                                           |
 *
 * TAG, a logged block in a descriptor, checksums version 3
 *
 * | offset | size | field      | meaning                             |
 * | -----: | ---: | ---------- | ----------------------------------- |
 * |  0x000 |    4 | block_low  | where the block belongs             |
 * |  0x004 |    4 | flags      | TAG_*                               |
 * |  0x008 |    4 | block_high |                                     |
 * |  0x00c |    4 | checksum   | CRC-32C of uuid, sequence and block |
 *
 * TAG_SMALL, the same with version 2 or none; block_high only with 64-bit numbers
 *
 * | offset | size | field      | meaning                         |
 * | -----: | ---: | ---------- | ------------------------------- |
 * |  0x000 |    4 | block_low  | where the block belongs         |
 * |  0x004 |    2 | checksum   | lower half of the same CRC-32C  |
 * |  0x006 |    2 | flags      | TAG_*                           |
 * |  0x008 |    4 | block_high | with JOURNAL_INCOMPATIBLE_64BIT |
 *
 * JOURNAL_TAIL, of a descriptor and of revocations, checksums version 2 and 3
 *
 * | offset | size | field    | meaning                                   |
 * | -----: | ---: | -------- | ----------------------------------------- |
 * |  0x000 |    4 | checksum | CRC-32C of uuid and block, itself as zero |
 *
 * COMMIT, the end of a transaction
 *
 * | offset | size | field         | meaning                                   |
 * | -----: | ---: | ------------- | ----------------------------------------- |
 * |  0x000 |   12 | header        | JOURNAL_HEADER                            |
 * |  0x00c |    1 | checksum_type | zero with version 2 and 3                 |
 * |  0x00d |    1 | checksum_size | zero with version 2 and 3                 |
 * |  0x00e |    2 | reserved      | zero                                      |
 * |  0x010 |    4 | checksum      | CRC-32C of uuid and block, itself as zero |
 * |  0x014 |   28 | checksum_more | zero                                      |
 * |  0x030 |    8 | seconds       |                                           |
 * |  0x038 |    4 | nanoseconds   |                                           |
 *
 * REVOKE, head of revocations; block numbers of 4 or 8 bytes follow
 *
 * | offset | size | field  | meaning                   |
 * | -----: | ---: | ------ | ------------------------- |
 * |  0x000 |   12 | header | JOURNAL_HEADER            |
 * |  0x00c |    4 | bytes  | in use, this head counted |
 */
export const JOURNAL_MAGIC: u32 = 0xc03b3998;
export const JOURNAL_TYPE_DESCRIPTOR: u32 = 1;
export const JOURNAL_TYPE_COMMIT: u32 = 2;
export const JOURNAL_TYPE_SUPER_1: u32 = 3;
export const JOURNAL_TYPE_SUPER_2: u32 = 4;
export const JOURNAL_TYPE_REVOKE: u32 = 5;
/** The fewest blocks a journal has. */
export const JOURNAL_BLOCKS_MIN: u32 = 1024;

export const JOURNAL_COMPATIBLE_CHECKSUM: u32 = 1;
export const JOURNAL_INCOMPATIBLE_REVOKE: u32 = 0x1;
export const JOURNAL_INCOMPATIBLE_64BIT: u32 = 0x2;
export const JOURNAL_INCOMPATIBLE_ASYNC_COMMIT: u32 = 0x4;
export const JOURNAL_INCOMPATIBLE_CHECKSUM_2: u32 = 0x8;
export const JOURNAL_INCOMPATIBLE_CHECKSUM_3: u32 = 0x10;
export const JOURNAL_INCOMPATIBLE_FAST_COMMIT: u32 = 0x20;
export const JOURNAL_CHECKSUM_CRC32C: u32 = 4;

/** The logged block begins with JOURNAL_MAGIC; in the log stand zeros instead. */
export const TAG_ESCAPED: u32 = 1;
/** No 16 bytes of uuid follow the tag. */
export const TAG_SAME_UUID: u32 = 2;
export const TAG_DELETED: u32 = 4;
export const TAG_LAST: u32 = 8;
export const TAG_UUID_SIZE: u32 = 16;
/** With checksums version 2 a small tag has two bytes of padding more: 14, or 10 bytes. */
export const TAG_SMALL_CHECKSUM_PAD: u32 = 2;
/** Of block_high, that is not there without 64-bit numbers. */
export const TAG_SMALL_HIGH_SIZE: u32 = 4;

export const JOURNAL_HEADER_MAGIC: u32 = 0x000;
export const JOURNAL_HEADER_TYPE: u32 = 0x004;
export const JOURNAL_HEADER_SEQUENCE: u32 = 0x008;
export const JOURNAL_HEADER_SIZE: u32 = 0x00c;

export const JOURNAL_HEADER: u32 = 0x000;
export const JOURNAL_BLOCK_SIZE: u32 = 0x00c;
export const JOURNAL_BLOCKS: u32 = 0x010;
export const JOURNAL_FIRST: u32 = 0x014;
export const JOURNAL_SEQUENCE: u32 = 0x018;
export const JOURNAL_START: u32 = 0x01c;
export const JOURNAL_ERROR: u32 = 0x020;
export const JOURNAL_COMPATIBLE: u32 = 0x024;
export const JOURNAL_INCOMPATIBLE: u32 = 0x028;
export const JOURNAL_READ_ONLY: u32 = 0x02c;
export const JOURNAL_UUID: u32 = 0x030;
export const JOURNAL_USERS: u32 = 0x040;
export const JOURNAL_DYNAMIC_SUPER: u32 = 0x044;
export const JOURNAL_TRANSACTION_MAX: u32 = 0x048;
export const JOURNAL_TRANSACTION_DATA_MAX: u32 = 0x04c;
export const JOURNAL_CHECKSUM_TYPE: u32 = 0x050;
export const JOURNAL_FAST_BLOCKS: u32 = 0x054;
export const JOURNAL_HEAD: u32 = 0x058;
export const JOURNAL_CHECKSUM: u32 = 0x0fc;
export const JOURNAL_USER_UUIDS: u32 = 0x100;
export const JOURNAL_SIZE: u32 = 0x400;

export const TAG_BLOCK_LOW: u32 = 0x000;
export const TAG_FLAGS: u32 = 0x004;
export const TAG_BLOCK_HIGH: u32 = 0x008;
export const TAG_CHECKSUM: u32 = 0x00c;
export const TAG_SIZE: u32 = 0x010;

export const TAG_SMALL_BLOCK_LOW: u32 = 0x000;
export const TAG_SMALL_CHECKSUM: u32 = 0x004;
export const TAG_SMALL_FLAGS: u32 = 0x006;
export const TAG_SMALL_BLOCK_HIGH: u32 = 0x008;
export const TAG_SMALL_SIZE: u32 = 0x00c;

export const JOURNAL_TAIL_CHECKSUM: u32 = 0x000;
export const JOURNAL_TAIL_SIZE: u32 = 0x004;

export const COMMIT_HEADER: u32 = 0x000;
export const COMMIT_CHECKSUM_TYPE: u32 = 0x00c;
export const COMMIT_CHECKSUM_SIZE: u32 = 0x00d;
export const COMMIT_CHECKSUM: u32 = 0x010;
export const COMMIT_CHECKSUM_MORE: u32 = 0x014;
export const COMMIT_SECONDS: u32 = 0x030;
export const COMMIT_NANOSECONDS: u32 = 0x038;
export const COMMIT_SIZE: u32 = 0x03c;

export const REVOKE_HEADER: u32 = 0x000;
export const REVOKE_BYTES: u32 = 0x00c;
export const REVOKE_SIZE: u32 = 0x010;
