/** The system image on an installer medium as a source: its checksum first, then as any tar. */
import { failure } from "../../../base/errors.ts";
import type { ByteSource } from "../../../base/platform/source.ts";
import type { Work } from "../../../base/work.ts";
import { createDigest } from "../../../core/hash/digest.ts";
import { openSystemImage, type SourceMedium } from "../../media/system-image.ts";
import type { SystemSource } from "./entry.ts";
import { openTar } from "./tar.ts";

/** One for all: it is filled and hashed without a pause between. */
const PIECE = new Uint8Array(1 << 18);

/**
 * Opens the image of a medium; the medium's device stays open.
 *
 * @throws {StorageError} EMEDIUMTYPE: there is none; EBADMSG: it is not what its checksum says; and
 *   as openTar
 */
export function* openMedium(medium: SourceMedium): Work<SystemSource> {
  const image = openSystemImage(medium);
  const { name, sizeBytes, sha256 } = image;
  try {
    if (sha256 !== undefined && (yield* hashFile(image)) !== sha256) {
      const message = `'${name}' is not what its checksum says; the medium is damaged.`;
      throw failure("EBADMSG", "read", message, { path: name });
    }
  } catch (error) {
    image.close();
    throw error;
  }
  return yield* openTar({ ...image, name, sizeBytes });
}

/** SHA-256 of all of a file, hexadecimal. EIO: it ends before its size. */
export function* hashFile({ name, sizeBytes, read }: Omit<ByteSource, "close">): Work<string> {
  const hash = createDigest();
  for (let at = 0; at < sizeBytes; ) {
    const got = read(PIECE.subarray(0, Math.min(PIECE.length, sizeBytes - at)), at);
    if (got === 0) throw failure("EIO", "read", `'${name}' ends at byte ${at}.`, { path: name });
    hash.update(PIECE.subarray(0, got));
    at += got;
    yield { step: "check the medium", done: at, total: sizeBytes, unit: "bytes" };
  }
  return hash.hex();
}
