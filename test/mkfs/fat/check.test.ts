/** check and verify: every flipped bit is found, each kind of damage has its name, hostile images end. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BOOT_SIZE,
  ENTRY_CREATED_TENTHS,
  ENTRY_FILE_SIZE,
  ENTRY_SIZE,
  FSINFO_FREE_COUNT,
  SEAL_SECTOR,
} from "../../../assembly/format/fat32.ts";
import { StorageError } from "../../../host/base/errors.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { freshCore, plantedCore } from "../../support/core.ts";
import { bench, content, treeOf } from "./support.ts";

const SECTOR = 512;
const RESERVED = 32;

/** A volume with a bit of everything, closed. */
function used(blkSize: 512 | 4096 = 512) {
  const made = bench(blkSize === 512 ? "33MiB" : "257MiB", { blkSize });
  const { fat } = made;
  fat.mkdir("/EFI/BOOT", { recursive: true });
  fat.writeFile("/EFI/BOOT/BOOTX64.EFI", content(70_000, 1));
  fat.writeFile("/EFI/BOOT/a long name with ümläuts.conf", content(700, 2));
  fat.writeFile("/empty", content(0, 0));
  fat.writeFile("/vmlinuz-6.1.0", content(300_000, 3));
  fat.mkdir("/spare directory");
  fat.writeFile("/gone", content(9000, 4));
  fat.remove("/gone");
  fat.flush();
  const places = [
    fat.stat("/"),
    fat.stat("/EFI"),
    fat.stat("/EFI/BOOT"),
    fat.stat("/spare directory"),
  ];
  const space = fat.statfs();
  fat.close();
  const fatSectors = fatSectorsOf(made.device);
  const data = (RESERVED + 2 * fatSectors) * blkSize;
  const cluster = (number: number) => data + (number - 2) * space.clusterBytes;
  const directories = places.map(({ firstCluster }) => cluster(firstCluster));
  return { ...made, fatSectors, cluster, directories, clusterBytes: space.clusterBytes };
}

function fatSectorsOf(device: MemoryDevice): number {
  const boot = device.peek(0, SECTOR);
  return new DataView(boot.buffer, boot.byteOffset).getUint32(0x24, true);
}

function verified(device: MemoryDevice) {
  const core = freshCore();
  return FatVolume.verify(core, core.attach(device));
}

/** What verify finds on a copy with `bytes` at `offset`. */
function damaged(device: MemoryDevice, offset: number, bytes: readonly number[]) {
  const copy = device.clone();
  copy.poke(offset, Uint8Array.from(bytes));
  return verified(copy);
}

function flipped(device: MemoryDevice, offset: number, bit: number) {
  return damaged(device, offset, [(device.peek(offset, 1)[0] as number) ^ (1 << bit)]);
}

