/** ABI: partition tables, and what is at a place. */
import { findingAt, findingsClose, findingsOpen } from "../disk/findings";
import { partitionsRequire } from "../disk/gpt-partitions";
import { Disk, diskClose, diskOpen, diskRequire, diskUsed, entryAt, Side } from "../disk/gpt-read";
import { diskRepair } from "../disk/gpt-repair";
import { diskRestore, diskSave, savedLength } from "../disk/gpt-saved";
import { diskVerify } from "../disk/gpt-verify";
import {
  Layout,
  layoutClose,
  layoutFits,
  layoutOpen,
  layoutWrite,
  staleClear,
} from "../disk/gpt-write";
import { deviceBlank, deviceProbe } from "../disk/probe";
import { isZero } from "../engine/bytes";
import { deviceClose, deviceFail, deviceOpen } from "../engine/device";
import { failPlain, lastFault } from "../engine/fault";
import { allocate, allocateZeroed } from "../engine/memory";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  ENTRIES_SIZE_MAX,
  ENTRY_ATTRIBUTES,
  ENTRY_FIRST,
  ENTRY_LAST,
  ENTRY_NAME,
  ENTRY_SIZE,
  ENTRY_TYPE_GUID,
  ENTRY_UNIQUE_GUID,
  GPT_BLOCK_ADDRESS,
  GPT_BLOCK_LENGTH,
  GPT_FINDING_SIZE,
  GPT_PARTITION_ATTRIBUTES,
  GPT_PARTITION_FIRST,
  GPT_PARTITION_INDEX,
  GPT_PARTITION_LAST,
  GPT_PARTITION_NAME,
  GPT_PARTITION_SIZE,
  GPT_PARTITION_TYPE_GUID,
  GPT_PARTITION_UNIQUE_GUID,
  GPT_TABLE_BLOCK_SIZE,
  GPT_TABLE_DEVICE_BLOCKS,
  GPT_TABLE_DISK_GUID,
  GPT_TABLE_ENTRY_LENGTH,
  GPT_TABLE_ENTRY_SLOTS,
  GPT_TABLE_FIRST_USABLE,
  GPT_TABLE_LAST_USABLE,
  GPT_TABLE_PARTITIONS,
  GPT_TABLE_SIZE,
  GPT_TABLE_USED_SIDE,
  GptProblem,
  HEADER_DISK_GUID,
  NAME_UNITS_MAX,
} from "../format/gpt";

const BOTH_SIDES: u32 = 3;
const NAME_SIZE: u32 = NAME_UNITS_MAX * 2;

/**
 * Reads the table of `device`: `out` gets a GPT_BLOCK with a GPT_TABLE. ENOENT, EBADMSG (also for
 * partitions out of bounds or over each other, unless `lenient`), EIO.
 */
export function gptRead(device: u32, lenient: u32, out: usize): i32 {
  const disk = diskOpen(device);
  if (disk === null) return lastFault();
  let code = diskRequire(disk);
  if (code === ErrorCode.OK && lenient === 0) {
    const used = diskUsed(disk);
    code = partitionsRequire(
      disk,
      used.entries,
      used.slots,
      used.entryLength,
      used.firstUsable,
      used.lastUsable,
      false,
      ErrorCode.EBADMSG,
    );
  }
  if (code === ErrorCode.OK) {
    const used = diskUsed(disk);
    code = give(out, tableExport(disk, used), tableSize(used));
  }
  diskClose(disk);
  return code;
}

/** A GPT_TABLE without partitions for `device`, with room for `slots`, nothing written. */
export function gptEmpty(device: u32, slots: u32, out: usize): i32 {
  const disk = diskOpen(device);
  if (disk === null) return lastFault();
  let code: ErrorCode;
  const layout = layoutOpen(disk, slots, ENTRY_SIZE, 0, 0, true);
  if (layout === null) {
    code = lastFault();
  } else {
    code = give(out, tableOfLayout(disk, layout), GPT_TABLE_SIZE);
    layoutClose(layout);
  }
  diskClose(disk);
  return code;
}

/**
 * Writes the GPT_TABLE of `length` bytes at `table`: both copies in order (`sides` 3) or one of
 * GptSide. `fresh` treats the device as new. EINVAL, ENOSPC, EROFS, EIO.
 */
export function gptWrite(device: u32, table: usize, length: u32, sides: u32, fresh: u32): i32 {
  if (tableCheck(table, length) !== ErrorCode.OK || sides === 0 || sides > BOTH_SIDES) {
    return failPlain(ErrorCode.EINVAL);
  }
  const disk = diskOpen(device);
  if (disk === null) return lastFault();
  const layout = layoutOpen(
    disk,
    load<u32>(table, GPT_TABLE_ENTRY_SLOTS),
    load<u32>(table, GPT_TABLE_ENTRY_LENGTH),
    load<u64>(table, GPT_TABLE_FIRST_USABLE),
    load<u64>(table, GPT_TABLE_LAST_USABLE),
    fresh !== 0,
  );
  let code: ErrorCode;
  if (layout === null) {
    code = lastFault();
  } else {
    code = tableWrite(disk, layout, table, sides, fresh !== 0);
    layoutClose(layout);
  }
  diskClose(disk);
  return code;
}

