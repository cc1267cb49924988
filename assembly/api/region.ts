/** ABI: regions: format, open, commit, check. */
import { Device, deviceClose, deviceOpen } from "../engine/device";
import { failPlain, lastFault } from "../engine/fault";
import { HandleKind, handleClose, handleOpen, handleRequire } from "../engine/handles";
import { random } from "../engine/host";
import {
  REGION_FINDING_SIZE,
  REGION_INFO_CHUNK_SHIFT,
  REGION_INFO_CHUNKS,
  REGION_INFO_FILES_EPOCH,
  REGION_INFO_FIRST_CHUNK,
  REGION_INFO_LOG_SECTORS,
  REGION_INFO_NOTICES,
  REGION_INFO_READ_ONLY,
  REGION_INFO_SECOND_READS,
  REGION_INFO_SECTORS,
  REGION_INFO_SIZE,
  REGION_INFO_STORE_EPOCH,
  REGION_INFO_UUID,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import { SUPERBLOCK_UUID } from "../format/region";
import { Region } from "../tree/pages/volume";
import { chunkOwners } from "../tree/space";
import { Check, checkClose, checkOpen } from "../tree/whole/check";
import { FormatOptions, regionFormat as formatRegion } from "../tree/whole/format";
import { regionGrow as growRegion, regionRepair as repairRegion } from "../tree/whole/mend";
import { regionCheck as checkRegion } from "../tree/whole/owners";
import {
  regionClose as closeRegion,
  regionOpen as openRegion,
  regionDrop,
  regionError,
  regionRest as restRegion,
} from "../tree/whole/region";

/** The last check, for its findings. */
let checked: Check | null = null;
const options: usize = memory.data(64, 8);
const sessionBytes: usize = memory.data(8, 8);

/** The region behind a handle, or null after EBADF. */
function regionOf(handle: u32): Region | null {
  return changetype<Region | null>(handleRequire(handle, HandleKind.REGION));
}

/**
 * mkfs over `sectors` from `base` of `device` (0 sectors: to its end). `uuid`: 16 bytes; `timeNs`:
 * address of an i64; `session`: address of a u64, or 0 for a random one.
 */
export function regionFormat(
  device: u32,
  base: f64,
  sectors: f64,
  uuid: usize,
  designSectors: f64,
  logSectors: u32,
  withFiles: u32,
  timeNs: usize,
  session: usize,
): i32 {
  const opened = deviceOpen(device, <u64>base, <u64>sectors, false);
  if (opened === null) return lastFault();
  const given = changetype<FormatOptions>(options);
  given.uuid = uuid;
  given.sectors = 0;
  given.designSectors = <u64>designSectors;
  given.logSectors = logSectors;
  given.withFiles = withFiles !== 0;
  given.timeNs = load<i64>(timeNs);
  if (session === 0) random(sessionBytes, 8);
  given.session = session === 0 ? load<u64>(sessionBytes) | 1 : load<u64>(session);
  const code = formatRegion(opened, given);
  deviceClose(opened);
  return code;
}

/** Mounts; a handle or a negative errno. `flags`: REGION_* of format/abi. */
export function regionOpen(device: u32, base: f64, sectors: f64, flags: u32): i32 {
  const opened = deviceOpen(device, <u64>base, <u64>sectors, (flags & 1) !== 0);
  if (opened === null) return lastFault();
  const region = openRegion(opened, flags);
  if (region === null) {
    deviceClose(opened);
    return regionError;
  }
  const handle = handleOpen(HandleKind.REGION, changetype<usize>(region));
  if (handle < 0) {
    regionDrop(region);
    deviceClose(opened);
  }
  return handle;
}

/** Commits, marks clean, rests, and closes the handle whatever happens. */
export function regionClose(handle: u32): i32 {
  const region = regionOf(handle);
  if (region === null) return ErrorCode.EBADF;
  const device: Device = region.device;
  const code = closeRegion(region);
  deviceClose(device);
  handleClose(handle);
  return code;
}

/** Closes the handle and writes nothing: what was not committed is gone. */
export function regionAbandon(handle: u32): i32 {
  const region = regionOf(handle);
  if (region === null) return ErrorCode.EBADF;
  const device: Device = region.device;
  regionDrop(region);
  deviceClose(device);
  handleClose(handle);
  return ErrorCode.OK;
}

/** After a quiet moment: slot and mirror of each format hold the newest superblock. */
export function regionRest(handle: u32): i32 {
  const region = regionOf(handle);
  return region === null ? ErrorCode.EBADF : restRegion(region);
}

/** Writes REGION_INFO at `out`. */
export function regionInfo(handle: u32, out: usize): i32 {
  const region = regionOf(handle);
  if (region === null) return ErrorCode.EBADF;
  const wf = region.wf;
  memory.fill(out, 0, REGION_INFO_SIZE);
  memory.copy(out + REGION_INFO_UUID, region.store.current + SUPERBLOCK_UUID, 16);
  store<f64>(out, <f64>region.sectors, REGION_INFO_SECTORS);
  store<f64>(out, <f64>region.store.epoch, REGION_INFO_STORE_EPOCH);
  store<f64>(out, wf === null ? 0 : <f64>wf.epoch, REGION_INFO_FILES_EPOCH);
  store<u32>(out, region.chunkShift, REGION_INFO_CHUNK_SHIFT);
  store<u32>(out, region.chunks, REGION_INFO_CHUNKS);
  store<u32>(out, region.firstChunk, REGION_INFO_FIRST_CHUNK);
  store<u32>(out, region.logSectors, REGION_INFO_LOG_SECTORS);
  store<u32>(out, region.readOnly ? 1 : 0, REGION_INFO_READ_ONLY);
  store<u32>(out, region.notices, REGION_INFO_NOTICES);
  store<u32>(out, region.secondReads, REGION_INFO_SECOND_READS);
  return ErrorCode.OK;
}

/** Writes one byte per chunk at `out`, its ChunkOwner in the store's table; 0 or an errno. */
export function regionOwners(handle: u32, out: usize): i32 {
  const region = regionOf(handle);
  return region === null ? ErrorCode.EBADF : chunkOwners(region.store, out);
}

/**
 * Checks the whole region from what is durable (`flags` 1: every copy in the head too): the number
 * of findings, of which regionFinding() gives the first 1,024; EBUSY while a batch holds changes.
 */
export function regionCheck(handle: u32, flags: u32): i32 {
  const region = regionOf(handle);
  if (region === null) return ErrorCode.EBADF;
  if (checked !== null) checkClose(changetype<Check>(checked));
  checked = checkOpen(region);
  if (checked === null) return failPlain(ErrorCode.ENOMEM);
  const check = changetype<Check>(checked);
  const code = checkRegion(region, check, flags);
  return code === ErrorCode.OK ? <i32>min<u32>(check.total, 0x7fffffff) : code;
}

/** Address of finding `index` of the last regionCheck, REGION_FINDING; 0 if it was not kept. */
export function regionFinding(index: u32): usize {
  if (checked === null) return 0;
  const check = changetype<Check>(checked);
  if (index >= check.kept) return 0;
  return check.findings + <usize>(index * REGION_FINDING_SIZE);
}

/** Gives the memory of the last check back. */
export function regionCheckEnd(): void {
  if (checked !== null) checkClose(changetype<Check>(checked));
  checked = null;
}

/** Mends what can be proved: the number of findings that are left, or a negative errno. */
export function regionRepair(handle: u32): i32 {
  const region = regionOf(handle);
  return region === null ? ErrorCode.EBADF : repairRegion(region);
}

/** Takes the device's new end into use; EINVAL if it has not grown. */
export function regionGrow(handle: u32): i32 {
  const region = regionOf(handle);
  return region === null ? ErrorCode.EBADF : growRegion(region);
}
