/**
 * GPT, partition tables, as UEFI 2.10 chapter 5 has them. Little-endian; LBAs count device blocks.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/gpt.md.
 * What begins with GPT_ is not on the disk: it is how tables cross between core and host.
 *
 * MBR, first block of the disk (5.2.3)
 *
 * | offset | size | field     | meaning                                   |
 * | -----: | ---: | --------- | ----------------------------------------- |
 * |  0x000 |  440 | boot_code | unused by UEFI; kept by every edit        |
 * |  0x1b8 |    4 | signature | of the disk, zero on a GPT disk           |
 * |  0x1bc |    2 | unknown   | zero                                      |
 * |  0x1be |   64 | records   | four MBR_RECORDs; the last three are zero |
 * |  0x1fe |    2 | mark      | MBR_MARK_VALUE                            |
 *
 * MBR_RECORD, one partition record of the MBR
 *
 * | offset | size | field     | meaning                                 |
 * | -----: | ---: | --------- | --------------------------------------- |
 * |  0x000 |    1 | boot      | zero                                    |
 * |  0x001 |    3 | start_chs | 0x000200                                |
 * |  0x004 |    1 | type      | 0xee                                    |
 * |  0x005 |    3 | end_chs   | of the last block, or 0xffffff          |
 * |  0x008 |    4 | start     | 1                                       |
 * |  0x00c |    4 | blocks    | of the disk minus 1, at most 0xffffffff |
 *
 * HEADER, at LBA 1 and at the last LBA (5.3.2); the rest of the block is zero
 *
 * | offset | size | field         | meaning                                   |
 * | -----: | ---: | ------------- | ----------------------------------------- |
 * |  0x000 |    8 | signature     | "EFI PART"                                |
 * |  0x008 |    4 | revision      | 0x00010000                                |
 * |  0x00c |    4 | length        | of the header, 92                         |
 * |  0x010 |    4 | crc           | CRC-32 of the header with this field zero |
 * |  0x014 |    4 | reserved      | zero                                      |
 * |  0x018 |    8 | my_lba        | where this copy belongs                   |
 * |  0x020 |    8 | alternate_lba | where the other copy is                   |
 * |  0x028 |    8 | first_usable  | first block a partition may use           |
 * |  0x030 |    8 | last_usable   | last one, included                        |
 * |  0x038 |   16 | disk_guid     |                                           |
 * |  0x048 |    8 | entries_lba   | start of this copy's entry array          |
 * |  0x050 |    4 | slots         | entries in the array                      |
 * |  0x054 |    4 | entry_length  | 128 * 2^n                                 |
 * |  0x058 |    4 | entries_crc   | CRC-32 of slots * entry_length bytes      |
 *
 * ENTRY, one slot of the entry array (5.3.3); what follows up to entry_length is zero
 *
 * | offset | size | field       | meaning                               |
 * | -----: | ---: | ----------- | ------------------------------------- |
 * |  0x000 |   16 | type_guid   | zero: not in use                      |
 * |  0x010 |   16 | unique_guid |                                       |
 * |  0x020 |    8 | first       | first block                           |
 * |  0x028 |    8 | last        | last block, included                  |
 * |  0x030 |    8 | attributes  | bits 0 to 2 and 48 to 63; others zero |
 * |  0x038 |   72 | name        | UTF-16LE, NUL-padded                  |
 *
 * SAVED, a saved table, made by gptSave: this head, SAVED_EXTENTs, their blocks
 *
 * | offset | size | field      | meaning                                |
 * | -----: | ---: | ---------- | -------------------------------------- |
 * |  0x000 |    8 | magic      | "DWGPTSAV"                             |
 * |  0x008 |    4 | version    | 1                                      |
 * |  0x00c |    4 | block_size | 512 or 4096                            |
 * |  0x010 |    8 | blocks     | of the device                          |
 * |  0x018 |    4 | extents    | 1 to SAVED_EXTENTS_MAX                 |
 * |  0x01c |    4 | length     | of the whole, bytes                    |
 * |  0x020 |    4 | crc        | CRC-32C of everything, this field zero |
 * |  0x024 |    4 | reserved   | zero                                   |
 *
 * SAVED_EXTENT, one run of blocks of a saved table
 *
 * | offset | size | field  | meaning                            |
 * | -----: | ---: | ------ | ---------------------------------- |
 * |  0x000 |    8 | lba    | first block                        |
 * |  0x008 |    4 | blocks |                                    |
 * |  0x00c |    4 | side   | 1 primary (with the MBR), 2 backup |
 *
 * GPT_TABLE, a partition table between core and host; GPT_PARTITIONs follow
 *
 * | offset | size | field         | meaning                          |
 * | -----: | ---: | ------------- | -------------------------------- |
 * |  0x000 |    4 | block_size    | bytes                            |
 * |  0x004 |    4 | partitions    | GPT_PARTITIONs behind this head  |
 * |  0x008 |   16 | disk_guid     |                                  |
 * |  0x018 |    8 | device_blocks |                                  |
 * |  0x020 |    8 | first_usable  | to the core: 0 = the usual place |
 * |  0x028 |    8 | last_usable   | to the core: 0 = the usual place |
 * |  0x030 |    4 | entry_slots   |                                  |
 * |  0x034 |    4 | entry_length  | bytes                            |
 * |  0x038 |    4 | used_side     | GptSide                          |
 * |  0x03c |    4 | reserved      | zero                             |
 *
 * GPT_PARTITION, one partition of a GPT_TABLE
 *
 * | offset | size | field       | meaning              |
 * | -----: | ---: | ----------- | -------------------- |
 * |  0x000 |    4 | index       | from 1               |
 * |  0x004 |    4 | reserved    | zero                 |
 * |  0x008 |   16 | type_guid   |                      |
 * |  0x018 |   16 | unique_guid |                      |
 * |  0x028 |    8 | first       | LBA in device blocks |
 * |  0x030 |    8 | last        | included             |
 * |  0x038 |    8 | attributes  |                      |
 * |  0x040 |   72 | name        | UTF-16LE, NUL-padded |
 *
 * GPT_FINDING, what gptVerify found, one after the other
 *
 * | offset | size | field     | meaning                           |
 * | -----: | ---: | --------- | --------------------------------- |
 * |  0x000 |    4 | problem   | GptProblem                        |
 * |  0x004 |    4 | side      | GptSide, 0 where it is neither    |
 * |  0x008 |    8 | sector    | of the device, units of 512 bytes |
 * |  0x010 |    4 | partition | from 1, 0 where it is none        |
 * |  0x014 |    4 | other     | another partition, or 0           |
 * |  0x018 |    8 | found     |                                   |
 * |  0x020 |    8 | expected  |                                   |
 *
 * GPT_BLOCK, a block of core memory given to the host, which releases it
 *
 * | offset | size | field   | meaning |
 * | -----: | ---: | ------- | ------- |
 * |  0x000 |    4 | address |         |
 * |  0x004 |    4 | length  | bytes   |
 */
