/**
 * Bytes of virtio 1.2 that a driver and a device share in guest memory. Little-endian.
 *
 * DESCRIPTOR, section 2.7.5
 *
 * | offset | size | field   | meaning                                             |
 * | -----: | ---: | ------- | --------------------------------------------------- |
 * |  0x000 |    8 | address | guest-physical                                      |
 * |  0x008 |    4 | length  | bytes                                               |
 * |  0x00c |    2 | flags   | NEXT, WRITE, INDIRECT                               |
 * |  0x00e |    2 | next    | index of the next one, if NEXT                      |
 *
 * AVAILABLE ring, section 2.7.6: flags u16, index u16, ring u16[size], used_event u16.
 * USED ring, section 2.7.8: flags u16, index u16, ring (id u32, length u32)[size], avail_event u16.
 *
 * HEADER, section 5.2.6: what a block request begins with
 *
 * | offset | size | field    | meaning                                            |
 * | -----: | ---: | -------- | -------------------------------------------------- |
 * |  0x000 |    4 | type     | RequestType                                        |
 * |  0x004 |    4 | reserved | ignored                                            |
 * |  0x008 |    8 | sector   | units of 512 bytes                                 |
 *
 * SEGMENT, section 5.2.6: the data of DISCARD and WRITE_ZEROES is an array of these
 *
 * | offset | size | field   | meaning                                             |
 * | -----: | ---: | ------- | --------------------------------------------------- |
 * |  0x000 |    8 | sector  | units of 512 bytes                                  |
 * |  0x008 |    4 | sectors | how many                                            |
 * |  0x00c |    4 | flags   | bit 0: unmap                                        |
 *
 * CONFIG, section 5.2.4: struct virtio_blk_config
 *
 * | offset | size | field              | meaning                                  |
 * | -----: | ---: | ------------------ | ---------------------------------------- |
 * |  0x000 |    8 | capacity           | sectors of 512 bytes                     |
 * |  0x008 |    4 | size_max           | largest segment in bytes                 |
 * |  0x00c |    4 | seg_max            | data segments in one request             |
 * |  0x010 |    4 | geometry           | not offered, zero                        |
 * |  0x014 |    4 | blk_size           | logical block in bytes                   |
 * |  0x018 |    1 | physical_exponent  | physical block = blk_size << exponent    |
 * |  0x019 |    1 | alignment_offset   | zero                                     |
 * |  0x01a |    2 | min_io_size        | logical blocks                           |
 * |  0x01c |    4 | opt_io_size        | logical blocks                           |
 * |  0x020 |    1 | writeback          | 1: volatile until FLUSH; driver may set  |
 * |  0x021 |    1 | unused             | zero                                     |
 * |  0x022 |    2 | num_queues         | 1                                        |
 * |  0x024 |    4 | max_discard        | sectors in one segment                   |
 * |  0x028 |    4 | max_discard_seg    | segments in one request                  |
 * |  0x02c |    4 | discard_align      | sectors                                  |
 * |  0x030 |    4 | max_zeroes         | sectors in one segment                   |
 * |  0x034 |    4 | max_zeroes_seg     | segments in one request                  |
 * |  0x038 |    1 | zeroes_may_unmap   | 1 if unmap may deallocate                |
 * |  0x039 |    3 | unused_end         | zero                                     |
 */
export const DESCRIPTOR_ADDRESS = 0x000;
export const DESCRIPTOR_LENGTH = 0x008;
export const DESCRIPTOR_FLAGS = 0x00c;
export const DESCRIPTOR_NEXT = 0x00e;
export const DESCRIPTOR_SIZE = 0x010;

export const DESCRIPTOR_F_NEXT = 1;
export const DESCRIPTOR_F_WRITE = 2;
export const DESCRIPTOR_F_INDIRECT = 4;

export const RING_FLAGS = 0;
export const RING_INDEX = 2;
export const RING_ENTRIES = 4;
export const AVAILABLE_ENTRY_SIZE = 2;
export const USED_ENTRY_SIZE = 8;
/** Flag of the available ring: the driver wants no interrupt. */
export const AVAILABLE_F_NO_INTERRUPT = 1;

export const HEADER_TYPE = 0x000;
export const HEADER_SECTOR = 0x008;
export const HEADER_SIZE = 0x010;

export const SEGMENT_SECTOR = 0x000;
export const SEGMENT_SECTORS = 0x008;
export const SEGMENT_FLAGS = 0x00c;
export const SEGMENT_SIZE = 0x010;

export const CONFIG_CAPACITY = 0x000;
export const CONFIG_SIZE_MAX = 0x008;
export const CONFIG_SEG_MAX = 0x00c;
export const CONFIG_BLK_SIZE = 0x014;
export const CONFIG_PHYSICAL_EXPONENT = 0x018;
export const CONFIG_OPT_IO_SIZE = 0x01c;
export const CONFIG_WRITEBACK = 0x020;
export const CONFIG_NUM_QUEUES = 0x022;
export const CONFIG_MAX_DISCARD = 0x024;
export const CONFIG_MAX_DISCARD_SEG = 0x028;
export const CONFIG_DISCARD_ALIGN = 0x02c;
export const CONFIG_MAX_ZEROES = 0x030;
export const CONFIG_MAX_ZEROES_SEG = 0x034;
export const CONFIG_ZEROES_MAY_UNMAP = 0x038;
export const CONFIG_SIZE = 0x03c;

/** Device status bits, section 2.1. */
export const Status = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** Feature bits of the transport, section 6. */
export const FEATURE_INDIRECT = 1n << 28n;
export const FEATURE_EVENT_INDEX = 1n << 29n;
export const FEATURE_VERSION_1 = 1n << 32n;
