/** `diskwright image mkmedia`: the installer's medium, for CD and USB. */
import { formatSize } from "../../base/size.ts";
import { folderTree } from "../../system/image/folder.ts";
import { type MakeMediaOptions, makeMedia, planMedia } from "../../system/media/media.ts";
import type { CommandSpec, Context, Given } from "../kit/command.ts";
import { create, FORCE, SEED, seeds } from "../kit/create.ts";

export const mkmedia: CommandSpec = {
  name: "mkmedia",
  summary: "Make an installer medium: a hybrid ISO that boots from CD and from USB",
  arguments: { "<out>": "image file to make" },
  options: [
    { flags: "--boot <dir>", summary: "what the boot image (ESP) holds, exactly", required: true },
    { flags: "--payload <dir>", summary: "what is under /boot/bins", required: true },
    { flags: "--usb", summary: "a disk with one FAT32 for both, in place of the ISO" },
    { flags: "--label <text>", summary: "of the ISO: capitals, digits and _ (DISKWRIGHT)" },
    SEED,
    FORCE,
  ],
  examples: [
    "diskwright image split medium.img --out payload/",
    "diskwright image mkmedia installer.iso --boot boot/ --payload payload/",
  ],
  run,
};

async function run(context: Context, { positionals: [out = ""], options }: Given) {
  const given: MakeMediaOptions = {
    boot: folderTree(options["boot"] as string),
    payload: folderTree(options["payload"] as string),
    usb: options["usb"] === true,
    label: options["label"] as string | undefined,
    ...seeds(options),
  };
  const sizeBytes = planMedia(given).sectors * 512;
  const file = { path: out, sizeBytes, force: options["force"] === true };
  const made = await create(context, file, (device) => makeMedia(device, given));
  context.out.result({ path: out, ...made }, () => {
    const { kind, esp, bootFiles, payloadFiles, payloadBytes } = made;
    const name = kind === "iso" ? "hybrid ISO" : "USB disk";
    return [
      `${out}: ${name}, ${formatSize(made.sizeBytes)}`,
      `  boot image  LBA ${esp.first} to ${esp.last}, ${bootFiles} files and folders`,
      `  /boot/bins  ${payloadFiles} files and folders, ${formatSize(payloadBytes)}`,
    ].join("\n");
  });
}
