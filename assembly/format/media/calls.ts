/**
 * How the media module and its host speak of ISO 9660: nothing of this is on a medium.
 * Little-endian; sectors have 512 bytes and count from the start of the volume's window.
 * Read by asc and by tsc, so it imports nothing.
 *
 * ISO_INFO, what isoInfo writes
 *
 * | offset | size | field        | meaning                                             |
 * | -----: | ---: | ------------ | --------------------------------------------------- |
 * |  0x000 |    8 | sectors      | f64: of the volume                                  |
 * |  0x008 |    8 | boot_sector  | f64: where the EFI boot image begins; 0: there is none |
 * |  0x010 |    8 | boot_sectors | f64: of it; the entry's number, or up to the end    |
 * |  0x018 |    4 | names        | IsoNames: which names are in use                    |
 * |  0x01c |    4 | label_length | bytes                                               |
 * |  0x020 |   96 | label        | UTF-8                                               |
 *
 * ISO_STAT, one entry; its name follows, then the target of a link, padded to 8 bytes
 *
 * | offset | size | field         | meaning                                       |
 * | -----: | ---: | ------------- | --------------------------------------------- |
 * |  0x000 |    8 | bytes         | f64                                           |
 * |  0x008 |    8 | modified      | f64: ms since 1970 UTC                        |
 * |  0x010 |    8 | sector        | f64: where its first extent begins            |
 * |  0x018 |    4 | type          | 1 file, 2 directory, 3 symbolic link          |
 * |  0x01c |    4 | mode          | permissions                                   |
 * |  0x020 |    4 | next          | isoList: where to go on behind this entry     |
 * |  0x024 |    4 | extents       | of the content                                |
 * |  0x028 |    4 | name_length   | bytes                                         |
 * |  0x02c |    4 | target_length | bytes                                         |
 *
 * ISO_PLACES, what isoPlaces writes
 *
 * | offset | size | field        | meaning                              |
 * | -----: | ---: | ------------ | ------------------------------------ |
 * |  0x000 |    8 | sectors      | f64: of the image                    |
 * |  0x008 |    8 | boot_sector  | f64: where the boot image belongs    |
 * |  0x010 |    8 | boot_sectors | f64: of it                           |
 */
export const ISO_INFO_SECTORS: u32 = 0x000;
export const ISO_INFO_BOOT_SECTOR: u32 = 0x008;
export const ISO_INFO_BOOT_SECTORS: u32 = 0x010;
export const ISO_INFO_NAMES: u32 = 0x018;
export const ISO_INFO_LABEL_LENGTH: u32 = 0x01c;
export const ISO_INFO_LABEL: u32 = 0x020;
export const ISO_INFO_SIZE: u32 = 0x080;

/** Which names a volume is read by. */
export enum IsoNames {
  PLAIN = 0,
  ROCK_RIDGE = 1,
  JOLIET = 2,
  /** For isoOpen: Rock Ridge, else Joliet, else plain. */
  BEST = 3,
}

export const ISO_STAT_BYTES: u32 = 0x000;
export const ISO_STAT_MODIFIED: u32 = 0x008;
export const ISO_STAT_SECTOR: u32 = 0x010;
export const ISO_STAT_TYPE: u32 = 0x018;
export const ISO_STAT_MODE: u32 = 0x01c;
export const ISO_STAT_NEXT: u32 = 0x020;
export const ISO_STAT_EXTENTS: u32 = 0x024;
export const ISO_STAT_NAME_LENGTH: u32 = 0x028;
export const ISO_STAT_TARGET_LENGTH: u32 = 0x02c;
export const ISO_STAT_SIZE: u32 = 0x030;
/** Longest name and longest target, bytes. */
export const ISO_NAME_MAX: u32 = 1024;
export const ISO_TARGET_MAX: u32 = 4096;
/** Room for any one entry. */
export const ISO_STAT_ROOM: u32 = 0x1430;

export const ISO_PLACES_SECTORS: u32 = 0x000;
export const ISO_PLACES_BOOT_SECTOR: u32 = 0x008;
export const ISO_PLACES_BOOT_SECTORS: u32 = 0x010;
export const ISO_PLACES_SIZE: u32 = 0x018;

export enum IsoType {
  FILE = 1,
  DIRECTORY = 2,
  SYMLINK = 3,
}
