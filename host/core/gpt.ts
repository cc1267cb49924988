/**
 * Partition tables: typed calls over the core. Bytes and places are the core's alone.
 *
 * Interface: a device is the number that Core.attach gave. Every call reads the device anew and
 * keeps nothing. Functions that write do so in one ordered update: a cut at any write leaves the
 * old table or the new one.
 */
import {
  GPT_BLOCK_ADDRESS,
  GPT_BLOCK_LENGTH,
  GPT_BLOCK_SIZE,
  GPT_FINDING_EXPECTED,
  GPT_FINDING_FOUND,
  GPT_FINDING_OTHER,
  GPT_FINDING_PARTITION,
  GPT_FINDING_PROBLEM,
  GPT_FINDING_SECTOR,
  GPT_FINDING_SIDE,
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
  GptSide as Side,
  Signature,
} from "../../assembly/format/gpt.ts";
import { failure } from "../base/errors.ts";
import type { Finding } from "../base/finding.ts";
import { guidBytes, guidText, newGuid } from "../base/guid.ts";
import { type RandomSource, systemRandom } from "../base/seed.ts";
import { withChange, withoutPartition, withPartition } from "./gpt/place.ts";
import { isAdvice, type Problem, problemSentence } from "./gpt/problems.ts";
import type {
  GptChange,
  GptCreateOptions,
  GptDryRun,
  GptPartition,
  GptReadOptions,
  GptRepair,
  GptRequest,
  GptTable,
  GptWriteOptions,
  Place,
} from "./gpt/types.ts";
import type { Core } from "./load.ts";

export {
  freeRuns,
  lastLbaFor,
  partitionOf,
  typeGuidOf,
  typeNameOf,
  withChange,
  withoutPartition,
  withPartition,
} from "./gpt/place.ts";
export * from "./gpt/types.ts";

const SLOTS_DEFAULT = 128;
const NAME_UNITS = (GPT_PARTITION_SIZE - GPT_PARTITION_NAME) / 2;
const SIDES = { both: Side.PRIMARY | Side.BACKUP, primary: Side.PRIMARY, backup: Side.BACKUP };

/**
 * Reads the partition table, from the backup copy if the primary one is damaged.
 *
 * @throws {StorageError} ENOENT: no GPT on this device; EBADMSG: both copies are damaged, or a
 *   partition lies outside the disk or over another (`lenient` reads these too); EIO
 * @see UEFI 2.10, 5.3; docs/format/gpt.md
 * @example
 * const { partitions } = readGpt(core, core.attach(device));
 */
export function readGpt(core: Core, device: number, options: GptReadOptions = {}): GptTable {
  return decodeTable(
    takeBlock(core, device, "readGpt", (out) =>
      core.exports.gptRead(device, options.lenient === true ? 1 : 0, out),
    ),
  );
}

/**
 * A table without partitions for this device; nothing is written.
 *
 * @throws {StorageError} ENOSPC: the device is too small for a table
 */
export function emptyGpt(core: Core, device: number, options: GptCreateOptions = {}): GptTable {
  const { entrySlots = SLOTS_DEFAULT, random = systemRandom, entries = [] } = options;
  if (!Number.isInteger(entrySlots) || entrySlots < 1) {
    throw failure("EINVAL", "emptyGpt", `a table cannot have ${entrySlots} entries.`);
  }
  const bytes = takeBlock(core, device, "emptyGpt", (out) =>
    core.exports.gptEmpty(device, entrySlots, out),
  );
  const diskGuid = (options.diskGuid ?? newGuid(random)).toUpperCase();
  guidBytes(diskGuid);
  const table: GptTable = { ...decodeTable(bytes), diskGuid };
  return entries.reduce((sum, each) => withPartition(sum, each, random), table);
}

/** Writes a new table with `entries` over whatever the device has. */
export function createGpt(core: Core, device: number, options: GptCreateOptions = {}): GptTable {
  const table = emptyGpt(core, device, options);
  writeGpt(core, device, table, { fresh: true });
  return table;
}

