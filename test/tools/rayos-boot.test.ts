/**
 * Installed RayOS disks under real firmware: OVMF starts systemd-boot from the ESP, that a Linux
 * kernel, whose initramfs mounts the ext4 system partition by its label. What it prints comes from
 * that partition, so nothing but the installed disk can have said it.
 */
import { randomUUID } from "node:crypto";
import { constants, copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { diskwright } from "../support/cli.ts";
import { bootDisk, FIRMWARE_TOOLS } from "./firmware.ts";
import { PAYLOAD_TOOLS } from "./payload.ts";
import { type RayosImage, writeRayosImage } from "./rayos-payload.ts";
import { run, scratch, testWith } from "./tools.ts";

const tools = [...FIRMWARE_TOOLS, ...PAYLOAD_TOOLS, "e2fsck"];

/** Installs `image` on a sparse disk with a small system partition; its path. */
function installed(
  folder: string,
  image: RayosImage,
  layout: string,
  size: string,
  options: readonly string[] = [],
): string {
  const source = join(folder, "image");
  const disk = join(folder, "disk.img");
  writeRayosImage(source, image);
  run("truncate", ["-s", size, disk]);
  const sizes = ["--system-size", "256MiB", "--esp-size", "128MiB", "--recovery-size", "128MiB"];
  const { code, stderr } = diskwright([
    ...["install", "--layout", layout, "--source", source, "--target", disk, "--yes"],
    ...(layout === "rayos" ? sizes.slice(0, 4) : sizes),
    ...options,
  ]);
  expect(stderr).not.toContain("warning");
  expect(code).toBe(0);
  return disk;
}

/** The word behind `name` in each line that the guest printed of it. */
function said(console: string, name: string): string[] {
  return [...console.matchAll(new RegExp(`${name} (\\S+)`, "g"))].map(([, word]) => word ?? "");
}

for (const layout of ["rayos", "rayos-full"]) {
  testWith(...tools)(`${layout}: an installed disk boots to its system partition`, async () => {
    const folder = scratch();
    const nonce = randomUUID();
    const disk = installed(folder, { nonce }, layout, "6GiB");
    const console = await bootDisk(disk, folder, { writes: "discard" });
    expect(said(console, "BOOT")).toEqual(["current"]);
    expect(said(console, "NONCE")).toEqual([nonce]);
    expect(console).toMatch(/MARKER RayOS installed at \d+/);
    expect(said(console, "ENTRY")).toContain("rayos+2-1.conf");
  });
}

testWith(...tools)("what the guest writes, it reads after a reset, and e2fsck agrees", async () => {
  const folder = scratch();
  const nonce = randomUUID();
  const disk = installed(folder, { nonce, writing: true }, "rayos", "6GiB");
  const console = await bootDisk(disk, folder, { writes: "keep", resets: true });
  expect(console).toContain("WROTE");
  expect(said(console, "READ")).toEqual([nonce]);
  const { code, stdout } = run("e2fsck", ["-fn", `${disk}?offset=${systemOffset(disk)}`]);
  expect(stdout).not.toMatch(/fix|error/i);
  expect(code).toBe(0);
});

testWith(...tools)(
  "failing boots lead to the previous system and to recovery, as in the emulated machine",
  async () => {
    const folder = scratch();
    const nonce = randomUUID();
    const options = ["--kernel-options", "rayos.fail=current,previous"];
    const disk = installed(folder, { nonce }, "rayos", "6GiB", options);
    // The emulated machine takes the first two tries, and one is left to count down.
    for (let boot = 0; boot < 2; boot++) {
      expect(diskwright(["boot", disk, "--no-reset"]).code).toBe(1);
    }
    const emulated = join(folder, "emulated.img");
    copyFileSync(disk, emulated, constants.COPYFILE_FICLONE);
    const real = { writes: "keep", resets: true, timeoutMs: 500_000 } as const;
    const console = await bootDisk(disk, folder, real);
    const slots = ["current", "previous", "previous", "previous", "recovery"];
    expect(said(console, "BOOT")).toEqual(slots);
    expect(console.match(/FAILING/g)).toHaveLength(4);
    expect(said(console, "NONCE")).toEqual(slots.map(() => nonce));
    const { code, stdout } = diskwright(["boot", emulated]);
    expect(code).toBe(0);
    const titles = { current: "RayOS", previous: "RayOS (previous)", recovery: "RayOS (recovery)" };
    const started = [...stdout.matchAll(/^systemd-boot: starting (.*), /gm)].map(([, t]) => t);
    expect(started).toEqual(slots.map((slot) => titles[slot as keyof typeof titles]));
    // What both have left on the ESP is the same.
    const entries = [disk, emulated].map(
      (image) => diskwright(["fs", "ls", image, "loader/entries"]).stdout,
    );
    expect(entries[0]).toMatch(/rayos\+0-3\.conf/);
    expect(entries[0]).toMatch(/rayos-previous\+0-3\.conf/);
    const names = entries.map((text) => text.match(/rayos\S*\.conf/g)?.sort());
    expect(names[1]).toEqual(names[0]);
  },
  600_000,
);

function systemOffset(disk: string): number {
  const { stdout } = diskwright(["gpt", "print", disk, "--json"]);
  const { partitions } = JSON.parse(stdout) as { partitions: { firstLba: number }[] };
  return (partitions[1]?.firstLba ?? 0) * 512;
}
