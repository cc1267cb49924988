/** The file device: the contract, calls saved by merging, holes, and what can go wrong below it. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { Feature, RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { fallocateTool } from "../../host/device/local/file/punch.ts";
import { type FileCalls, nodeCalls } from "../../host/device/local/file/transfer.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { nodeFacts } from "../../host/device/local/node.ts";
import { deviceContract, expectRefused, noise, read, run } from "../support/contract.ts";
import { temporaryPaths } from "../support/folder.ts";

const { IN, OUT, FLUSH, DISCARD, WRITE_ZEROES } = RequestType;
const { OK, IOERR } = RequestStatus;
const fresh = temporaryPaths();

function contractOver(name: string, options: { punch?: boolean }): void {
  deviceContract(name, ({ sizeBytes, blkSize, readOnly, content }) => {
    const path = fresh("disk.img");
    const made = FileDevice.create(path, { size: sizeBytes, blkSize, ...options });
    const open = () => FileDevice.open(path, { blkSize, readOnly, ...options });
    const dispose = () => fs.rmSync(path);
    if (content.length === 0 && !readOnly) return { device: made, reopen: open, dispose };
    // Nobody else writes to a file while a device has it open.
    made.close();
    if (content.length > 0) fs.writeFileSync(path, content, { flag: "r+" });
    return { device: open(), reopen: open, dispose };
  });
}

contractOver("file", {});
contractOver("file without holes", { punch: false });

/** Node's calls, counted, with some replaced. */
function counting(given: Partial<FileCalls> = {}): { calls: FileCalls; count: typeof counts } {
  const counts = { read: 0, write: 0, readv: 0, writev: 0, datasync: 0 };
  const calls = { ...nodeCalls, ...given };
  for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
    const call = calls[name] as (...rest: unknown[]) => never;
    calls[name] = ((...rest: unknown[]) => {
      counts[name] += 1;
      return call(...rest);
    }) as never;
  }
  return { calls, count: counts };
}

function failing(code: string): () => never {
  return () => {
    throw Object.assign(new Error(`${code}: injected`), { code });
  };
}

test("sixteen neighbours in any order are one vectored call, one piece of memory a plain one", () => {
  const { calls, count } = counting();
  const device = FileDevice.create(fresh("d.img"), { size: "1MiB", calls });
  const apart = Array.from({ length: 16 }, (_, index) => noise(4096, index));
  const order = [3, 0, 1, 2, 15, 14, 13, 12, 8, 9, 10, 11, 7, 6, 5, 4];
  device.submit(order.map((index) => request(OUT, index * 8, apart[index] as Uint8Array)));
  expect(count).toEqual({ read: 0, write: 0, readv: 0, writev: 1, datasync: 0 });
  const memory = new Uint8Array(65536);
  const pieces = apart.map((_, index) => memory.subarray(index * 4096, (index + 1) * 4096));
  device.submit(pieces.map((piece, index) => request(IN, index * 8, piece)));
  expect(count).toEqual({ read: 1, write: 0, readv: 0, writev: 1, datasync: 0 });
  for (const [index, piece] of pieces.entries()) expect(piece).toEqual(apart[index]);
  device.close();
});

test("a gap between two runs costs one more call, not one a request", () => {
  const { calls, count } = counting();
  const device = FileDevice.create(fresh("d.img"), { size: "1MiB", calls });
  const at = [0, 1, 2, 10, 11, 12];
  device.submit(at.map((sector) => request(OUT, sector, noise(512, sector))));
  expect([count.writev, count.write]).toEqual([2, 0]);
  device.close();
});

test("a failing sector of a vectored call refuses its request alone, with the cause", () => {
  const { calls } = counting({
    writev: failing("EIO"),
    write: (fd, data, offset, length, position) => {
      if (position === 1024) failing("ENOSPC")();
      return nodeCalls.write(fd, data, offset, length, position);
    },
  });
  const device = FileDevice.create(fresh("d.img"), { size: "1MiB", calls });
  const batch = [0, 1, 2, 3].map((sector) => request(OUT, sector, noise(512, sector)));
  device.submit(batch);
  expect(batch.map(({ status }) => status)).toEqual([OK, OK, IOERR, OK]);
  expect(batch[2]?.cause).toMatchObject({ code: "ENOSPC" });
  expect(read(device, 3, 512)).toEqual(noise(512, 3));
  expect(read(device, 2, 512)).toEqual(new Uint8Array(512));
  device.close();
});

