/**
 * Installing a RayOS system tree of 1 GiB onto a sparse disk of 256 GiB, through the program, from
 * a folder and from archives of it, beside `cp -r` of the same tree with a sync of what it wrote.
 * Reading everything back is part of an installation and told as a second figure; so are the time
 * of the processor, which other load on the machine does not change much, and the most memory that
 * the program held.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { table } from "../host/cli/kit/output.ts";
import { median } from "./kit.ts";

const PROGRAM = fileURLToPath(new URL("../dist/host/cli/main.js", import.meta.url));
const ROUNDS = 3;
const DISK_BYTES = 256 * 2 ** 30;
/** Sizes of files as a system has them, and how many: 1 GiB together. */
const FILES = [
  { bytes: 64 * 2 ** 20, count: 6 },
  { bytes: 4 * 2 ** 20, count: 96 },
  { bytes: 256 * 1024, count: 640 },
  { bytes: 32 * 1024, count: 2500 },
  { bytes: 4000, count: 4500 },
];
const POLL_MS = 10;
/** Of /proc/PID/stat. */
const TICK_MS = 10;

/** Archives of the tree, by the command that makes one; what is not installed is left out. */
const ARCHIVES: readonly (readonly [kind: string, command: string])[] = [
  ["tar", 'tar cf "$1" -C "$0" .'],
  ["tar.gz", 'tar c -C "$0" . | gzip -1 > "$1"'],
  ["tar.zst", 'tar c -C "$0" . | zstd -q -o "$1"'],
];

/** Wall time and time of the processor. */
interface Spent {
  readonly ms: number;
  readonly cpuMs: number;
}

interface Times {
  readonly source: string;
  readonly copy: Spent;
  /** Up to the moment when everything is written, and to the end. */
  readonly write: Spent;
  readonly whole: Spent;
  readonly memoryMib: number;
}

export async function run(json: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "diskwright-bench-"));
  try {
    const tree = join(folder, "image");
    const bytes = makeTree(tree);
    const rounds: Times[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await once(folder, tree, "folder"));
    for (const [kind, command] of ARCHIVES) {
      const archive = join(folder, `image.${kind}`);
      if (spawnSync("sh", ["-c", command, tree, archive]).status !== 0) continue;
      rounds.push(await once(folder, tree, kind, archive));
      rmSync(archive);
    }
    if (json) {
      process.stdout.write(`${JSON.stringify({ subject: "rayos", bytes, rounds })}\n`);
      return;
    }
    const head = ["1 GiB onto 256 GiB", "durable", "ms", "times cp", "CPU ms", "times cp", "MiB"];
    process.stdout.write(`${table(rowsOf(rounds), head)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rowsOf(rounds: readonly Times[]): string[][] {
  const of = (list: readonly Times[], what: "copy" | "write" | "whole") => {
    const middle = (take: (times: Times) => number) => median(list.map(take));
    return [
      middle((it) => it[what].ms).toFixed(0),
      middle((it) => it[what].ms / it.copy.ms).toFixed(2),
      middle((it) => it[what].cpuMs).toFixed(0),
      middle((it) => it[what].cpuMs / it.copy.cpuMs).toFixed(2),
    ];
  };
  const rows = [["cp -r, sync", "fsync of the filesystem", ...of(rounds, "copy"), ""]];
  for (const source of new Set(rounds.map((it) => it.source))) {
    const own = rounds.filter((it) => it.source === source);
    const memory = Math.max(...own.map((it) => it.memoryMib)).toFixed(0);
    const durable = "fdatasync after each step";
    rows.push([`${source}: all written`, durable, ...of(own, "write"), ""]);
    rows.push([`${source}: read back too`, durable, ...of(own, "whole"), memory]);
  }
  return rows;
}

function makeTree(root: string): number {
  let total = 0;
  let state = 1;
  for (const { bytes, count } of FILES) {
    const content = Buffer.alloc(bytes);
    for (let index = 0; index < count; index++) {
      const folder = join(root, `usr/lib/${bytes}/${index % 40}`);
      mkdirSync(folder, { recursive: true });
      for (let at = 0; at + 4 <= bytes; at += 4) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
        content.writeInt32LE(state, at);
      }
      write(join(folder, `file-${index}`), content);
      total += bytes;
    }
  }
  for (const path of ["kernel.bin", "EFI/BOOT/BOOTX64.EFI"]) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    write(join(root, path), Buffer.alloc(8 * 2 ** 20, 7));
    total += 8 * 2 ** 20;
  }
  return total;
}

function write(path: string, content: Uint8Array): void {
  const file = openSync(path, "w");
  writeSync(file, content);
  closeSync(file);
}

async function once(folder: string, tree: string, kind: string, source = tree): Promise<Times> {
  const target = join(folder, "copy");
  const disk = join(folder, "disk.img");
  rmSync(disk, { force: true });
  await ended(spawn("sync", []));
  const script = 'cp -r "$0" "$1" && sync -f "$1" && :';
  const copying = new Watched(spawn("sh", ["-c", script, tree, target]));
  await copying.done;
  const copy = copying.spent();
  rmSync(target, { recursive: true, force: true });
  const file = openSync(disk, "w");
  ftruncateSync(file, DISK_BYTES);
  closeSync(file);
  await ended(spawn("sync", []));
  const args = ["install", "--layout", "rayos", "--source", source, "--target", disk, "--yes"];
  const child = spawn(process.execPath, [PROGRAM, ...args, "--json"], { stdio: "pipe" });
  const installing = new Watched(child);
  let write: Spent | undefined;
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (data: string) => {
    text += data;
    if (/read[^"]*back/i.test(text)) write ??= installing.spent();
  });
  child.stderr?.resume();
  await installing.done;
  const whole = installing.spent();
  if (write === undefined) throw new Error(`the program did not say when it reads back: ${text}`);
  return { source: kind, copy, write, whole, memoryMib: installing.memoryMib };
}

/** A process whose time and memory are looked at while it runs. */
class Watched {
  readonly done: Promise<void>;
  memoryMib = 0;
  readonly #startedMs = performance.now();
  readonly #pid: number;
  #cpuMs = 0;

  constructor(child: ChildProcess) {
    this.#pid = child.pid ?? 0;
    const poll = setInterval(() => this.#look(), POLL_MS);
    this.done = ended(child).finally(() => clearInterval(poll));
  }

  spent(): Spent {
    this.#look();
    return { ms: performance.now() - this.#startedMs, cpuMs: this.#cpuMs };
  }

  #look(): void {
    try {
      const status = readFileSync(`/proc/${this.#pid}/status`, "utf8");
      const peakKib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
      this.memoryMib = Math.max(this.memoryMib, peakKib / 1024);
      // Behind the name: own time and that of children that have ended, user and system, in ticks.
      const stat = readFileSync(`/proc/${this.#pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      this.#cpuMs = Math.max(this.#cpuMs, ticks * TICK_MS);
    } catch {
      // It has ended.
    }
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${child.spawnargs.join(" ")} ended with ${code}`));
    });
  });
}
