/**
 * Paths: from the root, name by name, through symbolic links inside the volume. ".." is an entry
 * like any other, and at the root it is the root.
 */
import { failPlain, lastFault } from "../../../engine/fault";
import { allocate } from "../../../engine/memory";
import { LINKS_FOLLOWED_MAX, PATH_LENGTH_MAX, Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  INODE_BLOCK,
  INODE_FLAG_ENCRYPTED,
  INODE_FLAG_INLINE,
  INODE_ROOT,
  MODE_DIRECTORY,
  MODE_SYMLINK,
} from "../../../format/media/ext4-inode";
import { TARGET_FAST } from "../../../format/media/ext4-names";
import { lookup, lookupInode } from "./directory";
import { contentCheck } from "./file";
import { inodeFail, inodeRead } from "./inode";
import { runAt } from "./map";
import { blockAt, Ext4, Inode, Run } from "./volume";

const SLASH: u8 = 0x2f;
const DOT: u8 = 0x2e;
const WORK_SIZE: u32 = 2 * PATH_LENGTH_MAX;

/** The rest of the path, at the end of the block, so that a link's target can go before it. */
const work: usize = allocate(8192);
const run = changetype<Run>(memory.data(offsetof<Run>(), 8));

/** Where the target of a link is put: at most PATH_LENGTH_MAX bytes. */
export const target: usize = allocate(4096);

/**
 * Leads `ext4.node` to what `path` means. A link at its end is followed where `follow` says so, or
 * a "/" stands behind it. ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL (a zero byte), or damage.
 */
export function walk(ext4: Ext4, path: usize, length: u32, follow: bool): ErrorCode {
  if (length > PATH_LENGTH_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
  const node = ext4.node;
  const end = work + WORK_SIZE;
  let at = end - <usize>length;
  memory.copy(at, path, length);
  let links: u32 = 0;
  let code = inodeRead(ext4, INODE_ROOT, node);
  if (code !== ErrorCode.OK) return code;
  while (true) {
    while (at < end && load<u8>(at) === SLASH) at += 1;
    if (at === end) {
      const wantsDirectory = load<u8>(end - 1) === SLASH && node.type !== MODE_DIRECTORY;
      return wantsDirectory ? failPlain(ErrorCode.ENOTDIR) : ErrorCode.OK;
    }
    const name = at;
    while (at < end && load<u8>(at) !== SLASH) {
      if (load<u8>(at) === 0) return failPlain(ErrorCode.EINVAL);
      at += 1;
    }
    const size = <u32>(at - name);
    if (node.type !== MODE_DIRECTORY) return failPlain(ErrorCode.ENOTDIR);
    if (size === 1 && load<u8>(name) === DOT) continue;
    const above = node.number;
    if (above === INODE_ROOT && isDots(name, size)) continue;
    code = lookup(ext4, node, name, size);
    if (code !== ErrorCode.OK) return code;
    code = inodeRead(ext4, lookupInode(), node);
    if (code !== ErrorCode.OK) return code;
    if (node.type !== MODE_SYMLINK || (at === end && !follow)) continue;
    links += 1;
    if (links > LINKS_FOLLOWED_MAX) return failPlain(ErrorCode.ELOOP);
    const got = readTarget(ext4, node);
    if (got < 0) return got;
    const rest = <u32>(end - at);
    if (rest + <u32>got > PATH_LENGTH_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
    at -= <usize>got;
    memory.copy(at, target, <usize>got);
    const start = load<u8>(at) === SLASH ? INODE_ROOT : above;
    code = inodeRead(ext4, start, node);
    if (code !== ErrorCode.OK) return code;
  }
}

/** walk() to what must be a directory. */
export function walkDirectory(ext4: Ext4, path: usize, length: u32): ErrorCode {
  const code = walk(ext4, path, length, true);
  if (code !== ErrorCode.OK || ext4.node.type === MODE_DIRECTORY) return code;
  return failPlain(ErrorCode.ENOTDIR);
}

/** The target of a symbolic link goes to `target`: its length, EBADMSG, EOPNOTSUPP. */
export function readTarget(ext4: Ext4, link: Inode): i32 {
  const size = link.size;
  const most = <u64>min<u32>(ext4.blockSize, PATH_LENGTH_MAX);
  if (size === 0 || size >= most) return inodeFail(ext4, link, Reason.EXT4_INODE);
  const code = contentCheck(ext4, link);
  if (code !== ErrorCode.OK) return code;
  let content = link.raw + INODE_BLOCK;
  if (!isFast(ext4, link)) {
    const found = runAt(ext4, link, 0, run);
    if (found !== ErrorCode.OK) return found;
    if (run.block === 0) return inodeFail(ext4, link, Reason.EXT4_INODE);
    content = blockAt(ext4, run.block);
    if (content === 0) return lastFault();
  }
  memory.copy(target, content, <usize>size);
  for (let at: u32 = 0; at < <u32>size; at++) {
    if (load<u8>(target + at) === 0) return inodeFail(ext4, link, Reason.EXT4_INODE);
  }
  return <i32>size;
}

/** True if the target of a link stands in its inode: then it has no block but for attributes. */
export function isFast(ext4: Ext4, link: Inode): bool {
  if (link.size >= <u64>TARGET_FAST) return false;
  if ((link.flags & INODE_FLAG_INLINE) !== 0) return true;
  const own: u64 = link.xattrBlock === 0 ? 0 : <u64>ext4.blockSectors;
  return link.sectors <= own && (link.flags & INODE_FLAG_ENCRYPTED) === 0;
}

function isDots(name: usize, length: u32): bool {
  return length === 2 && load<u8>(name) === DOT && load<u8>(name, 1) === DOT;
}
