/** The list of what a check found, and the path it is at. */
import { allocate, release } from "../../../engine/memory";
import {
  EXT4_FINDING_ADVICE,
  EXT4_FINDING_BLOCK,
  EXT4_FINDING_DETAIL,
  EXT4_FINDING_INODE,
  EXT4_FINDING_LBA,
  EXT4_FINDING_OTHER,
  EXT4_FINDING_PATH,
  EXT4_FINDING_PATH_LENGTH,
  EXT4_FINDING_PROBLEM,
  EXT4_FINDING_SIZE,
  Ext4Problem,
} from "../../../format/media/calls-ext4";
import { Ext4 } from "../read/volume";

const FINDINGS_MAX: u32 = 512;
const LIST_SIZE: u32 = FINDINGS_MAX * EXT4_FINDING_SIZE;
const PATH_MAX: u32 = EXT4_FINDING_SIZE - EXT4_FINDING_PATH;

let list: usize = 0;
let count: u32 = 0;

/** Empties the list; false if there is no memory for it. */
export function findingsBegin(): bool {
  if (list === 0) list = allocate(LIST_SIZE);
  count = 0;
  return list !== 0;
}

export function findingsCount(): u32 {
  return count;
}

/** Address of finding `index`, EXT4_FINDING_SIZE bytes. */
export function findingAt(index: u32): usize {
  return list + index * EXT4_FINDING_SIZE;
}

export function findingsEnd(): void {
  release(list, LIST_SIZE);
  list = 0;
  count = 0;
}

/** Adds a finding about `inode` (0: none) at `block`; the last place of the list says MORE. */
export function found(
  ext4: Ext4,
  problem: Ext4Problem,
  block: u64,
  inode: u32,
  detail: u64,
  other: u64,
): void {
  if (count === FINDINGS_MAX) return;
  const last = count === FINDINGS_MAX - 1;
  const finding = findingAt(count);
  memory.fill(finding, 0, EXT4_FINDING_SIZE);
  store<u32>(finding, last ? Ext4Problem.MORE : problem, EXT4_FINDING_PROBLEM);
  store<u64>(finding, block, EXT4_FINDING_BLOCK);
  const sector = block * <u64>ext4.blockSectors;
  store<u64>(finding, ext4.device.base + sector, EXT4_FINDING_LBA);
  store<u32>(finding, inode, EXT4_FINDING_INODE);
  store<u64>(finding, detail, EXT4_FINDING_DETAIL);
  store<u64>(finding, other, EXT4_FINDING_OTHER);
  count += 1;
}

/** The finding that was added last tells of nothing that is damaged. */
export function foundAdvice(): void {
  if (count > 0) store<u32>(findingAt(count - 1), 1, EXT4_FINDING_ADVICE);
}

/** Gives the findings about `inode` from number `from` on its path, where they have none. */
export function findingsName(from: u32, inode: u32, path: usize, pathLength: u32): void {
  const length = min<u32>(pathLength, PATH_MAX);
  for (let index = from; index < count; index++) {
    const finding = findingAt(index);
    if (load<u32>(finding, EXT4_FINDING_INODE) !== inode) continue;
    if (load<u32>(finding, EXT4_FINDING_PATH_LENGTH) !== 0) continue;
    store<u32>(finding, length, EXT4_FINDING_PATH_LENGTH);
    memory.copy(finding + EXT4_FINDING_PATH, path + <usize>(pathLength - length), length);
  }
}
