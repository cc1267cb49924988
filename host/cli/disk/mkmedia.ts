/** `diskwright image mkmedia`: the installer's medium, for CD and USB. */
import { readFileSync } from "node:fs";
import { systemFailure } from "../../base/errors.ts";
import { formatSize } from "../../base/size.ts";
import { run as finished } from "../../base/work.ts";
import { folderTree } from "../../system/image/folder.ts";
import {
  type MadeMedia,
  type MakeMediaOptions,
  makeMedia,
  planMedia,
} from "../../system/media/media.ts";
import { prepareRayosMedia, type RayosMedia } from "../../system/rayos/media.ts";
import { type CommandSpec, type Context, type Given, UsageError } from "../kit/command.ts";
import { create, FORCE, SEED, seeds } from "../kit/create.ts";

const RAYOS_ONLY = ["registry", "bootLoader", "kernelOptions"];

export const mkmedia: CommandSpec = {
  name: "mkmedia",
  summary: "Make an installer medium: a hybrid ISO that boots from CD and from USB",
  arguments: { "<out>": "image file to make" },
  options: [
    {
      flags: "--layout <name>",
      summary: "what the medium installs",
      choices: ["capos", "rayos"],
      default: "capos",
    },
    { flags: "--boot <dir>", summary: "what the boot image (ESP) holds; rayos: besides its own" },
    {
      flags: "--payload <path>",
      summary: "what is under /boot/bins; rayos: the system, a folder or tar",
      required: true,
    },
    { flags: "--usb", summary: "a disk with one FAT32 for both, in place of the ISO" },
    { flags: "--label <text>", summary: "of the ISO: capitals, digits and _ (DISKWRIGHT; RAYOS)" },
    { flags: "--registry <file>", summary: "rayos: registry.json with what is done unasked" },
    { flags: "--boot-loader <file>", summary: "rayos: systemd-boot, in place of the image's own" },
    { flags: "--kernel-options <text>", summary: "rayos: added to the installer's boot entry" },
    SEED,
    FORCE,
  ],
  examples: [
    "diskwright image split medium.img --out payload/",
    "diskwright image mkmedia installer.iso --boot boot/ --payload payload/",
    "diskwright image mkmedia rayos.iso --layout rayos --payload rayos-system-image/",
  ],
  async run(context, given) {
    const { layout } = given.options;
    if (layout === "capos") await capos(context, given);
    else await rayos(context, given);
  },
};

async function capos(context: Context, given: Given): Promise<void> {
  const { options } = given;
  const foreign = RAYOS_ONLY.find((name) => options[name] !== undefined);
  if (foreign !== undefined) {
    const flag = foreign.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${flag} is for --layout rayos.`);
  }
  if (options["boot"] === undefined) throw new UsageError("--boot <dir> is missing.");
  const made = await make(context, given, {
    boot: folderTree(options["boot"] as string),
    payload: folderTree(options["payload"] as string),
    usb: options["usb"] === true,
    label: options["label"] as string | undefined,
    ...seeds(options),
  });
  context.out.result(made, () => {
    const { payloadFiles, payloadBytes } = made;
    const payload = `${payloadFiles} files and folders, ${formatSize(payloadBytes)}`;
    return [...linesOf(made), `  /boot/bins  ${payload}`].join("\n");
  });
}

async function rayos(context: Context, given: Given): Promise<void> {
  const { options } = given;
  const text = (name: string) => options[name] as string | undefined;
  const [boot, registry] = [text("boot"), text("registry")];
  const work = prepareRayosMedia({
    payload: options["payload"] as string,
    boot: boot === undefined ? undefined : folderTree(boot),
    registry: registry === undefined ? undefined : contentOf(registry),
    bootLoader: text("bootLoader"),
    kernelOptions: text("kernelOptions"),
    usb: options["usb"] === true,
    label: text("label"),
    ...seeds(options),
  });
  const { signal, progress } = context;
  const media: RayosMedia = await finished(work, { signal, progress: progress.update });
  try {
    const { image, warnings } = media;
    const made = await make(context, given, media.options);
    context.out.result({ ...made, image, warnings }, () => {
      const { name, sizeBytes, files, release, sha256 } = image;
      return [
        ...linesOf(made),
        `  /${name}  ${formatSize(sizeBytes)}, ${files} files: ${release}`,
        `  SHA-256 ${sha256}`,
        ...warnings.map((warning) => `  warning: ${warning}`),
      ].join("\n");
    });
  } finally {
    media.close();
  }
}

async function make(
  context: Context,
  { positionals: [out = ""], options }: Given,
  media: MakeMediaOptions,
) {
  const sizeBytes = planMedia(media).sectors * 512;
  const file = { path: out, sizeBytes, force: options["force"] === true };
  const made = await create(context, file, (device) => makeMedia(device, media));
  return { path: out, ...made };
}

function linesOf({ path, kind, esp, bootFiles, sizeBytes }: MadeMedia & { readonly path: string }) {
  const name = kind === "iso" ? "hybrid ISO" : "USB disk";
  return [
    `${path}: ${name}, ${formatSize(sizeBytes)}`,
    `  boot image  LBA ${esp.first} to ${esp.last}, ${bootFiles} files and folders`,
  ];
}

function contentOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw systemFailure(error, "read", path);
  }
}
