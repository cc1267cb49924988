/** RayOS disks of both layouts, made by the real command line and judged by other people's tools. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { diskwright } from "../support/cli.ts";
import { noise } from "../system/support.ts";
import { copyOutFat } from "./judges.ts";
import { run, scratch, testWith } from "./tools.ts";

const TOOLS = ["sgdisk", "fsck.fat", "mcopy", "e2fsck", "debugfs", "dd", "tar"];

/** A tree as RayOS's builder makes it, with links and modes, and its list of checksums. */
function imageIn(folder: string): string {
  const image = join(folder, "rayos-system-image");
  for (const inner of ["boot", "EFI/BOOT", "usr/bin", "etc"]) {
    mkdirSync(join(image, inner), { recursive: true });
  }
  writeFileSync(join(image, "kernel.bin"), noise(300_001, 1));
  writeFileSync(join(image, "boot/initrd"), noise(70_000, 2));
  writeFileSync(join(image, "EFI/BOOT/BOOTX64.EFI"), noise(5000, 3));
  writeFileSync(join(image, "usr/bin/tool"), noise(9001, 4), { mode: 0o4755 });
  spawnSync("chmod", ["4755", join(image, "usr/bin/tool")]);
  spawnSync("ln", ["-s", "usr/bin", join(image, "bin")]);
  spawnSync("ln", [join(image, "usr/bin/tool"), join(image, "usr/bin/again")]);
  writeFileSync(join(image, "VERSION"), "RayOS System Image\nBuild Date: Tue\n");
  writeFileSync(
    join(image, "MANIFEST"),
    "# what goes where\nkernel.bin /boot/kernel.bin\nboot/initrd /boot/initrd\n",
  );
  const files = ["kernel.bin", "boot/initrd", "EFI/BOOT/BOOTX64.EFI", "usr/bin/tool"];
  const rows = files.map((path) => `${sha(readFileSync(join(image, path)))}  /build/img/${path}`);
  const bogus = `${"0".repeat(64)}  /build/img/.checksums`;
  writeFileSync(join(image, ".checksums"), `${[...rows, bogus].join("\n")}\n`);
  return image;
}

function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** e2fsck says five passes and a summary, no more, and exits 0. */
function expectCleanExt4(image: string, firstLba: number): void {
  const { code, stdout, stderr } = run("e2fsck", ["-fn", `${image}?offset=${firstLba * 512}`]);
  expect(stdout.trimEnd().split("\n").slice(0, -1).join("\n")).toMatch(/^(Pass \d.*\n?){5}$/);
  expect(stderr).toMatch(/^e2fsck [\d.]+ .*\n$/);
  expect(code).toBe(0);
}

function catExt4(image: string, firstLba: number, path: string): string {
  const at = `${image}?offset=${firstLba * 512}`;
  return run("debugfs", ["-R", `cat ${path}`, at]).stdout;
}

function expectFat(image: string, firstLba: number, sectors: number): void {
  const part = `${image}.fat`;
  const [skip, count] = [firstLba / 2048, sectors / 2048];
  run("dd", [`if=${image}`, `of=${part}`, "bs=1M", `skip=${skip}`, `count=${count}`]);
  const { code, stdout } = run("fsck.fat", ["-n", part]);
  run("rm", [part]);
  expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(code).toBe(0);
}

function install(layout: string, source: string, target: string, ...more: string[]) {
  const args = ["install", "--layout", layout, "--source", source, "--target", target];
  return diskwright([...args, "--seed", "t", "--yes", "--json", ...more]);
}

function planned(
  stdout: string,
): { number: number; role: string; first: number; sectors: number }[] {
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return lines.find(({ event }) => event === "done").plan.partitions;
}

