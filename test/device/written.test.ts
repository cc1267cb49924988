/** What a file device knows of holes: where nobody wrote, zeroing and discarding are no work. */
import * as fs from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { type BlockDevice, RequestType, request } from "../../host/device/device.ts";
import * as holes from "../../host/device/local/file/punch.ts";
import { type FileCalls, nodeCalls } from "../../host/device/local/file/transfer.ts";
import { Written } from "../../host/device/local/file/written.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { isZero } from "../../host/device/sectors.ts";
import { noise, read, run } from "../support/contract.ts";
import { temporaryPaths } from "../support/folder.ts";

const { OUT, DISCARD, WRITE_ZEROES } = RequestType;
const MIB = 2 ** 20;
const MIB_SECTORS = MIB / 512;
const fresh = temporaryPaths();

// Every process that would be started is counted; the real one is started too.
const punches: string[] = [];
vi.mock(import("../../host/device/local/file/punch.ts"), async (original) => {
  const real = await original();
  return {
    ...real,
    punch: (fd, mode, offset, length) => {
      punches.push(`${mode} ${offset / MIB}+${length / MIB}`);
      return real.punch(fd, mode, offset, length);
    },
  };
});
afterEach(() => {
  punches.length = 0;
});
const hasTool = holes.fallocateTool() !== undefined;

/** A device whose calls to write are noted, in bytes. */
function watched(path: string, make: "create" | "open", size = "64MiB") {
  const writes: string[] = [];
  const calls: Partial<FileCalls> = {
    write: (fd, data, offset, length, position) => {
      writes.push(`${position}+${length}`);
      return nodeCalls.write(fd, data, offset, length, position);
    },
  };
  const device =
    make === "create" ? FileDevice.create(path, { size, calls }) : FileDevice.open(path, { calls });
  return { device, writes };
}

function zero(device: BlockDevice, fromMib: number, mib: number, flags = 1): void {
  run(device, request(WRITE_ZEROES, fromMib * MIB_SECTORS, undefined, mib * MIB_SECTORS, flags));
}

test.skipIf(!hasTool)(
  "zeroes and discards of a new file start no process and write nothing",
  () => {
    const path = fresh("d.img");
    const { device, writes } = watched(path, "create", "8TiB");
    run(device, request(WRITE_ZEROES, 8, undefined, 2 ** 31 - 8, 1));
    run(device, request(DISCARD, 0, undefined, 2 ** 31));
    run(device, request(WRITE_ZEROES, 0, undefined, 8, 1));
    expect([punches, writes, fs.statSync(path).blocks]).toEqual([[], [], 0]);
    device.close();
  },
);

test.skipIf(!hasTool)(
  "what was written is zeroed, by one process from its first MiB to its last",
  () => {
    const { device, writes } = watched(fresh("d.img"), "create");
    run(device, request(OUT, 4 * MIB_SECTORS, noise(4 * MIB, 1)));
    run(device, request(OUT, 40 * MIB_SECTORS, noise(MIB, 2)));
    writes.length = 0;
    zero(device, 1, 60);
    expect([punches, writes]).toEqual([["--punch-hole 4+37"], []]);
    for (const mib of [4, 7, 40]) expect(isZero(read(device, mib * MIB_SECTORS, MIB))).toBe(true);
    // All of it is a hole again.
    zero(device, 0, 64);
    run(device, request(DISCARD, 0, undefined, 64 * MIB_SECTORS));
    expect([punches.length, writes]).toEqual([1, []]);
    device.close();
  },
);

test.skipIf(!hasTool)("half a MiB that was written is zeroed, and its other half stays", () => {
  const { device, writes } = watched(fresh("d.img"), "create");
  const content = noise(MIB, 3);
  run(device, request(OUT, 10 * MIB_SECTORS, content));
  writes.length = 0;
  // From 256 KiB before the data to its middle.
  run(device, request(WRITE_ZEROES, 10 * MIB_SECTORS - 512, undefined, 1536, 1));
  expect([punches, writes]).toEqual([[], [`${10 * MIB}+${MIB / 2}`]]);
  const back = read(device, 10 * MIB_SECTORS, MIB);
  expect(isZero(back.subarray(0, MIB / 2))).toBe(true);
  expect(Buffer.compare(back.subarray(MIB / 2), content.subarray(MIB / 2))).toBe(0);
  // What was punched in part counts as written still.
  run(device, request(OUT, 20 * MIB_SECTORS + 1024, noise(8 * MIB, 4)));
  run(device, request(WRITE_ZEROES, 20 * MIB_SECTORS, undefined, 8.25 * MIB_SECTORS, 1));
  expect(punches).toEqual(["--punch-hole 20+8.25"]);
  const rest = read(device, 28.25 * MIB_SECTORS, MIB / 4);
  expect(Buffer.compare(rest, noise(8 * MIB, 4).subarray(7.75 * MIB))).toBe(0);
  zero(device, 28, 1);
  expect(isZero(read(device, 28 * MIB_SECTORS, MIB))).toBe(true);
  device.close();
});

