/**
 * CAPOSWF1, the copy-on-write filesystem: keys, values and boot control, version 1. Little-endian;
 * numbers in keys are big-endian. Read by asc and by tsc, so it imports nothing.
 * Why it is so: docs/format/wf.md.
 *
 * INODE, the value at key (ino u64, KEY_INODE)
 *
 * | offset | size | field      | meaning                                              |
 * | -----: | ---: | ---------- | ---------------------------------------------------- |
 * |  0x000 |    2 | mode       | POSIX type and permissions                           |
 * |  0x002 |    2 | flags      | INODE_FLAG_*                                         |
 * |  0x004 |    4 | nlink      | directory: 1; file: number of directory entries      |
 * |  0x008 |    4 | uid        |                                                      |
 * |  0x00c |    4 | gid        |                                                      |
 * |  0x010 |    8 | length     | bytes; directory: entries; symlink: target           |
 * |  0x018 |    8 | atime      | i64 ns since 1970 UTC; changed only by utimes        |
 * |  0x020 |    8 | mtime      |                                                      |
 * |  0x028 |    8 | ctime      |                                                      |
 * |  0x030 |    8 | btime      |                                                      |
 * |  0x038 |    8 | generation |                                                      |
 * |  0x040 |    8 | parent     | directories; else 0                                  |
 * |  0x048 |    8 | data_pages |                                                      |
 *
 * DIRENT, the value at key (ino u64, KEY_DIRENT, name)
 *
 * | offset | size | field | meaning            |
 * | -----: | ---: | ----- | ------------------ |
 * |  0x000 |    8 | ino   |                    |
 * |  0x008 |    1 | type  | FileType           |
 *
 * EXTENT, the value at key (ino u64, KEY_EXTENT, file offset u64); then one XXH64 per page
 *
 * | offset | size | field     | meaning                     |
 * | -----: | ---: | --------- | --------------------------- |
 * |  0x000 |    6 | page      | first page                  |
 * |  0x006 |    2 | pages     | 1 to EXTENT_PAGES_MAX       |
 * |  0x008 |    8 | birth     | epoch                       |
 *
 * GENERATION_RECORD, the value at key (INO_RECORDS, GENERATION, id u64): the id = pointer epoch
 *
 * | offset | size | field         | meaning                                          |
 * | -----: | ---: | ------------- | ------------------------------------------------ |
 * |  0x000 |   32 | manifest_hash | SHA-256 of the generation object: the content    |
 * |  0x020 |    1 | state         | GenerationState                                  |
 * |  0x021 |    7 | reserved      | zero                                             |
 * |  0x028 |    8 | overlay_epoch | of the configuration overlay                     |
 * |  0x030 |    8 | parent        | generation id that it was made from; 0 = none    |
 * |  0x038 |    8 | created       | i64 ns since 1970 UTC                            |
 * |  0x040 |   32 | account_hash  | SHA-256 of the account record; zero = none       |
 * |  0x060 |    8 | staged_boot   | boot sequence of the boot that staged it         |
 * |  0x068 |    4 | tries         | times that it was booted                         |
 * |  0x06c |    4 | successes     | boots that passed their checks                   |
 *
 * BAD_MARK, the value at key (INO_RECORDS, BAD_MARK, manifest hash): content, not an id, is bad
 *
 * | offset | size | field | meaning                        |
 * | -----: | ---: | ----- | ------------------------------ |
 * |  0x000 |    1 | why   | the host's reason              |
 *
 * CONTROL, boot control, in SUPERBLOCK_BODY of CAPOSWF1; the host gives it meaning (generations.md)
 *
 * | offset | size | field            | meaning                                               |
 * | -----: | ---: | ---------------- | ----------------------------------------------------- |
 * |  0x000 |    1 | phase            | 0 IDLE 1 STAGED 2 ARMED 3 TRYING                      |
 * |  0x001 |    1 | tries_left       |                                                       |
 * |  0x002 |    1 | active_failures  | 0 to 3                                                |
 * |  0x003 |    1 | candidate_failed | 0 or 1                                                |
 * |  0x004 |    1 | bits             | recovery, golden = active, golden bad, cand. = golden |
 * |  0x005 |    1 | last_stage       | 0 to 4                                                |
 * |  0x006 |    1 | reset_cause      | 0 unknown 1 power 2 clean 3 panic 4 watchdog 5 health |
 * |  0x007 |    1 | ring_length      |                                                       |
 * |  0x008 |    8 | sequence         | of control changes                                    |
 * |  0x010 |    8 | boot_sequence    |                                                       |
 * |  0x018 |    8 | boot_token       |                                                       |
 * |  0x020 |    8 | active           | generation id                                         |
 * |  0x028 |    8 | candidate        |                                                       |
 * |  0x030 |    8 | golden           |                                                       |
 * |  0x038 |    8 | selected         | by the last early boot                                |
 * |  0x040 |    8 | high_water       | largest pointer epoch ever staged                     |
 * |  0x048 |    8 | bad_candidate    | id to mark BAD, 0 = none                              |
 * |  0x050 |    8 | bad_active       | id to mark BAD, 0 = none                              |
 * |  0x058 |   24 | ring             | three previous generations                            |
 * |  0x070 |    2 | rollback_reason  |                                                       |
 * |  0x072 |    1 | unknown_boots    | consecutive                                           |
 * |  0x073 |    1 | reserved         | zero                                                  |
 * |  0x074 |    4 | rollback_count   |                                                       |
 * |  0x078 |    8 | good_boot        | boot sequence of the last good boot                   |
 */
