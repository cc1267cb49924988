/**
 * `install --verify`: an installed disk against the record of its installation. What
 * changes in the life of a system (the counter in an entry, registry.json, the settings under
 * /var/rayos) is no part of that record.
 */
import { failure, StorageError } from "../../../base/errors.ts";
import { type Finding, isDamage } from "../../../base/finding.ts";
import type { Work } from "../../../base/work.ts";
import { FatVolume } from "../../../core/fat.ts";
import { GPT_TYPES, type GptTable, readGpt, verifyGpt } from "../../../core/gpt.ts";
import type { Core } from "../../../core/load.ts";
import type { MediaCore } from "../../../core/media/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { BOOT_MODE_PATH } from "../../../format/rayos/boot-mode.ts";
import { PARTITION_NAMES } from "../../../format/rayos/layout.ts";
import {
  decodeInstallRecord,
  INSTALL_RECORD_PATH,
  type InstalledFile,
  type InstallRecord,
} from "../../../format/rayos/records.ts";
import type { Ext4Read, Ext4Tools, Ext4Window } from "../plan/ext4.ts";
import { quietly, windowOf } from "../plan/target.ts";
import { differenceOf } from "./compare.ts";
import { hashReader } from "./verify.ts";

const RECORD_BYTES_MAX = 1 << 28;

/** What reads a file of one volume. */
interface Files {
  /** Bytes of the file; undefined: it is not there. */
  size(path: string): number | undefined;
  read(path: string): { read(offset: number, into: Uint8Array): number; close(): void };
  /** What is not as the record says beside size and content; absent: the volume keeps no more. */
  difference?(file: InstalledFile): string | undefined;
}

export interface RecheckReport {
  readonly release: string;
  readonly files: number;
  readonly findings: readonly Finding[];
}

/**
 * Compares an installed disk with its record. Writes nothing.
 *
 * @throws {StorageError} ENOENT: no RayOS there; EBADMSG: its record cannot be read; EIO
 */
export function* recheckRayos(
  core: Core,
  media: MediaCore,
  target: BlockDevice,
  ext4: Ext4Tools,
): Work<RecheckReport> {
  const id = core.attach(target);
  const mediaId = media.attach(target);
  const open: { close(): void }[] = [];
  try {
    const table = readGpt(core, id);
    const findings: Finding[] = verifyGpt(core, id).filter(isDamage);
    const system = openSystem(media, mediaId, ext4, table, target);
    open.push(system);
    for (const message of system.check()) findings.push(damaged(target, "system", message));
    const record = readRecord(system, target);
    const volumes = new Map<InstalledFile["volume"], Files>([["system", ext4Files(system)]]);
    for (const volume of ["esp", "recovery"] as const) {
      const window = fatWindow(core, id, table, volume);
      if (window === undefined) continue;
      for (const { lba, reason } of FatVolume.verify(core, id, window)) {
        findings.push({ ...damaged(target, volume, `${volume}: ${reason}`), lba });
      }
      const fat = quietly(() => FatVolume.open(core, id, { ...window, readOnly: true }));
      if (fat === undefined) continue;
      open.push(fat);
      volumes.set(volume, fatFiles(fat));
    }
    const total = record.files.length;
    for (const [index, file] of record.files.entries()) {
      const why = yield* faultOf(volumes.get(file.volume), file);
      if (why !== undefined) findings.push(damaged(target, file.path, `${file.volume}: ${why}`));
      yield { step: "verify", done: index + 1, total, unit: "files" };
    }
    return { release: record.release, files: record.files.length, findings };
  } finally {
    for (const one of open.reverse()) one.close();
    core.detach(id);
    media.detach(mediaId);
  }
}

function openSystem(
  media: MediaCore,
  mediaId: number,
  ext4: Ext4Tools,
  table: GptTable,
  target: BlockDevice,
): Ext4Read {
  if (ext4.open === undefined) {
    throw failure("EOPNOTSUPP", "verify", "this build reads no ext4.", { path: target.name });
  }
  const linux = table.partitions.filter(({ typeGuid }) => typeGuid === GPT_TYPES.linux);
  // By its name in the table first; the label of its filesystem may be another one.
  linux.sort((one) => (one.name === PARTITION_NAMES.system ? -1 : 1));
  for (const { firstLba, lastLba } of linux) {
    const window = windowOf(table, firstLba, lastLba);
    const volume = quietly(() => ext4.open?.(media, mediaId, window));
    if (volume === undefined) continue;
    if (quietly(() => volume.stat(INSTALL_RECORD_PATH)) !== undefined) return volume;
    volume.close();
  }
  const message = `'${target.name}' has no RayOS with a record of its installation.`;
  throw failure("ENOENT", "verify", message, { path: target.name });
}

