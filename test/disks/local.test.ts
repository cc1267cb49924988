/** Local disks from a folder like /sys/block, and what keeps an installer away from them. */
import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { partitionName } from "../../host/system/disks/disk.ts";
import { localDisks } from "../../host/system/disks/local.ts";
import { thisSystem } from "../../host/system/disks/system.ts";
import { temporaryPaths } from "../support/folder.ts";
import { block, type FakeMachine, fakeSystem, part } from "./support.ts";

const fresh = temporaryPaths();
const GIB_SECTORS = 2 ** 21;

function disksOf(machine: FakeMachine, installer = {}) {
  return localDisks(installer, fakeSystem(fresh("block"), machine));
}

/** Reasons by disk. */
function reasonsOf(machine: FakeMachine, installer = {}) {
  const { disks } = disksOf(machine, installer);
  return Object.fromEntries(
    disks.map(({ name, obstacles }) => [name, obstacles.map(({ reason }) => reason)]),
  );
}

test("what is no disk is skipped, and so are empty and hidden ones; the rest is sorted", () => {
  const names = ["loop0", "ram0", "dm-0", "zram0", "md0", "md127", "sr0", "nbd3"];
  const blocks = Object.fromEntries(
    [...names, "sdb", "sdaa", "sda", "nvme10n1", "nvme2n1", "mmcblk0"].map((name, index) => [
      name,
      block(`8:${index}`, GIB_SECTORS),
    ]),
  );
  const { disks } = disksOf({
    blocks: {
      ...blocks,
      sdz: block("8:100", 0),
      nvme0c0n1: block("8:101", GIB_SECTORS, { hidden: "1" }),
      mmcblk0boot0: block("8:102", 8192),
    },
  });
  const expected = ["mmcblk0", "nvme2n1", "nvme10n1", "sda", "sdaa", "sdb"];
  expect(disks.map(({ name }) => name)).toEqual(expected);
});

test("attributes, partitions in the order of their numbers, with places", () => {
  const { disks } = disksOf({
    blocks: {
      nvme0n1: block("259:0", 4 * GIB_SECTORS, {
        "device/model": "Fast One  ",
        "device/serial": "S-1",
        ...part("nvme0n1p10", "259:3", 10, 1_000_000, 2048),
        ...part("nvme0n1p2", "259:2", 2, 2048, 4096),
        "queue/rotational": "0",
      }),
      sdc: block("8:32", GIB_SECTORS, { removable: "1", ro: "1" }),
    },
  });
  expect(disks[0]).toEqual({
    kind: "local",
    name: "nvme0n1",
    devPath: "/dev/nvme0n1",
    isRemovable: false,
    isReadOnly: false,
    sizeBytes: 4 * 2 ** 30,
    model: "Fast One",
    serial: "S-1",
    partitions: [
      {
        name: "nvme0n1p2",
        devPath: "/dev/nvme0n1p2",
        number: 2,
        sizeBytes: 2 ** 21,
        firstSector: 2048,
      },
      {
        name: "nvme0n1p10",
        devPath: "/dev/nvme0n1p10",
        number: 10,
        sizeBytes: 2 ** 20,
        firstSector: 1_000_000,
      },
    ],
    obstacles: [],
  });
  expect(disks[1]).toMatchObject({ name: "sdc", isRemovable: true, isReadOnly: true });
  expect(disks[1]?.obstacles).toEqual([{ kind: "read-only", reason: "it is read-only" }]);
});

test("what sysfs does not say is null, and a name with a '!' is a path with a '/'", () => {
  const { disks } = disksOf({ blocks: { "cciss!c0d0": { dev: "104:0" } } });
  expect(disks[0]).toMatchObject({
    devPath: "/dev/cciss/c0d0",
    sizeBytes: null,
    isReadOnly: null,
    isRemovable: false,
  });
});

test.each([
  ["sda", 3, "sda3"],
  ["nvme0n1", 1, "nvme0n1p1"],
  ["mmcblk0", 2, "mmcblk0p2"],
  ["vda", 10, "vda10"],
])("partition of %s, number %i, is %s", (disk, number, name) => {
  expect(partitionName(disk, number)).toBe(name);
});

