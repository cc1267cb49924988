/**
 * Metadata pages: pointers, checks, reading through the cache, sealing.
 *
 * A page is accepted only if its checksum, the pointer's checksum, self, birth, level, kind, tree
 * and region tag all match, and its records are where the grammar allows them. What pageRead()
 * returns may be trusted by the code above: no length or offset in it leaves the page.
 */
import { loadU48, storeU48 } from "../../engine/bytes";
import { cacheAdd, cacheDrop, cacheFind, Frame } from "../../engine/cache";
import { deviceFail, deviceQueueRead, deviceRead, deviceSubmit } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { xxh64 } from "../../engine/hash/xxh64";
import { planted } from "../../engine/planted";
import { requestsBegin } from "../../engine/requests";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  HEADER_BIRTH,
  HEADER_CHECKSUM,
  HEADER_KIND,
  HEADER_LEVEL,
  HEADER_MAGIC,
  HEADER_REGION_TAG,
  HEADER_RESERVED,
  HEADER_RESERVED2,
  HEADER_SELF,
  HEADER_TREE,
  LEVEL_MAX,
  PAGE_MAGIC_WORD,
  PageKind,
  POINTER_BIRTH,
  POINTER_CHECKSUM,
  POINTER_FLAG_SECOND,
  POINTER_FLAGS,
  POINTER_LEVEL,
  POINTER_PAGE,
  POINTER_RESERVED,
  POINTER_SECOND,
  POINTER_SIZE,
  TreeId,
} from "../../format/page";
import { PAGE_SIZE, SECTORS_PER_PAGE } from "../../format/region";
import { nodeCheck } from "./node";
import { pagesInside, Region, VIRTUAL_PAGE, Volume } from "./volume";

/** Why the last pageRead() answered null. */
export let pageError: ErrorCode = ErrorCode.OK;

export function pointerPage(pointer: usize): u64 {
  return loadU48(pointer + POINTER_PAGE);
}

export function pointerSecond(pointer: usize): u64 {
  return loadU48(pointer + POINTER_SECOND);
}

export function pointerLevel(pointer: usize): u32 {
  return load<u8>(pointer, POINTER_LEVEL);
}

export function pointerBirth(pointer: usize): u64 {
  return load<u64>(pointer, POINTER_BIRTH);
}

/** Says where a sealed page is: `second` 0 = it has no second copy. The level stays. */
export function pointerPlace(
  pointer: usize,
  page: u64,
  second: u64,
  birth: u64,
  checksum: u64,
): void {
  storeU48(pointer + POINTER_PAGE, page);
  storeU48(pointer + POINTER_SECOND, second);
  store<u8>(pointer, second === 0 ? 0 : <u8>POINTER_FLAG_SECOND, POINTER_FLAGS);
  store<u64>(pointer, birth, POINTER_BIRTH);
  store<u64>(pointer, checksum, POINTER_CHECKSUM);
}

/** NONE if a pointer read from disk is null or may be followed; births end at `newest`. */
export function pointerCheck(region: Region, pointer: usize, newest: u64): Reason {
  const page = pointerPage(pointer);
  const second = pointerSecond(pointer);
  const flags: u32 = load<u8>(pointer, POINTER_FLAGS);
  const birth = pointerBirth(pointer);
  if (page === 0) {
    const rest = load<u64>(pointer) | load<u64>(pointer, 8) | birth;
    return (rest | load<u64>(pointer, POINTER_CHECKSUM)) === 0 ? Reason.NONE : Reason.PADDING;
  }
  if (load<u16>(pointer, POINTER_RESERVED) !== 0 || flags > POINTER_FLAG_SECOND) {
    return Reason.PADDING;
  }
  if (!pagesInside(region, page, 1)) return Reason.POINTER;
  if ((second !== 0) !== (flags === POINTER_FLAG_SECOND)) return Reason.POINTER;
  if (second !== 0 && (second === page || !pagesInside(region, second, 1))) return Reason.POINTER;
  if (pointerLevel(pointer) > LEVEL_MAX) return Reason.LEVEL;
  return birth === 0 || birth > newest ? Reason.BIRTH : Reason.NONE;
}

