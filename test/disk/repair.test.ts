/** Repair from either side, growth, what repair refuses and what it leaves to the owner. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../host/base/seed.ts";
import { createGpt, readGpt, repairGpt, updatePartition } from "../../host/core/gpt.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { type Attached, attach, attachDevice, reasonsOf, sealHeaders } from "./support.ts";

const SIZE = 2 ** 23;

function used(blkSize: 512 | 4096 = 512): Attached {
  const disk = attach(SIZE, blkSize);
  createGpt(disk.core, disk.id, {
    random: seededRandom("repair"),
    entries: [
      { type: "esp", sizeBytes: 2 ** 20, name: "ESP" },
      { type: "linux", name: "root" },
    ],
  });
  return disk;
}

describe.each([512, 4096] as const)("%i-byte blocks", (blkSize) => {
  test("any damage to one copy or the MBR is mended to the bytes that were there", () => {
    const good = used(blkSize).device.bytes();
    const head = 2 * blkSize + 16384;
    const tail = SIZE - blkSize - 16384;
    const sides = {
      mbr: [440, 512],
      primary: [blkSize, head],
      backup: [tail, SIZE],
    } as const;
    fc.assert(
      fc.property(
        fc.constantFrom("mbr", "primary", "backup"),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 700 }), fc.nat(255)), {
          minLength: 1,
          maxLength: 4,
        }),
        (side, spots) => {
          const { core, device, id } = used(blkSize);
          const [from, to] = sides[side];
          // A hybrid record is the owner's: the spots of the MBR stay within the protective one.
          const end = side === "mbr" ? 462 : to;
          for (const [at, length, value] of spots) {
            const offset = from + (at % (end - from));
            device.poke(offset, new Uint8Array(Math.min(length, end - offset)).fill(value));
          }
          const { remaining } = repairGpt(core, id);
          expect(remaining).toEqual([]);
          expect(Buffer.compare(device.bytes(), good)).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("on a grown device the backup moves to the end and nothing stays behind", () => {
    const { device } = used(blkSize);
    const larger = attachDevice(MemoryDevice.from(device.bytes(), { blkSize, size: 2 * SIZE }));
    const before = readGpt(larger.core, larger.id);
    const { repaired, remaining } = repairGpt(larger.core, larger.id);
    expect(repaired.map(({ reason }) => reason)).toContain("GPT_BACKUP_PLACE");
    expect(remaining).toEqual([]);
    const after = readGpt(larger.core, larger.id);
    expect(after.partitions).toEqual(before.partitions);
    expect(after.lastUsableLba).toBe((2 * SIZE - 16384) / blkSize - 2);
    expect(larger.device.peek(SIZE - blkSize, blkSize)).toEqual(new Uint8Array(blkSize));
    // The backup alone serves now, from its new place.
    larger.device.poke(blkSize, new Uint8Array(blkSize));
    expect(readGpt(larger.core, larger.id)).toEqual({ ...after, usedSide: "backup" });
  });
});

test("repair of a clean disk writes nothing", () => {
  const { core, id, device } = used();
  const refusing = new MemoryDevice({ size: SIZE, readOnly: true });
  refusing.poke(0, device.bytes());
  expect(repairGpt(core, core.attach(refusing))).toEqual({ repaired: [], remaining: [] });
  expect(repairGpt(core, id)).toEqual({ repaired: [], remaining: [] });
});

test("a dry run names what it would mend and writes nothing", () => {
  const { core, device, id } = used();
  device.poke(512, new Uint8Array(512));
  const before = device.bytes();
  const { repaired, remaining } = repairGpt(core, id, { dryRun: true });
  expect([repaired.map(({ reason }) => reason), remaining]).toEqual([["GPT_SIGNATURE"], []]);
  expect(Buffer.compare(device.bytes(), before)).toBe(0);
});

test("two whole copies that differ: the primary one counts", () => {
  const disk = used();
  const old = disk.device.peek(SIZE - 33 * 512, 33 * 512);
  updatePartition(disk.core, disk.id, 2, { name: "newer" });
  disk.device.poke(SIZE - 33 * 512, old);
  expect(reasonsOf(disk)).toEqual(["GPT_COPIES_ENTRIES"]);
  expect(repairGpt(disk.core, disk.id).remaining).toEqual([]);
  expect(readGpt(disk.core, disk.id).partitions[1]?.name).toBe("newer");
});

test("a device that cannot be read at one copy is read from the other", () => {
  for (const [from, to, side] of [
    [512, 512 + 16896, "backup"],
    [SIZE - 512 * 33, SIZE, "primary"],
  ] as const) {
    const { core, device } = used();
    const failing = Object.create(device) as MemoryDevice;
    failing.submit = (requests) => {
      for (const asked of requests) {
        const offset = asked.sector * 512;
        if (asked.type === 0 && offset + asked.data.length > from && offset < to) asked.status = 1;
        else device.submit([asked]);
      }
    };
    const id = core.attach(failing);
    expect(readGpt(core, id).usedSide).toBe(side);
    expect(readGpt(core, id).partitions).toHaveLength(2);
  }
});

test("a disk with both copies damaged is EBADMSG, one without a table ENOENT", () => {
  const { core, device, id } = used();
  device.poke(512 + 30, Uint8Array.of(1));
  device.poke(SIZE - 512 + 30, Uint8Array.of(1));
  expect(() => readGpt(core, id)).toThrow(
    /^EBADMSG: readGpt 'memory' on memory at LBA 1 \(gpt both/,
  );
  expect(() => repairGpt(core, id)).toThrow("EBADMSG");
  expect(() => readGpt(core, core.attach(new MemoryDevice({ size: SIZE })))).toThrow("ENOENT");
});

test("on a device that was made smaller than its partitions repair is refused, untouched", () => {
  const { device } = used();
  const cut = attachDevice(MemoryDevice.from(device.peek(0, SIZE / 2)));
  const before = cut.device.bytes();
  expect(() => repairGpt(cut.core, cut.id)).toThrow(/ENOSPC.*gpt entries/);
  expect(Buffer.compare(cut.device.bytes(), before)).toBe(0);
});

test("overlapping partitions stay as they are and are named as what remains", () => {
  const disk = used();
  sealHeaders(disk, (_, array) => array.setUint32(40, 5000, true));
  disk.device.poke(512, new Uint8Array(512));
  const { repaired, remaining } = repairGpt(disk.core, disk.id);
  expect(repaired.map(({ reason }) => reason)).toEqual(["GPT_SIGNATURE"]);
  expect(remaining.map(({ reason }) => reason)).toEqual(["GPT_PARTITION_OVERLAP"]);
});

test("boot code survives every edit, a hybrid record survives repair, leftovers do not", () => {
  const disk = used();
  const code = new Uint8Array(440).fill(0x90);
  const hybrid = Uint8Array.of(0, 1, 1, 0, 0x0c, 1, 1, 1, 0, 8, 0, 0, 0, 8, 0, 0);
  disk.device.poke(0, code);
  disk.device.poke(462, hybrid);
  disk.device.poke(478, Uint8Array.of(0, 0, 0, 0, 0, 0, 7));
  updatePartition(disk.core, disk.id, 1, { name: "renamed" });
  repairGpt(disk.core, disk.id);
  expect(disk.device.peek(0, 440)).toEqual(code);
  expect(disk.device.peek(462, 16)).toEqual(hybrid);
  expect(disk.device.peek(478, 32)).toEqual(new Uint8Array(32));
  expect(reasonsOf(disk)).toEqual(["GPT_MBR_EXTRA"]);
});

test("beside a real MBR a table is a leftover: nothing is repaired or edited over it", () => {
  const disk = used();
  disk.device.poke(446, Uint8Array.of(0x80, 1, 1, 0, 0x83, 1, 1, 1, 0, 8, 0, 0, 0, 8, 0, 0));
  const before = disk.device.bytes();
  expect(reasonsOf(disk)).toContain("GPT_MBR_NO_PROTECTIVE");
  expect(() => repairGpt(disk.core, disk.id)).toThrow(/EEXIST.*LBA 0 \(gpt mbr\)/);
  expect(() => updatePartition(disk.core, disk.id, 1, { name: "x" })).toThrow("EEXIST");
  expect(Buffer.compare(disk.device.bytes(), before)).toBe(0);
  createGpt(disk.core, disk.id);
  expect(reasonsOf(disk)).toEqual([]);
});