test("short transfers of the system are carried on until all has moved", () => {
  const { calls } = counting({
    writev: (fd, data, position) => nodeCalls.write(fd, data[0] as Uint8Array, 0, 100, position),
    write: (fd, data, offset, length, position) =>
      nodeCalls.write(fd, data, offset, Math.min(length, 100), position),
    readv: () => 7,
    read: (fd, data, offset, length, position) =>
      nodeCalls.read(fd, data, offset, Math.min(length, 33), position),
  });
  const device = FileDevice.create(fresh("d.img"), { size: "1MiB", calls });
  device.submit([0, 1, 2].map((sector) => request(OUT, sector, noise(512, sector))));
  const back = [0, 1, 2].map((sector) => request(IN, sector, new Uint8Array(512)));
  device.submit(back);
  expect(back.map(({ status, transferred }) => [status, transferred])).toEqual(
    back.map(() => [OK, 512]),
  );
  for (const [index, { data }] of back.entries()) expect(data).toEqual(noise(512, index));
  device.close();
});

test("a FLUSH covers the writes before it in its batch, and none is left for later", () => {
  const order: string[] = [];
  const calls: Partial<FileCalls> = {
    write: (fd, data, offset, length, position) => {
      order.push(`write ${position}`);
      return nodeCalls.write(fd, data, offset, length, position);
    },
    datasync: (fd) => {
      order.push("sync");
      nodeCalls.datasync(fd);
    },
  };
  const device = FileDevice.create(fresh("d.img"), { size: "1MiB", calls });
  const [first, second] = [noise(512, 1), noise(512, 2)];
  device.submit([request(OUT, 4, first), request(FLUSH, 0), request(OUT, 0, second)]);
  expect(order).toEqual(["write 2048", "sync", "write 0"]);
  device.close();
});

test("a failed FLUSH stays failed: the kernel has forgotten what it could not write", () => {
  let fails = 1;
  const { calls, count } = counting({
    datasync: (fd) => (fails-- > 0 ? failing("EIO")() : nodeCalls.datasync(fd)),
  });
  const device = FileDevice.create(fresh("d.img"), { size: "1MiB", calls });
  expectRefused(device, request(FLUSH, 0), IOERR, "first");
  expectRefused(device, request(FLUSH, 0), IOERR, "second");
  expect(count.datasync).toBe(1);
  device.close();
});

test("a file truncated or deleted while open is IOERR and says so", () => {
  const path = fresh("d.img");
  const device = FileDevice.create(path, { size: "1MiB" });
  fs.truncateSync(path, 4096 + 100);
  const batch = [7, 8, 9].map((sector) => request(IN, sector, new Uint8Array(512)));
  device.submit(batch);
  expect(batch.map(({ status }) => status)).toEqual([OK, IOERR, IOERR]);
  expect(String(batch[1]?.cause)).toContain("ends at byte 4196: it was truncated while open");
  const flush = request(FLUSH, 0);
  device.submit([flush]);
  expect([flush.status, String(flush.cause)]).toEqual([
    IOERR,
    expect.stringContaining("truncated from 1048576 to 4196 bytes"),
  ]);
  device.close();
  const gone = fresh("gone.img");
  const other = FileDevice.create(gone, { size: "1MiB" });
  fs.rmSync(gone);
  other.submit([flush]);
  expect([flush.status, String(flush.cause)]).toEqual([
    IOERR,
    expect.stringContaining("was deleted while open"),
  ]);
  other.close();
});

test("a new file is sparse, has its size at once, and stays sparse under large zeroes", () => {
  const path = fresh("d.img");
  const device = FileDevice.create(path, { size: "64MiB" });
  expect(fs.statSync(path).size).toBe(2 ** 26);
  const empty = fs.statSync(path).blocks;
  expect(empty).toBeLessThan(64);
  if (fallocateTool() === undefined) return;
  device.submit([request(OUT, 0, noise(2 ** 23, 1))]);
  expect(fs.statSync(path).blocks).toBeGreaterThanOrEqual(16384);
  run(device, request(WRITE_ZEROES, 0, undefined, 2 ** 14, 1));
  expect(fs.statSync(path).blocks).toBeLessThan(64);
  expect(read(device, 5, 4096)).toEqual(new Uint8Array(4096));
  run(device, request(WRITE_ZEROES, 0, undefined, 2 ** 14, 0));
  expect(fs.statSync(path).blocks).toBeGreaterThanOrEqual(16384);
  run(device, request(DISCARD, 0, undefined, 2 ** 14));
  expect(fs.statSync(path).blocks).toBeLessThan(64);
  expect(fs.statSync(path).size).toBe(2 ** 26);
  device.close();
});

