/** Images in and out of the page: a file of the person's own as a disk, and a disk as a file. */
import { failure } from "../../base/errors.ts";
import type { RunOptions } from "../../base/work.ts";
import type { BlockDevice } from "../../device/device.ts";
import { BlobDevice } from "../../device/remote/blob.ts";
import { CowDevice } from "../../device/wrap/cow.ts";

/** A file as a disk: it can be booted and changed, and what changes stays in memory. */
export function uploaded(file: File): BlockDevice {
  return new CowDevice(new BlobDevice(file));
}

/**
 * The image as gzip. Most of a disk is zeros, so it becomes small, and it is never whole in memory.
 *
 * @throws {StorageError} ECANCELED; EOPNOTSUPP: the browser has no CompressionStream
 */
export async function packed(image: Blob, { signal, progress }: RunOptions): Promise<Blob> {
  if (typeof CompressionStream !== "function") {
    const hint = "Download the image as it is.";
    throw failure("EOPNOTSUPP", "download", "this browser cannot pack a file.", { hint });
  }
  const total = image.size;
  let done = 0;
  const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(piece, controller) {
      done += piece.length;
      progress?.({ step: "Pack the image", done, total, unit: "bytes" });
      controller.enqueue(piece);
    },
  });
  try {
    const through = image.stream().pipeThrough(count, signal ? { signal } : {});
    const zipped = through.pipeThrough(new CompressionStream("gzip"));
    return await new Response(zipped, { headers: { "Content-Type": "application/gzip" } }).blob();
  } catch (cause) {
    if (!signal?.aborted) throw cause;
    throw failure("ECANCELED", "download", "stopped.", { cause });
  }
}
