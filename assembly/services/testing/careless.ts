/**
 * Passes what no call takes: pointers outside of the memory, handles that were dropped or never
 * given out, numbers out of range. Ends with 0 if each was answered with the status that says so.
 */
import {
  BAD_BUFFER,
  BAD_REQUEST,
  INVALID,
  NOT_FOUND,
  OPEN_CREATE,
  OPEN_READ,
  OPEN_WRITE,
  STALE_HANDLE,
  UNKNOWN_METHOD,
} from "../abi/codes";
import {
  config_read,
  console_write,
  dir_list,
  dir_open,
  dir_stat,
  drop,
  file_close,
  file_read,
  file_write,
  store_get,
  store_put,
} from "../kit/cap";
import { capability, open, spell, spelled } from "../kit/names";

const room: usize = memory.data(64);
let faults: i32 = 0;
let count: i32 = 0;

export function main(): i32 {
  const console = capability("console");
  const config = capability("config");
  const objects = capability("store");
  is(console_write(console, 0xffff_fff0, 32), BAD_BUFFER);
  is(console_write(console, room, -1), BAD_BUFFER);
  is(console_write(config, room, 1), UNKNOWN_METHOD);
  is(console_write(0, room, 1), STALE_HANDLE);
  is(console_write(0x7fff_ffff, room, 1), STALE_HANDLE);
  is(config_read(-1, room, 64), 0);
  is(config_read(0, 0xffff_ffff, 1), BAD_BUFFER);
  is(dir_stat(config, room, -1, room), BAD_BUFFER);
  is(dir_open(config, spelled(), spell("file"), 1 << 20), BAD_REQUEST);
  is(open(config, "file", OPEN_CREATE), INVALID);
  is(open(config, "../file", OPEN_READ), INVALID);
  store<u8>(room, 0xff);
  is(dir_open(config, room, 1, OPEN_READ), INVALID);
  const file = open(config, "file", OPEN_CREATE | OPEN_WRITE | OPEN_READ);
  is(file_write(file, -1, room, 1), BAD_REQUEST);
  is(file_write(file, i64.MAX_VALUE, room, 1), BAD_REQUEST);
  is(file_read(file, 0, memory.size() << 16, 1), BAD_BUFFER);
  is(file_close(file), 0);
  is(dir_list(config, room, 0, room, 1), BAD_REQUEST);
  is(file_read(file, 0, room, 1), STALE_HANDLE);
  is(drop(file), STALE_HANDLE);
  memory.fill(room, 1, 32);
  is(store_get(objects, room, 0, room, 64), NOT_FOUND);
  is(store_put(objects, room, i32.MAX_VALUE, room), BAD_BUFFER);
  return faults;
}

/** Remembers the first call whose answer is another one. */
function is(answer: i32, expected: i32): void {
  count++;
  if (answer !== expected && faults === 0) faults = count;
}
