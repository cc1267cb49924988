/** Media of RayOS through the real program: made, installed from, and booted in the machine. */
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseOptions } from "../../host/cli/installer/options.ts";
import { diskwright, diskwrightJson, rayosInstaller } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";
import { imageFolder, RAYOS_FILES } from "../system/rayos/support.ts";

const fresh = temporaryPaths();
/** Sparse; the layout's own sizes fit. */
const DISK_BYTES = 44 * 2 ** 30;

function blank(name = "target.img", bytes = DISK_BYTES): string {
  const path = fresh(name);
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

function medium(name: string, ...options: string[]): string {
  const path = fresh(name);
  const args = ["image", "mkmedia", path, "--layout", "rayos"];
  diskwrightJson([...args, "--payload", imageFolder(RAYOS_FILES), ...options]);
  return path;
}

function registry(content: unknown): string {
  const path = fresh("registry.json");
  writeFileSync(path, JSON.stringify(content));
  return path;
}

function markers(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => /^(RAYOS_INSTALLER|RayOS uefi_boot|machine):/.test(line));
}

const STARTED = [
  "RayOS uefi_boot: start",
  "RayOS uefi_boot: installer mode detected",
  "RayOS uefi_boot: loading installer binary...",
  "RayOS uefi_boot: installer loaded successfully",
  "RAYOS_INSTALLER:STARTED",
  "RAYOS_INSTALLER:ENUMERATE_MODE",
];
const KERNEL = [
  "RayOS uefi_boot: loading kernel...",
  "RayOS uefi_boot: binary read OK; exiting boot services",
];

test("boot DISK --cdrom ISO: the questions on a pipe, the installation, and the disk boots", () => {
  const iso = medium("rayos.iso");
  const target = blank();
  const name = basename(target);
  const installed = diskwright(["boot", target, "--cdrom", iso], `1\nyes\n${name}\n`);
  expect(installed.code, installed.stderr).toBe(0);
  expect(markers(installed.stdout)).toEqual([
    ...STARTED,
    `RAYOS_INSTALLER:DISK_DETECTED:${name}:${DISK_BYTES}`,
    "RAYOS_INSTALLER:PLAN_GENERATED:disk_count=1",
    "RAYOS_INSTALLER:INTERACTIVE_MODE",
    "RAYOS_INSTALLER:BOOT:USB",
    "RAYOS_INSTALLER:INSTALL_BEGIN",
    `RAYOS_INSTALLER:PARTITION_CREATED:1:${2 ** 29}`,
    `RAYOS_INSTALLER:PARTITION_CREATED:2:${40 * 2 ** 30}`,
    expect.stringMatching(/PARTITION_CREATED:3:/),
    `RAYOS_INSTALLER:INSTALL_COMPLETE:${name}`,
    `RAYOS_INSTALLER:INSTALLATION_PLAN_VALIDATED:disk=${name}`,
    "RAYOS_INSTALLER:INSTALLATION_SUCCESSFUL",
    "RAYOS_INSTALLER:INTERACTIVE_COMPLETE",
    "RayOS uefi_boot: installer_mode not cleared: the medium is read-only",
    "machine: reset",
    "RayOS uefi_boot: start",
    ...KERNEL,
  ]);
  const again = diskwright(["boot", target]);
  expect(markers(again.stdout)).toEqual(["RayOS uefi_boot: start", ...KERNEL]);
  expect(again.code).toBe(0);
  const verify = diskwright(["install", "--layout", "rayos", "--verify", "--target", target]);
  expect(verify.code, verify.stderr).toBe(0);
});

