/**
 * FAT32: bytes on the disk (Microsoft, "FAT: General Overview of On-Disk Format", version 1.03) and
 * what the core tells its host about a volume. Little-endian.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/fat32.md.
 *
 * BOOT, sector 0 and its backup (section "Boot Sector and BPB")
 *
 * | offset | size | field               | meaning                                         |
 * | -----: | ---: | ------------------- | ----------------------------------------------- |
 * |  0x000 |    3 | jump                | EB xx 90 or E9 xx xx                            |
 * |  0x003 |    8 | oem_name            | "MSWIN4.1", not read                            |
 * |  0x00b |    2 | bytes_per_sector    | 512, 1024, 2048 or 4096                         |
 * |  0x00d |    1 | sectors_per_cluster | a power of two, 1 to 128                        |
 * |  0x00e |    2 | reserved_sectors    | sectors before the first FAT                    |
 * |  0x010 |    1 | fats                | copies of the FAT: 2                            |
 * |  0x011 |    2 | root_entries        | 0                                               |
 * |  0x013 |    2 | total_sectors_16    | 0                                               |
 * |  0x015 |    1 | media               | F8, also the low byte of FAT[0]                 |
 * |  0x016 |    2 | fat_size_16         | 0                                               |
 * |  0x018 |    2 | sectors_per_track   | for BIOS calls                                  |
 * |  0x01a |    2 | heads               | for BIOS calls                                  |
 * |  0x01c |    4 | hidden_sectors      | sectors of the disk before the volume           |
 * |  0x020 |    4 | total_sectors       | sectors of the volume                           |
 * |  0x024 |    4 | fat_size            | sectors in one FAT                              |
 * |  0x028 |    2 | flags               | bit 7: only FAT number (bits 0 to 3) is in use  |
 * |  0x02a |    2 | version             | 0                                               |
 * |  0x02c |    4 | root_cluster        | first cluster of the root directory             |
 * |  0x030 |    2 | fsinfo_sector       | 1                                               |
 * |  0x032 |    2 | backup_sector       | 6; FSInfo's backup follows it                   |
 * |  0x034 |   12 | reserved            | zero                                            |
 * |  0x040 |    1 | drive               | 0x80, for BIOS calls                            |
 * |  0x041 |    1 | state               | bit 0: in use (dirty), bit 1: errors were met   |
 * |  0x042 |    1 | extended_signature  | 0x29: the next three fields are there           |
 * |  0x043 |    4 | serial              | volume serial number                            |
 * |  0x047 |   11 | label               | padded with spaces; "NO NAME" if there is none  |
 * |  0x052 |    8 | type_name           | "FAT32"                                         |
 * |  0x05a |  420 | code                | prints a line and stops                         |
 * |  0x1fe |    2 | signature           | 55 AA                                           |
 *
 * FSINFO, the sector after the boot sector, and its backup
 *
 * | offset | size | field         | meaning                                           |
 * | -----: | ---: | ------------- | ------------------------------------------------- |
 * |  0x000 |    4 | lead          | "RRaA"                                            |
 * |  0x004 |  480 | reserved      | zero                                              |
 * |  0x1e4 |    4 | middle        | "rrAa"                                            |
 * |  0x1e8 |    4 | free_count    | free clusters, or 0xffffffff: unknown             |
 * |  0x1ec |    4 | next_free     | where to look for a free cluster, or 0xffffffff   |
 * |  0x1f0 |   12 | reserved_tail | zero                                              |
 * |  0x1fc |    4 | trail         | 00 00 55 AA                                       |
 *
 * ENTRY, a directory entry
 *
 * | offset | size | field          | meaning                                           |
 * | -----: | ---: | -------------- | ------------------------------------------------- |
 * |  0x000 |   11 | name           | 8.3 name; byte 0: E5 deleted, 00 end, 05 means E5 |
 * |  0x00b |    1 | attributes     | ATTRIBUTE_*                                       |
 * |  0x00c |    1 | case_flags     | bit 3: base in lower case, bit 4: extension       |
 * |  0x00d |    1 | created_tenths | 10 ms units, 0 to 199                             |
 * |  0x00e |    2 | created_time   | hours 5 bits, minutes 6, seconds / 2 5            |
 * |  0x010 |    2 | created_date   | years from 1980 7 bits, months 4, days 5          |
 * |  0x012 |    2 | accessed_date  |                                                   |
 * |  0x014 |    2 | cluster_high   | first cluster, 0 for an empty file                |
 * |  0x016 |    2 | written_time   |                                                   |
 * |  0x018 |    2 | written_date   |                                                   |
 * |  0x01a |    2 | cluster_low    |                                                   |
 * |  0x01c |    4 | file_size      | bytes; 0 for a directory                          |
 *
 * LONG, a piece of a long name, before its ENTRY, last piece first
 *
 * | offset | size | field      | meaning                                         |
 * | -----: | ---: | ---------- | ----------------------------------------------- |
 * |  0x000 |    1 | order      | 1 to 20; bit 6 in the last piece of the name    |
 * |  0x001 |   10 | first      | characters 1 to 5, UTF-16                       |
 * |  0x00b |    1 | attributes | 0x0f                                            |
 * |  0x00c |    1 | kind       | 0                                               |
 * |  0x00d |    1 | checksum   | of the 8.3 name                                 |
 * |  0x00e |   12 | second     | characters 6 to 11                              |
 * |  0x01a |    2 | cluster    | 0                                               |
 * |  0x01c |    4 | third      | characters 12 and 13                            |
 *
 * SEAL, our own, in the reserved sector 9: finds one flipped bit where FAT32 has no checksum
 *
 * | offset | size | field    | meaning                                              |
 * | -----: | ---: | -------- | ---------------------------------------------------- |
 * |  0x000 |    8 | magic    | "DWFATSL1"                                           |
 * |  0x008 |    4 | length   | bytes sealed                                         |
 * |  0x00c |    4 | sum      | CRC-32C of FSInfo, its backup, all directories       |
 * |  0x010 |  492 | reserved | zero                                                 |
 * |  0x1fc |    4 | crc      | CRC-32C of bytes 0x000 to 0x1fb                      |
 *
 * FAT_STAT, what the host learns of an entry; the name follows, UTF-8
 *
 * | offset | size | field        | meaning                                          |
 * | -----: | ---: | ------------ | ------------------------------------------------ |
 * |  0x000 |    4 | bytes        | size of the file                                 |
 * |  0x004 |    4 | attributes   | ATTRIBUTE_*                                      |
 * |  0x008 |    4 | cluster      | first cluster                                    |
 * |  0x00c |    4 | next         | list: where to go on                             |
 * |  0x010 |    8 | modified     | f64, ms since 1970 UTC                           |
 * |  0x018 |    8 | created      | f64, ms since 1970 UTC                           |
 * |  0x020 |   40 | short_name   | "NAME.EXT", UTF-8                                |
 * |  0x048 |    4 | short_length | bytes of it                                      |
 * |  0x04c |    4 | name_length  | bytes of the name after this                     |
 *
 * FAT_SPACE, what the host learns of the volume
 *
 * | offset | size | field        | meaning                                          |
 * | -----: | ---: | ------------ | ------------------------------------------------ |
 * |  0x000 |    4 | cluster_size | bytes                                            |
 * |  0x004 |    4 | clusters     |                                                  |
 * |  0x008 |    4 | free         | clusters                                         |
 * |  0x00c |    4 | serial       |                                                  |
 * |  0x010 |   11 | label        | padded with spaces                               |
 * |  0x01b |    1 | read_only    | 1 if nothing can be written                      |
 *
 * FAT_FINDING, one thing wrong
 *
 * | offset | size | field       | meaning                                           |
 * | -----: | ---: | ----------- | ------------------------------------------------- |
 * |  0x000 |    4 | problem     | FatProblem                                        |
 * |  0x004 |    4 | detail      | a number that the problem explains                |
 * |  0x008 |    8 | lba         | sector of the device                              |
 * |  0x010 |    4 | other       | a second number                                   |
 * |  0x014 |    4 | path_length | bytes of the path, 0 if there is none             |
 * |  0x018 |  512 | path        | UTF-8, cut at the front if it is longer           |
 */
