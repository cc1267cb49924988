/** `diskwright boot`: the emulated machine boots a disk; its console is standard output. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Nvram } from "../../system/boot/nvram.ts";
import { Machine } from "../../system/machine.ts";
import { type CommandSpec, Exit } from "../kit/command.ts";
import { withDisk } from "../kit/open.ts";

export const boot: CommandSpec = {
  name: "boot",
  summary: "Boot a disk in the emulated machine; exit 0 only at the health checkpoint",
  arguments: { "<disk>": "disk to boot" },
  options: [
    { flags: "--nvram <file>", summary: "UEFI variables, kept from boot to boot" },
    { flags: "--read-only", summary: "write nothing to the disk" },
  ],
  examples: ["diskwright boot disk.img"],
  run: ({ out }, { positionals: [disk = ""], options }) =>
    withDisk(disk, { readOnly: options["readOnly"] === true }, ({ device }) => {
      const path = options["nvram"] as string | undefined;
      const nvram =
        path !== undefined && existsSync(path) ? Nvram.from(readFileSync(path)) : new Nvram();
      const console = out.json ? undefined : (line: string) => out.line(line);
      const report = new Machine({ disks: [device], nvram, console }).boot();
      if (path !== undefined) saveNvram(path, nvram);
      if (out.json) out.event(report);
      for (const { disk: name, note } of report.notes) out.note(`${name}: ${note}`);
      return report.outcome === "checkpoint" ? Exit.DONE : Exit.FAILED;
    }),
};

/** The old variables stay until the new ones are whole. */
function saveNvram(path: string, nvram: Nvram): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, nvram.toBytes());
  renameSync(fresh, path);
}
