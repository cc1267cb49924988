/** CAPOSWF1 on devices that fail and on full ones: a typed error, and nothing half done. */
import { expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { freshCore } from "../support/core.ts";

const CODES = /^(EIO|ESTALE|EROFS|EUNKNOWN|EBADMSG|ENOSPC|EBADF|ENOENT|ENOTDIR)$/;

function bytes(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).map((_, at) => (at * 31 + seed + (at >>> 8)) & 255);
}

/** Every path with its kind and content. */
function dump(files: FileSystem): string {
  const all: string[] = [];
  for (const path of files.readdir("/", { recursive: true }).sort()) {
    const status = files.lstat(path);
    const content = status.isFile() ? Buffer.from(files.readFile(path)).toString("base64") : "";
    all.push(`${path} ${status.mode} ${status.nlink} ${content}`);
  }
  return all.join("\n");
}

/** A script of steps; each is one call of the core, or a sync. */
const STEPS: readonly ((files: FileSystem) => void)[] = [
  (files) => files.mkdir("/d"),
  (files) => files.close(files.open("/d/a", "w")),
  (files) => write(files, "/d/a", bytes(90_000, 1), 0),
  (files) => files.link("/d/a", "/b"),
  (files) => files.sync(),
  (files) => write(files, "/d/a", bytes(5000, 2), 30_000),
  (files) => files.rename("/d/a", "/c"),
  (files) => files.setXattr("/c", "user.x", bytes(300, 3)),
  (files) => files.sync(),
  (files) => files.truncate("/b", 33_333),
  (files) => files.unlink("/b"),
  (files) => files.rmdir("/d"),
  (files) => files.sync(),
  (files) => files.unlink("/c"),
  (files) => files.sync(),
];

function write(files: FileSystem, path: string, data: Uint8Array, at: number): void {
  const fd = files.open(path, "r+");
  try {
    files.write(fd, data, 0, data.length, at);
  } finally {
    files.close(fd);
  }
}

/** What stands after each step where nothing fails; 0: before the first one. */
function statesOf(): string[] {
  const core = freshCore();
  const id = core.attach(new MemoryDevice({ size: "4MiB" }));
  Region.format(core, id);
  const region = Region.open(core, id);
  const files = region.files as FileSystem;
  const states = [dump(files)];
  for (const step of STEPS) {
    step(files);
    states.push(dump(files));
  }
  region.close();
  return states;
}

/** Runs the steps up to the first one that fails: its number, STEPS.length if none does. */
function runSteps(files: FileSystem): number {
  for (const [number, step] of STEPS.entries()) {
    try {
      step(files);
    } catch (error) {
      expect((error as { code: string }).code).toMatch(CODES);
      return number;
    }
  }
  return STEPS.length;
}

test.each([
  ["read", RequestType.IN, 1],
  ["write", RequestType.OUT, 1],
  ["FLUSH", RequestType.FLUSH, 1],
  ["write, and all after it,", RequestType.OUT, Number.POSITIVE_INFINITY],
  ["FLUSH, and all after it,", RequestType.FLUSH, Number.POSITIVE_INFINITY],
] as const)("the k-th %s fails, for every k: what is left is a state that was", (_, on, times) => {
  const states = statesOf();
  for (let nth = 1; nth < 500; nth++) {
    const core = freshCore();
    const memory = new MemoryDevice({ size: "4MiB" });
    Region.format(core, core.attach(memory));
    const trace = new TraceDevice(memory, { logging: false });
    const region = Region.open(core, core.attach(trace));
    const files = region.files as FileSystem;
    trace.inject({ on, nth, times });
    const failed = runSteps(files);
    const there = trace.counts.failures > 0;
    trace.clear();
    const legal = states.slice(0, failed + 2);
    afterCrash(memory, (found) => expect(legal, `k = ${nth}`).toContain(dump(found)));
    if (there) goOn(region, memory, legal);
    else return;
  }
  expect.unreachable("a run without a failure");
});

/** The same instance, once the device works again: it goes on, or says why it does not. */
function goOn(region: Region, memory: MemoryDevice, legal: readonly string[]): void {
  const files = region.files as FileSystem;
  expect(legal).toContain(dump(files));
  try {
    region.store.reopen();
    files.reopen();
    files.writeFile("/after", bytes(20_000, 9));
    files.sync();
  } catch (error) {
    // A commit in doubt takes no more changes; what is there stays readable.
    expect((error as { code: string }).code).toBe("EROFS");
    return;
  }
  const now = dump(files);
  expect(files.check({ data: true })).toEqual([]);
  afterCrash(memory, (found) => {
    expect(dump(found)).toBe(now);
    expect(found.check({ data: true })).toEqual([]);
  });
}

function afterCrash(memory: MemoryDevice, use: (files: FileSystem) => void): void {
  const core = freshCore();
  const region = Region.open(core, core.attach(memory.clone()));
  use(region.files as FileSystem);
  region.close();
}

test("a full filesystem says ENOSPC, loses nothing, and can always be emptied", () => {
  const core = freshCore();
  const device = new MemoryDevice({ size: "4MiB" });
  const id = core.attach(device);
  Region.format(core, id);
  let region = Region.open(core, id);
  let files = region.files as FileSystem;
  const kept = new Map<string, Uint8Array>();
  let code = "";
  for (let at = 0; code === "" && at < 1000; at++) {
    const path = `/f${at}`;
    const content = bytes(1 + ((at * 7919) % 60_000), at);
    try {
      files.writeFile(path, content);
      kept.set(path, content);
    } catch (error) {
      code = (error as { code: string }).code;
    }
  }
  expect(code).toBe("ENOSPC");
  expect(kept.size).toBeGreaterThan(10);
  files.sync();
  region.close();
  region = Region.open(core, id);
  files = region.files as FileSystem;
  for (const [path, content] of kept) {
    expect(Buffer.compare(files.readFile(path), content), path).toBe(0);
  }
  expect(files.check({ data: true })).toEqual([]);
  for (const name of files.readdir("/")) files.unlink(`/${name}`);
  files.sync();
  expect(files.readdir("/")).toEqual([]);
  for (let round = 0; round < 3; round++) {
    files.writeFile("/again", bytes(200_000, round));
    files.sync();
  }
  expect(Buffer.compare(files.readFile("/again"), bytes(200_000, 2))).toBe(0);
  expect(files.check({ data: true })).toEqual([]);
  region.close();
  expect(Region.verify(core, id)).toEqual([]);
});