test("a USB medium with a registry asks nothing, and starts the installer once", () => {
  const installer = { disk: { size_bytes_min: 2 ** 34 }, hostname: "desk" };
  const given = registry({ installer_mode: true, installer });
  const usb = medium("usb.img", "--usb", "--registry", given);
  const target = blank();
  const nvram = fresh("nvram");
  const args = ["boot", usb, "--disk", target, "--nvram", nvram];
  const installed = diskwright(args);
  expect(installed.code, installed.stdout).toBe(0);
  expect(markers(installed.stdout).slice(6)).toEqual([
    expect.stringMatching(/DISK_DETECTED:\d+-usb.img:/),
    `RAYOS_INSTALLER:DISK_DETECTED:${basename(target)}:${DISK_BYTES}`,
    "RAYOS_INSTALLER:PLAN_GENERATED:disk_count=2",
    "RAYOS_INSTALLER:INSTALL_BEGIN",
    ...[1, 2, 3].map((number) => expect.stringMatching(`PARTITION_CREATED:${number}:`)),
    `RAYOS_INSTALLER:INSTALL_COMPLETE:${basename(target)}`,
    `RAYOS_INSTALLER:INSTALLATION_PLAN_VALIDATED:disk=${basename(target)}`,
    "RAYOS_INSTALLER:INSTALLATION_SUCCESSFUL",
    "RAYOS_INSTALLER:COMPLETE",
    "RayOS uefi_boot: installer_mode cleared",
    "machine: reset",
    "RayOS uefi_boot: start",
    ...KERNEL,
  ]);
  const kept = diskwright(["fs", "cat", usb, "EFI/RAYOS/registry.json"]).stdout;
  expect(JSON.parse(kept)).toEqual({ installer_mode: false, installer });
  const hostname = diskwright(["fs", "cat", `${target}:2`, "etc/hostname"]);
  expect(hostname.stdout).toBe("desk\n");
  const next = diskwrightJson(args);
  expect(next).toMatchObject({ outcome: "checkpoint", loader: { disk: target, option: 0 } });
});

describe("nothing is installed", () => {
  // Each case finds it unchanged, so that one serves all.
  let made: string | undefined;

  test.each([
    ["0", "0\n", /^RAYOS_INSTALLER:INTERACTIVE_CANCELLED$/m],
    ["the end of input", "", /^Error: no number was given/m],
    ["the medium itself", "1\n", /INSTALLATION_FAILED:reason=\d+-usb.img is not available/],
    ["a disk that is too small", "2\n", /INSTALLATION_FAILED:reason=.*42 ?GiB/],
  ])("by the answer %s: the kernel starts, all disks are as they were", (_, input, said) => {
    made ??= medium("usb.img", "--usb");
    const usb = made;
    const target = blank("small.img", 2 ** 20);
    const before = readFileSync(usb);
    const { code, stdout } = diskwright(["boot", usb, "--disk", target], input);
    expect(stdout).toMatch(said);
    expect(markers(stdout).slice(-3)).toEqual([
      "RayOS uefi_boot: reason: nothing was installed",
      ...KERNEL,
    ]);
    expect(code).toBe(0);
    expect(statSync(target).blocks).toBe(0);
    expect(readFileSync(usb).equals(before)).toBe(true);
  });
});

test("mkmedia: what is missing, foreign or no registry: usage or refusal, and no file", () => {
  const out = fresh("m.iso");
  const payload = imageFolder(RAYOS_FILES);
  const off = registry({ installer_mode: false });
  const cases: [number, RegExp, string[]][] = [
    [2, /--boot <dir> is missing/, []],
    [2, /--registry is for --layout rayos/, ["--boot", payload, "--registry", off]],
    [2, /--kernel-options is for/, ["--boot", payload, "--kernel-options", "x"]],
    [4, /installer_mode is not true/, ["--layout", "rayos", "--registry", off]],
    [1, /ENOENT/, ["--layout", "rayos", "--registry", `${off}.missing`]],
    [1, /no boot loader '.*missing'/, ["--layout", "rayos", "--boot-loader", "missing"]],
    [1, /EINVAL.*label|label.*capital/i, ["--layout", "rayos", "--label", "small letters"]],
  ];
  for (const [code, words, more] of cases) {
    const outcome = diskwright(["image", "mkmedia", out, "--payload", payload, ...more]);
    expect(outcome.stderr).toMatch(words);
    expect(outcome.code, more.join(" ")).toBe(code);
    expect(statSync(out, { throwIfNoEntry: false })).toBeUndefined();
  }
});

