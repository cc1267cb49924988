/**
 * Reading an installation back: every byte that counts, from the device, through a core of its own
 * that has seen none of it before, against the hashes taken from the medium, or its very bytes.
 */
import { failure } from "../../base/errors.ts";
import { isDamage } from "../../base/finding.ts";
import { isSameBytes } from "../../base/hash.ts";
import type { Work } from "../../base/work.ts";
import { FatVolume } from "../../core/fat.ts";
import { readGpt, verifyGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import type { BlockDevice } from "../../device/device.ts";
import { PIECE_BYTES, readInto } from "../../device/sectors.ts";
import { SECTOR_BYTES } from "../../format/layout.ts";
import { espTree } from "../image/esp.ts";
import type { InstallPlan, PlanRange } from "./plan.ts";
import { type Contents, digestOf, hashContents, type Source } from "./source.ts";

/**
 * Reads both partitions back and compares their contents with the medium's.
 *
 * @returns the contents as they were read
 * @throws {StorageError} EBADMSG: something differs, or is damaged
 */
export function* verifyContents(
  core: Core,
  target: BlockDevice,
  plan: InstallPlan,
  source: Source,
): Work<Contents> {
  const [esp, data] = plan.partitions;
  const id = core.attach(target);
  try {
    const espWindow = { baseSector: esp.first, sectors: esp.sectors };
    const dataWindow = { baseSector: data.first, sectors: data.sectors };
    for (const finding of FatVolume.verify(core, id, espWindow)) {
      throw differs(target, `the ESP at LBA ${finding.lba}: ${finding.reason}`);
    }
    const damage = Region.verify(core, id, dataWindow).find(isDamage);
    if (damage !== undefined) {
      throw differs(target, `the data region at LBA ${damage.lba}: ${damage.message}`);
    }
    const volume = FatVolume.open(core, id, { ...espWindow, readOnly: true });
    try {
      const region = Region.open(core, id, { ...dataWindow, readOnly: true });
      try {
        const contents = yield* hashContents(espTree(volume), region, "verify");
        compareContents(target, contents, source);
        if (digestOf(volume.label, contents) !== plan.source.digest) {
          throw differs(target, "the label of the ESP");
        }
        return contents;
      } finally {
        region.close();
      }
    } finally {
      volume.close();
    }
  } finally {
    core.detach(id);
  }
}

/** Compares runs of sectors of target and medium, byte by byte. */
export function* verifyRanges(
  target: BlockDevice,
  source: BlockDevice,
  ranges: readonly PlanRange[],
): Work<void> {
  const total = ranges.reduce((sum, range) => sum + range.sectors, 0);
  const wanted = new Uint8Array(PIECE_BYTES);
  const found = new Uint8Array(PIECE_BYTES);
  let done = 0;
  for (const { what, first, sectors } of ranges) {
    const step = PIECE_BYTES / SECTOR_BYTES;
    for (let at = 0; at < sectors; at += step) {
      const bytes = Math.min(step, sectors - at) * SECTOR_BYTES;
      readInto(source, first + at, wanted.subarray(0, bytes));
      readInto(target, first + at, found.subarray(0, bytes));
      if (!isSameBytes(wanted.subarray(0, bytes), found.subarray(0, bytes))) {
        throw differs(target, `${what}, LBA ${first + at} to ${first + at + bytes / SECTOR_BYTES}`);
      }
      done += bytes / SECTOR_BYTES;
      yield { step: "verify", done, total, unit: "sectors" };
    }
  }
}

/** Checks that both copies of the table are whole and name the planned partitions. */
export function verifyTable(core: Core, target: BlockDevice, plan: InstallPlan): void {
  const id = core.attach(target);
  try {
    const damage = verifyGpt(core, id).find(isDamage);
    if (damage !== undefined) throw differs(target, `the partition table: ${damage.message}`);
    const { partitions, diskGuid } = readGpt(core, id);
    const same =
      diskGuid === plan.identities.diskGuid &&
      partitions.length === plan.partitions.length &&
      plan.partitions.every(({ first, last }, index) => {
        const found = partitions[index];
        return found?.firstLba === first && found.lastLba === last;
      });
    if (!same) throw differs(target, "the partition table: not the planned partitions");
  } finally {
    core.detach(id);
  }
}

function compareContents(target: BlockDevice, found: Contents, source: Source): void {
  for (const what of ["boot", "objects", "files"] as const) {
    if (found[what]?.digest === source.contents[what]?.digest) continue;
    throw differs(target, { boot: "a boot file", objects: "an object", files: "a file" }[what]);
  }
}

function differs(target: BlockDevice, what: string): Error {
  const message = `'${target.name}' does not read back as it was written: ${what}.`;
  const hint = "The journal is kept: run the installation again.";
  return failure("EBADMSG", "verify", message, { path: target.name, hint });
}
