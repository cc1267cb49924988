/**
 * An ISO 9660 volume that is open for reading: its descriptors, checked, and the one way to blocks.
 *
 * Interface: an LBA counts blocks of 2048 bytes from the start of the window. Everything read is
 * held against the end of the device before it is read; nothing is kept but one block.
 */
import { Device, deviceClose, deviceFail, deviceOpen, deviceRead } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { allocate, allocateZeroed, release } from "../../engine/memory";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { IsoNames } from "../../format/media/calls";
import {
  BLOCK_SECTORS,
  BLOCK_SHIFT,
  BLOCK_SIZE,
  BOOT_DESCRIPTOR_CATALOG,
  BOOT_DESCRIPTOR_SYSTEM,
  DESCRIPTOR_BLOCK_SIZE,
  DESCRIPTOR_ESCAPES,
  DESCRIPTOR_MAGIC,
  DESCRIPTOR_ROOT,
  DESCRIPTOR_SPACE,
  DESCRIPTOR_TYPE,
  DESCRIPTOR_VERSION,
  DESCRIPTOR_VOLUME_ID,
  DESCRIPTORS_LBA,
  DescriptorType,
  MAGIC_HIGH,
  MAGIC_LOW,
  RECORD_BYTES,
  RECORD_FLAGS,
  RECORD_IS_DIRECTORY,
  RECORD_LBA,
  RECORD_LENGTH,
  VOLUME_ID_SIZE,
} from "../../format/media/iso";

/** Descriptors that are looked at before the one that ends them must have come. */
const DESCRIPTORS_MAX: u32 = 64;
/** "EL TORITO" in two words and a byte. */
const TORITO_LOW: u32 = 0x54204c45;
const TORITO_HIGH: u32 = 0x5449524f;
const TORITO_END: u32 = 0x4f;
/** Levels of Joliet: "%/@", "%/C", "%/E". */
const ESCAPE: u32 = 0x2f25;

/** A directory's content. */
@unmanaged
export class Directory {
  lba: u32;
  bytes: u32;
}

@unmanaged
export class Iso {
  device: Device;
  /** Blocks of the device. */
  blocks: u32;
  /** Blocks that the volume says it has. */
  space: u32;
  names: IsoNames;
  /** Bytes before the entries of a system use area. */
  skip: u32;
  /** LBA of the boot catalog, 0: none. */
  catalog: u32;
  /** Open files. */
  users: u32;
  root: Directory;
  /** Of the tree with long names, 0 bytes: none. */
  jolietRoot: Directory;
  /** VOLUME_ID_SIZE bytes as the descriptor in use has them. */
  label: usize;
  /** Some blocks of a directory, from which on, and how many; 0: none. */
  window: usize;
  windowLba: u32;
  windowBlocks: u32;
  /** One block of continuations of system use areas, and which one; 0: none. */
  more: usize;
  moreLba: u32;
}

/** Blocks of a directory that are read at once. */
const WINDOW_BLOCKS: u32 = 16;
const WINDOW_BYTES: u32 = WINDOW_BLOCKS * BLOCK_SIZE;
const ROOM: u32 = offsetof<Iso>() + 2 * offsetof<Directory>() + VOLUME_ID_SIZE;