/**
 * Writes the whole table in one ordered update: a cut anywhere leaves the old or the new one.
 *
 * @throws {StorageError} EINVAL: the partitions do not fit each other or the device; ENOSPC: a
 *   partition is where a copy belongs; EROFS; EIO
 */
export function writeGpt(
  core: Core,
  device: number,
  table: GptTable,
  options: GptWriteOptions = {},
): void {
  const { sides = "both", fresh = false } = options;
  const { blockSize, deviceBlocks } = table;
  const config = core.device(device)?.config;
  if (config !== undefined && config.blkSize !== blockSize) {
    const why = `the table counts blocks of ${blockSize} bytes, the device ${config.blkSize}.`;
    throw failure("EINVAL", "writeGpt", why);
  }
  const blocks =
    config === undefined ? deviceBlocks : Math.floor(config.capacity / (blockSize / 512));
  // A table that was made for a smaller or larger device gets the usual end of this one.
  const bytes = encodeTable(blocks === deviceBlocks ? table : { ...table, lastUsableLba: 0 });
  const path = nameOf(core, device);
  core.memory.with(bytes, (address, length) => {
    const result = core.exports.gptWrite(device, address, length, SIDES[sides], fresh ? 1 : 0);
    core.check(result, "writeGpt", { path });
  });
}

/** Adds a partition and answers it. @throws {StorageError} as readGpt, withPartition, writeGpt */
export function addPartition(
  core: Core,
  device: number,
  request: GptRequest,
  random: RandomSource = systemRandom,
): GptPartition {
  const old = readGpt(core, device, { lenient: true });
  const table = withPartition(old, request, random);
  writeGpt(core, device, table);
  const added = table.partitions.find((each) => !old.partitions.includes(each));
  return added as GptPartition;
}

/** Takes partition `index` out of the table; what is in its blocks stays there. */
export function removePartition(core: Core, device: number, index: number): GptTable {
  const table = withoutPartition(readGpt(core, device, { lenient: true }), index);
  writeGpt(core, device, table);
  return table;
}

/** Resizes, moves, renames or retypes partition `index`; never touches what is in its blocks. */
export function updatePartition(
  core: Core,
  device: number,
  index: number,
  change: GptChange,
): GptPartition {
  const table = withChange(readGpt(core, device, { lenient: true }), index, change);
  writeGpt(core, device, table);
  return table.partitions.find((each) => each.index === index) as GptPartition;
}

/**
 * Everything that UEFI 2.10 section 5.3 asks of both copies and the protective MBR, and more: see
 * docs/format/gpt.md. A device without a table has the one finding GPT_NO_TABLE beside its MBR's.
 */
export function verifyGpt(core: Core, device: number): Finding[] {
  const bytes = takeBlock(core, device, "verifyGpt", (out) => core.exports.gptVerify(device, out));
  const name = nameOf(core, device);
  const findings: Finding[] = [];
  for (let offset = 0; offset < bytes.length; offset += GPT_FINDING_SIZE) {
    findings.push(decodeFinding(bytes, offset, name));
  }
  return findings;
}

/**
 * Mends a damaged copy from the other one and moves the backup to the end of a grown device.
 *
 * @throws {StorageError} ENOENT, EBADMSG: no copy is whole; ENOSPC: a partition lies where a copy
 *   belongs, as on a device that was made smaller; EROFS; EIO
 */
export function repairGpt(core: Core, device: number, options: GptDryRun = {}): GptRepair {
  const { dryRun = false } = options;
  const before = verifyGpt(core, device);
  const path = nameOf(core, device);
  core.check(core.exports.gptRepair(device, dryRun ? 0 : 1), "repairGpt", { path });
  if (dryRun) {
    const owners = (each: Finding) => /^GPT_(PARTITION_|MBR_EXTRA)/.test(each.reason);
    return { repaired: before.filter((each) => !owners(each)), remaining: before.filter(owners) };
  }
  const remaining = verifyGpt(core, device);
  const left = new Set(remaining.map(keyOf));
  return { repaired: before.filter((each) => !left.has(keyOf(each))), remaining };
}

/**
 * The MBR and both copies as bytes to keep in a file: what restoreGpt takes. They are saved as they
 * are, good or bad, so a disk without a table can be saved too.
 */
