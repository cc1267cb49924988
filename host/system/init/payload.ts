/**
 * The boot payload beside the boot loader: the manifest of the base at `/boot/manifest.bin`, its
 * binaries in `/boot/bins/`. Bytes are hostile until they have been compared with the manifest.
 */
import { StorageError } from "../../base/errors.ts";
import { compareHashes } from "../../base/hash.ts";
import { sha256 } from "../../base/seed.ts";
import type { FatVolume } from "../../core/fat.ts";
import { decodeManifest, MANIFEST_BYTES_MAX, type SystemManifest } from "../../format/manifest.ts";
import { RecordReject } from "../../format/record.ts";

export const MANIFEST_PATH = "/boot/manifest.bin";
export const BINS_PATH = "/boot/bins";
/** Largest service that is loaded. */
const SERVICE_BYTES_MAX = 16 << 20;

export type ReadManifest =
  | { readonly kind: "absent" }
  | { readonly kind: "rejected"; readonly reason: string }
  | { readonly kind: "read"; readonly manifest: SystemManifest };

/** The manifest of the volume that booted; whatever is wrong with it is a reason. */
export function readManifest(volume: FatVolume): ReadManifest {
  const bytes = readFile(volume, MANIFEST_PATH, MANIFEST_BYTES_MAX);
  if (bytes === undefined) return { kind: "absent" };
  if (typeof bytes === "string") return { kind: "rejected", reason: `schema-invalid: ${bytes}` };
  try {
    return { kind: "read", manifest: decodeManifest(bytes) };
  } catch (error) {
    if (!(error instanceof RecordReject)) throw error;
    return { kind: "rejected", reason: `${error.class}: ${error.reason}` };
  }
}

/** A binary of the base, equal to what its manifest says; else the reason why not. */
export function readBinary(
  volume: FatVolume,
  manifest: SystemManifest,
  name: string,
): Uint8Array | string {
  const entry = manifest.binaries.find((binary) => binary.name === name);
  if (entry === undefined) return `no binary '${name}' in the manifest`;
  const bytes = readFile(volume, `${BINS_PATH}/${name}`, SERVICE_BYTES_MAX);
  if (bytes === undefined) return `no file ${BINS_PATH}/${name}`;
  if (typeof bytes === "string") return bytes;
  const equal =
    bytes.length === entry.sizeBytes && compareHashes(sha256(bytes), entry.sha256) === 0;
  return equal ? bytes : `${BINS_PATH}/${name} is not the file of the manifest`;
}

/** Undefined: it is not there. A text: why it cannot be read. */
function readFile(
  volume: FatVolume,
  path: string,
  bytesMax: number,
): Uint8Array | string | undefined {
  try {
    const { kind, sizeBytes } = volume.stat(path);
    if (kind !== "file") return `${path} is no file`;
    if (sizeBytes > bytesMax) return `${path} has ${sizeBytes} bytes, more than ${bytesMax}`;
    return volume.read(path, 0, sizeBytes);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error.code === "ENOENT" || error.code === "ENOTDIR" ? undefined : error.message;
  }
}
