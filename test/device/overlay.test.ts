/** The persistent copy-on-write layer: the contract, what it keeps, refuses and runs out of. */
import { expect, test } from "vitest";
import { Refusal } from "../../host/base/errors.ts";
import { sha256 } from "../../host/base/seed.ts";
import { type BlockDevice, RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { OverlayDevice } from "../../host/device/wrap/overlay.ts";
import { ReadOnlyDevice } from "../../host/device/wrap/readonly.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import {
  HEADER_BLOCK_SIZE,
  HEADER_DIGEST,
  HEADER_DIRECTORY,
  HEADER_VERSION,
  SECOND_HEADER_AT,
} from "../../host/format/cow.ts";
import {
  deviceContract,
  expectBytes,
  expectRefused,
  noise,
  read,
  run,
} from "../support/contract.ts";

const { OUT, FLUSH, WRITE_ZEROES } = RequestType;
const { IOERR, OK } = RequestStatus;
const BLOCK = 4096;

/** A device whose close() does nothing, so that it can be opened again. */
function kept(device: MemoryDevice): BlockDevice {
  const { name, config, identity, durability } = device;
  return {
    ...{ name, config, identity, durability },
    submit: (requests) => device.submit(requests),
    close: () => undefined,
  };
}

for (const blockBytes of [4096, 65_536]) {
  deviceContract(
    `overlay, layer in blocks of ${blockBytes}`,
    ({ sizeBytes, blkSize, readOnly, content }) => {
      const base = MemoryDevice.from(content, { size: sizeBytes, blkSize, serial: "O-1" });
      const room = OverlayDevice.sizeFor(base, { blockBytes });
      // Of a huge disk little is changed.
      const file = new MemoryDevice({ size: room, blkSize });
      let device = OverlayDevice.create(kept(base), kept(file), { blockBytes });
      if (readOnly) device = OverlayDevice.open(kept(base), new ReadOnlyDevice(kept(file)));
      return { device, reopen: () => OverlayDevice.open(kept(base), kept(file)) };
    },
    { sizeMax: 2 ** 26 },
  );
}

function layer(size = 2 ** 20): { base: MemoryDevice; file: MemoryDevice; device: OverlayDevice } {
  const base = MemoryDevice.from(noise(size, 1), { size });
  const file = new MemoryDevice({ size: OverlayDevice.sizeFor(base, { blockBytes: BLOCK }) });
  const device = OverlayDevice.create(kept(base), kept(file), { blockBytes: BLOCK });
  return { base, file, device };
}

test("the base is never written; what was flushed is there again, what was not is gone", () => {
  const { base, file, device } = layer();
  run(device, request(OUT, 3, noise(512, 2)), request(OUT, 100, noise(30_720, 3)));
  run(device, request(WRITE_ZEROES, 512, undefined, 64), request(FLUSH, 0));
  const want = read(device, 0, 2 ** 20);
  run(device, request(OUT, 3, noise(512, 9)), request(OUT, 1000, noise(8192, 9)));
  const again = OverlayDevice.open(kept(base), kept(file));
  expectBytes(read(again, 0, 2 ** 20), want);
  expectBytes(base.bytes(), noise(2 ** 20, 1));
  // 3; 100 to 159; 512 to 575: 1, 8 and 8 blocks of 8 sectors, zeros take a number only.
  expect(again.changedBytes).toBe(17 * BLOCK);
});

test("a disk larger than its base reads zeros behind it, and keeps what is written there", () => {
  const base = MemoryDevice.from(noise(5 * 512, 1), { size: 5 * 512 });
  const options = { blockBytes: BLOCK, size: "64KiB" };
  const file = new MemoryDevice({ size: OverlayDevice.sizeFor(base, options) });
  const device = OverlayDevice.create(kept(base), kept(file), options);
  const want = new Uint8Array(65_536);
  want.set(noise(5 * 512, 1));
  expectBytes(read(device, 0, 65_536), want);
  run(device, request(OUT, 6, noise(512, 2)), request(OUT, 127, noise(512, 3)), request(FLUSH, 0));
  want.set(noise(512, 2), 6 * 512);
  want.set(noise(512, 3), 127 * 512);
  expectBytes(read(OverlayDevice.open(kept(base), kept(file)), 0, 65_536), want);
  expect(() => OverlayDevice.create(base, file, { size: 512 })).toThrow(/EINVAL.*smaller than/);
  expect(() => OverlayDevice.create(base, file, { blockBytes: 5000 })).toThrow("EINVAL");
});