test("without fallocate on the path neither DISCARD nor WRITE_ZEROES is offered", () => {
  const script = `
    import { FileDevice } from "./host/device/local/file.ts";
    const device = FileDevice.create(process.argv[1], { size: "1MiB" });
    process.stdout.write(String(device.config.features));`;
  const argv = ["--import", "tsx", "--input-type=module", "-e", script, fresh("d.img")];
  const env = { ...process.env, PATH: "/nowhere" };
  const result = spawnSync(process.execPath, argv, { encoding: "utf8", env });
  expect(result.stderr).toBe("");
  const features = Number(result.stdout);
  expect(features & Feature.FLUSH).not.toBe(0);
  expect(features & (Feature.DISCARD | Feature.WRITE_ZEROES)).toBe(0);
});

test("create refuses an existing file unless told to overwrite it, and then it is all zero", () => {
  const path = fresh("d.img");
  fs.writeFileSync(path, noise(4096, 1));
  expect(() => FileDevice.create(path, { size: "1MiB" })).toThrow("EEXIST");
  expect(fs.readFileSync(path)).toEqual(Buffer.from(noise(4096, 1)));
  const device = FileDevice.create(path, { size: "1MiB", overwrite: true });
  expect(read(device, 0, 4096)).toEqual(new Uint8Array(4096));
  device.close();
});

test("what is no file is refused with its reason, and nothing is left behind", () => {
  const folder = fresh("folder");
  fs.mkdirSync(folder);
  expect(() => FileDevice.open(`${folder}/absent.img`)).toThrow("ENOENT");
  expect(() => FileDevice.open(folder)).toThrow("EISDIR");
  expect(() => FileDevice.open("/dev/null")).toThrow("EINVAL");
  expect(() => FileDevice.create(`${folder}/x.img`, { size: 100 })).toThrow("EINVAL");
  expect(() => FileDevice.create(`${folder}/y/x.img`, { size: 512 })).toThrow("ENOENT");
  const serial = "longer than twenty characters";
  expect(() => FileDevice.create(`${folder}/z.img`, { size: 512, serial })).toThrow("EINVAL");
  expect(fs.readdirSync(folder)).toEqual(["z.img"]);
});

test("a file that is no whole number of blocks is cut down to whole ones", () => {
  const path = fresh("odd.img");
  fs.writeFileSync(path, noise(9000, 1));
  const small = FileDevice.open(path, { readOnly: true });
  expect(small.config.capacity).toBe(17);
  small.close();
  const large = FileDevice.open(path, { readOnly: true, blkSize: 4096 });
  expect(large.config.capacity).toBe(16);
  large.close();
});

test("sysfs tells size, blocks, serial and PCI place of a node, of a partition too", () => {
  const root = fresh("sys");
  const disk = `${root}/devices/pci0000:00/0000:00:05.0/virtio2/block/vdb`;
  fs.mkdirSync(`${disk}/vdb1`, { recursive: true });
  fs.mkdirSync(`${disk}/queue`);
  fs.mkdirSync(`${root}/dev/block`, { recursive: true });
  const pci = `${root}/devices/pci0000:00/0000:00:05.0`;
  const files: [string, string][] = [
    [`${pci}/vendor`, "0x1af4\n"],
    [`${pci}/device`, "0x1042\n"],
    [`${disk}/size`, "4294967296\n"],
    [`${disk}/ro`, "0\n"],
    [`${disk}/serial`, "DATA-1"],
    [`${disk}/queue/logical_block_size`, "4096\n"],
    [`${disk}/queue/physical_block_size`, "4096\n"],
    [`${disk}/vdb1/partition`, "1\n"],
    [`${disk}/vdb1/size`, "2048\n"],
    [`${disk}/vdb1/ro`, "1\n"],
  ];
  for (const [path, text] of files) fs.writeFileSync(path, text);
  fs.symlinkSync(disk, `${root}/dev/block/254:16`);
  fs.symlinkSync(`${disk}/vdb1`, `${root}/dev/block/259:257`);
  const facts = {
    sectors: 2 ** 32,
    logicalBlock: 4096,
    physicalBlock: 4096,
    readOnly: false,
    serial: "DATA-1",
    pci: "1af4:1042@00:05.0",
  };
  expect(nodeFacts(254 * 256 + 16, root)).toEqual(facts);
  // Minor 257 does not fit eight bits: its high part stands above the major number.
  const partition = { ...facts, sectors: 2048, readOnly: true };
  expect(nodeFacts(259 * 256 + 1 + 2 ** 20, root)).toEqual(partition);
  expect(() => nodeFacts(8 * 256, root)).toThrow("ENOENT");
});
