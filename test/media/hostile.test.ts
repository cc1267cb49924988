/** Volumes that lie: a typed error with its place, never a trap, a hang, or a byte of elsewhere. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { IsoVolume } from "../../host/core/media/iso.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { BLOCK, goldenIso, isoOf, openOn, pokeBoth, recordAt, walkIso } from "../support/media.ts";
import { noise } from "../system/support.ts";

const PVD = 16 * BLOCK;
const SVD = 17 * BLOCK;
const LONG = `${"y".repeat(200)}.bin`;
const FILES = {
  "boot/bins/A.BIN": noise(5000, 1),
  "boot/bins/sub/DEEP.BIN": noise(100, 2),
  "boot/other/B.BIN": noise(513, 3),
  [LONG]: "long",
};

/** The whole of a volume: what everything it lists says, and every byte of it. */
function readAll(device: MemoryDevice, names?: "plain" | "joliet" | "rock-ridge"): number {
  const volume = openOn(device, { names });
  let bytes = 0;
  for (const [path, { kind }] of walkIso(volume)) {
    if (kind === "file") bytes += volume.readFile(path).length;
  }
  volume.close();
  return bytes;
}

function faultOf(act: () => unknown): { code: string; reason?: string; lba?: number } {
  try {
    act();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const { reason = "", lba = -1 } = error.fault ?? {};
    return { code: error.code, reason, lba };
  }
  return { code: "none" };
}

/** Bytes of a number at offset `at` are made another. */
function spoil(device: MemoryDevice, at: number, value: number): void {
  device.poke(at, Uint8Array.of(value));
}

test.each([
  ["no such type", PVD + 6, 2, "ISO_DESCRIPTOR"],
  ["a block size of 512", PVD + 128, 1, "ISO_DESCRIPTOR"],
  ["a size that differs in its two orders", PVD + 80, 0xff, "ISO_DESCRIPTOR"],
  ["a root that is no directory", PVD + 156 + 25, 0, "ISO_DESCRIPTOR"],
  ["a root whose LBA differs", PVD + 156 + 2, 0xff, "ISO_DESCRIPTOR"],
  ["a Joliet root whose length differs", SVD + 156 + 10, 0xff, "ISO_DESCRIPTOR"],
  ["no end of descriptors", 18 * BLOCK + 1, 0x20, "ISO_DESCRIPTOR"],
])("a descriptor with %s is refused", (_, at, value, reason) => {
  const { device } = isoOf(FILES);
  spoil(device, at, value);
  expect(faultOf(() => openOn(device))).toMatchObject({ code: "EBADMSG", reason });
});

test("a medium whose end is missing is refused when it is opened", () => {
  const { device } = isoOf(FILES);
  const cut = MemoryDevice.from(device.peek(0, 512 * 1024));
  expect(faultOf(() => openOn(cut))).toMatchObject({ code: "EBADMSG", reason: "ISO_EXTENT" });
  const tiny = new MemoryDevice({ size: "16KiB" });
  expect(faultOf(() => openOn(tiny)).code).toBe("EMEDIUMTYPE");
});

test("an extent past the end of the device is refused with the LBA of its record", () => {
  const { device } = isoOf(FILES);
  const at = recordAt(device, "A.BIN;1");
  pokeBoth(device, at + 2, 0x7fff_ffff);
  const lba = Math.floor(at / BLOCK) * 4;
  const told = { code: "EBADMSG", reason: "ISO_EXTENT", lba };
  const volume = openOn(device);
  expect(faultOf(() => volume.list("/boot/bins"))).toEqual(told);
  expect(faultOf(() => volume.readFile("/boot/bins/A.BIN"))).toEqual(told);
  pokeBoth(device, at + 2, 0);
  pokeBoth(device, at + 10, 0xffff_ffff);
  expect(faultOf(() => volume.stat("/boot/bins/A.BIN"))).toEqual(told);
});

test.each([
  ["a length shorter than itself", 0, 20, "ISO_RECORD"],
  ["a name longer than the record", 32, 250, "ISO_RECORD"],
  ["no name", 32, 0, "ISO_RECORD"],
  ["an LBA that differs in its two orders", 3, 0xee, "ISO_RECORD"],
  ["a length that differs in its two orders", 10, 0xee, "ISO_RECORD"],
  ["interleaving", 26, 1, "ISO_RECORD"],
  ["a part to come that is not there", 25, 0x80, "ISO_RECORD"],
  ["a directory's flag and a file's mode", 25, 0x02, "ISO_ROCK_RIDGE"],
])("a record with %s is refused", (_, offset, value, reason) => {
  const { device } = isoOf({ "one/A.BIN": "content" });
  const at = recordAt(device, "A.BIN;1");
  spoil(device, at + offset, value);
  const fault = faultOf(() => readAll(device));
  expect(fault).toEqual({ code: "EBADMSG", reason, lba: Math.floor(at / BLOCK) * 4 });
});

