/**
 * The RayOS system image on an installer medium, and the file that says what it is:
 *
 * ```
 * /rayos-system-image.tar        or .tar.gz, .tar.zst
 * /rayos-system-image.sha256     one line, as sha256sum prints it
 * ```
 *
 * They lie at the root of the ISO volume, or of the FAT of a USB medium or of an ESP.
 */
import { failure, type StorageError } from "../../base/errors.ts";
import type { FatWindow } from "../../core/fat.ts";
import { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { type ChecksumRow, parseChecksums } from "../../format/rayos/image-lists.ts";
import { fatFiles, isoFiles, type MediumFiles, onlyEsp } from "./files.ts";

const STEM = "rayos-system-image";
/** In the order in which they are looked for. */
export const SYSTEM_IMAGE_NAMES = ["tar", "tar.gz", "tar.zst"].map((end) => `${STEM}.${end}`);
export const SYSTEM_IMAGE_SUM = `${STEM}.sha256`;
const SUM_BYTES_MAX = 65_536;
/** Headers of an archive are small: one read brings many of them. */
const HEAD_BYTES = 1 << 16;
/** Read forwards in large pieces: a FAT follows the chain of a file anew for each of them. */
const AHEAD_BYTES = 1 << 20;

/** Where a system image may be. */
export interface SourceMedium {
  readonly device: BlockDevice;
  /** The FAT to look in where there is no ISO volume; default: that of the only partition. */
  readonly esp?: FatWindow | undefined;
  /** Path of the image on it; default: the names above. */
  readonly path?: string | undefined;
}

/** A system image that is open for reading at any place. */
export interface MediumImage {
  /** Of the medium and of the file, for messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** SHA-256 that the medium says it has; undefined where it says nothing. */
  readonly sha256: string | undefined;
  read(into: Uint8Array, offset: number): number;
  close(): void;
}

/** True if the device is a medium at all: an ISO volume, or a disk with an ESP and nothing else. */
export function isMedium(device: BlockDevice): boolean {
  const files = filesOf({ device });
  files?.close();
  return files !== undefined;
}

/**
 * Opens the image; the medium's device stays open.
 *
 * @throws {StorageError} EMEDIUMTYPE: no medium, or there is no image on it; EBADMSG: its checksum
 *   file is none
 */
export function openSystemImage(medium: SourceMedium): MediumImage {
  const { device } = medium;
  const files = filesOf(medium);
  if (files === undefined) {
    throw unfit(device, `'${device.name}' is no installer medium.`);
  }
  try {
    const names = medium.path === undefined ? SYSTEM_IMAGE_NAMES : [medium.path];
    const paths = names.map((name) => `/${name.replace(/^\/+/, "")}`);
    const path = paths.find((each) => files.size(each) !== undefined);
    if (path === undefined) {
      const what = medium.path === undefined ? `${STEM}.tar` : medium.path;
      throw unfit(device, `there is no system image '${what}' on '${device.name}'.`);
    }
    return {
      name: `${device.name}:${path}`,
      sizeBytes: files.size(path) ?? 0,
      sha256: sumOf(files, path),
      read: ahead((into, offset) => files.read(path, offset, into)),
      close: () => files.close(),
    };
  } catch (error) {
    files.close();
    throw error;
  }
}

function filesOf({ device, esp }: SourceMedium): MediumFiles | undefined {
  const iso = isoFiles(device);
  if (iso !== undefined) return iso;
  const window = esp ?? onlyEsp(new Core(), device);
  return window && fatFiles(device, window);
}

/** What the medium says of the file at `path`. */
function sumOf(files: MediumFiles, path: string): string | undefined {
  const sums = `/${SYSTEM_IMAGE_SUM}`;
  const size = files.size(sums);
  if (size === undefined) return undefined;
  const bytes = new Uint8Array(Math.min(size, SUM_BYTES_MAX));
  files.read(sums, 0, bytes);
  const isNamed = ({ path: name, algorithm }: ChecksumRow) =>
    algorithm === "sha256" && `/${name.replace(/^(\.?\/)+/, "")}` === path;
  return parseChecksums(bytes, SYSTEM_IMAGE_SUM).find(isNamed)?.digest;
}

/** Reads out of one larger piece, which is as large as possible where one follows another. */
function ahead(read: (into: Uint8Array, offset: number) => number): MediumImage["read"] {
  const piece = new Uint8Array(AHEAD_BYTES);
  let [first, length] = [0, 0];
  const load = (offset: number): void => {
    const isNext = offset === first + length;
    length = read(piece.subarray(0, isNext ? AHEAD_BYTES : HEAD_BYTES), offset);
    first = offset;
  };
  return (into, offset) => {
    for (let done = 0; ; ) {
      const at = offset + done;
      if (at < first || at >= first + length) load(at);
      const found = piece.subarray(at - first, Math.min(length, at - first + into.length - done));
      into.set(found, done);
      done += found.length;
      if (done === into.length || found.length === 0) return done;
    }
  };
}

function unfit({ name: path }: BlockDevice, message: string): StorageError {
  const hint = "image mkmedia --layout rayos makes one that has it.";
  return failure("EMEDIUMTYPE", "read", message, { path, hint });
}