testWith(...TOOLS)(
  "a 256 GiB disk of layout rayos has the promised places and every judge's word",
  () => {
    const folder = scratch();
    const source = imageIn(folder);
    const image = join(folder, "d.img");
    run("truncate", ["-s", "256G", image]);
    const { code, stdout } = install("rayos", source, image);
    expect(code).toBe(0);
    expect(
      planned(stdout).map(({ number, first, sectors }) => [number, first, first + sectors - 1]),
    ).toEqual([
      [1, 2048, 1050623],
      [2, 1050624, 84936703],
      [3, 84936704, 536870878],
    ]);
    expect(run("sgdisk", ["-v", image]).text).toContain("No problems found");
    expectFat(image, 2048, 1048576);
    for (const lba of [1050624, 84936704]) expectCleanExt4(image, lba);
    const out = join(folder, "out");
    mkdirSync(out);
    copyOutFat(image, out);
    const kernel = readFileSync(join(source, "kernel.bin"));
    for (const slot of ["current", "previous", "recovery"]) {
      expect(Buffer.compare(readFileSync(join(out, "EFI/RAYOS", slot, "kernel.efi")), kernel)).toBe(
        0,
      );
    }
    const at = `${image}?offset=${1050624 * 512}`;
    const listed = run("debugfs", ["-R", "stat /usr/bin/tool", at]).stdout;
    expect(listed).toMatch(/Mode: +04755/);
    expect(listed).toMatch(/Links: 2/);
    expect(run("debugfs", ["-R", `dump /boot/kernel.bin ${join(folder, "k")}`, at]).code).toBe(0);
    expect(Buffer.compare(readFileSync(join(folder, "k")), kernel)).toBe(0);
    expect(catExt4(image, 1050624, "/RAYOS_INSTALLATION_MARKER")).toBe(
      "RayOS installed at 946684800\n",
    );
    expect(catExt4(image, 1050624, "/usr/share/rayos/VERSION")).toContain("RayOS System Image");
    // Sparse: what is not written takes no room.
    expect(statSync(image).blocks * 512).toBeLessThan(200 * 2 ** 20);
  },
);

testWith(
  ...TOOLS,
  "zstd",
  "gzip",
)("folder, tar, tar.gz and tar.zst of one tree install alike", () => {
  const folder = scratch();
  const source = imageIn(folder);
  const packed = (name: string, ...flags: string[]) => {
    const tar = join(folder, name);
    const tree = ["-C", folder, "rayos-system-image"];
    const root = ["--owner=0", "--group=0", "--format=pax", "--sort=name"];
    expect(run("tar", [...flags, ...root, "-cf", tar, ...tree]).code).toBe(0);
    return tar;
  };
  const sources = [source, packed("a.tar"), packed("b.bin", "-z"), packed("c.bin", "--zstd")];
  const found = sources.map((each, index) => {
    const image = join(folder, `d${index}.img`);
    run("truncate", ["-s", "200M", image]);
    const { code, stdout } = install(
      "rayos",
      each,
      image,
      "--esp-size",
      "33MiB",
      "--system-size",
      "64MiB",
    );
    expect(stdout).toContain('"done"');
    expect(code).toBe(0);
    const lba = 2048 + 33 * 2048;
    expectCleanExt4(image, lba);
    return catExt4(image, lba, "/var/rayos/install/manifest.json").split("\n").sort().join("\n");
  });
  expect(new Set(found).size).toBe(1);
  expect(found[0]).toContain(sha(readFileSync(join(source, "usr/bin/tool"))));
});

