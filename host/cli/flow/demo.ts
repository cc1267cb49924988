/**
 * `diskwright demo`: the whole life of a disk. A medium is made and installed; the disk boots, is
 * provisioned, updated, confirms, fails an update and falls back by itself, rolls back on request,
 * is verified and drawn. Every boot is a new mount; what it leaves is a real disk.
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatSize } from "../../base/size.ts";
import { run, type Work } from "../../base/work.ts";
import { Core } from "../../core/load.ts";
import { FileDevice } from "../../device/local/file.ts";
import { Nvram } from "../../system/boot/nvram.ts";
import { demoBoot, demoOverlay, OPERATOR } from "../../system/demo/system.ts";
import { drawDisk } from "../../system/draw.ts";
import { memoryTree } from "../../system/image/folder.ts";
import { makeDisk } from "../../system/image/mkdisk.ts";
import { inspectDisk } from "../../system/inspect.ts";
import { install } from "../../system/install/install.ts";
import { type BootReport, Machine } from "../../system/machine.ts";
import { findRegion } from "../../system/place.ts";
import { shippedService } from "../../system/service/shipped.ts";
import { type FlowReport, provision, rollback, update } from "../../system/update/flows.ts";
import { statusOf } from "../../system/update/status.ts";
import { type InstalledSystem, openSystem } from "../../system/update/system.ts";
import { verifyDisk } from "../../system/verify.ts";
import { type CommandSpec, type Context, Exit, type ExitCode } from "../kit/command.ts";
import { describeStatus } from "./generations.ts";

const MEDIUM_SIZE = "256MiB";
const DISK_SIZE = "1GiB";

export const demo: CommandSpec = {
  name: "demo",
  summary:
    "Show the life of a disk: install, boot, provision, update, fall back, roll back, verify",
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
  readonly #nvram = new Nvram();
  #step = 0;
  #failures = 0;

  constructor(context: Context, dir: string) {
    this.#context = context;
    this.#medium = join(dir, "medium.img");
    this.#disk = join(dir, "disk.img");
  }

  async play(): Promise<ExitCode> {
    await this.#makeMedium();
    await this.#install();
    this.#boot("boot it: an empty data region is mounted, the base runs", 0);
    this.#flow("provision it: an operator, a name, the first generation", (system) =>
      provision(system, { account: OPERATOR, settings: { hostname: "one" } }),
    );
    this.#boot("boot: generation 1 is what it was provisioned with", 1);
    this.#flow("update: generation 2 adds a service; it waits to be tried", (system) =>
      update(system, { overlay: demoOverlay("overlay-extra", "two") }),
    );
    this.#boot("boot: generation 2 is tried, passes its checkpoint, is confirmed", 2);
    this.#flow("a failing update: the service of generation 3 does not come up", (system) =>
      update(system, { overlay: demoOverlay("overlay-failing", "three") }),
    );
    this.#boot("boot: generation 3 fails, and the machine falls back by itself", 2);
    this.#flow("roll back on request: generation 4 has the content of 1", (system) =>
      rollback(system, 1),
    );
    this.#boot("boot: the older content is tried like any other, and is confirmed", 4);
    const damage = await this.#verify();
    this.#draw();
    if (damage > 0) return Exit.DAMAGE;
    return this.#failures === 0 ? Exit.DONE : Exit.FAILED;
  }

  async #makeMedium(): Promise<void> {
    this.#title(`make a medium: ${this.#medium}`);
    const device = FileDevice.create(this.#medium, { size: MEDIUM_SIZE, overwrite: true });
    try {
      const { layout, bootFiles } = await this.#run(
        makeDisk(device, { boot: memoryTree(demoBoot(shippedService)) }),
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

  /** A boot that should end at the checkpoint with generation `wanted`, 0 for none. */
  #boot(title: string, wanted: number): void {
    this.#title(title);
    const { out } = this.#context;
    const console = out.json
      ? (line: string) => out.event({ event: "console", line })
      : (line: string) => out.line(line);
    const report = this.#withDisk(false, (device): BootReport => {
      return new Machine({ disks: [device], nvram: this.#nvram, console }).boot();
    });
    const { id = 0 } = report.generation ?? {};
    if (report.outcome === "checkpoint" && id === wanted) return;
    this.#failures++;
    this.#tell(`not as it should be: ${report.outcome}, generation ${id}, expected ${wanted}`);
  }

  #flow(title: string, act: (system: InstalledSystem) => FlowReport): void {
    this.#title(title);
    const { out } = this.#context;
    const done = this.#withSystem(false, act);
    if (out.json) out.event({ event: "flow", ...done });
    this.#tell(`generation ${done.generation}: ${done.manifestHash}`);
    if (done.accountHash !== undefined) this.#tell(`account:      ${done.accountHash}`);
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
    const status = this.#withSystem(true, statusOf);
    if (out.json) out.event({ event: "status", ...status });
    else out.line(describeStatus(status));
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

  #withSystem<T>(readOnly: boolean, use: (system: InstalledSystem) => T): T {
    return this.#withDisk(readOnly, (device) => {
      const core = new Core();
      const id = core.attach(device);
      const { baseSector, sectors } = findRegion(core, id);
      const system = openSystem(core, id, { baseSector, sectors, readOnly });
      try {
        return use(system);
      } finally {
        system.close();
      }
    });
  }

  #withDisk<T>(readOnly: boolean, use: (device: FileDevice) => T): T {
    const device = FileDevice.open(this.#disk, { readOnly });
    try {
      return use(device);
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
