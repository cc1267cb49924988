/**
 * The boundary between core and host: requests, device configuration, fault report. Little-endian.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/abi.md.
 * Numbers of request types, status and features are those of virtio 1.2, section 5.2.
 *
 * REQUEST, one block request in the array given to `host.submit`
 *
 * | offset | size | field       | meaning                                              |
 * | -----: | ---: | ----------- | ---------------------------------------------------- |
 * |  0x000 |    4 | type        | RequestType                                          |
 * |  0x004 |    4 | status      | -1 before, then RequestStatus                        |
 * |  0x008 |    8 | sector      | first sector, units of 512 bytes                     |
 * |  0x010 |    4 | address     | of the data in the core's memory                     |
 * |  0x014 |    4 | length      | bytes; DISCARD and WRITE_ZEROES: sectors             |
 * |  0x018 |    4 | flags       | bit 0: unmap allowed (WRITE_ZEROES); others zero     |
 * |  0x01c |    4 | transferred | bytes moved; fewer than `length` is a short transfer |
 *
 * CONFIG, what `host.config` writes: features first, then the fields of virtio_blk_config in use
 *
 * | offset | size | field             | meaning                                           |
 * | -----: | ---: | ----------------- | ------------------------------------------------- |
 * |  0x000 |    8 | features          | bits of FEATURE_*                                 |
 * |  0x008 |    8 | capacity          | sectors of 512 bytes                              |
 * |  0x010 |    4 | size_max          | largest segment in bytes, 0 = no limit            |
 * |  0x014 |    4 | seg_max           | segments in one request                           |
 * |  0x018 |    4 | blk_size          | logical block size in bytes, 512 or 4096          |
 * |  0x01c |    4 | physical_exponent | physical block = blk_size << exponent             |
 * |  0x020 |    4 | opt_io_size       | preferred transfer in logical blocks, 0 = unknown |
 * |  0x024 |    4 | max_discard       | sectors in one DISCARD                            |
 * |  0x028 |    4 | discard_align     | sectors                                           |
 * |  0x02c |    4 | max_write_zeroes  | sectors in one WRITE_ZEROES                       |
 * |  0x030 |    4 | zeroes_may_unmap  | 1 if WRITE_ZEROES may unmap                       |
 * |  0x034 |    4 | writeback         | 1 if writes are volatile until FLUSH              |
 *
 * FAULT, why the last call failed, at the address `faultAddress()` gives
 *
 * | offset | size | field  | meaning                                      |
 * | -----: | ---: | ------ | -------------------------------------------- |
 * |  0x000 |    4 | code   | ErrorCode                                    |
 * |  0x004 |    4 | reason | Reason                                       |
 * |  0x008 |    4 | device | device id of the host                        |
 * |  0x00c |    4 | detail | a number that the reason explains, or 0      |
 * |  0x010 |    8 | lba    | sector of the device, units of 512 bytes     |
 *
 * EXCHANGE, through which the calls of one store pass what does not fit a number
 *
 * | offset | size | field   | meaning                                                   |
 * | -----: | ---: | ------- | --------------------------------------------------------- |
 * |  0x000 |   32 | hash    | in: the object asked for; out: the one a stream made      |
 * |  0x020 |    8 | length  | f64: bytes of the object                                  |
 * |  0x028 |    8 | offset  | f64: in: where a ranged read starts                       |
 * |  0x030 |    4 | address | of the data or rows that the call answers, or room for it |
 * |  0x034 |    4 | count   | storeGet: 2 if segmented, else 1; verifying: 1 = finished |
 *
 * ITEM, one object of a put
 *
 * | offset | size | field   | meaning                                     |
 * | -----: | ---: | ------- | ------------------------------------------- |
 * |  0x000 |    4 | length  | in: bytes                                   |
 * |  0x004 |    4 | address | out: where the caller places them           |
 * |  0x008 |   32 | hash    | in (PUT_HASHED) or out                      |
 *
 * ROW, one object of a list
 *
 * | offset | size | field  | meaning             |
 * | -----: | ---: | ------ | ------------------- |
 * |  0x000 |   32 | hash   |                     |
 * |  0x020 |    8 | length | f64: bytes          |
 * |  0x028 |    8 | pins   | f64: pinned above 0 |
 *
 * STAT, numbers of a store, all f64
 *
 * | offset | size | field      | meaning                                              |
 * | -----: | ---: | ---------- | ---------------------------------------------------- |
 * |  0x000 |    8 | objects    | live objects                                         |
 * |  0x008 |    8 | payload    | their bytes                                          |
 * |  0x010 |    8 | capacity   | bytes of all chunks                                  |
 * |  0x018 |    8 | free       | bytes of free chunks and of the open chunk's rest    |
 * |  0x020 |    8 | epoch      | of the newest durable commit                         |
 * |  0x028 |    8 | pending    | 1 if there are changes no commit covers, else 0      |
 * |  0x030 |    8 | compacted  | records moved by compaction since the store was open |
 * |  0x038 |    8 | healed     | damaged records replaced since the store was open    |
 *
 * FINDING, one thing that verification found
 *
 * | offset | size | field   | meaning                                  |
 * | -----: | ---: | ------- | ---------------------------------------- |
 * |  0x000 |    4 | code    | ErrorCode                                |
 * |  0x004 |    4 | reason  | Reason                                   |
 * |  0x008 |    8 | lba     | f64: sector of the device                |
 * |  0x010 |    4 | chunk   |                                          |
 * |  0x014 |    4 | segment | of the object                            |
 * |  0x018 |   32 | hash    | of the object; zero if none is concerned |
 *
 * REGION_INFO, what `regionInfo` writes
 *
 * | offset | size | field        | meaning                                        |
 * | -----: | ---: | ------------ | ---------------------------------------------- |
 * |  0x000 |   16 | uuid         |                                                |
 * |  0x010 |    8 | sectors      | f64                                            |
 * |  0x018 |    8 | store_epoch  | f64                                            |
 * |  0x020 |    8 | files_epoch  | f64, 0: there is no filesystem                 |
 * |  0x028 |    4 | chunk_shift  |                                                |
 * |  0x02c |    4 | chunks       |                                                |
 * |  0x030 |    4 | first_chunk  | sector in the region                           |
 * |  0x034 |    4 | log_sectors  |                                                |
 * |  0x038 |    4 | read_only    | 1 or 0                                         |
 * |  0x03c |    4 | notices      | what mount noticed: bits of NOTICE_*           |
 * |  0x040 |    4 | second_reads | pages read from their second copy so far       |
 * |  0x044 |    4 | reserved     | zero                                           |
 *
 * REGION_FINDING, one of `regionFinding`: damage that a check met
 *
 * | offset | size | field  | meaning                                       |
 * | -----: | ---: | ------ | --------------------------------------------- |
 * |  0x000 |    4 | volume | 0 CAPOSST1, 1 CAPOSWF1, 2 the region itself   |
 * |  0x004 |    4 | reason | Reason                                        |
 * |  0x008 |    8 | lba    | u64, sector of the region                     |
 * |  0x010 |    8 | detail | u64                                           |
 *
 * FILE_STAT, what `filesStat` writes
 *
 * | offset | size | field      | meaning                                   |
 * | -----: | ---: | ---------- | ----------------------------------------- |
 * |  0x000 |    8 | ino        |                                           |
 * |  0x008 |    4 | mode       | POSIX type and permissions                |
 * |  0x00c |    4 | nlink      |                                           |
 * |  0x010 |    4 | uid        |                                           |
 * |  0x014 |    4 | gid        |                                           |
 * |  0x018 |    8 | length     | bytes; directory: entries                 |
 * |  0x020 |    8 | blocks     | of 512 bytes that hold data               |
 * |  0x028 |    8 | atime      | i64 ns since 1970 UTC                     |
 * |  0x030 |    8 | mtime      |                                           |
 * |  0x038 |    8 | ctime      |                                           |
 * |  0x040 |    8 | btime      |                                           |
 *
 * ATTRIBUTES, what `filesChange` takes; its mask says which fields count
 *
 * | offset | size | field    | meaning               |
 * | -----: | ---: | -------- | --------------------- |
 * |  0x000 |    4 | mode     | permissions           |
 * |  0x004 |    4 | uid      |                       |
 * |  0x008 |    4 | gid      |                       |
 * |  0x00c |    4 | reserved |                       |
 * |  0x010 |    8 | atime    | i64 ns since 1970 UTC |
 * |  0x018 |    8 | mtime    |                       |
 *
 * ENTRY, one directory entry of `filesList`; the name follows, padded to a multiple of 8 bytes
 *
 * | offset | size | field       | meaning                        |
 * | -----: | ---: | ----------- | ------------------------------ |
 * |  0x000 |    8 | ino         |                                |
 * |  0x008 |    1 | type        | 1 file 2 directory 3 symlink   |
 * |  0x009 |    1 | reserved    |                                |
 * |  0x00a |    2 | name_length | bytes                          |
 * |  0x00c |    4 | step        | bytes from here to the next one |
 *
 * STATFS, what `filesStatfs` writes
 *
 * | offset | size | field      | meaning                         |
 * | -----: | ---: | ---------- | ------------------------------- |
 * |  0x000 |    4 | type       | FileSystemType                  |
 * |  0x004 |    4 | block_size | bytes                           |
 * |  0x008 |    8 | blocks     |                                 |
 * |  0x010 |    8 | free       | blocks                          |
 * |  0x018 |    8 | available  | blocks that a write may use now |
 * |  0x020 |    8 | files      | inodes in use                   |
 *
 * FILE_FINDING, one of `filesFinding`: damage that a check met; the text names it
 *
 * | offset | size | field    | meaning                                     |
 * | -----: | ---: | -------- | ------------------------------------------- |
 * |  0x000 |    4 | code     | ErrorCode                                   |
 * |  0x004 |    4 | reason   | Reason                                      |
 * |  0x008 |    8 | lba      | sector of the device, units of 512 bytes    |
 * |  0x010 |    8 | ino      | 0 = none                                    |
 * |  0x018 |    8 | offset   | in the file                                 |
 * |  0x020 |    8 | length   | bytes of the file that cannot be read       |
 */
