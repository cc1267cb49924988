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
}

/** Arguments of QEMU for the disk in `file`. */
function attached(file: string, { as = "virtio", blockSize = 512 }: BootOptions): string[] {
  const drive = `if=none,id=disk,format=raw,file=${file},cache=unsafe`;
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

/**
 * Boots a copy of `image` (firmware repairs and renames things on the disk it boots) with nothing
 * else attached, until the machine powers off. Answers all that it wrote to its first serial port.
 */
export function bootDisk(
  image: string,
  folder: string,
  options: BootOptions = {},
): Promise<string> {
  const { timeoutMs = 180_000 } = options;
  const disk = join(folder, "boot-copy.img");
  const vars = join(folder, "vars.fd");
  copyFileSync(image, disk, constants.COPYFILE_FICLONE);
  copyFileSync(VARS, vars);
  const qemu = findTool("qemu-system-x86_64");
  if (qemu === undefined) throw new Error("missing tool: qemu-system-x86_64");
  const machine = spawn(
    qemu,
    [
      // KVM may be present and broken: always the translator.
      ..."-accel tcg -machine q35 -cpu qemu64 -m 256 -smp 1 -nodefaults -nographic".split(" "),
      ..."-serial stdio -no-reboot".split(" "),
      ...["-drive", `if=pflash,format=raw,readonly=on,file=${CODE}`],
      ...["-drive", `if=pflash,format=raw,file=${vars}`],
      ...attached(disk, options),
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
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
