/**
 * The machine's UEFI variables, as far as booting needs them: BootOrder, Boot####, BootNext,
 * BootCurrent and Timeout, and systemd-boot's LoaderEntryOneShot and LoaderEntryDefault, kept in a
 * small file beside the disk.
 *
 * UEFI 2.10, section 3.3 "Globally Defined Variables". A boot option names its file by the unique
 * GUID of a partition, as an EFI hard drive path does: it survives a move to another disk slot.
 */
import { failure } from "../../base/errors.ts";
import * as wire from "../../base/wire.ts";
import { ResetCause } from "../../core/boot/control.ts";

const TIMEOUT_DEFAULT_S = 5;
const TIMEOUT_MAX_S = 300;
const OPTIONS_MAX = 256;
const ENTRY_PATTERN_MAX = 1024;

const VARIABLES = {
  magic: wire.text(16),
  version: wire.u16,
  timeoutS: wire.u16,
  resetCause: wire.upTo(ResetCause.HEALTH),
  bootSequence: wire.u53,
  /** 0: none; else the number of the option, plus 1. */
  bootNext: wire.u32,
  bootCurrent: wire.u32,
  bootOrder: wire.list(wire.u16, OPTIONS_MAX),
  options: wire.list(
    wire.record("boot option", {
      number: wire.u16,
      active: wire.upTo(1),
      description: wire.text(256),
      partitionGuid: wire.text(36),
      path: wire.text(1024),
    }).schema,
    OPTIONS_MAX,
  ),
} as const;

const nvramRecord = wire.record("NVRAM file", {
  ...VARIABLES,
  /** Patterns of boot entries; "": none. */
  entryOneShot: wire.text(ENTRY_PATTERN_MAX),
  entryDefault: wire.text(ENTRY_PATTERN_MAX),
});
/** Before boot entries had variables. */
const olderRecord = wire.record("NVRAM file", VARIABLES);

const MAGIC = "DWRIGHT-NVRAM";
const VERSION = 3;
const OLDER_VERSION = 2;
/** Behind the length of the magic and the magic. */
const VERSION_AT = 4 + MAGIC.length;

/** A Boot#### variable. */
export interface BootOption {
  /** The four digits of its name. */
  readonly number: number;
  readonly active: boolean;
  readonly description: string;
  readonly partitionGuid: string;
  /** From the root of the partition: "/EFI/BOOT/BOOTX64.EFI". */
  readonly path: string;
}

/** How a boot ended, as the machine itself knows it. */
export interface LastReset {
  readonly cause: ResetCause;
  /** Boot sequence of the boot that ended so: of another one it says nothing. */
  readonly bootSequence: number;
}

/** The variables of one machine. */
export class Nvram {
  /** Numbers of boot options in the order in which the firmware tries them. */
  bootOrder: number[] = [];
  /** Tried once before all others, then forgotten. */
  bootNext: number | undefined;
  /** The option of the boot that runs or ran last; undefined for the default path. */
  bootCurrent: number | undefined;
  readonly options = new Map<number, BootOption>();
  /** Pattern of the boot entry that is started once: cleared by being read. */
  entryOneShot: string | undefined;
  /** Pattern of the boot entry that is started before what loader.conf says. */
  entryDefault: string | undefined;
  lastReset: LastReset = { cause: ResetCause.UNKNOWN, bootSequence: 0 };
  #timeoutS = TIMEOUT_DEFAULT_S;

  /** Seconds that a boot menu waits. */
  get timeoutS(): number {
    return this.#timeoutS;
  }

  /** EINVAL: not 0 to 300. */
  set timeoutS(seconds: number) {
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > TIMEOUT_MAX_S) {
      throw failure("EINVAL", "nvram", `a timeout of ${seconds} s is not 0 to ${TIMEOUT_MAX_S} s.`);
    }
    this.#timeoutS = seconds;
  }

  /**
   * The variables from the bytes of a file.
   *
   * @throws {StorageError} EBADMSG: not a file of toBytes()
   */
  static from(bytes: Uint8Array): Nvram {
    const read = decode(bytes);
    const nvram = new Nvram();
    nvram.entryOneShot = read.entryOneShot || undefined;
    nvram.entryDefault = read.entryDefault || undefined;
    nvram.timeoutS = read.timeoutS;
    nvram.lastReset = { cause: read.resetCause, bootSequence: read.bootSequence };
    nvram.bootOrder = [...read.bootOrder];
    nvram.bootNext = read.bootNext === 0 ? undefined : read.bootNext - 1;
    nvram.bootCurrent = read.bootCurrent === 0 ? undefined : read.bootCurrent - 1;
    for (const option of read.options) {
      nvram.options.set(option.number, { ...option, active: option.active === 1 });
    }
    return nvram;
  }

  /** What from() takes. */
  toBytes(): Uint8Array {
    return nvramRecord.encode({
      magic: MAGIC,
      version: VERSION,
      timeoutS: this.timeoutS,
      resetCause: this.lastReset.cause,
      bootSequence: this.lastReset.bootSequence,
      bootNext: this.bootNext === undefined ? 0 : this.bootNext + 1,
      bootCurrent: this.bootCurrent === undefined ? 0 : this.bootCurrent + 1,
      bootOrder: this.bootOrder,
      options: [...this.options.values()].map((option) => ({
        ...option,
        active: option.active ? 1 : 0,
      })),
      entryOneShot: this.entryOneShot ?? "",
      entryDefault: this.entryDefault ?? "",
    });
  }

  /** Adds or replaces an option and, if it is new, puts it last in the order. */
  setOption(option: BootOption): void {
    this.options.set(option.number, option);
    if (!this.bootOrder.includes(option.number)) this.bootOrder.push(option.number);
  }

  /** Patterns of boot entries to prefer, in order; the one that counts once is cleared. */
  takeEntryPatterns(): (string | undefined)[] {
    const patterns = [this.entryOneShot, this.entryDefault];
    this.entryOneShot = undefined;
    return patterns;
  }

  /**
   * The options to try, in order: BootNext, which is cleared by being read, then BootOrder. Names
   * of options that are not there or not active are passed over, as firmware does.
   */
  takeCandidates(): BootOption[] {
    const numbers = this.bootNext === undefined ? [] : [this.bootNext];
    this.bootNext = undefined;
    return [...numbers, ...this.bootOrder].flatMap((number, place) => {
      const option = this.options.get(number);
      const wanted = option !== undefined && (option.active || place < numbers.length);
      return wanted ? [option] : [];
    });
  }
}

/** The record of a file; one of the version before has no variables of boot entries. */
function decode(bytes: Uint8Array) {
  const isOlder = bytes[VERSION_AT] === OLDER_VERSION;
  const read = isOlder
    ? { ...olderRecord.decode(bytes), entryOneShot: "", entryDefault: "" }
    : nvramRecord.decode(bytes);
  if (read.magic === MAGIC && read.version === (isOlder ? OLDER_VERSION : VERSION)) return read;
  throw failure("EBADMSG", "nvram", "this is no NVRAM file of this version.");
}