export const ABI_VERSION: u32 = 1;

export const REQUEST_TYPE: u32 = 0x000;
export const REQUEST_STATUS: u32 = 0x004;
export const REQUEST_SECTOR: u32 = 0x008;
export const REQUEST_ADDRESS: u32 = 0x010;
export const REQUEST_LENGTH: u32 = 0x014;
export const REQUEST_FLAGS: u32 = 0x018;
export const REQUEST_TRANSFERRED: u32 = 0x01c;
export const REQUEST_SIZE: u32 = 0x020;

export enum RequestType {
  IN = 0,
  OUT = 1,
  FLUSH = 4,
  GET_ID = 8,
  DISCARD = 11,
  WRITE_ZEROES = 13,
}

export enum RequestStatus {
  OK = 0,
  IOERR = 1,
  UNSUPP = 2,
}

/** Bytes that GET_ID writes: the serial, NUL-padded. */
export const DEVICE_ID_SIZE: u32 = 20;
export const SECTOR_SIZE: u32 = 512;
export const SECTOR_SHIFT: u32 = 9;

export const FEATURE_SEG_MAX: u32 = 0x0004;
export const FEATURE_RO: u32 = 0x0020;
export const FEATURE_BLK_SIZE: u32 = 0x0040;
export const FEATURE_FLUSH: u32 = 0x0200;
export const FEATURE_TOPOLOGY: u32 = 0x0400;
export const FEATURE_CONFIG_WCE: u32 = 0x0800;
export const FEATURE_DISCARD: u32 = 0x2000;
export const FEATURE_WRITE_ZEROES: u32 = 0x4000;

