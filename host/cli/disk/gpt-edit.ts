/** `diskwright gpt create|add|remove|resize|rename|type`: changes of a partition table. */
import { existsSync } from "node:fs";
import { refusal } from "../../base/errors.ts";
import { isGuid } from "../../base/guid.ts";
import { seededRandom, systemRandom } from "../../base/seed.ts";
import { parseSize } from "../../base/size.ts";
import {
  emptyGpt,
  GPT_TYPES,
  type GptChange,
  type GptRequest,
  type GptTable,
  isBlank,
  lastLbaFor,
  partitionOf,
  probe,
  readGpt,
  typeGuidOf,
  withChange,
  withoutPartition,
  withPartition,
  writeGpt,
} from "../../core/gpt.ts";
import { Core } from "../../core/load.ts";
import { FileDevice } from "../../device/local/file.ts";
import { MemoryDevice } from "../../device/local/memory.ts";
import {
  type CommandSpec,
  type Context,
  type ExitCode,
  type Given,
  type OptionSpec,
  UsageError,
} from "../kit/command.ts";
import {
  BLOCK_SIZE,
  blockSizeOf,
  DISK,
  pathOf,
  saveOldTable,
  TABLE_BACKUP,
  type TableDisk,
  tableJson,
  tableText,
  withTable,
} from "./gpt-disk.ts";

const TYPES = `a GUID or one of ${Object.keys(GPT_TYPES).join(", ")}`;
const NUMBER = { "<number>": "number of the partition" };
const SEED: OptionSpec = { flags: "--seed <text>", summary: "draw new GUIDs from this text" };
const EDIT: readonly OptionSpec[] = [BLOCK_SIZE, ...TABLE_BACKUP];

export const create: CommandSpec = {
  name: "create",
  summary: "Write a new table; refused where something is unless --erase is given",
  arguments: DISK,
  writes: true,
  options: [
    {
      flags: "--size <size>",
      summary: "make a new image file of this size first",
      parse: parseSize,
    },
    {
      flags: "-p, --partition <spec...>",
      summary: "TYPE[:SIZE[:NAME]], in order; without SIZE the rest of the disk",
    },
    { flags: "--disk-guid <guid>", summary: "of the disk; default: a new one", parse: guid },
    { flags: "--slots <count>", summary: "room for so many partitions", parse: count },
    { flags: "--erase", summary: "write over whatever the disk has" },
    SEED,
    ...EDIT,
  ],
  examples: ["diskwright gpt create disk.img --size 256MiB -p esp:64MiB:ESP -p linux::root"],
  run: createTable,
};

export const add: CommandSpec = {
  name: "add",
  summary: "Add a partition: aligned to 1 MiB, in the first free place that is large enough",
  arguments: DISK,
  writes: true,
  options: [
    { flags: "--type <type>", summary: TYPES, required: true, parse: typeGuidOf },
    { flags: "--size <size>", summary: "default: the largest free place", parse: parseSize },
    { flags: "--name <name>", summary: "at most 36 UTF-16 units" },
    { flags: "--index <number>", summary: "default: the first free number", parse: count },
    { flags: "--first <lba>", summary: "first block", parse: lba },
    { flags: "--last <lba>", summary: "last block, included", parse: lba },
    { flags: "--guid <guid>", summary: "default: a new one", parse: guid },
    { flags: "--attributes <bits>", summary: "a number, such as 0x4", parse: bits },
    SEED,
    ...EDIT,
  ],
  examples: ["diskwright gpt add disk.img --type linux --size 64MiB --name root"],
  run: (context, given) =>
    edit(context, given, (table) => withPartition(table, requestOf(given), randomOf(given))),
};

export const remove: CommandSpec = {
  name: "remove",
  summary: "Take a partition out of the table; what is in its blocks stays there",
  arguments: { ...DISK, ...NUMBER },
  writes: true,
  options: EDIT,
  run: (context, given) => {
    const index = count(given.positionals[1] ?? "");
    const ask = () => `Remove partition ${index} from the table?`;
    return edit(context, given, (table) => withoutPartition(table, index), ask);
  },
};

export const resize: CommandSpec = {
  name: "resize",
  summary: "Move the end of a partition; the filesystem in it is not changed",
  arguments: {
    ...DISK,
    ...NUMBER,
    "<size>": "new size, or max: to the last aligned end there is room for",
  },
  writes: true,
  options: EDIT,
  examples: ["diskwright gpt resize disk.img 2 max"],
  run: (context, given) => {
    const [, number = "", size = ""] = given.positionals;
    const index = count(number);
    const sizeBytes = size === "max" ? undefined : positional(() => parseSize(size));
    const ask = (before: GptTable, after: GptTable) => {
      const shrinks = partitionOf(after, index).lastLba < partitionOf(before, index).lastLba;
      return shrinks ? `Cut partition ${index}, whatever is at its end?` : undefined;
    };
    const change = (table: GptTable): GptChange =>
      sizeBytes === undefined ? { lastLba: lastLbaFor(table, index) } : { sizeBytes };
    return edit(context, given, (table) => withChange(table, index, change(table)), ask);
  },
};

export const rename: CommandSpec = {
  name: "rename",
  summary: "Give a partition another name",
  arguments: { ...DISK, ...NUMBER, "<name>": "at most 36 UTF-16 units" },
  writes: true,
  options: EDIT,
  run: (context, given) => {
    const [, number = "", name = ""] = given.positionals;
    return edit(context, given, (table) => withChange(table, count(number), { name }));
  },
};

