/**
 * Moves the reads and writes of a batch in as few system calls as possible.
 *
 * Neighbours on the disk become one vectored call; where their memory is one piece too, one plain
 * call. A vectored call that fails or falls short is repeated request by request, so that exactly
 * the bad ones are refused; repeating a positioned read or write is harmless.
 */
import * as fs from "node:fs";
import { failure } from "../../base/errors.ts";
import { sortBySector } from "../batch.ts";
import { type BlockRequest, complete, RequestType, refuse, SECTOR_SIZE } from "../device.ts";

/** The calls a file device makes; tests put failing ones in their place. */
export interface FileCalls {
  read(fd: number, data: Uint8Array, offset: number, length: number, position: number): number;
  write(fd: number, data: Uint8Array, offset: number, length: number, position: number): number;
  readv(fd: number, data: readonly Uint8Array[], position: number): number;
  writev(fd: number, data: readonly Uint8Array[], position: number): number;
  datasync(fd: number): void;
  stat(fd: number): { readonly size: number; readonly nlink: number };
  close(fd: number): void;
}

export const nodeCalls: FileCalls = {
  read: fs.readSync,
  write: fs.writeSync,
  readv: fs.readvSync,
  writev: fs.writevSync,
  datasync: fs.fdatasyncSync,
  stat: fs.fstatSync,
  close: fs.closeSync,
};

/** Buffers of one vectored call: Linux takes 1,024. */
const BUFFERS_MAX = 1024;
/** Bytes of one call: Linux takes 2 GiB less a page. */
const CALL_SIZE_MAX = 2 ** 30;

/** The reads and writes of one file that wait to be moved. Order among them is free. */
export class Transfer {
  readonly #calls: FileCalls;
  readonly #fd: number;
  readonly #name: string;
  readonly #reads: BlockRequest[] = [];
  readonly #writes: BlockRequest[] = [];
  /** Reused from call to call. */
  readonly #buffers: Uint8Array[] = [];

  constructor(calls: FileCalls, fd: number, name: string) {
    this.#calls = calls;
    this.#fd = fd;
    this.#name = name;
  }

  add(asked: BlockRequest): void {
    if (asked.data.length === 0) complete(asked, 0);
    else if (asked.type === RequestType.IN) this.#reads.push(asked);
    else this.#writes.push(asked);
  }

  /** Carries out all that was added. */
  settle(): void {
    if (this.#writes.length > 0) this.#move(this.#writes);
    if (this.#reads.length > 0) this.#move(this.#reads);
  }

  /** One request alone, in as many calls as it takes. */
  moveOne(asked: BlockRequest): void {
    const { data } = asked;
    const position = asked.sector * SECTOR_SIZE;
    const calls = this.#calls;
    const reading = asked.type === RequestType.IN;
    try {
      for (let at = 0; at < data.length; ) {
        const size = Math.min(data.length - at, CALL_SIZE_MAX);
        const moved = reading
          ? calls.read(this.#fd, data, at, size, position + at)
          : calls.write(this.#fd, data, at, size, position + at);
        if (moved <= 0) {
          refuse(asked, this.#ended(asked, position + at));
          return;
        }
        at += moved;
      }
      complete(asked, data.length);
    } catch (cause) {
      refuse(asked, cause);
    }
  }

  #move(list: BlockRequest[]): void {
    sortBySector(list);
    for (let first = 0; first < list.length; ) {
      const last = endOfRun(list, first);
      if (last === first + 1) this.moveOne(list[first] as BlockRequest);
      else this.#moveRun(list, first, last);
      first = last;
    }
    list.length = 0;
  }

  #moveRun(list: readonly BlockRequest[], first: number, last: number): void {
    const head = list[first] as BlockRequest;
    const position = head.sector * SECTOR_SIZE;
    const total = this.#gather(list, first, last);
    const buffers = this.#buffers;
    const calls = this.#calls;
    const reading = head.type === RequestType.IN;
    let moved = -1;
    try {
      if (buffers.length === 1) {
        const whole = buffers[0] as Uint8Array;
        moved = reading
          ? calls.read(this.#fd, whole, 0, total, position)
          : calls.write(this.#fd, whole, 0, total, position);
      } else {
        moved = reading
          ? calls.readv(this.#fd, buffers, position)
          : calls.writev(this.#fd, buffers, position);
      }
    } catch {
      // Which request is at fault shows when each is tried alone.
    }
    buffers.length = 0;
    for (let index = first; index < last; index++) {
      const asked = list[index] as BlockRequest;
      if (moved === total) complete(asked, asked.data.length);
      else this.moveOne(asked);
    }
  }

  /** Fills the list of buffers, neighbours in memory as one; answers the bytes in all. */
  #gather(list: readonly BlockRequest[], first: number, last: number): number {
    const buffers = this.#buffers;
    let total = 0;
    for (let index = first; index < last; ) {
      const { data } = list[index] as BlockRequest;
      let length = data.length;
      for (index++; index < last; index++) {
        const next = (list[index] as BlockRequest).data;
        if (next.buffer !== data.buffer || next.byteOffset !== data.byteOffset + length) break;
        length += next.length;
      }
      const single = length === data.length;
      buffers.push(single ? data : new Uint8Array(data.buffer, data.byteOffset, length));
      total += length;
    }
    return total;
  }

  #ended(asked: BlockRequest, position: number): Error {
    if (asked.type !== RequestType.IN) {
      return failure("EIO", "write", `${this.#name} took no more bytes at byte ${position}.`);
    }
    const message = `${this.#name} ends at byte ${position}: it was truncated while open.`;
    return failure("EIO", "read", message);
  }
}

function endOfRun(list: readonly BlockRequest[], first: number): number {
  const head = list[first] as BlockRequest;
  let last = first + 1;
  let size = head.data.length;
  while (last < list.length && last - first < BUFFERS_MAX) {
    const next = list[last] as BlockRequest;
    if (next.sector !== head.sector + size / SECTOR_SIZE) break;
    if (size + next.data.length > CALL_SIZE_MAX) break;
    size += next.data.length;
    last++;
  }
  return last;
}
