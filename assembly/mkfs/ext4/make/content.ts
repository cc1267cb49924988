/**
 * Content of the files, in the order of the nodes. Large pieces go from the caller's memory to
 * their place; small ones, and files that are small, gather in the buffer first.
 */
import { deviceFlush, deviceWrite, deviceZero } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import { Ext4Kind } from "../../../format/media/calls-ext4-build";
import { BLOCK_SECTORS, BLOCK_SHIFT, BLOCK_SIZE } from "../../../format/media/ext4";
import { BUFFER_BYTES, Build, NONE, nodeAt, Stage } from "./base/build";
import { bufferFlush, runEnd, runFrom, runStart, sectorOf } from "./base/space";

/** From this many bytes on a write of its own is cheaper than a copy. */
const DIRECT_BYTES: u32 = 32768;

/** The next bytes. EINVAL: more than the files have. After an error only an end helps. */
export function contentWrite(build: Build, address: usize, length: u32): ErrorCode {
  let code = contentBegin(build);
  while (length > 0 && code === ErrorCode.OK) {
    if (build.remaining === 0) code = failPlain(ErrorCode.EINVAL);
    else {
      const piece = <u32>min<u64>(<u64>length, min<u64>(build.remaining, roomInRun(build)));
      if (piece === 0) {
        code = nextRun(build, build.at + <u64>(build.filled >>> BLOCK_SHIFT));
        continue;
      }
      code = put(build, address, piece);
      address += piece;
      length -= piece;
      build.remaining -= <u64>piece;
      if (code === ErrorCode.OK && build.remaining === 0) code = fileEnd(build);
    }
  }
  return code;
}

/** Kills an older superblock, once, and finds the first file. */
export function contentBegin(build: Build): ErrorCode {
  if (build.stage === Stage.CONTENT) return ErrorCode.OK;
  if (build.stage !== Stage.LAID_OUT) return failPlain(ErrorCode.EINVAL);
  let code = deviceZero(build.device, 0, <u64>BLOCK_SECTORS);
  if (code === ErrorCode.OK) code = deviceFlush(build.device);
  if (code !== ErrorCode.OK) return code;
  build.stage = Stage.CONTENT;
  build.current = 0;
  build.filled = 0;
  return nextFile(build);
}

function nextFile(build: Build): ErrorCode {
  for (let number = build.current + 1; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    if (node.kind !== Ext4Kind.FILE || node.bytes === 0) continue;
    build.current = number;
    build.remaining = node.bytes;
    return nextRun(build, <u64>node.first);
  }
  build.current = NONE;
  return bufferFlush(build);
}

/** Goes on with the run at or behind `block`. */
function nextRun(build: Build, block: u64): ErrorCode {
  runFrom(build, block, true);
  build.runEnd = runEnd;
  if (runStart === build.at + <u64>(build.filled >>> BLOCK_SHIFT)) return ErrorCode.OK;
  const code = bufferFlush(build);
  build.at = runStart;
  return code;
}

function roomInRun(build: Build): u64 {
  return ((build.runEnd - build.at) << BLOCK_SHIFT) - <u64>build.filled;
}

function put(build: Build, address: usize, length: u32): ErrorCode {
  if (length >= DIRECT_BYTES) {
    const head = (BLOCK_SIZE - (build.filled & (BLOCK_SIZE - 1))) & (BLOCK_SIZE - 1);
    memory.copy(build.buffer + build.filled, address, head);
    build.filled += head;
    let code = bufferFlush(build);
    const whole = (length - head) & ~(BLOCK_SIZE - 1);
    if (code === ErrorCode.OK) {
      code = deviceWrite(build.device, sectorOf(build.at), address + head, whole);
    }
    if (code !== ErrorCode.OK) return code;
    build.at += <u64>(whole >>> BLOCK_SHIFT);
    address += head + whole;
    length -= head + whole;
  }
  while (length > 0) {
    const piece = min<u32>(length, BUFFER_BYTES - build.filled);
    memory.copy(build.buffer + build.filled, address, piece);
    build.filled += piece;
    address += piece;
    length -= piece;
    if (build.filled < BUFFER_BYTES) continue;
    const code = bufferFlush(build);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** The rest of the last block is zeros. */
function fileEnd(build: Build): ErrorCode {
  const rest = (BLOCK_SIZE - (build.filled & (BLOCK_SIZE - 1))) & (BLOCK_SIZE - 1);
  memory.fill(build.buffer + build.filled, 0, rest);
  build.filled += rest;
  const code = build.filled === BUFFER_BYTES ? bufferFlush(build) : ErrorCode.OK;
  return code === ErrorCode.OK ? nextFile(build) : code;
}
