/**
 * A real boot payload: systemd-boot, Debian's cloud kernel, and an initramfs made here that prints
 * a nonce, a file of the ESP and the magics of the data region, then powers off.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { run } from "./tools.ts";

const DEBIAN = new URL("../../build/debian/", import.meta.url).pathname;
const LOADER = join(DEBIAN, "usr/lib/systemd/boot/efi/systemd-bootx64.efi");
const BUSYBOX = "/bin/busybox";
const MODULES = [
  "drivers/virtio/virtio_ring.ko",
  "drivers/virtio/virtio.ko",
  "drivers/virtio/virtio_pci_modern_dev.ko",
  "drivers/virtio/virtio_pci_legacy_dev.ko",
  "drivers/virtio/virtio_pci.ko",
  "drivers/block/virtio_blk.ko",
  "drivers/block/loop.ko",
  "fs/fat/fat.ko",
  "fs/fat/vfat.ko",
  "fs/nls/nls_cp437.ko",
  "fs/nls/nls_ascii.ko",
] as const;

/** What a test needs installed to make a payload; the loader stands for scripts/payload.mjs. */
export const PAYLOAD_TOOLS = ["cpio", "strip", BUSYBOX, LOADER] as const;

/** Where the initramfs finds the data region, in sectors of 512 bytes. */
const DATA_LBA = 264192;

/** Writes a boot folder: loader, kernel, initramfs with `nonce`, and a marker file on the ESP. */
export function writePayload(folder: string, nonce: string): void {
  const release = kernelRelease();
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  put("EFI/BOOT/marker.txt", `marker ${nonce}\n`);
  put("loader/loader.conf", "timeout 0\ndefault diskwright.conf\n");
  put(
    "loader/entries/diskwright.conf",
    `title Diskwright\nversion ${release}\nlinux /vmlinuz\ninitrd /initrd.img\n` +
      "options console=ttyS0 panic=1 quiet\n",
  );
  copyFileSync(LOADER, join(folder, "EFI/BOOT/BOOTX64.EFI"));
  copyFileSync(kernelPath(), join(folder, "vmlinuz"));
  const init = initScript(nonce);
  writeFileSync(join(folder, "initrd.img"), initramfs(`${folder}.initramfs`, init));
}

/** Puts loader and kernel at the two paths. */
export function copyBootParts(loader: string, kernel: string): void {
  for (const path of [loader, kernel]) mkdirSync(dirname(path), { recursive: true });
  copyFileSync(LOADER, loader);
  copyFileSync(kernelPath(), kernel);
}

/** Path of the kernel. */
export function kernelPath(): string {
  return join(DEBIAN, "boot", `vmlinuz-${kernelRelease()}`);
}

function kernelRelease(): string {
  const name = readdirSync(join(DEBIAN, "boot")).find((entry) => entry.startsWith("vmlinuz-"));
  if (name === undefined) throw new Error("run scripts/payload.mjs first: no kernel");
  return name.slice("vmlinuz-".length);
}

/** An initramfs, made in the folder `root`, with busybox, the modules and `init`. */
export function initramfs(root: string, init: string): Uint8Array {
  const release = kernelRelease();
  for (const name of ["bin", "dev", "proc", "sys", "esp", "system", "lib"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(root, "bin/busybox"));
  for (const module of MODULES) {
    const from = join(DEBIAN, "lib/modules", release, "kernel", module);
    if (!existsSync(from)) throw new Error(`the kernel package has no ${module}`);
    const to = join(root, "lib", module.slice(module.lastIndexOf("/") + 1));
    run("strip", ["--strip-debug", "-o", to, from]);
  }
  writeFileSync(join(root, "init"), init, { mode: 0o755 });
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  const archive = run("sh", ["-c", "cpio -o -H newc -R 0:0 --quiet | base64 -w0"], {
    cwd: root,
    input: `${names.join("\n")}\n`,
  });
  return gzipSync(Buffer.from(archive.stdout, "base64"));
}

/** The first lines of an init: commands, devices, serial console, modules. */
export function initHead(): string[] {
  const insert = MODULES.map((path) => `insmod /lib/${path.slice(path.lastIndexOf("/") + 1)}`);
  return [
    "#!/bin/busybox sh",
    "/bin/busybox --install -s /bin; export PATH=/bin",
    "mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev",
    "exec >/dev/ttyS0 2>&1",
    ...insert,
    "mdev -s 2>/dev/null; sleep 1",
  ];
}

function initScript(nonce: string): string {
  const magic = (lba: number) =>
    `$(dd if=/dev/vda bs=512 skip=${lba} count=1 2>/dev/null | head -c 8)`;
  return [
    ...initHead(),
    `echo "NONCE ${nonce}"`,
    'mount -t vfat -o ro /dev/vda1 /esp && echo "ESP $(cat /esp/EFI/BOOT/marker.txt)"',
    `echo "STORE ${magic(DATA_LBA)}"`,
    `echo "FILES ${magic(DATA_LBA + 256)}"`,
    "poweroff -f",
    "",
  ].join("\n");
}
