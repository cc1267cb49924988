/** The split virtqueue: the contract through a guest's driver, and guests that mean harm. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Feature, RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { VirtioBlock } from "../../host/device/wrap/virtio-block.ts";
import * as layout from "../../host/device/wrap/virtio-layout.ts";
import { deviceContract, noise, read, run } from "../support/contract.ts";
import {
  AVAILABLE,
  DESCRIPTORS,
  type DriverOptions,
  USED,
  VirtioDriver,
} from "../support/virtio-driver.ts";

const { IN, OUT, FLUSH, WRITE_ZEROES } = RequestType;
const { OK, IOERR, UNSUPP } = RequestStatus;
const { Status, DESCRIPTOR_F_NEXT, DESCRIPTOR_F_WRITE, DESCRIPTOR_F_INDIRECT } = layout;

const drivers: [name: string, options: DriverOptions][] = [
  ["virtqueue", {}],
  ["virtqueue, indirect, event index", { indirect: true, eventIndex: true, queueSize: 16 }],
  ["virtqueue, ragged pieces", { pieceSize: 20000, indirect: true }],
];
for (const [name, options] of drivers) {
  deviceContract(name, ({ sizeBytes, blkSize, readOnly, content }) => {
    const shape = { size: sizeBytes, blkSize, readOnly, serial: "GUEST" };
    const base = MemoryDevice.from(content, shape);
    const device = new VirtioDriver(base, options);
    return { device, reopen: () => new VirtioDriver(base.clone(), options) };
  });
}

function driver(options: DriverOptions = {}): VirtioDriver {
  return new VirtioDriver(MemoryDevice.from(noise(1 << 20, 1)), options);
}

/** A request as a guest writes it: header, data, status, made available. */
function send(guest: VirtioDriver, type: number, sector: bigint, data: number, length: number) {
  const header = guest.allocate(16);
  guest.view.setUint32(header, type, true);
  guest.view.setBigUint64(header + 8, sector, true);
  const status = guest.allocate(1);
  guest.memory[status] = 0xee;
  const write = type === IN;
  const parts = [{ address: header, length: 16, write: false }];
  if (length > 0) parts.push({ address: data, length, write });
  guest.chain([...parts, { address: status, length: 1, write: true }]);
  guest.block.notify();
  return { status: guest.memory[status], used: guest.view.getUint16(USED + 2, true) };
}

test("the configuration space lies as virtio 1.2 section 5.2.4 has it", () => {
  const config = { size: "2TiB", blkSize: 4096 as const };
  const { block } = new VirtioDriver(new MemoryDevice(config));
  const view = new DataView(block.readConfig(0, 64).buffer);
  expect(view.getBigUint64(0, true)).toBe(2n ** 32n);
  expect(view.getUint32(12, true)).toBe(254);
  expect(view.getUint32(20, true)).toBe(4096);
  expect(view.getUint8(32)).toBe(1);
  expect(view.getUint16(34, true)).toBe(1);
  expect(view.getUint32(36, true)).toBe(2 ** 22);
  expect(view.getUint32(40, true)).toBe(16);
  expect(view.getUint32(44, true)).toBe(8);
  expect(view.getUint32(48, true)).toBe(2 ** 22);
  expect(view.getUint8(56)).toBe(1);
  expect([...block.readConfig(60, 4)]).toEqual([0, 0, 0, 0]);
});

test("features that are not offered, or no VERSION_1, keep FEATURES_OK clear", () => {
  const block = new VirtioBlock(new MemoryDevice({ size: "1MiB" }), new Uint8Array(4096));
  for (const features of [0n, block.features | (1n << 40n), BigInt(Feature.FLUSH)]) {
    block.status = 0;
    block.driverFeatures = features;
    block.status = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK;
    expect(block.status).toBe(Status.ACKNOWLEDGE | Status.DRIVER);
  }
  block.driverFeatures = layout.FEATURE_VERSION_1;
  block.status = Status.FEATURES_OK;
  expect(block.status & Status.FEATURES_OK).not.toBe(0);
  block.driverFeatures = block.features;
  expect(block.driverFeatures).toBe(layout.FEATURE_VERSION_1);
});

test("nothing runs before DRIVER_OK, and a reset forgets the queue", () => {
  const guest = driver();
  guest.block.status = 0;
  expect(send(guest, IN, 0n, 0x20000, 512)).toEqual({ status: 0xee, used: 0 });
  expect(guest.block.notify()).toBe(0);
});

