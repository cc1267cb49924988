/** What is changed on volumes of mke2fs: e2fsck has no complaint, and debugfs reads the same. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import { Ext4Volume } from "../../host/core/media/ext4.ts";
import { MediaCore } from "../../host/core/media/load.ts";
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
import { debugfs, EXT4_JUDGES, expectCleanExt4, expectPasses } from "./ext4-judges.ts";
import { fileOf, KINDS, recorded, volumeOf } from "./ext4-volumes.ts";
import { run, scratch, testWith } from "./tools.ts";

const CHANGES = 25;

/** debugfs takes the tree out, and it is this one. */
function expectDumped(image: string, tree: ModelTree): void {
  const folder = scratch();
  debugfs(image, [`rdump / ${folder}`], scratch());
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const wanted = [...tree.keys()].map((path) => path.slice(1));
  expect(found.filter((path) => path !== "lost+found").sort()).toEqual(wanted.sort());
  for (const [path, node] of tree) {
    const local = join(folder, path);
    if (typeof node === "string") expect(readlinkSync(local)).toBe(node);
    else if (node !== null) expect(readFileSync(local).equals(node), path).toBe(true);
  }
}

function expectSame(device: MemoryDevice, tree: ModelTree): void {
  const image = fileOf(device);
  expectCleanExt4(image);
  expectDumped(image, tree);
  const media = new MediaCore();
  const volume = Ext4Volume.open(media, media.attach(device), { readOnly: true });
  expect(volume.check()).toEqual([]);
  expect(picture(treeOf(volume))).toEqual(picture(tree));
  volume.close();
}

const names = ["a", "b", "c.txt", "name with spaces", "x".repeat(255), "y".repeat(120)];
const path = fc
  .array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 })
  .map((parts) => `/${parts.join("/")}`);
const put = fc.record({
  ...{ op: fc.constant("put" as const), path, seed: fc.nat() },
  bytes: fc.oneof(fc.nat(300), fc.nat(20_000), fc.nat(900_000)),
});
const step: fc.Arbitrary<Ext4Step> = fc.oneof(
  { weight: 4, arbitrary: put },
  fc.record({ op: fc.constantFrom("mkdir" as const, "mkdirs" as const), path }),
  fc.record({ op: fc.constantFrom("remove" as const, "removeAll" as const), path }),
  fc.record({
    ...{ op: fc.constant("symlink" as const), path },
    target: fc.oneof(fc.nat(58), fc.nat(900)).map((length) => `/no/${"t".repeat(length)}`),
  }),
  { weight: 2, arbitrary: fc.record({ op: fc.constant("rename" as const), path, to: path }) },
);

for (const [kind, flags] of KINDS) {
  testWith("mke2fs", ...EXT4_JUDGES)(`a volume ${kind}: any changes, and no complaint`, () => {
    const empty = volumeOf(flags);
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: CHANGES }), (steps) => {
        const device = empty.clone();
        const volume = openForChange(device);
        const tree: ModelTree = new Map();
        for (const each of steps) {
          const wanted = changeModel(tree, each);
          expect(changeVolume(volume, each), `${each.op} ${each.path}`).toBe(wanted);
        }
        volume.close();
        expectSame(device, tree);
      }),
      { numRuns: 4 },
    );
  });

  testWith("mke2fs", ...EXT4_JUDGES)(`a volume ${kind}: thousands of names in a directory`, () => {
    const device = volumeOf([...flags, "-N", "4000"]);
    const volume = openForChange(device);
    const tree: ModelTree = new Map();
    const change = (each: Ext4Step) => {
      expect(changeVolume(volume, each), each.path).toBe(changeModel(tree, each));
    };
    change({ op: "mkdirs", path: "/many" });
    for (let index = 0; index < 2500; index++) {
      const name = `/many/${index}-${"n".repeat((index * 7) % 60)}`;
      change({ op: "put", path: name, bytes: index % 10, seed: index });
    }
    for (let index = 0; index < 2500; index += 3) {
      const name = `/many/${index}-${"n".repeat((index * 7) % 60)}`;
      if (index % 2 === 0) change({ op: "remove", path: name });
      else change({ op: "rename", path: name, to: `/many/moved ${index}` });
    }
    volume.close();
    expectSame(device, tree);
  });
}

