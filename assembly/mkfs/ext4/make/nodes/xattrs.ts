/**
 * Extended attributes: kept with the names until their inode is written. Those that fit stand in
 * the inode, the others in one block.
 *
 * A kept attribute: next u32, value length u32, index u8, name length u8, then name and value.
 */
import { compareBytes } from "../../../../engine/bytes";
import { failPlain } from "../../../../engine/fault";
import { ErrorCode } from "../../../../format/errors";
import { BLOCK_SIZE } from "../../../../format/media/ext4";
import {
  INODE_EXTRA_WANTED,
  INODE_SIZE,
  INODE_SIZE_SMALL,
} from "../../../../format/media/ext4-inode";
import {
  INODE_XATTR_SIZE,
  NAME_MAX,
  XATTR_BLOCK_BLOCKS,
  XATTR_BLOCK_CHECKSUM,
  XATTR_BLOCK_HASH,
  XATTR_BLOCK_REFERENCES,
  XATTR_BLOCK_SIZE,
  XATTR_HASH,
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
  XATTR_VALUE_OFFSET,
  XATTR_VALUE_SIZE,
} from "../../../../format/media/ext4-names";
import { xattrSum } from "../../base/sums";
import { Build, makeRoom, NONE, Node, nodeAt, Stage } from "../base/build";

const KEPT_SIZE: u32 = 10;
/** Bytes of entries and values in an inode and in a block; both lists end with a zero word. */
const INODE_ROOM: u32 = INODE_SIZE - INODE_SIZE_SMALL - INODE_EXTRA_WANTED - INODE_XATTR_SIZE - 4;
const BLOCK_ROOM: u32 = BLOCK_SIZE - XATTR_BLOCK_SIZE - 4;

const userName = memory.data<u8>([0x75, 0x73, 0x65, 0x72, 0x2e]);
const trustedName = memory.data<u8>([0x74, 0x72, 0x75, 0x73, 0x74, 0x65, 0x64, 0x2e]);
const securityName = memory.data<u8>([0x73, 0x65, 0x63, 0x75, 0x72, 0x69, 0x74, 0x79, 0x2e]);
const systemName = memory.data<u8>([0x73, 0x79, 0x73, 0x74, 0x65, 0x6d, 0x2e]);
/** "posix_acl_access", "posix_acl_default" and "richacl", behind "system." */
const aclAccess = memory.data<u8>([
  0x70, 0x6f, 0x73, 0x69, 0x78, 0x5f, 0x61, 0x63, 0x6c, 0x5f, 0x61, 0x63, 0x63, 0x65, 0x73, 0x73,
]);
const aclDefault = memory.data<u8>([
  0x70, 0x6f, 0x73, 0x69, 0x78, 0x5f, 0x61, 0x63, 0x6c, 0x5f, 0x64, 0x65, 0x66, 0x61, 0x75, 0x6c,
  0x74,
]);
const richAcl = memory.data<u8>([0x72, 0x69, 0x63, 0x68, 0x61, 0x63, 0x6c]);

/** What of a full name stands for its front: index, and the bytes it replaces. */
let nameIndex: u32 = 0;
let prefixLength: u32 = 0;

function parseName(name: usize, length: u32): void {
  nameIndex = XATTR_INDEX_NONE;
  prefixLength = 0;
  if (isPrefix(userName, 5, name, length)) nameIndex = XATTR_INDEX_USER;
  else if (isPrefix(trustedName, 8, name, length)) nameIndex = XATTR_INDEX_TRUSTED;
  else if (isPrefix(securityName, 9, name, length)) nameIndex = XATTR_INDEX_SECURITY;
  else if (isPrefix(systemName, 7, name, length)) {
    const rest = name + 7;
    const restLength = length - 7;
    nameIndex = XATTR_INDEX_SYSTEM;
    if (isSame(aclAccess, 16, rest, restLength)) nameIndex = XATTR_INDEX_ACL_ACCESS;
    else if (isSame(aclDefault, 17, rest, restLength)) nameIndex = XATTR_INDEX_ACL_DEFAULT;
    else if (isSame(richAcl, 7, rest, restLength)) nameIndex = XATTR_INDEX_RICHACL;
    if (nameIndex !== XATTR_INDEX_SYSTEM) prefixLength = length;
  }
}

function isPrefix(prefix: usize, prefixBytes: u32, name: usize, length: u32): bool {
  if (length <= prefixBytes || memory.compare(prefix, name, prefixBytes) !== 0) return false;
  prefixLength = prefixBytes;
  return true;
}