function tableWrite(disk: Disk, layout: Layout, table: usize, sides: u32, fresh: bool): ErrorCode {
  let code = tableImport(table, layout);
  if (code !== ErrorCode.OK) {
    return deviceFail(disk.device, code, Reason.GPT_ENTRIES, 0, 0);
  }
  code = partitionsRequire(
    disk,
    layout.entries,
    layout.slots,
    layout.entryLength,
    layout.firstUsable,
    layout.lastUsable,
    true,
    ErrorCode.EINVAL,
  );
  if (code === ErrorCode.OK) code = layoutFits(disk, layout);
  if (code === ErrorCode.OK) code = layoutWrite(disk, layout, sides, fresh);
  if (code !== ErrorCode.OK || sides !== BOTH_SIDES) return code;
  return staleClear(disk, layout);
}

/** Answers how many GPT_FINDINGs the GPT_BLOCK at `out` holds; or ENOMEM, ENOSPC (too small). */
export function gptVerify(device: u32, out: usize): i32 {
  const disk = diskOpen(device);
  if (disk === null) return lastFault();
  const findings = findingsOpen(GptProblem.PARTITION_UNUSED_BYTES);
  if (findings === null) {
    diskClose(disk);
    return failPlain(ErrorCode.ENOMEM);
  }
  diskVerify(disk, findings);
  const length = findings.count * GPT_FINDING_SIZE;
  const copy = allocate(length);
  if (copy !== 0) memory.copy(copy, findingAt(findings, 0), length);
  const code = give(out, copy, length);
  const count = <i32>findings.count;
  findingsClose(findings);
  diskClose(disk);
  return code === ErrorCode.OK ? count : code;
}

/**
 * Mends what one whole copy allows to mend, or with `apply` 0 only says what: bits 1 primary, 2
 * backup, 4 MBR. ENOENT, EBADMSG, ENOSPC, EROFS, EIO.
 */
export function gptRepair(device: u32, apply: u32): i32 {
  const disk = diskOpen(device);
  if (disk === null) return lastFault();
  const result = diskRepair(disk, apply !== 0);
  diskClose(disk);
  return result;
}

/** MBR and both copies as they are: at `out` a GPT_BLOCK with a saved table. */
export function gptSave(device: u32, out: usize): i32 {
  const disk = diskOpen(device);
  if (disk === null) return lastFault();
  const saved = diskSave(disk);
  const code = saved === 0 ? lastFault() : give(out, saved, savedLength());
  diskClose(disk);
  return code;
}

/**
 * Writes back what gptSave gave, or with `apply` 0 only checks that it fits. EBADMSG, EINVAL
 * (another geometry), EROFS, EIO.
 */
export function gptRestore(device: u32, saved: usize, length: u32, apply: u32): i32 {
  const disk = diskOpen(device);
  if (disk === null) return lastFault();
  const code = diskRestore(disk, saved, length, apply !== 0);
  diskClose(disk);
  return code;
}

/** What is in `sectors` from `base`, 0 = to the end: a Signature or a negative errno. */
export function probeAt(device: u32, base: f64, sectors: f64): i32 {
  const window = deviceOpen(device, <u64>base, <u64>sectors, true);
  if (window === null) return lastFault();
  const result = deviceProbe(window);
  deviceClose(window);
  return result;
}

/** 1 if nothing is there that anybody could miss, 0 if something is; or a negative errno. */
export function blankAt(device: u32, base: f64, sectors: f64): i32 {
  const window = deviceOpen(device, <u64>base, <u64>sectors, true);
  if (window === null) return lastFault();
  const result = deviceBlank(window);
  deviceClose(window);
  return result;
}

/** Hands a block over to the host. */
function give(out: usize, address: usize, length: u32): ErrorCode {
  if (address === 0) return failPlain(ErrorCode.ENOMEM);
  store<usize>(out, address, GPT_BLOCK_ADDRESS);
  store<u32>(out, length, GPT_BLOCK_LENGTH);
  return ErrorCode.OK;
}

/** Bytes that tableExport of `side` writes. */
function tableSize(side: Side): u32 {
  let count: u32 = 0;
  for (let slot: u32 = 0; slot < side.slots; slot++) {
    if (inUse(entryAt(side.entries, side.entryLength, slot))) count += 1;
  }
  return GPT_TABLE_SIZE + count * GPT_PARTITION_SIZE;
}

