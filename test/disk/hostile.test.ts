/** Images that want to harm their reader: a typed error or a list of findings, never a trap. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { seededRandom } from "../../host/base/seed.ts";
import {
  backupGpt,
  createGpt,
  isBlank,
  probe,
  readGpt,
  repairGpt,
  restoreGpt,
  updatePartition,
  verifyGpt,
} from "../../host/core/gpt.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { type Attached, attach, attachDevice, sealHeaders } from "./support.ts";

const SIZE = 2 ** 22;
/** Most memory that any of this may take: the two largest arrays and what is around them. */
const MEMORY_MAX = 16 * 2 ** 20;

function used(blkSize: 512 | 4096 = 512): Attached {
  const disk = attach(SIZE, blkSize);
  createGpt(disk.core, disk.id, {
    random: seededRandom("hostile"),
    entries: [{ type: "esp", sizeBytes: 2 ** 20 }, { type: "linux" }],
  });
  return disk;
}

/** Runs every reader and the writers that begin by reading; anything but a StorageError escapes. */
function attack({ core, id, device }: Attached): void {
  const tries: (() => unknown)[] = [
    () => readGpt(core, id),
    () => readGpt(core, id, { lenient: true }),
    () => verifyGpt(core, id),
    () => probe(core, id),
    () => isBlank(core, id),
    () => restoreGpt(core, id, backupGpt(core, id)),
    () => updatePartition(core, id, 1, { name: "x" }),
    () => repairGpt(core, id),
  ];
  const before = device.sizeBytes;
  for (const attempt of tries) {
    try {
      attempt();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      expect(error.code).toMatch(/^E[A-Z]+$/);
    }
  }
  expect(device.sizeBytes).toBe(before);
  expect(core.exports.arenaUsedBytes()).toBeLessThan(MEMORY_MAX);
}

test.each([1, 2, 3, 5, 6, 33, 66, 67, 68, 100])("a device of %i sectors", (sectors) => {
  const disk = attach(sectors * 512);
  disk.device.poke(0, used().device.peek(0, sectors * 512));
  attack(disk);
  const create = () => createGpt(disk.core, disk.id);
  if (sectors < 68) expect(create).toThrow("ENOSPC");
  else expect(create().lastUsableLba).toBe(sectors - 34);
});

test("random bytes, truncations and zeroed ranges of a table", () => {
  const good = [used(), used(4096)].map(({ device }) => device.bytes());
  fc.assert(
    fc.property(
      fc.constantFrom<512 | 4096>(512, 4096),
      fc.array(
        fc.record({
          end: fc.boolean(),
          at: fc.nat(40_000),
          length: fc.integer({ min: 1, max: 20_000 }),
          fill: fc.oneof(fc.constant(-1), fc.nat(255)),
        }),
        { maxLength: 5 },
      ),
      fc.integer({ min: 64, max: SIZE / 4096 }),
      (blkSize, spots, blocks) => {
        const bytes = (good[blkSize === 512 ? 0 : 1] as Uint8Array).slice(0, blocks * 4096);
        for (const { end, at, length, fill } of spots) {
          const start = end ? Math.max(0, bytes.length - at) : at;
          const part = bytes.subarray(start, start + length);
          if (fill < 0) seededRandom(`${at}`)(part);
          else part.fill(fill);
        }
        attack(attachDevice(MemoryDevice.from(bytes, { blkSize })));
      },
    ),
    { numRuns: 150 },
  );
});

test("header fields of any value under right checksums", () => {
  const fields = [8, 12, 20, 24, 32, 40, 48, 72, 80, 84];
  const edges = [0n, 1n, 2n, 33n, 34n, 8191n, 8192n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n];
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.nat(1),
          fc.constantFrom(...fields),
          fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
        ),
        { minLength: 1, maxLength: 4 },
      ),
      (changes) => {
        const disk = used();
        sealHeaders(disk, (headers) => {
          for (const [which, offset, value] of changes) {
            const header = headers[which] as DataView;
            if ([8, 12, 20, 80, 84].includes(offset)) {
              header.setUint32(offset, Number(value & 0xffffffffn), true);
            } else header.setBigUint64(offset, value, true);
          }
        });
        attack(disk);
      },
    ),
    { numRuns: 200 },
  );
});

test("entries of any value under right checksums", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(127), fc.uint8Array({ minLength: 128, maxLength: 128 })), {
        minLength: 1,
        maxLength: 30,
      }),
      (entries) => {
        const disk = used();
        sealHeaders(disk, (_, array) => {
          for (const [slot, bytes] of entries) new Uint8Array(array.buffer).set(bytes, slot * 128);
        });
        attack(disk);
        expect(verifyGpt(disk.core, disk.id).length).toBeGreaterThan(0);
      },
    ),
    { numRuns: 60 },
  );
});

test("a table of 8192 entries that all lie is read within bounds, and its overlap is not missed", () => {
  const disk = attach(2 ** 24);
  const { core, id } = disk;
  createGpt(core, id, { entrySlots: 8192, random: seededRandom("many") });
  const table = readGpt(core, id);
  expect(table.entrySlots).toBe(8192);
  const array = new Uint8Array(2 ** 20);
  seededRandom("entries")(array);
  const view = new DataView(array.buffer);
  for (let slot = 0; slot < 8192; slot++) {
    view.setBigUint64(slot * 128 + 32, BigInt(table.firstUsableLba + slot), true);
    view.setBigUint64(slot * 128 + 40, BigInt(table.firstUsableLba + slot), true);
  }
  // The last two share one block: everything else about the order is right.
  view.setBigUint64(8191 * 128 + 32, BigInt(table.firstUsableLba + 8190), true);
  for (const [header, entries] of [
    [512, 1024],
    [2 ** 24 - 512, 2 ** 24 - 512 - 2 ** 20],
  ] as const) {
    const bytes = disk.device.peek(header, 92);
    const words = new DataView(bytes.buffer);
    words.setUint32(88, crc32(array), true);
    words.setUint32(16, 0, true);
    words.setUint32(16, crc32(bytes), true);
    disk.device.poke(header, bytes);
    disk.device.poke(entries, array);
  }
  expect(() => readGpt(core, id)).toThrow(/EBADMSG.*overlap/);
  expect(readGpt(core, id, { lenient: true }).partitions).toHaveLength(8192);
  expect(verifyGpt(core, id)).toHaveLength(1024);
  attack(disk);
});

test("partitions outside the disk or over each other are refused unless asked for", () => {
  const disk = used();
  sealHeaders(disk, (_, array) => array.setBigUint64(128 + 40, 1n << 40n, true));
  expect(() => readGpt(disk.core, disk.id)).toThrow(
    /EBADMSG: readGpt .* \(gpt entries, detail 0x2/,
  );
  expect(readGpt(disk.core, disk.id, { lenient: true }).partitions).toHaveLength(2);
});

test("a saved table with any one byte changed is EBADMSG and nothing is written", () => {
  const { core, device, id } = used();
  const saved = backupGpt(core, id);
  const before = device.bytes();
  for (let at = 0; at < saved.length; at += at < 200 ? 1 : 97) {
    const bad = saved.slice();
    bad[at] = (bad[at] as number) ^ 0x10;
    expect(() => restoreGpt(core, id, bad), `byte ${at}`).toThrow("EBADMSG");
  }
  for (const length of [0, 1, 39, 40, 100, saved.length - 1]) {
    expect(() => restoreGpt(core, id, saved.slice(0, length)), `${length}`).toThrow("EBADMSG");
  }
  expect(Buffer.compare(device.bytes(), before)).toBe(0);
});
