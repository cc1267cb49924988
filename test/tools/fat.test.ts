/** Our FAT32 volumes judged by dosfstools and mtools, and theirs read by us. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import { FatVolume } from "../../host/core/fat.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { bench, content, picture, type Tree, treeOf } from "../mkfs/fat/support.ts";
import { freshCore } from "../support/core.ts";
import { run, scratch, testWith } from "./tools.ts";

const NAMES = [
  "KERNEL.BIN",
  "initrd.img",
  "vmlinuz-6.1.0-18-cloud-amd64",
  "Grüße aus Köln.txt",
  "日本語の名前.conf",
  "привет мир",
  "a.b.c.d",
  ".hidden",
  "with  two  spaces",
  "+,;=",
  "x".repeat(200),
];

const PIECE = 65536;
const ZEROS = Buffer.alloc(PIECE);

/** What `fsck.fat -n` says of a sound volume: two lines and no more. */
function expectClean(image: string): void {
  const { code, text } = run("fsck.fat", ["-n", image]);
  expect(text.trim().split("\n"), text).toHaveLength(2);
  expect(text).toMatch(/^fsck\.fat .*\n.*: \d+ files, \d+\/\d+ clusters\n$/);
  expect(code, text).toBe(0);
}

/** Writes the device to a sparse file. */
function saveTo(image: string, device: MemoryDevice): void {
  const file = openSync(image, "w");
  for (let at = 0; at < device.sizeBytes; at += PIECE) {
    const piece = device.peek(at, Math.min(PIECE, device.sizeBytes - at));
    if (ZEROS.compare(piece, 0, piece.length, 0, piece.length) !== 0) {
      writeSync(file, piece, 0, piece.length, at);
    }
  }
  ftruncateSync(file, device.sizeBytes);
  closeSync(file);
}

/** The device in a file of this test's own. */
function saved(device: MemoryDevice): string {
  const image = join(scratch(), "volume.img");
  saveTo(image, device);
  return image;
}

/** A device with the content of a file, without its zeros. */
function loaded(image: string, blkSize: 512 | 4096 = 512): MemoryDevice {
  const file = openSync(image, "r");
  const device = new MemoryDevice({ size: fstatSync(file).size, blkSize });
  const piece = Buffer.alloc(PIECE);
  for (let at = 0; at < device.sizeBytes; at += PIECE) {
    const length = readSync(file, piece, 0, PIECE, at);
    if (ZEROS.compare(piece, 0, length, 0, length) !== 0)
      device.poke(at, piece.subarray(0, length));
  }
  closeSync(file);
  return device;
}

testWith("fsck.fat")("fsck.fat finds nothing on a fresh volume of any geometry", () => {
  for (const [size, blkSize, clusterBytes] of [
    ["33MiB", 512, 0],
    ["128MiB", 512, 0],
    ["300MiB", 512, 0],
    ["512MiB", 512, 4096],
    ["300MiB", 4096, 0],
  ] as const) {
    const { device, fat } = bench(size, { blkSize, clusterBytes });
    fat.close();
    expectClean(saved(device));
  }
});

testWith(
  "fsck.fat",
  "mcopy",
  "mdir",
)("mcopy reads every file of a used volume back equal", () => {
  for (const blkSize of [512, 4096] as const) {
    const { device, fat } = bench(blkSize === 512 ? "48MiB" : "260MiB", { blkSize });
    fat.mkdir("/EFI/BOOT", { recursive: true });
    const files = new Map<string, Uint8Array>();
    for (const [index, name] of NAMES.entries()) {
      for (const folder of ["", "/EFI", "/EFI/BOOT"]) {
        const bytes = content((index * 7919) % 60_000, index);
        fat.writeFile(`${folder}/${name}`, bytes);
        files.set(`${folder}/${name}`, bytes);
      }
    }
    fat.remove("/EFI/KERNEL.BIN");
    files.delete("/EFI/KERNEL.BIN");
    fat.writeFile("/EFI/initrd.img", content(1_500_000, 99));
    files.set("/EFI/initrd.img", content(1_500_000, 99));
    fat.close();
    const image = saved(device);
    expectClean(image);
    const copy = join(scratch(), "copy");
    for (const [path, bytes] of files) {
      const { code, text } = run("mcopy", ["-n", "-o", "-i", image, `::${path}`, copy]);
      expect(code, `${path}: ${text}`).toBe(0);
      expect(Buffer.compare(readFileSync(copy), bytes), path).toBe(0);
    }
    expect(run("mdir", ["-i", image, "-/", "-b", "::"]).stdout.trim().split("\n")).toHaveLength(
      files.size + 2,
    );
  }
});

