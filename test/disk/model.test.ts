/** Any sequence of calls against a plain list of partitions: same result, same refusals, no damage. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { seededRandom } from "../../host/base/seed.ts";
import {
  addPartition,
  createGpt,
  freeRuns,
  GPT_TYPES,
  type GptPartition,
  lastLbaFor,
  readGpt,
  removePartition,
  updatePartition,
  verifyGpt,
  withPartition,
  writeGpt,
} from "../../host/core/gpt.ts";
import { attach } from "./support.ts";

const MIB = 2 ** 20;
const BLOCKS = 16384;

interface Step {
  readonly kind: "add" | "remove" | "move" | "name" | "write";
  readonly index: number;
  readonly first: number;
  readonly blocks: number;
  readonly name: string;
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom("add", "add", "add", "remove", "move", "name", "write"),
    index: fc.integer({ min: 0, max: 9 }),
    first: fc.integer({ min: 0, max: BLOCKS }),
    blocks: fc.integer({ min: 0, max: BLOCKS / 4 }),
    name: fc.string({ unit: "grapheme", maxLength: 20 }),
  }),
  { maxLength: 25 },
);

/** The rules, one after the other, over a plain array. */
class Model {
  partitions: GptPartition[] = [];
  readonly #first: number;
  readonly #last: number;

  constructor(first: number, last: number) {
    this.#first = first;
    this.#last = last;
  }