export const CONFIG_FEATURES: u32 = 0x000;
export const CONFIG_CAPACITY: u32 = 0x008;
export const CONFIG_SIZE_MAX: u32 = 0x010;
export const CONFIG_SEG_MAX: u32 = 0x014;
export const CONFIG_BLK_SIZE: u32 = 0x018;
export const CONFIG_PHYSICAL_EXPONENT: u32 = 0x01c;
export const CONFIG_OPT_IO_SIZE: u32 = 0x020;
export const CONFIG_MAX_DISCARD: u32 = 0x024;
export const CONFIG_DISCARD_ALIGN: u32 = 0x028;
export const CONFIG_MAX_WRITE_ZEROES: u32 = 0x02c;
export const CONFIG_ZEROES_MAY_UNMAP: u32 = 0x030;
export const CONFIG_WRITEBACK: u32 = 0x034;
export const CONFIG_SIZE: u32 = 0x038;

export const FAULT_CODE: u32 = 0x000;
export const FAULT_REASON: u32 = 0x004;
export const FAULT_DEVICE: u32 = 0x008;
export const FAULT_DETAIL: u32 = 0x00c;
export const FAULT_LBA: u32 = 0x010;
export const FAULT_SIZE: u32 = 0x018;

export const EXCHANGE_HASH: u32 = 0x000;
export const EXCHANGE_LENGTH: u32 = 0x020;
export const EXCHANGE_OFFSET: u32 = 0x028;
export const EXCHANGE_ADDRESS: u32 = 0x030;
export const EXCHANGE_COUNT: u32 = 0x034;
export const EXCHANGE_SIZE: u32 = 0x038;

