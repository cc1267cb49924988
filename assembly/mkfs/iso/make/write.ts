/**
 * Writes an image: content first, as it comes, then catalog, path tables, records and long names,
 * then, behind a FLUSH, the descriptors. What lies between is zeroed; the boot image is left alone.
 */
import { deviceFlush, deviceWrite, deviceZero } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import { BLOCK_SECTORS, BLOCK_SHIFT, BLOCK_SIZE, DESCRIPTORS_LBA } from "../../../format/media/iso";
import { BUFFER_BYTES, Build, listed, NO_MORE, nodeAt, Stage, View } from "./build";
import { catalogStore, descriptorsStore } from "./descriptors";
import { behind, CATALOG_LBA } from "./layout";
import { Kind, longNameLength, longNameStore, pathStore, recordStore, recordsOf } from "./record";

const PAGE: u32 = 4096;
/** A record, an entry of a path table, a long name: none is longer. */
const piece: usize = memory.data(512, 16);
/** One block, for what is made whole. */
const block: usize = memory.data(2048, 16);

/** The next bytes of content, in the order of the nodes. EINVAL: more than the nodes have. */
export function buildWrite(build: Build, address: usize, length: u32): ErrorCode {
  const code = begin(build);
  if (code !== ErrorCode.OK) return code;
  while (length > 0) {
    skipEmpty(build);
    if (build.current === build.nodes) return failPlain(ErrorCode.EINVAL);
    const part = <u32>min<u64>(<u64>length, build.remaining);
    const put = append(build, address, part);
    if (put !== ErrorCode.OK) return put;
    address += part;
    length -= part;
    build.remaining -= <u64>part;
    const padded = build.remaining === 0 ? padTo(build, BLOCK_SIZE) : ErrorCode.OK;
    if (padded !== ErrorCode.OK) return padded;
  }
  return ErrorCode.OK;
}

/** Writes all that is not content: from here on it is an image. EINVAL: content is missing. */
export function buildFinish(build: Build): ErrorCode {
  let code = begin(build);
  if (code !== ErrorCode.OK) return code;
  skipEmpty(build);
  if (build.current !== build.nodes) return failPlain(ErrorCode.EINVAL);
  build.stage = Stage.FINISHED;
  code = padTo(build, PAGE);
  if (code === ErrorCode.OK) code = drain(build);
  if (code === ErrorCode.OK) code = zeroGaps(build, build.at);
  if (code === ErrorCode.OK) code = writeHead(build);
  if (code === ErrorCode.OK) code = deviceFlush(build.device);
  if (code !== ErrorCode.OK) return code;
  descriptorsStore(build, build.buffer);
  // From here on the image is what the device holds.
  code = deviceWrite(build.device, sectorOf(DESCRIPTORS_LBA), build.buffer, 4 * BLOCK_SIZE);
  return code === ErrorCode.OK ? deviceFlush(build.device) : code;
}

/** Before the first byte: what was an image here before is none any more. */
function begin(build: Build): ErrorCode {
  if (build.stage === Stage.CONTENT) return ErrorCode.OK;
  if (build.stage !== Stage.LAID_OUT) return failPlain(ErrorCode.EINVAL);
  build.stage = Stage.CONTENT;
  build.at = (<u64>build.dataLba) << (<u64>BLOCK_SHIFT);
  build.current = 0;
  build.remaining = 0;
  const code = deviceZero(build.device, 0, sectorOf(CATALOG_LBA));
  return code === ErrorCode.OK ? deviceFlush(build.device) : code;
}

/** Goes on to the next node that needs content. */
function skipEmpty(build: Build): void {
  while (build.remaining === 0 && build.current < build.nodes) {
    build.current += 1;
    if (build.current < build.nodes) build.remaining = nodeAt(build, build.current).bytes;
  }
}

/** Zeros from the end of the content to the boot image, and from its end to that of the image. */
function zeroGaps(build: Build, contentEnd: u64): ErrorCode {
  const device = build.device;
  const from = contentEnd >>> 9;
  const end = sectorOf(build.blocks);
  if (build.bootLba === 0) return deviceZero(device, from, end - from);
  const boot = sectorOf(build.bootLba);
  const code = from < boot ? deviceZero(device, from, boot - from) : ErrorCode.OK;
  if (code !== ErrorCode.OK) return code;
  // Devices of large blocks take whole ones.
  const behindBoot = (boot + build.bootSectors + 7) & ~7;
  return deviceZero(device, behindBoot, end - behindBoot);
}

