/**
 * What is at a place, by its signature: the check before anything is overwritten.
 *
 * Signatures are looked for at the start of the window and, where a format keeps one there, at its
 * end. Nothing is believed beyond the signature: this says "somebody's data", never "usable".
 */
import { isZero } from "../engine/bytes";
import { Device, deviceRead } from "../engine/device";
import { failPlain } from "../engine/fault";
import { allocate, release } from "../engine/memory";
import { SECTOR_SHIFT } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  HEADER_SIGNATURE_HIGH,
  HEADER_SIGNATURE_LOW,
  MBR_MARK,
  MBR_MARK_VALUE,
  MBR_RECORD_BLOCKS,
  MBR_RECORD_BOOT,
  MBR_RECORD_SIZE,
  MBR_RECORD_START,
  MBR_RECORD_TYPE,
  MBR_RECORDS,
  MBR_RECORDS_COUNT,
  Signature,
} from "../format/gpt";

/**
 * Rows of where and what, low and high word of the value: the weakest ones last. The first word
 * reads, in hexadecimal digits, 2 of Signature, 1 of length and 5 of offset in bytes.
 */
// biome-ignore format: one row a line
const table: usize = memory.data<u32>([
  0x08800000, 0x4f504143, 0x314f5253, // CAPOS_RO CAPOSRO1
  0x07800000, 0x4f504143, 0x31545353, // CAPOS_REGION CAPOSST1
  0x07800200, 0x4f504143, 0x31545353, // CAPOS_REGION CAPOSST1
  0x07801000, 0x4f504143, 0x31475253, // CAPOS_REGION CAPOSRG1
  0x07810000, 0x4f504143, 0x31545353, // CAPOS_REGION CAPOSST1
  0x07811000, 0x4f504143, 0x31545353, // CAPOS_REGION CAPOSST1
  0x07820000, 0x4f504143, 0x31465753, // CAPOS_REGION CAPOSWF1
  0x07820200, 0x4f504143, 0x31465753, // CAPOS_REGION CAPOSWF1
  0x07821000, 0x4f504143, 0x31475253, // CAPOS_REGION CAPOSRG1
  0x07830000, 0x4f504143, 0x31465753, // CAPOS_REGION CAPOSWF1
  0x07831000, 0x4f504143, 0x31465753, // CAPOS_REGION CAPOSWF1
  0x0f600000, 0x534b554c, 0xbeba, // LUKS LUKS..
  0x0f604000, 0x4c554b53, 0xbeba, // LUKS SKUL..
  0x0f608000, 0x4c554b53, 0xbeba, // LUKS SKUL..
  0x10800000, 0x4542414c, 0x454e4f4c, // LVM LABELONE
  0x10800200, 0x4542414c, 0x454e4f4c, // LVM LABELONE
  0x10800400, 0x4542414c, 0x454e4f4c, // LVM LABELONE
  0x10800600, 0x4542414c, 0x454e4f4c, // LVM LABELONE
  0x1c800003, 0x4556462d, 0x2d53462d, // BITLOCKER -FVE-FS-
  0x04800003, 0x41465845, 0x20202054, // EXFAT EXFAT
  0x05800003, 0x5346544e, 0x20202020, // NTFS NTFS
  0x12400000, 0x42534658, 0x0, // XFS XFSB
  0x13810040, 0x5248425f, 0x4d5f5366, // BTRFS _BHRfS_M
  0x14400400, 0xf2f52010, 0x0, // F2FS . ..
  0x0c400400, 0xe0f5e1e2, 0x0, // EROFS ....
  0x0b400000, 0x73717368, 0x0, // SQUASHFS hsqs
  0x0d400000, 0x28cd3d45, 0x0, // CRAMFS E=.(
  0x0e800000, 0x6d6f722d, 0x2d736631, // ROMFS -rom1fs-
  0x15801018, 0xf67385c6, 0xca451a4e, // BCACHEFS ..s.N.E.
  0x18610034, 0x73496552, 0x7245, // REISERFS ReIsEr
  0x18602034, 0x73496552, 0x7245, // REISERFS ReIsEr
  0x19408000, 0x3153464a, 0x0, // JFS JFS1
  0x1b400020, 0x4253584e, 0x0, // APFS NXSB
  0x17400000, 0xa92b4efc, 0x0, // RAID .N+.
  0x17401000, 0xa92b4efc, 0x0, // RAID .N+.
  0x1e400000, 0xfb494651, 0x0, // QCOW QFI.
  0x1f400000, 0x564d444b, 0x0, // VMDK KDMV
  0x21800000, 0x78646876, 0x656c6966, // VHDX vhdxfile
  0x20800000, 0x656e6f63, 0x78697463, // VHD conectix
  0x09508001, 0x30304443, 0x31, // ISO9660 CD001
  0x0a508001, 0x30414542, 0x31, // UDF BEA01
  0x0a508801, 0x3052534e, 0x32, // UDF NSR02
  0x0a508801, 0x3052534e, 0x33, // UDF NSR03
  0x11800ff6, 0x50415753, 0x43415053, // SWAP SWAPSPAC
  0x11800ff6, 0x50415753, 0x4150532d, // SWAP SWAP-SPA
  0x11801ff6, 0x50415753, 0x43415053, // SWAP SWAPSPAC
  0x11801ff6, 0x50415753, 0x4150532d, // SWAP SWAP-SPA
  0x11803ff6, 0x50415753, 0x43415053, // SWAP SWAPSPAC
  0x11803ff6, 0x50415753, 0x4150532d, // SWAP SWAP-SPA
  0x11807ff6, 0x50415753, 0x43415053, // SWAP SWAPSPAC
  0x11807ff6, 0x50415753, 0x4150532d, // SWAP SWAP-SPA
  0x1180fff6, 0x50415753, 0x43415053, // SWAP SWAPSPAC
  0x1180fff6, 0x50415753, 0x4150532d, // SWAP SWAP-SPA
  0x06200438, 0xef53, 0x0, // EXT S.
  0x1a200400, 0x2b48, 0x0, // HFS H+
  0x1a200400, 0x5848, 0x0, // HFS HX
  0x1a200400, 0x4442, 0x0, // HFS BD
  0x1d200410, 0x137f, 0x0, // MINIX ..
  0x1d200410, 0x138f, 0x0, // MINIX ..
  0x1d200410, 0x2468, 0x0, // MINIX h$
  0x1d200410, 0x2478, 0x0, // MINIX x$
  0x1d200418, 0x4d5a, 0x0, // MINIX ZM
]);
const ROWS: u32 = 62;
const ROW_SIZE: usize = 12;