test("install: a medium without a system image is refused, the target untouched", () => {
  const payload = fresh("payload");
  mkdirSync(join(payload, "x"), { recursive: true });
  const iso = fresh("other.iso");
  diskwrightJson(["image", "mkmedia", iso, "--boot", payload, "--payload", payload]);
  const target = blank();
  const args = ["--source", iso, "--target", target, "--yes"];
  const { code, stderr } = diskwright(["install", "--layout", "rayos", ...args]);
  expect(stderr).toMatch(/EMEDIUMTYPE: there is no system image 'rayos-system-image.tar'/);
  expect(code).toBe(1);
  expect(statSync(target).blocks).toBe(0);
});

test("both programs take both names of an option", () => {
  const names = {
    machineName: "box",
    timeZone: "Europe/Berlin",
    networking: true,
    autoboot: false,
  };
  const silent = { out: () => {}, err: () => {} };
  const source = imageFolder(RAYOS_FILES);
  const target = blank("small.img", 170 * 2 ** 20);
  const sizes = ["--esp-size", "33MiB", "--system-size", "64MiB", "--seed", "s"];
  const hashes = [
    ["--hostname", "--timezone", "--networking", "--no-autoboot"],
    ["--machine-name", "--time-zone", "--vm-networking", "--no-vm-autoboot"],
  ].map(([host = "", zone = "", network = "", start = ""]) => {
    const given = [host, "box", zone, "Europe/Berlin", network, start];
    const parsed = parseOptions(given, silent);
    expect(parsed).toMatchObject({ firstBoot: names });
    const args = ["install", "--layout", "rayos", "--source", source, "--target", target];
    const plan = diskwrightJson([...args, ...sizes, ...given, "--dry-run"]);
    return plan["hash"];
  });
  expect(hashes[0]).toBe(hashes[1]);
  const { code } = rayosInstaller(["--machine-name", "a", "--time-zone", "UTC"]);
  expect(code).toBe(0);
});

test("a registry with installer_layout: its partitions, in answer to questions and without any", () => {
  const layout = {
    ...{ layout: "rayos-full", esp_mib: 33, system_mib: 64 },
    ...{ state_mib: 4, log_mib: 1, recovery_mib: 33 },
  };
  const sizes = [33, 64, 4, 1, 33].map((mib) => mib * 2 ** 20);
  const settings = { disk: { size_bytes_min: 2 ** 20 } };
  for (const installer of [undefined, settings]) {
    const file = registry({ installer_mode: true, installer_layout: layout, installer });
    const iso = medium("rayos.iso", "--registry", file);
    const target = blank("target.img", 300 * 2 ** 20);
    const answers = installer === undefined ? `1\nyes\n${basename(target)}\n` : "";
    const { code, stdout, stderr } = diskwright(["boot", target, "--cdrom", iso], answers);
    expect(code, stderr).toBe(0);
    const created = [...stdout.matchAll(/PARTITION_CREATED:(\d):(\d+)/g)];
    const made = created.filter(([, number]) => number !== "3").map(([, , bytes]) => Number(bytes));
    expect(made, stdout).toEqual(sizes);
  }
  const bad = registry({ installer_mode: true, installer_layout: { layout: "none" } });
  const args = ["image", "mkmedia", fresh("bad.iso"), "--layout", "rayos", "--registry", bad];
  const refused = diskwright([...args, "--payload", imageFolder(RAYOS_FILES)]);
  expect(refused.stderr).toContain("installer_layout.layout");
  expect(refused.code).not.toBe(0);
});