export const BOOT_JUMP: u32 = 0x000;
export const BOOT_OEM_NAME: u32 = 0x003;
export const BOOT_BYTES_PER_SECTOR: u32 = 0x00b;
export const BOOT_SECTORS_PER_CLUSTER: u32 = 0x00d;
export const BOOT_RESERVED_SECTORS: u32 = 0x00e;
export const BOOT_FATS: u32 = 0x010;
export const BOOT_ROOT_ENTRIES: u32 = 0x011;
export const BOOT_TOTAL_SECTORS_16: u32 = 0x013;
export const BOOT_MEDIA: u32 = 0x015;
export const BOOT_FAT_SIZE_16: u32 = 0x016;
export const BOOT_SECTORS_PER_TRACK: u32 = 0x018;
export const BOOT_HEADS: u32 = 0x01a;
export const BOOT_HIDDEN_SECTORS: u32 = 0x01c;
export const BOOT_TOTAL_SECTORS: u32 = 0x020;
export const BOOT_FAT_SIZE: u32 = 0x024;
export const BOOT_FLAGS: u32 = 0x028;
export const BOOT_VERSION: u32 = 0x02a;
export const BOOT_ROOT_CLUSTER: u32 = 0x02c;
export const BOOT_FSINFO_SECTOR: u32 = 0x030;
export const BOOT_BACKUP_SECTOR: u32 = 0x032;
export const BOOT_DRIVE: u32 = 0x040;
export const BOOT_STATE: u32 = 0x041;
export const BOOT_EXTENDED_SIGNATURE: u32 = 0x042;
export const BOOT_SERIAL: u32 = 0x043;
export const BOOT_LABEL: u32 = 0x047;
export const BOOT_TYPE_NAME: u32 = 0x052;
export const BOOT_CODE: u32 = 0x05a;
export const BOOT_SIGNATURE: u32 = 0x1fe;
export const BOOT_SIZE: u32 = 0x200;

