/**
 * Installing a RayOS system tree of 1 GiB onto a sparse disk of 256 GiB, through the program, beside
 * `cp -r` of the same tree with a sync of what it wrote. Reading everything back is part of an
 * installation and told as a second figure; so is the most memory that the program held.
 */
import { type ChildProcess, spawn } from "node:child_process";
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

interface Times {
  readonly copyMs: number;
  /** Up to the moment when everything is written, and to the end. */
  readonly writeMs: number;
  readonly wholeMs: number;
  readonly memoryMib: number;
}

export async function run(json: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "diskwright-bench-"));
  try {
    const source = join(folder, "image");
    const bytes = makeTree(source);
    const rounds: Times[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await once(folder, source));
    const copyMs = median(rounds.map((it) => it.copyMs));
    const rows = [
      ["cp -r, sync", "fsync of the filesystem", copyMs, 1, ""],
      ...(["writeMs", "wholeMs"] as const).map((name) => {
        const ms = median(rounds.map((it) => it[name]));
        const ratio = median(rounds.map((it) => it[name] / it.copyMs));
        const what = name === "writeMs" ? "install, all written" : "install, read back too";
        const memory = Math.max(...rounds.map((it) => it.memoryMib)).toFixed(0);
        return [what, "fdatasync after each step", ms, ratio, memory];
      }),
    ] as const;
    if (json) {
      process.stdout.write(`${JSON.stringify({ subject: "rayos", bytes, rounds })}\n`);
      return;
    }
    const cells = rows.map(([what, durable, ms, ratio, memory]) => {
      const speed = ((bytes / 2 ** 20 / Number(ms)) * 1000).toFixed(0);
      return [what, durable, Number(ms).toFixed(0), speed, Number(ratio).toFixed(2), memory];
    });
    const head = ["1 GiB onto 256 GiB", "durable", "ms", "MiB/s", "times cp", "MiB at most"];
    process.stdout.write(
      `${table(
        cells.map((row) => row.map(String)),
        head,
      )}\n`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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

async function once(folder: string, source: string): Promise<Times> {
  const copy = join(folder, "copy");
  const disk = join(folder, "disk.img");
  rmSync(copy, { recursive: true, force: true });
  rmSync(disk, { force: true });
  await ended(spawn("sync", []));
  let started = performance.now();
  await ended(spawn("sh", ["-c", `cp -r "${source}" "${copy}" && sync -f "${copy}"`]));
  const copyMs = performance.now() - started;
  rmSync(copy, { recursive: true, force: true });
  const file = openSync(disk, "w");
  ftruncateSync(file, DISK_BYTES);
  closeSync(file);
  await ended(spawn("sync", []));
  started = performance.now();
  const args = ["install", "--layout", "rayos", "--source", source, "--target", disk, "--yes"];
  const child = spawn(process.execPath, [PROGRAM, ...args, "--json"], { stdio: "pipe" });
  let writeMs = 0;
  let memoryMib = 0;
  const poll = setInterval(() => {
    memoryMib = Math.max(memoryMib, peakMib(child.pid ?? 0));
  }, POLL_MS);
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (data: string) => {
    text += data;
    if (writeMs === 0 && /read[^"]*back/i.test(text)) writeMs = performance.now() - started;
  });
  child.stderr?.resume();
  await ended(child);
  clearInterval(poll);
  if (writeMs === 0) throw new Error(`the program did not say when it reads back: ${text}`);
  return { copyMs, writeMs, wholeMs: performance.now() - started, memoryMib };
}

/** The most memory that a process has held so far. */
function peakMib(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
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