test("a sector beyond 2^53 is IOERR, an unknown type UNSUPP, and the queue lives on", () => {
  const guest = driver();
  expect(send(guest, IN, 2n ** 64n - 1n, 0x20000, 512).status).toBe(IOERR);
  expect(send(guest, OUT, 2n ** 55n, 0x20000, 512).status).toBe(IOERR);
  expect(send(guest, 77, 0n, 0x20000, 512).status).toBe(UNSUPP);
  expect(send(guest, IN, 4n, 0x20000, 512)).toEqual({ status: OK, used: 4 });
  expect(guest.memory.slice(0x20000, 0x20200)).toEqual(noise(1 << 20, 1).slice(2048, 2560));
});

test("used lengths count what was written to the guest: data and status, or the status alone", () => {
  const guest = driver();
  send(guest, IN, 0n, 0x20000, 1024);
  send(guest, OUT, 0n, 0x20000, 1024);
  send(guest, IN, 1n << 40n, 0x20000, 1024);
  const lengths = [0, 1, 2].map((slot) => guest.view.getUint32(USED + 4 + slot * 8 + 4, true));
  expect(lengths).toEqual([1025, 1, 1]);
});

test("header, data and status may be framed byte by byte", () => {
  const guest = driver({ queueSize: 256 });
  const header = guest.allocate(16);
  guest.view.setUint32(header, IN, true);
  guest.view.setBigUint64(header + 8, 3n, true);
  const parts = [];
  for (let at = 0; at < 16; at += 5) {
    parts.push({ address: header + at, length: Math.min(5, 16 - at), write: false });
  }
  // The last piece holds data and the status byte.
  parts.push({ address: 0x20000, length: 100, write: true });
  parts.push({ address: 0x20000 + 100, length: 413, write: true });
  guest.chain(parts);
  expect(guest.block.notify()).toBe(1);
  expect(guest.memory[0x20000 + 512]).toBe(OK);
  expect(guest.memory.slice(0x20000, 0x20200)).toEqual(noise(1 << 20, 1).slice(1536, 2048));
});

test("several segments of WRITE_ZEROES are all carried out, too many are IOERR", () => {
  const base = MemoryDevice.from(noise(1 << 20, 1));
  const guest = new VirtioDriver(base);
  const view = guest.view;
  for (let index = 0; index < 17; index++) {
    view.setBigUint64(0x20000 + index * 16, BigInt(index * 10), true);
    view.setUint32(0x20000 + index * 16 + 8, 2, true);
    view.setUint32(0x20000 + index * 16 + 12, 0, true);
  }
  expect(send(guest, WRITE_ZEROES, 0n, 0x20000, 48).status).toBe(OK);
  expect(read(base, 0, 1024)).toEqual(new Uint8Array(1024));
  expect(read(base, 20, 1024)).toEqual(new Uint8Array(1024));
  expect(read(base, 30, 512)).toEqual(noise(1 << 20, 1).slice(15360, 15872));
  for (const length of [0, 17, 17 * 16]) {
    expect(send(driver(), WRITE_ZEROES, 0n, 0x20000, length).status, `${length}`).toBe(IOERR);
  }
});

test("without FLUSH negotiated, or with writeback off, a write is durable when answered", () => {
  const trace = new TraceDevice(new MemoryDevice({ size: "1MiB" }));
  const guest = new VirtioDriver(trace);
  run(guest, request(OUT, 0, noise(512, 1)));
  expect(trace.counts.flushes).toBe(0);
  guest.block.writeConfig(layout.CONFIG_WRITEBACK, Uint8Array.of(0));
  run(guest, request(OUT, 0, noise(512, 2)));
  expect(trace.counts.flushes).toBe(1);
  trace.inject({ on: FLUSH });
  const asked = request(OUT, 0, noise(512, 3));
  guest.submit([asked]);
  expect(asked.status).toBe(IOERR);
  guest.block.writeConfig(layout.CONFIG_WRITEBACK, Uint8Array.of(1));
  run(guest, request(OUT, 0, noise(512, 2)));
  expect(trace.counts.flushes).toBe(2);
  const plain = new VirtioDriver(trace);
  plain.block.status = 0;
  plain.block.driverFeatures = layout.FEATURE_VERSION_1;
  plain.block.status = Status.FEATURES_OK | Status.DRIVER_OK;
  const places = { size: 64, descriptors: DESCRIPTORS, available: AVAILABLE, used: USED };
  plain.block.enableQueue(places);
  expect(send(plain, OUT, 0n, 0x20000, 512).status).toBe(OK);
  expect(trace.counts.flushes).toBe(3);
  expect(send(plain, FLUSH, 0n, 0, 0).status).toBe(UNSUPP);
});

