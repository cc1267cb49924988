/**
 * console-paths: shows that the console is there and that what it was granted works: each
 * capability is used once, and one step beyond it is refused.
 *
 * Capabilities: console; config (Directory) and store where they are granted.
 */
import { BAD_BUFFER, INVALID, NOT_FOUND, STALE_HANDLE } from "./abi/codes";
import { console_write, dir_list, dir_stat, dir_sub, drop, store_has } from "./kit/cap";
import { end, number, say, text } from "./kit/line";
import { capability, isGranted, spell, spelled } from "./kit/names";

const ROOM: i32 = 4096;
const room: usize = memory.data(ROOM);
const nothing: usize = memory.data(32);

export function main(): i32 {
  const bad = checkConsole() + checkConfig() + checkStore();
  if (bad > 0) return 1;
  say("Console paths ok.");
  return 0;
}

function checkConsole(): i32 {
  const console = capability("console");
  if (console_write(console, room, 0) !== 0) return fault("an empty write");
  if (console_write(console, -1, 16) !== BAD_BUFFER) return fault("a write from outside");
  if (console_write(-1, room, 1) !== STALE_HANDLE) return fault("a write without a handle");
  return 0;
}

function checkConfig(): i32 {
  if (!isGranted("config")) return 0;
  const directory = capability("config");
  let count = 0;
  let last: usize = room;
  let lastLength: i32 = 0;
  while (true) {
    const length = dir_list(directory, last, lastLength, room, ROOM);
    if (length < 0) return fault("the listing of the config");
    if (length === 0) break;
    for (let at = 0; at < length; at += 2 + load<u8>(room + at, 1)) {
      last = room + at + 2;
      lastLength = load<u8>(room + at, 1);
      count++;
    }
  }
  if (dir_stat(directory, spelled(), 0, room) !== 0) return fault("the config itself");
  if (dir_sub(directory, spelled(), spell("..")) !== INVALID) return fault("a step up");
  if (dir_sub(directory, spelled(), spell("/")) !== INVALID) return fault("an absolute path");
  if (dir_stat(directory, spelled(), spell("no-such-file"), room) !== NOT_FOUND) {
    return fault("a name that is not there");
  }
  text("config entries=");
  number(count);
  end();
  return 0;
}

function checkStore(): i32 {
  if (!isGranted("store")) return 0;
  const store = capability("store");
  if (store_has(store, nothing) !== 0) return fault("an object that cannot be");
  if (drop(store) !== 0 || store_has(store, nothing) !== STALE_HANDLE) {
    return fault("a handle that was dropped");
  }
  return 0;
}

function fault(what: string): i32 {
  text("failed: ");
  text(what);
  end();
  return 1;
}
