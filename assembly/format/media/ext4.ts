/**
 * ext4, the volume: superblock and group descriptors. Little-endian; times are seconds since 1970.
 * Names with "_low" and "_high" are two halves of one number.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/ext4.md.
 * Source: Linux kernel documentation, filesystems/ext4, "Super Block", "Block Group Descriptors".
 *
 * SUPER, the superblock: at byte 1024 of the volume, copies at the start of other groups
 *
 * | offset | size | field                 | meaning                                   |
 * | -----: | ---: | --------------------- | ----------------------------------------- |
 * |  0x000 |    4 | inodes                |                                           |
 * |  0x004 |    4 | blocks_low            |                                           |
 * |  0x008 |    4 | root_blocks_low       | for the superuser                         |
 * |  0x00c |    4 | free_blocks_low       |                                           |
 * |  0x010 |    4 | free_inodes           |                                           |
 * |  0x014 |    4 | first_data_block      | 0 with blocks of 4 KiB                    |
 * |  0x018 |    4 | block_shift           | log2 of the block size, less 10           |
 * |  0x01c |    4 | cluster_shift         | the same, without bigalloc                |
 * |  0x020 |    4 | group_blocks          | in each group                             |
 * |  0x024 |    4 | group_clusters        | the same, without bigalloc                |
 * |  0x028 |    4 | group_inodes          | in each group                             |
 * |  0x02c |    4 | mounted_at            | seconds                                   |
 * |  0x030 |    4 | written_at            | seconds                                   |
 * |  0x034 |    2 | mounts                | since the last check                      |
 * |  0x036 |    2 | mounts_max            | 0xffff: no limit                          |
 * |  0x038 |    2 | magic                 | EXT4_MAGIC                                |
 * |  0x03a |    2 | state                 | SUPER_STATE_*                             |
 * |  0x03c |    2 | on_errors             | 1 go on, 2 read-only, 3 panic             |
 * |  0x03e |    2 | minor_revision        | 0                                         |
 * |  0x040 |    4 | checked_at            | seconds                                   |
 * |  0x044 |    4 | check_interval        | seconds, 0: never                         |
 * |  0x048 |    4 | creator               | 0 Linux                                   |
 * |  0x04c |    4 | revision              | 1: what follows is valid                  |
 * |  0x050 |    2 | root_uid              | who may use the last blocks               |
 * |  0x052 |    2 | root_gid              |                                           |
 * |  0x054 |    4 | first_inode           | that is not reserved: 11                  |
 * |  0x058 |    2 | inode_size            | bytes                                     |
 * |  0x05a |    2 | group_number          | of the group this copy stands in          |
 * |  0x05c |    4 | compatible            | COMPATIBLE_*                              |
 * |  0x060 |    4 | incompatible          | INCOMPATIBLE_*                            |
 * |  0x064 |    4 | read_only             | READ_ONLY_*                               |
 * |  0x068 |   16 | uuid                  |                                           |
 * |  0x078 |   16 | label                 | UTF-8, padded with zeros                  |
 * |  0x088 |   64 | mount_path            | where it was mounted last                 |
 * |  0x0c8 |    4 | compression           | unused                                    |
 * |  0x0cc |    1 | preallocate           | unused                                    |
 * |  0x0cd |    1 | preallocate_directory | unused                                    |
 * |  0x0ce |    2 | spare_descriptors     | blocks kept for a longer table of groups  |
 * |  0x0d0 |   16 | journal_uuid          | of an external journal                    |
 * |  0x0e0 |    4 | journal_inode         | 8                                         |
 * |  0x0e4 |    4 | journal_device        | of an external journal                    |
 * |  0x0e8 |    4 | orphans               | first inode that is to be deleted         |
 * |  0x0ec |   16 | hash_seed             | of directories, four words                |
 * |  0x0fc |    1 | hash_version          | HASH_* of new directories                 |
 * |  0x0fd |    1 | journal_backup_type   | 1: journal_backup is in use               |
 * |  0x0fe |    2 | descriptor_size       | bytes, with INCOMPATIBLE_64BIT            |
 * |  0x100 |    4 | mount_options         | by default                                |
 * |  0x104 |    4 | first_meta_group      | with INCOMPATIBLE_META_BG                 |
 * |  0x108 |    4 | made_at               | seconds                                   |
 * |  0x10c |   68 | journal_backup        | INODE_BLOCK and size of the journal inode |
 * |  0x150 |    4 | blocks_high           |                                           |
 * |  0x154 |    4 | root_blocks_high      |                                           |
 * |  0x158 |    4 | free_blocks_high      |                                           |
 * |  0x15c |    2 | extra_min             | bytes of the inode past 128 that all have |
 * |  0x15e |    2 | extra_wanted          | bytes of the inode past 128 of new ones   |
 * |  0x160 |    4 | flags                 | SUPER_FLAG_*                              |
 * |  0x164 |    2 | raid_stride           |                                           |
 * |  0x166 |    2 | mmp_interval          |                                           |
 * |  0x168 |    8 | mmp_block             |                                           |
 * |  0x170 |    4 | raid_stripe           |                                           |
 * |  0x174 |    1 | flex_shift            | log2 of the groups in a flexible group    |
 * |  0x175 |    1 | checksum_type         | 1: CRC-32C                                |
 * |  0x176 |    1 | encryption_level      |                                           |
 * |  0x177 |    1 | reserved              | zero                                      |
 * |  0x178 |    8 | written_kib           |                                           |
 * |  0x180 |    4 | snapshot_inode        |                                           |
 * |  0x184 |    4 | snapshot_id           |                                           |
 * |  0x188 |    8 | snapshot_blocks       |                                           |
 * |  0x190 |    4 | snapshot_list         |                                           |
 * |  0x194 |    4 | errors                | since the last check                      |
 * |  0x198 |    4 | first_error_at        | seconds                                   |
 * |  0x19c |    4 | first_error_inode     |                                           |
 * |  0x1a0 |    8 | first_error_block     |                                           |
 * |  0x1a8 |   32 | first_error_function  |                                           |
 * |  0x1c8 |    4 | first_error_line      |                                           |
 * |  0x1cc |    4 | last_error_at         | seconds                                   |
 * |  0x1d0 |    4 | last_error_inode      |                                           |
 * |  0x1d4 |    4 | last_error_line       |                                           |
 * |  0x1d8 |    8 | last_error_block      |                                           |
 * |  0x1e0 |   32 | last_error_function   |                                           |
 * |  0x200 |   64 | mount_options_text    |                                           |
 * |  0x240 |    4 | user_quota_inode      |                                           |
 * |  0x244 |    4 | group_quota_inode     |                                           |
 * |  0x248 |    4 | overhead              | blocks of metadata, 0: not known          |
 * |  0x24c |    8 | backup_groups         | with COMPATIBLE_SPARSE_SUPER2             |
 * |  0x254 |    4 | encryption_algorithms |                                           |
 * |  0x258 |   16 | encryption_salt       |                                           |
 * |  0x268 |    4 | lost_found_inode      |                                           |
 * |  0x26c |    4 | project_quota_inode   |                                           |
 * |  0x270 |    4 | checksum_seed         | with INCOMPATIBLE_CSUM_SEED               |
 * |  0x274 |    1 | written_at_high       |                                           |
 * |  0x275 |    1 | mounted_at_high       |                                           |
 * |  0x276 |    1 | made_at_high          |                                           |
 * |  0x277 |    1 | checked_at_high       |                                           |
 * |  0x278 |    1 | first_error_at_high   |                                           |
 * |  0x279 |    1 | last_error_at_high    |                                           |
 * |  0x27a |    1 | first_error_code      |                                           |
 * |  0x27b |    1 | last_error_code       |                                           |
 * |  0x27c |    2 | encoding              |                                           |
 * |  0x27e |    2 | encoding_flags        |                                           |
 * |  0x280 |    4 | orphan_file_inode     |                                           |
 * |  0x284 |  376 | reserved_2            | zero                                      |
 * |  0x3fc |    4 | checksum              | CRC-32C of what stands before it          |
 *
 * GROUP, descriptor of a block group; the table stands in the block behind each superblock
 *
 * | offset | size | field                      | meaning                             |
 * | -----: | ---: | -------------------------- | ----------------------------------- |
 * |  0x000 |    4 | block_bitmap_low           |                                     |
 * |  0x004 |    4 | inode_bitmap_low           |                                     |
 * |  0x008 |    4 | inode_table_low            |                                     |
 * |  0x00c |    2 | free_blocks_low            |                                     |
 * |  0x00e |    2 | free_inodes_low            |                                     |
 * |  0x010 |    2 | directories_low            | inodes that are directories         |
 * |  0x012 |    2 | flags                      | GROUP_FLAG_*                        |
 * |  0x014 |    4 | exclude_bitmap_low         | of snapshots: zero                  |
 * |  0x018 |    2 | block_bitmap_checksum_low  |                                     |
 * |  0x01a |    2 | inode_bitmap_checksum_low  |                                     |
 * |  0x01c |    2 | unused_inodes_low          | at the end of the table, never used |
 * |  0x01e |    2 | checksum                   | lower half of a CRC-32C             |
 * |  0x020 |    4 | block_bitmap_high          |                                     |
 * |  0x024 |    4 | inode_bitmap_high          |                                     |
 * |  0x028 |    4 | inode_table_high           |                                     |
 * |  0x02c |    2 | free_blocks_high           |                                     |
 * |  0x02e |    2 | free_inodes_high           |                                     |
 * |  0x030 |    2 | directories_high           |                                     |
 * |  0x032 |    2 | unused_inodes_high         |                                     |
 * |  0x034 |    4 | exclude_bitmap_high        |                                     |
 * |  0x038 |    2 | block_bitmap_checksum_high |                                     |
 * |  0x03a |    2 | inode_bitmap_checksum_high |                                     |
 * |  0x03c |    4 | reserved                   | zero                                |
 */
