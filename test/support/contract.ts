/**
 * The contract suite of block devices: what every adapter does, run against each of them.
 *
 * A subject is one device of the wanted shape over content that is zero, or given. Adapters that
 * cannot be written (a read-only wrapper) run the part that reads.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import {
  type BlockDevice,
  type BlockRequest,
  Feature,
  RequestStatus,
  RequestType,
  request,
  SECTOR_SIZE,
} from "../../host/device/device.ts";
import { equal, expectBytes, expectRefused, noise, read, run } from "./requests.ts";

export { equal, expectBytes, expectRefused, noise, read, run };

export interface SubjectOptions {
  readonly sizeBytes: number;
  readonly blkSize: 512 | 4096;
  /** The device must offer RO. */
  readonly readOnly: boolean;
  /** What it holds at first, from byte 0 on; the rest is zero. */
  readonly content: Uint8Array;
}

export interface Subject {
  readonly device: BlockDevice;
  /** Opens again, after close(), what a FLUSH has kept. Absent: nothing outlives the device. */
  readonly reopen?: (() => BlockDevice | Promise<BlockDevice>) | undefined;
  readonly dispose?: (() => void | Promise<void>) | undefined;
}

export interface ContractTraits {
  readonly blkSizes?: readonly (512 | 4096)[];
  /** False: the device is read-only by nature. */
  readonly writable?: boolean;
  /** Largest size it is tried at; absent: 2 TiB and more. */
  readonly sizeMax?: number;
  /** Random workloads that it goes through. Default 40; fewer where a device is costly to open. */
  readonly runs?: number;
}

const { IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES } = RequestType;
const { OK, IOERR, UNSUPP } = RequestStatus;
const SMALL = 1 << 20;
const HUGE = 2 ** 41 + 2 ** 20;

/** Runs the whole contract against the devices that `make` builds. */
export function deviceContract(
  name: string,
  make: (options: SubjectOptions) => Subject | Promise<Subject>,
  traits: ContractTraits = {},
): void {
  const { blkSizes = [512, 4096], writable = true, sizeMax = HUGE, runs = 40 } = traits;
  const open: Subject[] = [];
  const subject = async (options: Partial<SubjectOptions>, blkSize: 512 | 4096) => {
    const made = await make({
      sizeBytes: SMALL,
      readOnly: !writable,
      content: new Uint8Array(0),
      ...options,
      blkSize,
    });
    open.push(made);
    return made;
  };
  afterEach(async () => {
    for (const made of open.splice(0)) {
      made.device.close();
      await made.dispose?.();
    }
  });
  for (const blkSize of blkSizes) {
    const device = async (options: Partial<SubjectOptions> = {}) =>
      (await subject(options, blkSize)).device;
    describe(`${name}, blocks of ${blkSize}`, () => {
      describeShape(device, blkSize);
      describeRefusals(device, blkSize);
      describeReadOnly(device, blkSize);
      if (!writable) return;
      describeWrites(device, blkSize);
      describeBatches(device, blkSize);
      describeErase(device, blkSize);
      describeModel(device, blkSize, runs);
      describeReopen((options = {}) => subject(options, blkSize), blkSize);
      if (sizeMax >= HUGE) describeHuge(device, blkSize);
    });
  }
}

type Open = (options?: Partial<SubjectOptions>) => Promise<BlockDevice>;

