/** A machine made of files: a folder like /sys/block, and the kernel's tables as texts. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SystemView } from "../../host/system/disks/system.ts";

/** Files of one block device, by their path below its folder. */
export type BlockFiles = Readonly<Record<string, string>>;

export interface FakeMachine {
  readonly blocks: Readonly<Record<string, BlockFiles>>;
  /** Rows as "8:1 / /dev/sda1": number, mount point, source. */
  readonly mounts?: readonly string[];
  readonly swaps?: readonly string[];
  /** "major:minor" of the filesystem of a file. */
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
}

/** A disk of `sectors` with a number, and whatever else. */
export function block(dev: string, sectors: number, more: BlockFiles = {}): BlockFiles {
  return { dev, size: `${sectors}`, ro: "0", removable: "0", ...more };
}

/** A partition inside a disk's files. */
export function part(
  name: string,
  dev: string,
  number: number,
  start: number,
  sectors: number,
): BlockFiles {
  const files = { dev, partition: `${number}`, start: `${start}`, size: `${sectors}` };
  return Object.fromEntries(Object.entries(files).map(([file, text]) => [`${name}/${file}`, text]));
}

/** Writes the machine below `folder`, which must not exist. */
export function fakeSystem(folder: string, machine: FakeMachine): SystemView {
  const { blocks, mounts = [], swaps = [], files = {}, links = {} } = machine;
  for (const [name, content] of Object.entries(blocks)) {
    for (const [file, text] of Object.entries(content)) {
      const path = join(folder, name, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${text}\n`);
    }
  }
  return {
    blockFolder: folder,
    mounts: () => mounts.map(mountRow).join("\n"),
    swaps: () => ["Filename Type Size Used Priority", ...swaps].join("\n"),
    resolve: (path) => links[path] ?? path,
    deviceOf: (path) => files[path],
  };
}

function mountRow(row: string): string {
  const [device, at, source] = row.split(" ");
  return `36 35 ${device} / ${at} rw,noatime master:1 - ext4 ${source} rw`;
}