export const BLOCK_SHIFT: u32 = 12;
/** What we write; other tools' volumes also have 1024 and 2048. */
export const BLOCK_SIZE: u32 = 0x1000;
/** Sectors of 512 bytes in a block. */
export const BLOCK_SECTORS: u32 = 8;
/** Byte of the volume where the superblock stands. */
export const SUPER_AT: u32 = 0x400;
export const EXT4_MAGIC: u32 = 0xef53;
export const SUPER_STATE_CLEAN: u32 = 1;
export const SUPER_STATE_ERRORS: u32 = 2;
export const SUPER_STATE_ORPHANS: u32 = 4;
export const SUPER_FLAG_SIGNED_HASH: u32 = 1;
export const SUPER_FLAG_UNSIGNED_HASH: u32 = 2;
export const SUPER_FLAG_TEST: u32 = 4;
export const LABEL_SIZE: u32 = 16;
export const CHECKSUM_CRC32C: u32 = 1;
/** Words of the journal backup: those of INODE_BLOCK, then the upper and lower half of its size. */
export const JOURNAL_BACKUP_WORDS: u32 = 17;

export const COMPATIBLE_PREALLOCATE: u32 = 0x1;
export const COMPATIBLE_IMAGIC: u32 = 0x2;
export const COMPATIBLE_JOURNAL: u32 = 0x4;
export const COMPATIBLE_XATTR: u32 = 0x8;
export const COMPATIBLE_RESIZE: u32 = 0x10;
export const COMPATIBLE_DIRECTORY_INDEX: u32 = 0x20;
export const COMPATIBLE_SPARSE_SUPER2: u32 = 0x200;
export const COMPATIBLE_FAST_COMMIT: u32 = 0x400;
export const COMPATIBLE_STABLE_INODES: u32 = 0x800;
export const COMPATIBLE_ORPHAN_FILE: u32 = 0x1000;

