/**
 * Pages, pointers and space of the copy-on-write engine, version 1. Little-endian; keys in trees
 * are
 * big-endian. Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/region.md.
 *
 * POINTER, a block pointer
 *
 * | offset | size | field    | meaning                                       |
 * | -----: | ---: | -------- | --------------------------------------------- |
 * |  0x000 |    6 | page     | page number (LBA / 8), 0 = null               |
 * |  0x006 |    1 | level    | of the target, 0 = leaf                       |
 * |  0x007 |    1 | flags    | bit 0: a second copy is present; others zero  |
 * |  0x008 |    6 | second   | page of the second copy, 0 = none             |
 * |  0x00e |    2 | reserved | zero                                          |
 * |  0x010 |    8 | birth    | epoch                                         |
 * |  0x018 |    8 | checksum | of the whole target page                      |
 *
 * HEADER, of every metadata page
 *
 * | offset | size | field       | meaning                                                   |
 * | -----: | ---: | ----------- | --------------------------------------------------------- |
 * |  0x000 |    4 | magic       | "CPG1"                                                    |
 * |  0x004 |    1 | kind        | PageKind                                                  |
 * |  0x005 |    1 | level       | 0 in kinds 3 to 6                                         |
 * |  0x006 |    2 | count       | >= 1 in kinds 1 and 2, 0 in kinds 3 and 4                 |
 * |  0x008 |    8 | self        | page number; a second copy stores its own                 |
 * |  0x010 |    8 | birth       | the pointer's                                             |
 * |  0x018 |    8 | tree        | TreeId; kinds 3 and 4: the format's space tree            |
 * |  0x020 |    8 | region_tag  | XXH64 of the uuid                                         |
 * |  0x028 |    2 | heap        | lowest used byte, 0 in kinds 3 and 4                      |
 * |  0x02a |    2 | dead        | dead bytes in the heap                                    |
 * |  0x02c |    2 | prefix      | length of the prefix all keys share                       |
 * |  0x02e |    2 | reserved    | zero                                                      |
 * |  0x030 |    8 | reserved2   | zero                                                      |
 * |  0x038 |    8 | checksum    | XXH64 of the page with `self` and `checksum` as zero,     |
 *                                    seed: region tag ^ kind
 *
 * LIMBO, a page of kind 4: pages freed by one epoch
 *
 * | offset | size | field     | meaning                                                    |
 * | -----: | ---: | --------- | ---------------------------------------------------------- |
 * |  0x000 |   64 | header    | HEADER                                                     |
 * |  0x040 |    6 | next      | next limbo page, 0 = last                                  |
 * |  0x046 |    2 | reserved  | zero                                                       |
 * |  0x048 |    4 | count     | extents                                                    |
 * |  0x04c |    4 | reserved2 | zero                                                       |
 * |  0x050 | 4016 | extents   | page u48, pages u16; sorted; at most LIMBO_EXTENTS_MAX     |
 *
 * CHUNK, the value of a chunk's entry in a space tree
 *
 * | offset | size | field         | meaning                                                     |
 * | -----: | ---: | ------------- | ----------------------------------------------------------- |
 * |  0x000 |    1 | owner         | ChunkOwner                                                  |
 * |  0x001 |    1 | home          | current bitmap home, 0 to 2                                 |
 * |  0x002 |    2 | flags         | zero                                                        |
 * |  0x004 |    4 | free_pages    | meta, data; else zero                                       |
 * |  0x008 |    4 | live_sectors  | packs                                                       |
 * |  0x00c |    4 | write_sector  | packs                                                       |
 * |  0x010 |    8 | checksum      | meta, data: of the bitmap page. Packs: the chunk generation |
 * |  0x018 |    8 | changed_epoch | of the last change                                          |
 */
