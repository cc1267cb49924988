/** What the core asks of its host: the import module "host" over a table of devices. */

import type { BinaryToTextEncoding } from "node:crypto";
import {
  CONFIG_BLK_SIZE,
  CONFIG_CAPACITY,
  CONFIG_DISCARD_ALIGN,
  CONFIG_FEATURES,
  CONFIG_MAX_DISCARD,
  CONFIG_MAX_WRITE_ZEROES,
  CONFIG_OPT_IO_SIZE,
  CONFIG_PHYSICAL_EXPONENT,
  CONFIG_SEG_MAX,
  CONFIG_SIZE_MAX,
  CONFIG_WRITEBACK,
  CONFIG_ZEROES_MAY_UNMAP,
  DEVICE_ID_SIZE,
  REQUEST_ADDRESS,
  REQUEST_FLAGS,
  REQUEST_LENGTH,
  REQUEST_SECTOR,
  REQUEST_SIZE,
  REQUEST_STATUS,
  REQUEST_TRANSFERRED,
  REQUEST_TYPE,
  RequestType,
} from "../../assembly/format/abi.ts";
import { ErrorCode } from "../../assembly/format/errors.ts";
import { hasNode, node } from "../base/platform/node.ts";
import { type BlockDevice, type BlockRequest, RequestStatus, refuse } from "../device/device.ts";
import type { CoreMemory } from "./memory.ts";

/** Node has it; its types do not. */
const LATIN1 = "latin1" as BinaryToTextEncoding;

/** Clock and randomness as values, so that a test can fix both. */
export interface Environment {
  /** Nanoseconds since 1970 UTC. */
  clock(): bigint;
  random(into: Uint8Array): void;
  /** Writes the SHA-256 of `data` into `out`, or answers false if it cannot do so at once. */
  sha256(data: Uint8Array, out: Uint8Array): boolean;
}

const PAGE_BYTES = 4096;
const WINDOWS_MAX = 256;

/** What getRandomValues() fills at once. */
const RANDOM_BYTES_MAX = 65536;

/** The clock and the randomness of where this runs; Node's own SHA-256 where there is Node. */
export const ownEnvironment: Environment = {
  clock: wallClock(),
  random: (into) => {
    for (let at = 0; at < into.length; at += RANDOM_BYTES_MAX) {
      const piece = into.subarray(at, at + RANDOM_BYTES_MAX);
      crypto.getRandomValues(piece as Uint8Array<ArrayBuffer>);
    }
  },
  // What a browser has answers later, so there the core keeps to its own kernel.
  sha256: hasNode ? nodeSha256 : () => false,
};

function nodeSha256(data: Uint8Array, out: Uint8Array): boolean {
  // As latin1 is the cheapest form: no Buffer is made for the digest.
  const digest = node.crypto.hash("sha256", data, LATIN1);
  for (let at = 0; at < 32; at++) out[at] = digest.charCodeAt(at);
  return true;
}

/** Date.now() in ns. It is asked at each change of a file, mostly many times in a millisecond. */
function wallClock(): () => bigint {
  let lastMs = Number.NaN;
  let lastNs = 0n;
  return () => {
    const nowMs = Date.now();
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      lastNs = BigInt(nowMs) * 1_000_000n;
    }
    return lastNs;
  };
}

