/** FAT32 volumes through the host class: format, write, read, remove, rename, full, large. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FatVolume } from "../../../host/core/fat.ts";
import { type BlockRequest, RequestStatus, RequestType } from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { freshCore } from "../../support/core.ts";
import { bench, content, picture, SERIAL, TIMESTAMP, treeOf } from "./support.ts";

describe("format", () => {
  test("the same arguments give the same bytes, another serial gives others", () => {
    const images = [SERIAL, SERIAL, 7].map((serial) => {
      const device = new MemoryDevice({ size: "40MiB" });
      const core = freshCore();
      const fat = FatVolume.format(core, core.attach(device), { serial, timestamp: TIMESTAMP });
      fat.writeFile("/a long name.txt", content(3000, 1));
      fat.close();
      return Buffer.from(device.bytes());
    });
    expect(images[0]?.equals(images[1] as Buffer)).toBe(true);
    expect(images[0]?.equals(images[2] as Buffer)).toBe(false);
  });

  test.each([
    ["33MiB", 512, 512],
    ["128MiB", 512, 512],
    ["512MiB", 512, 4096],
    ["4GiB", 512, 4096],
    ["300MiB", 4096, 4096],
    ["16GiB", 4096, 8192],
    ["40GiB", 512, 32768],
  ] as const)("%s with blocks of %i gets clusters of %i", (size, blkSize, clusterBytes) => {
    const { fat } = bench(size, { blkSize });
    const space = fat.statfs();
    expect(space.clusterBytes).toBe(clusterBytes);
    expect(space.clusters).toBeGreaterThanOrEqual(65525);
    expect(space.freeClusters).toBe(space.clusters - 1);
    expect(fat.check()).toEqual([]);
  });

  test("a volume below the limit of FAT32 is refused, one at it is made", () => {
    expect(() => bench("32MiB")).toThrow(/ENOSPC.*33 MiB/);
    expect(() => bench("256MiB", { blkSize: 4096 })).toThrow("ENOSPC");
    expect(bench("257MiB", { blkSize: 4096 }).fat.statfs().clusters).toBeGreaterThanOrEqual(65525);
    expect(() => bench("128MiB", { clusterBytes: 4096 })).toThrow("ENOSPC");
    expect(() => bench("128MiB", { clusterBytes: 700 })).toThrow("EINVAL");
  });

  test("a cluster size can be forced", () => {
    const { fat } = bench("600MiB", { clusterBytes: 8192 });
    expect(fat.statfs().clusterBytes).toBe(8192);
  });

  test("label, serial and hidden sectors are on the disk; a bad label is refused", () => {
    const core = freshCore();
    const device = new MemoryDevice({ size: "80MiB" });
    const id = core.attach(device);
    const window = { baseSector: 2048, sectors: 81920 };
    const options = { ...window, serial: SERIAL, timestamp: TIMESTAMP };
    FatVolume.format(core, id, { ...options, label: "rayos_esp" }).close();
    const boot = device.peek(2048 * 512, 512);
    expect(new DataView(boot.buffer, boot.byteOffset).getUint32(0x1c, true)).toBe(2048);
    const fat = FatVolume.open(core, id, window);
    expect([fat.label, fat.serial]).toEqual(["RAYOS_ESP", SERIAL]);
    for (const label of ["far too long label", "a/b", " x", "ä"]) {
      expect(() => FatVolume.format(core, id, { ...options, label }), label).toThrow("EINVAL");
    }
    expect(device.peek(0, 2048 * 512).every((byte) => byte === 0)).toBe(true);
    expect(device.peek((2048 + 81920) * 512, 512).every((byte) => byte === 0)).toBe(true);
  });

  test("a read-only device is refused, nothing is written", () => {
    const core = freshCore();
    const device = new MemoryDevice({ size: "40MiB", readOnly: true });
    const options = { serial: 1, timestamp: 0 };
    expect(() => FatVolume.format(core, core.attach(device), options)).toThrow("EROFS");
  });
});

describe("files", () => {
  test.each([0, 1, 511, 512, 513, 4096, 65535, 65536, 65537, 300_000])(
    "a file of %i bytes is read back equal after a re-open",
    (length) => {
      const { core, id, fat } = bench();
      fat.writeFile("/File.bin", content(length, length));
      fat.close();
      const again = FatVolume.open(core, id);
      expect(again.stat("/file.BIN").sizeBytes).toBe(length);
      expect(Buffer.compare(again.readFile("/File.bin"), content(length, length))).toBe(0);
      expect(again.check()).toEqual([]);
    },
  );

  test("what is written in pieces of any size is one stream", () => {
    const { fat } = bench();
    const whole = content(400_000, 9);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 12 }), (pieces) => {
        const writer = fat.create("/stream");
        let at = 0;
        for (const piece of pieces) {
          writer.write(whole.subarray(at, at + piece));
          at = Math.min(whole.length, at + piece);
        }
        writer.close();
        expect(Buffer.compare(fat.readFile("/stream"), whole.subarray(0, at))).toBe(0);
      }),
      { numRuns: 30 },
    );
    expect(fat.check()).toEqual([]);
  });

  test("reads at any offset and length equal the slice", () => {
    const { fat } = bench("33MiB");
    const writers = [fat.create("/a"), fat.create("/b")] as const;
    const bytes = content(200_000, 3);
    // Two writers in turns scatter the chains.
    for (let at = 0; at < bytes.length; at += 70_000) {
      for (const writer of writers) writer.write(bytes.subarray(at, at + 70_000));
    }
    for (const writer of writers) writer.close();
    fc.assert(
      fc.property(fc.nat(210_000), fc.nat(80_000), (offset, length) => {
        const expected = bytes.subarray(offset, offset + length);
        expect(Buffer.compare(fat.read("/b", offset, length), expected)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("names keep their case, are found in any, and are refused twice", () => {
    const { fat } = bench();
    fat.writeFile("/Grüße aus Köln.TXT", content(5, 1));
    fat.writeFile("/ΑΒΓ-привет", content(6, 1));
    expect(fat.stat("/GRÜSSE AUS KÖLN.TXT".replace("SS", "ß")).name).toBe("Grüße aus Köln.TXT");
    expect(fat.stat("/αβγ-ПРИВЕТ").sizeBytes).toBe(6);
    fat.mkdir("/Dir");
    expect(() => fat.mkdir("/DIR")).toThrow("EEXIST");
    expect(() => fat.create("/dir")).toThrow("EISDIR");
    expect(fat.list("/").map(({ name }) => name)).toEqual([
      "Grüße aus Köln.TXT",
      "ΑΒΓ-привет",
      "Dir",
    ]);
  });

  test("letters of every script with case are found in the other case", () => {
    const { fat } = bench();
    const ranges = [
      [0x61, 0x7a],
      [0xe0, 0xff],
      [0x100, 0x17e],
      [0x3b1, 0x3cb],
      [0x430, 0x45f],
      [0x460, 0x481],
      [0x48a, 0x4bf],
      [0x4d0, 0x52f],
      [0x561, 0x586],
      [0x1e00, 0x1e95],
      [0x1ea0, 0x1eff],
      [0xff41, 0xff5a],
    ] as const;
    // Letters whose other case is a string, belongs to another script, or is not simple.
    const special = new Set([0xdf, 0xf7, 0x130, 0x131, 0x138, 0x149, 0x3c2, 0x178]);
    for (const [from, to] of ranges) {
      for (let point = from; point <= to; point++) {
        const letter = String.fromCodePoint(point);
        const upper = letter.toUpperCase();
        if (special.has(point) || upper === letter || upper.length !== 1) continue;
        fat.writeFile(`/${letter}-`, content(1, 1));
        expect(fat.exists(`/${upper}-`), `U+${point.toString(16)}`).toBe(true);
        fat.remove(`/${upper}-`);
      }
    }
    for (const letter of ["1", "-", "日", "ß", "×", "÷", "ı"]) {
      fat.writeFile(`/${letter}x`, content(1, 1));
    }
    expect(fat.list()).toHaveLength(7);
  });

  test.each(["a:b", "a*", "x?", 'q"', "<", "|", "a\\b", "tab\t", "dot.", "space ", ".."])(
    "the name %j is EINVAL",
    (name) => {
      const { fat } = bench();
      expect(() => fat.writeFile(`/${name}`, content(1, 1))).toThrow("EINVAL");
      expect(fat.list()).toEqual([]);
    },
  );

  test("255 UTF-16 units are a name, 256 are too long, half a pair is not UTF-8", () => {
    const { fat } = bench();
    const longest = `${"x".repeat(253)}😀`;
    fat.writeFile(`/${longest}`, content(9, 1));
    expect(fat.list()[0]?.name).toBe(longest);
    expect(() => fat.writeFile(`/${"y".repeat(256)}`, content(1, 1))).toThrow("ENAMETOOLONG");
    expect(() => fat.writeFile(`/${"y".repeat(254)}😀`, content(1, 1))).toThrow("ENAMETOOLONG");
    expect(fat.check()).toEqual([]);
  });

  test("8.3 names: kept where they fit, numbered where they do not, unique always", () => {
    const { fat } = bench();
    for (const name of [
      "KERNEL.BIN",
      "initrd.img",
      "a.b.c",
      ".hidden",
      "vmlinuz-6.1.0-9",
      "noext",
    ]) {
      fat.writeFile(`/${name}`, content(1, 1));
    }
    const shorts = fat.list().map(({ name, shortName }) => `${name}=${shortName}`);
    expect(shorts).toEqual([
      "KERNEL.BIN=KERNEL.BIN",
      "initrd.img=INITRD.IMG",
      "a.b.c=AB~1.C",
      ".hidden=HIDDEN~1",
      "vmlinuz-6.1.0-9=VMLINU~1.0-9",
      "noext=NOEXT",
    ]);
    for (let at = 0; at < 40; at++) fat.writeFile(`/long file name ${at}.data`, content(1, at));
    const names = fat.list().map(({ shortName }) => shortName);
    expect(new Set(names).size).toBe(46);
    expect(fat.stat("/LONGFI~2.DAT").name).toBe("long file name 1.data");
    expect(fat.check()).toEqual([]);
  });

  test("times are those given, in FAT's two seconds, and inside 1980 to 2107", () => {
    const { core, id, fat } = bench();
    fat.writeFile("/now", content(1, 1));
    expect(fat.stat("/now").mtimeMs).toBe(TIMESTAMP);
    fat.close();
    for (const [given, expected] of [
      [0, Date.UTC(1980, 0, 1)],
      [Date.UTC(2000, 1, 29, 23, 59, 59), Date.UTC(2000, 1, 29, 23, 59, 58)],
      [Date.UTC(2100, 1, 28), Date.UTC(2100, 1, 28)],
      [Date.UTC(2300, 0, 1), Date.UTC(2107, 11, 31, 23, 59, 58)],
    ] as const) {
      const again = FatVolume.open(core, id, { timestamp: given });
      again.writeFile("/then", content(1, 1));
      expect(again.stat("/then").mtimeMs).toBe(expected);
      again.close();
    }
  });

  test("any moment is written as the date that Date has", () => {
    const { core, id, fat } = bench();
    fat.close();
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1980-01-01"), max: new Date("2107-12-31"), noInvalidDate: true }),
        (date) => {
          const again = FatVolume.open(core, id, { timestamp: date.getTime() });
          again.writeFile("/x", content(1, 1));
          const { mtimeMs } = again.stat("/x");
          again.close();
          expect(mtimeMs).toBe(Math.floor(date.getTime() / 2000) * 2000);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("directories", () => {
  test("mkdir makes what is missing, refuses what is a file", () => {
    const { fat } = bench();
    fat.mkdir("/a/b/c/d", { recursive: true });
    fat.mkdir("/a/b/c/d", { recursive: true });
    expect(() => fat.mkdir("/a")).toThrow("EEXIST");
    expect(() => fat.mkdir("/x/y")).toThrow("ENOENT");
    fat.writeFile("/a/file", content(1, 1));
    expect(() => fat.mkdir("/a/file/z", { recursive: true })).toThrow("ENOTDIR");
    expect(() => fat.list("/a/file")).toThrow("ENOTDIR");
    expect(() => fat.readFile("/a/b")).toThrow("EISDIR");
    expect(fat.stat("/").kind).toBe("directory");
    expect(fat.exists("/a/b/c")).toBe(true);
    expect(fat.exists("/a/file/q")).toBe(false);
    expect(fat.check()).toEqual([]);
  });

  test("1,500 files in one directory: listed whole, found, removed, gone", () => {
    const { core, id, fat } = bench();
    fat.mkdir("/many");
    for (let at = 0; at < 1500; at++)
      fat.writeFile(`/many/a file with a name ${at}`, content(at % 3, at));
    fat.close();
    const again = FatVolume.open(core, id);
    expect(again.list("/many")).toHaveLength(1500);
    expect(again.stat("/MANY/A FILE WITH A NAME 1499").sizeBytes).toBe(2);
    expect(() => again.remove("/many")).toThrow("ENOTEMPTY");
    for (let at = 0; at < 1500; at++) again.remove(`/many/a file with a name ${at}`);
    again.remove("/many");
    expect(again.list()).toEqual([]);
    expect(again.statfs().freeClusters).toBe(again.statfs().clusters - 1);
    expect(again.check()).toEqual([]);
  });

  test("sixty levels and ninety directories at once: more than memory keeps loaded", () => {
    const { core, id, fat } = bench();
    const deep = Array.from({ length: 60 }, (_, at) => `level ${at}`);
    fat.mkdir(`/${deep.join("/")}`, { recursive: true });
    fat.writeFile(`/${deep.join("/")}/bottom`, content(700, 1));
    for (let at = 0; at < 90; at++) {
      fat.mkdir(`/wide ${at}`);
      fat.writeFile(`/wide ${at}/file`, content(at, at));
    }
    fat.rename("/level 0/level 1", "/wide 7/moved");
    fat.close();
    const again = FatVolume.open(core, id);
    expect(again.readFile(`/wide 7/moved/${deep.slice(2).join("/")}/bottom`)).toEqual(
      content(700, 1),
    );
    for (let at = 0; at < 90; at++)
      expect(again.readFile(`/wide ${at}/file`)).toEqual(content(at, at));
    expect(again.check()).toEqual([]);
  });

  test("rename: new name, other directory, over a file, other case, never into itself", () => {
    const { fat } = bench();
    fat.mkdir("/a/sub", { recursive: true });
    fat.mkdir("/b");
    fat.writeFile("/a/x", content(100, 1));
    fat.writeFile("/b/y", content(7000, 2));
    fat.rename("/a/x", "/b/a much longer name");
    fat.rename("/b/y", "/b/A MUCH LONGER NAME");
    expect(Buffer.compare(fat.readFile("/b/a much longer name"), content(7000, 2))).toBe(0);
    fat.rename("/b/a much longer name", "/b/A Much Longer NAME");
    expect(fat.list("/b").map(({ name }) => name)).toEqual(["A Much Longer NAME"]);
    fat.writeFile("/a/sub/deep", content(1, 1));
    fat.rename("/a/sub", "/b/moved");
    expect(fat.readFile("/b/moved/deep")).toEqual(content(1, 1));
    expect(() => fat.rename("/b", "/b/moved/again")).toThrow("EINVAL");
    expect(() => fat.rename("/b/moved", "/a/nowhere/x")).toThrow("ENOENT");
    expect(() => fat.rename("/b/moved", "/b/A Much Longer NAME")).toThrow("ENOTDIR");
    fat.rename("/b/moved", "/a");
    expect(picture(treeOf(fat)).map((line) => line.split(" ")[0])).toEqual([
      "/a/",
      "/a/deep",
      "/b/",
      "/b/A",
    ]);
    expect(fat.check()).toEqual([]);
  });
});

describe("full volumes", () => {
  test("ENOSPC leaves the old file, frees what it took, and removal makes room again", () => {
    const { fat } = bench();
    fat.writeFile("/keep", content(5000, 1));
    const { freeBytes } = fat.statfs();
    fat.writeFile("/big", new Uint8Array(freeBytes - 20 * 512));
    expect(() => fat.writeFile("/keep", new Uint8Array(200_000))).toThrow("ENOSPC");
    expect(fat.readFile("/keep")).toEqual(content(5000, 1));
    expect(fat.statfs().freeClusters).toBe(20);
    expect(() => {
      for (let at = 0; ; at++) fat.mkdir(`/d${at}`);
    }).toThrow("ENOSPC");
    expect(fat.check()).toEqual([]);
    fat.remove("/big");
    fat.writeFile("/keep", content(200_000, 2));
    expect(Buffer.compare(fat.readFile("/keep"), content(200_000, 2))).toBe(0);
    expect(fat.check()).toEqual([]);
  });

  test("a file that replaces one of nearly the whole volume needs room for both", () => {
    const { fat } = bench();
    const most = fat.statfs().freeBytes - 512 * 100;
    fat.writeFile("/f", new Uint8Array(most));
    expect(() => fat.writeFile("/f", new Uint8Array(most))).toThrow("ENOSPC");
    expect(fat.stat("/f").sizeBytes).toBe(most);
    fat.remove("/f");
    fat.writeFile("/f", new Uint8Array(most));
    expect(fat.check()).toEqual([]);
  });

  test("an aborted writer leaves nothing behind", () => {
    const { core, id, fat } = bench();
    const before = fat.statfs().freeClusters;
    const writer = fat.create("/half");
    writer.write(content(300_000, 1));
    writer.abort();
    expect(fat.exists("/half")).toBe(false);
    const open = fat.create("/open at close");
    open.write(content(70_000, 1));
    fat.close();
    const again = FatVolume.open(core, id);
    expect(again.statfs().freeClusters).toBe(before);
    expect(again.check()).toEqual([]);
  });
});

describe("failing devices", () => {
  /** Answers IOERR for writes from the `after`-th on. */
  class FailingDevice extends MemoryDevice {
    after = Number.POSITIVE_INFINITY;

    override submit(requests: readonly BlockRequest[]): void {
      const failing = requests.filter(({ type }) => type === RequestType.OUT && this.after-- <= 0);
      super.submit(requests.filter((asked) => !failing.includes(asked)));
      for (const asked of failing) asked.status = RequestStatus.IOERR;
    }
  }

  test("a write that fails is EIO with its place; nothing is written afterwards", () => {
    for (const after of [0, 1, 2, 3, 5, 8]) {
      const core = freshCore();
      const device = new FailingDevice({ size: "33MiB" });
      const id = core.attach(device);
      const fat = FatVolume.format(core, id, { serial: SERIAL, timestamp: TIMESTAMP });
      fat.writeFile("/before", content(5000, 1));
      fat.flush();
      device.after = after;
      const run = () => {
        fat.writeFile("/after", content(100_000, 2));
        fat.remove("/before");
        fat.flush();
      };
      expect(run, `write ${after}`).toThrow(expect.objectContaining({ code: "EIO" }));
      device.after = Number.POSITIVE_INFINITY;
      expect(() => fat.writeFile("/more", content(1, 1))).toThrow("EIO");
      expect(() => fat.close()).toThrow("EIO");
      const findings = FatVolume.verify(core, id).map(({ kind }) => kind);
      const cut = ["DIRTY", "LOST", "TABLES_DIFFER", "LONG_NAME"];
      expect(findings.filter((kind) => !cut.includes(kind))).toEqual([]);
    }
  });

  test("a volume that was left dirty stays so until it is checked elsewhere", () => {
    const { core, device, id, fat } = bench();
    fat.close();
    device.poke(0x41, Uint8Array.of(1));
    const again = FatVolume.open(core, id);
    again.writeFile("/x", content(1, 1));
    again.close();
    expect(FatVolume.verify(core, id).map(({ kind }) => kind)).toEqual(["DIRTY"]);
  });

  test("a read-only volume reads, and answers EROFS to every change", () => {
    const { core, id, fat } = bench();
    fat.writeFile("/x", content(10, 1));
    fat.close();
    const again = FatVolume.open(core, id, { readOnly: true });
    expect(again.readFile("/x")).toEqual(content(10, 1));
    expect(() => again.writeFile("/y", content(1, 1))).toThrow("EROFS");
    expect(() => again.mkdir("/d")).toThrow("EROFS");
    expect(() => again.remove("/x")).toThrow("EROFS");
    expect(() => again.rename("/x", "/y")).toThrow("EROFS");
    again.close();
    expect(() => again.list()).toThrow("EBADF");
  });
});

