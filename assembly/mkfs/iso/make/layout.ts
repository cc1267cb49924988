/**
 * Where everything of an image goes. Blocks of 2048 bytes:
 *
 *   16 descriptors | 20 boot catalog | path tables | directories, twice | long names |
 *   content of files | boot image, on a MiB | room for the backup partition table, to a whole MiB
 *
 * What follows a gap begins on a border of 4096 bytes, so that devices of such blocks can be
 * written in one stream.
 */
import { deviceFail } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  BLOCK_SECTORS,
  BLOCK_SHIFT,
  BLOCK_SIZE,
  DIRECTORIES_MAX,
  PATH_SIZE,
} from "../../../format/media/iso";
import { Build, listed, nodeAt, Place, placeAt, Stage, View, viewOpen } from "./build";
import { arrange, JOLIET_ROOM, PLAIN_ROOM } from "./order";
import { isLong, Kind, longNameLength, recordLength, recordsOf } from "./record";

/** The first block behind the descriptors. */
export const CATALOG_LBA: u32 = 20;
const MIB_BLOCKS: u64 = 512;
/** A backup partition table: 33 sectors of 512 bytes. */
const TABLE_BLOCKS: u64 = 9;
const PAIR: u32 = 2;

/**
 * Ends the nodes and gives everything its place, with `bootSectors` for the boot image. Writes
 * nothing. ENOSPC: the window is too small; EFBIG: more than the format can number.
 */
export function buildLayout(build: Build, bootSectors: u64): ErrorCode {
  if (build.stage !== Stage.NODES) return failPlain(ErrorCode.EINVAL);
  if (build.folders > DIRECTORIES_MAX) return failPlain(ErrorCode.EFBIG);
  build.stage = Stage.LAID_OUT;
  let code = viewOpen(build, build.plain, offsetof<Place>() + PLAIN_ROOM, false);
  if (code === ErrorCode.OK) {
    code = viewOpen(build, build.joliet, offsetof<Place>() + JOLIET_ROOM, true);
  }
  if (code !== ErrorCode.OK) return code;
  arrange(build, build.plain);
  arrange(build, build.joliet);
  build.catalogLba = CATALOG_LBA;
  let lba = CATALOG_LBA + 1;
  lba = placePaths(build, build.plain, lba);
  lba = placePaths(build, build.joliet, lba);
  lba = placeFolders(build, build.plain, lba);
  lba = placeFolders(build, build.joliet, lba);
  build.moreLba = lba;
  placeNames(build);
  lba += blocksOf(build.moreBytes);
  build.dataLba = (lba + PAIR - 1) & ~(PAIR - 1);
  let end = <u64>build.dataLba;
  for (let number: u32 = 1; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    node.lba = <u32>end;
    end += (node.bytes + <u64>(BLOCK_SIZE - 1)) >>> <u64>BLOCK_SHIFT;
    if (end > 0xffffffff) return failPlain(ErrorCode.EFBIG);
  }
  end = toMib(end);
  build.bootLba = bootSectors === 0 ? 0 : <u32>end;
  build.bootSectors = bootSectors;
  end = toMib(end + (bootSectors + 3) / <u64>BLOCK_SECTORS + TABLE_BLOCKS);
  if (end > 0xffffffff) return failPlain(ErrorCode.EFBIG);
  build.blocks = <u32>end;
  if (end * <u64>BLOCK_SECTORS <= build.device.sectors) return ErrorCode.OK;
  return deviceFail(build.device, ErrorCode.ENOSPC, Reason.CAPACITY, 0, build.blocks);
}

export function blocksOf(bytes: u32): u32 {
  return (bytes + BLOCK_SIZE - 1) >>> BLOCK_SHIFT;
}

function toMib(blocks: u64): u64 {
  return ((blocks + MIB_BLOCKS - 1) / MIB_BLOCKS) * MIB_BLOCKS;
}

/** Two path tables, one of each order: the block behind them. */
function placePaths(build: Build, view: View, lba: u32): u32 {
  let bytes: u32 = PATH_SIZE + 2;
  for (let index: u32 = 1; index < build.folders; index++) {
    bytes += (PATH_SIZE + placeAt(view, listed(view.folders, index)).idLength + 1) & ~1;
  }
  view.pathBytes = bytes;
  view.pathLba = lba;
  return lba + 2 * blocksOf(bytes);
}

function placeFolders(build: Build, view: View, lba: u32): u32 {
  for (let index: u32 = 0; index < build.folders; index++) {
    const number = listed(view.folders, index);
    const place = placeAt(view, number);
    place.lba = lba;
    place.bytes = folderBytes(build, view, number);
    lba += place.bytes >>> BLOCK_SHIFT;
  }
  return lba;
}

/** Bytes of a directory, whole blocks: no record crosses from one to the next. */
function folderBytes(build: Build, view: View, number: u32): u32 {
  const folder = nodeAt(build, number);
  let bytes = recordLength(build, view, number, Kind.SELF);
  bytes += recordLength(build, view, folder.parent, Kind.PARENT);
  for (let child: u32 = 0; child < folder.children; child++) {
    const entry = listed(view.order, folder.firstChild + child);
    const length = recordLength(build, view, entry, Kind.NAMED);
    for (let left = recordsOf(nodeAt(build, entry)); left > 0; left--) {
      bytes = behind(bytes, length) + length;
    }
  }
  return blocksOf(bytes) << BLOCK_SHIFT;
}

/** Where something of `length` bytes goes that must not cross a block, at `at` or later. */
export function behind(at: u32, length: u32): u32 {
  const within = at & (BLOCK_SIZE - 1);
  return within + length > BLOCK_SIZE ? at - within + BLOCK_SIZE : at;
}

/** Long names follow each other in their own blocks; none crosses from one to the next. */
function placeNames(build: Build): void {
  let bytes: u32 = 0;
  for (let number: u32 = 1; number < build.nodes; number++) {
    if (!isLong(build, build.plain, number)) continue;
    const node = nodeAt(build, number);
    const length = longNameLength(node);
    node.more = behind(bytes, length);
    bytes = node.more + length;
  }
  build.moreBytes = bytes;
}
