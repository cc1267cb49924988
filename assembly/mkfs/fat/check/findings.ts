/** The list of what a check found, and the path it is at. */
import { allocate, release } from "../../../engine/memory";
import {
  FAT_FINDING_DETAIL,
  FAT_FINDING_LBA,
  FAT_FINDING_OTHER,
  FAT_FINDING_PATH,
  FAT_FINDING_PATH_LENGTH,
  FAT_FINDING_PROBLEM,
  FAT_FINDING_SIZE,
  FatProblem,
} from "../../../format/fat32";
import { deviceSector, Fat } from "../base/volume";

const FINDINGS_MAX: u32 = 512;
const PATH_MAX: u32 = FAT_FINDING_SIZE - FAT_FINDING_PATH;

let list: usize = 0;
let count: u32 = 0;
/** The path that findings carry: address and bytes. */
let pathAddress: usize = 0;
let pathLength: u32 = 0;

/** Empties the list; false if there is no memory for it. */
export function findingsBegin(): bool {
  if (list === 0) list = allocate(FINDINGS_MAX * FAT_FINDING_SIZE);
  count = 0;
  pathLength = 0;
  return list !== 0;
}

export function findingsCount(): u32 {
  return count;
}

/** Address of finding `index`, FAT_FINDING_SIZE bytes. */
export function findingAt(index: u32): usize {
  return list + index * FAT_FINDING_SIZE;
}

export function findingsEnd(): void {
  release(list, FINDINGS_MAX * FAT_FINDING_SIZE);
  list = 0;
  count = 0;
}

/** What follows is about the entry with this path; length 0: about none. */
export function findingsPath(address: usize, length: u32): void {
  pathAddress = address;
  pathLength = length;
}

/** Adds a finding at `sector` (512 bytes, from the window's start); the last place says MORE. */
export function found(fat: Fat, problem: FatProblem, sector: u64, detail: u32, other: u32): void {
  if (count === FINDINGS_MAX) return;
  const last = count === FINDINGS_MAX - 1;
  const finding = findingAt(count);
  memory.fill(finding, 0, FAT_FINDING_SIZE);
  store<u32>(finding, last ? FatProblem.MORE : problem, FAT_FINDING_PROBLEM);
  store<u32>(finding, detail, FAT_FINDING_DETAIL);
  store<u32>(finding, other, FAT_FINDING_OTHER);
  store<u64>(finding, fat.device.base + sector, FAT_FINDING_LBA);
  const length = min<u32>(pathLength, PATH_MAX);
  store<u32>(finding, length, FAT_FINDING_PATH_LENGTH);
  memory.copy(finding + FAT_FINDING_PATH, pathAddress + pathLength - length, length);
  count += 1;
}

/** found(), at a sector of the volume. */
export function foundAtSector(
  fat: Fat,
  problem: FatProblem,
  sector: u32,
  detail: u32,
  other: u32,
): void {
  found(fat, problem, deviceSector(fat, sector), detail, other);
}
