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
const edge: usize = memory.data(512, 16);

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
    const code = total <= KEPT_MAX ? verifyKept(content) : verifyLarge(content);
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
  const code = lengthOf(content) <= KEPT_MAX ? verifyKept(content) : verifyLarge(content);
  contentForget(content);
  return code;
}

function verifyKept(content: Content): ErrorCode {
  const node = nodeAt(content.image, content.node);
  const length = <u32>lengthOf(content);
  const room = roomOf(length);
  if (room !== 0) {
    const kept = allocate(room);
    if (kept === 0) return failPlain(ErrorCode.ENOMEM);
    content.kept = kept;
    const lba = load<u64>(node, RO_NODE_DATA_LBA);
    const code = deviceRead(content.image.device, lba, kept, room);
    if (code !== ErrorCode.OK) return drop(content, code);
  }
  sha256(content.kept, length, found);
  if (!equalBytes(found, node + RO_NODE_HASH, 32)) {
    return drop(content, bad(content, Reason.CONTENT_HASH));
  }
  if (isZero(content.kept + length, room - length)) return ErrorCode.OK;
  return drop(content, bad(content, Reason.PADDING));
}

function verifyLarge(content: Content): ErrorCode {
  const node = nodeAt(content.image, content.node);
  const step = allocate(STEP_SIZE);
  if (step === 0) return failPlain(ErrorCode.ENOMEM);
  const length = lengthOf(content);
  const lba = load<u64>(node, RO_NODE_DATA_LBA);
  let code = ErrorCode.OK;
  let padded = true;
  sha256Begin(state);
  for (let at: u64 = 0; at < length; at += <u64>STEP_SIZE) {
    const piece = <u32>min<u64>(<u64>STEP_SIZE, length - at);
    const room = roomOf(piece);
    code = deviceRead(content.image.device, lba + (at >>> SECTOR_SHIFT), step, room);
    if (code !== ErrorCode.OK) break;
    sha256Update(state, step, piece);
    padded = padded && isZero(step + piece, room - piece);
  }
  release(step, STEP_SIZE);
  if (code !== ErrorCode.OK) return code;
  sha256End(state, found);
  if (!equalBytes(found, node + RO_NODE_HASH, 32)) return bad(content, Reason.CONTENT_HASH);
  return padded ? ErrorCode.OK : bad(content, Reason.PADDING);
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

function drop(content: Content, code: ErrorCode): ErrorCode {
  contentForget(content);
  return code;
}

function bad(content: Content, reason: Reason): ErrorCode {
  const lba = load<u64>(nodeAt(content.image, content.node), RO_NODE_DATA_LBA);
  return deviceFail(content.image.device, ErrorCode.EBADMSG, reason, lba, content.node);
}
if (SHA256_STATE_SIZE > 112) ERROR("the state of the hash is too small");