export const POINTER_PAGE: u32 = 0x000;
export const POINTER_LEVEL: u32 = 0x006;
export const POINTER_FLAGS: u32 = 0x007;
export const POINTER_SECOND: u32 = 0x008;
export const POINTER_RESERVED: u32 = 0x00e;
export const POINTER_BIRTH: u32 = 0x010;
export const POINTER_CHECKSUM: u32 = 0x018;
export const POINTER_SIZE: u32 = 0x020;
export const POINTER_FLAG_SECOND: u32 = 1;

/** "CPG1" */
export const PAGE_MAGIC_WORD: u32 = 0x31475043;
export const HEADER_MAGIC: u32 = 0x000;
export const HEADER_KIND: u32 = 0x004;
export const HEADER_LEVEL: u32 = 0x005;
export const HEADER_COUNT: u32 = 0x006;
export const HEADER_SELF: u32 = 0x008;
export const HEADER_BIRTH: u32 = 0x010;
export const HEADER_TREE: u32 = 0x018;
export const HEADER_REGION_TAG: u32 = 0x020;
export const HEADER_HEAP: u32 = 0x028;
export const HEADER_DEAD: u32 = 0x02a;
export const HEADER_PREFIX: u32 = 0x02c;
export const HEADER_RESERVED: u32 = 0x02e;
export const HEADER_RESERVED2: u32 = 0x030;
export const HEADER_CHECKSUM: u32 = 0x038;
export const HEADER_SIZE: u32 = 0x040;

export enum PageKind {
  LEAF = 1,
  INTERNAL = 2,
  BITMAP = 3,
  LIMBO = 4,
  /** v1: not built. */
  DEADLIST = 5,
  /** v1: not built. */
  PACK_SUMMARY = 6,
}

export const LIMBO_HEADER: u32 = 0x000;
export const LIMBO_NEXT: u32 = 0x040;
export const LIMBO_RESERVED: u32 = 0x046;
export const LIMBO_COUNT: u32 = 0x048;
export const LIMBO_RESERVED2: u32 = 0x04c;
export const LIMBO_EXTENTS: u32 = 0x050;
export const LIMBO_SIZE: u32 = 0x1000;
export const LIMBO_EXTENTS_MAX: u32 = 502;

export const CHUNK_OWNER: u32 = 0x000;
export const CHUNK_HOME: u32 = 0x001;
export const CHUNK_FLAGS: u32 = 0x002;
export const CHUNK_FREE_PAGES: u32 = 0x004;
export const CHUNK_LIVE_SECTORS: u32 = 0x008;
export const CHUNK_WRITE_SECTOR: u32 = 0x00c;
export const CHUNK_CHECKSUM: u32 = 0x010;
export const CHUNK_CHANGED_EPOCH: u32 = 0x018;
export const CHUNK_SIZE: u32 = 0x020;

export enum ChunkOwner {
  FREE = 0,
  META = 1,
  PACK_OPEN = 2,
  PACK_SEALED = 3,
  GRANTED = 4,
  BAD = 5,
  EMPTY = 6,
  DATA = 7,
  DEAD = 8,
}

export enum TreeId {
  ST_INDEX = 1,
  ST_SPACE = 2,
  ST_REFS = 3,
  ST_COLLECTION = 4,
  WF_FILES = 17,
  WF_SPACE = 18,
  WF_SNAPSHOTS = 19,
  WF_RECLAIM = 20,
}

/** First byte of a space-tree key: chunk u32; grant_seq u64; return_seq u64, all big-endian. */
export const SPACE_KEY_CHUNK: u32 = 0x01;
export const SPACE_KEY_GRANT: u32 = 0x02;
export const SPACE_KEY_RETURN: u32 = 0x03;

/** Bitmap pages of a chunk; the chunk's first pages. Bits start at HEADER_SIZE. */
export const BITMAP_HOMES: u32 = 3;

/** Tree page grammar: slots grow up from the header, records down from the prefix. */
export const SLOT_SIZE: u32 = 2;
export const RECORD_HEADER: u32 = 4;
export const KEY_MAX: u32 = 512;
export const RECORD_MAX: u32 = 2012;
export const LEVEL_MAX: u32 = 12;