testWith(...TOOLS)(
  "layout rayos-full: six partitions that every judge takes, and recovery starts alone",
  () => {
    const folder = scratch();
    const image = join(folder, "d.img");
    run("truncate", ["-s", "300M", image]);
    const sizes = ["--esp-size", "33MiB", "--system-size", "64MiB", "--state-size", "8MiB"];
    const more = ["--log-size", "4MiB", "--recovery-size", "40MiB"];
    const { code, stdout } = install("rayos-full", imageIn(folder), image, ...sizes, ...more);
    expect(code).toBe(0);
    expect(run("sgdisk", ["-v", image]).text).toContain("No problems found");
    const places = planned(stdout);
    const of = (role: string) => places.find((each) => each.role === role) as (typeof places)[0];
    expect(of("pool").number).toBe(3);
    for (const role of ["esp", "recovery"]) expectFat(image, of(role).first, of(role).sectors);
    for (const role of ["system", "pool"]) expectCleanExt4(image, of(role).first);
    const recovery = `${image}@@${of("recovery").first * 512}`;
    const listed = run("mdir", ["-/", "-b", "-i", recovery, "::/"]).stdout;
    expect(listed).toContain("::/EFI/BOOT/BOOTX64.EFI");
    expect(listed).toContain("::/EFI/RAYOS/recovery/kernel.efi");
    expect(listed).toContain("::/loader/entries/rayos-recovery.conf");
  },
);

testWith(...TOOLS)(
  "the old table is saved before anything is written, and gpt restore brings it back",
  () => {
    const folder = scratch();
    const image = join(folder, "d.img");
    run("truncate", ["-s", "200M", image]);
    expect(run("sgdisk", ["-n", "1:2048:+50M", "-c", "1:former", image]).code).toBe(0);
    const before = run("sgdisk", ["-p", image]).stdout;
    copyFileSync(image, join(folder, "copy.img"));
    const sizes = ["--esp-size", "33MiB", "--system-size", "64MiB", "--erase"];
    expect(install("rayos", imageIn(folder), image, ...sizes).code).toBe(0);
    expect(run("sgdisk", ["-p", image]).stdout).not.toContain("former");
    const restored = diskwright(["gpt", "restore", image, `${image}.gpt-backup`, "--yes"]);
    expect(restored.stderr).not.toContain("EINVAL");
    expect(restored.code).toBe(0);
    expect(run("sgdisk", ["-p", image]).stdout).toBe(before);
  },
);

testWith(...TOOLS, "mkfs.fat")(
  "an ESP of mkfs.fat that RayOS shares is clean, and keeps what another system has there",
  () => {
    const folder = scratch();
    const image = join(folder, "d.img");
    const [first, sectors] = [2048, 64 * 2048];
    run("truncate", ["-s", "300M", image]);
    const table = ["-n", `1:${first}:+64M`, "-t", "1:ef00", "-n", "2:0:+8M", image];
    expect(run("sgdisk", table).code).toBe(0);
    const volume = `${image}@@1M`;
    const place = ["--offset", String(first), "-F", "32", "-s", "1", "-n", "SYSTEM"];
    expect(run("mkfs.fat", [...place, image, String(sectors / 2)]).code).toBe(0);
    const loader = join(folder, "their loader.efi");
    writeFileSync(loader, noise(70_001, 9));
    expect(run("mmd", ["-i", volume, "::EFI", "::EFI/Vendor", "::EFI/BOOT"]).code).toBe(0);
    const theirs = ["EFI/Vendor/their loader.efi", "EFI/BOOT/BOOTX64.EFI"];
    for (const path of theirs) {
      expect(run("mcopy", ["-i", volume, loader, `::${path}`]).code).toBe(0);
    }
    const sizes = ["--system-size", "64MiB", "--free", "--esp", "1"];
    const { code, stdout } = install("rayos", imageIn(folder), image, ...sizes);
    expect(code, stdout).toBe(0);
    expect(run("sgdisk", ["-v", image]).text).toContain("No problems found");
    expectFat(image, first, sectors);
    const out = join(folder, "out");
    mkdirSync(out);
    copyOutFat(image, out);
    const content = (path: string) => sha(readFileSync(join(out, path)));
    for (const path of theirs) expect(content(path), path).toBe(sha(noise(70_001, 9)));
    expect(content("EFI/RAYOS/current/kernel.efi")).toBe(sha(noise(300_001, 1)));
    expect(content("EFI/systemd/systemd-bootx64.efi")).toBe(sha(noise(5000, 3)));
    expect(readFileSync(join(out, "loader/entries/rayos+3.conf"), "utf8")).toContain("title RayOS");
  },
);
