/** `diskwright doctor`: which tools and features are here, and what each would add. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Core } from "../../core/load.ts";
import { MediaCore } from "../../core/media/load.ts";
import type { CommandSpec, Context } from "../kit/command.ts";
import { table } from "../kit/output.ts";

interface Finding {
  readonly name: string;
  readonly here: boolean;
  readonly detail: string;
  readonly adds: string;
}

const TOOLS: Readonly<Record<string, string>> = {
  fallocate: "gives freed space of a disk image back to the host (DISCARD)",
  sgdisk: "judges partition tables in the tests",
  sfdisk: "judges partition tables in the tests",
  parted: "judges partition tables in the tests, 4096-byte blocks too",
  "fsck.fat": "judges the ESP in the tests",
  mcopy: "reads the ESP back in the tests (mtools)",
  xorriso: "judges installer media in the tests",
  "qemu-system-x86_64": "boots disks with real firmware in the tests",
  "qemu-img": "converts raw images to qcow2, vdi or vmdk",
};
const FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd";

export const doctor: CommandSpec = {
  name: "doctor",
  summary: "Say which tools and features are here, and what each would add",
  async run({ out }: Context) {
    const findings = [...features(), ...tools()];
    out.result({ findings }, () =>
      table(
        findings.map(({ here, name, detail, adds }) => [
          here ? out.paint("green", "yes") : out.paint("yellow", "no"),
          name,
          detail,
          adds,
        ]),
      ),
    );
  },
};

function features(): Finding[] {
  const core = new Core();
  const size = `${core.memory.sizeBytes / 1024} KiB of memory at start`;
  return [
    {
      name: "core.wasm",
      here: true,
      detail: `ABI ${core.exports.abiVersion()}, ${size}`,
      adds: "the storage core; nothing else is needed",
    },
    {
      name: "media.wasm",
      here: true,
      detail: `ABI ${new MediaCore().exports.abiVersion()}`,
      adds: "reads and writes installer media (ISO 9660)",
    },
    {
      name: "node",
      here: true,
      detail: process.version,
      adds: "20.19 or newer runs everything",
    },
    {
      name: "native SHA-256",
      here: true,
      detail: "node:crypto",
      adds: "hashes 3 to 4 times as fast as the core's own kernel",
    },
  ];
}

function tools(): Finding[] {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/sbin", "/usr/sbin"];
  const found = Object.entries(TOOLS).map(([name, adds]) => {
    const path = folders.map((folder) => join(folder, name)).find((entry) => existsSync(entry));
    return { name, here: path !== undefined, detail: path ?? "", adds };
  });
  const firmware = existsSync(FIRMWARE);
  const adds = "UEFI firmware for QEMU, for the boot tests";
  return [...found, { name: "OVMF", here: firmware, detail: firmware ? FIRMWARE : "", adds }];
}
