/**
 * The data region of a disk: one device window that holds a store and, beside it, a filesystem.
 *
 * Interface: a region is opened once and owns its store and filesystem; close() commits both.
 */
import {
  REGION_FINDING_DETAIL,
  REGION_FINDING_LBA,
  REGION_FINDING_REASON,
  REGION_FINDING_VOLUME,
  REGION_INFO_CHUNK_SHIFT,
  REGION_INFO_CHUNKS,
  REGION_INFO_FILES_EPOCH,
  REGION_INFO_FIRST_CHUNK,
  REGION_INFO_LOG_SECTORS,
  REGION_INFO_READ_ONLY,
  REGION_INFO_SECTORS,
  REGION_INFO_SIZE,
  REGION_INFO_STORE_EPOCH,
  REGION_INFO_UUID,
  REGION_NO_FLUSH,
  REGION_READ_ONLY,
  REGION_REPAIR,
  REGION_STRICT,
  Reason,
} from "../../assembly/format/abi.ts";
import { ErrorCode } from "../../assembly/format/errors.ts";
import { LBA_WF_SLOTS } from "../../assembly/format/region.ts";
import type { Finding } from "../base/finding.ts";
import { guidBytes, guidText, newGuid } from "../base/guid.ts";
import { FileSystem } from "./files.ts";
import type { Core } from "./load.ts";
import { Store } from "./store.ts";

/** A window of a device, in sectors of 512 bytes. */
export interface RegionWindow {
  /** Default 0. */
  readonly baseSector?: number | undefined;
  /** Default, and 0: to the end of the device. */
  readonly sectors?: number | undefined;
}

export interface RegionFormatOptions extends RegionWindow {
  /** Default: a new one from the host's randomness. */
  readonly uuid?: string | undefined;
  /** False: a store alone. */
  readonly files?: boolean | undefined;
  /** Sectors of the disk that the region will be copied to: chooses the size of its chunks. */
  readonly designSectors?: number | undefined;
  readonly logSectors?: number | undefined;
  /** Times of the root directory, ns since 1970 UTC. Default: now. */
  readonly timeNs?: bigint | undefined;
}

export interface RegionOpenOptions extends RegionWindow {
  readonly readOnly?: boolean | undefined;
  /** Checks everything before the first write; default: up to 1 GiB. */
  readonly strict?: boolean | undefined;
  readonly durability?: "none" | "batch" | "each" | undefined;
  /** Opens also what only repair() makes writable: a list of freed pages is damaged. */
  readonly repair?: boolean | undefined;
}

export interface RegionInfo {
  readonly uuid: string;
  readonly sectors: number;
  readonly chunkBytes: number;
  readonly chunks: number;
  /** First sector of chunk 0 in the region. */
  readonly firstChunkSector: number;
  readonly logSectors: number;
  readonly storeEpoch: number;
  /** Undefined where there is no filesystem. */
  readonly filesEpoch?: number | undefined;
  readonly readOnly: boolean;
}

/** Who a chunk belongs to. */
export type ChunkOwner = "free" | "meta" | "pack" | "files" | "bad";

/** By the number of ChunkOwner in assembly/format/page; dead and empty ones hold nothing. */
const CHECK_COPIES = 1;
const OWNERS: readonly ChunkOwner[] = [
  "free",
  "meta",
  "pack",
  "pack",
  "files",
  "bad",
  "free",
  "files",
  "free",
];
const VOLUMES = ["CAPOSST1", "CAPOSWF1", "region head"];
/** A strict open checks everything first where that takes milliseconds. */
const STRICT_SECTORS_MAX = 2 ** 21;

/** An open region. */
export class Region {
  readonly store: Store;
  /** Null where the region is a store alone. */
  readonly files: FileSystem | null;
  readonly #core: Core;
  readonly #handle: number;
  #closed = false;

  private constructor(core: Core, handle: number, name: string, options: RegionOpenOptions) {
    this.#core = core;
    this.#handle = handle;
    const { durability = "batch" } = options;
    this.store = new Store(core, handle, { durability, device: name });
    this.files = this.info.filesEpoch === undefined ? null : mountFiles(core, handle);
  }

  /** Makes an empty region. EINVAL names the smallest size; EROFS; EIO. */
  static format(core: Core, device: number, options: RegionFormatOptions = {}): void {
    const { uuid = newGuid(randomInto), timeNs } = options;
    const given = new Uint8Array(24);
    given.set(guidBytes(uuid));
    const time = timeNs ?? BigInt(Date.now()) * 1_000_000n;
    new DataView(given.buffer).setBigInt64(16, time, true);
    core.memory.with(given, (address) =>
      core.check(
        core.exports.regionFormat(
          device,
          options.baseSector ?? 0,
          options.sectors ?? 0,
          address,
          options.designSectors ?? 0,
          options.logSectors ?? 0,
          options.files === false ? 0 : 1,
          address + 16,
          0,
        ),
        "format",
        { hint: "A region takes at least 4 MiB, or 2 MiB with a log of 64 KiB." },
      ),
    );
  }

