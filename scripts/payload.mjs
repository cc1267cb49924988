/**
 * Fetches what a real boot payload is made of, as Debian packages, without installing them:
 * systemd-boot and a cloud kernel, unpacked under build/debian. The tool tests boot disks with it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve("build/debian");
const loader = join(folder, "usr/lib/systemd/boot/efi/systemd-bootx64.efi");
const kernels = () =>
  existsSync(join(folder, "boot"))
    ? readdirSync(join(folder, "boot")).filter((name) => name.startsWith("vmlinuz-"))
    : [];

if (!existsSync(loader) || kernels().length === 0) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const depends = execFileSync("apt-cache", ["depends", "linux-image-cloud-amd64"], {
    encoding: "utf8",
  });
  // The kernel's package changes its name with each point release.
  const kernel = /Depends: (linux-image-\S+-cloud-amd64)/.exec(depends)?.[1];
  if (kernel === undefined) throw new Error("linux-image-cloud-amd64 names no kernel package");
  execFileSync("apt-get", ["download", "-q", "systemd-boot-efi", kernel], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".deb"))) {
    execFileSync("dpkg", ["-x", name, "."], { cwd: folder, stdio: "inherit" });
    rmSync(join(folder, name));
  }
}
process.stdout.write(`payload parts in build/debian: systemd-boot, ${kernels().join(", ")}\n`);
