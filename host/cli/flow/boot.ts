/** `diskwright boot`: the emulated machine boots a disk; its console is standard output. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIso } from "../../core/media/open.ts";
import type { BlockDevice } from "../../device/device.ts";
import { Nvram } from "../../system/boot/nvram.ts";
import { Machine, type MachineOptions } from "../../system/machine.ts";
import type { RunInstaller } from "../../system/rayos-loader.ts";
import {
  type CommandSpec,
  type Context,
  Exit,
  type ExitCode,
  type Given,
  UsageError,
} from "../kit/command.ts";
import { openDevice, parseDisk } from "../kit/open.ts";
import { shellLine } from "../kit/prompts.ts";

type Devices = Pick<MachineOptions, "disks" | "cdrom" | "cdromFirst">;

/** The boot disk is in slot 4; further ones follow it. */
const FURTHER_SLOT = 5;
/** An IDE drive of the usual chipset, as QEMU has it. */
const CDROM_PCI = "8086:7010@00:01.1";

export const boot: CommandSpec = {
  name: "boot",
  summary: "Boot a disk in the emulated machine; exit 0 only at the health checkpoint",
  arguments: { "<disk>": "disk to boot; an ISO image goes into the CD-ROM drive" },
  options: [
    { flags: "--cdrom <iso>", summary: "medium in the CD-ROM drive, booted if no disk boots" },
    { flags: "--disk <disk...>", summary: "further disks, in PCI slots 5, 6, ..." },
    { flags: "--nvram <file>", summary: "UEFI variables, kept from boot to boot" },
    { flags: "--entry <pattern>", summary: "start this boot entry of a RayOS disk, once" },
    { flags: "--read-only", summary: "write nothing to any disk" },
    { flags: "--no-reset", summary: "end where the machine would reset itself" },
  ],
  examples: [
    "diskwright boot disk.img",
    "diskwright boot disk.img --nvram disk.nvram",
    "diskwright boot installer.iso --disk blank.img",
    "diskwright boot blank.img --cdrom rayos.iso",
    "diskwright boot rayos.img --entry 'rayos-recovery*'",
  ],
  async run(context, given) {
    const { positionals, options } = given;
    const [disk = ""] = positionals;
    const readOnly = options["readOnly"] === true;
    const further = (options["disk"] as string[] | undefined) ?? [];
    const cdrom = options["cdrom"] as string | undefined;
    const opened: BlockDevice[] = [];
    const open = (path: string, pci: number | string | undefined, reads: boolean): BlockDevice => {
      const device = openDevice(path, reads, undefined, pci);
      opened.push(device);
      return device;
    };
    try {
      const medium = isIsoFile(disk) ? disk : cdrom;
      if (medium === disk && cdrom !== undefined) {
        throw new UsageError("there is one CD-ROM drive: the ISO image to boot is in it");
      }
      const disks = medium === disk ? [] : [open(parseDisk(disk).path, undefined, readOnly)];
      for (const [index, path] of further.entries()) {
        disks.push(open(path, FURTHER_SLOT + index, readOnly));
      }
      const drive = medium === undefined ? undefined : open(medium, CDROM_PCI, true);
      return await run(context, given, { disks, cdrom: drive, cdromFirst: medium === disk });
    } finally {
      for (const device of opened) device.close();
    }
  },
};

function isIsoFile(path: string): boolean {
  if (!existsSync(path)) return false;
  const device = openDevice(path, true);
  try {
    return isIso(device);
  } finally {
    device.close();
  }
}

async function run(
  { out, signal }: Context,
  { options }: Given,
  devices: Devices,
): Promise<ExitCode> {
  const path = options["nvram"] as string | undefined;
  const nvram =
    path !== undefined && existsSync(path) ? Nvram.from(readFileSync(path)) : new Nvram();
  const entry = options["entry"] as string | undefined;
  if (entry !== undefined) nvram.entryOneShot = entry;
  const console = out.json ? undefined : (line: string) => out.line(line);
  const resetsMax = options["reset"] === false ? 0 : undefined;
  const install: RunInstaller = async (call) => {
    // Only a machine that is asked for it needs an installer.
    const { machineInstaller } = await import("./boot-installer.ts");
    const resumeCommand = shellLine(["diskwright", ...process.argv.slice(2)]);
    return await machineInstaller({ signal, resumeCommand })(call);
  };
  const machine = new Machine({ ...devices, nvram, console, resetsMax });
  const report = await machine.bootWith(install);
  if (path !== undefined) saveNvram(path, nvram);
  if (out.json) out.event(report);
  for (const { disk: name, note } of report.notes) out.note(`${name}: ${note}`);
  if (report.outcome === "recovery") {
    out.note("No generation may run: `diskwright rollback DISK --recover` ends recovery.");
  }
  return ["checkpoint", "installed"].includes(report.outcome) ? Exit.DONE : Exit.FAILED;
}

/** The old variables stay until the new ones are whole. */
function saveNvram(path: string, nvram: Nvram): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, nvram.toBytes());
  renameSync(fresh, path);
}