testWith("fsck.fat", "mcopy")("a name with an emoji is whole: read back by its 8.3 name", () => {
  const { device, fat } = bench();
  fat.writeFile("/start 😀 end.txt", content(5000, 1));
  const { shortName } = fat.stat("/start 😀 end.txt");
  fat.close();
  const image = saved(device);
  expectClean(image);
  const copy = join(scratch(), "copy");
  expect(run("mcopy", ["-n", "-i", image, `::/${shortName}`, copy]).code).toBe(0);
  expect(Buffer.compare(readFileSync(copy), content(5000, 1))).toBe(0);
});

testWith("fsck.fat", "minfo")(
  "label, serial, hidden sectors: what minfo reads is what was given",
  () => {
    const core = freshCore();
    const device = new MemoryDevice({ size: "130MiB" });
    const window = { baseSector: 2048, sectors: 262144 };
    const id = core.attach(device);
    FatVolume.format(core, id, {
      ...window,
      label: "ESP",
      serial: 0xcafe0042,
      timestamp: 0,
    }).close();
    const image = join(scratch(), "disk.img");
    saveTo(image, device);
    const { stdout } = run("minfo", ["-i", `${image}@@1M`]);
    expect(stdout).toContain("hidden sectors: 2048");
    expect(stdout).toContain("big size: 262144 sectors");
    expect(stdout).toContain('disk label="ESP        "');
    expect(stdout).toContain("serial number: CAFE0042");
    expect(stdout).toContain('disk type="FAT32   "');
  },
);

testWith(
  "mkfs.fat",
  "mcopy",
  "mmd",
  "fsck.fat",
)("volumes of mkfs.fat and mtools are read and written by us", () => {
  for (const [arguments_, blkSize, size] of [
    [["-F32", "-s1"], 512, 40],
    [["-F32", "-s8", "-f1"], 512, 300],
    [["-F32", "-S4096", "-s1"], 4096, 300],
    [["-F32", "-s2", "-R64", "-b9"], 512, 80],
  ] as const) {
    const folder = scratch();
    const image = join(folder, "theirs.img");
    writeFileSync(image, "");
    truncateSync(image, size * 2 ** 20);
    const made = run("mkfs.fat", [...arguments_, "-n", "THEIRS", "-i", "12345678", image]);
    expect(made.code, made.text).toBe(0);
    expect(run("mmd", ["-i", image, "::/Sub", "::/Sub/UPPER"]).code).toBe(0);
    mkdirSync(join(folder, "in"));
    const files = NAMES.filter((name) => !/[+,;]/.test(name));
    for (const [index, name] of files.entries()) {
      const path = join(folder, "in", name);
      writeFileSync(path, content(index * 3001, index));
      expect(run("mcopy", ["-i", image, path, "::/Sub/UPPER/"]).code, name).toBe(0);
    }
    const core = freshCore();
    const device = loaded(image, blkSize);
    const id = core.attach(device);
    const fat = FatVolume.open(core, id);
    expect([fat.label, fat.serial]).toEqual(["THEIRS", 0x12345678]);
    for (const [index, name] of files.entries()) {
      expect(Buffer.compare(fat.readFile(`/Sub/UPPER/${name}`), content(index * 3001, index))).toBe(
        0,
      );
    }
    expect(
      fat
        .list("/Sub/UPPER")
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...files].sort());
    expect(fat.check()).toEqual([]);
    fat.remove("/Sub/UPPER/a.b.c.d");
    fat.writeFile("/Sub/ours with a long name", content(70_000, 5));
    fat.rename("/Sub/UPPER/.hidden", "/seen");
    fat.close();
    expect(FatVolume.verify(core, id)).toEqual([]);
    saveTo(image, device);
    expectClean(image);
  }
});