export const SIGNATURE: u32 = 0xaa55;
export const EXTENDED_SIGNATURE: u32 = 0x29;
export const MEDIA_FIXED: u32 = 0xf8;
export const STATE_DIRTY: u32 = 0x01;
export const STATE_ERRORS: u32 = 0x02;
export const FLAG_SINGLE_FAT: u32 = 0x80;
export const LABEL_SIZE: u32 = 11;

export const FSINFO_LEAD: u32 = 0x000;
export const FSINFO_MIDDLE: u32 = 0x1e4;
export const FSINFO_FREE_COUNT: u32 = 0x1e8;
export const FSINFO_NEXT_FREE: u32 = 0x1ec;
export const FSINFO_TRAIL: u32 = 0x1fc;
export const FSINFO_SIZE: u32 = 0x200;
export const FSINFO_LEAD_VALUE: u32 = 0x41615252;
export const FSINFO_MIDDLE_VALUE: u32 = 0x61417272;
export const FSINFO_TRAIL_VALUE: u32 = 0xaa550000;
export const FSINFO_UNKNOWN: u32 = 0xffffffff;

/** Entries of the FAT: 28 bits, the upper four are kept as they are. */
export const CLUSTER_MASK: u32 = 0x0fffffff;
export const CLUSTER_FREE: u32 = 0;
export const CLUSTER_BAD: u32 = 0x0ffffff7;
/** From here up an entry ends its chain. */
export const CLUSTER_END_MIN: u32 = 0x0ffffff8;
export const CLUSTER_END: u32 = 0x0fffffff;
/** Bits of FAT[1]: cleanly unmounted; no hard error met. */
export const TABLE_CLEAN: u32 = 0x08000000;
export const TABLE_NO_ERRORS: u32 = 0x04000000;
/** Fewer clusters are FAT16, more do not fit 28 bits. */
export const CLUSTERS_MIN: u32 = 65525;
export const CLUSTERS_MAX: u32 = 0x0ffffff5;

