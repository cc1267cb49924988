/** Names as the host takes them: the bytes of an ASCII text, and what is done by name. */
import {
  NO_SPACE,
  OPEN_CREATE,
  OPEN_READ,
  OPEN_TRUNCATE,
  OPEN_WRITE,
  TOO_LARGE,
} from "../abi/codes";
import { dir_open, file_close, file_read, file_size, file_write, find, granted } from "./cap";

const ROOM: i32 = 256;
const name: usize = memory.data(ROOM);
const other: usize = memory.data(ROOM);
const size: usize = memory.data(8);

/** The capability granted under `characters`; the run ends if it was not. */
export function capability(characters: string): i32 {
  return find(name, spell(characters));
}

/** True if there is a grant of this name. */
export function isGranted(characters: string): bool {
  const length = spell(characters);
  let found = 0;
  for (let index = 0; found >= 0; index++) {
    found = granted(index, other, ROOM);
    if (found === length && memory.compare(name, other, length) === 0) return true;
  }
  return false;
}

/** Opens a file of a directory: its handle, or a status. */
export function open(directory: i32, file: string, flags: i32): i32 {
  return dir_open(directory, name, spell(file), flags);
}

/** Reads a whole file of at most `room` bytes: its length, or a status. */
export function readFile(directory: i32, file: string, out: usize, room: i32): i32 {
  const handle = open(directory, file, OPEN_READ);
  if (handle < 0) return handle;
  let result = file_size(handle, size);
  if (result >= 0) {
    result = load<u64>(size) <= <u64>room ? file_read(handle, 0, out, room) : TOO_LARGE;
  }
  file_close(handle);
  return result;
}

/** Writes a whole file and makes it durable: 0, or the status of the step that was refused. */
export function writeFile(directory: i32, file: string, data: usize, length: i32): i32 {
  const handle = open(directory, file, OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE);
  if (handle < 0) return handle;
  const written = file_write(handle, 0, data, length);
  const closed = file_close(handle);
  if (written < 0) return written;
  return written < length ? NO_SPACE : closed;
}

/** Writes the ASCII text where `name` is; answers its length. */
export function spell(characters: string): i32 {
  const length = min(characters.length, ROOM);
  for (let at = 0; at < length; at++) store<u8>(name + at, <u8>characters.charCodeAt(at));
  return length;
}

/** Address of what spell() wrote last. */
export function spelled(): usize {
  return name;
}