export const MBR_BOOT_CODE: u32 = 0x000;
export const MBR_SIGNATURE: u32 = 0x1b8;
export const MBR_UNKNOWN: u32 = 0x1bc;
export const MBR_RECORDS: u32 = 0x1be;
export const MBR_MARK: u32 = 0x1fe;
export const MBR_SIZE: u32 = 0x200;

export const MBR_RECORD_BOOT: u32 = 0x000;
export const MBR_RECORD_START_CHS: u32 = 0x001;
export const MBR_RECORD_TYPE: u32 = 0x004;
export const MBR_RECORD_END_CHS: u32 = 0x005;
export const MBR_RECORD_START: u32 = 0x008;
export const MBR_RECORD_BLOCKS: u32 = 0x00c;
export const MBR_RECORD_SIZE: u32 = 0x010;

export const HEADER_SIGNATURE: u32 = 0x000;
export const HEADER_REVISION: u32 = 0x008;
export const HEADER_LENGTH: u32 = 0x00c;
export const HEADER_CRC: u32 = 0x010;
export const HEADER_RESERVED: u32 = 0x014;
export const HEADER_MY_LBA: u32 = 0x018;
export const HEADER_ALTERNATE_LBA: u32 = 0x020;
export const HEADER_FIRST_USABLE: u32 = 0x028;
export const HEADER_LAST_USABLE: u32 = 0x030;
export const HEADER_DISK_GUID: u32 = 0x038;
export const HEADER_ENTRIES_LBA: u32 = 0x048;
export const HEADER_SLOTS: u32 = 0x050;
export const HEADER_ENTRY_LENGTH: u32 = 0x054;
export const HEADER_ENTRIES_CRC: u32 = 0x058;
export const HEADER_SIZE: u32 = 0x05c;

