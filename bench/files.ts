/**
 * The filesystem against node:fs on a temporary filesystem in one run: many small files, their
 * content, status and names, and a large file in order and at random. Nothing is synced inside what
 * is measured, but for the one commit at the end of each writing round of ours.
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileSystem } from "../host/core/files.ts";
import { Core } from "../host/core/load.ts";
import { Region } from "../host/core/region.ts";
import { FileDevice } from "../host/device/local/file.ts";
import { MemoryDevice } from "../host/device/local/memory.ts";
import { type Candidate, measure, print, type Row, type Subject } from "./kit.ts";

const FILES = 1000;
const SMALL_BYTES = 4096;
const LARGE_BYTES = 64 << 20;
const STEP_BYTES = 1 << 20;
const DISK_BYTES = 512 << 20;

/** The calls that are measured, in the spelling of either side. */
interface Calls {
  mkdir(path: string): void;
  write(path: string, data: Uint8Array): void;
  read(path: string): Uint8Array;
  stat(path: string): unknown;
  readdir(path: string): string[];
  open(path: string, flags: string): number;
  pread(fd: number, into: Uint8Array, position: number): number;
  pwrite(fd: number, data: Uint8Array, position: number): number;
  close(fd: number): void;
  sync(): void;
}

interface Side {
  readonly name: string;
  readonly durability: string;
  /** An empty filesystem. */
  open(): Calls;
  end(): void;
}

export async function run(json: boolean): Promise<void> {
  const shared = fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = fs.mkdtempSync(join(process.env.DISKWRIGHT_BENCH_DIR ?? shared, "bench-files-"));
  const sides = [nodeSide(folder), memorySide(), fileSide(folder)];
  const rows: Row[] = [];
  try {
    for (const subject of subjects(sides)) rows.push(...(await measure(subject)));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  print(rows, json);
}

function subjects(sides: readonly Side[]): Subject[] {
  const small = new Uint8Array(SMALL_BYTES).fill(7);
  const step = new Uint8Array(STEP_BYTES).fill(9);
  // A round may run more than once: each run gets a folder and a file of its own.
  let runs = 0;
  const name = (at: number) => `/d${runs}/file-${at}`;
  const large = (calls: Calls, use: (fd: number) => void) => {
    const fd = calls.open(`/large${runs}`, "r+");
    use(fd);
    calls.close(fd);
  };
  const fillSmall = (calls: Calls) => {
    runs += 1;
    calls.mkdir(`/d${runs}`);
    for (let at = 0; at < FILES; at++) calls.write(name(at), small);
    calls.sync();
  };
  const fillLarge = (calls: Calls) => {
    runs += 1;
    const fd = calls.open(`/large${runs}`, "w");
    for (let at = 0; at < LARGE_BYTES; at += STEP_BYTES) calls.pwrite(fd, step, at);
    calls.close(fd);
    calls.sync();
  };
  const places = Array.from({ length: FILES }, (_, at) => ((at * 7919) % 16_384) * SMALL_BYTES);
  const empty = () => {};
  return [
    subject(sides, "create and write 4 KiB", FILES, SMALL_BYTES, empty, fillSmall),
    subject(sides, "readFile 4 KiB", FILES, SMALL_BYTES, fillSmall, (calls) => {
      for (let at = 0; at < FILES; at++) calls.read(name(at));
    }),
    subject(sides, "stat", FILES, 0, fillSmall, (calls) => {
      for (let at = 0; at < FILES; at++) calls.stat(name(at));
    }),
    subject(sides, "readdir of 1,000 names", 10, 0, fillSmall, (calls) => {
      for (let round = 0; round < 10; round++) calls.readdir(`/d${runs}`);
    }),
    subject(sides, "write 64 MiB in 1 MiB", 64, STEP_BYTES, empty, fillLarge),
    subject(sides, "read 64 MiB in 1 MiB", 64, STEP_BYTES, fillLarge, (calls) =>
      large(calls, (fd) => {
        for (let at = 0; at < LARGE_BYTES; at += STEP_BYTES) calls.pread(fd, step, at);
      }),
    ),
    subject(sides, "read 4 KiB at random", FILES, SMALL_BYTES, fillLarge, (calls) =>
      large(calls, (fd) => {
        for (const place of places) calls.pread(fd, small, place);
      }),
    ),
    subject(sides, "write 4 KiB at random", FILES, SMALL_BYTES, fillLarge, (calls) => {
      large(calls, (fd) => {
        for (const place of places) calls.pwrite(fd, small, place);
      });
      calls.sync();
    }),
  ];
}

function subject(
  sides: readonly Side[],
  name: string,
  operations: number,
  bytes: number,
  prepare: (calls: Calls) => void,
  work: (calls: Calls) => void,
): Subject {
  const candidates = sides.map((side): Candidate => {
    let calls: Calls;
    return {
      name: side.name,
      durability: side.durability,
      prepare: () => {
        calls = side.open();
        prepare(calls);
      },
      run: () => work(calls),
      finish: () => side.end(),
    };
  });
  return { name, operations, bytes, baseline: "node:fs", candidates };
}

function nodeSide(folder: string): Side {
  const root = join(folder, "node");
  const at = (path: string) => root + path;
  const calls: Calls = {
    mkdir: (path) => fs.mkdirSync(at(path)),
    write: (path, data) => fs.writeFileSync(at(path), data),
    read: (path) => fs.readFileSync(at(path)),
    stat: (path) => fs.statSync(at(path)),
    readdir: (path) => fs.readdirSync(at(path)),
    open: (path, flags) => fs.openSync(at(path), flags),
    pread: (fd, into, position) => fs.readSync(fd, into, 0, into.length, position),
    pwrite: (fd, data, position) => fs.writeSync(fd, data, 0, data.length, position),
    close: (fd) => fs.closeSync(fd),
    sync: () => {},
  };
  return {
    name: "node:fs",
    durability: "page cache",
    open: () => {
      fs.mkdirSync(root);
      return calls;
    },
    end: () => fs.rmSync(root, { recursive: true }),
  };
}

function memorySide(): Side {
  return ourSide("CAPOSWF1 in memory", "one commit", () => new MemoryDevice({ size: DISK_BYTES }));
}

function fileSide(folder: string): Side {
  const path = join(folder, "disk.img");
  return ourSide("CAPOSWF1 on a file", "one commit (2 fdatasync)", () => {
    fs.rmSync(path, { force: true });
    return FileDevice.create(path, { size: DISK_BYTES });
  });
}

function ourSide(name: string, durability: string, create: () => MemoryDevice | FileDevice): Side {
  let device: MemoryDevice | FileDevice;
  let region: Region;
  return {
    name,
    durability,
    open: () => {
      device = create();
      const core = new Core();
      const id = core.attach(device);
      Region.format(core, id);
      region = Region.open(core, id, { strict: false });
      return callsOf(region.files as FileSystem);
    },
    end: () => {
      region.close();
      device.close();
    },
  };
}

function callsOf(files: FileSystem): Calls {
  return {
    mkdir: (path) => void files.mkdir(path),
    write: (path, data) => files.writeFile(path, data),
    read: (path) => files.readFile(path),
    stat: (path) => files.stat(path),
    readdir: (path) => files.readdir(path),
    open: (path, flags) => files.open(path, flags),
    pread: (fd, into, position) => files.read(fd, into, 0, into.length, position),
    pwrite: (fd, data, position) => files.write(fd, data, 0, data.length, position),
    close: (fd) => files.close(fd),
    sync: () => files.sync(),
  };
}
