/** The lock of a disk file: who may have it, who is told, and what becomes of a dead owner's. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { FileDevice } from "../../host/device/local/file.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

function disk(): string {
  const path = fresh("disk.img");
  FileDevice.create(path, { size: "1MiB" }).close();
  return path;
}

const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
const namespace = fs.readlinkSync("/proc/self/ns/pid");

test("a second writer in this process is EBUSY; readers are not; close() frees it", () => {
  const path = disk();
  const first = FileDevice.open(path);
  expect(() => FileDevice.open(path)).toThrow(/EBUSY.*this process holds it.*disk\.img\.lock/);
  expect(() => FileDevice.create(path, { size: "2MiB", overwrite: true })).toThrow("EBUSY");
  FileDevice.open(path, { readOnly: true }).close();
  expect(fs.statSync(path).size).toBe(2 ** 20);
  first.close();
  expect(fs.existsSync(`${path}.lock`)).toBe(false);
  FileDevice.open(path).close();
});

test("a symbolic link leads to the same lock", () => {
  const path = disk();
  const link = fresh("link.img");
  fs.symlinkSync(path, link);
  const device = FileDevice.open(link);
  expect(() => FileDevice.open(path)).toThrow("EBUSY");
  device.close();
  FileDevice.open(path).close();
  expect(fs.existsSync(`${path}.lock`)).toBe(false);
});

test("EBUSY names a living owner; a killed owner's lock is taken over", async () => {
  const path = disk();
  const script = `
    import { FileDevice } from "./host/device/local/file.ts";
    FileDevice.open(process.argv[1]);
    process.stdout.write("open");
    setInterval(() => {}, 1000);`;
  const argv = ["--import", "tsx", "--input-type=module", "-e", script, path];
  const owner = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  await once(owner.stdout, "data");
  expect(() => FileDevice.open(path)).toThrow(`process ${owner.pid} holds it`);
  owner.kill("SIGKILL");
  await once(owner, "exit");
  expect(fs.existsSync(`${path}.lock`)).toBe(true);
  FileDevice.open(path).close();
});

test("of several processes that find one dead owner exactly one takes over", async () => {
  const path = disk();
  const dead = { pid: 2 ** 22 + 1, start: "1", boot, namespace };
  fs.writeFileSync(`${path}.lock`, JSON.stringify(dead));
  const script = `
    import { FileDevice } from "./dist/host/device/local/file.js";
    const [path, at] = process.argv.slice(1);
    while (Date.now() < Number(at));
    try {
      FileDevice.open(path);
      process.stdout.write("open");
    } catch (error) {
      process.stdout.write(error.code);
    }
    process.stdin.on("end", () => process.exit(0)).resume();`;
  const at = `${Date.now() + 700}`;
  const argv = ["--input-type=module", "-e", script, path, at];
  const racers = Array.from({ length: 5 }, () =>
    spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] }),
  );
  const answers = await Promise.all(racers.map(({ stdout }) => once(stdout, "data")));
  // Nobody leaves before all have tried.
  const exits = racers.map((racer) => once(racer, "exit"));
  for (const { stdin } of racers) stdin.end();
  await Promise.all(exits);
  const outputs = answers.map((chunks) => `${chunks[0]}`).sort();
  expect(outputs).toEqual(["EBUSY", "EBUSY", "EBUSY", "EBUSY", "open"]);
  expect(fs.existsSync(`${path}.lock`)).toBe(false);
  expect(fs.existsSync(`${path}.lock.takeover`)).toBe(false);
});

test("a process that ends without close() leaves no lock", () => {
  const path = disk();
  const script = `
    import { FileDevice } from "./host/device/local/file.ts";
    FileDevice.open(process.argv[1]);
    process.exit(3);`;
  const argv = ["--import", "tsx", "--input-type=module", "-e", script, path];
  expect(spawnSync(process.execPath, argv).status).toBe(3);
  expect(fs.existsSync(`${path}.lock`)).toBe(false);
});

test("locks of dead, reborn, rebooted and nonsensical owners are taken over", () => {
  const parent = { pid: process.ppid, namespace };
  const stale = [
    { pid: 2 ** 22 + 1, start: "1", boot, namespace },
    { ...parent, start: "1", boot },
    { ...parent, start: "1", boot: "00000000-0000-0000-0000-000000000000" },
  ].map((owner) => JSON.stringify(owner));
  for (const text of [...stale, "", "{", '{"pid":"x"}']) {
    const path = disk();
    fs.writeFileSync(`${path}.lock`, text);
    const past = new Date(Date.now() - 60_000);
    fs.utimesSync(`${path}.lock`, past, past);
    const device = FileDevice.open(path);
    expect(() => FileDevice.open(path), text).toThrow("EBUSY");
    device.close();
  }
});

test("a lock being written, or of another container, is not taken over", () => {
  const path = disk();
  fs.writeFileSync(`${path}.lock`, "");
  expect(() => FileDevice.open(path)).toThrow(/EBUSY.*another process is locking it/);
  const owner = { pid: 2 ** 22 + 1, start: "1", boot, namespace: "pid:[1]" };
  fs.writeFileSync(`${path}.lock`, JSON.stringify(owner));
  expect(() => FileDevice.open(path)).toThrow(/EBUSY.*another container may hold it.*remove/);
  fs.rmSync(`${path}.lock`);
  FileDevice.open(path).close();
});

test("a lock that somebody else put in place of ours is not removed by close()", () => {
  const path = disk();
  const device = FileDevice.open(path);
  const other = JSON.stringify({ pid: 1, start: "x", boot, namespace });
  fs.writeFileSync(`${path}.lock`, other);
  device.close();
  expect(fs.readFileSync(`${path}.lock`, "utf8")).toBe(other);
});