test.skipIf(!hasTool)("what must stay allocated is allocated, and then counts as written", () => {
  const path = fresh("d.img");
  const { device } = watched(path, "create");
  zero(device, 0, 8, 0);
  expect(punches).toEqual(["--zero-range 0+8"]);
  expect(fs.statSync(path).blocks).toBeGreaterThanOrEqual(8 * MIB_SECTORS);
  run(device, request(DISCARD, 0, undefined, 8 * MIB_SECTORS));
  expect(fs.statSync(path).blocks).toBeLessThan(64);
  device.close();
});

test.skipIf(!hasTool)(
  "a file with one block of another writer is no hole, nor is one that grew",
  () => {
    const path = fresh("d.img");
    FileDevice.create(path, { size: "64MiB" }).close();
    const file = fs.openSync(path, "r+");
    fs.writeSync(file, noise(4096, 5), 0, 4096, 32 * MIB);
    fs.closeSync(file);
    fs.truncateSync(path, 128 * MIB);
    const { device } = watched(path, "open");
    zero(device, 64, 64);
    zero(device, 32, 4);
    expect(punches).toEqual(["--punch-hole 64+64", "--punch-hole 32+4"]);
    expect(isZero(read(device, 32 * MIB_SECTORS, 4096))).toBe(true);
    device.close();
    // Now it is one again, as long as it is.
    const again = watched(path, "open");
    zero(again.device, 0, 128);
    expect(punches).toHaveLength(2);
    again.device.close();
  },
);

test.skipIf(!hasTool)("without a lock nothing is believed of a file", () => {
  const path = fresh("d.img");
  const device = FileDevice.create(path, { size: "64MiB", lock: false });
  fs.writeFileSync(path, noise(8 * MIB, 6), { flag: "r+" });
  zero(device, 0, 8);
  expect(isZero(read(device, 0, 8 * MIB))).toBe(true);
  device.close();
});

test("a write that failed counts as written: some of it may be there", () => {
  const path = fresh("d.img");
  const calls: Partial<FileCalls> = {
    write: (fd, data, offset, length, position) => {
      if (length !== 8192) return nodeCalls.write(fd, data, offset, length, position);
      nodeCalls.write(fd, data, offset, 4096, position);
      throw Object.assign(new Error("ENOSPC: injected"), { code: "ENOSPC" });
    },
  };
  const device = FileDevice.create(path, { size: "64MiB", calls });
  device.submit([request(OUT, 0, noise(8192, 7))]);
  expect(fs.readFileSync(path).subarray(0, 4096)).toEqual(Buffer.from(noise(4096, 7)));
  run(device, request(WRITE_ZEROES, 0, undefined, 8, 1));
  expect(isZero(read(device, 0, 4096))).toBe(true);
  device.close();
});

test("a read-only device refuses both, whatever is known of holes", () => {
  const path = fresh("d.img");
  FileDevice.create(path, { size: "64MiB" }).close();
  const device = FileDevice.open(path, { readOnly: true });
  const asked = request(WRITE_ZEROES, 0, undefined, 8, 1);
  device.submit([asked]);
  expect(asked.status).toBe(1);
  device.close();
});

test("random writes, zeroes and discards read back as the plain model says", () => {
  const seed = 20_251;
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 3;
  };
  const device = FileDevice.create(fresh("d.img"), { size: 24 * MIB });
  const model = new Uint8Array(24 * MIB);
  for (let turn = 0; turn < 60; turn++) {
    const sector = next() % (23 * MIB_SECTORS);
    const most = Math.min(24 * MIB_SECTORS - sector, 12 * MIB_SECTORS);
    const sectors = 1 + (next() % (turn % 3 === 0 ? Math.min(3000, most) : most));
    if (turn % 3 === 0) {
      const content = noise(sectors * 512, turn);
      run(device, request(OUT, sector, content));
      model.set(content, sector * 512);
    } else {
      run(device, request(WRITE_ZEROES, sector, undefined, sectors, turn % 3 === 1 ? 1 : turn & 1));
      model.fill(0, sector * 512, (sector + sectors) * 512);
    }
  }
  expect(Buffer.compare(read(device, 0, 24 * MIB), model), `seed ${seed}`).toBe(0);
  device.close();
});

test("the bits of 16 TiB written all over take 2 MiB, of a file of 8 PiB no more", () => {
  const written = new Written(2 ** 44);
  written.add(0, 2 ** 44);
  expect(written.memoryBytes).toBe(2 ** 21);
  expect(written.within(5, 2 ** 44 - 5)).toEqual([{ offset: 5, length: 2 ** 44 - 5 }]);
  written.remove(2 ** 40, 2 ** 43);
  expect(written.within(0, 2 ** 44)).toEqual([
    { offset: 0, length: 2 ** 40 },
    { offset: 2 ** 40 + 2 ** 43, length: 2 ** 44 - 2 ** 40 - 2 ** 43 },
  ]);
  const large = new Written(2 ** 53);
  large.add(2 ** 52, 1);
  expect(large.within(0, 2 ** 53 - 512)).toEqual([{ offset: 2 ** 52, length: 2 ** 29 }]);
  expect(large.memoryBytes).toBe(4096);
});
