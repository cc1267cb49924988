/**
 * Reading an installation back through cores of its own, which have seen none of it before: every
 * file against its digest, every filesystem against its own rules.
 */
import { failure, type StorageError } from "../../../base/errors.ts";
import { isDamage } from "../../../base/finding.ts";
import { isSameBytes } from "../../../base/hash.ts";
import type { Work } from "../../../base/work.ts";
import { FatVolume } from "../../../core/fat.ts";
import { readGpt, verifyGpt } from "../../../core/gpt.ts";
import { createDigest, digestOf } from "../../../core/hash/digest.ts";
import { Core } from "../../../core/load.ts";
import { MediaCore } from "../../../core/media/load.ts";
import { Region } from "../../../core/region.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { isZero, readSectors } from "../../../device/sectors.ts";
import { ALIGNMENT_SECTORS, SECTOR_BYTES } from "../../../format/layout.ts";
import { espTree } from "../../image/esp.ts";
import type { Tree } from "../../image/folder.ts";
import { CONFIG_FOLDER } from "../../image/mkstore.ts";
import type { RayosContent } from "../content/content.ts";
import type { Ext4Read, Ext4Tools } from "../plan/ext4.ts";
import type { RayosPartition, RayosPlan } from "../plan/types.ts";
import { volumeDifference } from "./compare.ts";

/** One for all: it is filled and hashed without a pause between. */
const PIECE = new Uint8Array(1 << 18);

/**
 * Reads everything that was written, but the table.
 *
 * @throws {StorageError} EBADMSG: something differs, or is damaged, named
 */
export function* verifyRayos(
  target: BlockDevice,
  plan: RayosPlan,
  content: RayosContent,
  ext4: Ext4Tools,
): Work<void> {
  const core = new Core();
  const media = new MediaCore();
  const id = core.attach(target);
  const mediaId = media.attach(target);
  for (const partition of plan.partitions) {
    const { role } = partition;
    if (role === "esp") yield* verifyFat(core, id, target, partition, content, content.esp);
    else if (role === "recovery") {
      yield* verifyFat(core, id, target, partition, content, content.recovery ?? []);
    } else if (role === "state") verifyState(core, id, target, partition, content.state);
    else if (role === "log") {
      const sectors = Math.min(partition.sectors, ALIGNMENT_SECTORS);
      if (!isZero(readSectors(target, partition.first, sectors))) throw differs(target, "the log");
    } else {
      const window = { baseSector: partition.first, sectors: partition.sectors };
      const volume = ext4.open?.(media, mediaId, window);
      if (volume === undefined) continue;
      try {
        yield* verifyExt4(target, volume, partition, content);
      } finally {
        volume.close();
      }
    }
  }
}

/** Checks that both copies of the table are whole and name what was planned and what stays. */
export function verifyRayosTable(target: BlockDevice, plan: RayosPlan): void {
  const core = new Core();
  const id = core.attach(target);
  const damage = verifyGpt(core, id).find(isDamage);
  if (damage !== undefined && plan.place.kind === "disk") {
    throw differs(target, `the partition table: ${damage.message}`);
  }
  const table = readGpt(core, id, { lenient: true });
  const perBlock = table.blockSize / SECTOR_BYTES;
  const wanted = [...plan.partitions, ...plan.keeps];
  const same =
    table.diskGuid === plan.diskGuid &&
    table.partitions.length === wanted.length &&
    wanted.every(({ number, first, last }) => {
      const found = table.partitions.find(({ index }) => index === number);
      return (
        found !== undefined &&
        found.firstLba * perBlock === first &&
        (found.lastLba + 1) * perBlock - 1 === last
      );
    });
  if (!same) throw differs(target, "the partition table: not the planned partitions");
}

/** SHA-256 of what a reader gives; `whole` is what it is a part of, for the progress. */
export function* hashReader(
  read: (offset: number, into: Uint8Array) => number,
  sizeBytes: number,
  whole = { done: 0, total: sizeBytes },
): Work<string> {
  if (sizeBytes <= PIECE.length) {
    // At once: many files are small, and each hash that is kept open costs a handle.
    const piece = PIECE.subarray(0, sizeBytes);
    const digest = digestOf(piece.subarray(0, read(0, piece)));
    yield { step: "verify", done: whole.done + sizeBytes, total: whole.total, unit: "bytes" };
    return digest;
  }
  const sum = createDigest();
  for (let at = 0; at < sizeBytes; ) {
    const got = read(at, PIECE.subarray(0, Math.min(PIECE.length, sizeBytes - at)));
    if (got === 0) break;
    sum.update(PIECE.subarray(0, got));
    at += got;
    yield { step: "verify", done: whole.done + at, total: whole.total, unit: "bytes" };
  }
  return sum.hex();
}

