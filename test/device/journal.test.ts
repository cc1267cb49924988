/** A journal over a device that answers by promise: order, what settled() means, and zeros. */
import { expect, test } from "vitest";
import { failure } from "../../host/base/errors.ts";
import { asAsync } from "../../host/device/async.ts";
import { type BlockRequest, RequestType, request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { JournalDevice, type Listable } from "../../host/device/wrap/bridge/journal.ts";
import { deviceContract, noise, read, run } from "../support/contract.ts";

const { OUT, FLUSH, WRITE_ZEROES } = RequestType;
const BLOCK = 65536;

/** Answers in a later turn, as IndexedDB does, and remembers the batches. */
function later(base: MemoryDevice) {
  const batches: BlockRequest[][] = [];
  const below: Listable & { fails: boolean } = {
    ...asAsync(base),
    fails: false,
    async submit(requests) {
      await new Promise((resolve) => setImmediate(resolve));
      batches.push([...requests]);
      base.submit(requests);
      if (!below.fails) return;
      const cause = failure("ENOSPC", "flush", "there is no room.");
      for (const asked of requests) Object.assign(asked, { status: 1, cause });
    },
    async *blocks() {
      for (let at = 0; at < base.sizeBytes; at += BLOCK) {
        const bytes = base.peek(at, Math.min(BLOCK, base.sizeBytes - at));
        if (bytes.every((byte) => byte === 0)) continue;
        const whole = new Uint8Array(BLOCK);
        whole.set(bytes);
        yield [at / BLOCK, whole];
      }
    },
    close: async () => undefined,
  };
  return { below, batches };
}

deviceContract(
  "journal",
  async ({ sizeBytes, blkSize, readOnly, content }) => {
    const base = MemoryDevice.from(content, { size: sizeBytes, blkSize, readOnly });
    const device = await JournalDevice.open(later(base).below);
    const reopen = async () => {
      await device.settled();
      return JournalDevice.open(later(base.clone()).below);
    };
    return { device, reopen };
  },
  { sizeMax: 2 ** 24, runs: 20 },
);

test("intervals arrive one by one, in their order, and settled() waits for the last", async () => {
  const base = new MemoryDevice({ size: "1MiB" });
  const { below, batches } = later(base);
  const device = await JournalDevice.open(below);
  for (let at = 0; at < 2; at++) {
    run(device, request(OUT, at * 128, noise(512, at)), request(FLUSH, 0));
  }
  run(device, request(OUT, 256, noise(512, 9)));
  expect(batches).toEqual([]);
  await device.settled();
  expect(batches.map((batch) => batch.map(({ sector }) => sector))).toEqual([
    [0, 0],
    [128, 0],
  ]);
  // What was not flushed is not there.
  expect(read(base, 256, 512)).toEqual(new Uint8Array(512));
  expect(read(device, 256, 512)).toEqual(noise(512, 9));
});

test("zeros over what holds nothing move nothing; over a block they are its zeros, once", async () => {
  const base = new MemoryDevice({ size: "64MiB" });
  const { below, batches } = later(base);
  const device = await JournalDevice.open(below);
  run(device, request(OUT, 0, noise(2 * BLOCK, 1)), request(FLUSH, 0));
  await device.settled();
  const all = device.config.capacity;
  run(device, request(WRITE_ZEROES, 0, undefined, all), request(FLUSH, 0));
  await device.settled();
  expect(batches.at(-1)?.map(({ type }) => RequestType[type])).toEqual(["OUT", "OUT", "FLUSH"]);
  expect(read(base, 0, 2 * BLOCK).every((byte) => byte === 0)).toBe(true);
  // A block that was zeroed is written to again, in the same interval and in the next.
  run(device, request(WRITE_ZEROES, 0, undefined, 128), request(OUT, 1, noise(512, 2)));
  run(device, request(OUT, 128, noise(512, 3)), request(FLUSH, 0));
  await device.settled();
  expect(read(base, 0, 512)).toEqual(new Uint8Array(512));
  expect(read(base, 1, 512)).toEqual(noise(512, 2));
  expect(read(base, 128, 512)).toEqual(noise(512, 3));
  expect(read(base, 129, 512)).toEqual(new Uint8Array(512));
});

test("what is lost below is told by settled() and by every later change", async () => {
  const { below } = later(new MemoryDevice({ size: "1MiB" }));
  const device = await JournalDevice.open(below);
  below.fails = true;
  run(device, request(OUT, 0, noise(512, 1)), request(FLUSH, 0));
  await expect(device.settled()).rejects.toMatchObject({ code: "ENOSPC" });
  const flush = request(FLUSH, 0);
  device.submit([flush]);
  expect(flush).toMatchObject({ status: 1, cause: { code: "ENOSPC" } });
});
