/**
 * What a person installs, made into a medium: a disk image that an installation reads from, kept
 * beside the disk until that is done, so that a page that is reloaded goes on with it.
 */
import { failure } from "../../../base/errors.ts";
import { formatSize } from "../../../base/size.ts";
import type { Work } from "../../../base/work.ts";
import { Core } from "../../../core/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { BlobDevice } from "../../../device/remote/blob.ts";
import { eachPiece, flushDevice, isZero, writeSectors } from "../../../device/sectors.ts";
import { SECTOR_BYTES, smallestDisk } from "../../../format/layout.ts";
import { demoBoot } from "../../../system/demo/system.ts";
import { memoryTree, type Tree } from "../../../system/image/folder.ts";
import { makeDisk } from "../../../system/image/mkdisk.ts";
import { openMedium } from "../../../system/media/medium.ts";
import { shippedService } from "../../../system/service/shipped.ts";
import type { Payload, PayloadFile } from "../../rpc/api.ts";
import { filesTree } from "./files.ts";
import { tarTree } from "./tar.ts";

const PIECE_SECTORS = 2048;
const LOADER = /^efi\/boot\/boot(x64|aa64|ia32)\.efi$/i;

/** A payload that can be made into a medium of `sizeBytes`. */
export interface Recipe {
  readonly title: string;
  readonly sizeBytes: number;
  /** Writes all of `medium`; durable when it ends. */
  fill(medium: BlockDevice): Work<void>;
}

/**
 * Looks at what was chosen, and writes nothing.
 *
 * @throws {StorageError} EINVAL: nothing is in it; ENOENT: no boot loader, so no firmware would
 *   start it; EMEDIUMTYPE, EBADMSG: it is not what it should be
 */
export function recipeOf(payload: Payload): Recipe {
  switch (payload.kind) {
    case "demo":
      return bootRecipe("the built-in demo", memoryTree(demoBoot(shippedService)));
    case "files":
      return bootRecipe(countOf(payload.files), filesTree(payload.files));
    case "tar":
      return bootRecipe(payload.file.name, tarTree(payload.file));
    case "image":
      return imageRecipe(payload.file);
  }
}

function bootRecipe(title: string, boot: Tree): Recipe {
  if (boot.length === 0) {
    const hint = "Choose a folder with EFI/BOOT/BOOTX64.EFI, or the built-in demo.";
    throw failure("EINVAL", "prepare", "there is no file in what was chosen.", { hint });
  }
  if (!boot.some(({ path }) => LOADER.test(path))) {
    const message = `${title}: no boot loader is in it, so no firmware would start the disk.`;
    const hint = "It must hold EFI/BOOT/BOOTX64.EFI, counted from the folder that was chosen.";
    throw failure("ENOENT", "prepare", message, { hint });
  }
  return {
    title,
    sizeBytes: smallestDisk() * SECTOR_BYTES,
    *fill(medium) {
      yield* makeDisk(medium, { boot });
      flushDevice(medium);
    },
  };
}

/** A disk image, or a CD or USB medium that carries one: copied, since a reload forgets files. */
function imageRecipe(file: File): Recipe {
  const probe = new BlobDevice(file);
  try {
    // Says at once if it is a CD without a payload; what else is wrong with it, the plan says.
    openMedium(new Core(), probe)?.close();
  } finally {
    probe.close();
  }
  return {
    title: `${file.name}, ${formatSize(file.size)}`,
    sizeBytes: probe.config.capacity * SECTOR_BYTES,
    *fill(medium) {
      const source = new BlobDevice(file);
      const total = source.config.capacity;
      try {
        for (let at = 0; at < total; at += PIECE_SECTORS) {
          const count = Math.min(PIECE_SECTORS, total - at);
          eachPiece(source, at, count, (bytes, sector) => {
            if (!isZero(bytes)) writeSectors(medium, sector, bytes);
            return true;
          });
          yield { step: "Copy the image", done: at + count, total, unit: "sectors" };
        }
      } finally {
        source.close();
      }
      flushDevice(medium);
    },
  };
}

function countOf(files: readonly PayloadFile[]): string {
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  return `${files.length} file${files.length === 1 ? "" : "s"}, ${formatSize(bytes)}`;
}
