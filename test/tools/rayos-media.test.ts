/**
 * RayOS media judged by other people's tools, and started by real firmware: OVMF finds systemd-boot
 * on the medium, that a Linux kernel, whose initramfs prints a nonce.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { RAYOS_FILES } from "../system/rayos/support.ts";
import { bootDisk, FIRMWARE_TOOLS } from "./firmware.ts";
import { expectCleanFat, expectGoodTable, JUDGES } from "./judges.ts";
import { PAYLOAD_TOOLS } from "./payload.ts";
import { writeRayosImage } from "./rayos-payload.ts";
import { run, scratch, testWith } from "./tools.ts";

/** What xorriso says of damage and doubt; its notes and updates are no complaints. */
const COMPLAINT = /WARNING|SORRY|MISHAP|FAILURE|FATAL|ABORT|(HINT|DEBUG) : .*(corrupt|damag)/;
const SUM = "rayos-system-image.sha256";
const IMAGE = "rayos-system-image.tar";

interface Made {
  readonly path: string;
  readonly esp: { readonly first: number; readonly last: number; readonly sectors: number };
}

function medium(folder: string, name: string, options: readonly string[] = []): Made {
  const path = join(folder, name);
  const payload = join(folder, "image");
  const args = ["image", "mkmedia", path, "--layout", "rayos", "--payload", payload, ...options];
  const { esp, warnings } = diskwrightJson(args) as unknown as Made & { warnings: string[] };
  expect(warnings).toEqual([]);
  return { path, esp };
}

function smallImage(folder: string): void {
  for (const [path, content] of Object.entries({ ...RAYOS_FILES, "usr/Grüße": "x" })) {
    run("mkdir", ["-p", join(folder, "image", path, "..")]);
    writeFileSync(join(folder, "image", path), content);
  }
  run("ln", ["-s", "os-release", join(folder, "image/usr/lib/link")]);
  run("ln", [join(folder, "image/kernel.bin"), join(folder, "image/second")]);
}

testWith(
  "xorriso",
  "tar",
  "sha256sum",
  ...JUDGES,
)("xorriso, sgdisk and fsck.fat find an ISO in order, sha256sum and tar its system image", () => {
  const folder = scratch();
  smallImage(folder);
  const { path, esp } = medium(folder, "rayos.iso");
  const listed = run("xorriso", ["-indev", path, "-toc", "-find", "/", "-exec", "lsdl", "--"]);
  expect(listed.text).not.toMatch(COMPLAINT);
  expect(listed.text).toContain("Volume id    : 'RAYOS'");
  const torito = run("xorriso", ["-indev", path, "-report_el_torito", "plain"]).text;
  expect(torito).toMatch(new RegExp(`boot img : +1 +UEFI +y +none .* ${esp.first / 4}\n`));
  expectGoodTable(path, [{ number: 1, first: esp.first, last: esp.last }]);
  expectCleanFat(path, esp.first, esp.sectors);
  const out = join(folder, "out");
  run("xorriso", ["-osirrox", "on", "-indev", path, "-extract", "/", out]);
  expect(run("sha256sum", ["-c", SUM], { cwd: out }).text).toContain(`${IMAGE}: OK`);
  const tree = join(folder, "tree");
  run("mkdir", [tree]);
  const unpacked = run("tar", ["-xf", join(out, IMAGE), "-C", tree]);
  expect(unpacked.text).toBe("");
  const { text } = run("diff", ["-r", "--no-dereference", tree, join(folder, "image")]);
  expect(text).toBe("");
  const links = run("stat", ["-c", "%h", join(tree, "kernel.bin")]).stdout;
  expect(links).toBe("2\n");
  run("chmod", ["-R", "u+w", out]);
});

testWith(
  "mcopy",
  "mdir",
  "sha256sum",
  ...JUDGES,
)("sgdisk, fsck.fat and mtools find a USB medium in order", () => {
  const folder = scratch();
  smallImage(folder);
  const { path, esp } = medium(folder, "rayos-usb.img", ["--usb"]);
  expectGoodTable(path, [{ number: 1, first: esp.first, last: esp.last }]);
  expectCleanFat(path, esp.first, esp.sectors);
  const drive = `${path}@@${esp.first * 512}`;
  const env = { MTOOLSRC: "/dev/null" };
  expect(run("mdir", ["-i", drive, "-b", "::/EFI/RAYOS"], { env }).text).toContain("registry.json");
  for (const name of [SUM, IMAGE]) {
    expect(run("mcopy", ["-i", drive, `::/${name}`, folder], { env }).text).toBe("");
  }
  expect(run("sha256sum", ["-c", SUM], { cwd: folder }).text).toContain(`${IMAGE}: OK`);
});

testWith(...FIRMWARE_TOOLS, ...PAYLOAD_TOOLS)(
  "firmware starts the ISO from a CD and the USB medium; its disk is the one of the folder",
  async () => {
    const folder = scratch();
    const nonce = randomUUID();
    const script = [
      `echo "INITRD ${nonce}"`,
      "mount -t vfat -o ro $(findfs LABEL=RAYOSESP) /esp && cd /esp",
      'echo "REGISTRY $(grep installer_mode EFI/RAYOS/registry.json)"',
      `echo "SUM $(sha256sum -c ${SUM})"`,
      "cd /; umount /esp",
    ];
    writeRayosImage(join(folder, "image"), { nonce, script });
    const iso = medium(folder, "rayos.iso").path;
    const usb = medium(folder, "rayos-usb.img", ["--usb"]).path;
    const [cd, stick] = await Promise.all([
      bootDisk(iso, scratch(), { as: "cd", writes: "discard" }),
      bootDisk(usb, scratch(), { writes: "discard" }),
    ]);
    for (const console of [cd, stick]) {
      expect(console).toContain("BOOT installer");
      expect(console).toContain(`INITRD ${nonce}`);
    }
    expect(stick).toMatch(/REGISTRY +"installer_mode": true,/);
    expect(stick).toContain(`SUM ${IMAGE}: OK`);
    const disks = [join(folder, "image"), iso, usb].map((source, index) => {
      const target = join(folder, `disk${index}.img`);
      run("truncate", ["-s", "512M", target]);
      const sizes = ["--esp-size", "128MiB", "--system-size", "128MiB", "--seed", "s", "--yes"];
      const args = ["install", "--layout", "rayos", "--source", source, "--target", target];
      const { code, stderr } = diskwright([...args, ...sizes]);
      expect(code, stderr).toBe(0);
      return readFileSync(target);
    });
    expect(disks.map((disk) => disk.equals(disks[0] as Buffer))).toEqual([true, true, true]);
  },
);