export const ENTRY_NAME: u32 = 0x000;
export const ENTRY_ATTRIBUTES: u32 = 0x00b;
export const ENTRY_CASE_FLAGS: u32 = 0x00c;
export const ENTRY_CREATED_TENTHS: u32 = 0x00d;
export const ENTRY_CREATED_TIME: u32 = 0x00e;
export const ENTRY_CREATED_DATE: u32 = 0x010;
export const ENTRY_ACCESSED_DATE: u32 = 0x012;
export const ENTRY_CLUSTER_HIGH: u32 = 0x014;
export const ENTRY_WRITTEN_TIME: u32 = 0x016;
export const ENTRY_WRITTEN_DATE: u32 = 0x018;
export const ENTRY_CLUSTER_LOW: u32 = 0x01a;
export const ENTRY_FILE_SIZE: u32 = 0x01c;
export const ENTRY_SIZE: u32 = 0x020;

export const ENTRY_DELETED: u32 = 0xe5;
export const ENTRY_END: u32 = 0x00;
/** Stands for a real first byte E5. */
export const ENTRY_KANJI: u32 = 0x05;
export const NAME_SIZE: u32 = 11;
export const CASE_BASE: u32 = 0x08;
export const CASE_EXTENSION: u32 = 0x10;
export const ATTRIBUTE_READ_ONLY: u32 = 0x01;
export const ATTRIBUTE_HIDDEN: u32 = 0x02;
export const ATTRIBUTE_SYSTEM: u32 = 0x04;
export const ATTRIBUTE_LABEL: u32 = 0x08;
export const ATTRIBUTE_DIRECTORY: u32 = 0x10;
export const ATTRIBUTE_ARCHIVE: u32 = 0x20;
export const ATTRIBUTE_LONG: u32 = 0x0f;
export const ATTRIBUTE_MASK: u32 = 0x3f;

export const LONG_ORDER: u32 = 0x000;
export const LONG_FIRST: u32 = 0x001;
export const LONG_ATTRIBUTES: u32 = 0x00b;
export const LONG_KIND: u32 = 0x00c;
export const LONG_CHECKSUM: u32 = 0x00d;
export const LONG_SECOND: u32 = 0x00e;
export const LONG_CLUSTER: u32 = 0x01a;
export const LONG_THIRD: u32 = 0x01c;
export const LONG_SIZE: u32 = 0x020;
export const LONG_LAST: u32 = 0x40;
export const LONG_UNITS: u32 = 13;
/** Longest name, UTF-16 units. */
export const NAME_UNITS_MAX: u32 = 255;
/** A directory takes at most 65,536 entries. */
export const DIRECTORY_SIZE_MAX: u32 = 0x200000;

export const SEAL_MAGIC: u32 = 0x000;
export const SEAL_LENGTH: u32 = 0x008;
export const SEAL_SUM: u32 = 0x00c;
export const SEAL_CRC: u32 = 0x1fc;
export const SEAL_SIZE: u32 = 0x200;
export const SEAL_SECTOR: u32 = 9;
export const SEAL_MAGIC_LOW: u32 = 0x41465744;
export const SEAL_MAGIC_HIGH: u32 = 0x314c5354;