  /** Mounts a region. EMEDIUMTYPE: there is none; EBADMSG: it is damaged. */
  static open(core: Core, device: number, options: RegionOpenOptions = {}): Region {
    const { baseSector = 0, sectors = 0, durability } = options;
    const target = core.device(device);
    const length = sectors !== 0 ? sectors : (target?.config.capacity ?? 0) - baseSector;
    const strict = options.strict ?? length <= STRICT_SECTORS_MAX;
    const flags =
      (options.readOnly ? REGION_READ_ONLY : 0) |
      (strict ? REGION_STRICT : 0) |
      (options.repair ? REGION_REPAIR : 0) |
      (durability === "none" ? REGION_NO_FLUSH : 0);
    const handle = core.check(core.exports.regionOpen(device, baseSector, sectors, flags), "open");
    try {
      return new Region(core, handle, target?.name ?? "device", options);
    } catch (error) {
      core.exports.regionAbandon(handle);
      throw error;
    }
  }

  get info(): RegionInfo {
    return this.#core.memory.with(new Uint8Array(REGION_INFO_SIZE), (address) => {
      const { exports, memory } = this.#core;
      this.#check(exports.regionInfo(this.#handle, address), "stat");
      const { view } = memory;
      const word = (offset: number) => view.getUint32(address + offset, true);
      const number = (offset: number) => view.getFloat64(address + offset, true);
      const filesEpoch = number(REGION_INFO_FILES_EPOCH);
      return {
        uuid: guidText(memory.slice(address + REGION_INFO_UUID, 16)),
        sectors: number(REGION_INFO_SECTORS),
        chunkBytes: 2 ** word(REGION_INFO_CHUNK_SHIFT),
        chunks: word(REGION_INFO_CHUNKS),
        firstChunkSector: word(REGION_INFO_FIRST_CHUNK),
        logSectors: word(REGION_INFO_LOG_SECTORS),
        storeEpoch: number(REGION_INFO_STORE_EPOCH),
        filesEpoch: filesEpoch === 0 ? undefined : filesEpoch,
        readOnly: word(REGION_INFO_READ_ONLY) !== 0,
      };
    });
  }

  /** Sector of the region with the newest boot control, in the filesystem's superblock. */
  get controlLba(): number {
    return LBA_WF_SLOTS + ((this.info.filesEpoch ?? 0) % 2);
  }

  /** Everything that is wrong, also with a region that cannot be mounted. Writes nothing. */
  static verify(core: Core, device: number, window: RegionWindow = {}): Finding[] {
    const { baseSector = 0, sectors = 0 } = window;
    const { exports } = core;
    const handle = exports.regionOpen(device, baseSector, sectors, REGION_READ_ONLY);
    if (handle < 0) {
      const error = core.error(handle, "verify");
      const {
        reason = "NO_SUPERBLOCK",
        lba = baseSector,
        device: name = "device",
      } = error.fault ?? {};
      return [{ reason, lba, device: name, message: error.message }];
    }
    try {
      core.check(exports.regionCheck(handle, CHECK_COPIES), "verify");
      return findings(core, device, baseSector);
    } finally {
      exports.regionCheckEnd();
      exports.regionAbandon(handle);
    }
  }

  /** Owners of all chunks, in their order. */
  owners(): ChunkOwner[] {
    const { chunks } = this.info;
    return this.#core.memory.with(new Uint8Array(chunks), (address) => {
      this.#check(this.#core.exports.regionOwners(this.#handle, address), "stat");
      return [...this.#core.memory.slice(address, chunks)].map((owner) => OWNERS[owner] ?? "bad");
    });
  }

  /** Mends what can be proved from copies and trees; answers how many findings are left. */
  repair(): number {
    return this.#check(this.#core.exports.regionRepair(this.#handle), "repair");
  }

  /** Takes the rest of a device that has grown into use. EINVAL if it has not grown. */
  grow(): void {
    this.#check(this.#core.exports.regionGrow(this.#handle), "grow");
  }

  /** Makes the newest superblock stand in slot and mirror of each format. */
  rest(): void {
    this.#check(this.#core.exports.regionRest(this.#handle), "rest");
  }

  /** Commits both formats, marks them clean, and gives everything back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    let failed: unknown;
    try {
      this.store.close();
    } catch (error) {
      failed = error;
    }
    this.files?.unmount();
    const code = this.#core.exports.regionClose(this.#handle);
    if (failed !== undefined) throw failed;
    this.#check(code, "close");
  }

  #check(result: number, syscall: string): number {
    return this.#core.check(result, syscall);
  }
}

function mountFiles(core: Core, region: number): FileSystem | null {
  if (typeof core.exports.filesMount !== "function") return null;
  const mount = core.exports.filesMount(region);
  if (mount === ErrorCode.EOPNOTSUPP) return null;
  return new FileSystem(core, core.check(mount, "mount"));
}

function randomInto(bytes: Uint8Array): void {
  bytes.set(crypto.getRandomValues(new Uint8Array(bytes.length)));
}

/** What the last check of this core has found, in its order. */
function findings(core: Core, device: number, baseSector: number): Finding[] {
  const list: Finding[] = [];
  const name = core.device(device)?.name ?? "device";
  for (;;) {
    const at = core.exports.regionFinding(list.length) >>> 0;
    if (at === 0) return list;
    const { view } = core.memory;
    const volume = VOLUMES[view.getUint32(at + REGION_FINDING_VOLUME, true)] ?? "region";
    const number = view.getUint32(at + REGION_FINDING_REASON, true);
    const reason = Reason[number] ?? `reason ${number}`;
    const lba = baseSector + Number(view.getBigUint64(at + REGION_FINDING_LBA, true));
    const detail = view.getBigUint64(at + REGION_FINDING_DETAIL, true);
    const words = reason.toLowerCase().replaceAll("_", " ");
    list.push({ reason, lba, device: name, message: `${volume}: ${words}, detail ${detail}` });
  }
}
