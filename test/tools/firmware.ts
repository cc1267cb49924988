/** Boots a disk image in QEMU with real UEFI firmware (OVMF) and reads its serial console. */
import { spawn } from "node:child_process";
import { constants, copyFileSync } from "node:fs";
import { join } from "node:path";
import { findTool } from "./tools.ts";

const CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/** What a test needs installed to boot disks. */
export const FIRMWARE_TOOLS = ["qemu-system-x86_64", CODE, VARS] as const;

export interface BootOptions {
  /** Logical and physical block size of the disk in bytes. */
  readonly blockSize?: 512 | 4096;
  /** How the machine has it; a CD cannot be written. Default "virtio". */
  readonly as?: "virtio" | "cd" | "usb";
  readonly timeoutMs?: number;
  /** What the machine writes: goes to a copy (the default), is thrown away, or stays. */
  readonly writes?: "copy" | "discard" | "keep";
  /** True: a reset is another boot of the same run. Default: it ends the run. */
  readonly resets?: boolean;
  /** Memory of the machine, default 256. */
  readonly memoryMib?: number;
  /** More disks, behind the one that boots. */
  readonly others?: readonly string[];
}

/** Arguments of QEMU for the disk in `file`. */
function attached(file: string, options: BootOptions): string[] {
  const { as = "virtio", blockSize = 512, writes } = options;
  const kept = writes === "discard" ? "snapshot=on" : "cache=unsafe";
  const drive = `if=none,id=disk,format=raw,file=${file},${kept}`;
  if (as === "cd") {
    return ["-drive", `${drive},media=cdrom,readonly=on`, "-device", "ide-cd,drive=disk"];
  }
  if (as === "usb") {
    const hub = ["-device", "qemu-xhci"];
    return ["-drive", drive, ...hub, "-device", "usb-storage,drive=disk"];
  }
  const blocks = `logical_block_size=${blockSize},physical_block_size=${blockSize}`;
  return ["-drive", drive, "-device", `virtio-blk-pci,drive=disk,${blocks}`];
}

/** Arguments of QEMU for a disk that is not booted. */
function beside(file: string, index: number): string[] {
  const drive = `if=none,id=other${index},format=raw,file=${file},cache=unsafe`;
  return ["-drive", drive, "-device", `virtio-blk-pci,drive=other${index}`];
}

/**
 * Boots a copy of `image` (firmware repairs and renames things on the disk it boots) until the
 * machine powers off. Answers all that it wrote to its first serial port.
 */
export function bootDisk(
  image: string,
  folder: string,
  options: BootOptions = {},
): Promise<string> {
  const { timeoutMs = 180_000, writes = "copy", resets = false, others = [] } = options;
  const disk = writes === "copy" ? join(folder, "boot-copy.img") : image;
  const vars = join(folder, "vars.fd");
  if (disk !== image) copyFileSync(image, disk, constants.COPYFILE_FICLONE);
  copyFileSync(VARS, vars);
  return powerOn(
    [
      ...["-m", `${options.memoryMib ?? 256}`],
      ...(resets ? [] : ["-no-reboot"]),
      ...["-drive", `if=pflash,format=raw,readonly=on,file=${CODE}`],
      ...["-drive", `if=pflash,format=raw,file=${vars}`],
      ...attached(disk, options),
      ...others.flatMap(beside),
    ],
    timeoutMs,
  );
}

/** Starts `kernel` itself, without firmware, with `disks` as /dev/vda and so on. */
export function bootKernel(
  { kernel, initrd }: { readonly kernel: string; readonly initrd: string },
  disks: readonly string[],
  { timeoutMs = 600_000, writable = false } = {},
): Promise<string> {
  const access = writable ? "cache=unsafe" : "readonly=on";
  const drives = disks.flatMap((file, index) => [
    ...["-drive", `if=none,id=d${index},format=raw,file=${file},${access}`],
    ...["-device", `virtio-blk-pci,drive=d${index}`],
  ]);
  const start = ["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=1 quiet"];
  return powerOn(["-m", "384", "-no-reboot", ...start, ...drives], timeoutMs);
}

/** Runs a machine until it powers off; answers what it wrote to its first serial port. */
function powerOn(arguments_: readonly string[], timeoutMs: number): Promise<string> {
  const qemu = findTool("qemu-system-x86_64");
  if (qemu === undefined) throw new Error("missing tool: qemu-system-x86_64");
  // KVM may be present and broken: always the translator.
  const board = "-accel tcg -machine q35 -cpu qemu64 -smp 1 -nodefaults -nographic -serial stdio";
  const machine = spawn(qemu, [...board.split(" "), ...arguments_], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Promise((resolve, reject) => {
    let console = "";
    let complaints = "";
    const timer = setTimeout(() => {
      machine.kill("SIGKILL");
      reject(new Error(`no power-off within ${timeoutMs} ms; the console said:\n${console}`));
    }, timeoutMs);
    machine.stdout.on("data", (data: Buffer) => {
      console += data.toString("latin1");
    });
    machine.stderr.on("data", (data: Buffer) => {
      complaints += data.toString();
    });
    machine.on("error", reject);
    machine.on("exit", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(console);
      else reject(new Error(`qemu ended with ${code}: ${complaints}\n${console}`));
    });
  });
}
