/** Files packed into the config bytes of a service: u32 count, then u32 length and bytes each. */
import { config_read, config_size } from "./cap";

const FILES_MAX: i32 = 64;
const addresses: usize = memory.data(FILES_MAX * 4);
const lengths: usize = memory.data(FILES_MAX * 4);

/** Reads them all: their count, or -1 if the bytes are not exactly that. */
export function loadFiles(): i32 {
  const size = config_size();
  if (size < 4) return -1;
  const config = heap.alloc(size);
  if (config_read(0, config, size) !== size) return -1;
  const count = load<u32>(config);
  if (count > <u32>FILES_MAX) return -1;
  let at: u32 = 4;
  for (let index: u32 = 0; index < count; index++) {
    if (<u32>size - at < 4) return -1;
    const length = load<u32>(config + at);
    at += 4;
    if (<u32>size - at < length) return -1;
    store<u32>(addresses + index * 4, <u32>config + at);
    store<u32>(lengths + index * 4, length);
    at += length;
  }
  return at === <u32>size ? <i32>count : -1;
}

export function fileAddress(index: i32): usize {
  return load<u32>(addresses + index * 4);
}

export function fileLength(index: i32): i32 {
  return load<i32>(lengths + index * 4);
}