testWith(
  "mke2fs",
  "debugfs",
  "e2fsck",
)("journals of every kind: what a cut leaves e2fsck replays as we do", () => {
  const journals: readonly (readonly [readonly string[], readonly string[]])[] = [
    [[], []],
    [[], ["jo -c -v 2", "jc"]],
    [[], ["jo -c -v 3", "jc"]],
    [["-b", "1024", "-O", "^64bit,^metadata_csum"], []],
    [
      ["-b", "1024", "-O", "^64bit"],
      ["jo -c -v 2", "jc"],
    ],
  ];
  for (const [flags, journal] of journals) {
    const device = volumeOf([...flags, "-J", "size=4"], "16M", journal);
    const first = openForChange(device);
    const tree: ModelTree = new Map();
    const steps: readonly Ext4Step[] = [
      { op: "put", path: "/old", bytes: 9000, seed: 1 },
      { op: "mkdirs", path: "/a/b" },
    ];
    for (const each of steps) expect(changeVolume(first, each)).toBe(changeModel(tree, each));
    first.close();
    const before: ModelTree = new Map(tree);
    const trace = recorded(device);
    const volume = openForChange(trace.device);
    const later: readonly Ext4Step[] = [
      { op: "put", path: "/old", bytes: 70_000, seed: 2 },
      { op: "rename", path: "/a/b", to: "/moved" },
      { op: "symlink", path: "/link", target: "t".repeat(204) },
    ];
    for (const each of later) expect(changeVolume(volume, each)).toBe(changeModel(tree, each));
    volume.flush();
    for (let count = 0; count <= trace.writes(); count++) {
      const cut = trace.cut(count);
      const image = fileOf(cut);
      const replayed = run("e2fsck", ["-fy", image]);
      expect(replayed.code, `write ${count}: ${replayed.text}`).toBeLessThanOrEqual(1);
      expectPasses(image);
      const theirs = MemoryDevice.from(readFileSync(image), { name: "replayed" });
      const media = new MediaCore();
      const found = picture(treeOf(Ext4Volume.open(media, media.attach(theirs), readOnly)));
      const own = openForChange(cut);
      expect(picture(treeOf(own)), `write ${count}`).toEqual(found);
      own.close();
      expectPasses(fileOf(cut));
      const legal = [picture(before), picture(tree)];
      expect(legal, `write ${count}`).toContainEqual(found);
    }
  }
});

testWith("mke2fs", "e2fsck")(
  "a block that begins as those of the journal do comes back whole",
  () => {
    const target = Buffer.from(`\xc0;9\x98${"t".repeat(200)}`, "latin1");
    const device = volumeOf(["-J", "size=4"], "16M", ["jo -c -v 3", "jc"]);
    const trace = recorded(device);
    const media = new MediaCore();
    const { exports, memory } = media;
    // No string has these bytes, so the module is called as it is.
    const handle = exports.ext4Open(media.attach(trace.device), 0, 0, 0);
    const at = memory.allocate(target.length);
    memory.bytes.set(target, at);
    const made = memory.with("/link", (path, length) =>
      exports.ext4Symlink(handle, at, target.length, path, length),
    );
    expect([made, exports.ext4Commit(handle)]).toEqual([0, 0]);
    let seen = 0;
    for (let count = 0; count <= trace.writes(); count++) {
      const cut = trace.cut(count);
      const image = fileOf(cut);
      expect(run("e2fsck", ["-fy", image]).code).toBeLessThanOrEqual(1);
      const theirs = readFileSync(image).includes(target);
      openForChange(cut).close();
      // In the log it stands with zeros in front, so these bytes are those at the link's own place.
      expect(Buffer.from(cut.peek(0, cut.sizeBytes)).includes(target)).toBe(theirs);
      if (theirs) seen += 1;
    }
    expect(seen).toBeGreaterThan(3);
  },
);