export const ITEM_LENGTH: u32 = 0x000;
export const ITEM_ADDRESS: u32 = 0x004;
export const ITEM_HASH: u32 = 0x008;
export const ITEM_SIZE: u32 = 0x028;
/** Most objects of one storePutBegin. */
export const ITEMS_MAX: u32 = 256;

export const ROW_HASH: u32 = 0x000;
export const ROW_LENGTH: u32 = 0x020;
export const ROW_PINS: u32 = 0x028;
export const ROW_SIZE: u32 = 0x030;
/** Most rows of one storeList. */
export const ROWS_MAX: u32 = 256;

export const STAT_OBJECTS: u32 = 0x000;
export const STAT_PAYLOAD: u32 = 0x008;
export const STAT_CAPACITY: u32 = 0x010;
export const STAT_FREE: u32 = 0x018;
export const STAT_EPOCH: u32 = 0x020;
export const STAT_PENDING: u32 = 0x028;
export const STAT_COMPACTED: u32 = 0x030;
export const STAT_HEALED: u32 = 0x038;
export const STAT_SIZE: u32 = 0x040;

export const FINDING_CODE: u32 = 0x000;
export const FINDING_REASON: u32 = 0x004;
export const FINDING_LBA: u32 = 0x008;
export const FINDING_CHUNK: u32 = 0x010;
export const FINDING_SEGMENT: u32 = 0x014;
export const FINDING_HASH: u32 = 0x018;
export const FINDING_SIZE: u32 = 0x038;

/** Flags of storeOpen. */
export const STORE_TRUST_HASHES: u32 = 1;
/** Flags of storePutEnd: the hashes are given in the items. */
export const PUT_HASHED: u32 = 1;
/** Flags of storeStreamOpen: hash and length are known; the bytes come without a pause. */
export const STREAM_KNOWN: u32 = 1;
export const STREAM_INLINE: u32 = 2;
/** Flags of storeGet and storeRead. */
export const GET_UNVERIFIED: u32 = 1;

