/** Journals that are not empty: replayed in memory or on the disk, and safe to cut at any write. */
import { expect, test } from "vitest";
import { RequestType } from "../../host/device/device.ts";
import type { MemoryDevice } from "../../host/device/local/memory.ts";
import { faultOf, flip, goldenExt4, openExt4On, textOf } from "../support/ext4-read.ts";

const FILE = "/zeros-and-x.bin";
const ESCAPED = Uint8Array.of(0xc0, 0x3b, 0x39, 0x98);
const RECOVER = 0x04;
const INCOMPATIBLE = 1024 + 0x60;

/** What the file holds after a replay; its last 904 bytes are of its second block. */
const AFTER: Readonly<Record<string, Uint8Array>> = {
  dirty: Buffer.concat([Buffer.alloc(4096, "1"), ESCAPED, Buffer.alloc(900, "e")]),
  revoked: Buffer.concat([Buffer.alloc(4096, "3"), Buffer.alloc(904, "x")]),
  dirty3: Buffer.concat([Buffer.alloc(1024, "3"), Buffer.alloc(3976, "x")]),
};
const NAMES = Object.keys(AFTER);

function isDirty(device: MemoryDevice): boolean {
  return ((device.peek(INCOMPATIBLE, 1)[0] ?? 0) & RECOVER) !== 0;
}

/** Where the first block of the log stands that begins with a header of this type. */
function logBlock(device: MemoryDevice, type: number, from = 0): number {
  const magic = Buffer.concat([ESCAPED, Buffer.from([0, 0, 0, type])]);
  return Buffer.from(device.peek(0, device.sizeBytes)).indexOf(magic, from);
}

test.each(NAMES)(
  "%s: opened read-only it is replayed in memory, and nothing is written",
  (name) => {
    const device = goldenExt4(name);
    const before = device.peek(0, device.sizeBytes);
    const volume = openExt4On(device);
    expect(Buffer.compare(volume.readFile(FILE), AFTER[name] as Uint8Array)).toBe(0);
    expect(volume.info.journal.wasDirty).toBe(true);
    expect(volume.info.journal.blocksInMemory).toBeGreaterThan(0);
    expect(volume.check().map(({ kind, isAdvice }) => [kind, isAdvice])).toEqual([["DIRTY", true]]);
    expect(Buffer.compare(device.peek(0, device.sizeBytes), before)).toBe(0);
  },
);

test.each(NAMES)("%s: opened for writing it is replayed on the disk, once", (name) => {
  const device = goldenExt4(name);
  openExt4On(device, { readOnly: false }).close();
  expect(isDirty(device)).toBe(false);
  const volume = openExt4On(device);
  expect(volume.info.journal).toMatchObject({ wasDirty: false, transactions: 0 });
  expect(Buffer.compare(volume.readFile(FILE), AFTER[name] as Uint8Array)).toBe(0);
  expect(volume.check()).toEqual([]);
});

/** A device that stops for good after `writes` writes. */
function cutAfter(device: MemoryDevice, writes: number): MemoryDevice {
  const cut = Object.create(device) as MemoryDevice;
  let left = writes;
  cut.submit = (requests) => {
    for (const asked of requests) {
      if (asked.type === RequestType.OUT && left-- <= 0) Object.assign(asked, { status: 1 });
      else device.submit([asked]);
    }
  };
  return cut;
}

test.each(NAMES)(
  "%s: a cut at any write of the replay leaves a disk that replays again",
  (name) => {
    let writes = 0;
    for (; writes < 50; writes++) {
      const device = goldenExt4(name);
      const { code } = faultOf(() => openExt4On(cutAfter(device, writes), { readOnly: false }));
      const volume = openExt4On(device, { readOnly: false });
      expect(Buffer.compare(volume.readFile(FILE), AFTER[name] as Uint8Array), `${writes}`).toBe(0);
      expect(volume.check().filter(({ isAdvice }) => !isAdvice)).toEqual([]);
      expect(isDirty(device)).toBe(false);
      if (code === "none") break;
      expect(code).toBe("EIO");
    }
    // Blocks, the superblock of the journal, the superblock.
    expect(writes).toBeGreaterThanOrEqual(3);
    expect(writes).toBeLessThan(50);
  },
);

test("a transaction whose commit block is torn is not replayed, those before it are", () => {
  const device = goldenExt4("dirty");
  const first = logBlock(device, 2);
  const last = logBlock(device, 2, first + 1);
  expect(last).toBeGreaterThan(first);
  flip(device, last + 0x38);
  const volume = openExt4On(device);
  expect(volume.info.journal.transactions).toBe(1);
  expect(textOf(volume.read(FILE, 4096, 904))).toBe("2".repeat(904));
  flip(device, first + 0x38);
  expect(openExt4On(device).info.journal.transactions).toBe(0);
  expect(textOf(openExt4On(device).readFile(FILE))).toBe("x".repeat(5000));
});

test("damage in a whole transaction stops the replay before anything is written", () => {
  for (const offset of [20, 4096 + 100]) {
    const device = goldenExt4("dirty");
    const at = logBlock(device, 1);
    flip(device, at + offset);
    const before = device.peek(0, device.sizeBytes);
    const fault = faultOf(() => openExt4On(device, { readOnly: false }));
    expect(fault, `${offset}`).toMatchObject({ code: "EBADMSG", reason: "EXT4_JOURNAL" });
    expect(Buffer.compare(device.peek(0, device.sizeBytes), before)).toBe(0);
  }
});

test("a block of the log that belongs outside the volume is refused", () => {
  const device = goldenExt4("dirty3");
  const at = logBlock(device, 1);
  device.poke(at + 12, Uint8Array.of(0x7f, 0xff, 0xff, 0xff));
  expect(faultOf(() => openExt4On(device))).toMatchObject({ code: "EBADMSG" });
});