export const type: CommandSpec = {
  name: "type",
  summary: "Give a partition another type, GUID or attributes",
  arguments: { ...DISK, ...NUMBER, "[type]": TYPES },
  writes: true,
  options: [
    { flags: "--guid <guid>", summary: "the partition's own GUID", parse: guid },
    { flags: "--attributes <bits>", summary: "a number, such as 0x4", parse: bits },
    ...EDIT,
  ],
  run: (context, given) => {
    const [, number = "", text] = given.positionals;
    const options = given.options as { guid?: string; attributes?: bigint };
    if (text === undefined && options.guid === undefined && options.attributes === undefined) {
      throw new UsageError("give a type, --guid or --attributes");
    }
    const change: GptChange = {
      type: text === undefined ? undefined : positional(() => typeGuidOf(text)),
      uniqueGuid: options.guid,
      attributes: options.attributes,
    };
    return edit(context, given, (table) => withChange(table, count(number), change));
  },
};

type Ask = (before: GptTable, after: GptTable) => string | undefined;

/** Reads the table, changes it, shows or asks, keeps the old one in a file, and writes the new. */
function edit(
  context: Context,
  given: Given,
  change: (table: GptTable) => GptTable,
  ask?: Ask,
): Promise<ExitCode | undefined> {
  return withTable(context, given, context.dryRun, async (disk) => {
    const before = readGpt(disk.core, disk.id, { lenient: true });
    const after = change(before);
    if (!context.dryRun) {
      const question = ask?.(before, after);
      if (question !== undefined) await context.confirm(question);
    }
    return apply(context, given, disk, after, false);
  });
}

function apply(
  { out, dryRun }: Context,
  { options }: Given,
  disk: TableDisk,
  after: GptTable,
  fresh: boolean,
): undefined {
  const { path, core, id } = disk;
  const tableBackup = dryRun ? undefined : saveOldTable(disk, options);
  if (!dryRun) writeGpt(core, id, after, { fresh });
  const written = dryRun ? after : readGpt(core, id);
  out.result({ ...tableJson(path, written), dryRun, tableBackup: tableBackup ?? null }, () =>
    [
      tableText(path, written),
      ...(tableBackup === undefined ? [] : [`old table: ${tableBackup}`]),
      ...(dryRun ? ["nothing was written (--dry-run)"] : []),
    ].join("\n"),
  );
}

async function createTable(context: Context, given: Given): Promise<ExitCode | undefined> {
  const { options, positionals } = given;
  const path = pathOf(positionals[0] ?? "");
  const { size, erase = false } = options as { size?: number; erase?: boolean };
  if (size === undefined) {
    return withTable(context, given, context.dryRun, async (disk) => {
      const { core, id } = disk;
      const after = newTable(core, id, given);
      if (!isBlank(core, id)) {
        const content = probe(core, id) ?? "data of an unknown kind";
        if (!erase) {
          const hint = "Pass --erase to write over it.";
          throw refusal("EEXIST", "gpt", `${path} is not blank: ${content}.`, { path, hint });
        }
        if (!context.dryRun) await context.confirm(`Erase the table of ${path} (${content})?`);
      }
      return apply(context, given, disk, after, true);
    });
  }
  if (existsSync(path)) {
    const hint = "Leave --size out to use it as it is.";
    throw refusal("EEXIST", "gpt", `'${path}' exists.`, { path, hint });
  }
  const blkSize = blockSizeOf(options) ?? 512;
  // Planned in memory first, so that a table that does not fit leaves no file behind.
  const planned = new MemoryDevice({ size, blkSize, name: path });
  const core = new Core();
  const plan = { path, device: planned, core, id: core.attach(planned) };
  const after = newTable(core, plan.id, given);
  if (context.dryRun) return apply(context, given, plan, after, true);
  const device = FileDevice.create(path, { size, blkSize });
  try {
    return apply(context, given, { path, device, core, id: core.attach(device) }, after, true);
  } finally {
    device.close();
  }
}

function newTable(core: Core, id: number, given: Given): GptTable {
  const { options } = given;
  const { partition = [] } = options as { partition?: string[] };
  const empty = emptyGpt(core, id, {
    random: randomOf(given),
    diskGuid: options["diskGuid"] as string | undefined,
    entrySlots: options["slots"] as number | undefined,
  });
  const random = randomOf(given, "partitions");
  return partition.map(specOf).reduce((sum, each) => withPartition(sum, each, random), empty);
}

/** `TYPE[:SIZE[:NAME]]`; a name may hold colons. */
function specOf(text: string): GptRequest {
  const [kind = "", size = "", ...rest] = text.split(":");
  return {
    type: positional(() => typeGuidOf(kind)),
    sizeBytes: size === "" ? undefined : positional(() => parseSize(size)),
    name: rest.join(":"),
  };
}

function requestOf({ options }: Given): GptRequest {
  return {
    type: options["type"] as string,
    sizeBytes: options["size"] as number | undefined,
    name: options["name"] as string | undefined,
    index: options["index"] as number | undefined,
    firstLba: options["first"] as number | undefined,
    lastLba: options["last"] as number | undefined,
    uniqueGuid: options["guid"] as string | undefined,
    attributes: options["attributes"] as bigint | undefined,
  };
}

function randomOf({ options }: Given, label = "gpt") {
  const { seed } = options as { seed?: string };
  return seed === undefined ? systemRandom : seededRandom(seed, label);
}

/** A wrong argument is a matter of usage: exit 2. */
function positional<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function count(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`'${text}' is not a number from 1`);
}

function lba(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`'${text}' is not a block number`);
}

function guid(text: string): string {
  if (isGuid(text)) return text;
  throw new UsageError(`'${text}' is not a GUID`);
}

function bits(text: string): bigint {
  if (/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text)) return BigInt(text);
  throw new UsageError(`'${text}' is not a number such as 0x4`);
}
