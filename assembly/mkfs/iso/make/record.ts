/**
 * Records of both trees as bytes. How long one is and what it holds is said once: a record is made
 * in memory, and whoever lays out asks for its length alone.
 */
import { IsoType } from "../../../format/media/calls";
import {
  EXTENT_BYTES_MAX,
  PATH_LBA,
  PATH_NAME_LENGTH,
  PATH_PARENT,
  PATH_SIZE,
  RECORD_BYTES,
  RECORD_FLAGS,
  RECORD_IS_CONTINUED,
  RECORD_IS_DIRECTORY,
  RECORD_LBA,
  RECORD_LENGTH,
  RECORD_NAME_LENGTH,
  RECORD_SEQUENCE,
  RECORD_SIZE,
  RECORD_TIME,
} from "../../../format/media/iso";
import {
  CE_BYTES,
  CE_LBA,
  CE_OFFSET,
  CE_SIZE,
  ER_EXTENSION,
  ER_ID_LENGTH,
  ER_SIZE,
  NM_CONTINUES,
  NM_FLAGS,
  NM_SIZE,
  PX_LINKS,
  PX_MODE,
  PX_SIZE,
  SP_CHECK,
  SP_CHECK_VALUE,
  SP_SIZE,
  SUSP_CE,
  SUSP_ER,
  SUSP_LENGTH,
  SUSP_NM,
  SUSP_PX,
  SUSP_SIGNATURE,
  SUSP_SP,
  SUSP_TF,
  SUSP_VERSION,
  TF_FLAGS,
  TF_HAS_ATTRIBUTES,
  TF_HAS_MODIFY,
  TF_SIZE,
} from "../../../format/media/rock";
import { storeShortTime } from "../time";
import { Build, idAt, NO_MORE, Node, nodeAt, placeAt, View } from "./build";

/** The longest record, even. */
const RECORD_MAX: u32 = 254;
/** ";1": the version of every file. */
const VERSION: u16 = 0x313b;
const VERSION_SIZE: u32 = 2;
const TIMES_SIZE: u32 = TF_SIZE + 14;
/** Bytes of a name in one entry. */
const NAME_PART_MAX: u32 = 250;
/** "RRIP_1991A" */
const EXTENSION: usize = memory.data<u8>([
  0x52, 0x52, 0x49, 0x50, 0x5f, 0x31, 0x39, 0x39, 0x31, 0x41,
]);
const EXTENSION_LENGTH: u32 = 10;
const MODE_FILE: u32 = 0o100000;
const MODE_DIRECTORY: u32 = 0o040000;

/** Which record of a node is meant. */
export enum Kind {
  NAMED = 0,
  /** "." */
  SELF = 1,
  /** ".." */
  PARENT = 2,
}

/** Records that a node has in its directory: one for each extent. */
export function recordsOf(node: Node): u32 {
  const most = <u64>EXTENT_BYTES_MAX;
  return node.bytes <= most ? 1 : <u32>((node.bytes + most - 1) / most);
}

export function recordLength(build: Build, view: View, number: u32, kind: Kind): u32 {
  const id = idRoom(build, view, number, kind);
  if (view.isJoliet) return id;
  let area = PX_SIZE + TIMES_SIZE;
  if (kind === Kind.SELF && number === 0) area += SP_SIZE + ER_SIZE + EXTENSION_LENGTH;
  if (kind === Kind.NAMED) {
    const node = nodeAt(build, number);
    const name = NM_SIZE + node.nameLength;
    area += isLong(build, view, number) ? CE_SIZE : name;
  }
  return (id + area + 1) & ~1;
}

/** True if the name of a node stands in the continuation areas, for its record is too short. */
export function isLong(build: Build, view: View, number: u32): bool {
  const id = idRoom(build, view, number, Kind.NAMED);
  const name = NM_SIZE + nodeAt(build, number).nameLength;
  return id + PX_SIZE + TIMES_SIZE + name > RECORD_MAX;
}

/** Bytes of the entries that a long name takes. */
export function longNameLength(node: Node): u32 {
  const parts: u32 = node.nameLength > NAME_PART_MAX ? 2 : 1;
  return node.nameLength + parts * NM_SIZE;
}

/** Writes the entries of a long name. */
export function longNameStore(build: Build, node: Node, out: usize): void {
  const name = build.names + node.nameOffset;
  const first = min<u32>(node.nameLength, NAME_PART_MAX);
  const rest = node.nameLength - first;
  nameStore(out, name, first, rest > 0);
  if (rest > 0) nameStore(out + NM_SIZE + first, name + first, rest, false);
}

/**
 * Writes a record; `extent` counts those of a file. `number` is the node that it tells of: of "..",
 * the parent. Answers its length.
 */
export function recordStore(
  build: Build,
  view: View,
  number: u32,
  kind: Kind,
  extent: u32,
  out: usize,
): u32 {
  const node = nodeAt(build, number);
  const length = recordLength(build, view, number, kind);
  memory.fill(out, 0, length);
  store<u8>(out, <u8>length, RECORD_LENGTH);
  if (node.type === IsoType.DIRECTORY) {
    const place = placeAt(view, number);
    storeBoth(out + RECORD_LBA, place.lba);
    storeBoth(out + RECORD_BYTES, place.bytes);
    store<u8>(out, <u8>RECORD_IS_DIRECTORY, RECORD_FLAGS);
  } else {
    extentStore(node, extent, out);
  }
  storeShortTime(out + RECORD_TIME, build.timestampMs);
  storeBoth16(out + RECORD_SEQUENCE, 1);
  const idLength = idStore(view, node, number, kind, out + RECORD_SIZE);
  store<u8>(out, <u8>idLength, RECORD_NAME_LENGTH);
  if (!view.isJoliet) {
    const area = out + <usize>((RECORD_SIZE + idLength + 1) & ~1);
    rockStore(build, number, kind, area);
  }
  return length;
}

