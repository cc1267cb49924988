/**
 * A driver for the virtio-blk adapter, as a guest would have one: rings and buffers in a guest
 * memory of its own, so that the contract suite can be run through a real split virtqueue.
 */
import {
  admit,
  type BlockDevice,
  type BlockRequest,
  type DeviceConfig,
  deviceConfig,
  RequestStatus,
  RequestType,
  refuse,
} from "../../host/device/device.ts";
import { VirtioBlock } from "../../host/device/wrap/virtio-block.ts";
import * as layout from "../../host/device/wrap/virtio-layout.ts";

const { Status } = layout;
export const DESCRIPTORS = 0x1000;
export const AVAILABLE = 0x8000;
export const USED = 0xa000;
const HEAP = 0x10000;
const MEMORY_SIZE = 4 << 20;

export interface DriverOptions {
  readonly queueSize?: number;
  /** Chains in a table of their own. */
  readonly indirect?: boolean;
  readonly eventIndex?: boolean;
  /** Bytes of each data descriptor; absent: one for all. */
  readonly pieceSize?: number;
}

interface Sent {
  readonly asked: BlockRequest;
  readonly head: number;
  readonly data: number;
  readonly status: number;
}

/** One piece of a chain. */
export interface Part {
  readonly address: number;
  readonly length: number;
  readonly write: boolean;
}

export class VirtioDriver implements BlockDevice {
  readonly name = "virtio";
  readonly config: DeviceConfig;
  readonly identity: BlockDevice["identity"];
  readonly durability: BlockDevice["durability"];
  readonly memory = new Uint8Array(MEMORY_SIZE);
  readonly view = new DataView(this.memory.buffer);
  readonly block: VirtioBlock;
  interrupts = 0;
  readonly #base: BlockDevice;
  readonly #options: Required<DriverOptions>;
  #descriptor = 0;
  #heap = HEAP;
  #available = 0;
  #used = 0;
  #sent: Sent[] = [];

