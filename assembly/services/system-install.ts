/**
 * system-install: puts a packaged system onto a blank disk.
 *
 * Capabilities: console, source (read-only Directory), target (BlockDevice). The source holds
 * BOOTHEAD.BIN (primary table and head of the ESP), BOOTGPT.BIN (backup table) and DATAIMG.BIN.
 *
 * Every range is checked before the first write. The primary table is written last: until then the
 * disk counts as blank, and a run that was cut is started again. All is read back.
 */
import {
  ENTRY_FIRST,
  ENTRY_LAST,
  ENTRY_SIZE,
  HEADER_ALTERNATE_LBA,
  HEADER_CRC,
  HEADER_ENTRIES_LBA,
  HEADER_ENTRY_LENGTH,
  HEADER_LENGTH,
  HEADER_MY_LBA,
  HEADER_SIGNATURE_HIGH,
  HEADER_SIGNATURE_LOW,
  HEADER_SIZE,
} from "../format/gpt";
import { INFO_BLOCK_BYTES, INFO_BLOCKS, INFO_FLAGS, INFO_SIZE, OPEN_READ } from "./abi/codes";
import { block_flush, block_info, file_size } from "./kit/cap";
import { end, keepReason, keptReason, number, say, text } from "./kit/line";
import { capability, open } from "./kit/names";
import { isZero, piece, readSectors, SECTOR, sameRun, sweep, writeRun } from "./kit/run";

/** Protective MBR, header and entries. */
const TABLE_SECTORS: u64 = 34;
/** What must be zero at both ends of a blank disk: 1 MiB. */
const END_SECTORS: u64 = 2048;
const DATA_LBA: u64 = 264_192;

const info: usize = memory.data(INFO_SIZE);
const size: usize = memory.data(8);

let target: i32 = 0;
let blocks: u64 = 0;
let head: i32 = 0;
let headSectors: u64 = 0;
let table: i32 = 0;
let tableSectors: u64 = 0;
let tableLba: u64 = 0;
let data: i32 = 0;
let dataSectors: u64 = 0;
let espEnd: u64 = 0;
let dataEnd: u64 = 0;

export function main(): i32 {
  if (!openAll() || !readTable() || !checkRanges()) return 1;
  if (sameRun(head, target, 0, 0, TABLE_SECTORS)) {
    say("the table is on the target already");
    return verify() ? 0 : 1;
  }
  if (!isBlank()) return no("the target is not blank");
  sayPlan("BOOTHEAD.BIN", 0, headSectors);
  sayPlan("BOOTGPT.BIN", tableLba, tableSectors);
  sayPlan("DATAIMG.BIN", DATA_LBA, dataSectors);
  if (!write()) {
    keepReason();
    text("failed: a write was refused: ");
    keptReason();
    end();
    return 1;
  }
  say("written");
  return verify() ? 0 : 1;
}

function openAll(): bool {
  const source = capability("source");
  target = capability("target");
  if (block_info(target, info) !== 0) return refuse("the target does not answer");
  if (load<u32>(info, INFO_BLOCK_BYTES) !== <u32>SECTOR) {
    return refuse("the target has no blocks of 512 bytes");
  }
  if (load<u32>(info, INFO_FLAGS) !== 0) return refuse("the target is read-only");
  blocks = load<u64>(info, INFO_BLOCKS);
  head = open(source, "BOOTHEAD.BIN", OPEN_READ);
  headSectors = sectorsOf(head);
  table = open(source, "BOOTGPT.BIN", OPEN_READ);
  tableSectors = sectorsOf(table);
  data = open(source, "DATAIMG.BIN", OPEN_READ);
  dataSectors = sectorsOf(data);
  if (headSectors >= TABLE_SECTORS && tableSectors > 1 && dataSectors > 0) return true;
  return refuse("the source lacks BOOTHEAD.BIN, BOOTGPT.BIN or DATAIMG.BIN, or one is cut");
}

/** Sectors of a file; 0 if it is not there or no whole number of them. */
function sectorsOf(file: i32): u64 {
  if (file < 0 || file_size(file, size) !== 0) return 0;
  const bytes = load<u64>(size);
  return bytes % SECTOR === 0 ? bytes / SECTOR : 0;
}

