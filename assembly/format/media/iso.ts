/**
 * ISO 9660 (ECMA-119), Joliet and El Torito: bytes on the medium. Blocks have 2048 bytes, and an
 * LBA here counts them. Numbers named "both" stand twice, little-endian and then big-endian.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/iso.md.
 *
 * DESCRIPTOR, primary (type 1) and supplementary (type 2) volume descriptor, one block
 *
 * | offset | size | field         | meaning                                        |
 * | -----: | ---: | ------------- | ---------------------------------------------- |
 * |  0x000 |    1 | type          | 0 boot, 1 primary, 2 supplementary, 255 end    |
 * |  0x001 |    5 | magic         | "CD001"                                        |
 * |  0x006 |    1 | version       | 1                                              |
 * |  0x007 |    1 | flags         | supplementary: zero                            |
 * |  0x008 |   32 | system_id     |                                                |
 * |  0x028 |   32 | volume_id     | the label                                      |
 * |  0x048 |    8 | reserved      | zero                                           |
 * |  0x050 |    8 | space         | both: blocks of the volume                     |
 * |  0x058 |   32 | escapes       | Joliet: "%/@", "%/C" or "%/E"                  |
 * |  0x078 |    4 | set_size      | both: 1                                        |
 * |  0x07c |    4 | sequence      | both: 1                                        |
 * |  0x080 |    4 | block_size    | both: 2048                                     |
 * |  0x084 |    8 | path_size     | both: bytes of a path table                    |
 * |  0x08c |    4 | path_little   | LBA of the little-endian path table            |
 * |  0x090 |    4 | path_little_2 | of another copy, zero                          |
 * |  0x094 |    4 | path_big      | big-endian LBA of the big-endian path table    |
 * |  0x098 |    4 | path_big_2    | of another copy, zero                          |
 * |  0x09c |   34 | root          | RECORD of the root directory                   |
 * |  0x0be |  128 | set_id        |                                                |
 * |  0x13e |  128 | publisher     |                                                |
 * |  0x1be |  128 | preparer      |                                                |
 * |  0x23e |  128 | application   |                                                |
 * |  0x2be |  111 | files         | copyright, abstract, bibliography: none        |
 * |  0x32d |   17 | created       | digits, then the time zone                     |
 * |  0x33e |   17 | modified      |                                                |
 * |  0x34f |   17 | expires       | never: "0" digits                              |
 * |  0x360 |   17 | effective     |                                                |
 * |  0x371 |    1 | structure     | 1                                              |
 * |  0x372 | 1166 | reserved_2    | zero                                           |
 *
 * RECORD, of a directory; its name follows, a zero if that makes it even, and the system use area
 *
 * | offset | size | field       | meaning                                       |
 * | -----: | ---: | ----------- | --------------------------------------------- |
 * |  0x000 |    1 | length      | of the record, 0: the rest of the block is empty |
 * |  0x001 |    1 | attributes  | blocks of an extended attribute record        |
 * |  0x002 |    8 | lba         | both                                          |
 * |  0x00a |    8 | bytes       | both                                          |
 * |  0x012 |    7 | time        | year - 1900, month, day, hour, minute, second, zone |
 * |  0x019 |    1 | flags       | RECORD_IS_*                                   |
 * |  0x01a |    1 | unit        | of an interleaved file, else zero             |
 * |  0x01b |    1 | gap         | of an interleaved file, else zero             |
 * |  0x01c |    4 | sequence    | both: 1                                       |
 * |  0x020 |    1 | name_length |                                               |
 *
 * PATH, one directory of a path table; its name follows, a zero if that makes it even
 *
 * | offset | size | field       | meaning             |
 * | -----: | ---: | ----------- | ------------------- |
 * |  0x000 |    1 | name_length |                     |
 * |  0x001 |    1 | attributes  | zero                |
 * |  0x002 |    4 | lba         |                     |
 * |  0x006 |    2 | parent      | its number, from 1  |
 *
 * BOOT_DESCRIPTOR, at block 17 (El Torito)
 *
 * | offset | size | field      | meaning                     |
 * | -----: | ---: | ---------- | --------------------------- |
 * |  0x000 |    1 | type       | 0                           |
 * |  0x001 |    5 | magic      | "CD001"                     |
 * |  0x006 |    1 | version    | 1                           |
 * |  0x007 |   32 | system     | "EL TORITO SPECIFICATION"   |
 * |  0x027 |   32 | reserved   | zero                        |
 * |  0x047 |    4 | catalog    | LBA of the boot catalog     |
 * |  0x04b | 1973 | reserved_2 | zero                        |
 *
 * VALIDATION, first entry of the boot catalog
 *
 * | offset | size | field    | meaning                             |
 * | -----: | ---: | -------- | ----------------------------------- |
 * |  0x000 |    1 | header   | 1                                   |
 * |  0x001 |    1 | platform | 0 BIOS, 0xef EFI                    |
 * |  0x002 |    2 | reserved | zero                                |
 * |  0x004 |   24 | maker    | zero                                |
 * |  0x01c |    2 | checksum | makes all words of the entry sum to 0 |
 * |  0x01e |    2 | mark     | 0xaa55                              |
 *
 * SECTION, header of further entries of one platform
 *
 * | offset | size | field    | meaning                  |
 * | -----: | ---: | -------- | ------------------------ |
 * |  0x000 |    1 | header   | 0x90, the last one 0x91  |
 * |  0x001 |    1 | platform |                          |
 * |  0x002 |    2 | entries  | that follow              |
 * |  0x004 |   28 | maker    |                          |
 *
 * BOOT_ENTRY, one image of the boot catalog
 *
 * | offset | size | field    | meaning                                              |
 * | -----: | ---: | -------- | ---------------------------------------------------- |
 * |  0x000 |    1 | bootable | 0x88                                                 |
 * |  0x001 |    1 | media    | 0: no emulation                                      |
 * |  0x002 |    2 | segment  | zero                                                 |
 * |  0x004 |    1 | system   | zero                                                 |
 * |  0x005 |    1 | reserved | zero                                                 |
 * |  0x006 |    2 | sectors  | of 512 bytes; EFI: 0 and 1 are "to the end"          |
 * |  0x008 |    4 | lba      | where the image begins                               |
 * |  0x00c |   20 | criteria | zero                                                 |
 */
