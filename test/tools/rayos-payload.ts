/**
 * A real RayOS system image: systemd-boot, Debian's cloud kernel and an initramfs that mounts the
 * system partition by its label and tells what it finds there. What the guest does is asked for by
 * files of the image, so that the disk alone decides. Where its kernel options say that it fails
 * (`rayos.fail=SLOTS`), it resets the machine.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { copyBootParts, initHead, initramfs } from "./payload.ts";

export interface RayosImage {
  /** Content of /etc/nonce on the system partition. */
  readonly nonce: string;
  /** The guest writes a file, resets, and reads it in the next boot. */
  readonly writing?: boolean;
  /** Shell lines that the guest runs with the system partition at /system, read-only. */
  readonly script?: readonly string[];
}

/** Writes a system image in the form of RayOS: MANIFEST, VERSION, checksums and what they name. */
export function writeRayosImage(folder: string, image: RayosImage): void {
  const put = (path: string, content: string | Uint8Array) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  copyBootParts(join(folder, "EFI/BOOT/BOOTX64.EFI"), join(folder, "kernel.bin"));
  put("boot/initrd", initramfs(`${folder}.initramfs`, initScript(image)));
  put("etc/nonce", `${image.nonce}\n`);
  if (image.writing) put("etc/guest-writes", "");
  put("VERSION", "RayOS system image\nBuild Date: test\nKernel: cloud\nInitrd: busybox\n");
  const rows = [
    ["kernel.bin", "/boot/kernel.bin"],
    ["boot/initrd", "/boot/initrd"],
    ["EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/BOOTX64.EFI"],
  ];
  put("MANIFEST", `# source  place\n${rows.map((row) => row.join("\t")).join("\n")}\n`);
  const sums = ["kernel.bin", "boot/initrd", "EFI/BOOT/BOOTX64.EFI", "etc/nonce"].map((path) => {
    const digest = createHash("sha256")
      .update(readFileSync(join(folder, path)))
      .digest("hex");
    return `${digest}  /build/rayos-system-image/${path}\n`;
  });
  put(".checksums", sums.join(""));
}

/** What the guest prints is what the tests wait for. */
function initScript({ script = [] }: RayosImage): string {
  return [
    ...initHead(),
    "MODE=$(sed -n 's/.*rayos\\.boot=\\([a-z]*\\).*/\\1/p' /proc/cmdline)",
    'echo "BOOT $MODE"',
    "mount -t ext4 -o ro $(findfs LABEL=RAYOS_SYSTEM) /system",
    'echo "NONCE $(cat /system/etc/nonce)"',
    'echo "MARKER $(cat /system/RAYOS_INSTALLATION_MARKER)"',
    "mount -t vfat -o ro $(findfs LABEL=RAYOS_ESP) /esp",
    "ls /esp/loader/entries | sed 's/^/ENTRY /'",
    "umount /esp",
    ...script,
    "FAILS=$(sed -n 's/.*rayos\\.fail=\\([a-z,]*\\).*/\\1/p' /proc/cmdline)",
    'case ",$FAILS," in *",$MODE,"*) echo "FAILING"; umount /system; reboot -f ;; esac',
    "if [ -e /system/var/guest ]; then",
    '  echo "READ $(cat /system/var/guest)"',
    "elif [ -e /system/etc/guest-writes ]; then",
    "  mount -o remount,rw /system",
    "  cat /system/etc/nonce > /system/var/guest",
    "  sync; umount /system",
    '  echo "WROTE"; reboot -f',
    "fi",
    "umount /system",
    "poweroff -f",
    "",
  ].join("\n");
}
