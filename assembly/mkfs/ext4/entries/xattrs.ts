/** Extended attributes: those in the inode, then those in its block. */
import { deviceFail } from "../../../engine/device";
import { failPlain, lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  EXT4_XATTR_NAME_LENGTH,
  EXT4_XATTR_SIZE,
  EXT4_XATTR_VALUE_LENGTH,
} from "../../../format/media/calls-ext4";
import { INODE_SIZE_SMALL } from "../../../format/media/ext4-inode";
import {
  INODE_XATTR_SIZE,
  XATTR_BLOCK_BLOCKS,
  XATTR_BLOCK_CHECKSUM,
  XATTR_BLOCK_MAGIC,
  XATTR_BLOCK_SIZE,
  XATTR_INDEX_ACL_ACCESS,
  XATTR_INDEX_ACL_DEFAULT,
  XATTR_INDEX_NONE,
  XATTR_INDEX_RICHACL,
  XATTR_INDEX_SECURITY,
  XATTR_INDEX_SYSTEM,
  XATTR_INDEX_TRUSTED,
  XATTR_INDEX_USER,
  XATTR_MAGIC,
  XATTR_NAME_INDEX,
  XATTR_NAME_LENGTH,
  XATTR_SIZE,
  XATTR_VALUE_INODE,
  XATTR_VALUE_OFFSET,
  XATTR_VALUE_SIZE,
} from "../../../format/media/ext4-names";
import { xattrSum } from "../base/sums";
import { inodeFail } from "../read/inode";
import { blockAt, Ext4, ext4Fail, Inode, isInside } from "../read/volume";

/** Where the next record goes, and where the room ends. */
let next: usize = 0;
let end: usize = 0;

/** Writes EXT4_XATTR records to `out`: their bytes, ERANGE (no room), EBADMSG, EOPNOTSUPP. */
export function xattrsRead(ext4: Ext4, inode: Inode, out: usize, size: u32): i32 {
  next = out;
  end = out + <usize>size;
  let code = inodeAttributes(ext4, inode);
  if (code === ErrorCode.OK && inode.xattrBlock !== 0) code = blockAttributes(ext4, inode);
  return code === ErrorCode.OK ? <i32>(next - out) : code;
}

function inodeAttributes(ext4: Ext4, inode: Inode): ErrorCode {
  const from = INODE_SIZE_SMALL + inode.extra;
  if (inode.extra === 0 || from + INODE_XATTR_SIZE + 4 > ext4.inodeSize) return ErrorCode.OK;
  const head = inode.raw + <usize>from;
  if (load<u32>(head) !== XATTR_MAGIC) return ErrorCode.OK;
  const first = head + INODE_XATTR_SIZE;
  const limit = inode.raw + <usize>ext4.inodeSize;
  if (readList(first, first, limit)) return ErrorCode.OK;
  return listFault(ext4, inode, inode.tableBlock);
}

function blockAttributes(ext4: Ext4, inode: Inode): ErrorCode {
  const block = inode.xattrBlock;
  if (!isInside(ext4, block, 1)) return inodeFail(ext4, inode, Reason.POINTER);
  const at = blockAt(ext4, block);
  if (at === 0) return lastFault();
  const code = xattrBlockCheck(ext4, block, at);
  if (code !== ErrorCode.OK) return code;
  if (readList(at + XATTR_BLOCK_SIZE, at, at + <usize>ext4.blockSize)) {
    return ErrorCode.OK;
  }
  return listFault(ext4, inode, block);
}

