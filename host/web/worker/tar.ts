/** A plain tar that a person chose, as the files of an ESP: read where it lies, never unpacked. */
import { failure } from "../../base/errors.ts";
import type { Tree, TreeEntry } from "../../system/image/folder.ts";
import { cleanPath, decodeName } from "../../system/rayos/source/entry.ts";
import {
  BLOCK_BYTES,
  damagedTar,
  EXTENSION_BYTES_MAX,
  isEndBlock,
  isTarHeader,
  type PaxRecords,
  parseHeader,
  parsePax,
  paxNumber,
} from "../../system/rayos/source/tar-header.ts";
import { addFolders, blobReader } from "./files.ts";

const FILE_TYPES = ["0", "7"];
/** The name of the next entry, in GNU tar's own way. */
const GNU_LONG_NAME = "L";

/**
 * Lists the archive.
 *
 * @throws {StorageError} EMEDIUMTYPE: it is no tar; EBADMSG: damaged or cut off; EINVAL: a link or
 *   device, which a FAT cannot hold
 */
export function tarTree(file: File): Tree {
  const { name } = file;
  const entries = new Map<string, TreeEntry>();
  const piece = (at: number, size: number) => {
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, blobReader(file.slice(at, at + size), name).read(bytes));
  };
  if (!isTarHeader(piece(0, BLOCK_BYTES))) {
    const message = `'${name}' is no tar archive.`;
    const hint = "A packed one (tar.gz, tar.zst) must be unpacked first.";
    throw failure("EMEDIUMTYPE", "read", message, { path: name, hint });
  }
  let records: PaxRecords = new Map();
  let longName: Uint8Array | undefined;
  for (let at = 0; ; ) {
    const block = piece(at, BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw damagedTar(name, at, "it ends in the middle");
    if (isEndBlock(block)) break;
    const header = parseHeader(block, at, name);
    const data = at + BLOCK_BYTES;
    const extended = records.get("size");
    const size = extended === undefined ? header.size : paxNumber(extended, "size", at, name);
    at = data + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    if (at > file.size) throw damagedTar(name, data, "an entry is longer than the archive");
    if ("xgL".includes(header.type)) {
      if (size > EXTENSION_BYTES_MAX) throw damagedTar(name, data, "a header is too long");
      const content = piece(data, size);
      if (header.type === "x") records = parsePax(content, data, name);
      else if (header.type === GNU_LONG_NAME) longName = content.subarray(0, content.indexOf(0));
      continue;
    }
    const raw = records.get("path") ?? longName ?? header.name;
    const path = cleanPath(decodeName(raw, "a name", name), name);
    records = new Map();
    longName = undefined;
    if (path === "") continue;
    addFolders(entries, path);
    if (header.type === "5") addFolders(entries, `${path}/`);
    else if (FILE_TYPES.includes(header.type)) {
      const content = file.slice(data, data + size);
      const modifiedMs = header.mtimeS * 1000;
      const open = () => blobReader(content, path);
      entries.set(path, { path, kind: "file", size, modifiedMs, open });
    } else {
      const message = `'${path}' in '${name}' is a link or a device, which a FAT cannot hold.`;
      throw failure("EINVAL", "read", message, { path: name });
    }
  }
  return [...entries.values()];
}
