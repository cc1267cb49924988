/**
 * RayOS's boot files onto an ESP that others use too. Each file appears under its name whole, the
 * boot entries after what they start, so a cut leaves the others' files as they were and ours as
 * far as they had come. What has come in between under a name of ours is not written over.
 */
import { failure, type StorageError } from "../../../base/errors.ts";
import type { Work } from "../../../base/work.ts";
import { FatVolume } from "../../../core/fat.ts";
import { Core } from "../../../core/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import type { Extent } from "../../../format/layout.ts";
import type { Tree, TreeEntry } from "../../image/folder.ts";
import type { Ledger } from "../content/ledger.ts";
import { hashFatFile } from "./verify.ts";

const COPY_BYTES = 1 << 20;
const OWN_FOLDER = "EFI/RAYOS/";
/** What a cut may leave beside whole files: a check reclaims it. */
const LEFT_BY_A_CUT = ["DIRTY", "FSINFO", "FREE_COUNT", "LOST", "TABLES_DIFFER"];

export interface EspJob {
  readonly place: Extent;
  readonly tree: Tree;
  readonly ledger: Ledger;
  readonly timestampMs: number;
  /** An installation is gone on with: a cut may have left clusters that nothing has. */
  readonly resumed: boolean;
}

/** Adds the files and reads them back. EEXIST: a file of another system; EBADMSG. */
export function* addToEsp(core: Core, id: number, target: BlockDevice, job: EspJob): Work<void> {
  const { place, tree, ledger, timestampMs: timestamp } = job;
  const window = { baseSector: place.first, sectors: place.sectors };
  const volume = FatVolume.open(core, id, { ...window, timestamp });
  try {
    for (const entry of inOrder(tree)) {
      if (entry.kind === "directory") {
        if (!volume.exists(entry.path)) volume.mkdir(entry.path);
      } else if (!(yield* isThere(volume, entry, ledger, target))) yield* copy(volume, entry);
      volume.flush();
    }
  } finally {
    volume.close();
  }
  yield* verify(target, job);
}

/** Folders, then what is started, then what names it. */
function inOrder(tree: Tree): TreeEntry[] {
  const rank = ({ kind, path }: TreeEntry) =>
    kind === "directory" ? 0 : path.startsWith("loader/") ? 2 : 1;
  return [...tree].sort((one, other) => rank(one) - rank(other));
}

/** True if the file is there as it shall be; one of ours that differs is written anew. */
function* isThere(
  volume: FatVolume,
  { path, size }: TreeEntry,
  ledger: Ledger,
  target: BlockDevice,
): Work<boolean> {
  if (!volume.exists(path)) return false;
  const found = volume.stat(path);
  const isSame =
    found.kind === "file" &&
    found.sizeBytes === size &&
    (yield* hashFatFile(volume, path, size)) === (yield* ledger.digest("esp", path));
  if (isSame || path.startsWith(OWN_FOLDER)) return isSame;
  const message = `'${path}' has come onto the ESP since the installation began.`;
  throw failure("EEXIST", "install", message, { path: target.name });
}

function* copy(volume: FatVolume, entry: TreeEntry): Work<void> {
  const writer = volume.create(entry.path);
  const reader = entry.open();
  const buffer = new Uint8Array(Math.max(1, Math.min(COPY_BYTES, entry.size)));
  let isOpen = true;
  try {
    let done = 0;
    for (let got = reader.read(buffer); got > 0; got = reader.read(buffer)) {
      writer.write(buffer.subarray(0, got));
      done += got;
      yield { step: "copy boot files", done, total: entry.size, unit: "bytes" };
    }
    isOpen = false;
    writer.close();
  } finally {
    reader.close();
    if (isOpen) writer.abort();
  }
}

/** By a core that has seen none of it. */
function* verify(target: BlockDevice, { place, tree, ledger, resumed }: EspJob): Work<void> {
  const core = new Core();
  const window = { baseSector: place.first, sectors: place.sectors };
  const volume = FatVolume.open(core, core.attach(target), { ...window, readOnly: true });
  try {
    const finding = volume.check().find(({ kind }) => !resumed || !LEFT_BY_A_CUT.includes(kind));
    if (finding !== undefined) throw differs(target, finding.reason);
    for (const { kind, path, size } of tree) {
      const isSame =
        volume.exists(path) &&
        (kind === "directory" ||
          (yield* hashFatFile(volume, path, size)) === (yield* ledger.digest("esp", path)));
      if (!isSame) throw differs(target, `'${path}'`);
    }
  } finally {
    volume.close();
  }
}

function differs(target: BlockDevice, what: string): StorageError {
  const message = `the ESP of '${target.name}' does not read back as it was written: ${what}.`;
  const hint = "The journal is kept: run the installation again.";
  return failure("EBADMSG", "verify", message, { path: target.name, hint });
}