export function backupGpt(core: Core, device: number): Uint8Array {
  return takeBlock(core, device, "backupGpt", (out) => core.exports.gptSave(device, out));
}

/**
 * Writes back what backupGpt saved, ordered like any update; a dry run only checks that it fits.
 *
 * @throws {StorageError} EBADMSG: `saved` is damaged; EINVAL: it was taken from a device of another
 *   size or block size; EROFS; EIO
 */
export function restoreGpt(
  core: Core,
  device: number,
  saved: Uint8Array,
  options: GptDryRun = {},
): void {
  const path = nameOf(core, device);
  const apply = options.dryRun === true ? 0 : 1;
  core.memory.with(saved, (address, length) => {
    core.check(core.exports.gptRestore(device, address, length, apply), "restoreGpt", { path });
  });
}

/**
 * What is at `place` by its signature: "gpt", "mbr", "fat", "exfat", "ntfs", "ext", "capos-region",
 * "capos-ro", "iso9660", "squashfs", "luks", "lvm", "swap", "xfs", "btrfs" and others of the core's
 * Signature; null if nothing known.
 */
export function probe(core: Core, device: number, place: Place = WHOLE): string | null {
  const path = nameOf(core, device);
  const result = core.exports.probeAt(device, place.baseSector, place.sectors);
  const signature = core.check(result, "probe", { path });
  if (signature === Signature.NOTHING) return null;
  return (Signature[signature] ?? "unknown").toLowerCase().replaceAll("_", "-");
}

/** True if probe knows nothing there and the first and last MiB are zero. */
export function isBlank(core: Core, device: number, place: Place = WHOLE): boolean {
  const path = nameOf(core, device);
  const result = core.exports.blankAt(device, place.baseSector, place.sectors);
  return core.check(result, "isBlank", { path }) === 1;
}

const WHOLE: Place = { baseSector: 0, sectors: 0 };

function nameOf(core: Core, device: number): string {
  return core.device(device)?.name ?? `device ${device}`;
}

function keyOf(finding: Finding): string {
  return `${finding.reason} ${finding.lba} ${finding.message}`;
}

/** Runs a call that hands a block over, and answers its bytes. */
function takeBlock(
  core: Core,
  device: number,
  syscall: string,
  call: (out: number) => number,
): Uint8Array {
  return core.memory.with(new Uint8Array(GPT_BLOCK_SIZE), (out) => {
    core.check(call(out), syscall, { path: nameOf(core, device) });
    const { view } = core.memory;
    const address = view.getUint32(out + GPT_BLOCK_ADDRESS, true);
    const length = view.getUint32(out + GPT_BLOCK_LENGTH, true);
    const bytes = core.memory.slice(address, length);
    core.memory.release(address, length);
    return bytes;
  });
}

function decodeTable(bytes: Uint8Array): GptTable {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const number = (offset: number) => Number(view.getBigUint64(offset, true));
  const count = view.getUint32(GPT_TABLE_PARTITIONS, true);
  const partitions = Array.from({ length: count }, (_, index) =>
    decodePartition(bytes, view, GPT_TABLE_SIZE + index * GPT_PARTITION_SIZE),
  );
  const backup = view.getUint32(GPT_TABLE_USED_SIDE, true) === Side.BACKUP;
  return {
    diskGuid: guidText(bytes, GPT_TABLE_DISK_GUID),
    blockSize: view.getUint32(GPT_TABLE_BLOCK_SIZE, true),
    deviceBlocks: number(GPT_TABLE_DEVICE_BLOCKS),
    firstUsableLba: number(GPT_TABLE_FIRST_USABLE),
    lastUsableLba: number(GPT_TABLE_LAST_USABLE),
    entrySlots: view.getUint32(GPT_TABLE_ENTRY_SLOTS, true),
    entrySize: view.getUint32(GPT_TABLE_ENTRY_LENGTH, true),
    usedSide: backup ? "backup" : "primary",
    partitions,
  };
}

