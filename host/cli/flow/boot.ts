/** `diskwright boot`: the emulated machine boots a disk; its console is standard output. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { BlockDevice } from "../../device/device.ts";
import { Nvram } from "../../system/boot/nvram.ts";
import { Machine } from "../../system/machine.ts";
import { type CommandSpec, type Context, Exit, type ExitCode, type Given } from "../kit/command.ts";
import { openDevice, withDisk } from "../kit/open.ts";

/** The boot disk is in slot 4; further ones follow it. */
const FURTHER_SLOT = 5;

export const boot: CommandSpec = {
  name: "boot",
  summary: "Boot a disk in the emulated machine; exit 0 only at the health checkpoint",
  arguments: { "<disk>": "disk to boot" },
  options: [
    { flags: "--disk <disk...>", summary: "further disks, in PCI slots 5, 6, ..." },
    { flags: "--nvram <file>", summary: "UEFI variables, kept from boot to boot" },
    { flags: "--read-only", summary: "write nothing to any disk" },
    { flags: "--no-reset", summary: "end where the machine would reset itself" },
  ],
  examples: [
    "diskwright boot disk.img",
    "diskwright boot disk.img --nvram disk.nvram",
    "diskwright boot disk.img --disk other.img",
  ],
  run: (context, given) => {
    const { positionals, options } = given;
    const [disk = ""] = positionals;
    const readOnly = options["readOnly"] === true;
    return withDisk(disk, { readOnly }, ({ device }) => {
      const further = openFurther((options["disk"] as string[] | undefined) ?? [], readOnly);
      try {
        return run(context, given, [device, ...further]);
      } finally {
        for (const other of further) other.close();
      }
    });
  },
};

function run({ out }: Context, { options }: Given, disks: readonly BlockDevice[]): ExitCode {
  const path = options["nvram"] as string | undefined;
  const nvram =
    path !== undefined && existsSync(path) ? Nvram.from(readFileSync(path)) : new Nvram();
  const console = out.json ? undefined : (line: string) => out.line(line);
  const resetsMax = options["reset"] === false ? 0 : undefined;
  const report = new Machine({ disks, nvram, console, resetsMax }).boot();
  if (path !== undefined) saveNvram(path, nvram);
  if (out.json) out.event(report);
  for (const { disk: name, note } of report.notes) out.note(`${name}: ${note}`);
  if (report.outcome === "recovery") {
    out.note("No generation may run: `diskwright rollback DISK --recover` ends recovery.");
  }
  return report.outcome === "checkpoint" ? Exit.DONE : Exit.FAILED;
}

function openFurther(paths: readonly string[], readOnly: boolean): BlockDevice[] {
  const opened: BlockDevice[] = [];
  try {
    for (const [index, path] of paths.entries()) {
      opened.push(openDevice(path, readOnly, undefined, FURTHER_SLOT + index));
    }
    return opened;
  } catch (error) {
    for (const device of opened) device.close();
    throw error;
  }
}

/** The old variables stay until the new ones are whole. */
function saveNvram(path: string, nvram: Nvram): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, nvram.toBytes());
  renameSync(fresh, path);
}