export const INCOMPATIBLE_COMPRESSION: u32 = 0x1;
export const INCOMPATIBLE_FILE_TYPE: u32 = 0x2;
/** The journal holds what is not at its place yet. */
export const INCOMPATIBLE_RECOVER: u32 = 0x4;
/** The device is a journal, not a volume. */
export const INCOMPATIBLE_JOURNAL_DEVICE: u32 = 0x8;
export const INCOMPATIBLE_META_BG: u32 = 0x10;
export const INCOMPATIBLE_EXTENTS: u32 = 0x40;
export const INCOMPATIBLE_64BIT: u32 = 0x80;
export const INCOMPATIBLE_MMP: u32 = 0x100;
export const INCOMPATIBLE_FLEX_BG: u32 = 0x200;
export const INCOMPATIBLE_XATTR_INODE: u32 = 0x400;
export const INCOMPATIBLE_DIRECTORY_DATA: u32 = 0x1000;
export const INCOMPATIBLE_CSUM_SEED: u32 = 0x2000;
export const INCOMPATIBLE_LARGE_DIRECTORY: u32 = 0x4000;
export const INCOMPATIBLE_INLINE_DATA: u32 = 0x8000;
export const INCOMPATIBLE_ENCRYPT: u32 = 0x10000;
export const INCOMPATIBLE_CASE_FOLD: u32 = 0x20000;

