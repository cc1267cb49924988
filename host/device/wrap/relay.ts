/** Passes requests to another device under other sectors, without an allocation per request. */
import type { BlockDevice, BlockRequest, RequestStatus, RequestType } from "../device.ts";

const EMPTY = new Uint8Array(0);

/** A request that is used again and again. */
class Relayed implements BlockRequest {
  type: RequestType = 0;
  sector = 0;
  data: Uint8Array = EMPTY;
  length = 0;
  flags = 0;
  status: RequestStatus | -1 = -1;
  transferred = 0;
  cause: unknown = undefined;
}

/** Requests on their way from one device to the one below it. */
export class Relay {
  readonly #base: BlockDevice;
  readonly #pool: Relayed[] = [];
  readonly #batch: Relayed[] = [];
  readonly #origins: BlockRequest[] = [];

  constructor(base: BlockDevice) {
    this.#base = base;
  }

  /** Adds `asked`, moved by `offset` sectors. */
  add(asked: BlockRequest, offset: number): void {
    const relayed = this.#pool.pop() ?? new Relayed();
    relayed.type = asked.type;
    relayed.sector = asked.sector + offset;
    relayed.data = asked.data;
    relayed.length = asked.length;
    relayed.flags = asked.flags;
    relayed.status = -1;
    relayed.transferred = 0;
    relayed.cause = undefined;
    this.#batch.push(relayed);
    this.#origins.push(asked);
  }

  /** Submits what was added and hands the answers back. */
  submit(): void {
    if (this.#batch.length === 0) return;
    this.#base.submit(this.#batch);
    for (const [index, relayed] of this.#batch.entries()) {
      const asked = this.#origins[index] as BlockRequest;
      asked.status = relayed.status;
      asked.transferred = relayed.transferred;
      asked.cause = relayed.cause;
      relayed.data = EMPTY;
      relayed.cause = undefined;
      this.#pool.push(relayed);
    }
    this.#batch.length = 0;
    this.#origins.length = 0;
  }
}
