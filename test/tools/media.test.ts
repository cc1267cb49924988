/** Installer media judged by xorriso, by partition tools and by firmware that boots from them. */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { finish } from "../../host/base/work.ts";
import { buildIso } from "../../host/core/media/build.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { openIso } from "../../host/core/media/open.ts";
import { type BlockDevice, RequestStatus, RequestType } from "../../host/device/device.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { isZero } from "../../host/device/sectors.ts";
import { greeter } from "../../host/system/demo/greeter.ts";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { walkIso } from "../support/media.ts";
import { noise } from "../system/support.ts";
import { bootDisk, FIRMWARE_TOOLS } from "./firmware.ts";
import { expectCleanFat, expectGoodTable, JUDGES } from "./judges.ts";
import { run, scratch, testWith } from "./tools.ts";

const MIB = 2 ** 20;
/** What xorriso says of damage and doubt; its notes and updates are no complaints. */
const COMPLAINT = /WARNING|SORRY|MISHAP|FAILURE|FATAL|ABORT|(HINT|DEBUG) : .*(corrupt|damag)/;
const FILES: Readonly<Record<string, Uint8Array>> = {
  "BOOTHEAD.BIN": noise(300_001, 1),
  "BOOTGPT.BIN": noise(16_896, 2),
  "Grüße aus Köln.txt": noise(100, 3),
  日本語の名前: noise(2048, 4),
  "a/b/c/d/e/f/g/h/i/j/k/deep file.txt": noise(4097, 5),
  "same name but in UPPER case": noise(7, 6),
  "SAME NAME BUT IN UPPER CASE": noise(8, 7),
  [`${"n".repeat(251)}.bin`]: noise(9, 8),
  empty: noise(0, 9),
};
for (let index = 0; index < 120; index++) {
  Object.assign(FILES, {
    [`many/${"file of a large folder ".repeat(4)}${index}`]: noise(index, 20),
  });
}

interface Medium {
  readonly folder: string;
  readonly image: string;
  readonly payload: string;
  readonly nonce: string;
  readonly esp: { readonly first: number; readonly last: number; readonly sectors: number };
  readonly sizeBytes: number;
}

function make(options: readonly string[] = [], files = FILES): Medium {
  const folder = scratch();
  const [boot, payload] = [join(folder, "boot"), join(folder, "payload")];
  const nonce = randomUUID();
  writeAll(boot, { "EFI/BOOT/BOOTX64.EFI": greeter(`NONCE ${nonce}`), "loader.conf": noise(9) });
  writeAll(payload, files);
  const image = join(folder, "medium.img");
  const args = [
    "image",
    "mkmedia",
    image,
    "--boot",
    boot,
    "--payload",
    payload,
    "--label",
    "JUDGED",
  ];
  const told = diskwrightJson([...args, ...options]);
  const { esp, sizeBytes } = told as unknown as Pick<Medium, "esp" | "sizeBytes">;
  return { folder, image, payload, nonce, esp, sizeBytes };
}