/** XXH64 of the page with `self` and `checksum` taken as zero. */
export function pageChecksum(region: Region, address: usize): u64 {
  const self = load<u64>(address, HEADER_SELF);
  const checksum = load<u64>(address, HEADER_CHECKSUM);
  store<u64>(address, 0, HEADER_SELF);
  store<u64>(address, 0, HEADER_CHECKSUM);
  const kind = <u64>load<u8>(address, HEADER_KIND);
  const result = xxh64(address, PAGE_SIZE, region.tag ^ kind);
  store<u64>(address, self, HEADER_SELF);
  store<u64>(address, checksum, HEADER_CHECKSUM);
  return result;
}

/** Sets place, birth and checksum of a finished page; answers the checksum. */
export function pageSeal(region: Region, address: usize, page: u64, birth: u64): u64 {
  store<u64>(address, page, HEADER_SELF);
  store<u64>(address, birth, HEADER_BIRTH);
  const checksum = pageChecksum(region, address);
  store<u64>(address, checksum, HEADER_CHECKSUM);
  return checksum;
}

/** Makes an empty page of `kind`: zeros behind a fresh header. */
export function pageStart(region: Region, address: usize, kind: PageKind, tree: TreeId): void {
  memory.fill(address, 0, PAGE_SIZE);
  store<u32>(address, PAGE_MAGIC_WORD, HEADER_MAGIC);
  store<u8>(address, <u8>kind, HEADER_KIND);
  store<u64>(address, <u64>tree, HEADER_TREE);
  store<u64>(address, region.tag, HEADER_REGION_TAG);
}

/** Checks the header of the page just read from `page` against what its pointer promised. */
export function pageVerify(
  region: Region,
  address: usize,
  page: u64,
  kind: PageKind,
  level: u32,
  birth: u64,
  tree: TreeId,
  checksum: u64,
): Reason {
  const own = load<u64>(address, HEADER_CHECKSUM);
  if (pageChecksum(region, address) !== own) return Reason.CHECKSUM;
  // Planted 7: a stale page, whole in itself, is taken for the one that the pointer means.
  if (own !== checksum && !planted(7)) return Reason.CHECKSUM;
  if (load<u32>(address, HEADER_MAGIC) !== PAGE_MAGIC_WORD) return Reason.MAGIC;
  // Planted 8: a misdirected write is not noticed.
  if (load<u64>(address, HEADER_SELF) !== page && !planted(8)) return Reason.SELF_LBA;
  if (load<u64>(address, HEADER_BIRTH) !== birth && !planted(7)) return Reason.BIRTH;
  if (load<u8>(address, HEADER_KIND) !== <u8>kind) return Reason.LEVEL;
  if (load<u8>(address, HEADER_LEVEL) !== <u8>level) return Reason.LEVEL;
  if (load<u64>(address, HEADER_TREE) !== <u64>tree) return Reason.TREE_ID;
  if (load<u64>(address, HEADER_REGION_TAG) !== region.tag) return Reason.REGION_TAG;
  const padding = <u64>load<u16>(address, HEADER_RESERVED) | load<u64>(address, HEADER_RESERVED2);
  return padding === 0 ? Reason.NONE : Reason.PADDING;
}

/** Verifies a tree page that was just read for `pointer`, at `page`: header, then every record. */
export function treeVerify(
  region: Region,
  address: usize,
  page: u64,
  pointer: usize,
  tree: TreeId,
): Reason {
  const level = pointerLevel(pointer);
  const kind = level === 0 ? PageKind.LEAF : PageKind.INTERNAL;
  const birth = pointerBirth(pointer);
  const checksum = load<u64>(pointer, POINTER_CHECKSUM);
  const reason = pageVerify(region, address, page, kind, level, birth, tree, checksum);
  if (reason !== Reason.NONE) return reason;
  const records = nodeCheck(address);
  if (records !== Reason.NONE || level === 0) return records;
  return childrenCheck(region, address, level, birth);
}

/** Every child pointer of an internal page whose records were checked. */
function childrenCheck(region: Region, address: usize, level: u32, birth: u64): Reason {
  const count: u32 = load<u16>(address, 6);
  for (let index: u32 = 0; index < count; index++) {
    const record = address + load<u16>(address + ((<usize>index) << 1), 64);
    if (load<u16>(record, 2) !== <u16>POINTER_SIZE) return Reason.FIELD;
    const pointer = record + 4 + load<u16>(record);
    const reason = pointerCheck(region, pointer, birth);
    if (reason !== Reason.NONE) return reason;
    if (pointerPage(pointer) === 0) return Reason.POINTER;
    if (pointerLevel(pointer) + 1 !== level) return Reason.LEVEL;
  }
  return Reason.NONE;
}

