/**
 * `diskwright demo`: the life of a disk, step by step: a medium is made and installed, the disk
 * boots,
 * gets files and objects, boots again, is verified and drawn. What it leaves is a real disk.
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../../base/hash.ts";
import { formatSize } from "../../base/size.ts";
import { run, type Work } from "../../base/work.ts";
import { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import { FileDevice } from "../../device/local/file.ts";
import { drawDisk } from "../../system/draw.ts";
import { memoryTree } from "../../system/image/folder.ts";
import { makeDisk } from "../../system/image/mkdisk.ts";
import { inspectDisk } from "../../system/inspect.ts";
import { install } from "../../system/install/install.ts";
import { Machine } from "../../system/machine.ts";
import { findRegion } from "../../system/place.ts";
import { verifyDisk } from "../../system/verify.ts";
import { type CommandSpec, type Context, Exit, type ExitCode } from "../kit/command.ts";
import { greeter } from "./greeter.ts";

const MEDIUM_SIZE = "256MiB";
const DISK_SIZE = "1GiB";
/** What the demo's own boot loader prints on real firmware. */
export const GREETING = "Diskwright: this disk was made without root, and it boots.";

const BOOT_FILES = {
  "EFI/BOOT/BOOTX64.EFI": greeter(GREETING),
  "README.TXT": "Made by `diskwright demo`. Start it with any UEFI firmware.\r\n",
};
const CONFIG_FILES = {
  hostname: "demo\n",
  "log-level": "info\n",
  motd: "Whatever the power does, this file is whole.\n",
};

export const demo: CommandSpec = {
  name: "demo",
  summary: "Show the life of a disk: make, install, boot, use, boot again, verify, draw",
  options: [{ flags: "--dir <dir>", summary: "folder for medium.img and disk.img" }],
  run: async (context, { options }) => {
    const dir =
      (options["dir"] as string | undefined) ?? mkdtempSync(join(tmpdir(), "diskwright-"));
    mkdirSync(dir, { recursive: true });
    return new Demo(context, dir).play();
  },
};

class Demo {
  readonly #context: Context;
  readonly #medium: string;
  readonly #disk: string;
  #step = 0;

  constructor(context: Context, dir: string) {
    this.#context = context;
    this.#medium = join(dir, "medium.img");
    this.#disk = join(dir, "disk.img");
  }

  async play(): Promise<ExitCode> {
    await this.#makeMedium();
    await this.#install();
    this.#boot("boot it: firmware, kernel, init; the data region is mounted");
    this.#use();
    this.#boot("boot again: what was written is there");
    const damage = await this.#verify();
    this.#draw();
    return damage === 0 ? Exit.DONE : Exit.DAMAGE;
  }

  async #makeMedium(): Promise<void> {
    this.#title(`make a medium: ${this.#medium}`);
    const device = FileDevice.create(this.#medium, { size: MEDIUM_SIZE, overwrite: true });
    try {
      const { layout, bootFiles } = await this.#run(
        makeDisk(device, { boot: memoryTree(BOOT_FILES) }),
      );
      const { esp, data } = layout;
      this.#tell(`ESP LBA ${esp.first} to ${esp.last}, ${bootFiles} entries`);
      this.#tell(`data region LBA ${data.first} to ${data.last}`);
    } finally {
      device.close();
    }
  }

  async #install(): Promise<void> {
    this.#title(`install it onto a blank disk of ${DISK_SIZE}: ${this.#disk}`);
    const medium = FileDevice.open(this.#medium, { readOnly: true });
    const target = FileDevice.create(this.#disk, { size: DISK_SIZE, overwrite: true });
    try {
      const { plan } = await this.#run(install(medium, target));
      for (const { title } of plan.steps) this.#tell(title);
      this.#tell("read back and equal");
    } finally {
      target.close();
      medium.close();
    }
  }

  #boot(title: string): void {
    this.#title(title);
    const { out } = this.#context;
    this.#withDisk(false, (device) => {
      const console = out.json
        ? (line: string) => out.event({ event: "console", line })
        : (line: string) => out.line(line);
      new Machine({ disks: [device], console }).boot();
    });
  }

  #use(): void {
    this.#title("use it: three files into system/config, one object into the store");
    this.#withDisk(false, (device) => {
      const core = new Core();
      const id = core.attach(device);
      const region = Region.open(core, id, findRegion(core, id));
      try {
        for (const [name, text] of Object.entries(CONFIG_FILES)) {
          region.files?.writeFile(`/system/config/${name}`, text);
          this.#tell(`/system/config/${name}`);
        }
        const hash = region.store.put(new TextEncoder().encode("an object is named by its hash\n"));
        this.#tell(`object ${toHex(hash)}`);
      } finally {
        region.close();
      }
    });
  }

  async #verify(): Promise<number> {
    this.#title("verify every structure and every hash");
    const device = FileDevice.open(this.#disk, { readOnly: true });
    try {
      const { checked, damage, findings } = await this.#run(verifyDisk(device));
      for (const { lba, message } of findings) this.#tell(`LBA ${lba}: ${message}`);
      this.#tell(`${checked.join(", ")}: ${damage === 0 ? "clean" : `${damage} damaged`}`);
      return damage;
    } finally {
      device.close();
    }
  }

  #draw(): void {
    const { out } = this.#context;
    this.#title("the disk");
    this.#withDisk(true, (device) => {
      const view = inspectDisk(device);
      if (out.json) out.event({ event: "disk", ...view });
      else out.line(drawDisk(view, process.stdout.columns ?? 80).join("\n"));
    });
    this.#tell(`${this.#disk} (${formatSize(2 ** 30)}, sparse) boots wherever UEFI does:`);
    this.#tell(
      `qemu-system-x86_64 -bios /usr/share/ovmf/OVMF.fd -drive file=${this.#disk},format=raw`,
    );
  }

  #withDisk(readOnly: boolean, use: (device: FileDevice) => void): void {
    const device = FileDevice.open(this.#disk, { readOnly });
    try {
      use(device);
    } finally {
      device.close();
    }
  }

  #run<T>(work: Work<T>): Promise<T> {
    const { signal, progress } = this.#context;
    return run(work, { signal, progress: progress.update });
  }

  #title(text: string): void {
    const { out } = this.#context;
    this.#step++;
    out.note(`${this.#step > 1 ? "\n" : ""}${out.paint("bold", `${this.#step}. ${text}`)}`);
  }

  #tell(text: string): void {
    this.#context.out.note(`   ${text}`);
  }
}
