/**
 * `image mkmedia --layout rayos`: what an installer medium holds.
 *
 * ```
 * boot image (FAT32)                              ISO volume; of a USB medium, the same FAT
 *   EFI/BOOT/BOOTX64.EFI                            rayos-system-image.tar
 *   EFI/systemd/systemd-bootx64.efi                 rayos-system-image.sha256
 *   EFI/RAYOS/installer/{kernel.efi,initrd}
 *   EFI/RAYOS/registry.json    installer_mode true
 *   loader/loader.conf, loader/entries/rayos-installer.conf
 * ```
 *
 * A folder becomes a tar on the medium; an archive is copied as it is. Either way it is checked as
 * an installation would check it, and hashed, before anything is written.
 */
import { failure, refusal } from "../../base/errors.ts";
import { fileSource } from "../../base/platform/source.ts";
import type { Work } from "../../base/work.ts";
import { createDigest } from "../../core/hash/digest.ts";
import {
  BOOT_MODE_BYTES_MAX,
  BOOT_MODE_PATH,
  decodeBootMode,
  encodeBootMode,
} from "../../format/rayos/boot-mode.ts";
import { MEDIUM_LABEL } from "../../format/rayos/layout.ts";
import {
  memoryReader,
  sourceReader,
  type Tree,
  type TreeEntry,
  type TreeReader,
} from "../image/folder.ts";
import { timestampMs } from "../image/mkdisk.ts";
import { originOf, type SeedOptions } from "../image/reproducible.ts";
import type { MakeMediaOptions } from "../media/media.ts";
import { SYSTEM_IMAGE_NAMES, SYSTEM_IMAGE_SUM } from "../media/system-image.ts";
import { findBootFiles, installerTreeOf } from "./content/boot.ts";
import { FALLBACK_PATH } from "./plan/esp.ts";
import { openFolder } from "./source/folder.ts";
import { openImage, type SystemImage } from "./source/image.ts";
import { hashFile } from "./source/medium.ts";
import { isTar } from "./source/tar.ts";
import { tarOf } from "./source/tar-writer.ts";

const ISO_LABEL = "RAYOS";
const PARTITION_NAME = "RAYOS-ESP";
/** A FAT keeps a file's size in 32 bits. */
const FAT_FILE_BYTES_MAX = 2 ** 32 - 1;

export interface RayosMediaOptions extends SeedOptions {
  /** The system image: a folder, or a tar, tar.gz or tar.zst of one. */
  readonly payload: string;
  /** More files for the boot image; they win over what is made from the system image. */
  readonly boot?: Tree | undefined;
  /** Content of registry.json; default: the installer asks. */
  readonly registry?: Uint8Array | undefined;
  readonly bootLoader?: string | undefined;
  readonly kernelOptions?: string | undefined;
  /** Of the ISO volume, default RAYOS. */
  readonly label?: string | undefined;
  readonly usb?: boolean | undefined;
}

export interface RayosMedia {
  /** What planMedia and makeMedia take. */
  readonly options: MakeMediaOptions;
  readonly image: {
    readonly name: string;
    readonly sizeBytes: number;
    readonly sha256: string;
    readonly release: string;
    readonly files: number;
  };
  readonly warnings: readonly string[];
  close(): void;
}

/** The archive that goes onto the medium. */
interface Archive {
  readonly name: string;
  readonly sizeBytes: number;
  readonly omitted: number;
  open(): TreeReader;
}

/**
 * Checks and hashes the system image, and puts together what the medium holds. `close()` what it
 * answers once the medium is made.
 *
 * @throws {StorageError} what the image is refused with; EINVAL: `registry` is none
 * @throws {Refusal} EFBIG: the image is too large for a FAT; EINVAL: `registry` starts no installer
 */
export function* prepareRayosMedia(options: RayosMediaOptions): Work<RayosMedia> {
  const { payload, usb = false, label = ISO_LABEL, boot: given = [] } = options;
  const origin = originOf(options);
  const createdS = Math.floor(timestampMs(origin) / 1000);
  const image = yield* openImage(payload);
  try {
    const boot = findBootFiles(image, options.bootLoader);
    const archive = yield* archiveOf(payload, image.kind);
    if (usb && archive.sizeBytes > FAT_FILE_BYTES_MAX) {
      const message = `'${archive.name}' has ${archive.sizeBytes} bytes, too many for a FAT.`;
      const hint = "Give a tar.zst of it, or leave --usb out: a stick starts from an ISO too.";
      throw refusal("EFBIG", "mkmedia", message, { path: payload, hint });
    }
    const sha256 = yield* hashContent(archive);
    const { release } = image;
    const systemLabel = usb ? MEDIUM_LABEL : label;
    const { kernelOptions = "" } = options;
    const made = installerTreeOf(
      { boot, release, createdS, systemLabel, kernelOptions },
      registryOf(options.registry ?? fileOf(given, BOOT_MODE_PATH), release, createdS),
    );
    const tree = merged(given, made);
    const { name, sizeBytes } = archive;
    const own = { kind: "file", modifiedMs: createdS * 1000 } as const;
    const sum = new TextEncoder().encode(`${sha256}  ${name}\n`);
    return {
      options: {
        ...{ boot: tree, folder: "", usb, label, espLabel: MEDIUM_LABEL, espName: PARTITION_NAME },
        ...{ seed: options.seed, sourceDateEpoch: options.sourceDateEpoch },
        payload: [
          { ...own, path: SYSTEM_IMAGE_SUM, size: sum.length, open: () => memoryReader(sum) },
          { ...own, path: name, size: sizeBytes, open: () => watched(archive, sha256) },
        ],
      },
      image: {
        ...{ name, sizeBytes, sha256, release },
        files: image.entries.filter(({ kind }) => kind === "file").length,
      },
      warnings: [...image.warnings, ...boot.warnings, ...lacking(tree), ...socketNote(archive)],
      close: () => image.close(),
    };
  } catch (error) {
    image.close();
    throw error;
  }
}

