/**
 * The contract of a block device: virtio-blk semantics (virtio 1.2, section 5.2) over one call.
 *
 * Interface: submit() carries out a batch of requests before it returns, in any order, and sets
 * each request's status and transferred. So a batch never writes a sector twice, nor reads one
 * that it writes. submit() never throws for what a device can do wrong: that is IOERR or UNSUPP,
 * with the reason in `cause`. A write is volatile until a FLUSH of a later batch has completed; a
 * FLUSH beside writes in one batch covers those before it in the array. Every adapter passes
 * test/support/contract.ts.
 */
import {
  DEVICE_ID_SIZE,
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
import { failure } from "../base/errors.ts";

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
  /** Bytes moved by IN, OUT and GET_ID. */
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

/** Sectors of one WRITE_ZEROES where nothing else sets a limit: 1 TiB. */
const ZEROES_SECTORS_MAX = 2 ** 31;

/** The same for a device that zeroes whatever range it is asked to, or that is read-only. */
export function zeroingConfig(
  capacity: number,
  readOnly: boolean,
  given: Partial<DeviceConfig>,
): DeviceConfig {
  const common = Feature.SEG_MAX | Feature.BLK_SIZE | Feature.FLUSH | Feature.TOPOLOGY;
  return deviceConfig(capacity, {
    features: common | (readOnly ? Feature.RO : Feature.WRITE_ZEROES),
    maxWriteZeroes: readOnly ? 0 : ZEROES_SECTORS_MAX,
    ...given,
  });
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

/** What `deviceIdentity` takes. */
export interface IdentityOptions {
  /** PCI slot, 0 to 31, or a whole identity such as "1af4:1042@00:04.0". Default 4. */
  readonly pci?: number | string | undefined;
  /** At most 20 characters of printable ASCII. */
  readonly serial?: string | undefined;
}

/**
 * The identity of a virtio-blk device: its place on the bus and its serial.
 *
 * @throws {StorageError} EINVAL: a slot above 31, a serial too long or not ASCII
 */
export function deviceIdentity(options: IdentityOptions = {}): DeviceIdentity {
  const { pci = 4, serial = "" } = options;
  if (!/^[\x20-\x7e]{0,20}$/.test(serial)) {
    throw failure("EINVAL", "open", `serial '${serial}' is not 20 characters of ASCII or fewer.`);
  }
  if (typeof pci === "string") {
    if (/^[0-9a-f]{4}:[0-9a-f]{4}@[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(pci)) {
      return { pci, serial };
    }
    throw failure("EINVAL", "open", `'${pci}' is no PCI identity such as 1af4:1042@00:04.0.`);
  }
  if (!Number.isInteger(pci) || pci < 0 || pci > 31) {
    throw failure("EINVAL", "open", `PCI slot ${pci} is not one of 0 to 31.`);
  }
  const slot = pci.toString(16).padStart(2, "0");
  return { pci: `${VIRTIO_PCI_VENDOR}:${VIRTIO_BLK_PCI_DEVICE}@00:${slot}.0`, serial };
}

/** Sectors that `config` allows a device to have: whole blocks, exact in a double. */
export function checkGeometry(capacity: number, blkSize: number, path?: string): void {
  if (blkSize !== 512 && blkSize !== 4096) {
    throw failure("EINVAL", "open", `block size ${blkSize} is neither 512 nor 4096.`, { path });
  }
  const block = blkSize / SECTOR_SIZE;
  if (!Number.isSafeInteger(capacity * SECTOR_SIZE) || capacity < 0 || capacity % block !== 0) {
    const message = `${capacity} sectors are not a whole number of ${blkSize}-byte blocks.`;
    throw failure("EINVAL", "open", message, { path });
  }
}

/** Marks `asked` as done. */
export function complete(asked: BlockRequest, transferred = 0): void {
  asked.status = RequestStatus.OK;
  asked.transferred = transferred;
}

/** Marks `asked` as failed, and says why. */
export function refuse(
  asked: BlockRequest,
  cause: unknown,
  status: RequestStatus = RequestStatus.IOERR,
): void {
  asked.status = status;
  asked.transferred = 0;
  asked.cause = cause;
}

/** Answers GET_ID: the serial, padded with NUL. */
export function answerId(asked: BlockRequest, serial: string): void {
  const size = Math.min(DEVICE_ID_SIZE, asked.data.length);
  for (let at = 0; at < size; at++) asked.data[at] = at < serial.length ? serial.charCodeAt(at) : 0;
  complete(asked, size);
}

/** Refuses every request of a batch for a device that is closed. */
export function refuseClosed(name: string, requests: readonly BlockRequest[]): void {
  const cause = failure("EBADF", "submit", `${name} is closed.`);
  for (const asked of requests) refuse(asked, cause);
}

/**
 * The checks every device makes before it acts: type, flags, alignment, bounds, read-only.
 * Sets status and cause and answers false if the request must not run.
 */
export function admit(config: DeviceConfig, asked: BlockRequest, name = "the device"): boolean {
  const objection = objectionTo(config, asked);
  if (objection === undefined) return true;
  const [code, why] = objection;
  const status = code === "EOPNOTSUPP" ? RequestStatus.UNSUPP : RequestStatus.IOERR;
  refuse(asked, failure(code, "submit", `${name} ${why}`), status);
  return false;
}

type Objection = readonly ["EOPNOTSUPP" | "EROFS" | "EINVAL" | "ERANGE", string];
const READ_ONLY: Objection = ["EROFS", "is read-only."];

function objectionTo(config: DeviceConfig, asked: BlockRequest): Objection | undefined {
  const { type, sector, data, length, flags } = asked;
  const { features } = config;
  switch (type) {
    case RequestType.IN:
    case RequestType.OUT: {
      if (type === RequestType.OUT && (features & Feature.RO) !== 0) return READ_ONLY;
      if (flags !== 0) return ["EOPNOTSUPP", `does not know flags 0x${flags.toString(16)}.`];
      if (config.sizeMax !== 0 && data.length > config.sizeMax) {
        return ["EINVAL", `takes at most ${config.sizeMax} bytes a request, not ${data.length}.`];
      }
      return outside(config, sector, data.length / SECTOR_SIZE);
    }
    case RequestType.FLUSH:
      return (features & Feature.FLUSH) !== 0 ? undefined : ["EOPNOTSUPP", "has no FLUSH."];
    case RequestType.GET_ID:
      return undefined;
    case RequestType.DISCARD:
    case RequestType.WRITE_ZEROES: {
      const zeroes = type === RequestType.WRITE_ZEROES;
      const needed = zeroes ? Feature.WRITE_ZEROES : Feature.DISCARD;
      if ((features & needed) === 0) return ["EOPNOTSUPP", `has no ${RequestType[type]}.`];
      if ((flags & ~(zeroes ? 1 : 0)) !== 0) {
        return ["EOPNOTSUPP", `does not know flags 0x${flags.toString(16)}.`];
      }
      if ((features & Feature.RO) !== 0) return READ_ONLY;
      const most = zeroes ? config.maxWriteZeroes : config.maxDiscard;
      if (length > most) return ["EINVAL", `takes ${most} sectors at most, not ${length}.`];
      return outside(config, sector, length);
    }
    default:
      return ["EOPNOTSUPP", `does not know request type ${type}.`];
  }
}

function outside(config: DeviceConfig, sector: number, sectors: number): Objection | undefined {
  const block = config.blkSize / SECTOR_SIZE;
  if (!Number.isSafeInteger(sector) || sector % block !== 0 || sectors % block !== 0) {
    return [
      "EINVAL",
      `wants whole ${config.blkSize}-byte blocks, not sector ${sector}+${sectors}.`,
    ];
  }
  if (sector >= 0 && sectors >= 0 && sector + sectors <= config.capacity) return undefined;
  return ["ERANGE", `has ${config.capacity} sectors; ${sector}+${sectors} lies outside.`];
}