/** "FAT1" and "FAT " where FAT12 and FAT16 have them, "FAT3" where FAT32 has it. */
const FAT_TYPE_OFFSET: usize = 54;
const FAT32_TYPE_OFFSET: usize = 82;
const FAT_NUMBERED: u32 = 0x31544146;
const FAT_PLAIN: u32 = 0x20544146;
const FAT_THREE: u32 = 0x33544146;
const RAID_MAGIC: u32 = 0xa92b4efc;
/** "conectix" */
const VHD_FOOTER_LOW: u32 = 0x656e6f63;
const VHD_FOOTER_HIGH: u32 = 0x78697463;
const ZFS_LABEL_SIZE: u32 = 0x40000;
const ZFS_UBERBLOCKS_OFFSET: u32 = 0x20000;
const ZFS_UBERBLOCK_MAGIC: u64 = 0x00bab10c;

/** Bytes read at either end. */
const HEAD_SIZE: u32 = 0x44000;
const TAIL_SIZE: u32 = 0x84000;
const BLANK_SIZE: u64 = 0x100000;
const STEP_SIZE: u32 = 0x40000;

/** What is in the window of `device`: a Signature, NOTHING (0) included, or EIO, ENOMEM. */
export function deviceProbe(device: Device): i32 {
  const size = device.sectors << SECTOR_SHIFT;
  const headSize = <u32>min<u64>(HEAD_SIZE, size);
  const tailSize = <u32>min<u64>(TAIL_SIZE, size);
  const buffer = allocate(max<u32>(HEAD_SIZE, TAIL_SIZE));
  if (buffer === 0) return failPlain(ErrorCode.ENOMEM);
  let result: i32 = deviceRead(device, 0, buffer, headSize);
  if (result === ErrorCode.OK) {
    result = headProbe(buffer, headSize);
    if (result === Signature.NOTHING) {
      const sector = device.sectors - <u64>(tailSize >>> SECTOR_SHIFT);
      result = deviceRead(device, sector, buffer, tailSize);
      if (result === ErrorCode.OK) result = tailProbe(buffer, tailSize, size);
    }
  }
  release(buffer, max<u32>(HEAD_SIZE, TAIL_SIZE));
  return result;
}

