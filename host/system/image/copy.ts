/**
 * The content of one data region into another: objects, files, and the boot-control block.
 *
 * Interface: everything may be done again after a cut. What is there already is kept if it is the
 * same and replaced if not; nothing is held in memory but one piece of a file and one batch of
 * small objects.
 */
import { failure } from "../../base/errors.ts";
import type { Work } from "../../base/work.ts";
import type { FileSystem } from "../../core/files.ts";
import type { Store } from "../../core/store.ts";
import { isZero } from "../../device/sectors.ts";

/** Objects up to this size go in batches; larger ones are streamed. */
const SMALL_BYTES = 256 * 1024;
const BATCH_BYTES = 4 << 20;
const BATCH_OBJECTS = 256;
const PIECE_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
/** A commit after so many bytes of objects or dirty pages of files bounds what a cut costs. */
const COMMIT_BYTES = 64 << 20;
const COMMIT_PAGES = 2048;
const MODE_BITS = 0o7777n;

/** Copies every object, with its pins; the last commit makes it durable. */
export function* copyObjects(source: Store, target: Store): Work<void> {
  const total = source.stat().objects;
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  let sinceCommit = 0;
  let done = 0;
  const empty = () => {
    target.putMany(batch);
    sinceCommit += batchBytes;
    batch = [];
    batchBytes = 0;
    if (sinceCommit < COMMIT_BYTES) return;
    target.commit();
    sinceCommit = 0;
  };
  for (const { hash, length, pins } of source.list()) {
    done++;
    if (!target.has(hash)) {
      if (length > SMALL_BYTES) {
        target.putStream(() => source.readStream(hash));
        sinceCommit += length;
      } else {
        batch.push(source.get(hash));
        batchBytes += length;
      }
    }
    if (pins > 0 || batchBytes >= BATCH_BYTES || batch.length >= BATCH_OBJECTS) empty();
    if (pins > 0) pinTo(target, hash, pins);
    if (batch.length === 0) yield { step: "copy objects", done, total, unit: "objects" };
  }
  empty();
  target.commit();
  yield { step: "copy objects", done, total, unit: "objects" };
}

/** Copies the whole tree of files, all records and the control block; durable when it ends. */
export function* copyFiles(source: FileSystem, target: FileSystem): Work<void> {
  const total = Number(source.statfs().files);
  const links = new Map<bigint, string>();
  const folders: string[] = ["/"];
  let done = 0;
  for (let index = 0; index < folders.length; index++) {
    const folder = folders[index] as string;
    for (const entry of source.readdir(folder, { withFileTypes: true })) {
      const path = folder === "/" ? `/${entry.name}` : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!target.exists(path)) target.mkdir(path);
        folders.push(path);
      } else {
        yield* copyEntry(source, target, path, links);
      }
      done++;
      yield { step: "copy files", done, total: Math.max(total, done), unit: "files" };
      if (target.dirtyPages >= COMMIT_PAGES) target.sync();
    }
  }
  // Times of a folder change with what is put into it, so they come last, and deepest first.
  for (const folder of folders.reverse()) copyAttributes(source, target, folder);
  target.records.copyFrom(source.records);
  target.setControl(source.control());
  target.sync();
}

function* copyEntry(
  source: FileSystem,
  target: FileSystem,
  path: string,
  links: Map<bigint, string>,
): Work<void> {
  const stats = source.lstat(path, { bigint: true });
  if (stats === undefined) throw failure("ESTALE", "copy", `'${path}' vanished.`, { path });
  const known = links.get(stats.ino);
  target.rm(path, { force: true });
  if (known !== undefined) {
    target.link(known, path);
    return;
  }
  if (stats.nlink > 1n) links.set(stats.ino, path);
  if (stats.isSymbolicLink()) {
    target.symlink(source.readlink(path, "buffer"), path);
  } else {
    yield* copyContent(source, target, path, stats.size);
  }
  copyAttributes(source, target, path);
}

/** Copies bytes; pages of zeros become holes. */
function* copyContent(
  source: FileSystem,
  target: FileSystem,
  path: string,
  size: bigint,
): Work<void> {
  const from = source.open(path, "r");
  try {
    const to = target.open(path, "w");
    try {
      const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(PAGE_BYTES, Number(size))));
      let at = 0;
      for (let got = source.read(from, buffer, 0, buffer.length, at); got > 0; ) {
        const piece = buffer.subarray(0, got);
        for (const run of fullRuns(piece)) writeAll(target, to, run.bytes, at + run.offset);
        at += got;
        yield { step: `copy ${path}`, done: at, total: Number(size), unit: "bytes" };
        got = source.read(from, buffer, 0, buffer.length, at);
      }
      target.ftruncate(to, Number(size));
    } finally {
      target.close(to);
    }
  } finally {
    source.close(from);
  }
}

/** The runs of whole pages of `piece` that are not all zero. */
function* fullRuns(piece: Uint8Array): Generator<{ offset: number; bytes: Uint8Array }> {
  let from = -1;
  for (let at = 0; at <= piece.length; at += PAGE_BYTES) {
    const isFull = at < piece.length && !isZero(piece.subarray(at, at + PAGE_BYTES));
    if (isFull && from < 0) from = at;
    if (isFull || from < 0) continue;
    yield { offset: from, bytes: piece.subarray(from, at) };
    from = -1;
  }
  if (from >= 0) yield { offset: from, bytes: piece.subarray(from) };
}

function writeAll(target: FileSystem, file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    at += target.write(file, bytes, at, bytes.length - at, position + at);
  }
}

function copyAttributes(source: FileSystem, target: FileSystem, path: string): void {
  const stats = source.lstat(path, { bigint: true });
  if (stats === undefined) throw failure("ESTALE", "copy", `'${path}' vanished.`, { path });
  const follow = { follow: false };
  for (const name of source.listXattrs(path, follow)) {
    target.setXattr(path, name, source.getXattr(path, name, follow), follow);
  }
  target.lchown(path, Number(stats.uid), Number(stats.gid));
  if (!stats.isSymbolicLink()) target.chmod(path, Number(stats.mode & MODE_BITS));
  target.lutimes(path, stats.atimeNs, stats.mtimeNs);
}

function pinTo(target: Store, hash: Uint8Array, wanted: number): void {
  let pins = target.pin(hash);
  while (pins < wanted) pins = target.pin(hash);
  while (pins > wanted) pins = target.unpin(hash);
}
