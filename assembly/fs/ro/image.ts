/**
 * CAPOSRO1: opens an image. Nothing of it is believed before its checksum; then every rule of the
 * format is checked at once, so that what uses the index needs no check of its own.
 *
 * Interface: the index (at most RO_INDEX_MAX bytes, never more than the image) stays in memory
 * until imageClose. Inode numbers are node numbers + 1.
 */
import { compareBytes, equalBytes, isZero, nameCheck } from "../../engine/bytes";
import { Device, deviceClose, deviceFail, deviceRead } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { sha256 } from "../../engine/hash/sha256";
import { xxh64 } from "../../engine/hash/xxh64";
import { allocate, allocateZeroed, release } from "../../engine/memory";
import { Reason, SECTOR_SHIFT, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  RO_INDEX_LBA,
  RO_INDEX_MAX,
  RO_MAGIC_HIGH,
  RO_MAGIC_LOW,
  RO_MAJOR,
  RO_NODE_DATA_LBA,
  RO_NODE_HASH,
  RO_NODE_LENGTH,
  RO_NODE_MODE,
  RO_NODE_NAME_LENGTH,
  RO_NODE_NAME_OFFSET,
  RO_NODE_PARENT,
  RO_NODE_RESERVED,
  RO_NODE_SIZE,
  RO_NODE_TYPE,
  RO_SUPERBLOCK_CHECKSUM,
  RO_SUPERBLOCK_DATA_LBA,
  RO_SUPERBLOCK_INDEX_HASH,
  RO_SUPERBLOCK_INDEX_LBA,
  RO_SUPERBLOCK_INDEX_LENGTH,
  RO_SUPERBLOCK_MAJOR,
  RO_SUPERBLOCK_NODES,
  RO_SUPERBLOCK_RESERVED,
  RO_SUPERBLOCK_SECTORS,
  RO_SUPERBLOCK_SELF_LBA,
  RO_SUPERBLOCK_SIZE,
} from "../../format/ro";
import {
  DEPTH_MAX,
  FileType,
  MODE_DIRECTORY,
  MODE_FILE,
  MODE_SYMLINK,
  MODE_TYPE,
  SYMLINK_MAX,
} from "../../format/wf";

@unmanaged
export class Image {
  device: Device;
  /** RO_NODE records, then the names. */
  index: usize;
  indexLength: u32;
  nodes: u32;
  sectors: u64;
  dataLba: u64;
}

const sector: usize = allocate(512);
const hash: usize = memory.data(32, 16);

/** Opens the image in the window; null after a fault. The image takes the device over. */
export function imageOpenOn(device: Device): Image | null {
  const address = allocateZeroed(offsetof<Image>());
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const image = changetype<Image>(address);
  image.device = device;
  let code = readSuperblock(image);
  if (code === ErrorCode.OK) code = readIndex(image);
  if (code === ErrorCode.OK) code = checkNodes(image);
  if (code === ErrorCode.OK) return image;
  imageDrop(image);
  return null;
}

/** Releases everything, the device window too. */
export function imageCloseAll(image: Image): void {
  deviceClose(image.device);
  imageDrop(image);
}

/** Bytes of memory for an index: whole sectors. */
function indexRoom(length: u32): u32 {
  return (length + SECTOR_SIZE - 1) & ~(SECTOR_SIZE - 1);
}

function imageDrop(image: Image): void {
  if (image.index !== 0) release(image.index, indexRoom(image.indexLength));
  release(changetype<usize>(image), offsetof<Image>());
}

/** Address of node `number`, which must be less than `image.nodes`. */
export function nodeAt(image: Image, number: u32): usize {
  return image.index + <usize>(number * RO_NODE_SIZE);
}

function readSuperblock(image: Image): ErrorCode {
  const device = image.device;
  if (device.sectors === 0) {
    return deviceFail(device, ErrorCode.EMEDIUMTYPE, Reason.MAGIC, 0, 0);
  }
  const code = deviceRead(device, 0, sector, SECTOR_SIZE);
  if (code !== ErrorCode.OK) return code;
  if (load<u32>(sector) !== RO_MAGIC_LOW || load<u32>(sector, 4) !== RO_MAGIC_HIGH) {
    return deviceFail(device, ErrorCode.EMEDIUMTYPE, Reason.MAGIC, 0, 0);
  }
  const sum = xxh64(sector, RO_SUPERBLOCK_CHECKSUM, 0);
  if (sum !== load<u64>(sector, RO_SUPERBLOCK_CHECKSUM)) return bad(image, Reason.CHECKSUM, 0);
  if (load<u16>(sector, RO_SUPERBLOCK_MAJOR) !== RO_MAJOR) {
    return deviceFail(device, ErrorCode.EOPNOTSUPP, Reason.VERSION, 0, RO_SUPERBLOCK_MAJOR);
  }
  if (load<u64>(sector, RO_SUPERBLOCK_SELF_LBA) !== 0) return bad(image, Reason.SELF_LBA, 0);
  const reserved = RO_SUPERBLOCK_SELF_LBA - RO_SUPERBLOCK_RESERVED;
  if (!isZero(sector + RO_SUPERBLOCK_RESERVED, reserved)) return bad(image, Reason.PADDING, 0);
  image.sectors = load<u64>(sector, RO_SUPERBLOCK_SECTORS);
  if (image.sectors > device.sectors) return bad(image, Reason.CAPACITY, RO_SUPERBLOCK_SECTORS);
  const field = checkGeometry(image);
  return field === 0 ? ErrorCode.OK : bad(image, Reason.FIELD, field);
}