/** 1 if deviceProbe knows nothing and the first and last MiB are zero, 0 if not; or EIO, ENOMEM. */
export function deviceBlank(device: Device): i32 {
  const known = deviceProbe(device);
  if (known !== Signature.NOTHING) return known < 0 ? known : 0;
  const size = device.sectors << SECTOR_SHIFT;
  const buffer = allocate(STEP_SIZE);
  if (buffer === 0) return failPlain(ErrorCode.ENOMEM);
  const span = min<u64>(BLANK_SIZE, size);
  let result = rangeZero(device, 0, span, buffer);
  if (result === 1) result = rangeZero(device, size - span, span, buffer);
  release(buffer, STEP_SIZE);
  return result;
}

function rangeZero(device: Device, offset: u64, size: u64, buffer: usize): i32 {
  for (let at: u64 = 0; at < size; at += <u64>STEP_SIZE) {
    const piece = <u32>min<u64>(STEP_SIZE, size - at);
    const code = deviceRead(device, (offset + at) >>> SECTOR_SHIFT, buffer, piece);
    if (code !== ErrorCode.OK) return code;
    if (!isZero(buffer, piece)) return 0;
  }
  return 1;
}

/** `size` bytes from the start of the window, whole sectors. */
function headProbe(head: usize, size: u32): i32 {
  if (isPartitionHeader(head, size, 512) || isPartitionHeader(head, size, 4096)) {
    return Signature.GPT;
  }
  const listed = signatureAt(head, size);
  if (listed !== Signature.NOTHING) return listed;
  if (hasUberblock(head, size, 0)) return Signature.ZFS;
  if (size < 512 || load<u16>(head, MBR_MARK) !== <u16>MBR_MARK_VALUE) return Signature.NOTHING;
  if (isFat(head)) return Signature.FAT;
  return isMbr(head) ? Signature.MBR : Signature.NOTHING;
}

/** `size` bytes up to the end of a window of `whole` bytes. */
function tailProbe(tail: usize, size: u32, whole: u64): i32 {
  if (size < 4096) return Signature.NOTHING;
  if (isPartitionHeader(tail, size, size - 512)) return Signature.GPT;
  if (isPartitionHeader(tail, size, size - 4096)) return Signature.GPT;
  const footer = tail + <usize>(size - 512);
  if (load<u32>(footer) === VHD_FOOTER_LOW && load<u32>(footer, 4) === VHD_FOOTER_HIGH) {
    return Signature.VHD;
  }
  const start = whole - <u64>size;
  // Software RAID keeps its superblock near the end in versions 0.90 and 1.0.
  const old = (whole & ~0xffff) - 0x10000;
  const newer = ((whole >>> SECTOR_SHIFT) - 16) & ~7;
  if (hasWord(tail, size, start, old, RAID_MAGIC)) return Signature.RAID;
  if (hasWord(tail, size, start, newer << SECTOR_SHIFT, RAID_MAGIC)) return Signature.RAID;
  const labels = whole & ~(<u64>(ZFS_LABEL_SIZE - 1));
  for (let label: u64 = 1; label <= 2; label++) {
    const at = labels - label * <u64>ZFS_LABEL_SIZE;
    if (at >= start && at < whole && hasUberblock(tail, size, <u32>(at - start))) {
      return Signature.ZFS;
    }
  }
  return Signature.NOTHING;
}