/** A new block with the table that `side` holds, tableSize bytes; 0 without memory. */
function tableExport(disk: Disk, side: Side): usize {
  const length = tableSize(side);
  const table = allocateZeroed(length);
  if (table === 0) return 0;
  store<u32>(table, disk.blockSize, GPT_TABLE_BLOCK_SIZE);
  store<u32>(table, (length - GPT_TABLE_SIZE) / GPT_PARTITION_SIZE, GPT_TABLE_PARTITIONS);
  memory.copy(table + GPT_TABLE_DISK_GUID, side.block + HEADER_DISK_GUID, 16);
  store<u64>(table, disk.blocks, GPT_TABLE_DEVICE_BLOCKS);
  store<u64>(table, side.firstUsable, GPT_TABLE_FIRST_USABLE);
  store<u64>(table, side.lastUsable, GPT_TABLE_LAST_USABLE);
  store<u32>(table, side.slots, GPT_TABLE_ENTRY_SLOTS);
  store<u32>(table, side.entryLength, GPT_TABLE_ENTRY_LENGTH);
  store<u32>(table, side.which, GPT_TABLE_USED_SIDE);
  let record = table + GPT_TABLE_SIZE;
  for (let slot: u32 = 0; slot < side.slots; slot++) {
    const entry = entryAt(side.entries, side.entryLength, slot);
    if (!inUse(entry)) continue;
    store<u32>(record, slot + 1, GPT_PARTITION_INDEX);
    memory.copy(record + GPT_PARTITION_TYPE_GUID, entry + ENTRY_TYPE_GUID, 16);
    memory.copy(record + GPT_PARTITION_UNIQUE_GUID, entry + ENTRY_UNIQUE_GUID, 16);
    store<u64>(record, load<u64>(entry, ENTRY_FIRST), GPT_PARTITION_FIRST);
    store<u64>(record, load<u64>(entry, ENTRY_LAST), GPT_PARTITION_LAST);
    store<u64>(record, load<u64>(entry, ENTRY_ATTRIBUTES), GPT_PARTITION_ATTRIBUTES);
    memory.copy(record + GPT_PARTITION_NAME, entry + ENTRY_NAME, NAME_SIZE);
    record += GPT_PARTITION_SIZE;
  }
  return table;
}

/** The head of a table without partitions, as `layout` lays it out; 0 without memory. */
function tableOfLayout(disk: Disk, layout: Layout): usize {
  const table = allocateZeroed(GPT_TABLE_SIZE);
  if (table === 0) return 0;
  store<u32>(table, disk.blockSize, GPT_TABLE_BLOCK_SIZE);
  store<u64>(table, disk.blocks, GPT_TABLE_DEVICE_BLOCKS);
  store<u64>(table, layout.firstUsable, GPT_TABLE_FIRST_USABLE);
  store<u64>(table, layout.lastUsable, GPT_TABLE_LAST_USABLE);
  store<u32>(table, layout.slots, GPT_TABLE_ENTRY_SLOTS);
  store<u32>(table, layout.entryLength, GPT_TABLE_ENTRY_LENGTH);
  return table;
}

/** OK if `length` bytes at `table` are a table with all its partitions; EINVAL if not. */
function tableCheck(table: usize, length: u32): ErrorCode {
  if (length < GPT_TABLE_SIZE) return ErrorCode.EINVAL;
  const count = load<u32>(table, GPT_TABLE_PARTITIONS);
  if (count > ENTRIES_SIZE_MAX / ENTRY_SIZE) return ErrorCode.EINVAL;
  return GPT_TABLE_SIZE + count * GPT_PARTITION_SIZE === length ? ErrorCode.OK : ErrorCode.EINVAL;
}

/** Fills the array and the disk GUID of `layout`; EINVAL: a number out of range or taken. */
function tableImport(table: usize, layout: Layout): ErrorCode {
  layout.guidLow = load<u64>(table, GPT_TABLE_DISK_GUID);
  layout.guidHigh = load<u64>(table, GPT_TABLE_DISK_GUID + 8);
  if (layout.guidLow === 0 && layout.guidHigh === 0) return ErrorCode.EINVAL;
  const count = load<u32>(table, GPT_TABLE_PARTITIONS);
  for (let number: u32 = 0; number < count; number++) {
    const record = table + <usize>(GPT_TABLE_SIZE + number * GPT_PARTITION_SIZE);
    const index = load<u32>(record, GPT_PARTITION_INDEX);
    if (index === 0 || index > layout.slots) return ErrorCode.EINVAL;
    if (isZero(record + GPT_PARTITION_TYPE_GUID, 16)) return ErrorCode.EINVAL;
    const entry = entryAt(layout.entries, layout.entryLength, index - 1);
    if (inUse(entry)) return ErrorCode.EINVAL;
    memory.copy(entry + ENTRY_TYPE_GUID, record + GPT_PARTITION_TYPE_GUID, 16);
    memory.copy(entry + ENTRY_UNIQUE_GUID, record + GPT_PARTITION_UNIQUE_GUID, 16);
    store<u64>(entry, load<u64>(record, GPT_PARTITION_FIRST), ENTRY_FIRST);
    store<u64>(entry, load<u64>(record, GPT_PARTITION_LAST), ENTRY_LAST);
    store<u64>(entry, load<u64>(record, GPT_PARTITION_ATTRIBUTES), ENTRY_ATTRIBUTES);
    memory.copy(entry + ENTRY_NAME, record + GPT_PARTITION_NAME, NAME_SIZE);
  }
  return ErrorCode.OK;
}

function inUse(entry: usize): bool {
  return !isZero(entry + ENTRY_TYPE_GUID, 16);
}
