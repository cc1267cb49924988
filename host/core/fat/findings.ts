/** What a check of a FAT32 volume found, as sentences. */
import {
  FAT_FINDING_DETAIL,
  FAT_FINDING_LBA,
  FAT_FINDING_OTHER,
  FAT_FINDING_PATH,
  FAT_FINDING_PATH_LENGTH,
  FAT_FINDING_PROBLEM,
  FatProblem,
} from "../../../assembly/format/fat32.ts";
import type { StorageError } from "../../base/errors.ts";

/** Something wrong on the volume. */
export interface FatFinding {
  /** Name of a FatProblem of assembly/format/fat32. */
  readonly kind: string;
  /** Sector of the device, units of 512 bytes. */
  readonly lba: number;
  /** The directory entry concerned, if there is one. */
  readonly path?: string;
  /** A sentence: what is wrong. */
  readonly reason: string;
}

/** The core, as far as findings need it. */
export interface FindingSource {
  readonly memory: { readonly view: DataView; text(address: number, length: number): string };
  readonly exports: { fatFinding(index: number): number };
}

/** The `count` findings of the check that the core ran last. */
export function readFindings(core: FindingSource, count: number): FatFinding[] {
  const findings: FatFinding[] = [];
  for (let index = 0; index < count; index++) {
    const at = core.exports.fatFinding(index) >>> 0;
    const { view } = core.memory;
    const problem = view.getUint32(at + FAT_FINDING_PROBLEM, true) as FatProblem;
    const detail = view.getUint32(at + FAT_FINDING_DETAIL, true);
    const other = view.getUint32(at + FAT_FINDING_OTHER, true);
    const length = view.getUint32(at + FAT_FINDING_PATH_LENGTH, true);
    const path = core.memory.text(at + FAT_FINDING_PATH, length);
    findings.push({
      kind: FatProblem[problem] ?? `problem ${problem}`,
      lba: Number(view.getBigUint64(at + FAT_FINDING_LBA, true)),
      ...(length === 0 ? {} : { path }),
      reason: sentence(problem, detail, other),
    });
  }
  return findings;
}

/** The one finding of a volume that could not be opened. */
export function findingFromError(error: StorageError, baseSector: number): FatFinding {
  const lba = error.fault?.lba ?? baseSector;
  if (error.code === "EIO") {
    return { kind: "UNREADABLE", lba, reason: "The boot sector cannot be read." };
  }
  return {
    kind: "NOT_FAT32",
    lba,
    reason: sentence(FatProblem.NOT_FAT32, error.fault?.detail ?? 0, 0),
  };
}

function sentence(problem: FatProblem, detail: number, other: number): string {
  const offset = `offset 0x${detail.toString(16)}`;
  switch (problem) {
    case FatProblem.BACKUP_BOOT:
      return `The boot sector and its backup differ at ${offset}: one is wrong.`;
    case FatProblem.DIRTY:
      return "The volume was not closed: changes may be incomplete.";
    case FatProblem.ERRORS_MET:
      return "A system that used the volume met errors on it.";
    case FatProblem.BOOT_FIELD:
      return `The boot sector has an impossible value at ${offset}.`;
    case FatProblem.FSINFO:
      return `FSInfo has an impossible value at ${offset}.`;
    case FatProblem.FREE_COUNT:
      return `FSInfo counts ${detail} free clusters, there are ${other}.`;
    case FatProblem.TABLES_DIFFER:
      return `FAT ${other + 1} and FAT 1 differ in their sector ${detail}: one is wrong.`;
    case FatProblem.TABLE_HEAD:
      return `FAT[${detail}] is 0x${other.toString(16)}, which it cannot be.`;
    case FatProblem.CHAIN_BROKEN:
      return `The chain from cluster ${other} leads to ${detail}, which is no cluster in use.`;
    case FatProblem.CROSS_LINK:
      return `The chain from cluster ${other} leads to cluster ${detail}, which is in use already.`;
    case FatProblem.LOST:
      return `${detail} clusters from ${other} on are in use, but by no file.`;
    case FatProblem.SIZE:
      return `The size is ${detail} bytes, which does not fit the chain of ${other} clusters.`;
    case FatProblem.DOTS:
      return "The entries '.' and '..' do not lead where they must.";
    case FatProblem.DUPLICATE:
      return "The name stands twice in its directory.";
    case FatProblem.LONG_NAME:
      return `Pieces of a long name before ${offset} of the directory belong to no entry.`;
    case FatProblem.BAD_NAME:
      return "The name has characters that no name can have.";
    case FatProblem.ENTRY_FIELD:
      return `The entry has an impossible value at ${offset}.`;
    case FatProblem.LABEL:
      return "An entry is marked as the volume's label, but cannot be it.";
    case FatProblem.DIRECTORY_SIZE:
      return "The directory is larger than any can be.";
    case FatProblem.BIT_FLIPPED:
      return `Bit ${other} of byte ${detail} has flipped since the volume was closed.`;
    case FatProblem.SEAL:
      return "The seal of the volume fails its own checksum.";
    case FatProblem.UNREADABLE:
      return "The device cannot be read there.";
    case FatProblem.MORE:
      return "There are more findings than fit.";
    case FatProblem.NOT_FAT32:
      return `There is no FAT32 volume: the boot sector has an impossible value at ${offset}.`;
    default:
      return `Problem ${problem}, ${detail}, ${other}.`;
  }
}
