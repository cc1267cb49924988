/**
 * The region and what both formats share at fixed places, version 1. Little-endian.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/region.md.
 * LBA = byte offset / 512 from the region's start, whatever the device's block size.
 *
 * DESCRIPTOR, the region descriptor; two copies that differ in `self_lba` alone
 *
 * | offset | size | field         | meaning                                   |
 * | -----: | ---: | ------------- | ----------------------------------------- |
 * |  0x000 |    8 | magic         | "CAPOSRG1"                                |
 * |  0x008 |    2 | major         | 1                                         |
 * |  0x00a |    2 | minor         | 0                                         |
 * |  0x00c |    4 | generation    | one more with each grow                   |
 * |  0x010 |   16 | uuid          | of the region                             |
 * |  0x020 |    8 | sectors       | of the region                             |
 * |  0x028 |    4 | log_lba       | HEAD_SECTORS                              |
 * |  0x02c |    4 | log_sectors   | of the log ring                           |
 * |  0x030 |    4 | first_chunk   | LBA of chunk 0                            |
 * |  0x034 |    1 | chunk_shift   | chunk = 2^shift bytes                     |
 * |  0x035 |    1 | page_shift    | 12                                        |
 * |  0x036 |    1 | sector_shift  | 9                                         |
 * |  0x037 |    1 | checksum_kind | 1 = XXH64                                 |
 * |  0x038 |  440 | reserved      | zero                                      |
 * |  0x1f0 |    8 | self_lba      | where this copy belongs                   |
 * |  0x1f8 |    8 | checksum      | XXH64 of bytes 0x000 to 0x1f7, seed 0     |
 *
 * SUPERBLOCK, one sector, the same for both formats; writing a slot is the commit point
 *
 * | offset | size | field             | meaning                                        |
 * | -----: | ---: | ----------------- | ---------------------------------------------- |
 * |  0x000 |    8 | magic             | "CAPOSST1" or "CAPOSWF1"                       |
 * |  0x008 |    2 | major             | unknown: refused                               |
 * |  0x00a |    2 | minor             |                                                |
 * |  0x00c |    4 | state             | STATE_* bits                                   |
 * |  0x010 |   16 | uuid              | of the region                                  |
 * |  0x020 |    8 | epoch             | its parity is the slot's                       |
 * |  0x028 |    8 | previous_checksum | body checksum of epoch - 1, 0 in epoch 1       |
 * |  0x030 |    8 | session           | random, of the writer                          |
 * |  0x038 |    8 | sectors           | of the region                                  |
 * |  0x040 |   32 | root_a            | pointer: ST index, WF files                    |
 * |  0x060 |   32 | root_b            | pointer: space tree                            |
 * |  0x080 |   32 | root_c            | pointer: ST refs, WF snapshots                 |
 * |  0x0a0 |   32 | root_d            | pointer: ST collection state, WF reclaim queue |
 * |  0x0c0 |   32 | limbo_current     | pointer: pages freed by this epoch             |
 * |  0x0e0 |   32 | limbo_previous    | pointer: pages freed by the epoch before       |
 * |  0x100 |    8 | free_pages        |                                                |
 * |  0x108 |    8 | live_items        | objects or inodes                              |
 * |  0x110 |    8 | live_size         | payload bytes (ST) or data pages (WF)          |
 * |  0x118 |    8 | return_seen       | ST: return_seen; WF: next inode                |
 * |  0x120 |    8 | grant_seq         | ST: grant_seq; WF: grant_seen                  |
 * |  0x128 |    8 | compat            | unknown bit: ignored                           |
 * |  0x130 |    8 | ro_compat         | unknown bit: read-only                         |
 * |  0x138 |    8 | incompat          | unknown bit: refused                           |
 * |  0x140 |    1 | sector_shift      | 9                                              |
 * |  0x141 |    1 | page_shift        | 12                                             |
 * |  0x142 |    1 | chunk_shift       |                                                |
 * |  0x143 |    1 | checksum_kind     | 1                                              |
 * |  0x144 |    4 | open_meta         | open chunk for metadata                        |
 * |  0x148 |    4 | open_data         | open pack chunk (ST) or data chunk (WF)        |
 * |  0x14c |    4 | open_sector       | write sector in it                             |
 * |  0x150 |  128 | body              | ST: ST_BODY; WF: CONTROL of format/wf          |
 * |  0x1d0 |    4 | first_chunk       | LBA of chunk 0                                 |
 * |  0x1d4 |    4 | log_sectors       |                                                |
 * |  0x1d8 |    8 | return_seq        | WF: return_seq; ST: zero                       |
 * |  0x1e0 |    8 | body_checksum     | XXH64 of 0x000 to 0x1df: equal in slot, mirror |
 * |  0x1e8 |    8 | self_lba          | where this copy belongs                        |
 * |  0x1f0 |    8 | reserved          | zero                                           |
 * |  0x1f8 |    8 | copy_checksum     | XXH64 of 0x000 to 0x1f7, seed 0                |
 *
 * ST_BODY, in SUPERBLOCK_BODY of CAPOSST1
 *
 * | offset | size | field            | meaning                                  |
 * | -----: | ---: | ---------------- | ---------------------------------------- |
 * |  0x000 |   32 | golden_hash      | SHA-256 of the golden manifest, advisory |
 * |  0x020 |    8 | golden_id        |                                          |
 * |  0x028 |    8 | scrub_cursor     |                                          |
 * |  0x030 |    8 | collection_epoch |                                          |
 * |  0x038 |   32 | recent_root      | v1: null                                 |
 * |  0x058 |   40 | reserved         | zero                                     |
 */
