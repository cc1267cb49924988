/** Where a change takes place: the directory that a path ends in, the name there, and its inode. */
import { nameCheck } from "../../../engine/bytes";
import { failPlain } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { SUPER_FIRST_INODE } from "../../../format/media/ext4";
import {
  INODE_FIRST,
  INODE_ROOT,
  MODE_BLOCK,
  MODE_CHARACTER,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_FILE,
  MODE_SOCKET,
} from "../../../format/media/ext4-inode";
import {
  ENTRY_TYPE_BLOCK,
  ENTRY_TYPE_CHARACTER,
  ENTRY_TYPE_DIRECTORY,
  ENTRY_TYPE_FIFO,
  ENTRY_TYPE_FILE,
  ENTRY_TYPE_SOCKET,
  ENTRY_TYPE_SYMLINK,
} from "../../../format/media/ext4-names";
import { lookupIndexed, lookupInode } from "../read/directory";
import { inodeFail } from "../read/inode";
import { walkDirectory } from "../read/path";
import { Ext4 } from "../read/volume";

const SLASH: u8 = 0x2f;

/** Inode of the directory, the name, and what it leads to: 0 where nothing has that name. */
@unmanaged
export class Target {
  parent: u32;
  name: usize;
  nameLength: u32;
  number: u32;
}

/**
 * Finds where `path` ends; its last name need not be there, and is no link that is followed. EBUSY:
 * the root has no name; ENOENT, ENOTDIR: what is above it is not there; EINVAL: "." or "..".
 */
export function targetFind(ext4: Ext4, path: usize, length: u32, target: Target): ErrorCode {
  while (length > 0 && load<u8>(path + length - 1) === SLASH) length -= 1;
  if (length === 0) return failPlain(ErrorCode.EBUSY);
  let from = length;
  while (from > 0 && load<u8>(path + from - 1) !== SLASH) from -= 1;
  target.name = path + <usize>from;
  target.nameLength = length - from;
  target.number = 0;
  const named = nameCheck(target.name, target.nameLength);
  if (named !== ErrorCode.OK) return failPlain(named);
  const code = walkDirectory(ext4, path, from);
  if (code !== ErrorCode.OK) return code;
  target.parent = ext4.node.number;
  const found = lookupIndexed(ext4, ext4.node, target.name, target.nameLength);
  if (found === ErrorCode.ENOENT) return ErrorCode.OK;
  if (found !== ErrorCode.OK) return found;
  target.number = lookupInode();
  // What keeps the volume together has no name.
  const first = max<u32>(load<u32>(ext4.super, SUPER_FIRST_INODE), INODE_FIRST);
  if (target.number >= first || target.number === INODE_ROOT) return ErrorCode.OK;
  return inodeFail(ext4, ext4.node, Reason.EXT4_INODE);
}

/** What an entry says of an inode of that type. */
export function entryType(type: u32): u32 {
  if (type === MODE_FILE) return ENTRY_TYPE_FILE;
  if (type === MODE_DIRECTORY) return ENTRY_TYPE_DIRECTORY;
  if (type === MODE_CHARACTER) return ENTRY_TYPE_CHARACTER;
  if (type === MODE_BLOCK) return ENTRY_TYPE_BLOCK;
  if (type === MODE_FIFO) return ENTRY_TYPE_FIFO;
  return type === MODE_SOCKET ? ENTRY_TYPE_SOCKET : ENTRY_TYPE_SYMLINK;
}