function writeAll(folder: string, files: Readonly<Record<string, Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** A new device that is not written where it would only be zeros. */
function sparse(device: FileDevice): BlockDevice {
  const over = Object.create(device) as BlockDevice;
  over.submit = (requests) => {
    const zeros = requests.filter(({ type, data }) => type === RequestType.OUT && isZero(data));
    for (const asked of zeros) {
      Object.assign(asked, { status: RequestStatus.OK, transferred: asked.length });
    }
    device.submit(requests.filter((asked) => !zeros.includes(asked)));
  };
  return over;
}

/** Files below `root`, by their paths from it. */
function filesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

function expectEqualTrees(one: string, other: string): void {
  expect(filesIn(one)).toEqual(filesIn(other));
  for (const path of filesIn(one)) {
    const same = readFileSync(join(one, path)).equals(readFileSync(join(other, path)));
    expect(same, path).toBe(true);
  }
}

testWith("xorriso", ...JUDGES)("xorriso lists a medium without complaint", () => {
  const { image, esp, sizeBytes } = make();
  const args = ["-indev", image, "-toc", "-find", "/", "-exec", "lsdl", "--"];
  const { code, text } = run("xorriso", args);
  expect(text).not.toMatch(COMPLAINT);
  expect(code).toBe(0);
  expect(text).toContain("Volume id    : 'JUDGED'");
  expect(text).toContain("Boot record  : El Torito , MBR protective-msdos-label cyl-align-off GPT");
  for (const path of Object.keys(FILES)) expect(text, path).toContain(`'/boot/bins/${path}'`);
  const torito = run("xorriso", ["-indev", image, "-report_el_torito", "plain"]).text;
  expect(torito).toMatch(new RegExp(`boot img : +1 +UEFI +y +none .* ${esp.first / 4}\n`));
  expect(torito).not.toMatch(COMPLAINT);
  const area = run("xorriso", ["-indev", image, "-report_system_area", "plain"]).text;
  expect(area).toContain(`ISO image size/512 : ${sizeBytes / 512}`);
  expect(area).toContain(`GPT start and size :   1  ${esp.first}  ${esp.sectors}`);
  expect(area).not.toMatch(COMPLAINT);
  expectGoodTable(image, [{ number: 1, first: esp.first, last: esp.last }]);
  expectCleanFat(image, esp.first, esp.sectors);
});

testWith("xorriso")("xorriso reads every file back equal, by both kinds of long names", () => {
  const { image, payload, folder } = make();
  const out = join(folder, "out");
  const copied = run("xorriso", ["-osirrox", "on", "-indev", image, "-extract", "/boot/bins", out]);
  expect(copied.text).not.toMatch(COMPLAINT);
  expectEqualTrees(out, payload);
  const joliet = join(folder, "joliet");
  const args = ["-osirrox", "on", "-read_fs", "norock", "-indev", image, "-extract", "/", joliet];
  expect(run("xorriso", args).text).not.toMatch(COMPLAINT);
  const contents = (root: string) =>
    filesIn(root)
      .map((path) => readFileSync(join(root, path)).toString("hex"))
      .sort();
  expect(contents(joliet)).toEqual(contents(payload));
  expect(filesIn(joliet)).toContain("boot/bins/Grüße aus Köln.txt");
  // Attributes were read-only: the folder of this test must be removable.
  run("chmod", ["-R", "u+w", out, joliet]);
});

testWith("xorriso")("images of xorriso with any kinds of names are read by us", () => {
  const folder = scratch();
  const tree = join(folder, "tree");
  writeAll(tree, FILES);
  for (const [kind, ...options] of [
    ["rock-ridge", "-rockridge", "on"],
    ["rock-ridge", "-rockridge", "on", "-compliance", "deep_paths_off"],
    ["joliet", "-rockridge", "off", "-joliet", "on", "-compliance", "joliet_long_names"],
  ] as const) {
    const image = join(folder, `${kind}-${options.length}.iso`);
    const made = run("xorriso", [...options, "-outdev", image, "-map", tree, "/"]);
    expect(made.code, made.text).toBe(0);
    const device = FileDevice.open(image, { readOnly: true });
    const volume = openIso(device);
    expect(volume.names).toBe(kind);
    const found = [...walkIso(volume)].filter(([, stat]) => stat.kind === "file");
    const ours = found.map(([path]) => Buffer.from(volume.readFile(path)).toString("hex"));
    const given = Object.values(FILES).map((content) => Buffer.from(content).toString("hex"));
    expect(ours.sort()).toEqual(given.sort());
    const names = found.map(([path]) => path.slice(1)).sort();
    if (kind === "rock-ridge") expect(names).toEqual(Object.keys(FILES).sort());
    device.close();
  }
});

testWith("xorriso")("a file above 4 GiB has several extents, and xorriso knows its size", () => {
  const folder = scratch();
  const image = join(folder, "large.iso");
  const size = 2 ** 32 + 5 * MIB + 3;
  const device = FileDevice.create(image, { size: "5GiB" });
  const media = new MediaCore();
  let at = 0;
  const marks = new Map([
    [0, 1],
    [2 ** 32 - 2048, 2],
    [2 ** 32, 3],
    [size - 1, 4],
  ]);
  const reader = {
    read: (into: Uint8Array) => {
      const length = Math.min(into.length, size - at);
      into.fill(0, 0, length);
      for (const [place, mark] of marks) {
        if (place >= at && place < at + length) into[place - at] = mark;
      }
      at += length;
      return length;
    },
    close: () => {},
  };
  const entry = { path: "large", kind: "file", size, open: () => reader } as const;
  const given = { label: "LARGE", timestampMs: 0, bootSectors: 0, entries: [entry] };
  finish(buildIso(media, media.attach(sparse(device)), given));
  const volume = openIso(device);
  expect(volume.stat("/large")).toMatchObject({ sizeBytes: size, extents: 2 });
  for (const [place, mark] of marks)
    expect(volume.read("/large", place, 1)).toEqual(Uint8Array.of(mark));
  expect(volume.read("/large", size, 10)).toHaveLength(0);
  device.close();
  const listed = run("xorriso", ["-indev", image, "-find", "/large", "-exec", "lsdl", "--"]).text;
  expect(listed).not.toMatch(COMPLAINT);
  expect(listed).toContain(` ${size} `);
  expect(statSync(image).size).toBe(5 * 2 ** 30);
});

testWith(...FIRMWARE_TOOLS)("firmware boots the ISO from a CD, and the same from USB", async () => {
  const { image, folder, nonce } = make();
  expect(await bootDisk(image, folder, { as: "cd" })).toContain(`NONCE ${nonce}`);
  expect(await bootDisk(image, folder, { as: "usb" })).toContain(`NONCE ${nonce}`);
});

testWith(...FIRMWARE_TOOLS, ...JUDGES)("a USB image is a sound disk, and boots", async () => {
  const { image, folder, nonce, esp } = make(["--usb"], {
    "BOOTHEAD.BIN": noise(5000, 1),
    "a/b": noise(9, 2),
  });
  expectGoodTable(image, [{ number: 1, first: esp.first, last: esp.last }]);
  expectCleanFat(image, esp.first, esp.sectors);
  expect(diskwright(["fs", "ls", image, "/boot/bins"]).stdout).toContain("BOOTHEAD.BIN");
  expect(await bootDisk(image, folder, { as: "usb" })).toContain(`NONCE ${nonce}`);
});
