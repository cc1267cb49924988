/**
 * CAPOSRO1: content, verified by its hash before the first byte is given out. A small file stays in
 * memory while it is open; a large one is hashed once for each handle and then read where asked.
 */
import { equalBytes, isZero } from "../../engine/bytes";
import { deviceFail, deviceRead } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import {
  SHA256_STATE_SIZE,
  sha256,
  sha256Begin,
  sha256End,
  sha256Update,
} from "../../engine/hash/sha256";
import { allocate, release } from "../../engine/memory";
import { Reason, SECTOR_SHIFT, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { RO_NODE_DATA_LBA, RO_NODE_HASH, RO_NODE_LENGTH } from "../../format/ro";
import { Image, nodeAt, sectorsOf } from "./image";

/** Up to this size a file is read at once, hashed at once and kept while it is open. */
const KEPT_MAX: u64 = 1 << 20;
const STEP_SIZE: u32 = 1 << 18;

const state: usize = memory.data(112, 16);
const found: usize = memory.data(32, 16);
const edge: usize = allocate(512);

/** What one handle knows of a file's content. */
@unmanaged
export class Content {
  image: Image;
  node: u32;
  /** The hash was right when this handle looked. */
  verified: bool;
  /** The whole content, 0 if it is not kept. */
  kept: usize;
}

export function contentOpen(image: Image, node: u32): Content | null {
  const address = allocate(offsetof<Content>());
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const content = changetype<Content>(address);
  content.image = image;
  content.node = node;
  content.verified = false;
  content.kept = 0;
  return content;
}

export function contentClose(content: Content): void {
  contentForget(content);
  release(changetype<usize>(content), offsetof<Content>());
}

/** Drops the kept bytes and the verdict: the next read looks again. */
export function contentForget(content: Content): void {
  if (content.kept !== 0) release(content.kept, roomOf(lengthOf(content)));
  content.kept = 0;
  content.verified = false;
}

function lengthOf(content: Content): u64 {
  return load<u64>(nodeAt(content.image, content.node), RO_NODE_LENGTH);
}

function roomOf(length: u64): u32 {
  return (<u32>sectorsOf(length)) << SECTOR_SHIFT;
}

/** Reads up to `length` bytes from `offset`: the count, 0 at the end, or EIO, EBADMSG, ENOMEM. */
export function contentRead(content: Content, offset: u64, out: usize, length: u32): i32 {
  const total = lengthOf(content);
  if (!content.verified) {
    const code = verify(content);
    if (code !== ErrorCode.OK) return code;
    content.verified = true;
  }
  if (offset >= total) return 0;
  const wanted = <u32>min<u64>(<u64>length, total - offset);
  if (content.kept !== 0) {
    memory.copy(out, content.kept + <usize>offset, wanted);
    return <i32>wanted;
  }
  const code = readRange(content, offset, out, wanted);
  return code === ErrorCode.OK ? <i32>wanted : code;
}

/** Verifies the content: OK, EBADMSG naming the first sector of the file, or EIO. */
export function contentVerify(content: Content): ErrorCode {
  contentForget(content);
  const code = verify(content);
  contentForget(content);
  return code;
}

/** Reads and hashes all, at once and keeping it if it is small, else in steps. */
function verify(content: Content): ErrorCode {
  const device = content.image.device;
  const node = nodeAt(content.image, content.node);
  const length = lengthOf(content);
  const keeps = length <= KEPT_MAX;
  const room = keeps ? roomOf(length) : STEP_SIZE;
  const block = allocate(room);
  if (block === 0) return failPlain(ErrorCode.ENOMEM);
  let lba = load<u64>(node, RO_NODE_DATA_LBA);
  let code = ErrorCode.OK;
  let padded = true;
  sha256Begin(state);
  for (let left = length; left > 0 && code === ErrorCode.OK; ) {
    const piece = <u32>min<u64>(<u64>room, left);
    const whole = roomOf(piece);
    code = deviceRead(device, lba, block, whole);
    if (!keeps) sha256Update(state, block, piece);
    padded = padded && isZero(block + piece, whole - piece);
    lba += <u64>(whole >>> SECTOR_SHIFT);
    left -= <u64>piece;
  }
  if (code === ErrorCode.OK) {
    if (keeps) sha256(block, <u32>length, found);
    else sha256End(state, found);
    if (!equalBytes(found, node + RO_NODE_HASH, 32)) code = bad(content, Reason.CONTENT_HASH);
    else if (!padded) code = bad(content, Reason.PADDING);
  }
  if (keeps && code === ErrorCode.OK) content.kept = block;
  else release(block, room);
  return code;
}

/** Whole sectors go straight to `out`; the ends through a sector of our own. */
function readRange(content: Content, offset: u64, out: usize, length: u32): ErrorCode {
  const device = content.image.device;
  let lba = load<u64>(nodeAt(content.image, content.node), RO_NODE_DATA_LBA);
  lba += offset >>> SECTOR_SHIFT;
  let skip = <u32>(offset & <u64>(SECTOR_SIZE - 1));
  while (length > 0) {
    if (skip === 0 && length >= SECTOR_SIZE) {
      const whole = length & ~(SECTOR_SIZE - 1);
      const code = deviceRead(device, lba, out, whole);
      if (code !== ErrorCode.OK) return code;
      out += whole;
      length -= whole;
      lba += <u64>(whole >>> SECTOR_SHIFT);
      continue;
    }
    const code = deviceRead(device, lba, edge, SECTOR_SIZE);
    if (code !== ErrorCode.OK) return code;
    const piece = min<u32>(SECTOR_SIZE - skip, length);
    memory.copy(out, edge + skip, piece);
    out += piece;
    length -= piece;
    lba += 1;
    skip = 0;
  }
  return ErrorCode.OK;
}

function bad(content: Content, reason: Reason): ErrorCode {
  const lba = load<u64>(nodeAt(content.image, content.node), RO_NODE_DATA_LBA);
  return deviceFail(content.image.device, ErrorCode.EBADMSG, reason, lba, content.node);
}
if (SHA256_STATE_SIZE > 112) ERROR("the state of the hash is too small");