/** SHA-256 of a file of `size` bytes as it reads now. */
export function hashFatFile(volume: FatVolume, path: string, size: number): Work<string> {
  return hashReader((offset, into) => volume.readInto(path, offset, into), size);
}

/** Reads a FAT partition that holds exactly `wanted`. EBADMSG. */
export function* verifyFat(
  core: Core,
  id: number,
  target: BlockDevice,
  partition: Pick<RayosPartition, "first" | "sectors" | "label" | "role" | "name">,
  { ledger }: Pick<RayosContent, "ledger">,
  wanted: Tree,
): Work<void> {
  const { first, sectors, label, role, name } = partition;
  const window = { baseSector: first, sectors };
  for (const finding of FatVolume.verify(core, id, window)) {
    throw differs(target, `${name} at LBA ${finding.lba}: ${finding.reason}`);
  }
  const volume = FatVolume.open(core, id, { ...window, readOnly: true });
  try {
    if (volume.label !== label) throw differs(target, `the label of ${name}`);
    const found = espTree(volume);
    const sorted = [...wanted].sort((one, other) => (one.path < other.path ? -1 : 1));
    const names = (tree: Tree) => tree.map(({ path, kind, size }) => `${path} ${kind} ${size}`);
    if (names(found).join("\n") !== names(sorted).join("\n")) {
      throw differs(target, `the files of ${name}`);
    }
    for (const { path, kind, size } of found) {
      if (kind !== "file") continue;
      const digest = yield* hashFatFile(volume, path, size);
      const due = yield* ledger.digest(role === "esp" ? "esp" : "recovery", path);
      if (digest !== due) throw differs(target, `'${path}' on ${name}`);
    }
  } finally {
    volume.close();
  }
}

function* verifyExt4(
  target: BlockDevice,
  volume: Ext4Read,
  { role, name, label }: RayosPartition,
  content: RayosContent,
): Work<void> {
  if (volume.label !== label) throw differs(target, `the label of ${name}`);
  const [finding] = volume.check();
  if (finding !== undefined) throw differs(target, `${name}: ${finding}`);
  const entries = role === "system" ? content.system : content.pool;
  const difference = volumeDifference(volume, entries);
  if (difference !== undefined) throw differs(target, `on ${name}, ${difference}`);
  const total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let done = 0;
  // In the order of the entries, which is that of the disk.
  for (const { kind, path, sizeBytes } of entries) {
    if (kind !== "file") continue;
    const file = volume.open(path);
    try {
      const read = (offset: number, into: Uint8Array) => file.read(offset, into);
      const digest = yield* hashReader(read, sizeBytes, { done, total });
      const due = yield* content.ledger.digest("system", path);
      if (digest !== due) throw differs(target, `'${path}' on ${name}`);
    } finally {
      file.close();
    }
    done += sizeBytes;
  }
}

function verifyState(
  core: Core,
  id: number,
  target: BlockDevice,
  { first, sectors }: RayosPartition,
  wanted: Tree,
): void {
  const window = { baseSector: first, sectors };
  const damage = Region.verify(core, id, window).find(isDamage);
  if (damage !== undefined) throw differs(target, `the state region: ${damage.message}`);
  const region = Region.open(core, id, { ...window, readOnly: true });
  try {
    for (const entry of wanted) {
      if (entry.kind !== "file") continue;
      const due = new Uint8Array(entry.size);
      entry.open().read(due);
      const found = region.files?.readFile(`${CONFIG_FOLDER}/${entry.path}`);
      if (!isSameBytes(due, found)) {
        throw differs(target, `'${entry.path}' of the state region`);
      }
    }
  } finally {
    region.close();
  }
}

function differs(target: BlockDevice, what: string): StorageError {
  const message = `'${target.name}' does not read back as it was written: ${what}.`;
  const hint = "The journal is kept: run the installation again.";
  return failure("EBADMSG", "verify", message, { path: target.name, hint });
}