function writeHead(build: Build): ErrorCode {
  build.at = (<u64>CATALOG_LBA) << (<u64>BLOCK_SHIFT);
  catalogStore(build, block);
  let code = append(build, block, BLOCK_SIZE);
  for (let order: u32 = 0; order < 4 && code === ErrorCode.OK; order++) {
    code = writePaths(build, order < 2 ? build.plain : build.joliet, (order & 1) === 1);
  }
  if (code === ErrorCode.OK) code = writeFolders(build, build.plain);
  if (code === ErrorCode.OK) code = writeFolders(build, build.joliet);
  if (code === ErrorCode.OK) code = writeNames(build);
  if (code === ErrorCode.OK) code = padTo(build, PAGE);
  return code === ErrorCode.OK ? drain(build) : code;
}

function writePaths(build: Build, view: View, isBig: bool): ErrorCode {
  for (let index: u32 = 0; index < build.folders; index++) {
    const length = pathStore(build, view, listed(view.folders, index), isBig, piece);
    const code = append(build, piece, length);
    if (code !== ErrorCode.OK) return code;
  }
  return padTo(build, BLOCK_SIZE);
}

function writeFolders(build: Build, view: View): ErrorCode {
  for (let index: u32 = 0; index < build.folders; index++) {
    const code = writeFolder(build, view, listed(view.folders, index));
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

function writeFolder(build: Build, view: View, number: u32): ErrorCode {
  const folder = nodeAt(build, number);
  let code = append(build, piece, recordStore(build, view, number, Kind.SELF, 0, piece));
  if (code !== ErrorCode.OK) return code;
  code = append(build, piece, recordStore(build, view, folder.parent, Kind.PARENT, 0, piece));
  for (let child: u32 = 0; child < folder.children && code === ErrorCode.OK; child++) {
    const entry = listed(view.order, folder.firstChild + child);
    const records = recordsOf(nodeAt(build, entry));
    for (let extent: u32 = 0; extent < records && code === ErrorCode.OK; extent++) {
      code = appendWhole(build, recordStore(build, view, entry, Kind.NAMED, extent, piece));
    }
  }
  return code === ErrorCode.OK ? padTo(build, BLOCK_SIZE) : code;
}

function writeNames(build: Build): ErrorCode {
  for (let number: u32 = 1; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    if (node.more === NO_MORE) continue;
    longNameStore(build, node, piece);
    const code = appendWhole(build, longNameLength(node));
    if (code !== ErrorCode.OK) return code;
  }
  return padTo(build, BLOCK_SIZE);
}

/** Appends `length` bytes of `piece`, in the next block if they do not fit into this one. */
function appendWhole(build: Build, length: u32): ErrorCode {
  const at = <u32>(build.at + <u64>build.filled) & (BLOCK_SIZE - 1);
  if (behind(at, length) !== at) {
    const code = padTo(build, BLOCK_SIZE);
    if (code !== ErrorCode.OK) return code;
  }
  return append(build, piece, length);
}

/** Zeros up to a multiple of `unit`, a power of two. */
function padTo(build: Build, unit: u32): ErrorCode {
  let missing = (unit - (<u32>(build.at + <u64>build.filled) & (unit - 1))) & (unit - 1);
  memory.fill(block, 0, BLOCK_SIZE);
  while (missing > 0) {
    const part = min<u32>(missing, BLOCK_SIZE);
    const code = append(build, block, part);
    if (code !== ErrorCode.OK) return code;
    missing -= part;
  }
  return ErrorCode.OK;
}

function append(build: Build, address: usize, length: u32): ErrorCode {
  while (length > 0) {
    const part = min<u32>(length, BUFFER_BYTES - build.filled);
    memory.copy(build.buffer + build.filled, address, part);
    build.filled += part;
    address += part;
    length -= part;
    if (build.filled < BUFFER_BYTES) continue;
    const code = drain(build);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

function drain(build: Build): ErrorCode {
  const length = build.filled;
  build.filled = 0;
  if (length === 0) return ErrorCode.OK;
  const code = deviceWrite(build.device, build.at >>> 9, build.buffer, length);
  build.at += <u64>length;
  return code;
}

function sectorOf(lba: u32): u64 {
  return <u64>lba * <u64>BLOCK_SECTORS;
}