/** Why a call failed; the host turns it into a sentence. Append only. */
export enum Reason {
  NONE = 0,
  /** The device answered IOERR. */
  DEVICE_ERROR = 1,
  /** The device moved fewer bytes than asked. */
  SHORT_TRANSFER = 2,
  /** The range lies outside the device or window. */
  OUT_OF_RANGE = 3,
  /** The range is not a multiple of the block size. */
  MISALIGNED = 4,
  /** The device or window is read-only. */
  READ_ONLY = 5,
  /** blk_size is neither 512 nor 4096. */
  BLOCK_SIZE = 6,
  /** The device answered with no status, or one that virtio does not define. */
  BAD_STATUS = 7,
  MAGIC = 20,
  CHECKSUM = 21,
  VERSION = 22,
  /** A structure says it belongs at another place: a misdirected write. */
  SELF_LBA = 23,
  /** Bytes that must be zero are not. */
  PADDING = 24,
  /** A field lies outside what the format allows; `detail` is its offset. */
  FIELD = 25,
  /** No copy of the superblock is valid. */
  NO_SUPERBLOCK = 26,
  /** Two valid superblocks of one epoch differ. */
  FORK = 27,
  /** An incompatible feature bit is set; `detail` is the low word. */
  FEATURE = 28,
  /** The region claims more sectors than the device has. */
  CAPACITY = 29,
  UUID = 30,
  LEVEL = 31,
  BIRTH = 32,
  TREE_ID = 33,
  REGION_TAG = 34,
  KEY_ORDER = 35,
  /** A pointer leaves the chunks of its format. */
  POINTER = 36,
  /** A walk met more pages than the region has: a cycle. */
  PAGE_BUDGET = 37,
  /** The bitmap disagrees with what the trees reach; `detail` is the page's index in its chunk. */
  BITMAP = 38,
  /** Space tree, grants and chunk ownership disagree; `detail` is the chunk. */
  OWNERSHIP = 39,
  /** A counter in the superblock is wrong. */
  COUNTER = 40,
  /** A hash of content does not match. */
  CONTENT_HASH = 41,
  /** Link counts, back references or parents disagree; `detail` is the inode's low word. */
  LINKS = 42,
  /** Two extents or records claim one place. */
  OVERLAP = 43,
  /** The same name or key stands twice. */
  DUPLICATE = 44,
  /** A second writer changed the superblock. */
  FENCE = 45,
  /** An error is latched; the volume is read-only until it is opened again. */
  LATCHED = 46,
  /** The batch was aborted: `detail` is the low word of the epoch since which writes are lost. */
  LOST_SINCE = 47,
  /** A second copy differs from the first. */
  MIRROR = 48,
  /** GPT: header or entry array; `detail` is the offset of the field. */
  GPT_HEADER = 60,
  GPT_ENTRIES = 61,
  /** Both GPT headers are unusable. */
  GPT_BOTH = 62,
  GPT_MBR = 63,
  /** FAT: `detail` is the offset of the field in the boot sector, or the cluster. */
  FAT_BOOT = 70,
  FAT_CHAIN = 71,
  FAT_DIRECTORY = 72,
  /** ISO 9660: `detail` is the offset of the field in its descriptor, record, entry or catalog. */
  ISO_DESCRIPTOR = 80,
  ISO_RECORD = 81,
  ISO_ROCK_RIDGE = 82,
  ISO_CATALOG = 83,
  /** An extent leaves the device. */
  ISO_EXTENT = 84,
  /** A directory is not where its own records say, or below another: a loop. */
  ISO_PARENT = 85,
  /** ext4: `detail` is the offset of the field in its superblock, inode, node, block or entry. */
  EXT4_SUPER = 90,
  /** `detail` is the group. */
  EXT4_GROUP = 91,
  /** An inode; `detail` is its number. */
  EXT4_INODE = 92,
  EXT4_EXTENTS = 93,
  EXT4_DIRECTORY = 94,
  EXT4_XATTRS = 95,
  EXT4_JOURNAL = 96,
  /** What keeps it from being changed; `detail` is an Ext4Refusal. */
  EXT4_CHANGE = 97,
}

export const FILE_STAT_INO: u32 = 0x000;
export const FILE_STAT_MODE: u32 = 0x008;
export const FILE_STAT_NLINK: u32 = 0x00c;
export const FILE_STAT_UID: u32 = 0x010;
export const FILE_STAT_GID: u32 = 0x014;
export const FILE_STAT_LENGTH: u32 = 0x018;
export const FILE_STAT_BLOCKS: u32 = 0x020;
export const FILE_STAT_ATIME: u32 = 0x028;
export const FILE_STAT_MTIME: u32 = 0x030;
export const FILE_STAT_CTIME: u32 = 0x038;
export const FILE_STAT_BTIME: u32 = 0x040;
export const FILE_STAT_SIZE: u32 = 0x048;

export const ATTRIBUTES_MODE: u32 = 0x000;
export const ATTRIBUTES_UID: u32 = 0x004;
export const ATTRIBUTES_GID: u32 = 0x008;
export const ATTRIBUTES_ATIME: u32 = 0x010;
export const ATTRIBUTES_MTIME: u32 = 0x018;
export const ATTRIBUTES_SIZE: u32 = 0x020;

