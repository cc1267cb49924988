/** Looking into a disk: directories, files and objects, in pieces that a hex view can show. */
import { failure } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import { Core } from "../../core/load.ts";
import { isIso } from "../../core/media/open.ts";
import { Region } from "../../core/region.ts";
import type { DiskView, VolumeView } from "../../system/inspect.ts";
import { placeOf } from "../../system/place.ts";
import { ISO_SIGNATURE, openVolumeAt, type Volume, type VolumeEntry } from "../../system/volume.ts";
import type { ObjectRow, Piece, VolumeName } from "../rpc/api.ts";
import type { Session } from "./session.ts";

const WHOLE = "whole";
/** Rows of one page of objects. */
const OBJECT_ROWS = 200;
/** Most bytes of one piece: a view shows less at a time. */
const PIECE_BYTES_MAX = 65536;

export class Browser {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** What can be opened on the disk. */
  static volumes(view: DiskView): VolumeName[] {
    const names = view.volumes.flatMap(namesOf);
    const hasIso = view.iso !== undefined && view.iso.error === undefined;
    if (!hasIso) return names;
    return [{ id: WHOLE, title: `ISO volume ${view.iso.label}`, kind: "files" }, ...names];
  }

  list(id: string, path: string): VolumeEntry[] {
    return this.#withVolume(id, (volume) => volume.list(path === "" ? "/" : path));
  }

  readFile(id: string, path: string, offset: number, length: number): Piece {
    return this.#withVolume(id, (volume) => {
      const { sizeBytes, kind } = volume.stat(path);
      if (kind !== "file") {
        throw failure("EISDIR", "read", `'${path}' is a ${kind}, not a file.`, { path });
      }
      return { offset, sizeBytes, bytes: slice(volume.read(path), offset, bounded(length)) };
    });
  }

  objects(id: string, after: string | undefined): ObjectRow[] {
    return this.#withStore(id, ({ store }) => {
      const rows = store.list({ limit: OBJECT_ROWS, ...(after === undefined ? {} : { after }) });
      return [...rows].map(({ hash, length, pins }) => {
        return { hash: toHex(hash), sizeBytes: length, pins };
      });
    });
  }

  readObject(id: string, hash: string, offset: number, length: number): Piece {
    return this.#withStore(id, ({ store }) => {
      const sizeBytes = store.length(hash);
      if (sizeBytes === undefined) throw failure("ENOENT", "read", `there is no object ${hash}.`);
      const bytes = new Uint8Array(bounded(length));
      return { offset, sizeBytes, bytes: bytes.slice(0, store.readInto(hash, bytes, offset)) };
    });
  }

  #withVolume<T>(id: string, use: (volume: Volume) => T): T {
    return this.#withCore(id, (core, device, partition) => {
      const place =
        partition === undefined && isIso(this.#session.device)
          ? { baseSector: 0, sectors: 0, signature: ISO_SIGNATURE }
          : placeOf(core, device, partition);
      const volume = openVolumeAt(core, device, place, true);
      try {
        return use(volume);
      } finally {
        volume.close();
      }
    });
  }

  #withStore<T>(id: string, use: (region: Region) => T): T {
    return this.#withCore(id, (core, device, partition) => {
      const { baseSector, sectors } = placeOf(core, device, partition);
      const region = Region.open(core, device, { baseSector, sectors, readOnly: true });
      try {
        return use(region);
      } finally {
        region.close();
      }
    });
  }

  #withCore<T>(id: string, use: (core: Core, device: number, partition?: number) => T): T {
    const [where = WHOLE] = id.split("/");
    const core = new Core();
    const device = core.attach(this.#session.device);
    return where === WHOLE ? use(core, device) : use(core, device, Number(where));
  }
}

function namesOf({ partition, name, signature, fat, region, ext4 }: VolumeView): VolumeName[] {
  const id = partition === undefined ? WHOLE : String(partition);
  const title = partition === undefined ? "whole disk" : `${partition} ${name ?? ""}`.trimEnd();
  if (fat !== undefined) return [{ id, title: `${title}: FAT32`, kind: "files" }];
  if (ext4 !== undefined) return [{ id, title: `${title}: ${signature}4`, kind: "files" }];
  if (region === undefined) return [];
  const objects = { id: `${id}/objects`, title: `${title}: objects`, kind: "objects" as const };
  if (region.files === undefined) return [objects];
  return [{ id, title: `${title}: files`, kind: "files" }, objects];
}

function bounded(length: number): number {
  return Math.min(PIECE_BYTES_MAX, Math.max(0, Math.floor(length)));
}

/** `length` bytes from `offset` of content that comes in pieces. */
function slice(pieces: Iterable<Uint8Array>, offset: number, length: number): Uint8Array {
  const target = new Uint8Array(length);
  let at = 0;
  let done = 0;
  for (const piece of pieces) {
    const from = Math.max(0, offset - at);
    if (from < piece.length) {
      const part = piece.subarray(from, from + length - done);
      target.set(part, done);
      done += part.length;
    }
    at += piece.length;
    if (done === length) break;
  }
  return target.subarray(0, done);
}