export const READ_ONLY_SPARSE_SUPER: u32 = 0x1;
export const READ_ONLY_LARGE_FILE: u32 = 0x2;
export const READ_ONLY_BTREE_DIRECTORY: u32 = 0x4;
export const READ_ONLY_HUGE_FILE: u32 = 0x8;
export const READ_ONLY_GDT_CHECKSUM: u32 = 0x10;
export const READ_ONLY_DIRECTORY_LINKS: u32 = 0x20;
export const READ_ONLY_EXTRA_INODE_SIZE: u32 = 0x40;
export const READ_ONLY_QUOTA: u32 = 0x100;
export const READ_ONLY_BIG_ALLOCATION: u32 = 0x200;
export const READ_ONLY_METADATA_CHECKSUM: u32 = 0x400;
export const READ_ONLY_REPLICA: u32 = 0x800;
export const READ_ONLY_READ_ONLY: u32 = 0x1000;
export const READ_ONLY_PROJECT: u32 = 0x2000;
export const READ_ONLY_SHARED_BLOCKS: u32 = 0x4000;
export const READ_ONLY_VERITY: u32 = 0x8000;
export const READ_ONLY_ORPHANS_PRESENT: u32 = 0x10000;

/** The table and bitmap of inodes were never written. */
export const GROUP_FLAG_INODES_UNUSED: u32 = 1;
/** The bitmap of blocks was never written: only metadata is in use. */
export const GROUP_FLAG_BLOCKS_UNUSED: u32 = 2;
/** All of the table of inodes is zeroed or written. */
export const GROUP_FLAG_TABLE_ZEROED: u32 = 4;
/** Of volumes without INCOMPATIBLE_64BIT. */
export const GROUP_SIZE_SMALL: u32 = 32;