/** The file that is given, or a tar of the folder. EMEDIUMTYPE: it is a medium itself. */
function* archiveOf(payload: string, kind: SystemImage["kind"]): Work<Archive> {
  const [tar = "", gzip = "", zstd = ""] = SYSTEM_IMAGE_NAMES;
  if (kind === "directory") {
    const { entries } = yield* openFolder(payload);
    return { name: tar, ...tarOf(entries) };
  }
  const file = fileSource(payload);
  try {
    if (!isTar(file)) {
      const message = `'${payload}' holds a system image, but is none itself.`;
      throw failure("EMEDIUMTYPE", "mkmedia", message, { path: payload });
    }
    const name = kind === "tar.zst" ? zstd : kind === "tar.gz" ? gzip : tar;
    return {
      name,
      sizeBytes: file.sizeBytes,
      omitted: 0,
      open: () => sourceReader(fileSource(payload)),
    };
  } finally {
    file.close();
  }
}

function* hashContent({ name, sizeBytes, open }: Archive): Work<string> {
  const reader = open();
  try {
    return yield* hashFile({ name, sizeBytes, read: (into) => reader.read(into) });
  } finally {
    reader.close();
  }
}

/** Gives the archive, and fails where it ends as another one than was hashed. */
function watched({ name, sizeBytes, open }: Archive, sha256: string): TreeReader {
  const reader = open();
  const hash = createDigest();
  let at = 0;
  return {
    read: (into) => {
      const got = reader.read(into.subarray(0, Math.min(into.length, sizeBytes - at)));
      if (got === 0) return 0;
      at += got;
      hash.update(into.subarray(0, got));
      if (at === sizeBytes && hash.hex() !== sha256) {
        const message = `'${name}' changed while the medium was made.`;
        throw failure("EBADMSG", "mkmedia", message, { path: name });
      }
      return got;
    },
    close: () => reader.close(),
  };
}

function registryOf(given: Uint8Array | undefined, release: string, createdS: number): Uint8Array {
  if (given === undefined) return encodeBootMode(release, createdS, true);
  if (decodeBootMode(given).installerMode) return given;
  const message = "the registry file does not start the installer: installer_mode is not true.";
  throw refusal("EINVAL", "mkmedia", message);
}

/** Content of a small file of a tree. */
function fileOf(tree: Tree, path: string): Uint8Array | undefined {
  const entry = tree.find((each) => each.path.toLowerCase() === path.toLowerCase());
  if (entry?.kind !== "file") return undefined;
  // One byte more than may be there: a longer file is told from its length.
  const bytes = new Uint8Array(Math.min(entry.size, BOOT_MODE_BYTES_MAX + 1));
  const reader = entry.open();
  try {
    let at = 0;
    for (let got = -1; got !== 0 && at < bytes.length; at += got) {
      got = reader.read(bytes.subarray(at));
    }
    return bytes.subarray(0, at);
  } finally {
    reader.close();
  }
}

/** Files of both trees, those of `given` where both have one; folders before what is in them. */
function merged(given: Tree, made: Tree): Tree {
  const key = ({ path }: TreeEntry) => path.toLowerCase();
  const theirs = new Set(given.map(key));
  return [...given, ...made.filter((entry) => !theirs.has(key(entry)))];
}

/** What the boot image lacks so that firmware could start it, as sentences. */
function lacking(tree: Tree): string[] {
  const paths = tree.map(({ path }) => path.toLowerCase());
  const hasLoader = paths.includes(FALLBACK_PATH.toLowerCase());
  const hasEntry = paths.some((path) => path.startsWith("loader/entries/"));
  return hasLoader && hasEntry ? [] : ["firmware finds nothing to start on the medium"];
}

function socketNote({ omitted }: Archive): string[] {
  return omitted === 0 ? [] : [`${omitted} sockets are left out: a tar has no kind for them`];
}
