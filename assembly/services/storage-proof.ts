/**
 * storage-proof: uses each storage that it is granted as a program would, and says what only that
 * storage can know. What the last boot left is read back before anything is written.
 *
 * Capabilities, all but the console optional: block (BlockDevice), root and image (read-only
 * Directories), config (Directory), store.
 *
 * | granted          | proves                                                              |
 * | ---------------- | ------------------------------------------------------------------- |
 * | block            | its size, the bytes of its first block, no block behind its end     |
 * | root, image      | the hash of each file; no change, no way up, nothing behind the end |
 * | config and store | an object and its name survive a boot: written, then read back      |
 */
import {
  DENIED,
  ENTRY_KIND,
  ENTRY_LENGTH,
  ENTRY_NAME,
  INFO_BLOCK_BYTES,
  INFO_BLOCKS,
  INVALID,
  KIND_FILE,
  NOT_FOUND,
  OPEN_CREATE,
  OPEN_READ,
  OPEN_WRITE,
} from "./abi/codes";
import {
  block_info,
  block_read,
  block_write,
  dir_list,
  dir_mkdir,
  dir_open,
  dir_remove,
  dir_sub,
  file_close,
  file_read,
  file_size,
  sha256,
  store_get,
  store_put,
  store_sync,
} from "./kit/cap";
import { bytes, end, hash, number, say, text } from "./kit/line";
import { capability, isGranted, open, readFile, spell, spelled, writeFile } from "./kit/names";

const ROOM: i32 = 65_536;
const HASH: i32 = 32;
const LIST_ROOM: i32 = 4096;
const room: usize = memory.data(ROOM);
const list: usize = memory.data(LIST_ROOM);
const info: usize = memory.data(32);
const digest: usize = memory.data(HASH);
const kept: usize = memory.data(HASH);

export function main(): i32 {
  const fine =
    (!isGranted("block") || checkBlock()) &&
    (!isGranted("root") || checkTree("root")) &&
    (!isGranted("image") || checkTree("image")) &&
    (!isGranted("store") || checkObject());
  return fine ? 0 : 1;
}

function checkBlock(): bool {
  const device = capability("block");
  if (block_info(device, info) < 0) return no("the device tells nothing of itself");
  const blockBytes = load<u32>(info, INFO_BLOCK_BYTES);
  const blocks = load<u64>(info, INFO_BLOCKS);
  if (<i32>blockBytes > ROOM || block_read(device, 0, 1, room) < 0) return no("block 0");
  sha256(room, blockBytes, digest);
  text("block device: blocks=");
  number(blocks);
  text(" block 0 ");
  hash(digest);
  end();
  if (block_read(device, blocks, 1, room) !== INVALID) return no("a block behind the end");
  if (block_read(device, blocks - 1, 2, room) !== INVALID) return no("a read over the end");
  return block_write(device, 0, 1, room) === DENIED || no("a write was not refused");
}

/** Every file of a read-only directory, by its hash. */
function checkTree(name: string): bool {
  const directory = capability(name);
  const length = dir_list(directory, list, 0, list, LIST_ROOM);
  if (length < 0) return no("the listing");
  for (let at = 0; at < length; at += ENTRY_NAME + load<u8>(list + at, ENTRY_LENGTH)) {
    const entry = list + at;
    if (load<u8>(entry, ENTRY_KIND) !== KIND_FILE) continue;
    if (!checkFile(directory, name, entry + ENTRY_NAME, load<u8>(entry, ENTRY_LENGTH)))
      return false;
  }
  const file = spell("no-such-file");
  if (dir_open(directory, spelled(), file, OPEN_READ) !== NOT_FOUND) return no("an unknown name");
  if (dir_open(directory, spelled(), file, OPEN_WRITE | OPEN_CREATE) !== DENIED)
    return no("create");
  if (dir_mkdir(directory, spelled(), file) !== DENIED) return no("mkdir");
  if (dir_remove(directory, spelled(), file) !== DENIED) return no("remove");
  return dir_sub(directory, spelled(), spell("..")) === INVALID || no("a step up");
}

function checkFile(directory: i32, tree: string, name: usize, length: i32): bool {
  const file = dir_open(directory, name, length, OPEN_READ);
  if (file < 0 || file_size(file, info) < 0) return no("a file that is listed");
  const size = load<u64>(info);
  const got = file_read(file, 0, room, ROOM);
  if (got !== <i32>min<u64>(size, ROOM)) return no("a read to the end");
  if (file_read(file, size, room + got, 0) !== 0) return no("a read behind the end");
  file_close(file);
  sha256(room, got, digest);
  text(tree);
  text(": ");
  bytes(name, length);
  text(" ");
  number(size);
  text(" bytes ");
  hash(digest);
  end();
  return true;
}

/** An object whose hash stands in a file: of the last boot if it is there, else a new one. */
function checkObject(): bool {
  const store = capability("store");
  const directory = capability("config");
  const length = readFile(directory, "storage-proof", kept, HASH);
  if (length === HASH) {
    const got = store_get(store, kept, 0, room, ROOM);
    if (got < 0) return no("the object of the last boot is gone");
    sha256(room, got, digest);
    if (memory.compare(digest, kept, HASH) !== 0) return no("the object is another one");
    text("read back after a boot: ");
    hash(kept);
    end();
    return true;
  }
  if (length !== NOT_FOUND) return no("the name of the object");
  const size = spell("what one boot stores, the next one reads");
  if (store_put(store, spelled(), size, kept) < 0 || store_sync(store) < 0) return no("put");
  if (writeFile(directory, "storage-proof", kept, HASH) < 0) return no("the file of its name");
  if (open(directory, "storage-proof", OPEN_READ) < 0) return no("the file that was written");
  text("stored for the next boot: ");
  hash(kept);
  end();
  return true;
}

function no(what: string): bool {
  text("failed: ");
  text(what);
  end();
  say("storage does not do what it should");
  return false;
}
