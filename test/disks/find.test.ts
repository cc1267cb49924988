/** The disks that are offered: images that were given, nodes only with consent, else the sample. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { inventorySchema } from "../../host/format/json/rayos.ts";
import { SAMPLE_DISK } from "../../host/system/disks/disk.ts";
import { findDisks } from "../../host/system/disks/find.ts";
import { inventoryOf } from "../../host/system/disks/inventory.ts";
import { temporaryPaths } from "../support/folder.ts";
import { block, fakeSystem, part } from "./support.ts";

const fresh = temporaryPaths();

function image(name: string, sizeBytes: number): string {
  const path = fresh(name);
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  return path;
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return "no error";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test("nothing given and no consent: the sample disk alone, and nothing of it can be read", () => {
  const found = findDisks({ paths: [], local: false });
  expect(found).toMatchObject({ sample: true, disks: [SAMPLE_DISK], fromRemovable: false });
  expect(found.contentOf(SAMPLE_DISK)).toBeUndefined();
});

test("image files come in the order given, with their real sizes and partitions", () => {
  const [one, two] = [image("z.img", 2 ** 38), image("a.img", 64 * 2 ** 20)];
  const device = FileDevice.open(two);
  const core = new Core();
  createGpt(core, core.attach(device), {
    entries: [
      { type: "linux", sizeBytes: 2 ** 20, name: "one" },
      { type: "linux", sizeBytes: 2 ** 21, index: 5 },
    ],
  });
  device.close();
  const { disks, sample } = findDisks({ paths: [one, two], local: false });
  expect(sample).toBe(false);
  expect(disks.map(({ name }) => name)).toEqual([basename(one), basename(two)]);
  expect(disks.map(({ sizeBytes }) => sizeBytes)).toEqual([2 ** 38, 64 * 2 ** 20]);
  expect(disks[1]?.partitions).toEqual([
    {
      name: `${basename(two)}:1`,
      devPath: `${two}:1`,
      number: 1,
      sizeBytes: 2 ** 20,
      firstSector: 2048,
    },
    {
      name: `${basename(two)}:5`,
      devPath: `${two}:5`,
      number: 5,
      sizeBytes: 2 ** 21,
      firstSector: 4096,
    },
  ]);
});

test("two images of one base name are called by their paths", () => {
  const folder = fresh("folder");
  mkdirSync(folder);
  const one = image("disk.img", 2 ** 20);
  const other = join(folder, basename(one));
  writeFileSync(other, "");
  truncateSync(other, 2 ** 20);
  const { disks } = findDisks({ paths: [one, other], local: false });
  expect(disks.map(({ name }) => name)).toEqual([one, other]);
});

test("what is no image is refused by what it is", () => {
  const path = image("one.img", 2 ** 20);
  const link = fresh("link");
  symlinkSync(path, link);
  const codes = [[fresh("absent")], [dirname(path)], [image("empty", 0)], [path, link]].map(
    (paths) => codeOf(() => findDisks({ paths, local: false })),
  );
  expect(codes).toEqual(["ENOENT", "EISDIR", "EINVAL", "EINVAL"]);
});

test("a read-only image and the payload itself are listed and say why they are no targets", () => {
  const [fixed, payload] = [image("fixed.img", 2 ** 20), image("payload.img", 2 ** 20)];
  chmodSync(fixed, 0o444);
  const installer = { payload };
  const { disks } = findDisks({ paths: [fixed, payload], local: false, installer });
  expect(disks.map(({ obstacles }) => obstacles[0]?.kind)).toEqual(["read-only", "installer"]);
  expect(disks[0]?.isReadOnly).toBe(true);
});

test("local disks need consent and stand behind images", () => {
  const system = fakeSystem(fresh("block"), { blocks: { sda: block("8:0", 8) } });
  const path = image("x.img", 2 ** 20);
  const with_ = findDisks({ paths: [], local: true, system });
  expect(with_.disks.map(({ name }) => name)).toEqual(["sda"]);
  const both = findDisks({ paths: [path], local: true, system });
  expect(both.disks.map(({ name }) => name)).toEqual([basename(path), "sda"]);
});

const NODE = readdirSync("/dev")
  .map((name) => `/dev/${name}`)
  .find((path) => statSync(path, { throwIfNoEntry: false })?.isBlockDevice());

test.skipIf(NODE === undefined)("a node needs consent; with it, it stands alone", () => {
  const node = NODE ?? "";
  const name = basename(node);
  expect(codeOf(() => findDisks({ paths: [node], local: false }))).toBe("EPERM");
  const blocks = { [name]: block("8:0", 8), sdzz: block("8:16", 8) };
  const system = fakeSystem(fresh("block"), { blocks });
  const found = findDisks({ paths: [node], local: true, system });
  expect(found.disks.map((disk) => disk.name)).toEqual([name]);
  const other = fakeSystem(fresh("block"), { blocks: { sdzz: block("8:16", 8) } });
  expect(codeOf(() => findDisks({ paths: [node], local: true, system: other }))).toBe("ENOENT");
});

test("the content of an image tells a blank one from data and from a table", () => {
  const [blank, data] = [image("blank.img", 4 * 2 ** 20), image("data.img", 4 * 2 ** 20)];
  writeFileSync(data, "not zero", { flag: "r+" });
  const { disks, contentOf } = findDisks({ paths: [blank, data], local: false });
  const contents = disks.map((disk) => contentOf(disk));
  expect(contents).toMatchObject([
    { blank: true, hasTable: false, installs: [] },
    { blank: false, hasTable: false, installs: [] },
  ]);
});

test("the inventory has exactly its keys, in their order, and validates against its schema", () => {
  const judge = new Ajv2020({ allowUnionTypes: true }).compile(inventorySchema);
  const sample = JSON.parse(JSON.stringify(inventoryOf([SAMPLE_DISK], 1_700_000_000_999)));
  expect(judge(sample), JSON.stringify(judge.errors)).toBe(true);
  expect(Object.keys(sample)).toEqual(["timestamp_epoch_s", "disks"]);
  expect(sample.timestamp_epoch_s).toBe(1_700_000_000);
  expect(Object.keys(sample.disks[0])).toEqual([
    ...["name", "dev_path", "is_removable", "is_read_only", "sector_size_bytes", "size_bytes"],
    "partitions",
  ]);
  const { partitions } = sample.disks[0];
  expect(Object.keys(partitions[0])).toEqual(["name", "dev_path", "number", "size_bytes"]);
  expect(judge({ ...sample, more: 1 })).toBe(false);
});

test("whatever sysfs holds, the inventory of it validates", () => {
  const judge = new Ajv2020({ allowUnionTypes: true }).compile(inventorySchema);
  const text = fc.oneof(fc.constantFrom("0", "1", "8", "-1", "x", "", "999999999999999999"));
  const files = fc.record({ size: text, ro: text, removable: text, "sda1/partition": text });
  fc.assert(
    fc.property(files, fc.boolean(), (sda, withPart) => {
      const more = withPart ? part("sda2", "8:2", 2, 1, 2) : {};
      const system = fakeSystem(fresh("block"), { blocks: { sda: { ...sda, ...more } } });
      const { disks } = findDisks({ paths: [], local: true, system });
      const json = JSON.parse(JSON.stringify(inventoryOf(disks, 0)));
      expect(judge(json), JSON.stringify(judge.errors)).toBe(true);
    }),
    { numRuns: 60 },
  );
});
