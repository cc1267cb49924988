/** The OPFS device over a file that fails as browsers do: what waits, what is lost, what is said. */
import { expect, test } from "vitest";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { OpfsDevice, type SyncFile } from "../../host/device/local/opfs.ts";
import {
  deviceContract,
  expectBytes,
  expectRefused,
  noise,
  read,
  run,
} from "../support/contract.ts";

const { IN, OUT, FLUSH, WRITE_ZEROES } = RequestType;
const { IOERR, OK } = RequestStatus;
const GIB = 2 ** 30;

/** A file in memory that tells what was asked of it and fails where it is told to. */
class FakeFile implements SyncFile {
  readonly bytes: Uint8Array;
  readonly calls: string[] = [];
  /** Called before each call; may throw, or answer how many bytes move at most. */
  before: (call: string) => number | undefined = () => undefined;
  sizeBytes: number;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.sizeBytes = sizeBytes;
  }

  read(into: Uint8Array, { at }: { readonly at: number }): number {
    const most = this.#enter("read", at, into.length);
    const found = this.bytes.subarray(at, Math.min(at + most, this.sizeBytes));
    into.set(found);
    return found.length;
  }

  write(from: Uint8Array, { at }: { readonly at: number }): number {
    const most = this.#enter("write", at, from.length);
    this.bytes.set(from.subarray(0, most), at);
    return most;
  }

  truncate(sizeBytes: number): void {
    this.#enter("truncate", sizeBytes, 0);
    this.sizeBytes = sizeBytes;
  }

  getSize(): number {
    return this.sizeBytes;
  }

  flush(): void {
    this.#enter("flush", 0, 0);
  }

  close(): void {
    this.#enter("close", 0, 0);
  }

  #enter(name: string, at: number, length: number): number {
    this.calls.push(`${name} ${at}+${length}`);
    return Math.min(length, this.before(name) ?? length);
  }
}

function opened(sizeBytes = 2 ** 20): { file: FakeFile; device: OpfsDevice } {
  const file = new FakeFile(sizeBytes);
  const room = { usage: 9 * GIB, quota: 10 * GIB };
  return { file, device: OpfsDevice.over("disk.img", file, { room }) };
}

function fail(file: FakeFile, call: string, name: string): void {
  file.before = (each) => {
    if (each === call) throw new DOMException("as a browser would say", name);
    return undefined;
  };
}

deviceContract(
  "opfs over a file that moves at most 1,000 bytes a call",
  ({ sizeBytes, blkSize, readOnly, content }) => {
    const file = new FakeFile(sizeBytes);
    file.bytes.set(content);
    file.before = (call) => (call === "read" || call === "write" ? 1000 : undefined);
    const open = () => OpfsDevice.over("disk.img", file, { blkSize, readOnly, serial: "S" });
    return { device: open(), reopen: open };
  },
  { sizeMax: 2 ** 26 },
);

test("128 neighbouring writes of 4 KiB are one call, and FLUSH comes after it", () => {
  const { file, device } = opened();
  for (let index = 0; index < 128; index++) {
    run(device, request(OUT, index * 8, noise(4096, index)));
  }
  expect(file.calls).toEqual([]);
  run(device, request(FLUSH, 0));
  expect(file.calls).toEqual(["write 0+524288", "flush 0+0"]);
});

test("writes reach the file in their order, small ones before the large one that follows", () => {
  const { file, device } = opened();
  run(device, request(OUT, 1000, noise(512, 1)), request(OUT, 4, noise(512, 2)));
  run(device, request(OUT, 5, noise(512, 3)), request(OUT, 1000, noise(1024, 4)));
  run(device, request(OUT, 256, noise(65_536, 5)), request(OUT, 0, noise(512, 6)));
  device.close();
  expect(file.calls).toEqual([
    "write 512000+512",
    "write 2048+1024",
    "write 512000+1024",
    "write 131072+65536",
    "write 0+512",
    "close 0+0",
  ]);
  expectBytes(file.bytes.subarray(512_000, 513_024), noise(1024, 4));
});

test("what waits never exceeds its limit, and is read back while it waits", () => {
  const { file, device } = opened(2 ** 23);
  for (let index = 0; index < 300; index++) {
    run(device, request(OUT, index * 16, noise(4096, index)));
  }
  expect(file.calls.filter((call) => call.startsWith("write")).length).toBe(256);
  expectBytes(read(device, 290 * 16, 4096), noise(4096, 290));
  expectBytes(read(device, 299 * 16, 4096), noise(4096, 299));
});