/** "CAPOSRG1", "CAPOSST1" and "CAPOSWF1" as two little-endian words each. */
export const MAGIC_LOW: u32 = 0x4f504143;
export const DESCRIPTOR_MAGIC_HIGH: u32 = 0x31475253;
export const STORE_MAGIC_HIGH: u32 = 0x31545353;
export const WF_MAGIC_HIGH: u32 = 0x31465753;

export const FORMAT_MAJOR: u32 = 1;
export const FORMAT_MINOR: u32 = 0;
export const CHECKSUM_XXH64: u32 = 1;

export const DESCRIPTOR_MAGIC: u32 = 0x000;
export const DESCRIPTOR_MAJOR: u32 = 0x008;
export const DESCRIPTOR_MINOR: u32 = 0x00a;
export const DESCRIPTOR_GENERATION: u32 = 0x00c;
export const DESCRIPTOR_UUID: u32 = 0x010;
export const DESCRIPTOR_SECTORS: u32 = 0x020;
export const DESCRIPTOR_LOG_LBA: u32 = 0x028;
export const DESCRIPTOR_LOG_SECTORS: u32 = 0x02c;
export const DESCRIPTOR_FIRST_CHUNK: u32 = 0x030;
export const DESCRIPTOR_CHUNK_SHIFT: u32 = 0x034;
export const DESCRIPTOR_PAGE_SHIFT: u32 = 0x035;
export const DESCRIPTOR_SECTOR_SHIFT: u32 = 0x036;
export const DESCRIPTOR_CHECKSUM_KIND: u32 = 0x037;
export const DESCRIPTOR_RESERVED: u32 = 0x038;
export const DESCRIPTOR_SELF_LBA: u32 = 0x1f0;
export const DESCRIPTOR_CHECKSUM: u32 = 0x1f8;
export const DESCRIPTOR_SIZE: u32 = 0x200;