test("another base, or another version of it, is refused by name and nothing is written", () => {
  const { base, file } = layer();
  const before = file.bytes();
  const version = (etag: string) =>
    Object.assign(kept(base), { file: { url: "https://example.org/a.img", etag, modified: "" } });
  expect(() => OverlayDevice.open(version('"1"'), kept(file))).toThrow(Refusal);
  const made = OverlayDevice.create(version('"1"'), kept(file), { blockBytes: BLOCK });
  run(made, request(OUT, 0, noise(512, 2)), request(FLUSH, 0));
  expectBytes(read(OverlayDevice.open(version('"1"'), kept(file)), 0, 512), noise(512, 2));
  expect(() => OverlayDevice.open(version('"2"'), kept(file))).toThrow(
    expect.objectContaining({
      code: "ESTALE",
      message: expect.stringMatching(/holds changes of '.*a\.img "1" 1048576', not of '.*"2"/),
    }),
  );
  expect(before.length).toBe(file.sizeBytes);
});

test("no layer, a damaged one and one of another version are told apart", () => {
  const { base, file, device } = layer();
  expect(() => OverlayDevice.open(base, new MemoryDevice({ size: "1MiB" }))).toThrow("EMEDIUMTYPE");
  run(device, request(OUT, 0, noise(512, 2)), request(FLUSH, 0));
  const open = (bytes: Uint8Array) => OverlayDevice.open(kept(base), MemoryDevice.from(bytes));
  const whole = file.bytes();
  // Epoch 2 lies at 0; its directory and map in the places it names.
  const [place = 0] = new Uint32Array(whole.buffer, HEADER_DIRECTORY, 1);
  const map = new DataView(whole.buffer).getUint32(place * BLOCK, true);
  for (const [at, says] of [
    [place * BLOCK + 5, /its directory is not what was written/],
    [map * BLOCK + 9, /map 0 is not what was written/],
  ] as const) {
    const bent = whole.slice();
    bent[at] = (bent[at] as number) ^ 1;
    expect(() => open(bent)).toThrow(expect.objectContaining({ code: "EBADMSG" }));
    expect(() => open(bent)).toThrow(says);
  }
  // A torn header is none, and the one before counts: made so here by hand, as a cut would.
  const torn = whole.slice();
  torn.fill(0xee, HEADER_DIGEST - 8, HEADER_DIGEST);
  expectBytes(read(open(torn), 0, 512), noise(2 ** 20, 1).slice(0, 512));
  const sealed = (offset: number, value: number) => {
    const bytes = whole.slice();
    for (const at of [0, SECOND_HEADER_AT]) {
      new DataView(bytes.buffer).setUint16(at + offset, value, true);
      bytes.set(sha256(bytes.slice(at, at + HEADER_DIGEST)), at + HEADER_DIGEST);
    }
    return bytes;
  };
  expect(() => open(sealed(HEADER_VERSION, 2))).toThrow("EOPNOTSUPP");
  expect(() => open(sealed(HEADER_BLOCK_SIZE, 5000))).toThrow("EBADMSG");
  expect(() => open(whole.slice(0, whole.length / 2))).toThrow(/EBADMSG.*does not fit its file/);
});

test("a full file is ENOSPC for the write that finds no place, and FLUSH frees old places", () => {
  const base = new MemoryDevice({ size: 64 * BLOCK });
  const file = new MemoryDevice({ size: 50 * BLOCK });
  const device = OverlayDevice.create(kept(base), kept(file), { blockBytes: BLOCK });
  let taken = 0;
  for (let asked = request(OUT, 0, noise(BLOCK, 0)); ; taken++) {
    asked = request(OUT, taken * 8, noise(BLOCK, taken));
    device.submit([asked]);
    if (asked.status === OK) continue;
    expect(asked.cause).toMatchObject({ code: "ENOSPC", syscall: "write" });
    break;
  }
  // Of 50: two headers, the directory; then a map, and both of these once more.
  expect(taken).toBe(44);
  run(device, request(FLUSH, 0));
  expectRefused(device, request(OUT, 8 * 60, noise(BLOCK, 1)), IOERR, "still full");
  run(device, request(WRITE_ZEROES, 0, undefined, 80), request(FLUSH, 0));
  for (let index = 50; index < 60; index++)
    run(device, request(OUT, index * 8, noise(BLOCK, index)));
  run(device, request(FLUSH, 0));
  const again = OverlayDevice.open(kept(base), kept(file));
  expectBytes(read(again, 0, 10 * BLOCK), new Uint8Array(10 * BLOCK));
  expectBytes(read(again, 20 * 8, BLOCK), noise(BLOCK, 20));
  expectBytes(read(again, 55 * 8, BLOCK), noise(BLOCK, 55));
  expect(() => OverlayDevice.create(base, new MemoryDevice({ size: 4 * BLOCK }))).toThrow("ENOSPC");
});

test("a commit that fails ends all belief in FLUSH until the layer is opened again", () => {
  const { base, file } = layer();
  const trace = new TraceDevice(kept(file) as MemoryDevice);
  const device = OverlayDevice.open(kept(base), trace);
  run(device, request(OUT, 0, noise(512, 5)));
  trace.inject({ on: FLUSH });
  const flush = request(FLUSH, 0);
  expectRefused(device, flush, IOERR, "FLUSH");
  for (const asked of [request(FLUSH, 0), request(OUT, 8, noise(512, 6))]) {
    expectRefused(device, asked, IOERR, RequestType[asked.type]);
    expect(asked.cause).toBe(flush.cause);
  }
  expectBytes(read(device, 0, 512), noise(512, 5));
  const again = OverlayDevice.open(kept(base), kept(file));
  expectBytes(read(again, 0, 512), noise(2 ** 20, 1).slice(0, 512));
});

test("a write that the file refuses changes nothing, and its place is free again", () => {
  const { base, file } = layer();
  const trace = new TraceDevice(kept(file) as MemoryDevice);
  const device = OverlayDevice.open(kept(base), trace);
  for (const data of [noise(512, 5), noise(3 * BLOCK, 6)]) {
    trace.inject({ on: OUT });
    expectRefused(device, request(OUT, 8, data), IOERR, `${data.length}`);
    expectBytes(read(device, 8, 512), noise(2 ** 20, 1).slice(4096, 4608));
  }
});