function isSame(one: usize, oneLength: u32, other: usize, otherLength: u32): bool {
  return compareBytes(one, oneLength, other, otherLength) === 0;
}

/**
 * Adds an attribute to a node, by its full name. EINVAL: no such name, or no ACL; EEXIST;
 * ENAMETOOLONG; E2BIG: all of them do not fit.
 */
export function xattrAdd(
  build: Build,
  number: u32,
  name: usize,
  nameLength: u32,
  value: usize,
  valueLength: u32,
): ErrorCode {
  if (build.stage !== Stage.NODES || number >= build.nodes) return failPlain(ErrorCode.EINVAL);
  parseName(name, nameLength);
  if (nameIndex === XATTR_INDEX_NONE) return failPlain(ErrorCode.EINVAL);
  const rest = nameLength - prefixLength;
  if (rest > NAME_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
  if (valueLength > BLOCK_SIZE) return failPlain(ErrorCode.E2BIG);
  const isAcl = nameIndex === XATTR_INDEX_ACL_ACCESS || nameIndex === XATTR_INDEX_ACL_DEFAULT;
  if (isAcl && aclLength(value, valueLength) === 0) return failPlain(ErrorCode.EINVAL);
  const room = makeRoom(build, KEPT_SIZE + rest + valueLength);
  if (room !== ErrorCode.OK) return failPlain(room);
  const place = build.namesLength;
  const kept = build.names + place;
  const length = isAcl ? aclLength(value, valueLength) : valueLength;
  store<u32>(kept, length, 4);
  store<u8>(kept, nameIndex, 8);
  store<u8>(kept, rest, 9);
  memory.copy(kept + KEPT_SIZE, name + prefixLength, rest);
  if (isAcl) aclStore(kept + KEPT_SIZE + rest, value, valueLength);
  else memory.copy(kept + KEPT_SIZE + rest, value, valueLength);
  const code = insert(build, nodeAt(build, number), place);
  if (code !== ErrorCode.OK) return failPlain(code);
  build.namesLength = place + KEPT_SIZE + rest + length;
  return ErrorCode.OK;
}

/** Links an attribute in by index, then length of the name, then name: the order of a block. */
function insert(build: Build, node: Node, place: u32): ErrorCode {
  let before = NONE;
  let at = node.xattrs;
  while (at !== NONE) {
    const order = compare(build.names + at, build.names + place);
    if (order === 0) return ErrorCode.EEXIST;
    if (order > 0) break;
    before = at;
    at = load<u32>(build.names + at);
  }
  store<u32>(build.names + place, at);
  if (before === NONE) node.xattrs = place;
  else store<u32>(build.names + before, place);
  if (blockBytes(build, node) <= BLOCK_ROOM) return ErrorCode.OK;
  if (before === NONE) node.xattrs = at;
  else store<u32>(build.names + before, at);
  return ErrorCode.E2BIG;
}

function compare(one: usize, other: usize): i32 {
  const index = <i32>load<u8>(one, 8) - <i32>load<u8>(other, 8);
  if (index !== 0) return index;
  const length = <i32>load<u8>(one, 9) - <i32>load<u8>(other, 9);
  if (length !== 0) return length;
  return memory.compare(one + KEPT_SIZE, other + KEPT_SIZE, load<u8>(one, 9));
}

function entryBytes(kept: usize): u32 {
  return (XATTR_SIZE + <u32>load<u8>(kept, 9) + 3) & ~3;
}

function valueBytes(kept: usize): u32 {
  return (load<u32>(kept, 4) + 3) & ~3;
}

/** Bytes of what does not fit the inode, which takes whatever still fits, in order. */
function blockBytes(build: Build, node: Node): u32 {
  let inInode: u32 = 0;
  let inBlock: u32 = 0;
  for (let at = node.xattrs; at !== NONE; at = load<u32>(build.names + at)) {
    const kept = build.names + at;
    const bytes = entryBytes(kept) + valueBytes(kept);
    if (inInode + bytes <= INODE_ROOM) inInode += bytes;
    else inBlock += bytes;
  }
  return inBlock;
}

export function xattrsInBlock(build: Build, node: Node): bool {
  return blockBytes(build, node) > 0;
}

/** Writes those that fit behind the extra fields of an inode. */
export function xattrsInode(build: Build, node: Node, inode: usize): void {
  if (node.xattrs === NONE) return;
  const head = inode + INODE_SIZE_SMALL + INODE_EXTRA_WANTED;
  const first = head + INODE_XATTR_SIZE;
  let entry = first;
  let value = inode + INODE_SIZE;
  let used: u32 = 0;
  for (let at = node.xattrs; at !== NONE; at = load<u32>(build.names + at)) {
    const kept = build.names + at;
    const bytes = entryBytes(kept) + valueBytes(kept);
    if (used + bytes > INODE_ROOM) continue;
    used += bytes;
    value -= valueBytes(kept);
    entryStore(entry, kept, value, <u32>(value - first));
    entry += entryBytes(kept);
  }
  if (used > 0) store<u32>(head, XATTR_MAGIC);
}

/** Fills the block of a node: what the inode did not take. */
export function xattrsBlock(build: Build, node: Node, block: usize): void {
  let entry = block + XATTR_BLOCK_SIZE;
  let value = block + BLOCK_SIZE;
  let inInode: u32 = 0;
  let hash: u32 = 0;
  for (let at = node.xattrs; at !== NONE; at = load<u32>(build.names + at)) {
    const kept = build.names + at;
    const bytes = entryBytes(kept) + valueBytes(kept);
    if (inInode + bytes <= INODE_ROOM) {
      inInode += bytes;
      continue;
    }
    value -= valueBytes(kept);
    entryStore(entry, kept, value, <u32>(value - block));
    const own = entryHash(kept, value);
    store<u32>(entry, own, XATTR_HASH);
    hash = rotl<u32>(hash, 16) ^ own;
    entry += entryBytes(kept);
  }
  store<u32>(block, XATTR_MAGIC);
  store<u32>(block, 1, XATTR_BLOCK_REFERENCES);
  store<u32>(block, 1, XATTR_BLOCK_BLOCKS);
  store<u32>(block, hash, XATTR_BLOCK_HASH);
  const crc = xattrSum(build.seed, <u64>node.xattrBlock, block, BLOCK_SIZE);
  store<u32>(block, crc, XATTR_BLOCK_CHECKSUM);
}

function entryStore(entry: usize, kept: usize, value: usize, offset: u32): void {
  const nameLength = <u32>load<u8>(kept, 9);
  const length = load<u32>(kept, 4);
  store<u8>(entry, nameLength, XATTR_NAME_LENGTH);
  store<u8>(entry, load<u8>(kept, 8), XATTR_NAME_INDEX);
  store<u16>(entry, length === 0 ? 0 : <u16>offset, XATTR_VALUE_OFFSET);
  store<u32>(entry, length, XATTR_VALUE_SIZE);
  memory.copy(entry + XATTR_SIZE, kept + KEPT_SIZE, nameLength);
  memory.copy(value, kept + KEPT_SIZE + nameLength, length);
}

/** Over the bytes of the name, then the words of the value as it stands, padded with zeros. */
function entryHash(kept: usize, value: usize): u32 {
  let hash: u32 = 0;
  const nameLength = <u32>load<u8>(kept, 9);
  for (let at: u32 = 0; at < nameLength; at++) {
    hash = rotl<u32>(hash, 5) ^ <u32>load<u8>(kept + KEPT_SIZE + at);
  }
  const length = valueBytes(kept);
  for (let at: u32 = 0; at < length; at += 4) hash = rotl<u32>(hash, 16) ^ load<u32>(value + at);
  return hash;
}

/**
 * Bytes of an ACL on the disk, 0 if `value` is none. The system calls speak version 2, where each
 * entry has eight bytes; on the disk it is version 1, and only a named user or group has an id.
 */
function aclLength(value: usize, length: u32): u32 {
  if (length < 4 || ((length - 4) & 7) !== 0 || load<u32>(value) !== 2) return 0;
  let bytes: u32 = 4;
  for (let at: u32 = 4; at < length; at += 8) bytes += isNamed(value + at) ? 8 : 4;
  return bytes;
}

function aclStore(target: usize, value: usize, length: u32): void {
  store<u32>(target, 1);
  target += 4;
  for (let at: u32 = 4; at < length; at += 8) {
    const size: u32 = isNamed(value + at) ? 8 : 4;
    memory.copy(target, value + at, size);
    target += size;
  }
}

/** ACL_USER or ACL_GROUP. */
function isNamed(entry: usize): bool {
  const tag = load<u16>(entry);
  return tag === 2 || tag === 8;
}