function describeShape(open: Open, blkSize: number): void {
  test("config names block size, capacity and the limits of what it offers", async () => {
    const { config, identity, durability, name } = await open();
    expect(config.blkSize).toBe(blkSize);
    expect(config.capacity).toBe(SMALL / SECTOR_SIZE);
    expect(config.features & Feature.BLK_SIZE).not.toBe(0);
    expect(config.maxDiscard > 0).toBe((config.features & Feature.DISCARD) !== 0);
    expect(config.maxWriteZeroes > 0).toBe((config.features & Feature.WRITE_ZEROES) !== 0);
    expect(config.segMax).toBeGreaterThan(0);
    expect(identity.pci).toMatch(/^[0-9a-f]{4}:[0-9a-f]{4}@[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/);
    expect(durability.flush).not.toBe("");
    expect(name).not.toBe("");
  });

  test("content is read where it lies, zeros elsewhere, at the first and the last block", async () => {
    const content = noise(3 * blkSize, 1);
    const device = await open({ content });
    expectBytes(read(device, 0, 4 * blkSize), padded(content, 4 * blkSize));
    const last = device.config.capacity - blkSize / SECTOR_SIZE;
    expectBytes(read(device, last, blkSize), new Uint8Array(blkSize));
  });

  test("GET_ID answers the serial padded with NUL to 20 bytes", async () => {
    const device = await open();
    const asked = request(GET_ID, 0, new Uint8Array(20).fill(0xaa));
    device.submit([asked]);
    expect(asked.status).toBe(OK);
    expect(new TextDecoder().decode(asked.data)).toBe(device.identity.serial.padEnd(20, "\0"));
  });

  test("requests of length zero succeed and move nothing, also just past the last sector", async () => {
    const device = await open();
    for (const sector of [0, device.config.capacity]) {
      const asked = request(IN, sector, new Uint8Array(0));
      device.submit([asked]);
      expect([asked.status, asked.transferred]).toEqual([OK, 0]);
    }
  });

  test("a read fills its view and no byte beside it, in shared memory too", async () => {
    const device = await open({ content: noise(blkSize, 2) });
    for (const memory of [new ArrayBuffer(3 * blkSize), new SharedArrayBuffer(3 * blkSize)]) {
      const around = new Uint8Array(memory).fill(0xaa);
      const asked = request(IN, 0, around.subarray(7, 7 + blkSize));
      device.submit([asked]);
      expect([asked.status, asked.transferred]).toEqual([OK, blkSize]);
      expect(around.slice(7, 7 + blkSize)).toEqual(noise(blkSize, 2));
      expect(around.slice(0, 7)).toEqual(new Uint8Array(7).fill(0xaa));
      expect(around[7 + blkSize]).toBe(0xaa);
    }
  });

  test("an empty batch does nothing", async () => {
    const device = await open();
    device.submit([]);
    expectBytes(read(device, 0, blkSize), new Uint8Array(blkSize));
  });
}

function describeRefusals(open: Open, blkSize: number): void {
  const block = blkSize / SECTOR_SIZE;

  test("a range that leaves the device is IOERR with a cause and moves no byte", async () => {
    const device = await open();
    const { capacity } = device.config;
    const outside = [capacity, capacity + block, 2 ** 32, 2 ** 40, 2 ** 52, -block];
    for (const sector of [...outside, 2 ** 63, Number.NaN, Infinity]) {
      const asked = request(IN, sector, new Uint8Array(blkSize).fill(0xaa));
      expectRefused(device, asked, IOERR, `sector ${sector}`);
      expect(asked.data.every((byte) => byte === 0xaa)).toBe(true);
    }
    const across = request(IN, capacity - block, new Uint8Array(2 * blkSize).fill(0xaa));
    expectRefused(device, across, IOERR, "across the end");
    expect(across.data.every((byte) => byte === 0xaa)).toBe(true);
  });

  test("a range that is not whole blocks is IOERR", async () => {
    const device = await open();
    const uneven: [sector: number, length: number][] = [
      [0, 100],
      [0, blkSize + 1],
      [0.5, blkSize],
      ...(block > 1 ? ([[1, blkSize] as const, [0, 512] as const] as [number, number][]) : []),
    ];
    for (const [sector, length] of uneven) {
      const what = `sector ${sector}, ${length} bytes`;
      expectRefused(device, request(IN, sector, new Uint8Array(length)), IOERR, what);
    }
  });

  test("an unknown request type is UNSUPP", async () => {
    const device = await open();
    for (const type of [2, 3, 5, 7, 9, 10, 12, 14, 255, 0xffffffff]) {
      const asked = request(type as RequestType, 0, new Uint8Array(blkSize));
      expectRefused(device, asked, UNSUPP, `type ${type}`);
    }
  });

  test("a feature that is not offered is UNSUPP, and so are unknown flags", async () => {
    const device = await open();
    const { features } = device.config;
    if ((features & Feature.DISCARD) === 0) {
      expectRefused(device, request(DISCARD, 0, EMPTY, block), UNSUPP, "DISCARD");
    }
    if ((features & Feature.WRITE_ZEROES) === 0) {
      expectRefused(device, request(WRITE_ZEROES, 0, EMPTY, block), UNSUPP, "WRITE_ZEROES");
    }
    if ((features & Feature.FLUSH) === 0) {
      expectRefused(device, request(FLUSH, 0), UNSUPP, "FLUSH");
    }
    expectRefused(device, request(DISCARD, 0, EMPTY, block, 1), UNSUPP, "DISCARD flags 1");
    expectRefused(device, request(WRITE_ZEROES, 0, EMPTY, block, 2), UNSUPP, "flags 2");
    expectRefused(device, request(IN, 0, new Uint8Array(blkSize), blkSize, 1), UNSUPP, "IN 1");
  });

  test("a closed device answers IOERR to everything, and closing it again is harmless", async () => {
    const device = await open();
    device.close();
    device.close();
    for (const type of [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES, 99 as RequestType]) {
      const asked = request(type, 0, new Uint8Array(blkSize));
      expectRefused(device, asked, IOERR, `type ${type}`);
    }
  });
}

function describeReadOnly(open: Open, blkSize: number): void {
  test("a read-only device says RO, reads, takes FLUSH, and refuses every change", async () => {
    const content = noise(blkSize, 3);
    const device = await open({ readOnly: true, content });
    const { features } = device.config;
    expect(features & Feature.RO).not.toBe(0);
    const block = blkSize / SECTOR_SIZE;
    expectRefused(device, request(OUT, 0, new Uint8Array(blkSize)), IOERR, "OUT");
    const zeroes = (features & Feature.WRITE_ZEROES) !== 0 ? IOERR : UNSUPP;
    expectRefused(device, request(WRITE_ZEROES, 0, EMPTY, block), zeroes, "WRITE_ZEROES");
    const discard = (features & Feature.DISCARD) !== 0 ? IOERR : UNSUPP;
    expectRefused(device, request(DISCARD, 0, EMPTY, block), discard, "DISCARD");
    expectBytes(read(device, 0, blkSize), content);
    if ((features & Feature.FLUSH) !== 0) run(device, request(FLUSH, 0));
  });
}

function describeWrites(open: Open, blkSize: number): void {
  const block = blkSize / SECTOR_SIZE;

  test("a write is read back, and its neighbours are unharmed", async () => {
    const device = await open({ content: noise(8 * blkSize, 4) });
    const want = noise(8 * blkSize, 4);
    for (const [index, count] of [[3, 1] as const, [5, 2] as const, [0, 1] as const]) {
      const data = noise(count * blkSize, 100 + index);
      expect(run(device, request(OUT, index * block, data)).transferred).toBe(data.length);
      want.set(data, index * blkSize);
      expectBytes(read(device, 0, 8 * blkSize), want);
    }
  });

  test("the last block can be written; a write across the end changes nothing", async () => {
    const device = await open();
    const last = device.config.capacity - block;
    const data = noise(blkSize, 5);
    run(device, request(OUT, last, data));
    expectRefused(device, request(OUT, last, noise(2 * blkSize, 6)), IOERR, "across");
    expectRefused(device, request(OUT, last + block, noise(blkSize, 6)), IOERR, "beyond");
    expectBytes(read(device, last, blkSize), data);
  });

  test("a write of part of a block is IOERR and changes nothing", async () => {
    const device = await open({ content: noise(2 * blkSize, 7) });
    expectRefused(device, request(OUT, 0, new Uint8Array(blkSize - 1)), IOERR, "short");
    if (block > 1) {
      expectRefused(device, request(OUT, 1, new Uint8Array(blkSize)), IOERR, "sector 1");
    }
    expectBytes(read(device, 0, 2 * blkSize), noise(2 * blkSize, 7));
  });

  test("several devices at once do not reach one another", async () => {
    const devices = [await open(), await open(), await open()];
    for (const [index, device] of devices.entries()) {
      run(device, request(OUT, block, noise(blkSize, 20 + index)));
    }
    devices[1]?.close();
    for (const index of [0, 2]) {
      const device = devices[index] as BlockDevice;
      expectBytes(read(device, block, blkSize), noise(blkSize, 20 + index));
      expectBytes(read(device, 0, blkSize), new Uint8Array(blkSize));
    }
  });
}

function describeBatches(open: Open, blkSize: number): void {
  const block = blkSize / SECTOR_SIZE;

  test("a batch in any order does what its requests do one by one", async () => {
    const device = await open({ content: noise(64 * blkSize, 8) });
    const want = noise(64 * blkSize, 8);
    const order = [9, 8, 10, 40, 11, 3, 2, 1, 63, 30, 31, 33];
    const batch: BlockRequest[] = [];
    for (const index of order) {
      const data = noise(blkSize, 200 + index);
      batch.push(request(OUT, index * block, data));
      want.set(data, index * blkSize);
      // Reads between them, of blocks that no request writes.
      batch.push(request(IN, (index === 3 ? 50 : 51) * block, new Uint8Array(blkSize)));
    }
    device.submit(batch);
    expect(batch.map(({ status }) => status)).toEqual(batch.map(() => OK));
    expect(batch[1]?.data).toEqual(want.slice(51 * blkSize, 52 * blkSize));
    expect(batch[11]?.data).toEqual(want.slice(50 * blkSize, 51 * blkSize));
    expectBytes(read(device, 0, 64 * blkSize), want);
  });

  test("neighbours whose memory is one piece, or in reverse, or apart, all move right", async () => {
    const device = await open();
    const memory = noise(64 * blkSize, 9);
    const piece = (index: number) => memory.subarray(index * blkSize, (index + 1) * blkSize);
    const places = [0, 1, 2, 3, 9, 8, 7, 6, 20, 22, 21, 24];
    const batch = places.map((index, at) => request(OUT, at * block, piece(index)));
    device.submit(batch);
    const want = places.flatMap((index) => [...piece(index)]);
    expectBytes(read(device, 0, places.length * blkSize), Uint8Array.from(want));
    const target = new Uint8Array(64 * blkSize);
    const back = places.map((index, at) =>
      request(IN, at * block, target.subarray(index * blkSize, (index + 1) * blkSize)),
    );
    device.submit(back);
    for (const index of places) {
      const start = index * blkSize;
      expectBytes(target.slice(start, start + blkSize), piece(index), `block ${index}`);
    }
    expect(target.slice(4 * blkSize, 6 * blkSize)).toEqual(new Uint8Array(2 * blkSize));
  });

  test("a run of 1,500 neighbours, more than one vectored call takes, moves whole", async () => {
    const count = 1500;
    const device = await open({ sizeBytes: count * 4096 });
    const pieces = Array.from({ length: count }, (_, index) => noise(blkSize, index));
    device.submit(pieces.map((data, index) => request(OUT, index * block, data)));
    const back = pieces.map((_, index) => request(IN, index * block, new Uint8Array(blkSize)));
    device.submit(back);
    expect(back.every(({ status }) => status === OK)).toBe(true);
    expect(back.every(({ transferred }) => transferred === blkSize)).toBe(true);
    expect(back.findIndex(({ data }, index) => !equal(data, pieces[index]))).toBe(-1);
  });

  test("one bad request of a batch fails alone", async () => {
    const device = await open();
    const batch = [
      request(OUT, 0, noise(blkSize, 1)),
      request(OUT, device.config.capacity, noise(blkSize, 2)),
      request(99 as RequestType, block, noise(blkSize, 2)),
      request(OUT, block, noise(blkSize, 3)),
      request(OUT, 2 * block, noise(blkSize + 3, 3)),
      request(OUT, 2 * block, noise(blkSize, 4)),
    ];
    device.submit(batch);
    expect(batch.map(({ status }) => status)).toEqual([OK, IOERR, UNSUPP, OK, IOERR, OK]);
    const want = [...noise(blkSize, 1), ...noise(blkSize, 3), ...noise(blkSize, 4)];
    expectBytes(read(device, 0, 3 * blkSize), Uint8Array.from(want));
  });
}

function describeErase(open: Open, blkSize: number): void {
  const block = blkSize / SECTOR_SIZE;

  test("WRITE_ZEROES zeroes its range and nothing beside it, with and without unmap", async () => {
    const device = await open({ content: noise(SMALL, 10) });
    const want = noise(SMALL, 10);
    const { features, capacity, maxWriteZeroes } = device.config;
    const offered = (features & Feature.WRITE_ZEROES) !== 0;
    const ranges: [first: number, sectors: number, flags: number][] = [
      [block, block, 0],
      [5 * block, 17 * block, 1],
      [256, 512, 1],
      [capacity - 3 * block, 3 * block, 0],
      [3 * block, 0, 0],
    ];
    for (const [sector, sectors, flags] of ranges) {
      const asked = request(WRITE_ZEROES, sector, EMPTY, sectors, flags);
      device.submit([asked]);
      expect(asked.status).toBe(offered ? OK : UNSUPP);
      if (offered) want.fill(0, sector * SECTOR_SIZE, (sector + sectors) * SECTOR_SIZE);
      expect(equal(read(device, 0, SMALL), want), `${sector}+${sectors}`).toBe(true);
    }
    const refused = offered ? IOERR : UNSUPP;
    const last = capacity - block;
    expectRefused(device, request(WRITE_ZEROES, last, EMPTY, 2 * block), refused, "past the end");
    if (maxWriteZeroes < 0xffff_ffff) {
      const over = request(WRITE_ZEROES, 0, EMPTY, maxWriteZeroes + block);
      expectRefused(device, over, refused, "over the limit");
    }
    expect(equal(read(device, 0, SMALL), want)).toBe(true);
  });

  test("DISCARD leaves everything beside its range as it was", async () => {
    const device = await open({ content: noise(SMALL, 11) });
    const offered = (device.config.features & Feature.DISCARD) !== 0;
    const asked = request(DISCARD, 256, EMPTY, 1024);
    device.submit([asked]);
    expect(asked.status).toBe(offered ? OK : UNSUPP);
    const [want, got] = [noise(SMALL, 11), read(device, 0, SMALL)];
    const [from, to] = [256 * SECTOR_SIZE, 1280 * SECTOR_SIZE];
    expect(equal(got.subarray(0, from), want.subarray(0, from))).toBe(true);
    expect(equal(got.subarray(to), want.subarray(to))).toBe(true);
    run(device, request(OUT, 256, noise(blkSize, 12)));
    expectBytes(read(device, 256, blkSize), noise(blkSize, 12));
  });
}

function describeModel(open: Open, blkSize: number, numRuns: number): void {
  const block = blkSize / SECTOR_SIZE;
  const blocks = 40;
  const step = fc.array(
    fc.record({
      type: fc.constantFrom(IN, OUT, OUT, WRITE_ZEROES),
      at: fc.integer({ min: 0, max: blocks + 1 }),
      count: fc.integer({ min: 0, max: 5 }),
      seed: fc.integer({ min: 1, max: 1 << 30 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  test("random batches do what they would do to a flat array of bytes", async () => {
    const runs = fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (batches) => {
      const device = await open({ sizeBytes: blocks * blkSize });
      const model = new Uint8Array(blocks * blkSize);
      const zeroes = (device.config.features & Feature.WRITE_ZEROES) !== 0;
      for (const steps of batches) {
        const taken = new Set<number>();
        const batch: BlockRequest[] = [];
        const expected: (Uint8Array | undefined)[] = [];
        for (const { type, at, count, seed } of steps) {
          const places = Array.from({ length: count }, (_, index) => at + index);
          if (places.some((place) => taken.has(place))) continue;
          for (const place of places) taken.add(place);
          const size = count * blkSize;
          const data = type === OUT ? noise(size, seed) : new Uint8Array(type === IN ? size : 0);
          const length = type === WRITE_ZEROES ? count * block : size;
          batch.push(request(type, at * block, data, length));
          const fits = at + count <= blocks;
          const done = fits && (type !== WRITE_ZEROES || zeroes);
          if (done && type === OUT) model.set(data, at * blkSize);
          if (done && type === WRITE_ZEROES) model.fill(0, at * blkSize, (at + count) * blkSize);
          expected.push(done ? model.slice(at * blkSize, (at + count) * blkSize) : undefined);
        }
        device.submit(batch);
        for (const [index, asked] of batch.entries()) {
          const want = expected[index];
          expect(asked.status === OK).toBe(want !== undefined);
          if (asked.type === IN && want !== undefined) expect(equal(asked.data, want)).toBe(true);
        }
      }
      expect(equal(read(device, 0, model.length), model)).toBe(true);
      device.close();
    });
    await fc.assert(runs, { numRuns });
  });
}

function describeReopen(
  open: (options?: Partial<SubjectOptions>) => Promise<Subject>,
  blkSize: number,
): void {
  const block = blkSize / SECTOR_SIZE;

  test("what a FLUSH has covered is there after a reopen, where the device claims so", async () => {
    const { device, reopen } = await open();
    const claims = device.durability.level !== "none";
    expect(reopen !== undefined || !claims).toBe(true);
    run(device, request(OUT, 0, noise(blkSize, 1)), request(OUT, 7 * block, noise(blkSize, 2)));
    const flush = request(FLUSH, 0);
    device.submit([flush]);
    expect(flush.status).toBe((device.config.features & Feature.FLUSH) !== 0 ? OK : UNSUPP);
    device.close();
    const again = await reopen?.();
    if (again === undefined) return;
    expect(again.config).toEqual(device.config);
    expectBytes(read(again, 0, blkSize), noise(blkSize, 1));
    expectBytes(read(again, 7 * block, blkSize), noise(blkSize, 2));
    again.close();
  });
}

function describeHuge(open: Open, blkSize: number): void {
  test("a sparse device beyond 4 GiB and 2^32 sectors keeps places apart", async () => {
    const device = await open({ sizeBytes: HUGE });
    const { capacity } = device.config;
    const last = capacity - blkSize / SECTOR_SIZE;
    // Places that one lost high word, or one lost factor 512, would throw together.
    const sectors = [0, 2 ** 23, 2 ** 23 + 8, 2 ** 31, 2 ** 32 - 8, 2 ** 32, 2 ** 32 + 8, last];
    device.submit(sectors.map((sector, index) => request(OUT, sector, noise(blkSize, index))));
    for (const [index, sector] of sectors.entries()) {
      expectBytes(read(device, sector, blkSize), noise(blkSize, index), `sector ${sector}`);
    }
    expectBytes(read(device, 2 ** 32 + 16, blkSize), new Uint8Array(blkSize));
  });
}

const EMPTY = new Uint8Array(0);

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes);
  return out;
}
