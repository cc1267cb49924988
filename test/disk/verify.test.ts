/** What verifyGpt finds: every flipped bit of live bytes, and each fault by its name and place. */
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { isDamage } from "../../host/base/finding.ts";
import { seededRandom } from "../../host/base/seed.ts";
import { createGpt, verifyGpt } from "../../host/core/gpt.ts";
import { type Attached, attach, reasonsOf, sealHeaders } from "./support.ts";

const ARRAY = 16384;

/** A disk of `size` with three partitions, the second 4 MiB long. */
function used(size = "16MiB", blkSize: 512 | 4096 = 512): Attached {
  const disk = attach(size, blkSize);
  createGpt(disk.core, disk.id, {
    random: seededRandom("verify"),
    entries: [
      { type: "esp", sizeBytes: 2 ** 20, name: "ESP" },
      { type: "linux", sizeBytes: 2 ** 22, name: "root" },
      { type: "diskwright-data", name: "data" },
    ],
  });
  return disk;
}

describe.each([512, 4096] as const)("%i-byte blocks", (blkSize) => {
  test("a flip of any bit of MBR records, headers and their blocks is found as damage", () => {
    const { core, device, id } = used("16MiB", blkSize);
    const end = device.sizeBytes;
    const spans = [
      [440, 512],
      ...(blkSize === 4096 ? [[512, 4096]] : []),
      [blkSize, blkSize + 512],
      [end - blkSize, end - blkSize + 512],
    ] as const;
    const missed: number[] = [];
    for (const [from = 0, to = 0] of spans) {
      for (let bit = from * 8; bit < to * 8; bit++) {
        device.flip(bit);
        if (!verifyGpt(core, id).some(isDamage)) missed.push(bit);
        device.flip(bit);
      }
    }
    expect(missed).toEqual([]);
    expect(verifyGpt(core, id)).toEqual([]);
  });

  test("a flip in any byte of both entry arrays is found, at the copy that has it", () => {
    const { core, device, id } = used("16MiB", blkSize);
    const random = seededRandom("flips");
    const bits = new Uint8Array(2 * ARRAY);
    random(bits);
    const places = [
      [2 * blkSize, "primary"],
      [device.sizeBytes - blkSize - ARRAY, "backup"],
    ] as const;
    const missed: number[] = [];
    for (const [from, side] of places) {
      for (let byte = 0; byte < ARRAY; byte++) {
        const bit = (from + byte) * 8 + ((bits[byte] as number) & 7);
        device.flip(bit);
        const found = verifyGpt(core, id);
        if (!found.some((each) => each.message.includes(`the ${side} entry array's CRC`))) {
          missed.push(bit);
        }
        device.flip(bit);
      }
    }
    expect(missed).toEqual([]);
  });
});

test.each([
  ["whose last CHS address is one bit from ff ff ff", 16_450_560],
  ["whose size is one bit from ff ff ff ff", 2 ** 32 - 1],
  ["too large for both fields", 2 ** 32 + 8],
])("on a disk %s every flipped bit of the protective record is found", (_, sectors) => {
  const { core, device, id } = attach(sectors * 512);
  createGpt(core, id);
  expect(verifyGpt(core, id)).toEqual([]);
  const missed: number[] = [];
  for (let bit = 446 * 8; bit < 512 * 8; bit++) {
    device.flip(bit);
    if (!verifyGpt(core, id).some(isDamage)) missed.push(bit);
    device.flip(bit);
  }
  expect(missed).toEqual([]);
});