export const SUPER_INODES: u32 = 0x000;
export const SUPER_BLOCKS_LOW: u32 = 0x004;
export const SUPER_ROOT_BLOCKS_LOW: u32 = 0x008;
export const SUPER_FREE_BLOCKS_LOW: u32 = 0x00c;
export const SUPER_FREE_INODES: u32 = 0x010;
export const SUPER_FIRST_DATA_BLOCK: u32 = 0x014;
export const SUPER_BLOCK_SHIFT: u32 = 0x018;
export const SUPER_CLUSTER_SHIFT: u32 = 0x01c;
export const SUPER_GROUP_BLOCKS: u32 = 0x020;
export const SUPER_GROUP_CLUSTERS: u32 = 0x024;
export const SUPER_GROUP_INODES: u32 = 0x028;
export const SUPER_MOUNTED_AT: u32 = 0x02c;
export const SUPER_WRITTEN_AT: u32 = 0x030;
export const SUPER_MOUNTS: u32 = 0x034;
export const SUPER_MOUNTS_MAX: u32 = 0x036;
export const SUPER_MAGIC: u32 = 0x038;
export const SUPER_STATE: u32 = 0x03a;
export const SUPER_ON_ERRORS: u32 = 0x03c;
export const SUPER_MINOR_REVISION: u32 = 0x03e;
export const SUPER_CHECKED_AT: u32 = 0x040;
export const SUPER_CHECK_INTERVAL: u32 = 0x044;
export const SUPER_CREATOR: u32 = 0x048;
export const SUPER_REVISION: u32 = 0x04c;
export const SUPER_ROOT_UID: u32 = 0x050;
export const SUPER_ROOT_GID: u32 = 0x052;
export const SUPER_FIRST_INODE: u32 = 0x054;
export const SUPER_INODE_SIZE: u32 = 0x058;
export const SUPER_GROUP_NUMBER: u32 = 0x05a;
export const SUPER_COMPATIBLE: u32 = 0x05c;
export const SUPER_INCOMPATIBLE: u32 = 0x060;
export const SUPER_READ_ONLY: u32 = 0x064;
export const SUPER_UUID: u32 = 0x068;
export const SUPER_LABEL: u32 = 0x078;
export const SUPER_MOUNT_PATH: u32 = 0x088;
export const SUPER_COMPRESSION: u32 = 0x0c8;
export const SUPER_PREALLOCATE: u32 = 0x0cc;
export const SUPER_PREALLOCATE_DIRECTORY: u32 = 0x0cd;
export const SUPER_SPARE_DESCRIPTORS: u32 = 0x0ce;
export const SUPER_JOURNAL_UUID: u32 = 0x0d0;
export const SUPER_JOURNAL_INODE: u32 = 0x0e0;
export const SUPER_JOURNAL_DEVICE: u32 = 0x0e4;
export const SUPER_ORPHANS: u32 = 0x0e8;
export const SUPER_HASH_SEED: u32 = 0x0ec;
export const SUPER_HASH_VERSION: u32 = 0x0fc;
export const SUPER_JOURNAL_BACKUP_TYPE: u32 = 0x0fd;
export const SUPER_DESCRIPTOR_SIZE: u32 = 0x0fe;
export const SUPER_MOUNT_OPTIONS: u32 = 0x100;
export const SUPER_FIRST_META_GROUP: u32 = 0x104;
export const SUPER_MADE_AT: u32 = 0x108;
export const SUPER_JOURNAL_BACKUP: u32 = 0x10c;
export const SUPER_BLOCKS_HIGH: u32 = 0x150;
export const SUPER_ROOT_BLOCKS_HIGH: u32 = 0x154;
export const SUPER_FREE_BLOCKS_HIGH: u32 = 0x158;
export const SUPER_EXTRA_MIN: u32 = 0x15c;
export const SUPER_EXTRA_WANTED: u32 = 0x15e;
export const SUPER_FLAGS: u32 = 0x160;
export const SUPER_RAID_STRIDE: u32 = 0x164;
export const SUPER_MMP_INTERVAL: u32 = 0x166;
export const SUPER_MMP_BLOCK: u32 = 0x168;
export const SUPER_RAID_STRIPE: u32 = 0x170;
export const SUPER_FLEX_SHIFT: u32 = 0x174;
export const SUPER_CHECKSUM_TYPE: u32 = 0x175;
export const SUPER_ENCRYPTION_LEVEL: u32 = 0x176;
export const SUPER_WRITTEN_KIB: u32 = 0x178;
export const SUPER_SNAPSHOT_INODE: u32 = 0x180;
export const SUPER_SNAPSHOT_ID: u32 = 0x184;
export const SUPER_SNAPSHOT_BLOCKS: u32 = 0x188;
export const SUPER_SNAPSHOT_LIST: u32 = 0x190;
export const SUPER_ERRORS: u32 = 0x194;
export const SUPER_FIRST_ERROR_AT: u32 = 0x198;
export const SUPER_FIRST_ERROR_INODE: u32 = 0x19c;
export const SUPER_FIRST_ERROR_BLOCK: u32 = 0x1a0;
export const SUPER_FIRST_ERROR_FUNCTION: u32 = 0x1a8;
export const SUPER_FIRST_ERROR_LINE: u32 = 0x1c8;
export const SUPER_LAST_ERROR_AT: u32 = 0x1cc;
export const SUPER_LAST_ERROR_INODE: u32 = 0x1d0;
export const SUPER_LAST_ERROR_LINE: u32 = 0x1d4;
export const SUPER_LAST_ERROR_BLOCK: u32 = 0x1d8;
export const SUPER_LAST_ERROR_FUNCTION: u32 = 0x1e0;
export const SUPER_MOUNT_OPTIONS_TEXT: u32 = 0x200;
export const SUPER_USER_QUOTA_INODE: u32 = 0x240;
export const SUPER_GROUP_QUOTA_INODE: u32 = 0x244;
export const SUPER_OVERHEAD: u32 = 0x248;
export const SUPER_BACKUP_GROUPS: u32 = 0x24c;
export const SUPER_ENCRYPTION_ALGORITHMS: u32 = 0x254;
export const SUPER_ENCRYPTION_SALT: u32 = 0x258;
export const SUPER_LOST_FOUND_INODE: u32 = 0x268;
export const SUPER_PROJECT_QUOTA_INODE: u32 = 0x26c;
export const SUPER_CHECKSUM_SEED: u32 = 0x270;
export const SUPER_WRITTEN_AT_HIGH: u32 = 0x274;
export const SUPER_MOUNTED_AT_HIGH: u32 = 0x275;
export const SUPER_MADE_AT_HIGH: u32 = 0x276;
export const SUPER_CHECKED_AT_HIGH: u32 = 0x277;
export const SUPER_FIRST_ERROR_AT_HIGH: u32 = 0x278;
export const SUPER_LAST_ERROR_AT_HIGH: u32 = 0x279;
export const SUPER_FIRST_ERROR_CODE: u32 = 0x27a;
export const SUPER_LAST_ERROR_CODE: u32 = 0x27b;
export const SUPER_ENCODING: u32 = 0x27c;
export const SUPER_ENCODING_FLAGS: u32 = 0x27e;
export const SUPER_ORPHAN_FILE_INODE: u32 = 0x280;
export const SUPER_CHECKSUM: u32 = 0x3fc;
export const SUPER_SIZE: u32 = 0x400;