/** Bits of the mask of `filesChange`. */
export const CHANGE_MODE: u32 = 1;
export const CHANGE_UID: u32 = 2;
export const CHANGE_GID: u32 = 4;
export const CHANGE_ATIME: u32 = 8;
export const CHANGE_MTIME: u32 = 16;

export const ENTRY_INO: u32 = 0x000;
export const ENTRY_TYPE: u32 = 0x008;
export const ENTRY_NAME_LENGTH: u32 = 0x00a;
export const ENTRY_STEP: u32 = 0x00c;
export const ENTRY_SIZE: u32 = 0x010;

export const STATFS_TYPE: u32 = 0x000;
export const STATFS_BLOCK_SIZE: u32 = 0x004;
export const STATFS_BLOCKS: u32 = 0x008;
export const STATFS_FREE: u32 = 0x010;
export const STATFS_AVAILABLE: u32 = 0x018;
export const STATFS_FILES: u32 = 0x020;
export const STATFS_SIZE: u32 = 0x028;

export const REGION_INFO_UUID: u32 = 0x000;
export const REGION_INFO_SECTORS: u32 = 0x010;
export const REGION_INFO_STORE_EPOCH: u32 = 0x018;
export const REGION_INFO_FILES_EPOCH: u32 = 0x020;
export const REGION_INFO_CHUNK_SHIFT: u32 = 0x028;
export const REGION_INFO_CHUNKS: u32 = 0x02c;
export const REGION_INFO_FIRST_CHUNK: u32 = 0x030;
export const REGION_INFO_LOG_SECTORS: u32 = 0x034;
export const REGION_INFO_READ_ONLY: u32 = 0x038;
export const REGION_INFO_NOTICES: u32 = 0x03c;
export const REGION_INFO_SECOND_READS: u32 = 0x040;
export const REGION_INFO_SIZE: u32 = 0x048;

export const REGION_FINDING_VOLUME: u32 = 0x000;
export const REGION_FINDING_REASON: u32 = 0x004;
export const REGION_FINDING_LBA: u32 = 0x008;
export const REGION_FINDING_DETAIL: u32 = 0x010;
export const REGION_FINDING_SIZE: u32 = 0x018;

/** Flags of `regionOpen`. */
export const REGION_READ_ONLY: u32 = 1;
/** Full check before the first write. */
export const REGION_STRICT: u32 = 2;
/** No FLUSH at all: durability mode `none`. */
export const REGION_NO_FLUSH: u32 = 4;
/** Read-only on N - 1 when N is damaged: explicit consent. */
export const REGION_PREVIOUS: u32 = 8;
/** For repair: opens although a list of freed pages, which only writing needs, is damaged. */
export const REGION_REPAIR: u32 = 16;

export const FILE_FINDING_CODE: u32 = 0x000;
export const FILE_FINDING_REASON: u32 = 0x004;
export const FILE_FINDING_LBA: u32 = 0x008;
export const FILE_FINDING_INO: u32 = 0x010;
export const FILE_FINDING_OFFSET: u32 = 0x018;
export const FILE_FINDING_LENGTH: u32 = 0x020;
export const FILE_FINDING_SIZE: u32 = 0x028;

export enum FileSystemType {
  WF = 1,
  RO = 2,
}

/** Flags of `filesOpen`: Linux's numbers. */
export const OPEN_ACCESS: u32 = 0x3;
export const OPEN_READ: u32 = 0x0;
export const OPEN_WRITE: u32 = 0x1;
export const OPEN_READ_WRITE: u32 = 0x2;
export const OPEN_CREATE: u32 = 0x40;
export const OPEN_EXCLUSIVE: u32 = 0x80;
export const OPEN_TRUNCATE: u32 = 0x200;
export const OPEN_APPEND: u32 = 0x400;
export const OPEN_DIRECTORY: u32 = 0x10000;
export const OPEN_NO_FOLLOW: u32 = 0x20000;

/** Flags of `filesXattrSet`. */
export const XATTR_CREATE: u32 = 1;
export const XATTR_REPLACE: u32 = 2;

/** Longest path in bytes, and links followed on one path before ELOOP. */
export const PATH_LENGTH_MAX: u32 = 4096;
export const LINKS_FOLLOWED_MAX: u32 = 40;