export const INODE_MODE: u32 = 0x000;
export const INODE_FLAGS: u32 = 0x002;
export const INODE_NLINK: u32 = 0x004;
export const INODE_UID: u32 = 0x008;
export const INODE_GID: u32 = 0x00c;
export const INODE_LENGTH: u32 = 0x010;
export const INODE_ATIME: u32 = 0x018;
export const INODE_MTIME: u32 = 0x020;
export const INODE_CTIME: u32 = 0x028;
export const INODE_BTIME: u32 = 0x030;
export const INODE_GENERATION: u32 = 0x038;
export const INODE_PARENT: u32 = 0x040;
export const INODE_DATA_PAGES: u32 = 0x048;
export const INODE_SIZE: u32 = 0x050;
export const INODE_FLAG_INLINE: u32 = 1;
export const INODE_FLAG_IMMUTABLE: u32 = 2;

export const DIRENT_INO: u32 = 0x000;
export const DIRENT_TYPE: u32 = 0x008;
export const DIRENT_SIZE: u32 = 0x009;

export const EXTENT_PAGE: u32 = 0x000;
export const EXTENT_PAGES: u32 = 0x006;
export const EXTENT_BIRTH: u32 = 0x008;
export const EXTENT_SIZE: u32 = 0x010;
export const EXTENT_PAGES_MAX: u32 = 64;

export const GENERATION_RECORD_MANIFEST_HASH: u32 = 0x000;
export const GENERATION_RECORD_STATE: u32 = 0x020;
export const GENERATION_RECORD_OVERLAY_EPOCH: u32 = 0x028;
export const GENERATION_RECORD_PARENT: u32 = 0x030;
export const GENERATION_RECORD_CREATED: u32 = 0x038;
export const GENERATION_RECORD_ACCOUNT_HASH: u32 = 0x040;
export const GENERATION_RECORD_STAGED_BOOT: u32 = 0x060;
export const GENERATION_RECORD_TRIES: u32 = 0x068;
export const GENERATION_RECORD_SUCCESSES: u32 = 0x06c;
export const GENERATION_RECORD_SIZE: u32 = 0x070;
export const MANIFEST_HASH_SIZE: u32 = 32;
/** Bytes of a generation id in a key. */
export const GENERATION_ID_SIZE: u32 = 8;

export const BAD_MARK_WHY: u32 = 0x000;
export const BAD_MARK_SIZE: u32 = 0x001;
/** The value of a named pointer has 1 to POINTER_VALUE_MAX bytes, which the host gives meaning. */
export const POINTER_VALUE_MAX: u32 = 1024;

export enum GenerationState {
  FRESH = 0,
  CONFIRMED = 1,
  BAD = 2,
  INCONCLUSIVE = 3,
  RETIRED = 4,
}

