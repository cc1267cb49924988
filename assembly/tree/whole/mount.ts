/** Mount, first half: which superblock is the newest, and may it be believed (M1, M2). */
import { equalBytes, isZero } from "../../engine/bytes";
import { Device, deviceFail, deviceQueueRead, deviceRead, deviceSubmit } from "../../engine/device";
import { xxh64 } from "../../engine/hash/xxh64";
import { allocate } from "../../engine/memory";
import { requestsBegin } from "../../engine/requests";
import { Reason, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import * as F from "../../format/region";
import { pointerCheck, pointerLevel, pointerPage, pointerSecond } from "../pages/page";
import {
  geometryCheck,
  mirrorLba,
  slotsLba,
  superblockBodyChecksum,
  superblockCheck,
  superblockEpoch,
  superblockMagic,
} from "../pages/superblock";
import {
  NOTICE_BAD_COPY,
  NOTICE_DESCRIPTOR,
  NOTICE_GROW,
  NOTICE_LOST_WRITE,
  Region,
  Volume,
  VolumeKind,
} from "../pages/volume";
import { descriptorValid } from "./format";

/** The four pieces of the head that hold something: 16 sectors each. */
const PIECE_SECTORS: u32 = 16;
const PIECE_SIZE: u32 = PIECE_SECTORS * 512;
const PIECES: u32 = 4;
const head: usize = allocate(32768);
const COPIES: u32 = 4;

if (PIECE_SIZE * PIECES !== 32768) ERROR("head is too small");

function pieceLba(piece: u32): u32 {
  if (piece === 0) return F.LBA_STORE_SLOTS;
  if (piece === 1) return F.LBA_STORE_MIRROR_EVEN;
  return piece === 2 ? F.LBA_WF_SLOTS : F.LBA_WF_MIRROR_EVEN;
}

/** Address of the sector read from `lba`, which lies in one of the pieces. */
export function headSector(lba: u32): usize {
  const piece: u32 = ((lba >>> 8) << 1) | ((lba >>> 7) & 1);
  return head + <usize>(piece * PIECE_SIZE + ((lba & 127) << 9));
}

/** M1: reads slots, mirrors and descriptors in one batch; a piece that fails counts as damaged. */
export function headRead(device: Device): ErrorCode {
  if (device.sectors < F.HEAD_SECTORS) {
    return deviceFail(device, ErrorCode.EMEDIUMTYPE, Reason.NO_SUPERBLOCK, 0, 0);
  }
  requestsBegin();
  let code = ErrorCode.OK;
  for (let piece: u32 = 0; piece < PIECES && code === ErrorCode.OK; piece++) {
    const at = head + <usize>(piece * PIECE_SIZE);
    code = deviceQueueRead(device, pieceLba(piece), at, PIECE_SIZE);
  }
  if (code === ErrorCode.OK) code = deviceSubmit(device);
  if (code === ErrorCode.OK) return code;
  let read: u32 = 0;
  for (let sector: u32 = 0; sector < PIECES * PIECE_SECTORS; sector++) {
    const at = head + <usize>(sector << 9);
    const lba = pieceLba(sector / PIECE_SECTORS) + (sector % PIECE_SECTORS);
    const one = deviceRead(device, lba, at, SECTOR_SIZE);
    if (one === ErrorCode.OK) read += 1;
    else memory.fill(at, 0xff, SECTOR_SIZE);
  }
  return read > 0 ? ErrorCode.OK : code;
}

export function copyLba(kind: VolumeKind, index: u32): u32 {
  return index < 2 ? slotsLba(kind) + index : mirrorLba(kind, index & 1);
}

/** True if none of the copies of `kind` has ever been written. */
export function headIsEmpty(kind: VolumeKind): bool {
  for (let index: u32 = 0; index < COPIES; index++) {
    if (!isZero(headSector(copyLba(kind, index)), SECTOR_SIZE)) return false;
  }
  return true;
}

/** True if any copy at least starts with the magic. */
export function headHasMagic(kind: VolumeKind): bool {
  for (let index: u32 = 0; index < COPIES; index++) {
    if (superblockMagic(headSector(copyLba(kind, index)), kind)) return true;
  }
  return false;
}

/** M2: fills current, previous, slots and mirrored. `older` takes N - 1 by explicit consent. */
export function volumePick(volume: Volume, older: bool): ErrorCode {
  const kind = volume.kind;
  const device = volume.region.device;
  let newest: usize = 0;
  let slotNewest: u64 = 0;
  let mirrorNewest: u64 = 0;
  let valid: u32 = 0;
  for (let index: u32 = 0; index < COPIES; index++) {
    const lba = copyLba(kind, index);
    const sector = headSector(lba);
    if (superblockCheck(sector, kind, lba, index & 1) !== Reason.NONE) continue;
    valid |= 1 << index;
    const epoch = superblockEpoch(sector);
    if (newest === 0 || epoch > superblockEpoch(newest)) newest = sector;
    if (index < 2) slotNewest = max<u64>(slotNewest, epoch);
    else mirrorNewest = max<u64>(mirrorNewest, epoch);
  }
  if (valid !== 15) volume.region.notices |= NOTICE_BAD_COPY;
  if (newest === 0) {
    const known = headHasMagic(kind) ? ErrorCode.EBADMSG : ErrorCode.EMEDIUMTYPE;
    return deviceFail(device, known, Reason.NO_SUPERBLOCK, slotsLba(kind), 0);
  }
  memory.copy(volume.slots, headSector(slotsLba(kind)), SECTOR_SIZE * 2);
  volume.slotsValid = valid & 3;
  let code = copiesAgree(volume, valid, newest);
  if (code !== ErrorCode.OK) return code;
  if (mirrorNewest > slotNewest || slotsApart(kind, valid)) {
    volume.region.notices |= NOTICE_LOST_WRITE;
  }
  const before = findEpoch(kind, valid, superblockEpoch(newest) - 1);
  if (older) {
    if (before === 0) return deviceFail(device, ErrorCode.ENOENT, Reason.NO_SUPERBLOCK, 0, 0);
    memory.copy(volume.current, before, SECTOR_SIZE);
  } else {
    memory.copy(volume.current, newest, SECTOR_SIZE);
    volume.hasPrevious = before !== 0;
    if (before !== 0) memory.copy(volume.previous, before, SECTOR_SIZE);
  }
  memory.copy(volume.next, volume.current, SECTOR_SIZE);
  volume.epoch = superblockEpoch(volume.current);
  const mirror: u32 = 2 + <u32>(volume.epoch & 1);
  volume.mirrored = copyIs(volume, valid, mirror);
  code = superblockLimits(volume);
  return code;
}

/** True if valid copy `index` is exactly the volume's current superblock. */
function copyIs(volume: Volume, valid: u32, index: u32): bool {
  if ((valid & (1 << index)) === 0) return false;
  const sector = headSector(copyLba(volume.kind, index));
  return superblockBodyChecksum(sector) === superblockBodyChecksum(volume.current);
}

/** True if slot(N) is exactly superblock N, so that M5 has nothing to do. */
export function slotIsCurrent(volume: Volume): bool {
  return copyIs(volume, volume.slotsValid, <u32>(volume.epoch & 1));
}

function slotsApart(kind: VolumeKind, valid: u32): bool {
  if ((valid & 3) !== 3) return false;
  const even = superblockEpoch(headSector(slotsLba(kind)));
  const odd = superblockEpoch(headSector(slotsLba(kind) + 1));
  return (even > odd ? even - odd : odd - even) >= 3;
}

function findEpoch(kind: VolumeKind, valid: u32, epoch: u64): usize {
  for (let index: u32 = 0; index < COPIES; index++) {
    const sector = headSector(copyLba(kind, index));
    if ((valid & (1 << index)) !== 0 && superblockEpoch(sector) === epoch) return sector;
  }
  return 0;
}

/** One epoch, one superblock; one region, one uuid; and the newest continues the one before. */
function copiesAgree(volume: Volume, valid: u32, newest: usize): ErrorCode {
  const device = volume.region.device;
  const kind = volume.kind;
  for (let index: u32 = 0; index < COPIES; index++) {
    if ((valid & (1 << index)) === 0) continue;
    const lba = copyLba(kind, index);
    const sector = headSector(lba);
    const same = equalBytes(sector + F.SUPERBLOCK_UUID, newest + F.SUPERBLOCK_UUID, 16);
    if (!same) return deviceFail(device, ErrorCode.EBADMSG, Reason.UUID, lba, 0);
    const epoch = superblockEpoch(sector);
    const checksum = superblockBodyChecksum(sector);
    let expected = superblockBodyChecksum(findEpoch(kind, valid, epoch));
    // What the copies of one epoch agree on is also what the newest superblock names.
    if (expected === checksum && epoch + 1 === superblockEpoch(newest)) {
      expected = load<u64>(newest, F.SUPERBLOCK_PREVIOUS_CHECKSUM);
    }
    if (expected !== checksum) {
      return deviceFail(device, ErrorCode.EBADMSG, Reason.FORK, lba, <u32>epoch);
    }
  }
  return ErrorCode.OK;
}

/** Takes the geometry of the region from the store's superblock. */
export function geometryTake(region: Region, superblock: usize): ErrorCode {
  const device = region.device;
  const lba = slotsLba(VolumeKind.ST);
  const reason = geometryCheck(superblock);
  if (reason === Reason.VERSION) return deviceFail(device, ErrorCode.EOPNOTSUPP, reason, lba, 0);
  if (reason !== Reason.NONE) return deviceFail(device, ErrorCode.EBADMSG, reason, lba, 0);
  region.sectors = load<u64>(superblock, F.SUPERBLOCK_SECTORS);
  region.chunkShift = load<u8>(superblock, F.SUPERBLOCK_CHUNK_SHIFT);
  region.logSectors = load<u32>(superblock, F.SUPERBLOCK_LOG_SECTORS);
  region.firstChunk = load<u32>(superblock, F.SUPERBLOCK_FIRST_CHUNK);
  if (region.sectors > device.sectors) {
    return deviceFail(device, ErrorCode.EBADMSG, Reason.CAPACITY, lba, <u32>device.sectors);
  }
  const space = region.sectors - <u64>region.firstChunk;
  region.chunks = <u32>(space >>> <u64>(region.chunkShift - 9));
  const pages = (<u64>region.chunks) << (<u64>(region.chunkShift - F.PAGE_SHIFT));
  region.endPage = <u64>(region.firstChunk / F.SECTORS_PER_PAGE) + pages;
  region.tag = xxh64(superblock + F.SUPERBLOCK_UUID, 16, 0);
  return ErrorCode.OK;
}

/** What any reader enforces before use (1.4): features, pointers, counters, chunks. */
function superblockLimits(volume: Volume): ErrorCode {
  const region = volume.region;
  const device = region.device;
  const block = volume.current;
  const lba = slotsLba(volume.kind);
  if (volume.kind === VolumeKind.ST) {
    const code = geometryTake(region, block);
    if (code !== ErrorCode.OK) return code;
  } else if (!sameGeometry(region, block)) {
    return deviceFail(device, ErrorCode.EBADMSG, Reason.FIELD, lba, F.SUPERBLOCK_FIRST_CHUNK);
  }
  const incompat = load<u64>(block, F.SUPERBLOCK_INCOMPAT);
  if (incompat !== 0) {
    return deviceFail(device, ErrorCode.EOPNOTSUPP, Reason.FEATURE, lba, <u32>incompat);
  }
  const known: u64 = volume.kind === VolumeKind.ST ? F.RO_COMPAT_TAIL : 0;
  const foreign = load<u64>(block, F.SUPERBLOCK_RO_COMPAT) & ~known;
  const state = load<u32>(block, F.SUPERBLOCK_STATE);
  if (foreign !== 0 || (state & F.STATE_READ_ONLY) !== 0) region.readOnly = true;
  for (let offset = F.SUPERBLOCK_ROOT_A; offset <= F.SUPERBLOCK_LIMBO_PREVIOUS; offset += 32) {
    let reason = pointerCheck(region, block + <usize>offset, volume.epoch);
    if (reason === Reason.NONE && offset >= F.SUPERBLOCK_LIMBO_CURRENT) {
      const pointer = block + <usize>offset;
      if (pointerLevel(pointer) !== 0 || pointerSecond(pointer) !== 0) reason = Reason.LEVEL;
    }
    if (reason !== Reason.NONE) return deviceFail(device, ErrorCode.EBADMSG, reason, lba, offset);
  }
  const offset = fieldBad(volume, block);
  if (offset === 0) return ErrorCode.OK;
  return deviceFail(device, ErrorCode.EBADMSG, Reason.FIELD, lba, offset);
}

/** Offset of the first field that is out of range, or 0. */
function fieldBad(volume: Volume, block: usize): u32 {
  const region = volume.region;
  const st = volume.kind === VolumeKind.ST;
  const pages = region.sectors / F.SECTORS_PER_PAGE;
  if (pointerPage(block + F.SUPERBLOCK_ROOT_B) === 0) return F.SUPERBLOCK_ROOT_B;
  // v1 builds neither the store's collection state nor snapshots.
  const unused = st ? F.SUPERBLOCK_ROOT_D : F.SUPERBLOCK_ROOT_C;
  if (pointerPage(block + <usize>unused) !== 0) return unused;
  if (load<u64>(block, F.SUPERBLOCK_FREE_PAGES) > pages) return F.SUPERBLOCK_FREE_PAGES;
  const most = st ? region.sectors << 9 : pages;
  if (load<u64>(block, F.SUPERBLOCK_LIVE_SIZE) > most) return F.SUPERBLOCK_LIVE_SIZE;
  const meta = load<u32>(block, F.SUPERBLOCK_OPEN_META);
  if (meta !== F.OPEN_NONE && meta >= region.chunks) return F.SUPERBLOCK_OPEN_META;
  const data = load<u32>(block, F.SUPERBLOCK_OPEN_DATA);
  if (data !== F.OPEN_NONE && data >= region.chunks) return F.SUPERBLOCK_OPEN_DATA;
  const sector = load<u32>(block, F.SUPERBLOCK_OPEN_SECTOR);
  if (sector > 1 << (region.chunkShift - 9)) return F.SUPERBLOCK_OPEN_SECTOR;
  if (st && load<u64>(block, F.SUPERBLOCK_RETURN_SEQ) !== 0) return F.SUPERBLOCK_RETURN_SEQ;
  return 0;
}

/** WF's geometry is the region's; its size may lag behind a grow, never lead. */
function sameGeometry(region: Region, block: usize): bool {
  return (
    geometryCheck(block) === Reason.NONE &&
    load<u64>(block, F.SUPERBLOCK_SECTORS) <= region.sectors &&
    <u32>load<u8>(block, F.SUPERBLOCK_CHUNK_SHIFT) === region.chunkShift &&
    load<u32>(block, F.SUPERBLOCK_LOG_SECTORS) === region.logSectors &&
    xxh64(block + F.SUPERBLOCK_UUID, 16, 0) === region.tag
  );
}

/** Looks at both descriptors: they must tell the superblock's geometry, or a larger size. */
export function descriptorsCheck(region: Region): void {
  for (let which: u32 = 0; which < 2; which++) {
    const lba = which === 0 ? F.LBA_DESCRIPTOR_A : F.LBA_DESCRIPTOR_B;
    const sector = headSector(lba);
    memory.copy(region.descriptors + <usize>(which << 9), sector, SECTOR_SIZE);
    if (!descriptorValid(region, sector, lba)) {
      region.notices |= NOTICE_DESCRIPTOR;
      continue;
    }
    region.descriptorState |= 1 << which;
    const sectors = load<u64>(sector, F.DESCRIPTOR_SECTORS);
    if (sectors > region.sectors) region.notices |= NOTICE_GROW;
    if (sectors < region.sectors) {
      region.notices |= NOTICE_DESCRIPTOR;
      region.readOnly = true;
    }
  }
}