  constructor(base: BlockDevice, options: DriverOptions = {}) {
    this.#base = base;
    this.#options = {
      queueSize: 64,
      indirect: false,
      eventIndex: false,
      pieceSize: Number.POSITIVE_INFINITY,
      ...options,
    };
    this.identity = base.identity;
    this.durability = base.durability;
    this.block = new VirtioBlock(base, this.memory, {
      interrupt: () => {
        this.interrupts += 1;
      },
    });
    this.#start();
    this.config = this.#readConfig();
  }

  /** The whole of section 3.1.1. */
  #start(): void {
    const { block } = this;
    block.status = 0;
    block.status = Status.ACKNOWLEDGE;
    block.status = Status.ACKNOWLEDGE | Status.DRIVER;
    const unwanted =
      (this.#options.indirect ? 0n : layout.FEATURE_INDIRECT) |
      (this.#options.eventIndex ? 0n : layout.FEATURE_EVENT_INDEX);
    block.driverFeatures = block.features & ~unwanted;
    block.status = block.status | Status.FEATURES_OK;
    const size = this.#options.queueSize;
    block.enableQueue({ size, descriptors: DESCRIPTORS, available: AVAILABLE, used: USED });
    block.status = block.status | Status.DRIVER_OK;
  }

  #readConfig(): DeviceConfig {
    const view = new DataView(this.block.readConfig(0, layout.CONFIG_SIZE).buffer);
    const get = (offset: number) => view.getUint32(offset, true);
    return deviceConfig(Number(view.getBigUint64(layout.CONFIG_CAPACITY, true)), {
      features: Number(this.block.driverFeatures & 0xfff_ffffn),
      blkSize: get(layout.CONFIG_BLK_SIZE),
      segMax: get(layout.CONFIG_SEG_MAX),
      maxDiscard: get(layout.CONFIG_MAX_DISCARD),
      discardAlign: get(layout.CONFIG_DISCARD_ALIGN),
      maxWriteZeroes: get(layout.CONFIG_MAX_ZEROES),
      zeroesMayUnmap: view.getUint8(layout.CONFIG_ZEROES_MAY_UNMAP) === 1,
      writeback: view.getUint8(layout.CONFIG_WRITEBACK) === 1,
    });
  }

  submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      // What the wire cannot say: the guest's own checks.
      const unsayable = !Number.isSafeInteger(asked.sector) || asked.sector < 0;
      const flagged = asked.flags !== 0 && isMove(asked);
      if (unsayable || flagged) admit(this.config, asked);
      else if (!this.#fits(asked) && this.#sent.length > 0) this.#send(asked, true);
      else this.#send(asked, asked.type === RequestType.FLUSH);
    }
    this.#kick();
  }

  close(): void {
    this.#base.close();
  }

  /** Makes a chain of `parts` available; answers its head. */
  chain(parts: readonly Part[]): number {
    const { indirect } = this.#options;
    const head = this.#descriptor;
    const table = indirect ? this.allocate(parts.length * 16) : DESCRIPTORS;
    const first = indirect ? 0 : head;
    for (const [index, { address, length, write }] of parts.entries()) {
      const next = index + 1 < parts.length ? layout.DESCRIPTOR_F_NEXT : 0;
      const flags = next | (write ? layout.DESCRIPTOR_F_WRITE : 0);
      this.describe(table, first + index, address, length, flags, first + index + 1);
    }
    if (indirect) {
      const size = parts.length * 16;
      this.describe(DESCRIPTORS, head, table, size, layout.DESCRIPTOR_F_INDIRECT, 0);
    }
    this.#descriptor += indirect ? 1 : parts.length;
    this.offer(head);
    return head;
  }

  /** Writes one descriptor of a table. */
  describe(
    table: number,
    index: number,
    address: number,
    length: number,
    flags: number,
    next: number,
  ): void {
    const at = table + index * layout.DESCRIPTOR_SIZE;
    this.view.setBigUint64(at + layout.DESCRIPTOR_ADDRESS, BigInt(address), true);
    this.view.setUint32(at + layout.DESCRIPTOR_LENGTH, length, true);
    this.view.setUint16(at + layout.DESCRIPTOR_FLAGS, flags, true);
    this.view.setUint16(at + layout.DESCRIPTOR_NEXT, next, true);
  }

  /** Puts `head` into the available ring. */
  offer(head: number): void {
    const slot = this.#available % this.#options.queueSize;
    this.view.setUint16(AVAILABLE + layout.RING_ENTRIES + slot * 2, head, true);
    this.#available = (this.#available + 1) & 0xffff;
    this.view.setUint16(AVAILABLE + layout.RING_INDEX, this.#available, true);
  }

  allocate(size: number): number {
    const address = this.#heap;
    this.#heap += Math.ceil(size / 16) * 16;
    if (this.#heap > MEMORY_SIZE) throw new Error("the guest is out of memory");
    return address;
  }

  #fits(asked: BlockRequest): boolean {
    const pieces = Math.ceil(asked.data.length / this.#options.pieceSize) + 3;
    const room = MEMORY_SIZE - this.#heap - asked.data.length - pieces * 32 - 4096;
    return room > 0 && this.#descriptor + pieces <= this.#options.queueSize;
  }

  #send(asked: BlockRequest, alone: boolean): void {
    if (alone) this.#kick();
    const header = this.allocate(layout.HEADER_SIZE);
    this.view.setUint32(header + layout.HEADER_TYPE, asked.type, true);
    this.view.setBigUint64(header + layout.HEADER_SECTOR, BigInt(asked.sector), true);
    const erases = asked.type === RequestType.DISCARD || asked.type === RequestType.WRITE_ZEROES;
    const length = erases ? layout.SEGMENT_SIZE : asked.data.length;
    const data = this.allocate(length);
    if (erases) {
      this.view.setBigUint64(data + layout.SEGMENT_SECTOR, BigInt(asked.sector), true);
      this.view.setUint32(data + layout.SEGMENT_SECTORS, asked.length, true);
      this.view.setUint32(data + layout.SEGMENT_FLAGS, asked.flags, true);
    } else this.memory.set(asked.data, data);
    const write = asked.type === RequestType.IN || asked.type === RequestType.GET_ID;
    const parts: Part[] = [{ address: header, length: layout.HEADER_SIZE, write: false }];
    for (let at = 0; at < length; at += this.#options.pieceSize) {
      const size = Math.min(length - at, this.#options.pieceSize);
      parts.push({ address: data + at, length: size, write });
    }
    const status = this.allocate(1);
    this.memory[status] = 0xff;
    const head = this.chain([...parts, { address: status, length: 1, write: true }]);
    this.#sent.push({ asked, head, data, status });
    if (alone) this.#kick();
  }

  #kick(): void {
    this.block.notify();
    for (const sent of this.#sent) {
      const slot = this.#used % this.#options.queueSize;
      const entry = USED + layout.RING_ENTRIES + slot * 8;
      const index = this.view.getUint16(USED + layout.RING_INDEX, true);
      if (index === this.#used) throw new Error(`no answer: ${this.block.failure}`);
      if (this.view.getUint32(entry, true) !== sent.head) throw new Error("answers out of order");
      this.#used = (this.#used + 1) & 0xffff;
      this.#answer(sent);
    }
    this.#sent = [];
    this.#descriptor = 0;
    this.#heap = HEAP;
  }

  #answer({ asked, data, status }: Sent): void {
    const got = this.memory[status] as RequestStatus;
    if (got !== RequestStatus.OK) {
      refuse(asked, new Error(`status ${got}`), got);
      return;
    }
    asked.status = got;
    asked.transferred = asked.data.length;
    const read = asked.type === RequestType.IN || asked.type === RequestType.GET_ID;
    if (read) asked.data.set(this.memory.subarray(data, data + asked.data.length));
  }
}

function isMove(asked: BlockRequest): boolean {
  return asked.type === RequestType.IN || asked.type === RequestType.OUT;
}