function hasWord(tail: usize, size: u32, start: u64, at: u64, word: u32): bool {
  if (at < start || at - start + 4 > <u64>size) return false;
  return load<u32>(tail + <usize>(at - start)) === word;
}

function isPartitionHeader(buffer: usize, size: u32, offset: u32): bool {
  if (offset + 8 > size) return false;
  const low = load<u32>(buffer + <usize>offset);
  return (
    low === HEADER_SIGNATURE_LOW && load<u32>(buffer + <usize>offset, 4) === HEADER_SIGNATURE_HIGH
  );
}

/** True if one of the 128 places for an uberblock of the ZFS label at `offset` holds one. */
function hasUberblock(buffer: usize, size: u32, offset: u32): bool {
  for (let at = offset + ZFS_UBERBLOCKS_OFFSET; at < offset + ZFS_LABEL_SIZE; at += 1024) {
    if (at + 8 > size) return false;
    const word = load<u64>(buffer + <usize>at);
    if (word === <u64>ZFS_UBERBLOCK_MAGIC) return true;
    if (bswap<u64>(word) === <u64>ZFS_UBERBLOCK_MAGIC) return true;
  }
  return false;
}

/** The first row of the table that `size` bytes at `head` agree with. */
function signatureAt(head: usize, size: u32): Signature {
  for (let index: u32 = 0; index < ROWS; index++) {
    const row = table + <usize>index * ROW_SIZE;
    const place = load<u32>(row);
    const offset = place & 0xfffff;
    if (offset + 8 > size) continue;
    const unused = 64 - <u64>(((place >>> 20) & 0xf) << 3);
    const value = (load<u64>(head + <usize>offset) << unused) >>> unused;
    if (value === load<u64>(row, 4)) return place >>> 24;
  }
  return Signature.NOTHING;
}

/** A boot sector that says so, or one with a jump and the parameters that every FAT has. */
function isFat(sector: usize): bool {
  const type = load<u32>(sector, FAT_TYPE_OFFSET);
  if (type === FAT_NUMBERED || type === FAT_PLAIN) return true;
  return load<u32>(sector, FAT32_TYPE_OFFSET) === FAT_THREE || hasParameters(sector);
}

function hasParameters(sector: usize): bool {
  const jump = load<u8>(sector);
  if (jump !== 0xeb && jump !== 0xe9) return false;
  const bytes = <u32>load<u16>(sector, 11);
  const cluster = <u32>load<u8>(sector, 13);
  const fats = load<u8>(sector, 16);
  if (bytes < 512 || bytes > 4096 || popcnt<u32>(bytes) !== 1) return false;
  return popcnt<u32>(cluster) === 1 && (fats === 1 || fats === 2) && load<u8>(sector, 21) >= 0xf0;
}

/** A mark, and records that are either zero or describe a partition with a sane boot flag. */
function isMbr(sector: usize): bool {
  let used: u32 = 0;
  for (let index: u32 = 0; index < MBR_RECORDS_COUNT; index++) {
    const record = sector + <usize>(MBR_RECORDS + index * MBR_RECORD_SIZE);
    if ((load<u8>(record, MBR_RECORD_BOOT) & 0x7f) !== 0) return false;
    if (load<u8>(record, MBR_RECORD_TYPE) === 0) continue;
    if (load<u32>(record, MBR_RECORD_BLOCKS) === 0) return false;
    if (load<u32>(record, MBR_RECORD_START) === 0) continue;
    used += 1;
  }
  return used > 0;
}