testWith(
  "fsck.fat",
  "mcopy",
  "mdel",
  "mren",
)("what mtools changes on our volume is no finding", () => {
  const { core, device, fat } = bench();
  for (const name of ["one", "two", "a long name for three"])
    fat.writeFile(`/${name}`, content(9000, 1));
  fat.close();
  const folder = scratch();
  const image = join(folder, "volume.img");
  saveTo(image, device);
  writeFileSync(join(folder, "new file.bin"), content(20_000, 7));
  expect(run("mcopy", ["-i", image, join(folder, "new file.bin"), "::/"]).code).toBe(0);
  expect(run("mdel", ["-i", image, "::/two"]).code).toBe(0);
  expect(run("mren", ["-i", image, "::/one", "another name"]).code).toBe(0);
  const changed = core.attach(loaded(image));
  expect(FatVolume.verify(core, changed)).toEqual([]);
  const again = FatVolume.open(core, changed);
  expect(
    again
      .list()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["a long name for three", "another name", "new file.bin"]);
  again.close();
});

testWith("fsck.fat")("random trees: our reader reads them back, fsck.fat finds nothing", () => {
  const name = fc.oneof(
    fc.constantFrom(...NAMES),
    fc.stringMatching(/^[A-Za-z0-9äöüß ._-]{0,30}[A-Za-z0-9äöü]$/),
  );
  const file = fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }),
    size: fc.oneof(fc.nat(2000), fc.nat(100_000)),
    removed: fc.boolean(),
  });
  const folder = scratch();
  fc.assert(
    fc.property(fc.array(file, { maxLength: 25 }), (files) => {
      const { device, core, id, fat } = bench();
      const model: Tree = new Map();
      for (const [index, { path, size, removed }] of files.entries()) {
        const bytes = content(size, index);
        const whole = `/${path.join("/")}`;
        try {
          fat.mkdir(`/${path.slice(0, -1).join("/")}`, { recursive: true });
          fat.writeFile(whole, bytes);
          if (removed) fat.remove(whole);
        } catch (error) {
          // A file stands where a directory is wanted, or the other way round.
          expect((error as { code: string }).code).toMatch(/^(ENOTDIR|EISDIR|EEXIST)$/);
        }
      }
      for (const [path, bytes] of treeOf(fat)) model.set(path, bytes);
      fat.close();
      expect(picture(treeOf(FatVolume.open(core, id)))).toEqual(picture(model));
      const image = join(folder, "random.img");
      saveTo(image, device);
      expectClean(image);
    }),
    { numRuns: 25 },
  );
});

testWith("fsck.fat")("fsck.fat and our check agree that a damaged volume is damaged", () => {
  const { core, device, fat } = bench();
  fat.mkdir("/d");
  fat.writeFile("/d/file", content(5000, 1));
  fat.close();
  const fatOffset = 32 * 512;
  const first = tableEntry(device, fatOffset, 4);
  expect(first).toBeGreaterThan(0);
  const damages: [string, number, Uint8Array][] = [
    ["free cluster in a chain", fatOffset + 4 * 4, new Uint8Array(4)],
    ["wrong free count", 512 + 0x1e8, new Uint8Array([1, 2, 3, 0])],
    ["dirty", 0x41, new Uint8Array([1])],
  ];
  for (const [what, offset, bytes] of damages) {
    const copy = device.clone();
    copy.poke(offset, bytes);
    const image = join(scratch(), "damaged.img");
    saveTo(image, copy);
    const { code, text } = run("fsck.fat", ["-n", image]);
    expect(code !== 0 || text.trim().split("\n").length > 2, `${what}: ${text}`).toBe(true);
    expect(FatVolume.verify(core, core.attach(copy)), what).not.toEqual([]);
  }
});

function tableEntry(device: MemoryDevice, offset: number, cluster: number): number {
  const bytes = device.peek(offset + cluster * 4, 4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}