test("a full storage is ENOSPC with figures; what waited is lost, so FLUSH fails for ever", () => {
  const { file, device } = opened();
  run(device, request(OUT, 0, noise(512, 1)));
  fail(file, "write", "QuotaExceededError");
  const flush = request(FLUSH, 0);
  expectRefused(device, flush, IOERR, "FLUSH");
  expect(flush.cause).toMatchObject({ code: "ENOSPC", syscall: "write", path: "disk.img" });
  expect(String(flush.cause)).toMatch(/9 GiB of 10 GiB were in use.*Delete other disks/);
  file.before = () => undefined;
  for (const asked of [
    request(FLUSH, 0),
    request(OUT, 8, noise(512, 2)),
    request(WRITE_ZEROES, 8, undefined, 8),
    request(IN, 0, new Uint8Array(512)),
  ]) {
    expectRefused(device, asked, IOERR, RequestType[asked.type]);
    expect(asked.cause).toBe(flush.cause);
  }
  expectBytes(read(device, 100, 512), new Uint8Array(512));
});

test("a large write that fails says so itself, and nothing else is lost", () => {
  const { file, device } = opened();
  fail(file, "write", "QuotaExceededError");
  const large = request(OUT, 0, noise(65_536, 1));
  expectRefused(device, large, IOERR, "large");
  expect(large.cause).toMatchObject({ code: "ENOSPC" });
  file.before = () => undefined;
  run(device, request(OUT, 0, noise(65_536, 2)), request(FLUSH, 0));
});

test("of neighbours that fail as one call exactly the bad one is refused", () => {
  const { file, device } = opened();
  const memory = noise(3 * 65_536, 1);
  const batch = [0, 1, 2].map((index) =>
    request(OUT, index * 128, memory.subarray(index * 65_536, (index + 1) * 65_536)),
  );
  file.before = () => {
    const last = file.calls.at(-1);
    if (last === "write 0+196608" || last === "write 65536+65536") {
      throw new DOMException("no", "UnknownError");
    }
    return undefined;
  };
  device.submit(batch);
  expect(batch.map(({ status }) => status)).toEqual([OK, IOERR, OK]);
  expect(batch[1]?.cause).toMatchObject({ code: "EIO" });
});

test("a flush that failed, and a file cut short or lost, end all belief in FLUSH", () => {
  const failing = opened();
  fail(failing.file, "flush", "UnknownError");
  expectRefused(failing.device, request(FLUSH, 0), IOERR, "first");
  failing.file.before = () => undefined;
  expectRefused(failing.device, request(FLUSH, 0), IOERR, "second");

  const short = opened();
  short.file.sizeBytes = 4096;
  const flush = request(FLUSH, 0);
  expectRefused(short.device, flush, IOERR, "short");
  expect(String(flush.cause)).toMatch(/truncated from 1048576 to 4096 bytes while open/);
  const beyond = request(IN, 8, new Uint8Array(512));
  expectRefused(short.device, beyond, IOERR, "read");
  expect(beyond.cause).toMatchObject({ code: "EIO" });

  const lost = opened();
  fail(lost.file, "write", "InvalidStateError");
  run(lost.device, request(OUT, 0, noise(512, 1)));
  const gone = request(FLUSH, 0);
  expectRefused(lost.device, gone, IOERR, "lost");
  expect(gone.cause).toMatchObject({ code: "ESTALE", cause: { name: "InvalidStateError" } });
  expect(String(gone.cause)).toMatch(
    /is lost: the browser closed its storage.*open the disk again/,
  );
});

test("a file that takes no bytes is EIO, not an endless loop", () => {
  const { file, device } = opened();
  file.before = () => 0;
  const asked = request(OUT, 0, noise(65_536, 1));
  expectRefused(device, asked, IOERR, "write");
  expect(asked.cause).toMatchObject({ code: "EIO", syscall: "write" });
});

test("zeros are written only where there are none, so that a sparse file stays sparse", () => {
  const { file, device } = opened(2 ** 22);
  run(device, request(OUT, 5000, noise(512, 1)));
  run(device, request(WRITE_ZEROES, 0, undefined, 8192), request(FLUSH, 0));
  const writes = file.calls.filter((call) => call.startsWith("write"));
  expect(writes).toEqual(["write 2560000+512", "write 2097152+1048576"]);
  expect(file.bytes.every((byte) => byte === 0)).toBe(true);
});

test("random writes of all sizes leave what a flat array would hold", () => {
  const { file, device } = opened(2 ** 22);
  const model = new MemoryDevice({ size: 2 ** 22 });
  let state = 12345;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let step = 0; step < 400; step++) {
    const sectors = random(20) === 0 ? 1 + random(400) : 1 + random(16);
    const sector = random(8192 - sectors);
    const data = noise(sectors * 512, step);
    for (const each of [device, model]) run(each, request(OUT, sector, data.slice()));
    const at = random(8000);
    if (step % 3 === 0) expectBytes(read(device, at, 8192), read(model, at, 8192));
  }
  run(device, request(FLUSH, 0));
  expectBytes(file.bytes, model.bytes());
});
