/**
 * 200 random trees, written by us and read by e2fsck, debugfs and the Linux kernel, which has all of
 * them on one disk, one volume behind the other, in a single boot.
 *
 * The kernel's side is a busybox: it lists each volume in a form that this test makes too, and says
 * the hash of the list.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import { finish } from "../../host/base/work.ts";
import { buildExt4, type Ext4Entry } from "../../host/core/media/ext4-build.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { bytesOf, type Described, describeTree, ext4Tree } from "../support/ext4-trees.ts";
import { bootKernel } from "./firmware.ts";
import { initHead, initramfs, kernelPath, PAYLOAD_TOOLS } from "./payload.ts";
import { run, scratch, testWith } from "./tools.ts";

const TREES = 200;
const SEED = 20_261_129;
const VOLUME_MIB = 64;
const VOLUME_SECTORS = VOLUME_MIB * 2048;
/** Types in st_mode. */
const TYPES = {
  ...{ fifo: 0o010000, chardev: 0o020000, directory: 0o040000, blockdev: 0o060000 },
  ...{ file: 0o100000, symlink: 0o120000, socket: 0o140000 },
} as const;

testWith(
  "qemu-system-x86_64",
  "e2fsck",
  "debugfs",
  ...PAYLOAD_TOOLS,
)(
  `${TREES} random trees read back equal by e2fsck, debugfs and the Linux kernel (seed ${SEED})`,
  async () => {
    const folder = scratch();
    const disk = join(folder, "trees.img");
    const trees = fc.sample(ext4Tree, { numRuns: TREES, seed: SEED });
    writeVolumes(disk, trees);
    const judged = trees.map((_, index) => {
      const where = `${disk}?offset=${index * VOLUME_MIB * 2 ** 20}`;
      const { code, stdout } = run("e2fsck", ["-fn", where]);
      const lines = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("Pass "));
      return code === 0 && lines.length === 1 ? "clean" : `${index}: ${code} ${stdout}`;
    });
    expect(judged).toEqual(trees.map(() => "clean"));
    for (const [index, tree] of trees.entries()) expectDebugfsAgrees(disk, index, tree, folder);
    const said = await bootKernel(bootFiles(folder), [disk]);
    const heard = [...said.matchAll(/TREE (\d+) ([0-9a-f]{64})/g)].map(([, , hash]) => hash);
    const wanted = trees.map((tree) => createHash("sha256").update(listing(tree)).digest("hex"));
    expect(heard).toEqual(wanted);
  },
);

function writeVolumes(disk: string, trees: readonly (readonly Ext4Entry[])[]): void {
  const device = FileDevice.create(disk, { size: trees.length * VOLUME_MIB * 2 ** 20 });
  const media = new MediaCore();
  const id = media.attach(device);
  for (const [index, entries] of trees.entries()) {
    const place = { baseSector: index * VOLUME_SECTORS, sectors: VOLUME_SECTORS };
    const names = { uuid: bytesOf(index + 1, 16), hashSeed: bytesOf(index + 2, 16) };
    finish(buildExt4(media, id, { ...place, ...names, timestampMs: 1.7e12, entries }));
  }
  device.close();
}

/** Content, owner and mode of each file, by debugfs: one process for a whole volume. */
function expectDebugfsAgrees(
  disk: string,
  index: number,
  entries: readonly Ext4Entry[],
  folder: string,
): void {
  const files = [...describeTree(entries)].filter(([path, { kind }]) => {
    // debugfs splits its commands at blanks, and has its own use for quotes.
    return kind === "file" && /^[\w./+-]+$/.test(path);
  });
  const out = join(folder, "dumped");
  mkdirSync(out, { recursive: true });
  const commands = files.flatMap(([path], at) => [
    `stat "/${path}"`,
    `dump "/${path}" ${out}/${at}`,
  ]);
  const script = join(folder, "commands");
  writeFileSync(script, `${commands.join("\n")}\n`);
  const where = `${disk}?offset=${index * VOLUME_MIB * 2 ** 20}`;
  const { stdout } = run("debugfs", ["-f", script, where]);
  const owners = [...stdout.matchAll(/Mode: +(\d+).*\n.*\nUser: +(\d+) +Group: +(\d+)/g)];
  expect(owners.map(([, mode, uid, gid]) => [Number.parseInt(mode ?? "", 8), uid, gid])).toEqual(
    files.map(([, { mode, uid, gid }]) => [mode, String(uid), String(gid)]),
  );
  const sums = run("sh", ["-c", `cd ${out} && sha256sum $(seq 0 ${files.length - 1})`]).stdout;
  if (files.length > 0) {
    expect(
      sums
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(0, 64)),
    ).toEqual(files.map(([, { content }]) => createHash("sha256").update(content).digest("hex")));
  }
  run("rm", ["-r", out]);
}

/** What the guest prints of a volume, as it would print it. */
function listing(entries: readonly Ext4Entry[]): Buffer {
  const found = [...describeTree(entries)]
    .map(([path, described]) => ({ name: Buffer.from(`./${path}`), ...described }))
    .sort((one, other) => Buffer.compare(one.name, other.name));
  const lines: (string | Buffer)[] = [];
  for (const entry of found) lines.push(statLine(entry), entry.name, "\n");
  for (const { kind, content, name } of found) {
    if (kind !== "file") continue;
    lines.push(`${createHash("sha256").update(content).digest("hex")}  `, name, "\n");
  }
  for (const { kind, target } of found) if (kind === "symlink") lines.push(`${target}\n`);
  for (const { device, name } of found) {
    if (device === undefined) continue;
    lines.push(`${device.major.toString(16)}:${device.minor.toString(16)} `, name, "\n");
  }
  return Buffer.concat(lines.map((line) => Buffer.from(line)));
}

function statLine({ kind, mode, uid, gid, mtimeNs, links }: Described): string {
  const seconds = (mtimeNs - (((mtimeNs % NS) + NS) % NS)) / NS;
  return `${(TYPES[kind] | mode).toString(16)} ${uid} ${gid} ${seconds} ${links} `;
}

const NS = 1_000_000_000n;

function bootFiles(folder: string): { kernel: string; initrd: string } {
  const initrd = join(folder, "initrd");
  const list = (what: string, ...command: string[]) =>
    `  find . -mindepth 1 -path ./lost+found -prune -o ${what} -print0 | sort -z | ` +
    `xargs -0 -r ${command.join(" ")}`;
  const init = [
    ...initHead(),
    "list() {",
    list("", "stat -c '%f %u %g %Y %h %n'"),
    list("-type f", "sha256sum"),
    list("-type l", "-n 1 readlink"),
    list("\\( -type c -o -type b \\)", "stat -c '%t:%T %n'"),
    "}",
    `for i in $(seq 0 ${TREES - 1}); do`,
    `  losetup -r -o $((i * ${VOLUME_MIB * 2 ** 20})) /dev/loop0 /dev/vda`,
    "  mount -t ext4 -o ro /dev/loop0 /system",
    '  echo "TREE $i $(cd /system && list | sha256sum)"',
    "  umount /system; losetup -d /dev/loop0",
    "done",
    "poweroff -f",
    "",
  ].join("\n");
  writeFileSync(initrd, initramfs(join(folder, "initramfs"), init));
  return { kernel: kernelPath(), initrd };
}
