/**
 * CAPOSST1, the content-addressed store: index values and pack records, version 1. Little-endian.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/store.md.
 *
 * INDEX, the value of an index record; its key is the SHA-256 of the object, or, for a further
 * segment k >= 1, the SHA-256 and k as a big-endian u32
 *
 * | offset | size | field   | meaning                                                   |
 * | -----: | ---: | ------- | --------------------------------------------------------- |
 * |  0x000 |    4 | chunk   |                                                           |
 * |  0x004 |    4 | sector  | of the record in the chunk                                |
 * |  0x008 |    6 | length  | entry 0: of the whole object; entry k: of this segment    |
 * |  0x00e |    2 | flags   | INDEX_FLAG_*                                              |
 * |  0x010 |    4 | sectors | that the record takes                                     |
 * |  0x014 |    4 | pins    | pinned while greater than 0                               |
 *
 * PACK, the header of a pack record, 512-byte aligned; then the payload, then zeros to the
 * sector's end
 *
 * | offset | size | field         | meaning                                                     |
 * | -----: | ---: | ------------- | ----------------------------------------------------------- |
 * |  0x000 |    4 | magic         | "OBJ1"                                                      |
 * |  0x004 |    2 | header_length | 128                                                         |
 * |  0x006 |    2 | flags         | PACK_FLAG_*                                                 |
 * |  0x008 |    8 | length        | payload bytes of this record                                |
 * |  0x010 |    8 | self_lba      | LBA in the region                                           |
 * |  0x018 |    8 | epoch         | that commits it                                             |
 * |  0x020 |   32 | hash          | SHA-256 of the whole object                                 |
 * |  0x040 |    4 | segment       | index                                                       |
 * |  0x044 |    4 | segments      | 1 = whole                                                   |
 * |  0x048 |    8 | tag           | XXH64(uuid, chunk u32, chunk generation u64), seed 0        |
 * |  0x050 |    8 | checksum      | XXH64 of this payload, seed 0, if PACK_FLAG_SEGMENT; else 0 |
 * |  0x058 |    4 | tail_seq      | tail records only, else 0                                   |
 * |  0x05c |    4 | tail_flushed  | tail records only, else 0                                   |
 * |  0x060 |    8 | session       | of the writer                                               |
 * |  0x068 |   16 | reserved      | zero                                                        |
 * |  0x078 |    8 | header_check  | XXH64 of bytes 0x000 to 0x077, seed 0                       |
 */
export const INDEX_CHUNK: u32 = 0x000;
export const INDEX_SECTOR: u32 = 0x004;
export const INDEX_LENGTH: u32 = 0x008;
export const INDEX_FLAGS: u32 = 0x00e;
export const INDEX_SECTORS: u32 = 0x010;
export const INDEX_PINS: u32 = 0x014;
export const INDEX_SIZE: u32 = 0x018;
export const INDEX_FLAG_INLINE: u32 = 1;
export const INDEX_FLAG_SEGMENTED: u32 = 2;

/** "OBJ1" */
export const PACK_MAGIC_WORD: u32 = 0x314a424f;
export const PACK_MAGIC: u32 = 0x000;
export const PACK_HEADER_LENGTH: u32 = 0x004;
export const PACK_FLAGS: u32 = 0x006;
export const PACK_LENGTH: u32 = 0x008;
export const PACK_SELF_LBA: u32 = 0x010;
export const PACK_EPOCH: u32 = 0x018;
export const PACK_HASH: u32 = 0x020;
export const PACK_SEGMENT: u32 = 0x040;
export const PACK_SEGMENTS: u32 = 0x044;
export const PACK_TAG: u32 = 0x048;
export const PACK_CHECKSUM: u32 = 0x050;
export const PACK_TAIL_SEQ: u32 = 0x058;
export const PACK_TAIL_FLUSHED: u32 = 0x05c;
export const PACK_SESSION: u32 = 0x060;
export const PACK_RESERVED: u32 = 0x068;
export const PACK_HEADER_CHECK: u32 = 0x078;
export const PACK_SIZE: u32 = 0x080;
export const PACK_FLAG_TAIL: u32 = 1;
export const PACK_FLAG_SEGMENT: u32 = 2;

export const HASH_SIZE: u32 = 32;
/** Largest object: 2^OBJECT_BITS_MAX bytes; most segments of one object. */
export const OBJECT_BITS_MAX: u32 = 40;
export const SEGMENTS_MAX: u32 = 262144;
/** A stream of unknown hash keeps the first page of each segment in memory: this many at most. */
export const STREAM_SEGMENTS_MAX: u32 = 1024;