/** The head of a block of attributes must hold. */
export function xattrBlockCheck(ext4: Ext4, block: u64, at: usize): ErrorCode {
  const isBlock =
    load<u32>(at, XATTR_BLOCK_MAGIC) === XATTR_MAGIC && load<u32>(at, XATTR_BLOCK_BLOCKS) === 1;
  if (!isBlock) return ext4Fail(ext4, Reason.EXT4_XATTRS, block, 0);
  if (!ext4.hasChecksums) return ErrorCode.OK;
  const sum = xattrSum(ext4.seed, block, at, ext4.blockSize);
  if (sum === load<u32>(at, XATTR_BLOCK_CHECKSUM)) return ErrorCode.OK;
  return ext4Fail(ext4, Reason.CHECKSUM, block, XATTR_BLOCK_CHECKSUM);
}

/** What readList() met: 0 damage, else the code of a fault that is recorded. */
let told: ErrorCode = ErrorCode.OK;

function listFault(ext4: Ext4, inode: Inode, block: u64): ErrorCode {
  if (told === ErrorCode.OK) return ext4Fail(ext4, Reason.EXT4_XATTRS, block, inode.number);
  if (told === ErrorCode.ERANGE) return failPlain(told);
  const sector = block * <u64>ext4.blockSectors;
  return deviceFail(ext4.device, told, Reason.FEATURE, sector, inode.number);
}

/** Entries from `at` to `limit`; their values are told from `base` on. */
function readList(at: usize, base: usize, limit: usize): bool {
  told = ErrorCode.OK;
  while (at + 4 <= limit && load<u32>(at) !== 0) {
    const nameLength = <u32>load<u8>(at, XATTR_NAME_LENGTH);
    if (at + XATTR_SIZE + nameLength > limit) return false;
    if (load<u32>(at, XATTR_VALUE_INODE) !== 0) {
      told = ErrorCode.EOPNOTSUPP;
      return false;
    }
    const size = load<u32>(at, XATTR_VALUE_SIZE);
    const offset = <u32>load<u16>(at, XATTR_VALUE_OFFSET);
    const room = <u32>(limit - base);
    if (size > room || offset > room - size) return false;
    const index = <u32>load<u8>(at, XATTR_NAME_INDEX);
    if (!writeRecord(index, at + XATTR_SIZE, nameLength, base + <usize>offset, size)) return false;
    at += (XATTR_SIZE + nameLength + 3) & ~3;
  }
  return at + 4 <= limit;
}

function writeRecord(index: u32, name: usize, nameLength: u32, value: usize, size: u32): bool {
  // The longest part in front of a name has 24 bytes.
  if (EXT4_XATTR_SIZE + 32 + nameLength + size > <u32>(end - next)) {
    told = ErrorCode.ERANGE;
    return false;
  }
  const at = next + EXT4_XATTR_SIZE;
  const front = writeFront(index, at);
  memory.copy(at + front, name, nameLength);
  memory.copy(at + front + nameLength, value, size);
  store<u32>(next, front + nameLength, EXT4_XATTR_NAME_LENGTH);
  store<u32>(next, size, EXT4_XATTR_VALUE_LENGTH);
  next += <usize>((EXT4_XATTR_SIZE + front + nameLength + size + 7) & ~7);
  return true;
}

/** The part of a name that its index stands for. */
function writeFront(index: u32, at: usize): u32 {
  if (index === XATTR_INDEX_USER) return put(at, "user.");
  if (index === XATTR_INDEX_ACL_ACCESS) return put(at, "system.posix_acl_access");
  if (index === XATTR_INDEX_ACL_DEFAULT) return put(at, "system.posix_acl_default");
  if (index === XATTR_INDEX_TRUSTED) return put(at, "trusted.");
  if (index === XATTR_INDEX_SECURITY) return put(at, "security.");
  if (index === XATTR_INDEX_SYSTEM) return put(at, "system.");
  if (index === XATTR_INDEX_RICHACL) return put(at, "system.richacl");
  return index === XATTR_INDEX_NONE ? 0 : put(at, "unknown.");
}

function put(at: usize, text: string): u32 {
  for (let index = 0; index < text.length; index++) {
    store<u8>(at + <usize>index, text.charCodeAt(index));
  }
  return <u32>text.length;
}