/** Opens the volume in a window; null after a fault: EMEDIUMTYPE, EBADMSG, EIO, ENOMEM. */
export function isoOpenOn(id: u32, base: u64, sectors: u64): Iso | null {
  const device = deviceOpen(id, base, sectors, true);
  if (device === null) return null;
  const address = allocateZeroed(ROOM);
  const window = allocate(WINDOW_BYTES);
  const more = allocate(BLOCK_SIZE);
  if (address === 0 || window === 0 || more === 0) {
    release(address, ROOM);
    release(window, WINDOW_BYTES);
    release(more, BLOCK_SIZE);
    deviceClose(device);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const iso = changetype<Iso>(address);
  iso.device = device;
  iso.root = changetype<Directory>(address + offsetof<Iso>());
  iso.jolietRoot = changetype<Directory>(address + offsetof<Iso>() + offsetof<Directory>());
  iso.label = address + offsetof<Iso>() + 2 * offsetof<Directory>();
  iso.window = window;
  iso.more = more;
  iso.blocks = <u32>min<u64>(device.sectors / <u64>BLOCK_SECTORS, 0xffffffff);
  if (readDescriptors(iso) === ErrorCode.OK) return iso;
  isoCloseAll(iso);
  return null;
}

export function isoCloseAll(iso: Iso): void {
  deviceClose(iso.device);
  release(iso.window, WINDOW_BYTES);
  release(iso.more, BLOCK_SIZE);
  release(changetype<usize>(iso), ROOM);
}

/** Uses the tree with long names; false if there is none. */
export function useJoliet(iso: Iso): bool {
  if (iso.jolietRoot.bytes === 0) return false;
  iso.names = IsoNames.JOLIET;
  iso.root.lba = iso.jolietRoot.lba;
  iso.root.bytes = iso.jolietRoot.bytes;
  return true;
}

/** Records what is wrong at block `lba`; `detail` is the offset of the field. */
export function isoFail(iso: Iso, reason: Reason, lba: u32, detail: u32): ErrorCode {
  const sector = <u64>lba * <u64>BLOCK_SECTORS;
  return deviceFail(iso.device, ErrorCode.EBADMSG, reason, sector, detail);
}

/** Reads block `lba` to `out`: EBADMSG if there is no such block. */
export function isoRead(iso: Iso, lba: u32, out: usize): ErrorCode {
  if (lba >= iso.blocks) return isoFail(iso, Reason.ISO_EXTENT, lba, 0);
  return deviceRead(iso.device, <u64>lba * <u64>BLOCK_SECTORS, out, BLOCK_SIZE);
}

/** Block `lba` of a directory that has `blocks` from there on: its address, 0 after a fault. */
export function isoDirectoryBlock(iso: Iso, lba: u32, blocks: u32): usize {
  if (lba < iso.windowLba || lba - iso.windowLba >= iso.windowBlocks) {
    const wanted = min<u32>(min<u32>(blocks, WINDOW_BLOCKS), iso.blocks - lba);
    iso.windowBlocks = 0;
    const sector = <u64>lba * <u64>BLOCK_SECTORS;
    const code = deviceRead(iso.device, sector, iso.window, wanted << BLOCK_SHIFT);
    if (code !== ErrorCode.OK) return 0;
    iso.windowLba = lba;
    iso.windowBlocks = wanted;
  }
  return iso.window + ((<usize>(lba - iso.windowLba)) << BLOCK_SHIFT);
}

/** Reads block `lba` of continuations to `iso.more`, unless it stands there. */
export function isoMoreRead(iso: Iso, lba: u32): ErrorCode {
  if (iso.moreLba === lba) return ErrorCode.OK;
  iso.moreLba = 0;
  const code = isoRead(iso, lba, iso.more);
  if (code === ErrorCode.OK) iso.moreLba = lba;
  return code;
}

/** Forgets what was read: another call may find another medium. */
export function isoForget(iso: Iso): void {
  iso.windowBlocks = 0;
  iso.moreLba = 0;
}

/** True if `bytes` from block `lba` on lie inside the device. */
export function isoInside(iso: Iso, lba: u32, bytes: u64): bool {
  const blocks = (bytes + <u64>(BLOCK_SIZE - 1)) >>> <u64>BLOCK_SHIFT;
  return <u64>lba + blocks <= <u64>iso.blocks;
}

/** True if a number that stands in both orders is the same in both. */
export function isBoth(address: usize): bool {
  return load<u32>(address) === bswap<u32>(load<u32>(address, 4));
}

function readDescriptors(iso: Iso): ErrorCode {
  let found = false;
  for (let index: u32 = 0; index < DESCRIPTORS_MAX; index++) {
    const lba = DESCRIPTORS_LBA + index;
    // A medium too small for a descriptor, or without one, is of another kind.
    if (lba >= iso.blocks && index === 0) return notIso(iso);
    const code = isoRead(iso, lba, iso.window);
    if (code !== ErrorCode.OK) return code;
    const block = iso.window;
    const magic =
      load<u32>(block, DESCRIPTOR_MAGIC) === MAGIC_LOW &&
      load<u8>(block, DESCRIPTOR_MAGIC + 4) === <u8>MAGIC_HIGH;
    if (!magic) {
      return index === 0 ? notIso(iso) : isoFail(iso, Reason.ISO_DESCRIPTOR, lba, DESCRIPTOR_MAGIC);
    }
    const type = <u32>load<u8>(block, DESCRIPTOR_TYPE);
    if (type === DescriptorType.END) {
      return found ? ErrorCode.OK : isoFail(iso, Reason.ISO_DESCRIPTOR, lba, DESCRIPTOR_TYPE);
    }
    const read = readDescriptor(iso, lba, type, found);
    if (read !== ErrorCode.OK) return read;
    if (type === DescriptorType.PRIMARY) found = true;
  }
  return isoFail(iso, Reason.ISO_DESCRIPTOR, DESCRIPTORS_LBA + DESCRIPTORS_MAX, DESCRIPTOR_TYPE);
}

/** One descriptor in `iso.window`. A second primary one is a copy, and not looked at. */
function readDescriptor(iso: Iso, lba: u32, type: u32, found: bool): ErrorCode {
  const block = iso.window;
  if (type === DescriptorType.BOOT) {
    const isTorito =
      load<u32>(block, BOOT_DESCRIPTOR_SYSTEM) === TORITO_LOW &&
      load<u32>(block, BOOT_DESCRIPTOR_SYSTEM + 4) === TORITO_HIGH &&
      load<u8>(block, BOOT_DESCRIPTOR_SYSTEM + 8) === <u8>TORITO_END;
    if (isTorito && iso.catalog === 0) iso.catalog = load<u32>(block, BOOT_DESCRIPTOR_CATALOG);
    return ErrorCode.OK;
  }
  if (type === DescriptorType.PRIMARY && !found) {
    memory.copy(iso.label, block + DESCRIPTOR_VOLUME_ID, VOLUME_ID_SIZE);
    const code = readRoot(iso, lba, iso.root);
    if (code !== ErrorCode.OK) return code;
    iso.space = load<u32>(block, DESCRIPTOR_SPACE);
    if (iso.space <= iso.blocks) return ErrorCode.OK;
    // The end of the medium is missing.
    return isoFail(iso, Reason.ISO_EXTENT, lba, DESCRIPTOR_SPACE);
  }
  if (type !== DescriptorType.SUPPLEMENTARY || iso.jolietRoot.bytes !== 0) return ErrorCode.OK;
  const level = load<u8>(block, DESCRIPTOR_ESCAPES + 2);
  const isJoliet =
    load<u16>(block, DESCRIPTOR_ESCAPES) === <u16>ESCAPE &&
    (level === 0x40 || level === 0x43 || level === 0x45);
  return isJoliet ? readRoot(iso, lba, iso.jolietRoot) : ErrorCode.OK;
}

function readRoot(iso: Iso, lba: u32, root: Directory): ErrorCode {
  const block = iso.window;
  const reason = Reason.ISO_DESCRIPTOR;
  if (load<u8>(block, DESCRIPTOR_VERSION) !== 1) {
    return isoFail(iso, reason, lba, DESCRIPTOR_VERSION);
  }
  const size = load<u16>(block, DESCRIPTOR_BLOCK_SIZE);
  if (
    <u32>size !== BLOCK_SIZE ||
    bswap<u16>(load<u16>(block, DESCRIPTOR_BLOCK_SIZE + 2)) !== size
  ) {
    return isoFail(iso, reason, lba, DESCRIPTOR_BLOCK_SIZE);
  }
  if (!isBoth(block + DESCRIPTOR_SPACE)) return isoFail(iso, reason, lba, DESCRIPTOR_SPACE);
  const record = block + DESCRIPTOR_ROOT;
  const fits =
    load<u8>(record, RECORD_LENGTH) >= 34 &&
    (<u32>load<u8>(record, RECORD_FLAGS) & RECORD_IS_DIRECTORY) !== 0 &&
    isBoth(record + RECORD_LBA) &&
    isBoth(record + RECORD_BYTES);
  root.lba = load<u32>(record, RECORD_LBA);
  root.bytes = load<u32>(record, RECORD_BYTES);
  if (!fits || root.bytes === 0 || root.lba < DESCRIPTORS_LBA) {
    return isoFail(iso, reason, lba, DESCRIPTOR_ROOT);
  }
  if (isoInside(iso, root.lba, root.bytes)) return ErrorCode.OK;
  return isoFail(iso, Reason.ISO_EXTENT, lba, DESCRIPTOR_ROOT);
}

function notIso(iso: Iso): ErrorCode {
  const sector = <u64>(DESCRIPTORS_LBA * BLOCK_SECTORS);
  return deviceFail(iso.device, ErrorCode.EMEDIUMTYPE, Reason.MAGIC, sector, 0);
}