export const BLOCK_SHIFT: u32 = 11;
export const BLOCK_SIZE: u32 = 0x800;
/** Sectors of 512 bytes in a block. */
export const BLOCK_SECTORS: u32 = 4;
/** The first descriptor; what stands before it is the system area. */
export const DESCRIPTORS_LBA: u32 = 16;
export const BOOT_DESCRIPTOR_LBA: u32 = 17;
/** "CD001" as a little-endian number of 5 bytes. */
export const MAGIC_LOW: u32 = 0x30304443;
export const MAGIC_HIGH: u32 = 0x31;

export const DESCRIPTOR_TYPE: u32 = 0x000;
export const DESCRIPTOR_MAGIC: u32 = 0x001;
export const DESCRIPTOR_VERSION: u32 = 0x006;
export const DESCRIPTOR_FLAGS: u32 = 0x007;
export const DESCRIPTOR_SYSTEM_ID: u32 = 0x008;
export const DESCRIPTOR_VOLUME_ID: u32 = 0x028;
export const DESCRIPTOR_SPACE: u32 = 0x050;
export const DESCRIPTOR_ESCAPES: u32 = 0x058;
export const DESCRIPTOR_SET_SIZE: u32 = 0x078;
export const DESCRIPTOR_SEQUENCE: u32 = 0x07c;
export const DESCRIPTOR_BLOCK_SIZE: u32 = 0x080;
export const DESCRIPTOR_PATH_SIZE: u32 = 0x084;
export const DESCRIPTOR_PATH_LITTLE: u32 = 0x08c;
export const DESCRIPTOR_PATH_LITTLE_2: u32 = 0x090;
export const DESCRIPTOR_PATH_BIG: u32 = 0x094;
export const DESCRIPTOR_PATH_BIG_2: u32 = 0x098;
export const DESCRIPTOR_ROOT: u32 = 0x09c;
export const DESCRIPTOR_SET_ID: u32 = 0x0be;
export const DESCRIPTOR_PUBLISHER: u32 = 0x13e;
export const DESCRIPTOR_PREPARER: u32 = 0x1be;
export const DESCRIPTOR_APPLICATION: u32 = 0x23e;
export const DESCRIPTOR_FILES: u32 = 0x2be;
export const DESCRIPTOR_CREATED: u32 = 0x32d;
export const DESCRIPTOR_MODIFIED: u32 = 0x33e;
export const DESCRIPTOR_EXPIRES: u32 = 0x34f;
export const DESCRIPTOR_EFFECTIVE: u32 = 0x360;
export const DESCRIPTOR_STRUCTURE: u32 = 0x371;
export const DESCRIPTOR_SIZE: u32 = 0x800;

