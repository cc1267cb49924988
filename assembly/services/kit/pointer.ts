/**
 * Generation pointers: the records in gen-active and gen-candidate, as host/format/pointer has
 * them. Little-endian.
 *
 * | offset | size | field         | meaning                                     |
 * | -----: | ---: | ------------- | ------------------------------------------- |
 * |  0x000 |    8 | magic         | "CAPOSGP1"                                  |
 * |  0x008 |    2 | version       | 1                                           |
 * |  0x00a |    2 | reserved      | zero                                        |
 * |  0x00c |    4 | length        | 97                                          |
 * |  0x010 |   32 | digest        | SHA-256 of all bytes but these              |
 * |  0x030 |    1 | state         | 0 active, 1 staged, 2 attempting            |
 * |  0x031 |    8 | pointer_epoch | rises with every pointer                    |
 * |  0x039 |    8 | overlay_epoch | epoch of the generation's overlay           |
 * |  0x041 |   32 | hash          | SHA-256 of the generation object            |
 */
import { sha256 } from "./cap";
import { readFile, writeFile } from "./names";

export const ACTIVE: u8 = 0;
export const STAGED: u8 = 1;
export const ATTEMPTING: u8 = 2;

const MAGIC_LOW: u32 = 0x4f50_4143;
const MAGIC_HIGH: u32 = 0x3150_4753;
const VERSION: u32 = 1;
const DIGEST: i32 = 0x10;
const STATE: i32 = 0x30;
const POINTER_EPOCH: i32 = 0x31;
const OVERLAY_EPOCH: i32 = 0x39;
const HASH: i32 = 0x41;
export const POINTER_SIZE: i32 = 0x61;

/** What reading answers besides 0 and the statuses of the host: the bytes are no pointer. */
export const MALFORMED: i32 = -300;

const digest: usize = memory.data(32);
const rest: usize = memory.data(POINTER_SIZE - 32);
const made: usize = memory.data(POINTER_SIZE);

/** Reads the pointer in `file` to `out`, POINTER_SIZE bytes: 0, a status, or MALFORMED. */
export function readPointer(directory: i32, file: string, out: usize): i32 {
  const length = readFile(directory, file, out, POINTER_SIZE);
  if (length < 0) return length;
  if (length !== POINTER_SIZE || load<u32>(out) !== MAGIC_LOW) return MALFORMED;
  if (load<u32>(out, 4) !== MAGIC_HIGH) return MALFORMED;
  if (load<u32>(out, 8) !== VERSION || load<i32>(out, 12) !== POINTER_SIZE) return MALFORMED;
  sum(out);
  if (memory.compare(digest, out + DIGEST, 32) !== 0) return MALFORMED;
  return load<u8>(out, STATE) <= ATTEMPTING ? 0 : MALFORMED;
}

/** Writes a pointer into `file`: 0, or the status with which it was refused. */
export function writePointer(
  directory: i32,
  file: string,
  state: u8,
  pointerEpoch: u64,
  overlayEpoch: u64,
  generation: usize,
): i32 {
  store<u32>(made, MAGIC_LOW);
  store<u32>(made, MAGIC_HIGH, 4);
  store<u32>(made, VERSION, 8);
  store<u32>(made, POINTER_SIZE, 12);
  store<u8>(made, state, STATE);
  store<u64>(made, pointerEpoch, POINTER_EPOCH);
  store<u64>(made, overlayEpoch, OVERLAY_EPOCH);
  memory.copy(made + HASH, generation, 32);
  sum(made);
  memory.copy(made + DIGEST, digest, 32);
  return writeFile(directory, file, made, POINTER_SIZE);
}

export function pointerEpoch(pointer: usize): u64 {
  return load<u64>(pointer, POINTER_EPOCH);
}

/** Address of the generation's hash. */
export function pointerHash(pointer: usize): usize {
  return pointer + HASH;
}

/** The digest that the record at `pointer` should have. */
function sum(pointer: usize): void {
  memory.copy(rest, pointer, DIGEST);
  memory.copy(rest + DIGEST, pointer + STATE, POINTER_SIZE - STATE);
  sha256(rest, POINTER_SIZE - 32, digest);
}
