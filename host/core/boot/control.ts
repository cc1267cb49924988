/**
 * The boot-control block of CAPOSWF1 as a typed value: which generation runs, which one is tried,
 * and what early boot must know without any tree. 128 bytes that change in one commit with the
 * files. Strict both ways, one field at a time; which values go together is for the transitions.
 */
import {
  CONTROL_ACTIVE,
  CONTROL_ACTIVE_FAILURES,
  CONTROL_ACTIVE_FAILURES_MAX,
  CONTROL_BAD_ACTIVE,
  CONTROL_BAD_CANDIDATE,
  CONTROL_BIT_CANDIDATE_IS_GOLDEN,
  CONTROL_BIT_GOLDEN_IS_ACTIVE,
  CONTROL_BIT_GOLDEN_IS_BAD,
  CONTROL_BIT_RECOVERY,
  CONTROL_BITS,
  CONTROL_BOOT_SEQUENCE,
  CONTROL_BOOT_TOKEN,
  CONTROL_CANDIDATE,
  CONTROL_CANDIDATE_FAILED,
  CONTROL_CAUSE_MAX,
  CONTROL_GOLDEN,
  CONTROL_GOOD_BOOT,
  CONTROL_HIGH_WATER,
  CONTROL_LAST_STAGE,
  CONTROL_PHASE,
  CONTROL_PHASE_MAX,
  CONTROL_RESERVED,
  CONTROL_RESET_CAUSE,
  CONTROL_RING,
  CONTROL_RING_LENGTH,
  CONTROL_RING_MAX,
  CONTROL_ROLLBACK_COUNT,
  CONTROL_ROLLBACK_REASON,
  CONTROL_SELECTED,
  CONTROL_SEQUENCE,
  CONTROL_SIZE,
  CONTROL_STAGE_MAX,
  CONTROL_TRIES_LEFT,
  CONTROL_UNKNOWN_BOOTS,
} from "../../../assembly/format/wf.ts";
import { failure, type StorageError } from "../../base/errors.ts";

/** Bytes of the block. */
export const CONTROL_BYTES: number = CONTROL_SIZE;
/** Previous generations that the block remembers. */
export const RING_MAX: number = CONTROL_RING_MAX;

const BITS_MAX =
  CONTROL_BIT_RECOVERY |
  CONTROL_BIT_GOLDEN_IS_ACTIVE |
  CONTROL_BIT_GOLDEN_IS_BAD |
  CONTROL_BIT_CANDIDATE_IS_GOLDEN;

export enum Phase {
  IDLE = 0,
  STAGED = 1,
  ARMED = 2,
  TRYING = 3,
}

/** Why the machine was reset last: what the host says to the next early boot. */
export enum ResetCause {
  UNKNOWN = 0,
  POWER = 1,
  CLEAN = 2,
  PANIC = 3,
  WATCHDOG = 4,
  HEALTH = 5,
}

/** Generation ids are pointer epochs, from 1; 0 = none. */
export interface BootControl {
  readonly phase: Phase;
  /** Attempts that the candidate has left, 0 to 255. */
  readonly triesLeft: number;
  /** Hard failures of the active generation in a row, 0 to 3. */
  readonly activeFailures: number;
  /** The candidate had a hard failure. */
  readonly candidateFailed: boolean;
  /** Only the rescue environment boots, until an operator acts. */
  readonly recovery: boolean;
  /** The golden generation's content is the active one's. */
  readonly goldenIsActive: boolean;
  /** The golden generation's content is marked BAD. */
  readonly goldenIsBad: boolean;
  /** The candidate's content is the golden generation's. */
  readonly candidateIsGolden: boolean;
  /** Last boot stage reached, 0 to 4. */
  readonly lastStage: number;
  readonly resetCause: ResetCause;
  /** Previous generations, newest first, at most three. */
  readonly ring: readonly number[];
  /** Counts changes of this block. */
  readonly sequence: number;
  readonly bootSequence: number;
  /** Random, new with every attempt: 64 bits. */
  readonly bootToken: bigint;
  readonly active: number;
  readonly candidate: number;
  readonly golden: number;
  /** Selected by the last early boot. */
  readonly selected: number;
  /** The largest pointer epoch ever staged. */
  readonly highWater: number;
  /** A former candidate to mark BAD at the next normal run. */
  readonly badCandidate: number;
  /** A former active generation to mark BAD at the next normal run. */
  readonly badActive: number;
  /** Why the last rollback happened, 0 to 65535. */
  readonly rollbackReason: number;
  /** Boots in a row whose reset cause was unknown, 0 to 255. */
  readonly unknownBoots: number;
  readonly rollbackCount: number;
  /** Boot sequence of the last good boot. */
  readonly goodBoot: number;
}