export const GROUP_BLOCK_BITMAP_LOW: u32 = 0x000;
export const GROUP_INODE_BITMAP_LOW: u32 = 0x004;
export const GROUP_INODE_TABLE_LOW: u32 = 0x008;
export const GROUP_FREE_BLOCKS_LOW: u32 = 0x00c;
export const GROUP_FREE_INODES_LOW: u32 = 0x00e;
export const GROUP_DIRECTORIES_LOW: u32 = 0x010;
export const GROUP_FLAGS: u32 = 0x012;
export const GROUP_EXCLUDE_BITMAP_LOW: u32 = 0x014;
export const GROUP_BLOCK_BITMAP_CHECKSUM_LOW: u32 = 0x018;
export const GROUP_INODE_BITMAP_CHECKSUM_LOW: u32 = 0x01a;
export const GROUP_UNUSED_INODES_LOW: u32 = 0x01c;
export const GROUP_CHECKSUM: u32 = 0x01e;
export const GROUP_BLOCK_BITMAP_HIGH: u32 = 0x020;
export const GROUP_INODE_BITMAP_HIGH: u32 = 0x024;
export const GROUP_INODE_TABLE_HIGH: u32 = 0x028;
export const GROUP_FREE_BLOCKS_HIGH: u32 = 0x02c;
export const GROUP_FREE_INODES_HIGH: u32 = 0x02e;
export const GROUP_DIRECTORIES_HIGH: u32 = 0x030;
export const GROUP_UNUSED_INODES_HIGH: u32 = 0x032;
export const GROUP_EXCLUDE_BITMAP_HIGH: u32 = 0x034;
export const GROUP_BLOCK_BITMAP_CHECKSUM_HIGH: u32 = 0x038;
export const GROUP_INODE_BITMAP_CHECKSUM_HIGH: u32 = 0x03a;
export const GROUP_SIZE: u32 = 0x040;