const readOnly = { readOnly: true } as const;

testWith("mke2fs", ...EXT4_JUDGES)("directories ordered by every kind of hash", () => {
  for (const hash of ["half_md4", "tea", "legacy"]) {
    for (const isUnsigned of [false, true]) {
      const image = join(scratch(), "image");
      const made = run("mke2fs", [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        "1024",
        "-N",
        "2000",
        image,
        "24M",
      ]);
      expect(made.code).toBe(0);
      const commands = [
        `set_super_value def_hash_version ${hash}`,
        `set_super_value flags ${isUnsigned ? 2 : 1}`,
      ];
      const input = `${commands.join("\n")}\n`;
      expect(run("debugfs", ["-w", "-f", "-", image], { input }).code).toBe(0);
      const device = MemoryDevice.from(readFileSync(image), { name: "image" });
      const volume = openForChange(device);
      const tree: ModelTree = new Map();
      for (let index = 0; index < 1200; index++) {
        // Names whose bytes are above 127 are hashed apart when they are taken as signed.
        const path = `/${index}${"äöü日本".slice(index % 5)}${"n".repeat(index % 40)}`;
        const each: Ext4Step = { op: "put", path, bytes: 0, seed: 0 };
        expect(changeVolume(volume, each)).toBe(changeModel(tree, each));
      }
      volume.close();
      // e2fsck hashes each name again, and wants it in the block that the index says.
      expectSame(device, tree);
    }
  }
});

testWith("mke2fs", ...EXT4_JUDGES)(
  "a directory without an index that has more blocks than a change of the journal takes",
  () => {
    const flags = ["-b", "1024", "-J", "size=1", "-O", "^dir_index", "-N", "2000"];
    const device = volumeOf(flags);
    const volume = openForChange(device);
    const tree: ModelTree = new Map();
    // Some 290 blocks, and one change takes 256.
    for (let index = 0; index < 1200; index++) {
      const path = `/${index}${"n".repeat(240)}`;
      const each: Ext4Step = { op: "put", path, bytes: 0, seed: 0 };
      expect(changeVolume(volume, each)).toBe(changeModel(tree, each));
    }
    volume.close();
    expectSame(device, tree);
  },
);

testWith("mke2fs", ...EXT4_JUDGES)(
  "a file in thousands of pieces, and one over several groups",
  () => {
    const device = volumeOf(["-b", "1024"], "64M");
    const volume = openForChange(device);
    const tree: ModelTree = new Map();
    const change = (each: Ext4Step) => {
      expect(changeVolume(volume, each), each.path).toBe(changeModel(tree, each));
    };
    change({ op: "put", path: "/several", bytes: 30_000_000, seed: 1 });
    change({ op: "mkdirs", path: "/small" });
    for (let index = 0; index < 6000; index++) {
      change({ op: "put", path: `/small/${index}`, bytes: 1024, seed: index });
    }
    const rest = volume.space().freeBytes - 1024 * 1024;
    change({ op: "put", path: "/rest", bytes: rest, seed: 2 });
    volume.flush();
    for (let index = 0; index < 6000; index += 2) change({ op: "remove", path: `/small/${index}` });
    volume.flush();
    change({ op: "put", path: "/pieces", bytes: 2_500_000, seed: 3 });
    change({ op: "remove", path: "/rest" });
    volume.close();
    const image = fileOf(device);
    const extents = debugfs(image, ["ex /pieces"], scratch())[0] ?? "";
    expect(extents).toMatch(/^ 2\/ 2/m);
    expectSame(device, tree);
  },
);