/**
 * The place of everything follows from the length of the index, so no field is free to lie: answers
 * the offset of the first that is wrong, 0 if none is.
 */
function checkGeometry(image: Image): u32 {
  const length = load<u64>(sector, RO_SUPERBLOCK_INDEX_LENGTH);
  const nodes = load<u32>(sector, RO_SUPERBLOCK_NODES);
  if (load<u64>(sector, RO_SUPERBLOCK_INDEX_LBA) !== <u64>RO_INDEX_LBA) {
    return RO_SUPERBLOCK_INDEX_LBA;
  }
  if (length > <u64>RO_INDEX_MAX || length > image.sectors << SECTOR_SHIFT) {
    return RO_SUPERBLOCK_INDEX_LENGTH;
  }
  if (nodes === 0 || <u64>nodes * <u64>RO_NODE_SIZE > length) return RO_SUPERBLOCK_NODES;
  const dataLba = <u64>RO_INDEX_LBA + <u64>(indexRoom(<u32>length) >>> SECTOR_SHIFT);
  if (load<u64>(sector, RO_SUPERBLOCK_DATA_LBA) !== dataLba || dataLba > image.sectors) {
    return RO_SUPERBLOCK_DATA_LBA;
  }
  image.indexLength = <u32>length;
  image.nodes = nodes;
  image.dataLba = dataLba;
  memory.copy(hash, sector + RO_SUPERBLOCK_INDEX_HASH, 32);
  return 0;
}

function readIndex(image: Image): ErrorCode {
  const room = indexRoom(image.indexLength);
  image.index = allocate(room);
  if (image.index === 0) return failPlain(ErrorCode.ENOMEM);
  const code = deviceRead(image.device, <u64>RO_INDEX_LBA, image.index, room);
  if (code !== ErrorCode.OK) return code;
  sha256(image.index, image.indexLength, sector);
  if (!equalBytes(sector, hash, 32)) return badIndex(image, Reason.CONTENT_HASH, 0);
  if (!isZero(image.index + image.indexLength, room - image.indexLength)) {
    return badIndex(image, Reason.PADDING, 0);
  }
  return ErrorCode.OK;
}

/** Every rule of the node table, in one pass: order, names, types, places, depth. */
function checkNodes(image: Image): ErrorCode {
  const depths = allocate((<usize>image.nodes) << 1);
  if (depths === 0) return failPlain(ErrorCode.ENOMEM);
  let names = image.nodes * RO_NODE_SIZE;
  let place = image.dataLba;
  let number: u32 = 0;
  let reason = Reason.NONE;
  store<u16>(depths, 0);
  for (; number < image.nodes; number++) {
    const node = nodeAt(image, number);
    reason = Reason.FIELD;
    if (load<u32>(node, RO_NODE_NAME_OFFSET) !== names) break;
    names += <u32>load<u16>(node, RO_NODE_NAME_LENGTH);
    if (names > image.indexLength) break;
    reason = number === 0 ? checkRoot(image) : checkPlace(image, number, depths);
    if (reason === Reason.NONE) reason = checkContent(image, node, place);
    if (reason !== Reason.NONE) break;
    place += sectorsOf(load<u64>(node, RO_NODE_LENGTH));
  }
  release(depths, (<usize>image.nodes) << 1);
  if (reason === Reason.NONE && names !== image.indexLength) reason = Reason.FIELD;
  if (reason !== Reason.NONE) return badNode(image, reason, number);
  return place === image.sectors ? ErrorCode.OK : bad(image, Reason.FIELD, RO_SUPERBLOCK_SECTORS);
}

/** What is wrong with the root, Reason.NONE if nothing is: as the next two answer. */
function checkRoot(image: Image): Reason {
  const root = nodeAt(image, 0);
  const isRoot = load<u32>(root) === 0 && load<u16>(root, RO_NODE_NAME_LENGTH) === 0;
  if (isRoot && load<u8>(root, RO_NODE_TYPE) === <u8>FileType.DIRECTORY) return Reason.NONE;
  return Reason.FIELD;
}