export const ENTRY_TYPE_GUID: u32 = 0x000;
export const ENTRY_UNIQUE_GUID: u32 = 0x010;
export const ENTRY_FIRST: u32 = 0x020;
export const ENTRY_LAST: u32 = 0x028;
export const ENTRY_ATTRIBUTES: u32 = 0x030;
export const ENTRY_NAME: u32 = 0x038;
export const ENTRY_SIZE: u32 = 0x080;

export const SAVED_MAGIC: u32 = 0x000;
export const SAVED_VERSION: u32 = 0x008;
export const SAVED_BLOCK_SIZE: u32 = 0x00c;
export const SAVED_BLOCKS: u32 = 0x010;
export const SAVED_EXTENTS: u32 = 0x018;
export const SAVED_LENGTH: u32 = 0x01c;
export const SAVED_CRC: u32 = 0x020;
export const SAVED_SIZE: u32 = 0x028;

export const SAVED_EXTENT_LBA: u32 = 0x000;
export const SAVED_EXTENT_BLOCKS: u32 = 0x008;
export const SAVED_EXTENT_SIDE: u32 = 0x00c;
export const SAVED_EXTENT_SIZE: u32 = 0x010;

export const GPT_TABLE_BLOCK_SIZE: u32 = 0x000;
export const GPT_TABLE_PARTITIONS: u32 = 0x004;
export const GPT_TABLE_DISK_GUID: u32 = 0x008;
export const GPT_TABLE_DEVICE_BLOCKS: u32 = 0x018;
export const GPT_TABLE_FIRST_USABLE: u32 = 0x020;
export const GPT_TABLE_LAST_USABLE: u32 = 0x028;
export const GPT_TABLE_ENTRY_SLOTS: u32 = 0x030;
export const GPT_TABLE_ENTRY_LENGTH: u32 = 0x034;
export const GPT_TABLE_USED_SIDE: u32 = 0x038;
export const GPT_TABLE_SIZE: u32 = 0x040;

export const GPT_PARTITION_INDEX: u32 = 0x000;
export const GPT_PARTITION_TYPE_GUID: u32 = 0x008;
export const GPT_PARTITION_UNIQUE_GUID: u32 = 0x018;
export const GPT_PARTITION_FIRST: u32 = 0x028;
export const GPT_PARTITION_LAST: u32 = 0x030;
export const GPT_PARTITION_ATTRIBUTES: u32 = 0x038;
export const GPT_PARTITION_NAME: u32 = 0x040;
export const GPT_PARTITION_SIZE: u32 = 0x088;

export const GPT_FINDING_PROBLEM: u32 = 0x000;
export const GPT_FINDING_SIDE: u32 = 0x004;
export const GPT_FINDING_SECTOR: u32 = 0x008;
export const GPT_FINDING_PARTITION: u32 = 0x010;
export const GPT_FINDING_OTHER: u32 = 0x014;
export const GPT_FINDING_FOUND: u32 = 0x018;
export const GPT_FINDING_EXPECTED: u32 = 0x020;
export const GPT_FINDING_SIZE: u32 = 0x028;

export const GPT_BLOCK_ADDRESS: u32 = 0x000;
export const GPT_BLOCK_LENGTH: u32 = 0x004;
export const GPT_BLOCK_SIZE: u32 = 0x008;

export const MBR_MARK_VALUE: u32 = 0xaa55;
export const MBR_RECORDS_COUNT: u32 = 4;
export const MBR_TYPE_PROTECTIVE: u32 = 0xee;
export const MBR_START_CHS_VALUE: u32 = 0x000200;
export const MBR_CHS_BEYOND: u32 = 0xffffff;
/** What parted writes in the CHS fields: start and end. */
export const MBR_START_CHS_PARTED: u32 = 0x000100;
export const MBR_END_CHS_PARTED: u32 = 0xfffffe;
export const CHS_HEADS: u32 = 255;
export const CHS_SECTORS: u32 = 63;
export const CHS_CYLINDERS: u32 = 1024;

/** "EFI PART" as two little-endian words. */
export const HEADER_SIGNATURE_LOW: u32 = 0x20494645;
export const HEADER_SIGNATURE_HIGH: u32 = 0x54524150;
export const HEADER_REVISION_VALUE: u32 = 0x00010000;
export const HEADER_LBA: u32 = 1;

