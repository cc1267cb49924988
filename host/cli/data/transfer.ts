/** Files and folders between this machine and a filesystem on a disk, in pieces. */
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { failure, refusal } from "../../base/errors.ts";
import { PIECE_BYTES, type Volume } from "../../system/volume.ts";

const STDIN = 0;
const STDOUT = 1;

export interface OutOptions {
  readonly recursive: boolean;
  /** Replace files that exist here. */
  readonly force: boolean;
  readonly signal: AbortSignal;
}

/** Copies a local file, or with `recursive` a folder, to `path`; answers how many files. */
export function copyIn(
  volume: Volume,
  local: string,
  path: string,
  recursive: boolean,
  signal: AbortSignal,
): number {
  signal.throwIfAborted();
  const stats = lstatSync(local);
  if (stats.isSymbolicLink() && recursive) {
    volume.symlink(readlinkSync(local), path);
    return 1;
  }
  if (!statSync(local).isDirectory()) {
    volume.write(path, localPieces(local));
    return 1;
  }
  if (!recursive) throw failure("EISDIR", "put", `'${local}' is a folder; pass -r.`);
  volume.mkdir(path);
  return readdirSync(local)
    .sort()
    .reduce(
      (sum, name) => sum + copyIn(volume, join(local, name), join(path, name), true, signal),
      0,
    );
}

/** Copies `path` of the volume to `local`; answers how many files. */
export function copyOut(volume: Volume, path: string, local: string, options: OutOptions): number {
  options.signal.throwIfAborted();
  const { kind, target } = volume.stat(path);
  if (kind === "directory") {
    if (!options.recursive) throw failure("EISDIR", "get", `'${path}' is a directory; pass -r.`);
    mkdirSync(local, { recursive: true });
    return volume
      .list(path)
      .reduce(
        (sum, { name }) => sum + copyOut(volume, `${path}/${name}`, join(local, name), options),
        0,
      );
  }
  if (local !== "-" && existsSync(local) && !options.force) {
    throw refusal("EEXIST", "get", `'${local}' exists.`, { path: local, hint: "Pass --force." });
  }
  // A folder here is no place for the devices and pipes of another machine.
  if (kind !== "file" && kind !== "symlink") {
    if (options.recursive) return 0;
    throw failure("EINVAL", "get", `'${path}' is a ${kind}: it has no content to copy.`, { path });
  }
  if (kind === "symlink" && options.recursive) symlinkSync(target ?? "", local);
  else writeLocal(local, volume.read(path));
  return 1;
}

/** A local file in pieces, each valid until the next; "-" is standard input. */
export function* localPieces(path: string): Generator<Uint8Array> {
  const fd = path === "-" ? STDIN : openSync(path, "r");
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (let count = readSync(fd, piece); count > 0; count = readSync(fd, piece)) {
      yield piece.subarray(0, count);
    }
  } finally {
    if (fd !== STDIN) closeSync(fd);
  }
}

/** Writes pieces to a local file; "-" is standard output. */
export function writeLocal(path: string, pieces: Iterable<Uint8Array>): void {
  const fd = path === "-" ? STDOUT : openSync(path, "w");
  try {
    for (const piece of pieces) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done);
    }
  } finally {
    if (fd !== STDOUT) closeSync(fd);
  }
}
