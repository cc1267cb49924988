/**
 * Crash states of one call: what a power cut may leave of the writes of each flush interval. Each
 * write is old, new, or torn: some of its sectors new, garbage, zeros, or one flipped bit.
 */
import type { BlockDevice, BlockRequest } from "../../host/device/device.ts";
import { RequestStatus, RequestType, SECTOR_SIZE } from "../../host/device/device.ts";
import type { MemoryDevice } from "../../host/device/local/memory.ts";

interface Write {
  readonly offset: number;
  readonly data: Uint8Array;
}

/** A device that passes everything on and keeps the writes by flush interval. */
export class Recorder implements BlockDevice {
  readonly intervals: Write[][] = [[]];
  readonly #inner: MemoryDevice;

  constructor(inner: MemoryDevice) {
    this.#inner = inner;
  }

  get name() {
    return this.#inner.name;
  }
  get config() {
    return this.#inner.config;
  }
  get identity() {
    return this.#inner.identity;
  }
  get durability() {
    return this.#inner.durability;
  }

  submit(requests: readonly BlockRequest[]): void {
    this.#inner.submit(requests);
    for (const { type, sector, data, status } of requests) {
      if (status !== RequestStatus.OK) continue;
      if (type === RequestType.FLUSH) this.intervals.push([]);
      if (type !== RequestType.OUT) continue;
      this.intervals.at(-1)?.push({ offset: sector * SECTOR_SIZE, data: data.slice() });
    }
  }

  close(): void {
    this.#inner.close();
  }
}

type Form = (old: Uint8Array, fresh: Uint8Array) => Uint8Array;

/** The first `sectors` sectors are new. */
const prefix =
  (sectors: number): Form =>
  (old, fresh) => {
    const torn = old.slice();
    torn.set(fresh.subarray(0, sectors * SECTOR_SIZE));
    return torn;
  };

const FORMS: readonly Form[] = [
  (old) => old,
  (_old, fresh) => fresh,
  prefix(0.5),
  prefix(1),
  prefix(2),
  (old, fresh) => fresh.map((byte, at) => (at < SECTOR_SIZE ? (old[at] as number) : byte)),
  (old) => old.map((_, at) => (at * 197 + 13) & 255),
  (old) => old.map(() => 0),
  (_old, fresh) => fresh.map((byte, at) => (at === 24 ? byte ^ 1 : byte)),
];
const FEW = [0, 1, 3, 6];

/**
 * Runs `visit` on each crash state of a life that began with `before`; `brief` takes fewer forms of
 * tears. Answers how many states there were. The last one is the life without a cut.
 */
export function crashStates(
  before: MemoryDevice,
  { intervals }: Recorder,
  visit: (state: MemoryDevice, label: string) => void,
  brief = false,
): number {
  const durable = before.clone();
  const forms = brief ? FEW : FORMS.map((_, index) => index);
  let count = 0;
  for (const [number, writes] of intervals.entries()) {
    for (let code = 0; code < forms.length ** writes.length; code++) {
      const state = durable.clone();
      const picked: number[] = [];
      let rest = code;
      for (const { offset, data } of writes) {
        const form = forms[rest % forms.length] as number;
        rest = Math.floor(rest / forms.length);
        picked.push(form);
        state.poke(offset, (FORMS[form] as Form)(durable.peek(offset, data.length), data));
      }
      visit(state, `interval ${number}, forms ${picked.join(" ")}`);
      count += 1;
    }
    for (const { offset, data } of writes) durable.poke(offset, data);
  }
  return count;
}