function decodePartition(bytes: Uint8Array, view: DataView, at: number): GptPartition {
  const units = Array.from({ length: NAME_UNITS }, (_, index) =>
    view.getUint16(at + GPT_PARTITION_NAME + 2 * index, true),
  );
  const end = units.indexOf(0);
  return {
    index: view.getUint32(at + GPT_PARTITION_INDEX, true),
    typeGuid: guidText(bytes, at + GPT_PARTITION_TYPE_GUID),
    uniqueGuid: guidText(bytes, at + GPT_PARTITION_UNIQUE_GUID),
    firstLba: Number(view.getBigUint64(at + GPT_PARTITION_FIRST, true)),
    lastLba: Number(view.getBigUint64(at + GPT_PARTITION_LAST, true)),
    attributes: view.getBigUint64(at + GPT_PARTITION_ATTRIBUTES, true),
    name: String.fromCharCode(...units.slice(0, end < 0 ? NAME_UNITS : end)),
  };
}

function encodeTable(table: GptTable): Uint8Array {
  const { partitions } = table;
  const bytes = new Uint8Array(GPT_TABLE_SIZE + partitions.length * GPT_PARTITION_SIZE);
  const view = new DataView(bytes.buffer);
  const put = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  bytes.set(guidBytes(table.diskGuid), GPT_TABLE_DISK_GUID);
  view.setUint32(GPT_TABLE_BLOCK_SIZE, table.blockSize, true);
  view.setUint32(GPT_TABLE_PARTITIONS, partitions.length, true);
  put(GPT_TABLE_DEVICE_BLOCKS, table.deviceBlocks);
  put(GPT_TABLE_FIRST_USABLE, table.firstUsableLba);
  put(GPT_TABLE_LAST_USABLE, table.lastUsableLba);
  view.setUint32(GPT_TABLE_ENTRY_SLOTS, table.entrySlots, true);
  view.setUint32(GPT_TABLE_ENTRY_LENGTH, table.entrySize, true);
  partitions.forEach((each, index) => {
    const at = GPT_TABLE_SIZE + index * GPT_PARTITION_SIZE;
    if (each.name.length > NAME_UNITS) {
      const why = `partition ${each.index}: a name has at most ${NAME_UNITS} UTF-16 units.`;
      throw failure("ENAMETOOLONG", "writeGpt", why);
    }
    view.setUint32(at + GPT_PARTITION_INDEX, each.index, true);
    bytes.set(guidBytes(each.typeGuid), at + GPT_PARTITION_TYPE_GUID);
    bytes.set(guidBytes(each.uniqueGuid), at + GPT_PARTITION_UNIQUE_GUID);
    put(at + GPT_PARTITION_FIRST, each.firstLba);
    put(at + GPT_PARTITION_LAST, each.lastLba);
    view.setBigUint64(at + GPT_PARTITION_ATTRIBUTES, each.attributes, true);
    for (let unit = 0; unit < each.name.length; unit++) {
      view.setUint16(at + GPT_PARTITION_NAME + 2 * unit, each.name.charCodeAt(unit), true);
    }
  });
  return bytes;
}

function decodeFinding(bytes: Uint8Array, at: number, device: string): Finding {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, GPT_FINDING_SIZE);
  const side = view.getUint32(GPT_FINDING_SIDE, true);
  const name = GptProblem[view.getUint32(GPT_FINDING_PROBLEM, true)] ?? "UNKNOWN";
  const partition = view.getUint32(GPT_FINDING_PARTITION, true);
  const problem: Problem = {
    side: side === Side.PRIMARY ? "primary" : side === Side.BACKUP ? "backup" : "",
    partition,
    other: view.getUint32(GPT_FINDING_OTHER, true),
    found: view.getBigUint64(GPT_FINDING_FOUND, true),
    expected: view.getBigUint64(GPT_FINDING_EXPECTED, true),
  };
  return {
    reason: `GPT_${name}`,
    lba: Number(view.getBigUint64(GPT_FINDING_SECTOR, true)),
    device,
    ...(partition === 0 ? {} : { path: `partition ${partition}` }),
    message: problemSentence(name, problem),
    severity: isAdvice(name) ? "advice" : "damage",
  };
}