/** Faults that leave every checksum right, with the reason under which each must be found. */
const LIES: [string, string, (headers: DataView[], array: DataView) => void][] = [
  ["a reserved header field that is not zero", "GPT_HEADER_RESERVED", ([h]) => h?.setUint32(20, 1)],
  ["a revision of 1.1", "GPT_REVISION", ([h]) => h?.setUint32(8, 0x00010001, true)],
  ["a revision of 2.0", "GPT_REVISION", ([h]) => h?.setUint32(8, 0x00020000, true)],
  ["a zero disk GUID", "GPT_DISK_GUID", ([h]) => [56, 64].map((at) => h?.setBigUint64(at, 0n))],
  ["another disk GUID in the backup", "GPT_COPIES_DISK_GUID", ([, h]) => h?.setUint32(56, 5)],
  ["first usable block 2", "GPT_USABLE_RANGE", ([h]) => h?.setBigUint64(40, 2n, true)],
  [
    "last usable beyond the disk",
    "GPT_USABLE_RANGE",
    ([h]) => h?.setBigUint64(48, 1n << 60n, true),
  ],
  ["last usable before first", "GPT_USABLE_RANGE", ([h]) => h?.setBigUint64(48, 33n, true)],
  ["other usable blocks in the backup", "GPT_COPIES_USABLE", ([, h]) => h?.setUint32(40, 40, true)],
  ["a wrong own place", "GPT_MY_LBA", ([h]) => h?.setBigUint64(24, 2n, true)],
  ["a wrong place of the other copy", "GPT_ALTERNATE_LBA", ([, h]) => h?.setUint32(32, 3, true)],
  ["an array over the header", "GPT_ENTRIES_LBA", ([h]) => h?.setBigUint64(72, 1n, true)],
  ["an array beyond the disk", "GPT_ENTRIES_LBA", ([h]) => h?.setBigUint64(72, 1n << 40n, true)],
  ["entries of 0 bytes", "GPT_ENTRY_LENGTH", ([h]) => h?.setUint32(84, 0, true)],
  ["entries of 384 bytes", "GPT_ENTRY_LENGTH", ([h]) => h?.setUint32(84, 384, true)],
  ["no entries at all", "GPT_ENTRY_SLOTS", ([h]) => h?.setUint32(80, 0, true)],
  [
    "four thousand million entries",
    "GPT_ENTRY_SLOTS",
    ([h]) => h?.setUint32(80, 2 ** 32 - 1, true),
  ],
];

/** The same for entries; the array is changed in both copies alike. */
const ENTRY_LIES: [string, string, (entry: (index: number) => DataView) => void][] = [
  ["an end before the start", "GPT_PARTITION_ORDER", (e) => e(1).setBigUint64(40, 3000n, true)],
  ["an end beyond the disk", "GPT_PARTITION_OUTSIDE_DISK", (e) => e(2).setUint32(44, 1, true)],
  ["a start in the array", "GPT_PARTITION_OUTSIDE_USABLE", (e) => e(0).setUint32(32, 8, true)],
  ["an end in the array", "GPT_PARTITION_OUTSIDE_USABLE", (e) => e(2).setUint32(40, 32740, true)],
  ["two that overlap", "GPT_PARTITION_OVERLAP", (e) => e(0).setUint32(40, 4096, true)],
  ["one inside another", "GPT_PARTITION_OVERLAP", (e) => e(0).setUint32(40, 30000, true)],
  [
    "one GUID twice",
    "GPT_PARTITION_DUPLICATE_GUID",
    (e) => [0, 8].map((at) => e(1).setBigUint64(16 + at, e(0).getBigUint64(16 + at))),
  ],
  ["no GUID", "GPT_PARTITION_ZERO_GUID", (e) => [16, 24].map((at) => e(1).setBigUint64(at, 0n))],
  ["reserved attribute bits", "GPT_PARTITION_ATTRIBUTES", (e) => e(1).setUint8(48, 8)],
  ["a lone surrogate", "GPT_PARTITION_NAME", (e) => e(1).setUint16(56, 0xd800, true)],
  ["text behind the name's end", "GPT_PARTITION_NAME", (e) => e(1).setUint16(90, 65, true)],
  ["a start off the MiB", "GPT_PARTITION_MISALIGNED", (e) => e(0).setUint32(32, 2049, true)],
  ["leftovers in an unused entry", "GPT_PARTITION_UNUSED_BYTES", (e) => e(9).setUint8(60, 1)],
];