export const SUPERBLOCK_MAGIC: u32 = 0x000;
export const SUPERBLOCK_MAJOR: u32 = 0x008;
export const SUPERBLOCK_MINOR: u32 = 0x00a;
export const SUPERBLOCK_STATE: u32 = 0x00c;
export const SUPERBLOCK_UUID: u32 = 0x010;
export const SUPERBLOCK_EPOCH: u32 = 0x020;
export const SUPERBLOCK_PREVIOUS_CHECKSUM: u32 = 0x028;
export const SUPERBLOCK_SESSION: u32 = 0x030;
export const SUPERBLOCK_SECTORS: u32 = 0x038;
export const SUPERBLOCK_ROOT_A: u32 = 0x040;
export const SUPERBLOCK_ROOT_B: u32 = 0x060;
export const SUPERBLOCK_ROOT_C: u32 = 0x080;
export const SUPERBLOCK_ROOT_D: u32 = 0x0a0;
export const SUPERBLOCK_LIMBO_CURRENT: u32 = 0x0c0;
export const SUPERBLOCK_LIMBO_PREVIOUS: u32 = 0x0e0;
export const SUPERBLOCK_FREE_PAGES: u32 = 0x100;
export const SUPERBLOCK_LIVE_ITEMS: u32 = 0x108;
export const SUPERBLOCK_LIVE_SIZE: u32 = 0x110;
export const SUPERBLOCK_RETURN_SEEN: u32 = 0x118;
export const SUPERBLOCK_GRANT_SEQ: u32 = 0x120;
export const SUPERBLOCK_COMPAT: u32 = 0x128;
export const SUPERBLOCK_RO_COMPAT: u32 = 0x130;
export const SUPERBLOCK_INCOMPAT: u32 = 0x138;
export const SUPERBLOCK_SECTOR_SHIFT: u32 = 0x140;
export const SUPERBLOCK_PAGE_SHIFT: u32 = 0x141;
export const SUPERBLOCK_CHUNK_SHIFT: u32 = 0x142;
export const SUPERBLOCK_CHECKSUM_KIND: u32 = 0x143;
export const SUPERBLOCK_OPEN_META: u32 = 0x144;
export const SUPERBLOCK_OPEN_DATA: u32 = 0x148;
export const SUPERBLOCK_OPEN_SECTOR: u32 = 0x14c;
export const SUPERBLOCK_BODY: u32 = 0x150;
export const SUPERBLOCK_FIRST_CHUNK: u32 = 0x1d0;
export const SUPERBLOCK_LOG_SECTORS: u32 = 0x1d4;
export const SUPERBLOCK_RETURN_SEQ: u32 = 0x1d8;
export const SUPERBLOCK_BODY_CHECKSUM: u32 = 0x1e0;
export const SUPERBLOCK_SELF_LBA: u32 = 0x1e8;
export const SUPERBLOCK_RESERVED: u32 = 0x1f0;
export const SUPERBLOCK_COPY_CHECKSUM: u32 = 0x1f8;
export const SUPERBLOCK_SIZE: u32 = 0x200;
export const SUPERBLOCK_BODY_SIZE: u32 = 0x80;

export const ST_BODY_GOLDEN_HASH: u32 = 0x000;
export const ST_BODY_GOLDEN_ID: u32 = 0x020;
export const ST_BODY_SCRUB_CURSOR: u32 = 0x028;
export const ST_BODY_COLLECTION_EPOCH: u32 = 0x030;
export const ST_BODY_RECENT_ROOT: u32 = 0x038;
export const ST_BODY_RESERVED: u32 = 0x058;
export const ST_BODY_SIZE: u32 = 0x080;

export const STATE_CLEAN: u32 = 1;
export const STATE_ERROR: u32 = 2;
export const STATE_RECOVERED: u32 = 4;
export const STATE_READ_ONLY: u32 = 8;

/** SUPERBLOCK_OPEN_META and SUPERBLOCK_OPEN_DATA while no such chunk is open. */
export const OPEN_NONE: u32 = 0xffffffff;

/** ro-compat bit 0: the store may have tail records. */
export const RO_COMPAT_TAIL: u32 = 1;

/** Sectors before the log ring. Those that no LBA_* names are zero. */
export const HEAD_SECTORS: u32 = 512;
export const LBA_STORE_SLOTS: u32 = 0;
export const LBA_DESCRIPTOR_A: u32 = 8;
export const LBA_STORE_MIRROR_EVEN: u32 = 128;
export const LBA_STORE_MIRROR_ODD: u32 = 136;
export const LBA_WF_SLOTS: u32 = 256;
export const LBA_DESCRIPTOR_B: u32 = 264;
export const LBA_WF_MIRROR_EVEN: u32 = 384;
export const LBA_WF_MIRROR_ODD: u32 = 392;

export const PAGE_SHIFT: u32 = 12;
export const PAGE_SIZE: u32 = 4096;
export const SECTORS_PER_PAGE: u32 = 8;
export const CHUNKS_MAX: u32 = 262144;
export const CHUNK_SHIFT_MIN: u32 = 16;
export const CHUNK_SHIFT_MAX: u32 = 26;
export const LOG_SECTORS_DEFAULT: u32 = 2048;
export const LOG_SECTORS_MIN: u32 = 128;
export const LOG_SECTORS_MAX: u32 = 262144;