test("a record that crosses the end of its block is refused", () => {
  const names = Array.from({ length: 30 }, (_, index) => `ENTRY${index + 10}.BIN`);
  const { device } = isoOf(Object.fromEntries(names.map((name) => [name, name])));
  const places = names.map((name) => recordAt(device, `${name};1`));
  const at = places.find((place) => (place % BLOCK) + 255 > BLOCK) ?? 0;
  spoil(device, at, 255);
  const lba = Math.floor(at / BLOCK) * 4;
  expect(faultOf(() => readAll(device))).toEqual({ code: "EBADMSG", reason: "ISO_RECORD", lba });
});

test("a directory that leads back to one above it is refused by list, stat and read", () => {
  for (const names of ["rock-ridge", "joliet", "plain"] as const) {
    const { device } = isoOf(FILES);
    const joliet = names === "joliet";
    const text = (name: string) =>
      joliet ? [...name].map((letter) => `\0${letter}`).join("") : name;
    const sub = recordAt(device, text(joliet ? "sub" : "SUB"));
    const boot = device.peek(recordAt(device, text(joliet ? "boot" : "BOOT")) + 2, 16);
    device.poke(sub + 2, boot);
    const volume = openOn(device, { names });
    const path = names === "plain" ? "/BOOT/BINS/SUB" : "/boot/bins/sub";
    expect(
      faultOf(() => walkIso(volume)),
      names,
    ).toMatchObject({
      code: "EBADMSG",
      reason: "ISO_PARENT",
    });
    if (joliet) continue;
    expect(faultOf(() => volume.list(path)).reason, names).toBe("ISO_PARENT");
    expect(faultOf(() => volume.stat(`${path}/bins`)).reason, names).toBe("ISO_PARENT");
  }
});

test("two names of one directory are refused, for they would double with every level", () => {
  for (const names of ["rock-ridge", "joliet"] as const) {
    const { device } = isoOf(FILES);
    const text = (name: string) =>
      names === "joliet" ? [...name].map((letter) => `\0${letter}`).join("") : name.toUpperCase();
    const from = recordAt(device, text("bins"));
    const to = recordAt(device, text("other"));
    device.poke(to + 2, device.peek(from + 2, 16));
    const volume = openOn(device, { names });
    expect(faultOf(() => volume.list("/boot")).reason, names).toBe("ISO_PARENT");
    expect(faultOf(() => volume.stat("/boot/bins/A.BIN")).reason, names).toBe("ISO_PARENT");
  }
});

test("a name that stands twice is refused, not chosen", () => {
  const { device } = isoOf({ "AA.BIN": "1", "AB.BIN": "2" });
  const at = recordAt(device, "AB.BIN;1");
  const name = Buffer.from(device.peek(at, 256)).indexOf("AB.BIN", 40);
  spoil(device, at + name + 1, 0x41);
  const volume = openOn(device);
  expect(faultOf(() => volume.list("/")).reason).toBe("DUPLICATE");
  expect(faultOf(() => volume.stat("/AA.BIN")).reason).toBe("DUPLICATE");
  expect(faultOf(() => volume.stat("/AB.BIN")).code).toBe("ENOENT");
});

test("names that would leave their directory are refused", () => {
  for (const bad of ["../../x", "a/bcdef", "..", ".", "\0bcdefg"]) {
    const { device } = isoOf({ abcdefg: "x" });
    const at = recordAt(device, "ABCDEFG.;1");
    const name = at + Buffer.from(device.peek(at, 256)).indexOf("abcdefg");
    const bytes = Buffer.alloc(7);
    bytes.write(bad);
    device.poke(name, bytes);
    // The entry is as long as its name; the rest goes on as an entry that is passed over.
    if (bad.length < 7) spoil(device, name - 3, 5 + bad.length);
    expect(faultOf(() => readAll(device)).code, bad).toBe("EBADMSG");
  }
});

test("areas that go on without end, or outside a block, are refused", () => {
  const { device } = isoOf(FILES);
  const at = recordAt(device, "YYYY");
  const entry = at + Buffer.from(device.peek(at, 256)).indexOf("CE\x1c");
  const place = new DataView(device.peek(entry + 4, 24).buffer);
  const more = place.getUint32(0, true) * BLOCK + place.getUint32(8, true);
  // The continuation begins with an entry that leads to itself.
  const loop = device.peek(entry, 28);
  const { device: looped } = isoOf(FILES);
  looped.poke(more, loop);
  expect(faultOf(() => readAll(looped)).reason).toBe("ISO_ROCK_RIDGE");
  for (const [field, value] of [
    [4, 0xffff_ffff],
    [12, BLOCK],
    [20, BLOCK + 1],
    [20, 0],
  ] as const) {
    const { device: wrong } = isoOf(FILES);
    pokeBoth(wrong, entry + field, value);
    expect(faultOf(() => readAll(wrong)).code, `${field}`).toBe("EBADMSG");
  }
});