  legal(candidate: { index: number; firstLba: number; lastLba: number; name: string }): boolean {
    const { index, firstLba, lastLba, name } = candidate;
    if (index < 1 || index > 128 || name.length > 36 || name.includes("\0")) return false;
    if (firstLba < this.#first || lastLba > this.#last || lastLba < firstLba) return false;
    return this.partitions.every(
      (each) => each.index === index || each.lastLba < firstLba || each.firstLba > lastLba,
    );
  }

  put(partition: GptPartition): void {
    const rest = this.partitions.filter(({ index }) => index !== partition.index);
    this.partitions = [...rest, partition].sort((a, b) => a.index - b.index);
  }
}

function refused(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
}

describe.each([512, 4096] as const)("%i-byte blocks", (blkSize) => {
  test("the table is what the list says after every call, and never damaged", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { core, id } = attach(BLOCKS * blkSize, blkSize);
        const random = seededRandom("model");
        const { firstUsableLba, lastUsableLba } = createGpt(core, id, { random });
        const model = new Model(firstUsableLba, lastUsableLba);
        for (const step of list) run(core, id, model, random, step);
        expect(verifyGpt(core, id).filter(({ severity }) => severity === "damage")).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

function run(
  core: Parameters<typeof readGpt>[0],
  id: number,
  model: Model,
  random: ReturnType<typeof seededRandom>,
  { kind, index, first, blocks, name }: Step,
): void {
  const held = model.partitions.find((each) => each.index === index);
  const range = { firstLba: first, lastLba: first + blocks - 1 };
  let code: string | undefined;
  if (kind === "add") {
    const request = { index, type: "linux", ...range, name };
    code = refused(() => model.put(addPartition(core, id, request, random)));
    if (held !== undefined) expect(code).toBe("EEXIST");
    else expect(code === undefined).toBe(model.legal({ index, ...range, name }));
  } else if (kind === "remove") {
    code = refused(() => removePartition(core, id, index));
    expect(code).toBe(held === undefined ? "ENOENT" : undefined);
    model.partitions = model.partitions.filter((each) => each !== held);
  } else if (kind === "write") {
    writeGpt(core, id, readGpt(core, id));
  } else {
    const change = kind === "move" ? range : { name, type: "esp", attributes: 1n << 48n };
    code = refused(() => updatePartition(core, id, index, change));
    const legal = held !== undefined && model.legal({ ...held, ...change });
    expect(code === undefined).toBe(legal);
    if (held !== undefined && code === undefined) {
      const rest = kind === "move" ? {} : { typeGuid: GPT_TYPES.esp };
      const { type: _, ...fields } = { type: "", ...change };
      model.put({ ...held, ...fields, ...rest });
    }
  }
  expect(readGpt(core, id).partitions).toEqual(model.partitions);
}

test("a partition without a place gets the first aligned one that is large enough", () => {
  const { core, id } = attach("32MiB");
  createGpt(core, id, {
    entries: [
      { type: "linux", firstLba: 2048, lastLba: 4095 },
      { type: "linux", firstLba: 6145, lastLba: 20000 },
    ],
  });
  const small = addPartition(core, id, { type: "linux", sizeBytes: MIB });
  expect([small.firstLba, small.lastLba]).toEqual([4096, 6143]);
  const large = addPartition(core, id, { type: "linux", sizeBytes: MIB + 1 });
  expect([large.firstLba, large.lastLba]).toEqual([20480, 22528]);
  const rest = addPartition(core, id, { type: "linux" });
  expect([rest.firstLba, rest.lastLba]).toEqual([24576, 63487]);
  expect(() => addPartition(core, id, { type: "linux", sizeBytes: MIB })).toThrow(
    "ENOSPC: no free place of 1MiB is left.",
  );
});

test("the largest end of a partition is aligned, before the next one, and never cuts it", () => {
  const { core, id } = attach("32MiB");
  const table = createGpt(core, id, {
    entries: [
      { type: "linux", firstLba: 2048, lastLba: 4095 },
      { type: "linux", firstLba: 10000, lastLba: 10001 },
      { type: "linux", firstLba: 20000, lastLba: 65500 },
    ],
  });
  expect([1, 2, 3].map((index) => lastLbaFor(table, index))).toEqual([8191, 18431, 65500]);
  expect(() => lastLbaFor(table, 4)).toThrow("ENOENT");
});

test("free runs and partitions together are the usable blocks, each once", () => {
  const { core, id } = attach("32MiB");
  createGpt(core, id, { entries: [{ type: "esp", sizeBytes: 3 * MIB }] });
  addPartition(core, id, { type: "linux", firstLba: 20000, lastLba: 30000 });
  const table = readGpt(core, id);
  const all = [...freeRuns(table), ...table.partitions].sort((a, b) => a.firstLba - b.firstLba);
  expect(all.map(({ firstLba }) => firstLba)).toEqual([
    table.firstUsableLba,
    ...all.slice(0, -1).map(({ lastLba }) => lastLba + 1),
  ]);
  expect(all.at(-1)?.lastLba).toBe(table.lastUsableLba);
});

test("a refusal says what is in the way", () => {
  const { core, id } = attach("32MiB");
  const table = createGpt(core, id, { entries: [{ type: "esp", sizeBytes: MIB }] });
  const [esp] = table.partitions;
  const over = { type: "linux", firstLba: 4000, lastLba: 5000 };
  expect(() => withPartition(table, over)).toThrow("overlaps partition 1, 2048 to 4095");
  expect(() => withPartition(table, { ...over, firstLba: 1 })).toThrow("outside the usable 34 to");
  expect(() => withPartition(table, { type: "zfs" })).toThrow("'zfs' is no partition type");
  expect(() => withPartition(table, { type: "linux", index: 1 })).toThrow("EEXIST");
  expect(() => withPartition(table, { type: "linux", index: 129 })).toThrow("numbers 1 to 128");
  expect(() => withPartition(table, { type: "linux", attributes: 8n })).toThrow("attributes are");
  const uniqueGuid = esp?.uniqueGuid ?? "";
  expect(() => withPartition(table, { type: "linux", uniqueGuid })).toThrow("has the GUID");
  expect(() => withPartition(table, { type: "linux", name: "x".repeat(37) })).toThrow("36 UTF-16");
  expect(() => removePartition(core, id, 2)).toThrow("no partition 2; there are 1.");
});

test("the core refuses what a caller made up by hand", () => {
  const { core, device, id } = attach("8MiB");
  const table = createGpt(core, id, { entries: [{ type: "esp", sizeBytes: MIB }] });
  const [esp] = table.partitions as [GptPartition];
  const before = device.bytes();
  const twice = { ...esp, index: 2 };
  const far = { ...esp, lastLba: 2 ** 40 };
  for (const partitions of [
    [esp, twice],
    [far],
    [{ ...esp, index: 200 }],
    [{ ...esp, index: 0 }],
  ]) {
    expect(() => writeGpt(core, id, { ...table, partitions })).toThrow("EINVAL");
  }
  expect(() =>
    writeGpt(core, id, { ...table, diskGuid: `${"0".repeat(8)}-0000-0000-0000-${"0".repeat(12)}` }),
  ).toThrow("EINVAL");
  expect(() => writeGpt(core, id, { ...table, blockSize: 4096 })).toThrow("blocks of 4096 bytes");
  expect(() => writeGpt(core, id, { ...table, entrySize: 100 })).toThrow("EINVAL");
  expect(Buffer.compare(device.bytes(), before)).toBe(0);
});

test("a table with 256-byte entries and one with 4 entries are read and edited in place", () => {
  for (const [entrySlots, entrySize] of [
    [128, 256],
    [4, 128],
  ] as const) {
    const { core, id } = attach("8MiB");
    const empty = createGpt(core, id, { entrySlots });
    const table = withPartition({ ...empty, entrySize, firstUsableLba: 128 }, { type: "esp" });
    writeGpt(core, id, { ...table, lastUsableLba: 16000 }, { fresh: true });
    addPartition(core, id, { type: "linux", firstLba: 130, lastLba: 140 });
    expect(readGpt(core, id)).toMatchObject({ entrySlots, entrySize, lastUsableLba: 16000 });
    expect(verifyGpt(core, id).map(({ reason }) => reason)).toEqual(["GPT_PARTITION_MISALIGNED"]);
  }
});

test("the backup side alone leaves the old table in force, the primary one makes it the new", () => {
  const { core, id } = attach("8MiB");
  const old = createGpt(core, id, { entries: [{ type: "esp", name: "old" }] });
  const partitions = old.partitions.map((each) => ({ ...each, name: "new" }));
  writeGpt(core, id, { ...old, partitions }, { sides: "backup", fresh: true });
  expect(readGpt(core, id).partitions[0]?.name).toBe("old");
  writeGpt(core, id, { ...old, partitions }, { sides: "primary", fresh: true });
  expect(readGpt(core, id).partitions[0]?.name).toBe("new");
  expect(verifyGpt(core, id)).toEqual([]);
});