export const VOLUME_ID_SIZE: u32 = 32;
export const DATE_SIZE: u32 = 17;

export enum DescriptorType {
  BOOT = 0,
  PRIMARY = 1,
  SUPPLEMENTARY = 2,
  END = 255,
}

export const RECORD_LENGTH: u32 = 0x000;
export const RECORD_ATTRIBUTES: u32 = 0x001;
export const RECORD_LBA: u32 = 0x002;
export const RECORD_BYTES: u32 = 0x00a;
export const RECORD_TIME: u32 = 0x012;
export const RECORD_FLAGS: u32 = 0x019;
export const RECORD_UNIT: u32 = 0x01a;
export const RECORD_GAP: u32 = 0x01b;
export const RECORD_SEQUENCE: u32 = 0x01c;
export const RECORD_NAME_LENGTH: u32 = 0x020;
export const RECORD_SIZE: u32 = 0x021;

export const RECORD_IS_DIRECTORY: u32 = 0x02;
/** A file beside a file (Macintosh): no file of its own. */
export const RECORD_IS_ASSOCIATED: u32 = 0x04;
/** The next record of the same name goes on with the content. */
export const RECORD_IS_CONTINUED: u32 = 0x80;
/** Bytes of an extent that is not the last one of its file. */
export const EXTENT_BYTES_MAX: u32 = 0xfffff800;

export const PATH_NAME_LENGTH: u32 = 0x000;
export const PATH_ATTRIBUTES: u32 = 0x001;
export const PATH_LBA: u32 = 0x002;
export const PATH_PARENT: u32 = 0x006;
export const PATH_SIZE: u32 = 0x008;
/** A path table names parents with 16 bits. */
export const DIRECTORIES_MAX: u32 = 0xffff;

export const BOOT_DESCRIPTOR_TYPE: u32 = 0x000;
export const BOOT_DESCRIPTOR_MAGIC: u32 = 0x001;
export const BOOT_DESCRIPTOR_VERSION: u32 = 0x006;
export const BOOT_DESCRIPTOR_SYSTEM: u32 = 0x007;
export const BOOT_DESCRIPTOR_CATALOG: u32 = 0x047;
export const BOOT_DESCRIPTOR_SIZE: u32 = 0x800;

export const VALIDATION_HEADER: u32 = 0x000;
export const VALIDATION_PLATFORM: u32 = 0x001;
export const VALIDATION_MAKER: u32 = 0x004;
export const VALIDATION_CHECKSUM: u32 = 0x01c;
export const VALIDATION_MARK: u32 = 0x01e;
export const VALIDATION_SIZE: u32 = 0x020;
export const VALIDATION_MARK_VALUE: u32 = 0xaa55;
export const PLATFORM_EFI: u32 = 0xef;

export const SECTION_HEADER: u32 = 0x000;
export const SECTION_PLATFORM: u32 = 0x001;
export const SECTION_ENTRIES: u32 = 0x002;
export const SECTION_MAKER: u32 = 0x004;
export const SECTION_SIZE: u32 = 0x020;
export const SECTION_MORE: u32 = 0x90;
export const SECTION_LAST: u32 = 0x91;
/** First byte of what only goes on with the entry before. */
export const SECTION_EXTENSION: u32 = 0x44;

export const BOOT_ENTRY_BOOTABLE: u32 = 0x000;
export const BOOT_ENTRY_MEDIA: u32 = 0x001;
export const BOOT_ENTRY_SEGMENT: u32 = 0x002;
export const BOOT_ENTRY_SYSTEM: u32 = 0x004;
export const BOOT_ENTRY_SECTORS: u32 = 0x006;
export const BOOT_ENTRY_LBA: u32 = 0x008;
export const BOOT_ENTRY_CRITERIA: u32 = 0x00c;
export const BOOT_ENTRY_SIZE: u32 = 0x020;
export const BOOTABLE: u32 = 0x88;
