/**
 * Content of a file. Blocks that follow each other go to their place in one read; holes and
 * unwritten blocks are zeros; what a journal replaced comes from memory.
 */
import { cacheFind } from "../../../engine/cache";
import { deviceFail, deviceRead } from "../../../engine/device";
import { failPlain, lastFault } from "../../../engine/fault";
import { allocate, release } from "../../../engine/memory";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  INODE_BLOCK,
  INODE_BLOCK_SIZE,
  INODE_FLAG_ENCRYPTED,
  INODE_FLAG_INLINE,
} from "../../../format/media/ext4-inode";
import { inodeClose, inodeOpen, inodeParse } from "./inode";
import { runAt } from "./map";
import { blockAt, Ext4, Inode, Run } from "./volume";

@unmanaged
export class File {
  ext4: Ext4;
  inode: Inode;
  /** The run that was found last, and the block of the file it begins with. */
  run: Run;
  runLogical: u64;
}

const ROOM: u32 = offsetof<File>() + offsetof<Run>();

/** Opens the content of an inode; null after a fault: EOPNOTSUPP (encrypted), ENOMEM. */
export function fileOpen(ext4: Ext4, inode: Inode): File | null {
  if (contentCheck(ext4, inode) !== ErrorCode.OK) return null;
  const address = allocate(ROOM);
  const own = inodeOpen(ext4.inodeSize);
  if (address === 0 || own === null) {
    release(address, ROOM);
    if (own !== null) inodeClose(own, ext4.inodeSize);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const file = changetype<File>(address);
  file.ext4 = ext4;
  file.inode = own;
  file.run = changetype<Run>(address + offsetof<File>());
  file.run.count = 0;
  memory.copy(own.raw, inode.raw, ext4.inodeSize);
  own.tableBlock = inode.tableBlock;
  own.tableByte = inode.tableByte;
  inodeParse(ext4, inode.number, own);
  ext4.users += 1;
  return file;
}

export function fileClose(file: File): void {
  file.ext4.users -= 1;
  inodeClose(file.inode, file.ext4.inodeSize);
  release(changetype<usize>(file), ROOM);
}

/** Up to `length` bytes from `offset` to `out`: how many; 0 from the end on. */
export function fileRead(file: File, offset: u64, out: usize, length: u32): i32 {
  const ext4 = file.ext4;
  const inode = file.inode;
  if (offset >= inode.size) return 0;
  const wanted = <u32>min<u64>(<u64>length, inode.size - offset);
  if ((inode.flags & INODE_FLAG_INLINE) !== 0) {
    memory.copy(out, inode.raw + INODE_BLOCK + <usize>offset, wanted);
    return <i32>wanted;
  }
  let done: u32 = 0;
  while (done < wanted) {
    const at = offset + <u64>done;
    const logical = at >>> ext4.blockShift;
    const code = findRun(file, logical);
    if (code !== ErrorCode.OK) return code;
    const skip = <u32>at & (ext4.blockSize - 1);
    const ahead = logical - file.runLogical;
    const bytes = ((file.run.count - ahead) << ext4.blockShift) - <u64>skip;
    const piece = <u32>min<u64>(<u64>(wanted - done), bytes);
    if (file.run.block === 0) {
      memory.fill(out + done, 0, piece);
    } else {
      const read = readBlocks(ext4, file.run.block + ahead, skip, out + done, piece);
      if (read !== ErrorCode.OK) return read;
    }
    done += piece;
  }
  return <i32>done;
}

/** Whether the content of an inode can be read here. */
export function contentCheck(ext4: Ext4, inode: Inode): ErrorCode {
  const isInline = (inode.flags & INODE_FLAG_INLINE) !== 0;
  const isLong = isInline && inode.size > <u64>INODE_BLOCK_SIZE;
  if ((inode.flags & INODE_FLAG_ENCRYPTED) === 0 && !isLong) return ErrorCode.OK;
  const sector = inode.tableBlock * <u64>ext4.blockSectors;
  return deviceFail(ext4.device, ErrorCode.EOPNOTSUPP, Reason.FEATURE, sector, inode.flags);
}

function findRun(file: File, logical: u64): ErrorCode {
  const run = file.run;
  if (logical >= file.runLogical && logical - file.runLogical < run.count) return ErrorCode.OK;
  run.count = 0;
  const code = runAt(file.ext4, file.inode, logical, run);
  file.runLogical = logical;
  if (code !== ErrorCode.OK) run.count = 0;
  return code;
}

/** `length` bytes from byte `skip` of `block` on. */
function readBlocks(ext4: Ext4, block: u64, skip: u32, out: usize, length: u32): ErrorCode {
  while (length > 0) {
    if (skip === 0 && length >= ext4.blockSize) {
      const count = plainBlocks(ext4, block, length >>> ext4.blockShift);
      if (count > 0) {
        const bytes = count << ext4.blockShift;
        const code = deviceRead(ext4.device, block * <u64>ext4.blockSectors, out, bytes);
        if (code !== ErrorCode.OK) return code;
        block += <u64>count;
        out += bytes;
        length -= bytes;
        continue;
      }
    }
    const content = blockAt(ext4, block);
    if (content === 0) return lastFault();
    const piece = min<u32>(length, ext4.blockSize - skip);
    memory.copy(out, content + skip, piece);
    block += 1;
    out += piece;
    length -= piece;
    skip = 0;
  }
  return ErrorCode.OK;
}

/** How many of `count` blocks from `block` on come from the disk. */
function plainBlocks(ext4: Ext4, block: u64, count: u32): u32 {
  if (ext4.overlay.count === 0) return count;
  for (let index: u32 = 0; index < count; index++) {
    const frame = cacheFind(ext4.cache, block + <u64>index);
    if (frame === null || !frame.dirty) continue;
    return index;
  }
  return count;
}
