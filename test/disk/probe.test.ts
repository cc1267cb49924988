/** Signatures: each format is known by its own, at either end; blank is what nobody can miss. */
import { expect, test } from "vitest";
import { createGpt, isBlank, probe } from "../../host/core/gpt.ts";
import { attach } from "./support.ts";

const text = (value: string) => Uint8Array.from(Buffer.from(value, "latin1"));
const KNOWN: [string, number, Uint8Array][] = [
  ["capos-region", 0, text("CAPOSST1")],
  ["capos-region", 512, text("CAPOSST1")],
  ["capos-region", 8 * 512, text("CAPOSRG1")],
  ["capos-region", 136 * 512, text("CAPOSST1")],
  ["capos-region", 256 * 512, text("CAPOSWF1")],
  ["capos-region", 392 * 512, text("CAPOSWF1")],
  ["capos-ro", 0, text("CAPOSRO1")],
  ["ext", 1080, Uint8Array.of(0x53, 0xef)],
  ["xfs", 0, text("XFSB")],
  ["btrfs", 65600, text("_BHRfS_M")],
  ["squashfs", 0, text("hsqs")],
  ["luks", 0, text("LUKS\xba\xbe")],
  ["luks", 0x4000, text("SKUL\xba\xbe")],
  ["lvm", 512, text("LABELONE")],
  ["swap", 4086, text("SWAPSPACE2")],
  ["swap", 65526, text("SWAPSPACE2")],
  ["iso9660", 32769, text("CD001")],
  ["ntfs", 3, text("NTFS    ")],
  ["exfat", 3, text("EXFAT   ")],
  ["bitlocker", 3, text("-FVE-FS-")],
  ["f2fs", 1024, Uint8Array.of(0x10, 0x20, 0xf5, 0xf2)],
  ["erofs", 1024, Uint8Array.of(0xe2, 0xe1, 0xf5, 0xe0)],
  ["zfs", 128 * 1024 + 5 * 1024, Uint8Array.of(0x0c, 0xb1, 0xba, 0)],
  ["zfs", -512 * 1024 + 128 * 1024, Uint8Array.of(0x0c, 0xb1, 0xba, 0)],
  ["raid", 4096, Uint8Array.of(0xfc, 0x4e, 0x2b, 0xa9)],
  ["raid", -65536, Uint8Array.of(0xfc, 0x4e, 0x2b, 0xa9)],
  ["raid", -8192, Uint8Array.of(0xfc, 0x4e, 0x2b, 0xa9)],
  ["qcow", 0, text("QFI\xfb")],
  ["vhd", -512, text("conectix")],
  ["gpt", 512, text("EFI PART")],
  ["gpt", 4096, text("EFI PART")],
  ["gpt", -512, text("EFI PART")],
  ["gpt", -4096, text("EFI PART")],
];

test.each(KNOWN)("%s is known by its bytes at %i", (name, offset, bytes) => {
  const { core, device, id } = attach("4MiB");
  expect(probe(core, id)).toBeNull();
  device.poke(offset < 0 ? device.sizeBytes + offset : offset, bytes);
  expect(probe(core, id)).toBe(name);
  expect(isBlank(core, id)).toBe(false);
});

test("a window is probed by itself, not by what lies around it", () => {
  const { core, device, id } = attach("8MiB");
  device.poke(0, text("XFSB"));
  device.poke(2 ** 22, text("hsqs"));
  expect(probe(core, id, { baseSector: 8192, sectors: 0 })).toBe("squashfs");
  expect(probe(core, id, { baseSector: 4096, sectors: 4096 })).toBeNull();
  expect(isBlank(core, id, { baseSector: 4096, sectors: 4096 })).toBe(true);
  expect(() => probe(core, id, { baseSector: 4096, sectors: 99999 })).toThrow("ERANGE");
});

test("an MBR needs its mark and sane records; a table of ours is a GPT, not an MBR", () => {
  const { core, device, id } = attach("4MiB");
  device.poke(510, Uint8Array.of(0x55, 0xaa));
  expect(probe(core, id)).toBeNull();
  device.poke(446, Uint8Array.of(0x80, 1, 1, 0, 0x83, 1, 1, 1, 0, 8, 0, 0, 0, 8, 0, 0));
  expect(probe(core, id)).toBe("mbr");
  createGpt(core, id, { entries: [{ type: "esp" }] });
  expect(probe(core, id)).toBe("gpt");
});

test("a boot sector without a label is a FAT by its parameters", () => {
  const { core, device, id } = attach("4MiB");
  const sector = new Uint8Array(512);
  sector.set([0xeb, 0x3c, 0x90]);
  sector.set([0, 2, 4, 1, 0, 2], 11);
  sector.set([0xf8], 21);
  sector.set([0x55, 0xaa], 510);
  device.poke(0, sector);
  expect(probe(core, id)).toBe("fat");
});

test("blank means that the first and the last MiB are zero, and only these", () => {
  for (const [offset, blank] of [
    [0, false],
    [2 ** 20 - 1, false],
    [2 ** 20, true],
    [3 * 2 ** 20 - 1, true],
    [3 * 2 ** 20, false],
    [4 * 2 ** 20 - 1, false],
  ] as const) {
    const { core, device, id } = attach("4MiB");
    expect(isBlank(core, id)).toBe(true);
    device.poke(offset, Uint8Array.of(1));
    expect(isBlank(core, id), `byte ${offset}`).toBe(blank);
  }
});

test("windows of every small size are probed without reading outside", () => {
  for (let sectors = 1; sectors <= 40; sectors++) {
    const { core, id } = attach(sectors * 512);
    expect(probe(core, id)).toBeNull();
    expect(isBlank(core, id)).toBe(true);
  }
});
