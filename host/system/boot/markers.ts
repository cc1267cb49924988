/**
 * The marker files of system/config: gen-active, gen-candidate, update-phase and overlay.bin. They
 * show any reader what boot control says and are rewritten in the same commit; where they differ
 * from it, boot control is right.
 */
import { StorageError } from "../../base/errors.ts";
import { isSameBytes } from "../../base/hash.ts";
import { type BootControl, Phase } from "../../core/boot/control.ts";
import type { FileSystem } from "../../core/files.ts";
import { encodePointer, type PointerState } from "../../format/pointer.ts";

/** Files up to here lie in the tree. */
const INLINE_BYTES = 512;
const PAGE_BYTES = 4096;

export const MARKERS = {
  active: "gen-active",
  candidate: "gen-candidate",
  phase: "update-phase",
  overlay: "overlay.bin",
} as const;

/** What a pointer says beside its id. */
export interface PointedContent {
  readonly hash: Uint8Array;
  readonly overlayEpoch: number;
}

/** The text of update-phase. */
export function phaseText(control: BootControl): string {
  return `${control.recovery ? "recovery" : Phase[control.phase].toLowerCase()}\n`;
}

/**
 * What each marker file must hold; null: it must not be there.
 *
 * @param contentOf what generation `id` is
 * @param overlay the active generation's; undefined: unknown, so overlay.bin is left alone
 */
export function markerFiles(
  control: BootControl,
  contentOf: (id: number) => PointedContent | undefined,
  overlay: Uint8Array | undefined,
): Map<string, Uint8Array | null> {
  const { active, candidate, phase } = control;
  const waiting: PointerState = phase === Phase.STAGED ? "staged" : "attempting";
  const files = new Map<string, Uint8Array | null>([
    [MARKERS.active, pointer("active", active, contentOf)],
    [MARKERS.candidate, pointer(waiting, candidate, contentOf)],
    [MARKERS.phase, active === 0 ? null : new TextEncoder().encode(phaseText(control))],
  ]);
  if (overlay !== undefined) files.set(MARKERS.overlay, overlay);
  return files;
}

/** Makes the files under `root` what they must be; answers the names of those that were not. */
export function writeMarkers(
  files: FileSystem,
  root: string,
  wanted: ReadonlyMap<string, Uint8Array | null>,
): string[] {
  const differing = differingMarkers(files, root, wanted);
  for (const name of differing) {
    const path = `${root}/${name}`;
    const content = wanted.get(name) ?? null;
    const stats = files.lstat(path, { throwIfNoEntry: false });
    // Whatever stands in a marker's place is not what it must be.
    if (stats !== undefined && (content === null || !stats.isFile())) {
      files.rm(path, { recursive: true });
    }
    if (content !== null) files.writeFile(path, content);
  }
  return differing;
}

/** Names of the marker files that differ from what they must be. */
export function differingMarkers(
  files: FileSystem,
  root: string,
  wanted: ReadonlyMap<string, Uint8Array | null>,
): string[] {
  return [...wanted].flatMap(([name, content]) =>
    isEqual(readMarker(files, `${root}/${name}`, content?.length ?? 0), content) ? [] : [name],
  );
}

/** Bytes of those that lie outside of the tree. */
export function markersRoom(wanted: ReadonlyMap<string, Uint8Array | null>): number {
  const sizes = [...wanted.values()].map((content) => content?.length ?? 0);
  const large = sizes.filter((bytes) => bytes > INLINE_BYTES);
  return large.reduce((sum, bytes) => sum + Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES, 0);
}

function pointer(
  state: PointerState,
  id: number,
  contentOf: (id: number) => PointedContent | undefined,
): Uint8Array | null {
  const content = id === 0 ? undefined : contentOf(id);
  if (content === undefined) return null;
  const { hash, overlayEpoch } = content;
  return encodePointer({ version: 1, state, pointerEpoch: id, overlayEpoch, hash });
}

/** The content of a marker; "other" where something else is there, or cannot be read. */
function readMarker(
  files: FileSystem,
  path: string,
  lengthBytes: number,
): Uint8Array | null | "other" {
  const stats = files.lstat(path, { throwIfNoEntry: false });
  if (stats === undefined) return null;
  if (!stats.isFile() || stats.size !== lengthBytes) return "other";
  try {
    return files.readFile(path);
  } catch (error) {
    if (error instanceof StorageError && error.code === "EBADMSG") return "other";
    throw error;
  }
}

function isEqual(found: Uint8Array | null | "other", wanted: Uint8Array | null): boolean {
  if (found === null || wanted === null) return found === wanted;
  return found !== "other" && isSameBytes(found, wanted);
}