/** Writes an entry of a path table, in one of both orders: its length. */
export function pathStore(build: Build, view: View, number: u32, isBig: bool, out: usize): u32 {
  const node = nodeAt(build, number);
  const place = placeAt(view, number);
  const length: u32 = number === 0 ? 1 : place.idLength;
  const parent = <u16>placeAt(view, node.parent).number;
  store<u16>(out, 0);
  store<u8>(out, <u8>length, PATH_NAME_LENGTH);
  store<u32>(out, isBig ? bswap<u32>(place.lba) : place.lba, PATH_LBA);
  store<u16>(out, isBig ? bswap<u16>(parent) : parent, PATH_PARENT);
  store<u8>(out + PATH_SIZE, 0);
  if (number > 0) memory.copy(out + PATH_SIZE, idAt(view, number), length);
  const padded = (PATH_SIZE + length + 1) & ~1;
  if (padded > PATH_SIZE + length) store<u8>(out + padded - 1, 0);
  return padded;
}

/** A number in both orders. */
export function storeBoth(address: usize, value: u32): void {
  store<u32>(address, value);
  store<u32>(address, bswap<u32>(value), 4);
}

export function storeBoth16(address: usize, value: u16): void {
  store<u16>(address, value);
  store<u16>(address, bswap<u16>(value), 2);
}

function extentStore(node: Node, extent: u32, out: usize): void {
  const start = <u64>extent * <u64>EXTENT_BYTES_MAX;
  const bytes = <u32>min<u64>(node.bytes - start, EXTENT_BYTES_MAX);
  const isLast = start + <u64>bytes === node.bytes;
  storeBoth(out + RECORD_LBA, node.bytes === 0 ? 0 : node.lba + <u32>(start >>> 11));
  storeBoth(out + RECORD_BYTES, bytes);
  if (!isLast) store<u8>(out, <u8>RECORD_IS_CONTINUED, RECORD_FLAGS);
}

/** Head and identifier of a record, padded to an even end. */
function idRoom(build: Build, view: View, number: u32, kind: Kind): u32 {
  if (kind !== Kind.NAMED) return RECORD_SIZE + 1;
  const isFile = nodeAt(build, number).type === IsoType.FILE;
  const version = isFile && !view.isJoliet ? VERSION_SIZE : 0;
  return (RECORD_SIZE + placeAt(view, number).idLength + version + 1) & ~1;
}

function idStore(view: View, node: Node, number: u32, kind: Kind, out: usize): u32 {
  if (kind !== Kind.NAMED) {
    store<u8>(out, kind === Kind.SELF ? 0 : 1);
    return 1;
  }
  const length = placeAt(view, number).idLength;
  memory.copy(out, idAt(view, number), length);
  if (view.isJoliet || node.type !== IsoType.FILE) return length;
  store<u16>(out + length, VERSION);
  return length + VERSION_SIZE;
}

function rockStore(build: Build, number: u32, kind: Kind, area: usize): void {
  const node = nodeAt(build, number);
  const isRoot = kind === Kind.SELF && number === 0;
  if (isRoot) {
    headStore(area, SUSP_SP, SP_SIZE);
    store<u16>(area, <u16>SP_CHECK_VALUE, SP_CHECK);
    area += SP_SIZE;
  }
  const isFolder = node.type === IsoType.DIRECTORY;
  headStore(area, SUSP_PX, PX_SIZE);
  storeBoth(area + PX_MODE, (isFolder ? MODE_DIRECTORY : MODE_FILE) | node.mode);
  storeBoth(area + PX_LINKS, isFolder ? node.folders + 2 : 1);
  area += PX_SIZE;
  headStore(area, SUSP_TF, TIMES_SIZE);
  store<u8>(area, <u8>(TF_HAS_MODIFY | TF_HAS_ATTRIBUTES), TF_FLAGS);
  storeShortTime(area + TF_SIZE, build.timestampMs);
  storeShortTime(area + TF_SIZE + 7, build.timestampMs);
  area += TIMES_SIZE;
  if (isRoot) {
    headStore(area, SUSP_ER, ER_SIZE + EXTENSION_LENGTH);
    store<u8>(area, <u8>EXTENSION_LENGTH, ER_ID_LENGTH);
    store<u8>(area, 1, ER_EXTENSION);
    memory.copy(area + ER_SIZE, EXTENSION, EXTENSION_LENGTH);
  }
  if (kind !== Kind.NAMED) return;
  if (node.more === NO_MORE) {
    nameStore(area, build.names + node.nameOffset, node.nameLength, false);
    return;
  }
  headStore(area, SUSP_CE, CE_SIZE);
  storeBoth(area + CE_LBA, build.moreLba + (node.more >>> 11));
  storeBoth(area + CE_OFFSET, node.more & 2047);
  storeBoth(area + CE_BYTES, longNameLength(node));
}

function nameStore(out: usize, name: usize, length: u32, continues: bool): void {
  headStore(out, SUSP_NM, NM_SIZE + length);
  store<u8>(out, continues ? <u8>NM_CONTINUES : 0, NM_FLAGS);
  memory.copy(out + NM_SIZE, name, length);
}

function headStore(out: usize, signature: u32, length: u32): void {
  store<u16>(out, <u16>signature, SUSP_SIGNATURE);
  store<u8>(out, <u8>length, SUSP_LENGTH);
  store<u8>(out, 1, SUSP_VERSION);
}
