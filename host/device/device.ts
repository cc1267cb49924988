/**
 * The contract of a block device: virtio-blk semantics (virtio 1.2, section 5.2) over one call.
 *
 * Interface: submit() carries out a batch of requests before it returns, in any order, and sets
 * each
 * request's status and transferred. It never throws for what a device can do wrong: that is IOERR
 * or
 * UNSUPP, with the reason in `cause`. A write is volatile until a FLUSH submitted after it has
 * completed. Every adapter passes test/support/contract.ts.
 */
import {
  FEATURE_BLK_SIZE,
  FEATURE_CONFIG_WCE,
  FEATURE_DISCARD,
  FEATURE_FLUSH,
  FEATURE_RO,
  FEATURE_SEG_MAX,
  FEATURE_TOPOLOGY,
  FEATURE_WRITE_ZEROES,
  RequestStatus,
  RequestType,
  SECTOR_SIZE,
} from "../../assembly/format/abi.ts";

export { RequestStatus, RequestType, SECTOR_SIZE };

export const Feature = {
  SEG_MAX: FEATURE_SEG_MAX,
  RO: FEATURE_RO,
  BLK_SIZE: FEATURE_BLK_SIZE,
  FLUSH: FEATURE_FLUSH,
  TOPOLOGY: FEATURE_TOPOLOGY,
  CONFIG_WCE: FEATURE_CONFIG_WCE,
  DISCARD: FEATURE_DISCARD,
  WRITE_ZEROES: FEATURE_WRITE_ZEROES,
} as const;

/** One request. `data` is a view of the caller's memory: valid during submit() only. */
export interface BlockRequest {
  readonly type: RequestType;
  /** First sector, units of 512 bytes. */
  readonly sector: number;
  /** IN, GET_ID: filled; OUT: read. Empty for the others. */
  readonly data: Uint8Array;
  /** DISCARD and WRITE_ZEROES: sectors. IN and OUT: data.length. */
  readonly length: number;
  /** Bit 0: unmap (WRITE_ZEROES). Any other bit: UNSUPP. */
  readonly flags: number;
  /** -1 before; then OK, IOERR or UNSUPP. */
  status: RequestStatus | -1;
  /** Bytes moved by IN and OUT. */
  transferred: number;
  /** Why the status is not OK. */
  cause?: unknown;
}

/** Configuration space: the fields of virtio_blk_config in use, same meaning and units. */
export interface DeviceConfig {
  /** Bits of Feature. */
  readonly features: number;
  /** Sectors of 512 bytes; a multiple of the block size. */
  readonly capacity: number;
  /** Logical block size in bytes: 512 or 4096. */
  readonly blkSize: number;
  /** Largest data length of one request in bytes, 0 = no limit. */
  readonly sizeMax: number;
  readonly segMax: number;
  /** Physical block = blkSize << physicalExponent. */
  readonly physicalExponent: number;
  /** Preferred transfer in logical blocks, 0 = unknown. */
  readonly optIoSize: number;
  /** Most sectors of one DISCARD. */
  readonly maxDiscard: number;
  readonly discardAlign: number;
  /** Most sectors of one WRITE_ZEROES. */
  readonly maxWriteZeroes: number;
  readonly zeroesMayUnmap: boolean;
  /** True if writes are volatile until FLUSH. */
  readonly writeback: boolean;
}

/** What a FLUSH of this device means, in words a benchmark prints. */
export interface DurabilityClaim {
  readonly level: "none" | "process" | "power-loss" | "remote";
  readonly flush: string;
}

export interface DeviceIdentity {
  /** `vendor:device@bus:slot.fn`, such as "1af4:1042@00:04.0". */
  readonly pci: string;
  /** At most 20 bytes of ASCII, what GET_ID answers. */
  readonly serial: string;
}

export interface BlockDevice {
  /** For people: a path, a URL, "memory". */
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim;
  submit(requests: readonly BlockRequest[]): void;
  /** Releases what the device holds; requests after it answer IOERR. */
  close(): void;
}

export const VIRTIO_PCI_VENDOR = "1af4";
export const VIRTIO_BLK_PCI_DEVICE = "1042";

/** A configuration for `capacity` sectors, with what is given laid over the defaults. */
export function deviceConfig(capacity: number, given: Partial<DeviceConfig> = {}): DeviceConfig {
  return {
    features: Feature.SEG_MAX | Feature.BLK_SIZE | Feature.FLUSH | Feature.TOPOLOGY,
    capacity,
    blkSize: 512,
    sizeMax: 0,
    segMax: 256,
    physicalExponent: 0,
    optIoSize: 0,
    maxDiscard: 0,
    discardAlign: 0,
    maxWriteZeroes: 0,
    zeroesMayUnmap: false,
    writeback: true,
    ...given,
  };
}

/** A request that has not run. */
export function request(
  type: RequestType,
  sector: number,
  data: Uint8Array = EMPTY,
  length: number = data.length,
  flags = 0,
): BlockRequest {
  return { type, sector, data, length, flags, status: -1, transferred: 0 };
}

const EMPTY = new Uint8Array(0);

/**
 * The checks every device makes before it acts: type, flags, alignment, bounds, read-only.
 * Sets the status and answers false if the request must not run.
 */
export function admit(config: DeviceConfig, asked: BlockRequest): boolean {
  const verdict = verdictOf(config, asked);
  if (verdict === RequestStatus.OK) return true;
  asked.status = verdict;
  asked.transferred = 0;
  return false;
}

function verdictOf(config: DeviceConfig, asked: BlockRequest): RequestStatus {
  const { type, sector, data, length, flags } = asked;
  const { features } = config;
  switch (type) {
    case RequestType.FLUSH:
      return (features & Feature.FLUSH) !== 0 ? RequestStatus.OK : RequestStatus.UNSUPP;
    case RequestType.GET_ID:
      return RequestStatus.OK;
    case RequestType.IN:
    case RequestType.OUT: {
      if (type === RequestType.OUT && (features & Feature.RO) !== 0) return RequestStatus.IOERR;
      if (config.sizeMax !== 0 && data.length > config.sizeMax) return RequestStatus.IOERR;
      return inside(config, sector, data.length / SECTOR_SIZE);
    }
    case RequestType.DISCARD:
    case RequestType.WRITE_ZEROES: {
      const zeroes = type === RequestType.WRITE_ZEROES;
      const needed = zeroes ? Feature.WRITE_ZEROES : Feature.DISCARD;
      if ((features & needed) === 0) return RequestStatus.UNSUPP;
      if ((flags & ~(zeroes ? 1 : 0)) !== 0) return RequestStatus.UNSUPP;
      if ((features & Feature.RO) !== 0) return RequestStatus.IOERR;
      if (length > (zeroes ? config.maxWriteZeroes : config.maxDiscard)) return RequestStatus.IOERR;
      return inside(config, sector, length);
    }
    default:
      return RequestStatus.UNSUPP;
  }
}

function inside(config: DeviceConfig, sector: number, sectors: number): RequestStatus {
  const block = config.blkSize / SECTOR_SIZE;
  const whole = Number.isSafeInteger(sector) && sector % block === 0 && sectors % block === 0;
  const fits = sector >= 0 && sectors >= 0 && sector + sectors <= config.capacity;
  return whole && fits ? RequestStatus.OK : RequestStatus.IOERR;
}