describe("large files", () => {
  test("4 GiB - 1 are written as a stream, one byte more is EFBIG, memory stays small", () => {
    const core = freshCore();
    const device = new ForgetfulDevice({ size: "5GiB" });
    const options = { serial: SERIAL, timestamp: TIMESTAMP };
    const fat = FatVolume.format(core, core.attach(device), options);
    const piece = new Uint8Array(4 << 20);
    const writer = fat.create("/huge");
    for (let at = 0; at < 1023; at++) writer.write(piece);
    writer.write(piece.subarray(0, piece.length - 1));
    expect(() => writer.write(piece.subarray(0, 1))).toThrow("EFBIG");
    writer.close();
    expect(fat.stat("/huge").sizeBytes).toBe(0xffffffff);
    expect(fat.read("/huge", 0xfffffff0, 100)).toEqual(new Uint8Array(15));
    expect(fat.check()).toEqual([]);
    expect(core.memory.sizeBytes).toBeLessThan(32 << 20);
  });
});

/** Keeps small writes only: large ones of zeros read back the same without taking memory. */
class ForgetfulDevice extends MemoryDevice {
  override submit(requests: readonly BlockRequest[]): void {
    const large = requests.filter(
      ({ type, data }) => type === RequestType.OUT && data.length > 1 << 20,
    );
    for (const asked of large) {
      asked.status = RequestStatus.OK;
      asked.transferred = asked.data.length;
    }
    super.submit(requests.filter((asked) => !large.includes(asked)));
  }
}
