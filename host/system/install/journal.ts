/**
 * The journal of an installation, on the target itself: which plan, and which step comes next. One
 * of a recovery partition that is made anew stands in the same place, on a disk that is installed.
 *
 * It lies in the gap between the partition table and the first partition, in two slots of 4 KiB
 * that are written in turn, each with its own SHA-256: a torn write leaves the other one, which
 * names the step before, and every step may be done again. The last step clears it, the older slot
 * first, so that what is left after a cut is always the newest.
 *
 * SLOT, one copy of the journal
 *
 * | offset | size | field  | meaning                                        |
 * | -----: | ---: | ------ | ---------------------------------------------- |
 * |  0x000 |   32 | digest | SHA-256 of everything after it                 |
 * |  0x020 |    4 | length | of the record in bytes                         |
 * |  0x024 | 4060 | record | typed-binary, little-endian, then zeros        |
 */
import { StorageError } from "../../base/errors.ts";
import * as wire from "../../base/wire.ts";
import { createDigest } from "../../core/hash/digest.ts";
import type { BlockDevice } from "../../device/device.ts";
import { flushDevice, readSectors, writeSectors } from "../../device/sectors.ts";
import { type Extent, extent, SECTOR_BYTES } from "../../format/layout.ts";
import { planted } from "./planted.ts";

const SLOT_BYTES = 4096;
const SLOT_SECTORS = SLOT_BYTES / SECTOR_BYTES;
const DIGEST_BYTES = 32;
const HEAD_BYTES = DIGEST_BYTES + 4;
const VERSION = 1;

/** Both slots: LBA 64 to 79, in two physical blocks of 4 KiB. */
export const JOURNAL_EXTENT: Extent = extent(64, 2 * SLOT_SECTORS);

const journalRecord = wire.record("install journal", {
  magic: wire.text(16),
  version: wire.u16,
  sequence: wire.u53,
  /** Index of the step that is not known to be done. */
  step: wire.u8,
  planHash: wire.bytes(32),
  /** The plan's options and identities, as JSON: enough to make the same plan again. */
  recipe: wire.text(3000),
});

const MAGIC = "DWRIGHT-INSTALL";
const SEED_MAX = 1000;

/** What `install --recovery` leaves where it is cut; the system on the disk is whole. */
export const HALF_RECOVERY = "a half-done recovery partition";
export const RECOVERY_GOES_ON = "diskwright install --recovery goes on with it";

/** The place of an installation that takes everything. */
export const WHOLE_DISK = "disk";

export interface JournalEntry {
  readonly sequence: number;
  readonly step: number;
  readonly planHash: Uint8Array;
  readonly recipe: string;
}

/** What the journal keeps while a recovery partition is made anew. */
export interface RecoveryRecipe {
  readonly origin: { readonly seed: string; readonly createdS: number };
  /** Of the partition, which is not there while it is made. */
  readonly label: string;
}

/** The newest valid entry on `device`, undefined where there is none. EIO. */
export function readJournal(device: BlockDevice): JournalEntry | undefined {
  if (device.config.capacity <= JOURNAL_EXTENT.last) return undefined;
  const bytes = readSectors(device, JOURNAL_EXTENT.first, JOURNAL_EXTENT.sectors);
  const entries = [0, 1].map((slot) => parse(bytes.subarray(slot * SLOT_BYTES), slot));
  const [one, other] = entries;
  if (one === undefined || other === undefined) return one ?? other;
  return one.sequence > other.sequence ? one : other;
}

/** Writes one entry durably; the other slot keeps the one before. */
export function writeJournal(device: BlockDevice, entry: JournalEntry): void {
  const record = journalRecord.encode({ magic: MAGIC, version: VERSION, ...entry });
  const slot = new Uint8Array(SLOT_BYTES);
  slot.set(record, HEAD_BYTES);
  new DataView(slot.buffer).setUint32(DIGEST_BYTES, record.length, true);
  slot.set(digestOf(slot));
  // What the step before wrote must be durable before the journal says that it is done.
  flushDevice(device);
  writeSectors(device, slotLba(entry.sequence), slot);
  flushDevice(device);
}

/** Puts `final`, the bytes that belong there, over both slots: the older one first. */
export function clearJournal(device: BlockDevice, newest: number, final: Uint8Array): void {
  flushDevice(device);
  for (const sequence of [newest + 1, newest]) {
    const lba = slotLba(sequence);
    const from = (lba - JOURNAL_EXTENT.first) * SECTOR_BYTES;
    writeSectors(device, lba, final.subarray(from, from + SLOT_BYTES));
    flushDevice(device);
  }
}

/** What a half-done installation takes of the disk; a recipe without a word of it takes all. */
export function placeOf({ recipe }: JournalEntry): string {
  try {
    const { place } = JSON.parse(recipe) as { place?: unknown };
    return typeof place === "string" ? place : WHOLE_DISK;
  } catch {
    return WHOLE_DISK;
  }
}

export function writeRecoveryRecipe({ origin, label }: RecoveryRecipe): string {
  return JSON.stringify({ rayosRecovery: 1, origin, label });
}

/** The same of a journal whose digest was right; undefined if it is an installation's. */
export function readRecoveryRecipe({ recipe }: JournalEntry): RecoveryRecipe | undefined {
  try {
    const { rayosRecovery, origin, label } = JSON.parse(recipe) as RecoveryRecipe & {
      rayosRecovery?: unknown;
    };
    if (rayosRecovery !== 1 || !isOrigin(origin) || typeof label !== "string") return undefined;
    return { origin: { seed: origin.seed, createdS: origin.createdS }, label };
  } catch {
    return undefined;
  }
}

/** True if all identities can be drawn from it again. */
export function isOrigin({ seed, createdS }: RecoveryRecipe["origin"]): boolean {
  return typeof seed === "string" && seed.length <= SEED_MAX && Number.isSafeInteger(createdS);
}

function slotLba(sequence: number): number {
  const slot = planted(61) ? 0 : sequence % 2;
  return JOURNAL_EXTENT.first + slot * SLOT_SECTORS;
}

function digestOf(slot: Uint8Array): Uint8Array {
  return createDigest().update(slot.subarray(DIGEST_BYTES)).bytes();
}

/** The entry of one slot, if digest, magic, version and place are right. */
function parse(slot: Uint8Array, parity: number): JournalEntry | undefined {
  const bytes = slot.slice(0, SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  const length = view.getUint32(DIGEST_BYTES, true);
  if (length === 0 || length > SLOT_BYTES - HEAD_BYTES) return undefined;
  if (digestOf(bytes).some((byte, at) => byte !== bytes[at])) return undefined;
  try {
    const entry = journalRecord.decode(bytes.subarray(HEAD_BYTES, HEAD_BYTES + length));
    if (entry.magic !== MAGIC || entry.version !== VERSION) return undefined;
    return entry.sequence % 2 === parity || planted(61) ? entry : undefined;
  } catch (error) {
    if (error instanceof StorageError) return undefined;
    throw error;
  }
}
