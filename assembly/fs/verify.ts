/** The check of a mount, its findings, and paths that lead to what was found. */
import {
  FileSystemType,
  SECTOR_SIZE,
  STATFS_AVAILABLE,
  STATFS_BLOCK_SIZE,
  STATFS_BLOCKS,
  STATFS_FILES,
  STATFS_FREE,
  STATFS_SIZE,
  STATFS_TYPE,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import { PAGE_SIZE, SUPERBLOCK_FREE_PAGES, SUPERBLOCK_LIVE_ITEMS } from "../format/region";
import { FileType } from "../format/wf";
import { chunkPages, volumeField } from "../tree/pages/volume";
import { foundIno, foundName, foundNameLength, Mount, mountReverse } from "./mount";
import { imageLength, imageType } from "./ro/lookup";
import { contentClose, contentOpen, contentVerify } from "./ro/read";
import { wfCheck } from "./wf/check";
import { findingFault, findingsClear } from "./wf/records/findings";

const INO_ROOT: u64 = 1;
const SLASH: u8 = 0x2f;

/** Checks everything; the findings are the mount's. An error: the check could not be made. */
export function mountCheck(mount: Mount, data: bool): ErrorCode {
  findingsClear(mount.findings);
  if (mount.type === FileSystemType.WF) return wfCheck(mount.wf, mount.findings, data);
  return data ? verifyImage(mount) : ErrorCode.OK;
}

/** An open image has passed all rules of its index; what is left is content. */
function verifyImage(mount: Mount): ErrorCode {
  const image = mount.image;
  for (let number: u32 = 1; number < image.nodes; number++) {
    if (imageType(image, number) === <u32>FileType.DIRECTORY) continue;
    const content = contentOpen(image, number);
    if (content === null) return ErrorCode.ENOMEM;
    const code = contentVerify(content);
    contentClose(content);
    if (code === ErrorCode.ENOMEM) return code;
    if (code === ErrorCode.OK) continue;
    findingFault(mount.findings, <u64>number + 1, 0, imageLength(image, number));
  }
  return ErrorCode.OK;
}

/** Writes a path that leads to `ino`: its length, ENOENT, or ENAMETOOLONG. */
export function mountPath(mount: Mount, ino: u64, out: usize, room: u32): i32 {
  // Names come from the last to the first, so the path grows down from the end of the room.
  let at = room;
  while (ino !== INO_ROOT) {
    const code = mountReverse(mount, ino);
    if (code !== ErrorCode.OK) return code;
    if (foundNameLength + 1 > at) return ErrorCode.ENAMETOOLONG;
    at -= foundNameLength;
    memory.copy(out + at, foundName, foundNameLength);
    at -= 1;
    store<u8>(out + at, SLASH);
    ino = foundIno;
  }
  if (at === room) {
    at -= 1;
    store<u8>(out + at, SLASH);
  }
  memory.copy(out, out + at, room - at);
  return <i32>(room - at);
}

/** Writes FILE_STATFS of the mount. */
export function mountStatfs(mount: Mount, out: usize): void {
  memory.fill(out, 0, STATFS_SIZE);
  store<u32>(out, mount.type, STATFS_TYPE);
  if (mount.type === FileSystemType.RO) {
    store<u32>(out, SECTOR_SIZE, STATFS_BLOCK_SIZE);
    store<u64>(out, mount.image.sectors, STATFS_BLOCKS);
    store<u64>(out, <u64>mount.image.nodes, STATFS_FILES);
    return;
  }
  const volume = mount.wf.volume;
  const pages = <u64>chunkPages(volume.region) * <u64>volume.region.chunks;
  const free = volumeField(volume, SUPERBLOCK_FREE_PAGES);
  store<u32>(out, PAGE_SIZE, STATFS_BLOCK_SIZE);
  store<u64>(out, pages, STATFS_BLOCKS);
  store<u64>(out, free, STATFS_FREE);
  store<u64>(out, free, STATFS_AVAILABLE);
  store<u64>(out, volumeField(volume, SUPERBLOCK_LIVE_ITEMS), STATFS_FILES);
}