test("interrupts come as the driver asked: flag, or event index", () => {
  const guest = driver();
  send(guest, IN, 0n, 0x20000, 512);
  expect(guest.interrupts).toBe(1);
  guest.view.setUint16(AVAILABLE, layout.AVAILABLE_F_NO_INTERRUPT, true);
  send(guest, IN, 0n, 0x20000, 512);
  expect(guest.interrupts).toBe(1);
  const event = driver({ eventIndex: true });
  const usedEvent = AVAILABLE + 4 + 64 * 2;
  event.view.setUint16(usedEvent, 2, true);
  const counts = [1, 2, 3, 4].map(() => {
    send(event, IN, 0n, 0x20000, 512);
    return event.interrupts;
  });
  expect(counts).toEqual([0, 0, 1, 1]);
  expect(event.view.getUint16(USED + 4 + 64 * 8, true)).toBe(4);
});

/** Ways to break the protocol; each must end in NEEDS_RESET. */
const attacks: [name: string, attack: (guest: VirtioDriver) => void][] = [
  ["a head beyond the table", (guest) => guest.offer(64)],
  ["a chain that loops", (guest) => loop(guest, 0)],
  ["a long loop", (guest) => loop(guest, 40)],
  ["an index far ahead", (guest) => guest.view.setUint16(AVAILABLE + 2, 65, true)],
  ["a buffer behind the end of memory", (guest) => single(guest, (4 << 20) - 8, 16, 0)],
  ["a buffer at 2^64 - 1", (guest) => single(guest, 2 ** 64 - 2048, 512, 0)],
  ["a buffer of 4 GiB", (guest) => single(guest, 0, 0xffff_ffff, 0)],
  ["no status", (guest) => single(guest, 0x20000, 16, 0)],
  ["no header", (guest) => single(guest, 0x20000, 16, DESCRIPTOR_F_WRITE)],
  ["a header cut short", (guest) => framed(guest, 15, 1)],
  ["a readable part behind a writable one", (guest) => backwards(guest)],
  ["next beyond the table", (guest) => pointing(guest, 64)],
  ["indirect, not negotiated", (guest) => single(guest, 0x20000, 32, DESCRIPTOR_F_INDIRECT)],
];
const indirectAttacks: typeof attacks = [
  ["an empty table", (guest) => single(guest, 0x20000, 0, DESCRIPTOR_F_INDIRECT)],
  ["a table of half a descriptor", (guest) => single(guest, 0x20000, 24, DESCRIPTOR_F_INDIRECT)],
  ["a table outside memory", (guest) => single(guest, 4 << 20, 32, DESCRIPTOR_F_INDIRECT)],
  [
    "indirect and continued",
    (guest) => single(guest, 0x20000, 32, DESCRIPTOR_F_INDIRECT | DESCRIPTOR_F_NEXT),
  ],
  ["a table in a table", (guest) => nested(guest, 0x20000)],
  ["a table that is the ring's own", (guest) => nested(guest, DESCRIPTORS)],
  ["a loop in a table", (guest) => indirectLoop(guest)],
];

function single(guest: VirtioDriver, address: number, length: number, flags: number): void {
  guest.describe(DESCRIPTORS, 0, address, length, flags, 0);
  guest.offer(0);
}
function loop(guest: VirtioDriver, length: number): void {
  for (let index = 0; index <= length; index++) {
    const next = index === length ? 0 : index + 1;
    guest.describe(DESCRIPTORS, index, 0x20000, 16, DESCRIPTOR_F_NEXT, next);
  }
  guest.offer(0);
}
function framed(guest: VirtioDriver, header: number, status: number): void {
  guest.describe(DESCRIPTORS, 0, 0x20000, header, DESCRIPTOR_F_NEXT, 1);
  guest.describe(DESCRIPTORS, 1, 0x30000, status, DESCRIPTOR_F_WRITE, 0);
  guest.offer(0);
}
function backwards(guest: VirtioDriver): void {
  guest.describe(DESCRIPTORS, 0, 0x20000, 16, DESCRIPTOR_F_NEXT | DESCRIPTOR_F_WRITE, 1);
  guest.describe(DESCRIPTORS, 1, 0x30000, 16, 0, 0);
  guest.offer(0);
}
function pointing(guest: VirtioDriver, next: number): void {
  guest.describe(DESCRIPTORS, 0, 0x20000, 16, DESCRIPTOR_F_NEXT, next);
  guest.offer(0);
}
function nested(guest: VirtioDriver, table: number): void {
  guest.describe(table, 0, table, 32, DESCRIPTOR_F_INDIRECT, 0);
  single(guest, table, 32, DESCRIPTOR_F_INDIRECT);
}
function indirectLoop(guest: VirtioDriver): void {
  guest.describe(0x20000, 0, 0x30000, 16, DESCRIPTOR_F_NEXT, 1);
  guest.describe(0x20000, 1, 0x30000, 16, DESCRIPTOR_F_NEXT, 0);
  single(guest, 0x20000, 32, DESCRIPTOR_F_INDIRECT);
}