/** Parent, name and order of a node other than the root. */
function checkPlace(image: Image, number: u32, depths: usize): Reason {
  const node = nodeAt(image, number);
  const parent = load<u32>(node);
  if (parent >= number) return Reason.POINTER;
  const above = nodeAt(image, parent);
  if (load<u8>(above, RO_NODE_TYPE) !== <u8>FileType.DIRECTORY) {
    return Reason.POINTER;
  }
  const depth = load<u16>(depths + ((<usize>parent) << 1)) + 1;
  if (depth > <u16>DEPTH_MAX) return Reason.LEVEL;
  store<u16>(depths + ((<usize>number) << 1), depth);
  const length = <u32>load<u16>(node, RO_NODE_NAME_LENGTH);
  if (nameCheck(nameOf(image, node), length) !== ErrorCode.OK) {
    return Reason.FIELD;
  }
  if (number === 1) return Reason.NONE;
  const before = nodeAt(image, number - 1);
  const order = compareNode(image, before, parent, nameOf(image, node), length);
  if (order < 0) return Reason.NONE;
  return order === 0 ? Reason.DUPLICATE : Reason.KEY_ORDER;
}

/** Type, mode and place of the content; `place` is the only sector where it may begin. */
function checkContent(image: Image, node: usize, place: u64): Reason {
  const type = <u32>load<u8>(node, RO_NODE_TYPE);
  const mode = load<u32>(node, RO_NODE_MODE);
  const length = load<u64>(node, RO_NODE_LENGTH);
  if (mode > 0xffff || (mode & MODE_TYPE) !== typeMode(type)) {
    return Reason.FIELD;
  }
  if (load<u8>(node, RO_NODE_RESERVED) !== 0) return Reason.PADDING;
  if (type === FileType.DIRECTORY) {
    const empty = isZero(node + RO_NODE_LENGTH, RO_NODE_SIZE - RO_NODE_LENGTH);
    return empty ? Reason.NONE : Reason.PADDING;
  }
  if (type === FileType.SYMLINK && (length === 0 || length > <u64>SYMLINK_MAX)) {
    return Reason.FIELD;
  }
  if (load<u64>(node, RO_NODE_DATA_LBA) !== (length === 0 ? 0 : place)) {
    return Reason.OVERLAP;
  }
  const fits = sectorsOf(length) <= image.sectors - place && length >>> 62 === 0;
  return fits ? Reason.NONE : Reason.OUT_OF_RANGE;
}

/** The type bits of a mode, 0 for a type that the format does not have. */
export function typeMode(type: u32): u32 {
  if (type === FileType.FILE) return MODE_FILE;
  if (type === FileType.DIRECTORY) return MODE_DIRECTORY;
  return type === FileType.SYMLINK ? MODE_SYMLINK : 0;
}

export function sectorsOf(length: u64): u64 {
  return (length >>> SECTOR_SHIFT) + <u64>((length & <u64>(SECTOR_SIZE - 1)) !== 0);
}

export function nameOf(image: Image, node: usize): usize {
  return image.index + <usize>load<u32>(node, RO_NODE_NAME_OFFSET);
}

/** Order of a node against (parent, name): negative, 0 or positive. */
export function compareNode(image: Image, node: usize, parent: u32, name: usize, length: u32): i32 {
  const own = load<u32>(node, RO_NODE_PARENT);
  if (own !== parent) return own < parent ? -1 : 1;
  const ownLength = <u32>load<u16>(node, RO_NODE_NAME_LENGTH);
  return compareBytes(nameOf(image, node), ownLength, name, length);
}

function bad(image: Image, reason: Reason, detail: u32): ErrorCode {
  return deviceFail(image.device, ErrorCode.EBADMSG, reason, 0, detail);
}

function badIndex(image: Image, reason: Reason, detail: u32): ErrorCode {
  return deviceFail(image.device, ErrorCode.EBADMSG, reason, <u64>RO_INDEX_LBA, detail);
}

function badNode(image: Image, reason: Reason, number: u32): ErrorCode {
  const at = <u64>RO_INDEX_LBA + ((<u64>number * <u64>RO_NODE_SIZE) >>> SECTOR_SHIFT);
  return deviceFail(image.device, ErrorCode.EBADMSG, reason, at, number);
}

if (RO_SUPERBLOCK_CHECKSUM + 8 !== RO_SUPERBLOCK_SIZE) ERROR("the checksum must come last");
if (RO_NODE_HASH + 32 !== RO_NODE_SIZE) ERROR("RO_NODE_HASH must be the last field");