export const FAT_STAT_BYTES: u32 = 0x000;
export const FAT_STAT_ATTRIBUTES: u32 = 0x004;
export const FAT_STAT_CLUSTER: u32 = 0x008;
export const FAT_STAT_NEXT: u32 = 0x00c;
export const FAT_STAT_MODIFIED: u32 = 0x010;
export const FAT_STAT_CREATED: u32 = 0x018;
export const FAT_STAT_SHORT_NAME: u32 = 0x020;
export const FAT_STAT_SHORT_LENGTH: u32 = 0x048;
export const FAT_STAT_NAME_LENGTH: u32 = 0x04c;
export const FAT_STAT_SIZE: u32 = 0x050;
/** FAT_STAT with the longest name that 20 pieces can hold, 260 units of 3 bytes. */
export const FAT_STAT_ROOM: u32 = 0x360;

export const FAT_SPACE_CLUSTER_SIZE: u32 = 0x000;
export const FAT_SPACE_CLUSTERS: u32 = 0x004;
export const FAT_SPACE_FREE: u32 = 0x008;
export const FAT_SPACE_SERIAL: u32 = 0x00c;
export const FAT_SPACE_LABEL: u32 = 0x010;
export const FAT_SPACE_READ_ONLY: u32 = 0x01b;
export const FAT_SPACE_SIZE: u32 = 0x01c;

export const FAT_FINDING_PROBLEM: u32 = 0x000;
export const FAT_FINDING_DETAIL: u32 = 0x004;
export const FAT_FINDING_LBA: u32 = 0x008;
export const FAT_FINDING_OTHER: u32 = 0x010;
export const FAT_FINDING_PATH_LENGTH: u32 = 0x014;
export const FAT_FINDING_PATH: u32 = 0x018;
export const FAT_FINDING_SIZE: u32 = 0x218;

/** What check finds. Append only. */
export enum FatProblem {
  NONE = 0,
  /** `detail` is the first differing offset. */
  BACKUP_BOOT = 1,
  /** The volume was not closed. */
  DIRTY = 2,
  /** The state byte or FAT[1] says that errors were met. */
  ERRORS_MET = 3,
  /** Reserved bytes of the boot sector; `detail` is the offset. */
  BOOT_FIELD = 4,
  /** `detail` is the offset of the field. */
  FSINFO = 5,
  /** `detail` is what FSInfo says, `other` what is so. */
  FREE_COUNT = 6,
  /** `detail` is the sector of the FAT that differs in copy `other`. */
  TABLES_DIFFER = 7,
  /** FAT[0] or FAT[1]; `detail` is the index, `other` the value. */
  TABLE_HEAD = 8,
  /** A chain leaves the volume or meets a free or bad cluster; `detail` is the cluster. */
  CHAIN_BROKEN = 9,
  /** A chain meets a cluster that is in use already; `detail` is the cluster. */
  CROSS_LINK = 10,
  /** `detail` clusters are in no file; `other` is the first. */
  LOST = 11,
  /** `detail` is the size, `other` the clusters of the chain. */
  SIZE = 12,
  /** "." or ".." is missing, misplaced or leads elsewhere. */
  DOTS = 13,
  /** The name stands twice. */
  DUPLICATE = 14,
  /** A long name does not belong to its entry. */
  LONG_NAME = 15,
  /** Characters that a name cannot have. */
  BAD_NAME = 16,
  /** `detail` is the offset of the field in the entry. */
  ENTRY_FIELD = 17,
  /** The label's entry and the boot sector disagree, or there are two. */
  LABEL = 18,
  /** A directory is larger than any can be. */
  DIRECTORY_SIZE = 19,
  /** One bit differs from when the volume was closed; `detail` is the byte, `other` the bit. */
  BIT_FLIPPED = 20,
  /** The seal's own checksum does not hold. */
  SEAL = 21,
  /** The device could not be read there. */
  UNREADABLE = 22,
  /** There are more findings than fit. */
  MORE = 23,
  /** Nothing can be opened here; `detail` is the offset of the field that says so. */
  NOT_FAT32 = 24,
}
