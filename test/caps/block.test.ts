/** BlockDevice: no request leaves its window, and none that would is carried out in part. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { BLOCK_BYTES_MAX, BlockCap } from "../../host/system/caps/block.ts";
import { bytesOf } from "../support/store.ts";
import { value, wordOf } from "./support.ts";

const BLOCKS = 64;

function disk(blkSize: 512 | 4096 = 512) {
  const memory = new MemoryDevice({ size: BLOCKS * blkSize, blkSize });
  memory.poke(0, bytesOf(BLOCKS * blkSize, 1));
  return { memory, device: new TraceDevice(memory) };
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

const number = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 6 }) },
  { weight: 2, arbitrary: fc.integer({ min: -3, max: 70 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-1, 0.5, Number.NaN, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -0, Infinity),
  },
);
const call = fc.record({
  kind: fc.constantFrom("read", "write", "write", "odd", "sub", "sub", "readOnly", "flush"),
  who: fc.nat(),
  first: number,
  count: number,
});

test("no sequence of calls through a window reads or writes a byte outside it", () => {
  const shapes = fc.record({
    blkSize: fc.constantFrom(512 as const, 4096 as const),
    first: fc.integer({ min: 1, max: 30 }),
    blocks: fc.integer({ min: 1, max: 30 }),
  });
  let writes = 0;
  fc.assert(
    fc.property(shapes, fc.array(call, { minLength: 20, maxLength: 50 }), (shape, calls) => {
      const { blkSize, first, blocks } = shape;
      const { memory, device } = disk(blkSize);
      const expected = memory.bytes();
      const root = value(BlockCap.over(device, { firstBlock: first, blocks }));
      const caps = [{ cap: root, at: first, blocks, writable: true }];
      for (const one of calls) {
        // Often the whole window: what is made from it soon has no blocks left.
        const which = one.who % 2 === 0 ? 0 : one.who % caps.length;
        const entry = caps[which] as (typeof caps)[number];
        const { cap, at } = entry;
        const whole = Number.isSafeInteger(one.first) && Number.isSafeInteger(one.count);
        const inside =
          whole && one.first >= 0 && one.count >= 0 && one.first + one.count <= entry.blocks;
        const start = (at + one.first) * blkSize;
        const length = one.count * blkSize;
        if (one.kind === "read") {
          const word = wordOf(() => {
            const read = cap.readBlocks(one.first, one.count);
            if (read.ok)
              expect(same(read.value, expected.subarray(start, start + length))).toBe(true);
            return read;
          });
          expect(word === "ok").toBe(inside);
        } else if (one.kind === "write" && whole && one.count >= 0 && one.count < 100) {
          const data = bytesOf(length, one.who);
          const word = wordOf(() => cap.writeBlocks(one.first, data));
          expect(word === "ok").toBe(inside && entry.writable);
          if (word === "ok") expected.set(data, start);
          if (word === "ok") writes += 1;
        } else if (one.kind === "odd") {
          expect(wordOf(() => cap.writeBlocks(one.first, new Uint8Array(blkSize + 1)))).not.toBe(
            "ok",
          );
        } else if (one.kind === "sub") {
          wordOf(() => {
            const sub = cap.sub(one.first, one.count);
            expect(sub.ok).toBe(inside);
            if (sub.ok) {
              const { writable } = entry;
              caps.push({ cap: sub.value, at: at + one.first, blocks: one.count, writable });
            }
            return sub;
          });
        } else if (one.kind === "readOnly") {
          caps.push({ ...entry, cap: cap.readOnly(), writable: false });
        } else value(cap.flush());
        expect(value(cap.info()).blocks).toBe(entry.blocks);
      }
      // What is outside is as it was, and what is inside as the writes that were taken say.
      expect(same(memory.bytes(), expected)).toBe(true);
      const sectors = blkSize / 512;
      const left = device.log.filter(
        ({ sector, sectors: count, type }) =>
          type !== 4 && (sector < first * sectors || sector + count > (first + blocks) * sectors),
      );
      expect(left).toEqual([]);
    }),
    { numRuns: 300 },
  );
  expect(writes).toBeGreaterThan(300);
});

test("a window that leaves the device is refused, and a read-only device has no writer", () => {
  const { device } = disk();
  expect(wordOf(() => BlockCap.over(device, { firstBlock: 60, blocks: 5 }))).toBe("invalid");
  const only = value(BlockCap.over(new MemoryDevice({ size: 4096, readOnly: true })));
  expect(value(only.info())).toEqual({ blockBytes: 512, blocks: 8, readOnly: true });
  expect(wordOf(() => only.writeBlocks(0, new Uint8Array(512)))).toBe("denied");
  expect(wordOf(() => only.flush())).toBe("ok");
});

test("more than a request moves is too-large, before anything is allocated", () => {
  const cap = value(BlockCap.over(new MemoryDevice({ size: "1TiB" })));
  expect(wordOf(() => cap.readBlocks(0, BLOCK_BYTES_MAX / 512 + 1))).toBe("too-large");
  expect(wordOf(() => cap.readBlocks(0, 2 ** 30))).toBe("too-large");
});

test("a device that fails is an exception, one that is closed is gone", () => {
  const { memory, device } = disk();
  const cap = value(BlockCap.over(device));
  device.inject({ times: 1 });
  expect(wordOf(() => cap.readBlocks(0, 1))).toBe("failed");
  expect(wordOf(() => cap.readBlocks(0, 1))).toBe("ok");
  const direct = value(BlockCap.over(memory));
  memory.close();
  expect(wordOf(() => direct.readBlocks(0, 1))).toBe("disconnected");
});
