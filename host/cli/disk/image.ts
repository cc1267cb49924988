/** `diskwright image`: makes store images and bootable disk images, and takes a disk apart. */
import { readFileSync } from "node:fs";
import { formatSize, parseSize } from "../../base/size.ts";
import { run } from "../../base/work.ts";
import { folderTree, memoryTree, type Tree } from "../../system/image/folder.ts";
import { makeDisk, planDisk } from "../../system/image/mkdisk.ts";
import { makeStore } from "../../system/image/mkstore.ts";
import { splitDisk } from "../../system/image/split.ts";
import type { CommandSpec, Context, Given, OptionSpec } from "../kit/command.ts";
import { UsageError } from "../kit/command.ts";
import { create, FORCE, SEED, seeds } from "../kit/create.ts";
import { openDevice, withDisk } from "../kit/open.ts";
import { mkmedia } from "./mkmedia.ts";
import { overlayDoubt, recordCommands } from "./records.ts";

const OUT = { "<out>": "image file to make" };
const SIZE: OptionSpec = {
  flags: "--size <size>",
  summary: "size of the image, such as 256MiB",
  required: true,
  parse: parseSize,
};

export const image: CommandSpec = {
  name: "image",
  summary: "Make disk images and what lies on them, and take them apart",
  subcommands: [
    {
      name: "mkstore",
      summary: "Make an image of a store, or of a store and a filesystem side by side",
      arguments: OUT,
      options: [
        SIZE,
        { flags: "--writable", summary: "put a filesystem (CAPOSWF1) beside the store" },
        { flags: "--empty-config", summary: "with an empty system/config: the install floor" },
        { flags: "--seed-config <dir>", summary: "with these files in system/config" },
        { flags: "--seed-overlay <file>", summary: "with this file as system/config/overlay.bin" },
        {
          flags: "--for-size <size>",
          summary: "size of the disk it will be copied to: chooses the chunk size",
          parse: parseSize,
        },
        SEED,
        FORCE,
      ],
      examples: ["diskwright image mkstore data.img --size 64MiB --empty-config"],
      run: mkstore,
    },
    {
      name: "mkdisk",
      summary: "Make a bootable disk: an ESP with your boot files and a data region",
      arguments: OUT,
      options: [
        SIZE,
        { flags: "--boot <dir>", summary: "what the ESP holds, exactly", required: true },
        { flags: "--esp-sectors <n>", summary: "sectors of the ESP, 262144", parse: count },
        { flags: "--data-image <file>", summary: "image of mkstore for the data region" },
        { flags: "--data-offset-bytes <n>", summary: "where the data region starts", parse: count },
        SEED,
        FORCE,
      ],
      examples: ["diskwright image mkdisk disk.img --size 256MiB --boot boot/"],
      run: mkdisk,
    },
    mkmedia,
    {
      name: "split",
      summary: "Write BOOTHEAD.BIN, BOOTGPT.BIN and DATAIMG.BIN of a disk",
      arguments: { "<disk>": "disk image of mkdisk" },
      options: [{ flags: "--out <dir>", summary: "folder to write to", required: true }, FORCE],
      run: split,
    },
    ...recordCommands,
  ],
};

async function mkstore(context: Context, { positionals: [out = ""], options }: Given) {
  const { seedConfig, overlayRejected } = configTree(options);
  if (overlayRejected !== undefined) {
    context.out.note(`warning: init will reject '${options["seedOverlay"]}': ${overlayRejected}`);
  }
  const sizeBytes = options["size"] as number;
  const file = { path: out, sizeBytes, force: options["force"] === true };
  const made = await create(context, file, (device) =>
    makeStore(device, {
      writable: options["writable"] === true,
      emptyConfig: options["emptyConfig"] === true,
      seedConfig,
      forBytes: options["forSize"] as number | undefined,
      ...seeds(options),
    }),
  );
  context.out.result({ path: out, ...made, overlayRejected }, () => {
    const files = made.filesystem ? " and a filesystem" : "";
    return `${out}: ${formatSize(made.sizeBytes)}, a store${files}, uuid ${made.uuid}`;
  });
}

async function mkdisk(context: Context, { positionals: [out = ""], options }: Given) {
  const boot = folderTree(options["boot"] as string);
  const { dataImage: imagePath, espSectors, dataOffsetBytes } = options;
  const dataImage = imagePath === undefined ? undefined : openDevice(imagePath as string, true);
  try {
    const given = {
      boot,
      dataImage,
      espSectors: espSectors as number | undefined,
      dataOffsetBytes: dataOffsetBytes as number | undefined,
      ...seeds(options),
    };
    const made = await create(
      context,
      { path: out, sizeBytes: options["size"] as number, force: options["force"] === true },
      (device) => makeDisk(device, given),
      (device) => planDisk(device, given),
    );
    context.out.result({ path: out, ...made }, () => {
      const { esp, data } = made.layout;
      return [
        `${out}: ${made.bootFiles} boot files, ${formatSize(made.bootBytes)}`,
        `  1 ESP              LBA ${esp.first} to ${esp.last}`,
        `  2 diskwright-data  LBA ${data.first} to ${data.last}`,
      ].join("\n");
    });
  } finally {
    dataImage?.close();
  }
}

async function split(context: Context, { positionals: [disk = ""], options }: Given) {
  const { out, signal, progress } = context;
  await withDisk(disk, { readOnly: true }, async ({ device, core }) => {
    const work = splitDisk(device, options["out"] as string, {
      force: options["force"] === true,
      core,
    });
    const files = await run(work, { signal, progress: progress.update });
    out.result({ files }, () =>
      files
        .map(({ path, firstLba, bytes }) => `${path}  LBA ${firstLba}  ${bytes} bytes`)
        .join("\n"),
    );
  });
}

interface SeededConfig {
  /** Content of system/config; undefined if neither option is given. */
  readonly seedConfig?: Tree;
  /** Why init will not take the overlay. A disk with such a one can be made on purpose. */
  readonly overlayRejected?: string | undefined;
}

/** What --seed-config and --seed-overlay ask for. */
function configTree(options: Given["options"]): SeededConfig {
  const { seedConfig, seedOverlay } = options;
  if (seedConfig === undefined && seedOverlay === undefined) return {};
  const files = seedConfig === undefined ? [] : folderTree(seedConfig as string);
  if (seedOverlay === undefined) return { seedConfig: files };
  const bytes = readFileSync(seedOverlay as string);
  const others = files.filter(({ path }) => path !== "overlay.bin");
  return {
    seedConfig: [...others, ...memoryTree({ "overlay.bin": bytes })],
    overlayRejected: overlayDoubt(bytes),
  };
}

function count(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(`'${text}' is no whole number`);
}