describe("one flipped bit", () => {
  const { device, fatSectors, directories, clusterBytes } = used();
  const fat1 = RESERVED * SECTOR;
  const fat2 = (RESERVED + fatSectors) * SECTOR;
  const structures: [string, number, number][] = [
    ["boot sector", 0, BOOT_SIZE],
    ["FSInfo", SECTOR, SECTOR],
    ["backup boot sector", 6 * SECTOR, SECTOR],
    ["backup FSInfo", 7 * SECTOR, SECTOR],
    ["seal", SEAL_SECTOR * SECTOR, SECTOR],
    ["FAT 1", fat1, fatSectors * SECTOR],
    ["FAT 2", fat2, fatSectors * SECTOR],
    ["FAT 1, entries in use", fat1, 2048],
    ...directories.map((at, index): [string, number, number] => [
      `directory ${index}`,
      at,
      clusterBytes,
    ]),
  ];

  test("the volume is sound before", () => {
    expect(verified(device)).toEqual([]);
  });

  test.each(structures)("in the %s is found, and the sector named", (_name, start, size) => {
    fc.assert(
      fc.property(fc.nat(size - 1), fc.nat(7), (at, bit) => {
        const findings = flipped(device, start + at, bit);
        const lbas = findings.map(({ lba }) => lba);
        expect(lbas, `byte 0x${at.toString(16)} bit ${bit}`).toContain(
          Math.floor((start + at) / SECTOR),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("in any bit of an entry and its long name is found: name, times, size, attributes", () => {
    const [root = 0] = directories;
    for (let at = 0; at < 3 * ENTRY_SIZE; at++) {
      for (let bit = 0; bit < 8; bit++) {
        expect(flipped(device, root + ENTRY_SIZE + at, bit), `byte ${at} bit ${bit}`).not.toEqual(
          [],
        );
      }
    }
  });

  test("in any bit of the words of FSInfo is found", () => {
    for (let at = FSINFO_FREE_COUNT; at < FSINFO_FREE_COUNT + 8; at++) {
      for (let bit = 0; bit < 8; bit++) {
        expect(flipped(device, SECTOR + at, bit), `byte ${at} bit ${bit}`).not.toEqual([]);
      }
    }
  });

  test("in a file's content or in free space is not the volume's business", () => {
    const free = device.sizeBytes - 4096;
    expect(flipped(device, free, 3)).toEqual([]);
  });

  test("is found with blocks of 4096 bytes too", () => {
    const large = used(4096);
    expect(verified(large.device)).toEqual([]);
    const fats = RESERVED * 4096;
    for (const at of [
      0x20,
      3000,
      4096 + 0x1ec,
      4096 + 600,
      fats + 20,
      fats + large.fatSectors * 4096,
    ]) {
      expect(flipped(large.device, at, 5), `byte ${at}`).not.toEqual([]);
    }
    for (const directory of large.directories) {
      for (let at = 0; at < 200; at += 7) {
        const lbas = flipped(large.device, directory + at, at % 8).map(({ lba }) => lba);
        expect(lbas, `byte ${at}`).toContain(Math.floor((directory + at) / SECTOR));
      }
    }
  });
});

describe("damage has a name", () => {
  const volume = used();
  const { device, fatSectors, directories, cluster } = volume;
  const tables = [RESERVED * SECTOR, (RESERVED + fatSectors) * SECTOR];
  const u32 = (value: number) => [
    value & 255,
    (value >>> 8) & 255,
    (value >>> 16) & 255,
    value >>> 24,
  ];

  /** Sets entry `index` in both FATs. */
  function withEntry(index: number, value: number) {
    const copy = device.clone();
    for (const start of tables) copy.poke(start + index * 4, Uint8Array.from(u32(value)));
    return verified(copy);
  }

  const core = freshCore();
  const fat = FatVolume.open(core, core.attach(device), { readOnly: true });
  const kernel = fat.stat("/vmlinuz-6.1.0").firstCluster;
  const loader = fat.stat("/EFI/BOOT/BOOTX64.EFI").firstCluster;
  const efi = fat.stat("/EFI").firstCluster;
  const boot = fat.stat("/EFI/BOOT").firstCluster;

  test.each([
    ["a chain that ends in a free cluster", kernel + 5, 0, "CHAIN_BROKEN"],
    ["a chain that leaves the volume", kernel + 5, 0x0ffffff0, "CHAIN_BROKEN"],
    ["a chain that meets a bad cluster", kernel + 5, 0x0ffffff7, "CHAIN_BROKEN"],
    ["a chain that ends early", kernel + 5, 0x0fffffff, "SIZE"],
    ["what a chain that ends early leaves", kernel + 5, 0x0fffffff, "LOST"],
    ["a chain that runs into another", kernel + 5, loader + 3, "CROSS_LINK"],
    ["a chain that runs into itself", kernel + 5, kernel, "CROSS_LINK"],
    ["a directory whose chain is a circle", efi, efi, "CROSS_LINK"],
    ["clusters in no chain", 60_000, 0x0fffffff, "LOST"],
    ["a wrong media byte", 0, 0x0ffffff0, "TABLE_HEAD"],
    ["FAT[1] not clean", 1, 0x07ffffff, "DIRTY"],
    ["FAT[1] with errors", 1, 0x0bffffff, "ERRORS_MET"],
  ])("%s", (_what, index, value, kind) => {
    const findings = withEntry(index, value);
    expect(findings.map((finding) => finding.kind)).toContain(kind);
    for (const { reason } of findings) expect(reason).toMatch(/^[A-Z0-9'].*\.$/);
  });

  test.each([
    ["a wrong free count", SECTOR + FSINFO_FREE_COUNT, [9, 9, 0, 0], "FREE_COUNT"],
    ["a dirty boot sector", 0x41, [1], "DIRTY"],
    ["errors met", 0x41, [2], "ERRORS_MET"],
    ["a backup that differs", 6 * SECTOR + 0x47, [0x41, 0x42], "BACKUP_BOOT"],
    ["FAT copies that differ", (RESERVED + fatSectors + 9) * SECTOR, [1, 2, 3], "TABLES_DIFFER"],
    ["no '.'", cluster(efi), [0x41], "DOTS"],
    ["'..' that leads elsewhere", cluster(boot) + ENTRY_SIZE + 0x1a, [0x77, 0x01], "DOTS"],
    [
      "a piece of a long name without its entry",
      (directories[2] as number) + 4 * ENTRY_SIZE,
      [0x44],
      "LONG_NAME",
    ],
    [
      "impossible tenths",
      (directories[0] as number) + ENTRY_SIZE + ENTRY_CREATED_TENTHS,
      [222],
      "ENTRY_FIELD",
    ],
    [
      "a directory with a size",
      (directories[0] as number) + ENTRY_SIZE + ENTRY_FILE_SIZE,
      [1, 1],
      "ENTRY_FIELD",
    ],
    ["a bad character", (directories[0] as number) + ENTRY_SIZE + 1, [0x2a], "BAD_NAME"],
    ["a second label", (directories[0] as number) + ENTRY_SIZE + 0x0b, [0x08], "LABEL"],
    ["no boot signature", 0x1fe, [0, 0], "NOT_FAT32"],
  ] as const)("%s", (_what, offset, bytes, kind) => {
    const kinds = damaged(device, offset, bytes).map((finding) => finding.kind);
    expect(kinds).toContain(kind);
  });

  test("a name that stands twice, whatever its case", () => {
    const { core: other, device: copy, id, fat: made } = bench();
    made.writeFile("/ONE", content(1, 1));
    made.writeFile("/TWO", content(1, 1));
    const start = (RESERVED + 2 * fatSectorsOf(copy)) * SECTOR;
    made.close();
    const root = Buffer.from(copy.peek(start, 512));
    const at = root.indexOf("TWO");
    copy.poke(start + at, Buffer.from("ONE"));
    const findings = FatVolume.verify(other, id);
    expect(findings.map(({ kind }) => kind)).toContain("DUPLICATE");
    expect(findings.find(({ kind }) => kind === "DUPLICATE")?.path).toBe("/ONE");
  });

  test("a sector that cannot be read is named", () => {
    const core = freshCore();
    const bad = new FailingDevice(device, RESERVED + 3);
    const findings = FatVolume.verify(core, core.attach(bad));
    expect(findings.map(({ kind }) => kind)).toContain("UNREADABLE");
  });

  test.each([51, 53, 54])("the planted bug %i is found by check", (bug) => {
    const { fat: broken } = bench("33MiB", { core: plantedCore(bug) });
    broken.writeFile("/a long name", content(5000, 1));
    broken.writeFile("/SHORT", content(5000, 1));
    broken.flush();
    broken.remove("/SHORT");
    broken.writeFile("/another long name", content(500, 1));
    expect(broken.check()).not.toEqual([]);
  });
});

describe("hostile images", () => {
  const { device, fatSectors, directories } = used();

  /** Everything a reader and a writer does; only typed errors may come out of it. */
  function exercise(subject: MemoryDevice): number {
    const core = freshCore();
    const id = core.attach(subject);
    let failures = 0;
    const typed = (run: () => void) => {
      try {
        run();
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        failures++;
      }
    };
    typed(() => {
      const fat = FatVolume.open(core, id);
      typed(() => treeOf(fat));
      typed(() => fat.check());
      typed(() => fat.writeFile("/EFI/new name.txt", content(3000, 1)));
      typed(() => fat.rename("/vmlinuz-6.1.0", "/EFI/BOOT/moved"));
      typed(() => fat.remove("/empty"));
      typed(() => fat.remove("/EFI/BOOT/BOOTX64.EFI"));
      typed(() => fat.statfs());
      typed(() => fat.close());
    });
    FatVolume.verify(core, id);
    expect(core.memory.sizeBytes).toBeLessThan(64 << 20);
    return failures;
  }

  test("zeroed, random and text images are EMEDIUMTYPE", () => {
    const random = MemoryDevice.from(content(1 << 20, 77));
    for (const subject of [
      new MemoryDevice({ size: "1MiB" }),
      random,
      new MemoryDevice({ size: 4096 }),
    ]) {
      const core = freshCore();
      const open = () => FatVolume.open(core, core.attach(subject));
      expect(open).toThrow(expect.objectContaining({ code: "EMEDIUMTYPE" }));
    }
  });

  test("a truncated image is EBADMSG, a device below one sector too", () => {
    for (const size of [20 << 20, 1 << 20, 4096]) {
      const core = freshCore();
      const cut = MemoryDevice.from(device.peek(0, size));
      const open = () => FatVolume.open(core, core.attach(cut));
      expect(open).toThrow(expect.objectContaining({ code: "EBADMSG" }));
    }
  });

  test("a boot sector that lies in any field is refused or survived", () => {
    for (let at = 0x0b; at < 0x34; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const copy = device.clone();
        copy.poke(at, Uint8Array.of(value));
        expect(exercise(copy)).toBeGreaterThanOrEqual(0);
      }
    }
  });

  test("random bytes in tables and directories end in typed errors, never in a trap", () => {
    const place = fc.oneof(
      fc.record({ start: fc.constant(RESERVED * SECTOR), at: fc.nat(3000) }),
      fc.record({ start: fc.constant((RESERVED + fatSectors) * SECTOR), at: fc.nat(3000) }),
      fc.record({ start: fc.constantFrom(...directories), at: fc.nat(511) }),
    );
    const change = fc.record({ place, bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const copy = device.clone();
        for (const { place: to, bytes } of changes) copy.poke(to.start + to.at, bytes);
        expect(exercise(copy)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 250 },
    );
  });

  test("directories that lead into each other, and names of 260 units, end", () => {
    const copy = device.clone();
    const [root = 0, efi = 0] = directories;
    // EFI holds itself; its name becomes 20 pieces of the widest characters.
    copy.poke(efi + 2 * ENTRY_SIZE, copy.peek(root + ENTRY_SIZE, ENTRY_SIZE));
    expect(exercise(copy)).toBeGreaterThanOrEqual(0);
    const { core, device: long, id, fat } = bench();
    fat.writeFile(`/${"字".repeat(255)}`, content(1, 1));
    fat.close();
    const start = (RESERVED + 2 * fatSectorsOf(long)) * SECTOR;
    // The first piece stands behind the label; the end of the name is overwritten with more of it.
    for (const at of [0x10, 0x12, 0x14, 0x16, 0x18, 0x1c, 0x1e]) {
      long.poke(start + ENTRY_SIZE + at, Uint8Array.of(0x57, 0x5b));
    }
    const found = FatVolume.open(core, id).list();
    expect(found[0]?.name).toHaveLength(260);
  });
});

/** Answers IOERR for reads that touch one sector. */
class FailingDevice extends MemoryDevice {
  readonly #sector: number;

  constructor(origin: MemoryDevice, sector: number) {
    super({ size: origin.sizeBytes });
    this.poke(0, origin.peek(0, origin.sizeBytes));
    this.#sector = sector;
  }

  override submit(requests: Parameters<MemoryDevice["submit"]>[0]): void {
    super.submit(requests);
    for (const asked of requests) {
      const end = asked.sector + asked.data.length / SECTOR;
      if (asked.sector <= this.#sector && this.#sector < end) asked.status = 1;
    }
  }
}
