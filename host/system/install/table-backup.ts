/** The old partition table, kept in a file before anything is written, for `gpt restore`. */
import { failure, StorageError } from "../../base/errors.ts";
import { hasNode, node } from "../../base/platform/node.ts";
import { backupGpt, readGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";

/**
 * Saves the table of device `id`, called `name`, durably; answers the file, or undefined where
 * there is no table or no place for one. `asked`: a file's name; false: nowhere; undefined: beside
 * the target, if that is a file.
 *
 * @throws {StorageError} EEXIST: the file is there; EIO
 */
export function saveTable(
  core: Core,
  id: number,
  name: string,
  asked: string | false | undefined,
): string | undefined {
  const path = backupPath(core, id, name, asked);
  if (path === undefined) return undefined;
  const saved = backupGpt(core, id);
  const { fs } = node;
  const file = fs.openSync(path, "wx");
  try {
    for (let at = 0; at < saved.length; ) at += fs.writeSync(file, saved, at);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  // The name must last as long as the bytes do.
  const folder = fs.openSync(node.path.dirname(path), "r");
  try {
    fs.fsyncSync(folder);
  } finally {
    fs.closeSync(folder);
  }
  return path;
}

/** Where saveTable would save; writes nothing. */
export function backupPath(
  core: Core,
  id: number,
  name: string,
  asked: string | false | undefined,
): string | undefined {
  if (asked === false) return undefined;
  const path = asked ?? besides(name);
  if (path === undefined) return undefined;
  try {
    readGpt(core, id, { lenient: true });
    return path;
  } catch (error) {
    // No table that could be restored: there is nothing to keep.
    if (error instanceof StorageError && error.code !== "EIO") return undefined;
    throw error;
  }
}

/** A free name beside the target: "disk.img.gpt-backup", "disk.img.gpt-backup-2". */
function besides(name: string): string | undefined {
  if (!hasNode || name.startsWith("/dev/") || !node.fs.existsSync(name)) return undefined;
  for (let number = 1; number < 1000; number++) {
    const path = `${name}.gpt-backup${number === 1 ? "" : `-${number}`}`;
    if (!node.fs.existsSync(path)) return path;
  }
  const hint = "Give --table-backup a name.";
  throw failure("EEXIST", "install", `too many table backups beside '${name}'.`, { hint });
}