test.each([
  ...attacks.map(([name, attack]) => [name, attack, {}] as const),
  ...indirectAttacks.map(([name, attack]) => [name, attack, { indirect: true }] as const),
])("%s needs a reset, after which the device works again", (_name, attack, options) => {
  const guest = driver(options);
  attack(guest);
  guest.block.notify();
  expect(guest.block.status & Status.NEEDS_RESET).toBe(Status.NEEDS_RESET);
  expect(guest.block.failure).not.toBe(undefined);
  expect(guest.interrupts).toBe(1);
  expect(guest.block.notify()).toBe(0);
  guest.block.status = 0;
  expect([guest.block.status, guest.block.failure]).toEqual([0, undefined]);
});

test("requests before a broken chain are answered", () => {
  const guest = driver();
  guest.view.setUint32(0x20000, IN, true);
  guest.view.setBigUint64(0x20008, 9n, true);
  guest.chain([
    { address: 0x20000, length: 16, write: false },
    { address: 0x30000, length: 513, write: true },
  ]);
  guest.offer(64);
  guest.block.notify();
  expect(guest.memory[0x30200]).toBe(OK);
  expect(guest.view.getUint16(USED + 2, true)).toBe(1);
  expect(guest.block.status & Status.NEEDS_RESET).not.toBe(0);
});

test("rings outside guest memory, unaligned or of no power of two need a reset", () => {
  const good = { size: 64, descriptors: DESCRIPTORS, available: AVAILABLE, used: USED };
  const places = [
    { ...good, size: 63 },
    { ...good, size: 0 },
    { ...good, size: 512 },
    { ...good, descriptors: DESCRIPTORS + 8 },
    { ...good, available: AVAILABLE + 1 },
    { ...good, used: USED + 2 },
    { ...good, used: (4 << 20) - 8 },
    { ...good, descriptors: -16 },
    { ...good, descriptors: 2 ** 60 },
  ];
  for (const wrong of places) {
    const guest = driver();
    guest.block.enableQueue(wrong);
    expect(guest.block.status & Status.NEEDS_RESET, JSON.stringify(wrong)).not.toBe(0);
  }
});

test("random rings and descriptors end in answers or NEEDS_RESET, and touch only guest memory", () => {
  const property = fc.property(
    fc.array(
      fc.record({
        address: fc.oneof(fc.nat(0x40000), fc.constantFrom(2 ** 32, 2 ** 53, (4 << 20) - 1)),
        length: fc.oneof(fc.nat(2000), fc.constantFrom(0, 1, 16, 32, 512, 0xffff_ffff)),
        flags: fc.nat(7),
        next: fc.nat(70),
      }),
      { minLength: 1, maxLength: 32 },
    ),
    fc.uint8Array({ minLength: 64, maxLength: 64 }),
    fc.array(fc.nat(40), { minLength: 1, maxLength: 8 }),
    (descriptors, bytes, heads) => {
      const base = new TraceDevice(new MemoryDevice({ size: "1MiB" }));
      const guest = new VirtioDriver(base, { indirect: true });
      for (let at = 0x20000; at < 0x40000; at += 64) guest.memory.set(bytes, at);
      for (const [index, { address, length, flags, next }] of descriptors.entries()) {
        guest.describe(DESCRIPTORS, index, address, length, flags, next);
      }
      for (const head of heads) guest.offer(head);
      const done = guest.block.notify();
      const broken = (guest.block.status & Status.NEEDS_RESET) !== 0;
      expect(broken || done === heads.length).toBe(true);
      expect(base.counts.writtenBytes).toBeLessThanOrEqual(heads.length * (1 << 20));
    },
  );
  fc.assert(property, { numRuns: 300 });
});
