/**
 * The Linux kernel and we change the same volumes of mke2fs in turn, all on one disk and in one
 * boot: what we changed, and what a cut has left of our journal, the kernel mounts, lists and
 * changes; then we read that, change it again, and e2fsck has no complaint.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { openForChange } from "../support/ext4-changes.ts";
import {
  changeModel,
  changeVolume,
  type Ext4Step,
  type ModelTree,
  picture,
  treeOf,
} from "../support/ext4-model.ts";
import { EXT4_JUDGES, expectCleanExt4 } from "./ext4-judges.ts";
import { fileOf, KINDS, recorded, volumeOf } from "./ext4-volumes.ts";
import { bootKernel } from "./firmware.ts";
import { initHead, initramfs, kernelPath, PAYLOAD_TOOLS } from "./payload.ts";
import { scratch, testWith } from "./tools.ts";

const VOLUME_BYTES = 24 * 2 ** 20;
const CUTS_OF_A_KIND = 6;
/** The superblock's `s_feature_incompat` and its bit of a journal that is to be replayed. */
const INCOMPAT_AT = 1024 + 0x60;
const NEEDS_RECOVERY = 0x4;

/** A volume and what must be found on it. */
interface Case {
  readonly name: string;
  readonly device: MemoryDevice;
  readonly tree: ModelTree;
}

testWith(
  "qemu-system-x86_64",
  "mke2fs",
  ...EXT4_JUDGES,
  ...PAYLOAD_TOOLS,
)("what we changed the Linux kernel reads, replays and changes, and we again", async () => {
  const cases = KINDS.flatMap(([name, flags]) => [changed(name, flags), ...cutOf(name, flags)]);
  // Each kind has left journals that are to be replayed.
  expect(cases.length).toBeGreaterThan(3 * KINDS.length);
  const folder = scratch();
  const disk = join(folder, "volumes.img");
  const file = openSync(disk, "w+");
  for (const [index, { device }] of cases.entries()) {
    writeSync(file, device.peek(0, VOLUME_BYTES), 0, VOLUME_BYTES, index * VOLUME_BYTES);
  }
  const said = await bootKernel(bootFiles(folder, cases.length), [disk], { writable: true });
  const heard = [...said.matchAll(/VOLUME (\d+) ([0-9a-f]{64})/g)].map(([, , hash]) => hash);
  const wanted = cases.map(({ tree }) => createHash("sha256").update(listing(tree)).digest("hex"));
  expect(heard, said).toEqual(wanted);
  for (const [index, { name, tree }] of cases.entries()) {
    const bytes = new Uint8Array(VOLUME_BYTES);
    readSync(file, bytes, 0, VOLUME_BYTES, index * VOLUME_BYTES);
    const device = MemoryDevice.from(bytes, { name: "of the kernel" });
    expectCleanExt4(fileOf(device));
    const theirs = new Map(tree);
    theirs.set("/from linux", Buffer.from(`${index}\n`));
    theirs.set("/d", null);
    changeModel(theirs, { op: "rename", path: "/moved", to: "/d/here" });
    changeModel(theirs, { op: "remove", path: "/file" });
    const volume = openForChange(device);
    expect(picture(treeOf(volume)), name).toEqual(picture(theirs));
    const step: Ext4Step = { op: "put", path: "/from linux", bytes: 50_000, seed: index };
    expect(changeVolume(volume, step)).toBe(changeModel(theirs, step));
    expect(picture(treeOf(volume)), name).toEqual(picture(theirs));
    volume.close();
    expectCleanExt4(fileOf(device));
  }
  closeSync(file);
});

const FIRST: readonly Ext4Step[] = [
  { op: "put", path: "/file", bytes: 9000, seed: 1 },
  { op: "mkdirs", path: "/a/b" },
  ...Array.from({ length: 300 }, (_, index): Ext4Step => {
    const path = `/a/b/${index} ${"n".repeat((index * 7) % 60)}`;
    return { op: "put", path, bytes: (index * 31) % 400, seed: index };
  }),
];
const LATER: readonly Ext4Step[] = [
  { op: "put", path: "/file", bytes: 700_000, seed: 2 },
  { op: "rename", path: "/a/b", to: "/moved" },
  { op: "symlink", path: "/short", target: "moved/0 " },
  { op: "symlink", path: "/long", target: "t".repeat(204) },
  ...Array.from({ length: 100 }, (_, third): Ext4Step => {
    const index = third * 3;
    return { op: "remove", path: `/moved/${index} ${"n".repeat((index * 7) % 60)}` };
  }),
];