test("the disk of / is found through a partition, a mapped volume, RAID and a loop file", () => {
  const blocks = {
    sda: block("8:0", GIB_SECTORS, part("sda2", "8:2", 2, 2048, 4096)),
    sdb: block("8:16", GIB_SECTORS),
    sdc: block("8:32", GIB_SECTORS, part("sdc1", "8:33", 1, 2048, 4096)),
    sdd: block("8:48", GIB_SECTORS, part("sdd1", "8:49", 1, 2048, 4096)),
    md0: block("9:0", GIB_SECTORS, { "slaves/sda2": "", "slaves/sdb": "" }),
    "dm-0": block("253:0", GIB_SECTORS, { "slaves/md0": "" }),
    loop1: block("7:1", GIB_SECTORS, { "loop/backing_file": "/live/root.squashfs" }),
  };
  const root = "it holds / of the running system";
  const boot = "it holds /boot of the running system";
  const files = { "/live/root.squashfs": "8:33" };
  const first = { blocks, mounts: ["253:0 / /dev/mapper/root", "8:49 /boot /dev/sdd1"] };
  expect(reasonsOf(first)).toEqual({ sda: [root], sdb: [root], sdc: [], sdd: [boot] });
  const live = { blocks, files, mounts: ["7:1 / /dev/loop1"] };
  expect(reasonsOf(live)).toEqual({ sda: [], sdb: [], sdc: [root], sdd: [] });
});

test("a mount without a device number is found by its node, through links", () => {
  const blocks = { sda: block("8:0", GIB_SECTORS, part("sda2", "8:2", 2, 2048, 4096)) };
  const links = { "/dev/disk/by-label/root": "/dev/sda2" };
  const mounts = ["0:25 / /dev/disk/by-label/root"];
  expect(reasonsOf({ blocks, links, mounts })["sda"]).toEqual(["it holds / of the running system"]);
});

test("devices that are made of each other do not hang the search", () => {
  const blocks = {
    "dm-0": block("253:0", 8, { "slaves/dm-1": "" }),
    "dm-1": block("253:1", 8, { "slaves/dm-0": "", "slaves/sda": "" }),
    sda: block("8:0", 8),
  };
  expect(reasonsOf({ blocks, mounts: ["253:0 / /dev/dm-0"] })["sda"]).toHaveLength(1);
});

test("mounted, swap, held and the installer's own disk each say so, the gravest first", () => {
  const blocks = {
    sda: block("8:0", 8, part("sda1", "8:1", 1, 1, 2)),
    sdb: block("8:16", 8, part("sdb1", "8:17", 1, 1, 2)),
    sdc: block("8:32", 8, { "sdc1/partition": "1", "sdc1/holders/dm-0": "" }),
    sdd: block("8:48", 8, { ...part("sdd1", "8:49", 1, 1, 2), ro: "1" }),
  };
  const mounts = ["8:1 /mnt/my\\040disk /dev/sda1", "8:49 /media/stick /dev/sdd1"];
  const files = { "/media/stick/rayos-installer": "8:49" };
  const installer = { program: "/media/stick/rayos-installer" };
  const swaps = ["/dev/sdb1 partition 8 0 -2"];
  expect(reasonsOf({ blocks, mounts, swaps, files }, installer)).toEqual({
    sda: ["it is mounted at /mnt/my disk"],
    sdb: ["it is used as swap"],
    sdc: ["dm-0 is made of it"],
    sdd: ["the installer runs from it", "it is mounted at /media/stick", "it is read-only"],
  });
});

test("a file on a filesystem over several disks is found by the mount that holds it", () => {
  const blocks = { sda: block("8:0", 8), sdb: block("8:16", 8) };
  const mounts = ["8:0 / /dev/sda", "0:40 /data /dev/sdb", "8:0 /database /dev/sda"];
  const installer = { payload: "/data/system.tar" };
  const { sdb = [] } = reasonsOf({ blocks, mounts }, installer);
  expect(sdb).toContain("what shall be installed is on it");
});

test("the installer runs from a removable disk only where its own disk is one", () => {
  const blocks = {
    sda: block("8:0", 8, { removable: "1" }),
    sdb: block("8:16", 8),
  };
  const from = (device: string) =>
    disksOf({ blocks, files: { "/p": device } }, { program: "/p" }).fromRemovable;
  expect([from("8:0"), from("8:16"), from("0:1")]).toEqual([true, false, false]);
});

test("no folder of block devices means no disks, and a warning", () => {
  const found = localDisks({}, fakeSystem(fresh("nothing"), { blocks: {} }));
  expect(found.disks).toEqual([]);
  expect(found.warnings).toEqual([expect.stringContaining("is missing")]);
});

test.skipIf(!existsSync("/sys/block"))("this machine: nothing is listed that is no disk", () => {
  const { disks } = localDisks({ program: process.execPath });
  const listed = readdirSync("/sys/block");
  for (const { name } of disks) {
    expect(listed).toContain(name);
    expect(name).not.toMatch(/^(loop|ram|dm-|zram|md|sr|nbd)/);
  }
  const root = thisSystem.deviceOf("/");
  const boot = disks.filter(({ obstacles }) => obstacles[0]?.kind === "boot");
  // A root that is on no disk, as in some containers, belongs to none.
  if (root !== undefined && !root.startsWith("0:")) expect(boot.length).toBeGreaterThan(0);
});