/** The page a pointer means, from the cache or the device, its second copy if the first is bad. */
export function pageRead(volume: Volume, pointer: usize, tree: TreeId): Frame | null {
  const region = volume.region;
  const cache = region.cache;
  const key = pointerPage(pointer);
  const found = cacheFind(cache, key);
  if (found !== null) {
    if (found.dirty || frameFits(found, pointer, tree)) return found;
    cacheDrop(cache, cache.clean, found);
  }
  assert((key & VIRTUAL_PAGE) === 0);
  const frame = cacheAdd(cache, key);
  if (frame === null) {
    pageError = failPlain(ErrorCode.ENOMEM);
    return null;
  }
  if (readCopy(region, frame.address, key, pointer, tree)) return frame;
  const firstError = pageError;
  const second = pointerSecond(pointer);
  if (second !== 0 && readCopy(region, frame.address, second, pointer, tree)) {
    region.secondReads += 1;
    return frame;
  }
  if (second !== 0 && firstError === ErrorCode.EBADMSG) pageError = firstError;
  cacheDrop(cache, cache.clean, frame);
  return null;
}

/** Reads and verifies one copy at `page` into `address`; false leaves the reason in pageError. */
export function readCopy(
  region: Region,
  address: usize,
  page: u64,
  pointer: usize,
  tree: TreeId,
): bool {
  const device = region.device;
  const sector = page * SECTORS_PER_PAGE;
  pageError = deviceRead(device, sector, address, PAGE_SIZE);
  if (pageError !== ErrorCode.OK) return false;
  const reason = treeVerify(region, address, page, pointer, tree);
  if (reason === Reason.NONE) return true;
  pageError = deviceFail(device, ErrorCode.EBADMSG, reason, sector, 0);
  return false;
}

/** Reads the roots of `count` pointers ahead in one batch; what fails is left to pageRead(). */
export function pagePrefetch(volume: Volume, pointers: usize, trees: usize, count: u32): void {
  const region = volume.region;
  const cache = region.cache;
  requestsBegin();
  let code = ErrorCode.OK;
  for (let index: u32 = 0; index < count; index++) {
    const key = pointerPage(pointers + <usize>(index * POINTER_SIZE));
    if (key === 0 || cacheFind(cache, key) !== null) continue;
    const frame = cacheAdd(cache, key);
    if (frame === null) continue;
    if (code === ErrorCode.OK) {
      code = deviceQueueRead(region.device, key * SECTORS_PER_PAGE, frame.address, PAGE_SIZE);
    }
  }
  if (code === ErrorCode.OK) code = deviceSubmit(region.device);
  for (let index: u32 = 0; index < count; index++) {
    const pointer = pointers + <usize>(index * POINTER_SIZE);
    const key = pointerPage(pointer);
    if (key === 0) continue;
    const frame = cacheFind(cache, key);
    if (frame === null) continue;
    const tree = <TreeId>load<u32>(trees + ((<usize>index) << 2));
    const good =
      code === ErrorCode.OK && treeVerify(region, frame.address, key, pointer, tree) === 0;
    if (!good) cacheDrop(cache, cache.clean, frame);
  }
}

/** True if a cached clean page is the one that `pointer` of `tree` means. */
function frameFits(frame: Frame, pointer: usize, tree: TreeId): bool {
  const address = frame.address;
  return (
    load<u64>(address, HEADER_CHECKSUM) === load<u64>(pointer, POINTER_CHECKSUM) &&
    load<u64>(address, HEADER_BIRTH) === load<u64>(pointer, POINTER_BIRTH) &&
    load<u64>(address, HEADER_TREE) === <u64>tree &&
    load<u8>(address, HEADER_LEVEL) === load<u8>(pointer, POINTER_LEVEL) &&
    (load<u8>(address, HEADER_LEVEL) === 0) ===
      (load<u8>(address, HEADER_KIND) === <u8>PageKind.LEAF)
  );
}