/** The devices one instance may reach, and the import module over them. */
export class HostImports {
  /** Set once the module is instantiated. */
  memory!: CoreMemory;
  /** Why the device failed last; the façade makes it the `cause` of its error. */
  lastCause: unknown;
  readonly #devices = new Map<number, BlockDevice>();
  readonly #environment: Environment;
  readonly #windows = new Map<number, Uint8Array>();
  #nextId = 1;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  attach(device: BlockDevice): number {
    const id = this.#nextId++;
    this.#devices.set(id, device);
    return id;
  }

  detach(id: number): void {
    this.#devices.delete(id);
  }

  device(id: number): BlockDevice | undefined {
    return this.#devices.get(id);
  }

  /** The import module "host". */
  module(): WebAssembly.ModuleImports {
    return {
      submit: (device: number, requests: number, count: number) =>
        this.#submit(device, requests >>> 0, count),
      config: (device: number, out: number) => this.#config(device, out >>> 0),
      sha256: (address: number, length: number, out: number) => {
        const data = this.memory.subarray(address >>> 0, length >>> 0);
        const done = this.#environment.sha256(data, this.memory.subarray(out >>> 0, 32));
        return done ? 0 : ErrorCode.EOPNOTSUPP;
      },
      random: (out: number, length: number) =>
        this.#environment.random(this.memory.subarray(out >>> 0, length)),
      clock: (out: number) =>
        this.memory.view.setBigInt64(out >>> 0, this.#environment.clock(), true),
    };
  }

  #submit(id: number, at: number, count: number): number {
    const device = this.#devices.get(id);
    if (device === undefined) return ErrorCode.ENOENT;
    const { bytes, view } = this.memory;
    const requests: BlockRequest[] = [];
    for (let index = 0, entry = at; index < count; index++, entry += REQUEST_SIZE) {
      requests.push(this.#decode(bytes, view, entry));
    }
    try {
      device.submit(requests);
    } catch (cause) {
      // A device must not throw: past the core's frames its state would be anything.
      for (const asked of requests) refuse(asked, cause);
    }
    let failed = false;
    for (let index = 0, entry = at; index < count; index++, entry += REQUEST_SIZE) {
      const done = requests[index] as BlockRequest;
      view.setInt32(entry + REQUEST_STATUS, done.status, true);
      view.setUint32(entry + REQUEST_TRANSFERRED, done.transferred, true);
      if (failed || (done.status === RequestStatus.OK && done.cause === undefined)) continue;
      // The core reports the first that failed.
      failed = true;
      this.lastCause = done.cause;
    }
    return 0;
  }

  #config(id: number, out: number): number {
    const config = this.#devices.get(id)?.config;
    if (config === undefined) return ErrorCode.ENOENT;
    const { capacity } = config;
    if (!Number.isSafeInteger(capacity) || capacity < 0) return ErrorCode.EINVAL;
    const { view } = this.memory;
    const put = (offset: number, value: number) => view.setUint32(out + offset, value, true);
    view.setBigUint64(out + CONFIG_FEATURES, BigInt(config.features), true);
    view.setBigUint64(out + CONFIG_CAPACITY, BigInt(capacity), true);
    put(CONFIG_SIZE_MAX, config.sizeMax);
    put(CONFIG_SEG_MAX, config.segMax);
    put(CONFIG_BLK_SIZE, config.blkSize);
    put(CONFIG_PHYSICAL_EXPONENT, config.physicalExponent);
    put(CONFIG_OPT_IO_SIZE, config.optIoSize);
    put(CONFIG_MAX_DISCARD, config.maxDiscard);
    put(CONFIG_DISCARD_ALIGN, config.discardAlign);
    put(CONFIG_MAX_WRITE_ZEROES, config.maxWriteZeroes);
    put(CONFIG_ZEROES_MAY_UNMAP, config.zeroesMayUnmap ? 1 : 0);
    put(CONFIG_WRITEBACK, config.writeback ? 1 : 0);
    return 0;
  }

  #decode(bytes: Uint8Array, view: DataView, entry: number): BlockRequest {
    const type = view.getUint32(entry + REQUEST_TYPE, true) as RequestType;
    const low = view.getUint32(entry + REQUEST_SECTOR, true);
    const high = view.getUint32(entry + REQUEST_SECTOR + 4, true);
    const length = view.getUint32(entry + REQUEST_LENGTH, true);
    const size = dataSize(type, length);
    return {
      type,
      sector: high * 0x1_0000_0000 + low,
      data: this.#window(bytes, view.getUint32(entry + REQUEST_ADDRESS, true), size),
      length,
      flags: view.getUint32(entry + REQUEST_FLAGS, true),
      status: -1,
      transferred: 0,
      cause: undefined,
    };
  }

  /** Views of pages are used again: the core moves most of what it moves from few places. */
  #window(bytes: Uint8Array, address: number, size: number): Uint8Array {
    if (size !== PAGE_BYTES) return new Uint8Array(bytes.buffer, size === 0 ? 0 : address, size);
    const known = this.#windows.get(address);
    if (known !== undefined && known.buffer === bytes.buffer) return known;
    if (this.#windows.size >= WINDOWS_MAX) this.#windows.clear();
    const made = new Uint8Array(bytes.buffer, address, size);
    this.#windows.set(address, made);
    return made;
  }
}

function dataSize(type: RequestType, length: number): number {
  if (type === RequestType.IN || type === RequestType.OUT) return length;
  return type === RequestType.GET_ID ? DEVICE_ID_SIZE : 0;
}