test("a boot catalog that lies is refused, one that has no image for EFI is not", () => {
  const options = { bootSectors: 100 };
  const catalog = 20 * BLOCK;
  const { device: sum } = isoOf(FILES, options);
  spoil(sum, catalog + 5, 1);
  expect(faultOf(() => openOn(sum))).toEqual({ code: "EBADMSG", reason: "ISO_CATALOG", lba: 80 });
  const { device: far } = isoOf(FILES, options);
  far.poke(catalog + 32 + 8, Uint8Array.of(255, 255, 255, 127));
  expect(faultOf(() => openOn(far)).reason).toBe("ISO_CATALOG");
  const { device: where } = isoOf(FILES, options);
  where.poke(17 * BLOCK + 0x47, Uint8Array.of(255, 255, 255, 255));
  expect(faultOf(() => openOn(where)).reason).toBe("ISO_EXTENT");
  const { device: none } = isoOf(FILES, options);
  spoil(none, catalog + 32, 0);
  expect(openOn(none).bootImage).toBeUndefined();
  const { device: emulated } = isoOf(FILES, options);
  spoil(emulated, catalog + 33, 2);
  expect(openOn(emulated).bootImage).toBeUndefined();
});

test("an image for EFI behind one for BIOS is found", () => {
  const { device } = isoOf(FILES, { bootSectors: 100 });
  const catalog = 20 * BLOCK;
  const entry = device.peek(catalog + 32, 32);
  const words = new Uint16Array(16);
  words[0] = 1;
  words[15] = 0xaa55;
  words[14] = 0x10000 - 0xaa55 - 1;
  device.poke(catalog, new Uint8Array(words.buffer));
  const section = new Uint8Array(32);
  section.set([0x91, 0xef, 1, 0]);
  device.poke(catalog + 64, section);
  device.poke(catalog + 96, entry);
  const lba = new DataView(entry.buffer).getUint32(8, true);
  expect(openOn(device).bootImage).toEqual({ sector: lba * 4, sectors: 100 });
});

test("a device that fails is EIO with its cause, not damage", () => {
  const { device } = isoOf(FILES);
  const media = new MediaCore();
  const broken = Object.create(device) as MemoryDevice;
  const cause = new Error("scratched");
  let failing = false;
  broken.submit = (requests) => {
    if (!failing) return device.submit(requests);
    for (const asked of requests) Object.assign(asked, { status: 1, cause });
  };
  const volume = IsoVolume.open(media, media.attach(broken));
  failing = true;
  expect(() => volume.list("/")).toThrow(expect.objectContaining({ code: "EIO", cause }));
});

const TYPED = ["none", "EBADMSG", "EMEDIUMTYPE", "EOPNOTSUPP", "ENOTDIR", "ENOENT", "ELOOP"];

test("bytes flipped anywhere in what a volume says of itself: an answer or a typed error", () => {
  const ours = isoOf(FILES, { bootSectors: 100 }).device;
  const media = [ours, goldenIso("moved"), goldenIso("genisoimage"), goldenIso("joliet")];
  const where = fc.tuple(
    fc.nat(media.length - 1),
    fc.array(fc.tuple(fc.integer({ min: PVD, max: 60 * BLOCK }), fc.nat(255)), { minLength: 1 }),
    fc.constantFrom("plain", "joliet", "rock-ridge", undefined),
  );
  fc.assert(
    fc.property(where, ([which, changes, names]) => {
      const device = (media[which] as MemoryDevice).clone();
      for (const [at, value] of changes) spoil(device, at, value);
      expect(TYPED).toContain(faultOf(() => readAll(device, names)).code);
    }),
    { numRuns: 250 },
  );
});

test("numbers changed alike in both orders: an answer or a typed error, and no memory lost", () => {
  const ours = isoOf(FILES, { bootSectors: 100 }).device;
  const records = ["A.BIN;1", "DEEP.BIN;1", "B.BIN;1", "BINS", "SUB", "OTHER", "BOOT", "YYYY"];
  const media = new MediaCore();
  const change = fc.tuple(
    fc.constantFrom(...records),
    fc.constantFrom(2, 10),
    fc.oneof(fc.nat(200), fc.nat(0xffff_ffff), fc.constantFrom(0, 2048, 0xffff_f800)),
  );
  const before = media.exports.arenaUsedBytes();
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const device = ours.clone();
      for (const [name, field, value] of changes) {
        pokeBoth(device, recordAt(ours, name) + field, value);
      }
      const id = media.attach(device);
      const fault = faultOf(() => {
        const volume = IsoVolume.open(media, id);
        try {
          for (const [path, { kind, sizeBytes }] of walkIso(volume)) {
            if (kind === "file" && sizeBytes < 1 << 24) volume.readFile(path);
          }
        } finally {
          volume.close();
        }
      });
      media.detach(id);
      expect(TYPED).toContain(fault.code);
    }),
    { numRuns: 250 },
  );
  expect(media.exports.arenaUsedBytes() - before).toBeLessThan(20 << 20);
});