/** What the block says before any generation was provisioned: 128 zero bytes. */
export const NEVER_PROVISIONED: BootControl = decodeControl(new Uint8Array(CONTROL_BYTES));

/** Whether a generation was ever provisioned. */
export function isProvisioned(control: BootControl): boolean {
  return control.highWater !== 0 || control.active !== 0;
}

/**
 * Reads the block.
 *
 * @param block exactly 128 bytes, as FileSystem.control() answers them
 * @throws {StorageError} EBADMSG: a field has a value that the format does not know
 */
export function decodeControl(block: Uint8Array): BootControl {
  if (block.length !== CONTROL_BYTES) throw malformed("length", block.length);
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const byte = (name: string, offset: number, most: number): number =>
    known(name, view.getUint8(offset), most);
  const word = (name: string, offset: number): number => {
    const value = view.getBigUint64(offset, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(name, value);
    return Number(value);
  };
  byte("reserved byte", CONTROL_RESERVED, 0);
  const bits = byte("bits", CONTROL_BITS, BITS_MAX);
  const length = byte("ring length", CONTROL_RING_LENGTH, CONTROL_RING_MAX);
  const places = Array.from({ length: CONTROL_RING_MAX }, (_, index) =>
    word(`ring entry ${index}`, CONTROL_RING + 8 * index),
  );
  for (const [index, id] of places.entries()) {
    if ((id !== 0) !== index < length) throw malformed(`ring entry ${index}`, id);
  }
  return {
    phase: byte("phase", CONTROL_PHASE, CONTROL_PHASE_MAX),
    triesLeft: view.getUint8(CONTROL_TRIES_LEFT),
    activeFailures: byte("failures", CONTROL_ACTIVE_FAILURES, CONTROL_ACTIVE_FAILURES_MAX),
    candidateFailed: byte("candidate flag", CONTROL_CANDIDATE_FAILED, 1) === 1,
    recovery: (bits & CONTROL_BIT_RECOVERY) !== 0,
    goldenIsActive: (bits & CONTROL_BIT_GOLDEN_IS_ACTIVE) !== 0,
    goldenIsBad: (bits & CONTROL_BIT_GOLDEN_IS_BAD) !== 0,
    candidateIsGolden: (bits & CONTROL_BIT_CANDIDATE_IS_GOLDEN) !== 0,
    lastStage: byte("stage", CONTROL_LAST_STAGE, CONTROL_STAGE_MAX),
    resetCause: byte("reset cause", CONTROL_RESET_CAUSE, CONTROL_CAUSE_MAX),
    ring: places.slice(0, length),
    sequence: word("sequence", CONTROL_SEQUENCE),
    bootSequence: word("boot sequence", CONTROL_BOOT_SEQUENCE),
    bootToken: view.getBigUint64(CONTROL_BOOT_TOKEN, true),
    active: word("active generation", CONTROL_ACTIVE),
    candidate: word("candidate", CONTROL_CANDIDATE),
    golden: word("golden generation", CONTROL_GOLDEN),
    selected: word("selected generation", CONTROL_SELECTED),
    highWater: word("high water", CONTROL_HIGH_WATER),
    badCandidate: word("bad candidate", CONTROL_BAD_CANDIDATE),
    badActive: word("bad active generation", CONTROL_BAD_ACTIVE),
    rollbackReason: view.getUint16(CONTROL_ROLLBACK_REASON, true),
    unknownBoots: view.getUint8(CONTROL_UNKNOWN_BOOTS),
    rollbackCount: view.getUint32(CONTROL_ROLLBACK_COUNT, true),
    goodBoot: word("last good boot", CONTROL_GOOD_BOOT),
  };
}

/**
 * The block as FileSystem.setControl() takes it: 128 bytes. decodeControl() gives the value back.
 *
 * @throws {StorageError} EINVAL: a value does not fit its field
 */
export function encodeControl(control: BootControl): Uint8Array {
  const block = new Uint8Array(CONTROL_BYTES);
  const view = new DataView(block.buffer);
  const byte = (name: string, offset: number, value: number, most: number): void =>
    view.setUint8(offset, fitting(name, value, most));
  const word = (name: string, offset: number, value: number): void =>
    view.setBigUint64(offset, BigInt(fitting(name, value, Number.MAX_SAFE_INTEGER)), true);
  const bits =
    (control.recovery ? CONTROL_BIT_RECOVERY : 0) |
    (control.goldenIsActive ? CONTROL_BIT_GOLDEN_IS_ACTIVE : 0) |
    (control.goldenIsBad ? CONTROL_BIT_GOLDEN_IS_BAD : 0) |
    (control.candidateIsGolden ? CONTROL_BIT_CANDIDATE_IS_GOLDEN : 0);
  byte("phase", CONTROL_PHASE, control.phase, CONTROL_PHASE_MAX);
  byte("triesLeft", CONTROL_TRIES_LEFT, control.triesLeft, 0xff);
  byte(
    "activeFailures",
    CONTROL_ACTIVE_FAILURES,
    control.activeFailures,
    CONTROL_ACTIVE_FAILURES_MAX,
  );
  byte("candidateFailed", CONTROL_CANDIDATE_FAILED, control.candidateFailed ? 1 : 0, 1);
  byte("bits", CONTROL_BITS, bits, BITS_MAX);
  byte("lastStage", CONTROL_LAST_STAGE, control.lastStage, CONTROL_STAGE_MAX);
  byte("resetCause", CONTROL_RESET_CAUSE, control.resetCause, CONTROL_CAUSE_MAX);
  byte("length of ring", CONTROL_RING_LENGTH, control.ring.length, CONTROL_RING_MAX);
  for (const [index, id] of control.ring.entries()) {
    if (id === 0) throw unfit("ring", id);
    word("ring", CONTROL_RING + 8 * index, id);
  }
  word("sequence", CONTROL_SEQUENCE, control.sequence);
  word("bootSequence", CONTROL_BOOT_SEQUENCE, control.bootSequence);
  if (control.bootToken !== BigInt.asUintN(64, control.bootToken)) {
    throw unfit("bootToken", control.bootToken);
  }
  view.setBigUint64(CONTROL_BOOT_TOKEN, control.bootToken, true);
  word("active", CONTROL_ACTIVE, control.active);
  word("candidate", CONTROL_CANDIDATE, control.candidate);
  word("golden", CONTROL_GOLDEN, control.golden);
  word("selected", CONTROL_SELECTED, control.selected);
  word("highWater", CONTROL_HIGH_WATER, control.highWater);
  word("badCandidate", CONTROL_BAD_CANDIDATE, control.badCandidate);
  word("badActive", CONTROL_BAD_ACTIVE, control.badActive);
  view.setUint16(
    CONTROL_ROLLBACK_REASON,
    fitting("rollbackReason", control.rollbackReason, 0xffff),
    true,
  );
  byte("unknownBoots", CONTROL_UNKNOWN_BOOTS, control.unknownBoots, 0xff);
  view.setUint32(
    CONTROL_ROLLBACK_COUNT,
    fitting("rollbackCount", control.rollbackCount, 0xffff_ffff),
    true,
  );
  word("goodBoot", CONTROL_GOOD_BOOT, control.goodBoot);
  return block;
}

function known(name: string, value: number, most: number): number {
  if (value > most) throw malformed(name, value);
  return value;
}

function fitting(name: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw unfit(name, value);
}

function malformed(name: string, value: number | bigint): StorageError {
  return failure("EBADMSG", "control", `the boot-control block has ${name} ${value}.`);
}

function unfit(name: string, value: number | bigint): StorageError {
  return failure("EINVAL", "control", `${value} does not fit ${name} of the boot-control block.`);
}
