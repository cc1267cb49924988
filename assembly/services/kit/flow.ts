/**
 * What provision, update and the generation proof share: the pointers as they are on the disk,
 * objects into the store, a first generation, a staged one, and the two hashes in every line.
 *
 * Interface: openFlow() first. Whatever is refused is said in a line, with the host's reason.
 */
import { NOT_FOUND } from "../abi/codes";
import { sha256, store_put, store_sync } from "./cap";
import { fileAddress, fileLength, loadFiles } from "./config";
import { account, checkAccount, inspect, overlayEpoch, resolve } from "./generation";
import { end, hash, keepReason, keptReason, number, text } from "./line";
import { capability, writeFile } from "./names";
import {
  ACTIVE,
  ATTEMPTING,
  POINTER_SIZE,
  pointerEpoch,
  pointerHash,
  readPointer,
  writePointer,
} from "./pointer";

export let directory: i32 = 0;
export let objects: i32 = 0;
/** Files packed in the config. */
export let fileCount: i32 = 0;

export const active: usize = memory.data(POINTER_SIZE);
export const candidate: usize = memory.data(POINTER_SIZE);
export let hasActive: bool = false;
export let hasCandidate: bool = false;

const put: usize = memory.data(32);
const wanted: usize = memory.data(32);
const accountHash: usize = memory.data(32);

/** Takes the three capabilities, the config, and both pointers; false: said why not. */
export function openFlow(filesLeast: i32): bool {
  directory = capability("config");
  objects = capability("store");
  fileCount = loadFiles();
  if (fileCount < filesLeast) return no("the config does not hold the files of this flow");
  sha256(fileAddress(0), fileLength(0), accountHash);
  return readPointers();
}

/** Reads both pointers again. */
export function readPointers(): bool {
  const first = readPointer(directory, "gen-active", active);
  if (first !== 0 && first !== NOT_FOUND) return no("gen-active cannot be read");
  hasActive = first === 0;
  const second = readPointer(directory, "gen-candidate", candidate);
  // A candidate that cannot be read is none: the control block decides, not this file.
  hasCandidate = second === 0;
  return true;
}

/** The SHA-256 of file `index`, at an address that the next call uses again. */
export function hashOf(index: i32): usize {
  sha256(fileAddress(index), fileLength(index), wanted);
  return wanted;
}

export function isActive(index: i32): bool {
  return hasActive && memory.compare(pointerHash(active), hashOf(index), 32) === 0;
}

/** Puts files `from` to `to` into the store, `to` not included. */
export function putFiles(from: i32, to: i32): bool {
  for (let index = from; index < to; index++) {
    if (store_put(objects, fileAddress(index), fileLength(index), put) < 0) {
      return refused("an object was refused by the store");
    }
    if (memory.compare(put, hashOf(index), 32) !== 0) return no("the store answered another hash");
  }
  return store_sync(objects) === 0 || refused("the store could not make it durable");
}

/**
 * The first generation: account 0, overlay `overlay`, generation object `generation`. What names
 * the others is written after them, and gen-active last: before it there is no generation.
 */
export function provision(overlay: i32, generation: i32): bool {
  if (!putFiles(0, 1) || !putFiles(overlay, overlay + 1)) return false;
  if (!putFiles(generation, generation + 1)) return false;
  const found = inspect(objects, fileAddress(generation), fileLength(generation));
  if (found !== 0) return no("the generation names objects that are not there");
  if (writeFile(directory, "overlay.bin", fileAddress(overlay), fileLength(overlay)) < 0) {
    return refused("overlay.bin was refused");
  }
  const hashed = hashOf(generation);
  // From here on the machine has a generation.
  if (writePointer(directory, "gen-active", ACTIVE, 1, overlayEpoch, hashed) < 0) {
    return refused("gen-active was refused");
  }
  text("provisioned generation ");
  hash(hashed);
  tail(1);
  return readPointers() && (hasActive || no("gen-active is not there after it was written"));
}

/** Reads the active generation and its account back from the store, each by its hash. */
export function verifyActive(): bool {
  if (resolve(objects, pointerHash(active)) !== 0 || checkAccount(objects) !== 0) {
    text("failed: active generation ");
    hash(pointerHash(active));
    text(" is not whole in the store");
    end();
    return false;
  }
  memory.copy(accountHash, account, 32);
  text("verified active generation ");
  hash(pointerHash(active));
  tail(pointerEpoch(active));
  return true;
}

/**
 * Asks for generation object `index` as the candidate under `epoch`, to be tried at the next boot:
 * 0, or the status of the refusal, whose reason is kept.
 */
export function stage(index: i32, epoch: u64): i32 {
  const found = inspect(objects, fileAddress(index), fileLength(index));
  const hashed = hashOf(index);
  const status =
    found !== 0
      ? found
      : writePointer(directory, "gen-candidate", ATTEMPTING, epoch, overlayEpoch, hashed);
  keepReason();
  return status;
}

/** Ends a line with the account's hash and an epoch. */
export function tail(epoch: u64): void {
  text(" account ");
  hash(accountHash);
  text(" epoch ");
  number(epoch);
  end();
}

/** A line of what is not as it must be; false. */
export function no(what: string): bool {
  text("failed: ");
  text(what);
  end();
  return false;
}

/** The same with the host's reason behind it. */
export function refused(what: string): bool {
  keepReason();
  text("failed: ");
  text(what);
  text(": ");
  keptReason();
  end();
  return false;
}
