/**
 * Rock Ridge (RRIP 1.09 over SUSP 1.12): POSIX names and attributes in the system use area of a
 * record. An area is a row of entries; each begins with SUSP. Numbers named "both" as in iso.ts.
 * Read by asc and by tsc, so it imports nothing. Why it is so: docs/format/iso.md.
 *
 * SUSP, head of every entry
 *
 * | offset | size | field     | meaning                |
 * | -----: | ---: | --------- | ---------------------- |
 * |  0x000 |    2 | signature | two letters            |
 * |  0x002 |    1 | length    | of the entry, head too |
 * |  0x003 |    1 | version   | 1                      |
 *
 * SP, first entry of the root's "." record: the system use areas follow SUSP
 *
 * | offset | size | field | meaning                                       |
 * | -----: | ---: | ----- | --------------------------------------------- |
 * |  0x000 |    4 | head  |                                               |
 * |  0x004 |    2 | check | 0xef 0xbe... as a number, SP_CHECK_VALUE      |
 * |  0x006 |    1 | skip  | bytes before the entries of all other records |
 *
 * CE, where the area goes on
 *
 * | offset | size | field  | meaning                   |
 * | -----: | ---: | ------ | ------------------------- |
 * |  0x000 |    4 | head   |                           |
 * |  0x004 |    8 | lba    | both                      |
 * |  0x00c |    8 | offset | both: bytes in that block |
 * |  0x014 |    8 | bytes  | both                      |
 *
 * ER, in the root's "." record: which extension the entries follow; its name follows
 *
 * | offset | size | field       | meaning |
 * | -----: | ---: | ----------- | ------- |
 * |  0x000 |    4 | head        |         |
 * |  0x004 |    1 | id_length   | 10      |
 * |  0x005 |    1 | text_length | 0       |
 * |  0x006 |    1 | source_length | 0     |
 * |  0x007 |    1 | extension   | 1       |
 *
 * PX, POSIX attributes
 *
 * | offset | size | field | meaning                  |
 * | -----: | ---: | ----- | ------------------------ |
 * |  0x000 |    4 | head  |                          |
 * |  0x004 |    8 | mode  | both: type and permissions |
 * |  0x00c |    8 | links | both                     |
 * |  0x014 |    8 | uid   | both                     |
 * |  0x01c |    8 | gid   | both                     |
 *
 * TF, times; those that the flags name follow
 *
 * | offset | size | field | meaning                                   |
 * | -----: | ---: | ----- | ----------------------------------------- |
 * |  0x000 |    4 | head  |                                           |
 * |  0x004 |    1 | flags | TF_HAS_*; TF_LONG: 17 bytes each, else 7  |
 *
 * NM, the name or a part of it; its bytes follow
 *
 * | offset | size | field | meaning                    |
 * | -----: | ---: | ----- | -------------------------- |
 * |  0x000 |    4 | head  |                            |
 * |  0x004 |    1 | flags | NM_CONTINUES: more follows |
 *
 * SL, the target of a symbolic link or a part of it; SL_PARTs follow
 *
 * | offset | size | field | meaning                    |
 * | -----: | ---: | ----- | -------------------------- |
 * |  0x000 |    4 | head  |                            |
 * |  0x004 |    1 | flags | SL_CONTINUES: more follows |
 *
 * SL_PART, a component of the target; its bytes follow
 *
 * | offset | size | field  | meaning   |
 * | -----: | ---: | ------ | --------- |
 * |  0x000 |    1 | flags  | SL_PART_* |
 * |  0x001 |    1 | length |           |
 *
 * CL, in place of a directory that was moved up: where it is; PL, in its ".." record: where from
 *
 * | offset | size | field | meaning |
 * | -----: | ---: | ----- | ------- |
 * |  0x000 |    4 | head  |         |
 * |  0x004 |    8 | lba   | both    |
 */
export const SUSP_SIGNATURE: u32 = 0x000;
export const SUSP_LENGTH: u32 = 0x002;
export const SUSP_VERSION: u32 = 0x003;
export const SUSP_SIZE: u32 = 0x004;

/** Signatures as little-endian numbers. */
export const SUSP_SP: u32 = 0x5053;
export const SUSP_CE: u32 = 0x4543;
export const SUSP_ER: u32 = 0x5245;
export const SUSP_ST: u32 = 0x5453;
export const SUSP_PX: u32 = 0x5850;
export const SUSP_TF: u32 = 0x4654;
export const SUSP_NM: u32 = 0x4d4e;
export const SUSP_SL: u32 = 0x4c53;
export const SUSP_CL: u32 = 0x4c43;
export const SUSP_PL: u32 = 0x4c50;
/** The directory stands here only because it was moved up; CL says where it belongs. */
export const SUSP_RE: u32 = 0x4552;

export const SP_HEAD: u32 = 0x000;
export const SP_CHECK: u32 = 0x004;
export const SP_SKIP: u32 = 0x006;
export const SP_SIZE: u32 = 0x007;
export const SP_CHECK_VALUE: u32 = 0xefbe;

export const CE_HEAD: u32 = 0x000;
export const CE_LBA: u32 = 0x004;
export const CE_OFFSET: u32 = 0x00c;
export const CE_BYTES: u32 = 0x014;
export const CE_SIZE: u32 = 0x01c;

export const ER_HEAD: u32 = 0x000;
export const ER_ID_LENGTH: u32 = 0x004;
export const ER_TEXT_LENGTH: u32 = 0x005;
export const ER_SOURCE_LENGTH: u32 = 0x006;
export const ER_EXTENSION: u32 = 0x007;
export const ER_SIZE: u32 = 0x008;

export const PX_HEAD: u32 = 0x000;
export const PX_MODE: u32 = 0x004;
export const PX_LINKS: u32 = 0x00c;
export const PX_UID: u32 = 0x014;
export const PX_GID: u32 = 0x01c;
export const PX_SIZE: u32 = 0x024;

export const TF_HEAD: u32 = 0x000;
export const TF_FLAGS: u32 = 0x004;
export const TF_SIZE: u32 = 0x005;
export const TF_HAS_CREATION: u32 = 0x01;
export const TF_HAS_MODIFY: u32 = 0x02;
export const TF_HAS_ATTRIBUTES: u32 = 0x08;
export const TF_LONG: u32 = 0x80;

export const NM_HEAD: u32 = 0x000;
export const NM_FLAGS: u32 = 0x004;
export const NM_SIZE: u32 = 0x005;
export const NM_CONTINUES: u32 = 0x01;

export const SL_HEAD: u32 = 0x000;
export const SL_FLAGS: u32 = 0x004;
export const SL_SIZE: u32 = 0x005;
export const SL_CONTINUES: u32 = 0x01;

export const SL_PART_FLAGS: u32 = 0x000;
export const SL_PART_LENGTH: u32 = 0x001;
export const SL_PART_SIZE: u32 = 0x002;
export const SL_PART_CONTINUES: u32 = 0x01;
export const SL_PART_CURRENT: u32 = 0x02;
export const SL_PART_PARENT: u32 = 0x04;
export const SL_PART_ROOT: u32 = 0x08;

export const CL_HEAD: u32 = 0x000;
export const CL_LBA: u32 = 0x004;
export const CL_SIZE: u32 = 0x00c;