export const ENTRY_LENGTH_MAX: u32 = 4096;
export const SLOTS_DEFAULT: u32 = 128;
/** Bytes that are reserved for an entry array, however small it is (5.3.1). */
export const ENTRIES_SIZE_MIN: u32 = 16384;
/** Largest entry array that is read: 8192 entries of 128 bytes. */
export const ENTRIES_SIZE_MAX: u32 = 0x100000;
export const NAME_UNITS_MAX: u32 = 36;
/** Attribute bits 3 to 47 are reserved: in the low and the high word. */
export const ATTRIBUTES_RESERVED_LOW: u32 = 0xfffffff8;
export const ATTRIBUTES_RESERVED_HIGH: u32 = 0x0000ffff;
/** Partitions begin on multiples of this many bytes. */
export const ALIGNMENT_SIZE: u32 = 0x100000;

/** "DWGPTSAV" as two little-endian words. */
export const SAVED_MAGIC_LOW: u32 = 0x50475744;
export const SAVED_MAGIC_HIGH: u32 = 0x56415354;
export const SAVED_VERSION_VALUE: u32 = 1;
export const SAVED_EXTENTS_MAX: u32 = 8;

export enum GptSide {
  NONE = 0,
  PRIMARY = 1,
  BACKUP = 2,
}

/** What gptVerify can find. Append only. */
export enum GptProblem {
  NONE = 0,
  /** Neither copy begins with the signature. */
  NO_TABLE = 1,
  MBR_MARK = 10,
  MBR_NO_PROTECTIVE = 11,
  MBR_START = 12,
  MBR_SIZE = 13,
  MBR_CHS = 14,
  MBR_BOOT_FLAG = 15,
  MBR_EXTRA = 16,
  MBR_UNUSED = 17,
  MBR_PADDING = 18,
  /** The device does not give the header or its entries. */
  UNREADABLE = 30,
  SIGNATURE = 31,
  REVISION = 32,
  HEADER_LENGTH = 33,
  HEADER_CRC = 34,
  HEADER_RESERVED = 35,
  MY_LBA = 36,
  ALTERNATE_LBA = 37,
  USABLE_RANGE = 38,
  ENTRIES_LBA = 39,
  ENTRY_LENGTH = 40,
  ENTRY_SLOTS = 41,
  ENTRIES_CRC = 42,
  HEADER_PADDING = 43,
  ENTRIES_PADDING = 44,
  DISK_GUID = 45,
  /** The backup is not at the last block of the device. */
  BACKUP_PLACE = 46,
  COPIES_DISK_GUID = 60,
  COPIES_USABLE = 61,
  COPIES_GEOMETRY = 62,
  COPIES_ENTRIES = 63,
  PARTITION_ORDER = 80,
  PARTITION_OUTSIDE_DISK = 81,
  PARTITION_OUTSIDE_USABLE = 82,
  PARTITION_OVERLAP = 83,
  PARTITION_DUPLICATE_GUID = 84,
  PARTITION_ZERO_GUID = 85,
  PARTITION_ATTRIBUTES = 86,
  PARTITION_PADDING = 87,
  PARTITION_NAME = 88,
  PARTITION_MISALIGNED = 89,
  PARTITION_UNUSED_BYTES = 90,
}

/** What probeAt can know by its signature. Append only. */
export enum Signature {
  NOTHING = 0,
  GPT = 1,
  MBR = 2,
  FAT = 3,
  EXFAT = 4,
  NTFS = 5,
  EXT = 6,
  CAPOS_REGION = 7,
  CAPOS_RO = 8,
  ISO9660 = 9,
  UDF = 10,
  SQUASHFS = 11,
  EROFS = 12,
  CRAMFS = 13,
  ROMFS = 14,
  LUKS = 15,
  LVM = 16,
  SWAP = 17,
  XFS = 18,
  BTRFS = 19,
  F2FS = 20,
  BCACHEFS = 21,
  ZFS = 22,
  RAID = 23,
  REISERFS = 24,
  JFS = 25,
  HFS = 26,
  APFS = 27,
  BITLOCKER = 28,
  MINIX = 29,
  QCOW = 30,
  VMDK = 31,
  VHD = 32,
  VHDX = 33,
}
