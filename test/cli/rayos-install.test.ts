/** `rayos-installer` on image files: real installations through the real program. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { INSTALLER, rayosInstaller } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();
const MIB = 2 ** 20;
const SMALL = ["--esp-size", "64MiB", "--system-size", "96MiB"];

function image(sizeBytes: number): string {
  const path = fresh("disk.img");
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  return path;
}

function system(fileBytes = 1000): string {
  const folder = fresh("system");
  mkdirSync(join(folder, "EFI/BOOT"), { recursive: true });
  writeFileSync(join(folder, "kernel.bin"), "kernel");
  writeFileSync(join(folder, "EFI/BOOT/BOOTX64.EFI"), "loader");
  writeFileSync(join(folder, "large"), Buffer.alloc(fileBytes, "content "));
  return folder;
}

function install(args: readonly string[], path: string) {
  return rayosInstaller([...args, "--interactive", path], `1\nyes\n${basename(path)}\n`);
}

function markers(stderr: string): string[] {
  const found = stderr.split("\n").filter((line) => line.includes("RAYOS_INSTALLER"));
  for (const line of found) expect(line).toMatch(/^RAYOS_INSTALLER:[^\r]*$/);
  return found.map((line) => line.replace("RAYOS_INSTALLER:", ""));
}

function opening(path: string, sizeBytes: number): string[] {
  return [
    "STARTED",
    "ENUMERATE_MODE",
    `DISK_DETECTED:${basename(path)}:${sizeBytes}`,
    "PLAN_GENERATED:disk_count=1",
    "INTERACTIVE_MODE",
  ];
}

function sizesOf(path: string): (number | null)[] {
  const plan = JSON.parse(rayosInstaller([path]).stdout);
  return plan.disks[0].partitions.map(({ size_bytes }: { size_bytes: number }) => size_bytes);
}

describe("an installation through the real program", () => {
  test("three answers install; the plan then shows it; and it is not replaced unasked", () => {
    const path = image(512 * MIB);
    const source = system();
    const { code, stderr } = install([...SMALL, "--source", source], path);
    expect(code, stderr).toBe(0);
    const pool = sizesOf(path)[2];
    expect(markers(stderr)).toEqual([
      ...opening(path, 512 * MIB),
      "INSTALL_BEGIN",
      `PARTITION_CREATED:1:${64 * MIB}`,
      `PARTITION_CREATED:2:${96 * MIB}`,
      `PARTITION_CREATED:3:${pool}`,
      `INSTALL_COMPLETE:${basename(path)}`,
      `INSTALLATION_PLAN_VALIDATED:disk=${basename(path)}`,
      "INSTALLATION_SUCCESSFUL",
      "INTERACTIVE_COMPLETE",
    ]);
    expect(sizesOf(path).slice(0, 2)).toEqual([64 * MIB, 96 * MIB]);
    const before = readFileSync(path);
    const again = install([...SMALL, "--source", source, "--erase"], path);
    expect(again.code).toBe(1);
    expect(markers(again.stderr).at(-1)).toMatch(/^INSTALLATION_FAILED:reason=.*--reinstall/);
    expect(readFileSync(path).equals(before)).toBe(true);
    const replaced = install([...SMALL, "--source", source, "--force"], path);
    expect(replaced.code, replaced.stderr).toBe(0);
    const { stdout } = rayosInstaller([path, "--list-disks"]);
    expect(stdout).toMatch(/installed: RayOS/);
  });

  test("rayos-full makes six partitions", () => {
    const path = image(512 * MIB);
    const sizes = ["--state-size", "32MiB", "--log-size", "8MiB", "--recovery-size", "64MiB"];
    const args = [...SMALL, ...sizes, "--layout", "rayos-full"];
    const { code, stderr } = install(args, path);
    expect(code, stderr).toBe(0);
    const created = markers(stderr).filter((line) => line.startsWith("PARTITION_CREATED"));
    const numbers = created.map((line) => Number(line.split(":")[1]));
    expect(numbers.sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(sizesOf(path)).toHaveLength(6);
  });

  test("too small: the smallest size that would do is said, and nothing is written", () => {
    const path = image(512 * MIB);
    const { code, stderr } = install([], path);
    expect(code).toBe(1);
    expect(markers(stderr).at(-1)).toMatch(/^INSTALLATION_FAILED:reason=.*42 ?GiB/);
    expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
  });

  test("not blank: --erase is named, and given it installs", () => {
    const path = image(512 * MIB);
    writeFileSync(path, "something", { flag: "r+" });
    const { code, stderr } = install(SMALL, path);
    expect(code).toBe(1);
    expect(markers(stderr).at(-1)).toMatch(/^INSTALLATION_FAILED:reason=.*--erase/);
    expect(install([...SMALL, "--erase"], path).code).toBe(0);
  });

  test("a third answer that is not the name cancels, and nothing is written", () => {
    const path = image(512 * MIB);
    const { code, stderr } = rayosInstaller([...SMALL, "--interactive", path], "1\nyes\nyes\n");
    expect(code).toBe(0);
    expect(markers(stderr).slice(-2)).toEqual(["INTERACTIVE_CANCELLED", "INTERACTIVE_COMPLETE"]);
    expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
  });

  test("SIGINT on the way: 130, and the command that it prints goes on", async () => {
    const path = image(1024 * MIB);
    const sizes = ["--esp-size", "64MiB", "--system-size", "512MiB"];
    const args = [...sizes, "--source", system(200 * MIB), "--interactive", path];
    const { code, stderr } = await interrupted(args, `1\nyes\n${basename(path)}\n`);
    expect(code).toBe(130);
    expect(markers(stderr).slice(-2)).toEqual([
      "INSTALL_FAILED:stopped by the user",
      "INSTALLATION_FAILED:reason=stopped by the user",
    ]);
    expect(stderr).toMatch(/^Stopped\. To go on .*rayos-installer .*--resume$/m);
    const resumed = rayosInstaller([...args, "--resume"], `1\nyes\n${basename(path)}\n`);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(sizesOf(path)).toHaveLength(3);
  });

  test("--resume where nothing was cut short is refused", () => {
    const { code, stderr } = install([...SMALL, "--resume"], image(512 * MIB));
    expect(code).toBe(1);
    expect(markers(stderr).at(-1)).toMatch(/^INSTALLATION_FAILED:reason=/);
  });

  test("without questions, by a registry file", () => {
    const path = image(512 * MIB);
    const registry = fresh("registry.json");
    const installer = { disk: { name: basename(path) }, hostname: "desk" };
    writeFileSync(registry, JSON.stringify({ installer_mode: true, installer }));
    const { code, stderr } = rayosInstaller([...SMALL, "--registry", registry, "--yes", path]);
    expect(code, stderr).toBe(0);
    expect(markers(stderr).slice(-4)).toEqual([
      `INSTALL_COMPLETE:${basename(path)}`,
      `INSTALLATION_PLAN_VALIDATED:disk=${basename(path)}`,
      "INSTALLATION_SUCCESSFUL",
      "COMPLETE",
    ]);
    expect(JSON.parse(readFileSync(registry, "utf8")).installer_mode).toBe(false);
  });
});

/** Starts an installation and interrupts it once it has begun. */
function interrupted(args: readonly string[], input: string) {
  const child = spawn(process.execPath, [INSTALLER, ...args]);
  let stderr = "";
  let sent = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    if (sent || !stderr.includes("PARTITION_CREATED:1")) return;
    sent = true;
    child.kill("SIGINT");
  });
  child.stdin.end(input);
  return new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, stderr }));
  });
}