function readRecord(system: Ext4Read, target: BlockDevice): InstallRecord {
  const file = system.open(INSTALL_RECORD_PATH);
  try {
    if (file.sizeBytes > RECORD_BYTES_MAX) {
      throw failure("EFBIG", "verify", "the record is too large.", { path: target.name });
    }
    const bytes = new Uint8Array(file.sizeBytes);
    for (let at = 0; at < bytes.length; ) {
      const got = file.read(at, bytes.subarray(at));
      if (got === 0) break;
      at += got;
    }
    return decodeInstallRecord(bytes);
  } finally {
    file.close();
  }
}

function fatWindow(
  core: Core,
  id: number,
  table: GptTable,
  volume: "esp" | "recovery",
): Ext4Window | undefined {
  for (const { typeGuid, firstLba, lastLba, name } of table.partitions) {
    if (typeGuid !== GPT_TYPES.esp) continue;
    const window = windowOf(table, firstLba, lastLba);
    if (volume === "recovery") {
      if (name === PARTITION_NAMES.recovery) return window;
      continue;
    }
    const fat = quietly(() => FatVolume.open(core, id, { ...window, readOnly: true }));
    const isOurs = fat !== undefined && quietly(() => fat.exists(BOOT_MODE_PATH)) === true;
    fat?.close();
    if (isOurs) return window;
  }
  return undefined;
}

/** What is wrong with a file, in words. */
function* faultOf(files: Files | undefined, row: InstalledFile): Work<string | undefined> {
  const { path, size, sha256 } = row;
  try {
    const found = files?.size(path);
    if (files === undefined || found === undefined) return `'${path}' is not there`;
    if (found !== size) return `'${path}' has ${found} bytes, ${size} were installed`;
    const file = files.read(path);
    try {
      const digest = yield* hashReader((offset, into) => file.read(offset, into), size);
      if (digest !== sha256) return `'${path}' is not what was installed`;
    } finally {
      file.close();
    }
    const why = files.difference?.(row);
    return why === undefined ? undefined : `'${path}' ${why}`;
  } catch (error) {
    if (error instanceof StorageError && error.code !== "EIO") return error.message;
    throw error;
  }
}

function ext4Files(volume: Ext4Read): Files {
  return {
    size: (path) => quietly(() => volume.stat(path))?.sizeBytes,
    read: (path) => volume.open(path),
    difference: (row) => {
      const { path, mode, uid, gid, mtime_ns: mtime, xattrs, names = [] } = row;
      const due = {
        kind: "file",
        ...{ mode, uid, gid, mtimeNs: mtime === undefined ? mtime : BigInt(mtime) },
        xattrs: mode === undefined ? undefined : valuesOf(xattrs),
      } as const;
      const found = volume.stat(path);
      const why = differenceOf(due, found, () => volume.xattrs(path));
      if (why !== undefined) return why;
      const inode = (name: string) => quietly(() => volume.stat(name))?.inode;
      const other = names.find((name) => inode(name) !== found.inode);
      return other === undefined ? undefined : `is not the file '${other}' by another name`;
    },
  };
}

function valuesOf(xattrs: InstalledFile["xattrs"] = []): ReadonlyMap<string, Uint8Array> {
  return new Map(xattrs.map(({ name, value }) => [name, Buffer.from(value, "hex")]));
}

function fatFiles(volume: FatVolume): Files {
  return {
    size: (path) => (volume.exists(path) ? volume.stat(path).sizeBytes : undefined),
    read: (path) => ({
      read: (offset, into) => volume.readInto(path, offset, into),
      close: () => {},
    }),
  };
}

function damaged(target: BlockDevice, path: string, message: string): Finding {
  return { reason: "INSTALLED_FILE", lba: 0, device: target.name, path, message };
}
