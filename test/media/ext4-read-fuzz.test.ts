/**
 * Volumes that lie: an answer or a typed error, never a trap, a hang, or a byte of elsewhere.
 *
 * Half of the volumes have no checksums of metadata, so that what is spoiled is believed until it
 * is held against the rest.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Ext4Volume } from "../../host/core/media/ext4.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import type { MemoryDevice } from "../../host/device/local/memory.ts";
import { faultOf, flip, goldenExt4, openExt4On, textOf, walkExt4 } from "../support/ext4-read.ts";

const TYPED = ["none", "EBADMSG", "EMEDIUMTYPE", "EOPNOTSUPP", "ENOTDIR", "ENOENT", "ELOOP"];
const NAMES = ["ext2", "ext3", "plain", "ext4", "dirty", "revoked", "dirty3"];
const images = NAMES.map((name) => goldenExt4(name));
/** Bytes of blocks that hold anything: elsewhere a change would seldom be met. */
const places = images.map((device) => usedBytes(device));
const media = new MediaCore();
/** Reads that one look at all of a volume may cost; a hang would take many more. */
const READS_MAX = 60_000;

function usedBytes(device: MemoryDevice): number[] {
  const bytes = device.peek(0, device.sizeBytes);
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    if (bytes.subarray(at, at + 16).some((byte) => byte !== 0)) found.push(at);
  }
  return found;
}

/** Everything there is to ask of a volume, with a count of what it costs. */
function askAll(device: MemoryDevice, readOnly: boolean): string[] {
  const counted = Object.create(device) as MemoryDevice;
  let reads = 0;
  counted.submit = (requests) => {
    reads += requests.length;
    device.submit(requests);
  };
  const id = media.attach(counted);
  const codes: string[] = [];
  const opened = faultOf(() => {
    const volume = Ext4Volume.open(media, id, { readOnly });
    try {
      codes.push(faultOf(() => readAll(volume)).code);
      codes.push(faultOf(() => volume.check()).code);
    } finally {
      volume.close();
    }
  });
  media.detach(id);
  expect(reads).toBeLessThan(READS_MAX);
  return [...codes, opened.code];
}

function readAll(volume: Ext4Volume): void {
  for (const [path, { kind, sizeBytes }] of walkExt4(volume)) {
    if (kind === "file") {
      volume.read(path, 0, 1 << 16);
      volume.read(path, Math.max(0, sizeBytes - 4096), 4096);
    }
    volume.xattrs(path);
  }
}

const change = fc.record({
  place: fc.nat(0xffff_ffff),
  offset: fc.nat(15),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc.constantFrom(Uint8Array.of(0, 0), Uint8Array.of(255, 255, 255, 255), Uint8Array.of(1)),
  ),
});

test("bytes changed anywhere in what is in use: an answer or a typed error", () => {
  const before = media.exports.arenaUsedBytes();
  const spoiled = fc.record({
    which: fc.nat(images.length - 1),
    changes: fc.array(change, { minLength: 1, maxLength: 6 }),
    readOnly: fc.boolean(),
  });
  fc.assert(
    fc.property(spoiled, ({ which, changes, readOnly }) => {
      const device = (images[which] as MemoryDevice).clone();
      const used = places[which] as number[];
      for (const { place, offset, bytes } of changes) {
        device.poke((used[place % used.length] as number) + offset, bytes);
      }
      for (const code of askAll(device, readOnly)) expect(TYPED).toContain(code);
    }),
    { numRuns: 150 },
  );
  expect(media.exports.arenaUsedBytes() - before).toBeLessThan(64 << 20);
});

test("words changed in the superblock and the first tables: an answer or a typed error", () => {
  const spoiled = fc.record({
    which: fc.nat(images.length - 1),
    at: fc.integer({ min: 1024, max: 4096 + 64 }),
    bytes: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  });
  fc.assert(
    fc.property(spoiled, ({ which, at, bytes }) => {
      const device = (images[which] as MemoryDevice).clone();
      device.poke(at, bytes);
      for (const code of askAll(device, true)) expect([...TYPED, "ENOMEM"]).toContain(code);
    }),
    { numRuns: 200 },
  );
});

/** Byte of the volume where inode `number` stands; blocks of 1 KiB, one group. */
function inodeByte(device: MemoryDevice, number: number, inodeBytes: number): number {
  const view = new DataView(device.peek(2048, 32).buffer);
  return view.getUint32(8, true) * 1024 + (number - 1) * inodeBytes;
}

test("inodes without checksums whose fields are changed: an answer or a typed error", () => {
  const device = images[2] as MemoryDevice;
  const numbers = [...walkExt4(openExt4On(device)).values()].map(({ inode }) => inode);
  const few = numbers.filter((number) => number < 40);
  const spoiled = fc.record({
    number: fc.constantFrom(2, 8, ...few),
    field: fc.integer({ min: 0, max: 31 }),
    value: fc.oneof(fc.nat(0xffff_ffff), fc.nat(20_000), fc.constantFrom(0, 0xf30a, 0x8000_0000)),
  });
  fc.assert(
    fc.property(fc.array(spoiled, { minLength: 1, maxLength: 3 }), (changes) => {
      const wrong = device.clone();
      for (const { number, field, value } of changes) {
        const bytes = new Uint8Array(4);
        new DataView(bytes.buffer).setUint32(0, value, true);
        wrong.poke(inodeByte(device, number, 256) + field * 4, bytes);
      }
      for (const code of askAll(wrong, true)) expect(TYPED).toContain(code);
    }),
    { numRuns: 200 },
  );
});

test("any one byte of metadata with a checksum that is flipped is never believed", () => {
  const device = goldenExt4("ext4");
  const volume = openExt4On(device);
  const { inode } = volume.stat("/dir/sub/deep.txt");
  const view = new DataView(device.peek(4096, 64).buffer);
  const at = view.getUint32(8, true) * 4096 + (inode - 1) * 256;
  for (let byte = 0; byte < 160; byte++) {
    const wrong = goldenExt4("ext4");
    flip(wrong, at + byte);
    const fault = faultOf(() => textOf(openExt4On(wrong).readFile("/dir/sub/deep.txt")));
    expect(fault.code, `byte ${byte}`).toBe("EBADMSG");
    expect(fault.lba, `byte ${byte}`).toBe(Math.floor(at / 4096) * 8);
  }
});