/** A volume with all the changes. */
function changed(name: string, flags: readonly string[]): Case {
  const device = volumeOf(flags);
  const volume = openForChange(device);
  const tree: ModelTree = new Map();
  for (const each of [...FIRST, ...LATER]) {
    expect(changeVolume(volume, each)).toBe(changeModel(tree, each));
  }
  volume.close();
  return { name, device, tree };
}

/** Volumes whose later changes stand in the journal alone, or half in their places. */
function cutOf(name: string, flags: readonly string[]): Case[] {
  const inner = volumeOf(flags);
  const tree: ModelTree = new Map();
  const before = openForChange(inner);
  for (const each of FIRST) expect(changeVolume(before, each)).toBe(changeModel(tree, each));
  before.close();
  const trace = recorded(inner);
  const volume = openForChange(trace.device);
  for (const each of LATER) expect(changeVolume(volume, each)).toBe(changeModel(tree, each));
  volume.flush();
  const after = picture(tree);
  const counts = Array.from({ length: trace.writes() + 1 }, (_, count) => count);
  const open = counts.filter((count) => {
    const cut = trace.cut(count);
    const incompat = new DataView(cut.peek(INCOMPAT_AT, 4).slice().buffer).getUint32(0, true);
    if ((incompat & NEEDS_RECOVERY) === 0) return false;
    return picture(treeOf(openForChange(cut))).join("\n") === after.join("\n");
  });
  const step = Math.ceil(open.length / CUTS_OF_A_KIND);
  return open
    .filter((_, index) => index % step === 0)
    .map((count) => ({ name: `${name}, cut at write ${count}`, device: trace.cut(count), tree }));
}

/** What the guest prints of a volume, as it would print it. */
function listing(tree: ModelTree): string {
  const found = [...tree].map(([path, node]) => ({ name: `.${path}`, node }));
  found.sort((one, other) => Buffer.compare(Buffer.from(one.name), Buffer.from(other.name)));
  const folders = found.filter(({ node }) => node === null).map(({ name }) => `${name}\n`);
  const sums = found.flatMap(({ name, node }) => {
    if (node === null || typeof node === "string") return [];
    return [`${createHash("sha256").update(node).digest("hex")}  ${name}\n`];
  });
  const targets = found.flatMap(({ node }) => (typeof node === "string" ? [`${node}\n`] : []));
  return [...folders, ...sums, ...targets].join("");
}

function bootFiles(folder: string, volumes: number): { kernel: string; initrd: string } {
  const initrd = join(folder, "initrd");
  const list = (type: string, command: string) =>
    `  find . -mindepth 1 -path ./lost+found -prune -o -type ${type} -print0 | sort -z | ${command}`;
  const init = [
    ...initHead(),
    "list() {",
    list("d", "tr '\\0' '\\n'"),
    list("f", "xargs -0 -r sha256sum"),
    list("l", "xargs -0 -r -n 1 readlink"),
    "}",
    `for i in $(seq 0 ${volumes - 1}); do`,
    `  losetup -o $((i * ${VOLUME_BYTES})) /dev/loop0 /dev/vda`,
    "  mount -t ext4 /dev/loop0 /system",
    '  echo "VOLUME $i $(cd /system && list | sha256sum)"',
    '  echo $i > "/system/from linux"; mkdir /system/d; mv /system/moved /system/d/here',
    "  rm /system/file",
    "  umount /system; losetup -d /dev/loop0",
    "done",
    "sync; poweroff -f",
    "",
  ].join("\n");
  writeFileSync(initrd, initramfs(join(folder, "initramfs"), init));
  return { kernel: kernelPath(), initrd };
}