test.each(LIES)("%s is found with right checksums, as %s", (_, reason, lie) => {
  const disk = used();
  sealHeaders(disk, (headers, array) => lie(headers, array));
  expect(reasonsOf(disk)).toContain(reason);
});

test.each(ENTRY_LIES)("%s is found with right checksums, as %s", (_, reason, lie) => {
  const disk = used();
  sealHeaders(disk, (_headers, array) =>
    lie((index) => new DataView(array.buffer, index * 128, 128)),
  );
  expect(reasonsOf(disk)).toContain(reason);
});

test("misalignment, odd names and leftovers are advice; the disk is not damaged", () => {
  const disk = used();
  sealHeaders(disk, (_headers, array) => {
    array.setUint32(32, 2049, true);
    array.setUint16(128 + 90, 65, true);
    array.setUint8(9 * 128 + 60, 1);
  });
  const findings = verifyGpt(disk.core, disk.id);
  expect(findings).toHaveLength(3);
  expect(findings.filter(isDamage)).toEqual([]);
});

test("a grown device has its backup at the wrong place and an MBR that is too small", () => {
  const { device } = used();
  const grown = attach("32MiB");
  grown.device.poke(0, device.bytes());
  expect(reasonsOf(grown)).toEqual(["GPT_BACKUP_PLACE", "GPT_MBR_CHS", "GPT_MBR_SIZE"]);
});

test("a truncated device lacks its backup and ends inside a partition", () => {
  const { device } = used();
  const cut = attach("8MiB");
  cut.device.poke(0, device.peek(0, 2 ** 23));
  expect(reasonsOf(cut)).toEqual([
    "GPT_ALTERNATE_LBA",
    "GPT_MBR_CHS",
    "GPT_MBR_SIZE",
    "GPT_PARTITION_OUTSIDE_DISK",
    "GPT_SIGNATURE",
    "GPT_USABLE_RANGE",
  ]);
});

test("a blank disk has no table, no MBR, and nothing else to say", () => {
  expect(reasonsOf(attach("16MiB"))).toEqual(["GPT_MBR_MARK", "GPT_NO_TABLE"]);
});

test("a hybrid MBR, a boot flag and a foreign CHS are each found", () => {
  const disk = used();
  disk.device.poke(462, Uint8Array.of(0x80, 0, 0, 0, 0x0c, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0));
  disk.device.poke(446, Uint8Array.of(0x80, 0, 1, 0));
  expect(reasonsOf(disk)).toEqual(["GPT_MBR_BOOT_FLAG", "GPT_MBR_CHS", "GPT_MBR_EXTRA"]);
});

test("an array that is not whole blocks is followed by zeros, or that is found", () => {
  const disk = used();
  const count = 127;
  sealHeaders(disk, (headers) => headers.map((header) => header.setUint32(80, count, true)), count);
  expect(reasonsOf(disk)).toEqual([]);
  disk.device.poke(2 * 512 + count * 128, Uint8Array.of(1));
  expect(reasonsOf(disk)).toEqual(["GPT_ENTRIES_PADDING"]);
});

test("a finding says its place in sectors of 512 bytes, on 4096-byte blocks too", () => {
  const { core, device, id } = used("16MiB", 4096);
  device.flip((device.sizeBytes - 4096 + 24) * 8);
  const [finding] = verifyGpt(core, id);
  expect(finding).toMatchObject({ reason: "GPT_HEADER_CRC", lba: 32768 - 8, device: "memory" });
  expect(finding?.message).toMatch(/^the backup header's CRC is 0x[0-9a-f]+, its bytes give 0x/);
});

test("the CRC of the tests is the one of the standard", () => {
  expect(crc32("123456789")).toBe(0xcbf43926);
});
