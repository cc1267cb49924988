/**
 * The arena: blocks of power-of-two size from one growing memory, kept in free lists when released.
 *
 * Interface: allocate() answers 0 when the memory may not grow; callers turn that into ENOMEM.
 * A block keeps its class, so release() must name the size that was asked for.
 */
import { CRC_TABLES_END } from "./hash/crc-tables";

const CLASS_MIN: u32 = 4;
const CLASS_MAX: u32 = 30;
const GROW_STEP_PAGES: usize = 16;
const WASM_PAGE_SHIFT: usize = 16;

/** Heads of the free lists, one per class. */
const freeLists: usize = memory.data(128);
let next: usize = CRC_TABLES_END;
let limitBytes: usize = <usize>0xffff0000;

/**
 * Address of at least `size` bytes, 16-byte aligned, content undefined; 0 if there is no memory.
 */
export function allocate(size: usize): usize {
  const kind = classOf(size);
  if (kind > CLASS_MAX) return 0;
  const head = freeLists + ((<usize>kind) << 2);
  const block = load<usize>(head);
  if (block !== 0) {
    store<usize>(head, load<usize>(block));
    return block;
  }
  const length = (<usize>1) << kind;
  if (next + length < next || next + length > limitBytes) return 0;
  const end = (<usize>memory.size()) << WASM_PAGE_SHIFT;
  if (next + length > end && !growBy(next + length - end)) return 0;
  const fresh = next;
  next += length;
  return fresh;
}

/** Like allocate(), filled with zeros. */
export function allocateZeroed(size: usize): usize {
  const block = allocate(size);
  if (block !== 0) memory.fill(block, 0, size);
  return block;
}

/** Gives back a block of allocate(size); address 0 is nothing. */
export function release(address: usize, size: usize): void {
  if (address === 0) return;
  const head = freeLists + ((<usize>classOf(size)) << 2);
  store<usize>(address, load<usize>(head));
  store<usize>(head, address);
}

/** Bytes of memory the arena has taken so far. */
export function arenaUsedBytes(): usize {
  return next - CRC_TABLES_END;
}

/** The block of allocate(size) with twice the room, 0 without memory: then it is as it was. */
export function doubled(block: usize, size: usize): usize {
  const larger = allocate(size << 1);
  if (larger === 0) return 0;
  memory.copy(larger, block, size);
  release(block, size);
  return larger;
}

/** From now on the arena grows to `bytes` from the start of memory at most. */
export function arenaLimit(bytes: usize): void {
  limitBytes = bytes;
}

function classOf(size: usize): u32 {
  if (size <= (<usize>1) << CLASS_MIN) return CLASS_MIN;
  return 32 - <u32>clz<u32>(<u32>size - 1);
}

/** Grows in large steps, or by just what is missing when the step is refused. */
function growBy(bytes: usize): bool {
  const needed = (bytes + 0xffff) >> WASM_PAGE_SHIFT;
  const step = needed > GROW_STEP_PAGES ? needed : GROW_STEP_PAGES;
  if (memory.grow(<i32>step) >= 0) return true;
  return memory.grow(<i32>needed) >= 0;
}