export const CONTROL_PHASE: u32 = 0x000;
export const CONTROL_TRIES_LEFT: u32 = 0x001;
export const CONTROL_ACTIVE_FAILURES: u32 = 0x002;
export const CONTROL_CANDIDATE_FAILED: u32 = 0x003;
export const CONTROL_BITS: u32 = 0x004;
export const CONTROL_LAST_STAGE: u32 = 0x005;
export const CONTROL_RESET_CAUSE: u32 = 0x006;
export const CONTROL_RING_LENGTH: u32 = 0x007;
export const CONTROL_SEQUENCE: u32 = 0x008;
export const CONTROL_BOOT_SEQUENCE: u32 = 0x010;
export const CONTROL_BOOT_TOKEN: u32 = 0x018;
export const CONTROL_ACTIVE: u32 = 0x020;
export const CONTROL_CANDIDATE: u32 = 0x028;
export const CONTROL_GOLDEN: u32 = 0x030;
export const CONTROL_SELECTED: u32 = 0x038;
export const CONTROL_HIGH_WATER: u32 = 0x040;
export const CONTROL_BAD_CANDIDATE: u32 = 0x048;
export const CONTROL_BAD_ACTIVE: u32 = 0x050;
export const CONTROL_RING: u32 = 0x058;
export const CONTROL_ROLLBACK_REASON: u32 = 0x070;
export const CONTROL_UNKNOWN_BOOTS: u32 = 0x072;
export const CONTROL_RESERVED: u32 = 0x073;
export const CONTROL_ROLLBACK_COUNT: u32 = 0x074;
export const CONTROL_GOOD_BOOT: u32 = 0x078;
export const CONTROL_SIZE: u32 = 0x080;
export const CONTROL_PHASE_MAX: u32 = 3;
export const CONTROL_ACTIVE_FAILURES_MAX: u32 = 3;
export const CONTROL_STAGE_MAX: u32 = 4;
export const CONTROL_CAUSE_MAX: u32 = 5;
export const CONTROL_RING_MAX: u32 = 3;
export const CONTROL_BIT_RECOVERY: u32 = 1;
export const CONTROL_BIT_GOLDEN_IS_ACTIVE: u32 = 2;
export const CONTROL_BIT_GOLDEN_IS_BAD: u32 = 4;
export const CONTROL_BIT_CANDIDATE_IS_GOLDEN: u32 = 8;

/** Second part of a key, after ino u64. */
export enum FileKey {
  INODE = 0x01,
  DIRENT = 0x02,
  XATTR = 0x03,
  EXTENT = 0x04,
  /** Inline data, or the target of a symbolic link. */
  INLINE = 0x05,
  /** parent u64, name; empty value. */
  BACK_REFERENCE = 0x06,
  /** ino 0: generation record, id u64 (not 0). */
  GENERATION = 0x10,
  /** ino 0: named pointer, name as of an entry. */
  POINTER = 0x11,
  /** ino 0: BAD mark, manifest hash. */
  BAD_MARK = 0x12,
}

export enum FileType {
  FILE = 1,
  DIRECTORY = 2,
  SYMLINK = 3,
}

export const INO_RECORDS: u32 = 0;
export const INO_ROOT: u32 = 1;
export const INO_LOST_FOUND: u32 = 2;
export const INO_FIRST: u32 = 16;
export const NAME_MAX: u32 = 255;
export const PATH_MAX: u32 = 4096;
export const DEPTH_MAX: u32 = 256;
export const INLINE_MAX: u32 = 1024;
export const SYMLINK_MAX: u32 = 1023;
export const XATTR_NAME_MAX: u32 = 255;
export const XATTR_VALUE_MAX: u32 = 1024;
export const XATTRS_MAX: u32 = 64;
/** Largest file: 2^FILE_BITS_MAX bytes. */
export const FILE_BITS_MAX: u32 = 44;
/** Key in the reclaim tree: RECLAIM_KEY, ino u64. */
export const RECLAIM_KEY: u32 = 0x01;
export const RECLAIM_EXTENTS_MAX: u32 = 4096;

export const MODE_TYPE: u32 = 0xf000;
export const MODE_FILE: u32 = 0x8000;
export const MODE_DIRECTORY: u32 = 0x4000;
export const MODE_SYMLINK: u32 = 0xa000;