/** Reads the primary table: where the backup goes, and where both partitions end. */
function readTable(): bool {
  if (!readSectors(head, 0, <i32>TABLE_SECTORS)) return refuse("BOOTHEAD.BIN cannot be read");
  const header = piece + <usize>SECTOR;
  if (!isHeader(header, 1)) return refuse("BOOTHEAD.BIN has no valid header");
  const alternate = load<u64>(header, HEADER_ALTERNATE_LBA);
  const entries = piece + 2 * <usize>SECTOR;
  const plain =
    load<u64>(header, HEADER_ENTRIES_LBA) === 2 &&
    load<u32>(header, HEADER_ENTRY_LENGTH) === ENTRY_SIZE;
  if (!plain) return refuse("the table of BOOTHEAD.BIN has another form");
  if (load<u64>(entries + ENTRY_SIZE, ENTRY_FIRST) !== DATA_LBA) {
    return refuse("the second partition does not begin at LBA 264192");
  }
  espEnd = load<u64>(entries, ENTRY_LAST) + 1;
  dataEnd = load<u64>(entries + ENTRY_SIZE, ENTRY_LAST) + 1;
  if (alternate < tableSectors || alternate >= blocks) {
    return refuse("the backup table does not fit the target");
  }
  tableLba = alternate + 1 - tableSectors;
  if (!readSectors(table, tableSectors - 1, 1)) return refuse("BOOTGPT.BIN cannot be read");
  return isHeader(piece, alternate) || refuse("BOOTGPT.BIN is not the backup of BOOTHEAD.BIN");
}

function isHeader(header: usize, lba: u64): bool {
  const named =
    load<u32>(header) === HEADER_SIGNATURE_LOW && load<u32>(header, 4) === HEADER_SIGNATURE_HIGH;
  if (!named || load<u32>(header, HEADER_LENGTH) !== HEADER_SIZE) return false;
  return (
    load<u64>(header, HEADER_MY_LBA) === lba && crc32(header) === load<u32>(header, HEADER_CRC)
  );
}

/** CRC-32 of a header whose own field counts as zero. */
function crc32(header: usize): u32 {
  let crc: u32 = ~0;
  for (let at: u32 = 0; at < HEADER_SIZE; at++) {
    const own = at >= HEADER_CRC && at < HEADER_CRC + 4;
    crc ^= own ? 0 : load<u8>(header + at);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc;
}

/** No range leaves the target, and none reaches into another. */
function checkRanges(): bool {
  if (headSectors > espEnd || espEnd > DATA_LBA) return refuse("BOOTHEAD.BIN is too long");
  if (DATA_LBA + dataSectors > dataEnd || dataEnd > tableLba) {
    return refuse("DATAIMG.BIN is too long");
  }
  return blocks >= 2 * END_SECTORS || refuse("the target is too small");
}

/** Both ends are zero; at the back the backup table of a run that was cut may stand. */
function isBlank(): bool {
  if (!isZero(target, 0, END_SECTORS)) return false;
  const back = max(blocks - END_SECTORS, dataEnd);
  const after = tableLba + tableSectors;
  if (isZero(target, back, blocks)) return true;
  return (
    sameRun(table, target, tableLba, 0, tableSectors) &&
    isZero(target, back, max(back, tableLba)) &&
    isZero(target, after, blocks)
  );
}

function write(): bool {
  if (!writeRun(head, target, 0, TABLE_SECTORS, headSectors)) return false;
  if (!writeRun(data, target, DATA_LBA, 0, dataSectors)) return false;
  // What the files leave out is zero on the disk that they were cut from.
  if (!sweep(target, headSectors, espEnd) || !sweep(target, DATA_LBA + dataSectors, dataEnd)) {
    return false;
  }
  if (!writeRun(table, target, tableLba, 0, tableSectors)) return false;
  if (block_flush(target) !== 0) return false;
  // From here on the target is an installed disk.
  return writeRun(head, target, 0, 0, TABLE_SECTORS) && block_flush(target) === 0;
}

function verify(): bool {
  const same =
    sameRun(head, target, 0, 0, headSectors) &&
    sameRun(data, target, DATA_LBA, 0, dataSectors) &&
    sameRun(table, target, tableLba, 0, tableSectors);
  say(same ? "verified by reading back" : "failed: the target does not hold what was written");
  return same;
}

function sayPlan(file: string, lba: u64, sectors: u64): void {
  text(file);
  text(" to LBA ");
  number(lba);
  text(", sectors ");
  number(sectors);
  end();
}

function refuse(why: string): bool {
  no(why);
  return false;
}

function no(why: string): i32 {
  text("refused: ");
  text(why);
  end();
  return 1;
}
