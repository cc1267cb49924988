/**
 * core.wasm without our host: plain WebAssembly and a device in a file, as docs/abi.md says.
 * `node examples/raw.mjs new disk.img` makes a disk with a file; without `new` the file is read.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";

const [, , ...given] = process.argv;
const isNew = given[0] === "new";
const SECTORS = 16384; // 8 MiB
const disk = openSync(given.at(-1), isNew ? "w+" : "r+");
if (isNew) ftruncateSync(disk, SECTORS * 512);

/** One REQUEST: 0 reads, 1 writes, 4 flushes, 8 asks for a serial. Answers its status. */
function carryOut(view, at) {
  const position = Number(view.getBigUint64(at + 0x08, true)) * 512;
  const data = [
    core.memory.buffer,
    view.getUint32(at + 0x10, true),
    view.getUint32(at + 0x14, true),
  ];
  switch (view.getUint32(at, true)) {
    case 0: {
      const bytes = new Uint8Array(...data);
      return readSync(disk, bytes, 0, bytes.length, position) === bytes.length ? 0 : 1;
    }
    case 1: {
      const bytes = new Uint8Array(...data);
      return writeSync(disk, bytes, 0, bytes.length, position) === bytes.length ? 0 : 1;
    }
    case 4:
      fsyncSync(disk);
      return 0;
    default:
      return 2; // not supported
  }
}

const host = {
  submit(_device, requests, count) {
    const view = new DataView(core.memory.buffer);
    for (let at = requests; at < requests + count * 0x20; at += 0x20) {
      const status = carryOut(view, at);
      view.setInt32(at + 0x04, status, true);
      view.setUint32(at + 0x1c, status === 0 ? view.getUint32(at + 0x14, true) : 0, true);
    }
    return 0;
  },
  config(_device, out) {
    const view = new DataView(core.memory.buffer);
    new Uint8Array(core.memory.buffer, out, 0x38).fill(0);
    view.setBigUint64(out, 0x244n, true); // segments, block size, flush
    view.setBigUint64(out + 0x08, BigInt(SECTORS), true);
    view.setUint32(out + 0x14, 128, true); // segments of one request
    view.setUint32(out + 0x18, 512, true);
    view.setUint32(out + 0x34, 1, true); // writes last from FLUSH on
    return 0;
  },
  sha256: () => -95, // EOPNOTSUPP: the core has its own
  random: (out, length) => crypto.getRandomValues(new Uint8Array(core.memory.buffer, out, length)),
  clock: (out) =>
    new DataView(core.memory.buffer).setBigInt64(out, BigInt(Date.now()) * 1_000_000n, true),
};

const module = new WebAssembly.Module(
  readFileSync(new URL(import.meta.resolve("diskwright/core.wasm"))),
);
const core = new WebAssembly.Instance(module, { host }).exports;

/** Calls with the address and length of `bytes` in the core's memory. */
function put(bytes) {
  const address = core.allocate(bytes.length) >>> 0;
  new Uint8Array(core.memory.buffer).set(bytes, address);
  return [address, bytes.length];
}

/** A result, or the errno that it is as an error. */
function check(result) {
  if (result < 0) throw new Error(`errno ${result}`);
  return result;
}

const text = (string) => put(new TextEncoder().encode(string));
const DEVICE = 1;
if (isNew) {
  const [identity] = put(crypto.getRandomValues(new Uint8Array(24))); // a UUID, and a time
  check(core.regionFormat(DEVICE, 0, 0, identity, 0, 0, 1, identity + 16, 0));
}
const region = check(core.regionOpen(DEVICE, 0, 0, 0));
const mount = check(core.filesMount(region));
if (isNew) {
  const file = check(core.filesOpen(mount, ...text("/hello"), 0x41, 0o644)); // to write, made new
  check(core.filesWrite(file, ...text("written without a host of ours\n"), 0));
  check(core.filesClose(file));
  check(core.filesCommit(mount)); // durable from here
} else {
  const file = check(core.filesOpen(mount, ...text("/hello"), 0, 0));
  const room = core.allocate(100) >>> 0;
  const length = check(core.filesRead(file, room, 100, 0));
  process.stdout.write(new Uint8Array(core.memory.buffer, room, length));
  check(core.filesClose(file));
}
core.filesUnmount(mount);
check(core.regionClose(region));
closeSync(disk);
