/**
 * The proof matrix (facts of capOS, section 15): one test per row, with that many real boots. Each
 * is gated on a line that only what is durable on the disk can produce.
 */
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { buildImage } from "../../host/core/files.ts";
import { Core } from "../../host/core/load.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { BASE_FLOOR, DATA_REGION_MOUNTED } from "../../host/format/lines.ts";
import { encodeOverlay, type NewOverlay } from "../../host/format/overlay.ts";
import {
  ACCOUNT_BYTES,
  ACCOUNT_HASH,
  type Base,
  bootFolder,
  makeDisk,
  manifest,
  pack,
  packed,
  Row,
  service,
  THREE,
} from "../support/matrix.ts";

const rows: Row[] = [];
const SECOND_SLOT = "1af4:1042@00:05.0";

const NO_SERVICES: Base = { services: [], bins: [] };

function newRow(name: string): Row {
  const made = new Row(name);
  rows.push(made);
  return made;
}

afterAll(() => {
  for (const made of rows) made.end();
});

function pids(row: Row): number {
  return new Set(row.boots.map(({ pid }) => pid)).size;
}

function hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function storageProof(sources: Readonly<Record<string, string>>): Base {
  const wanted = { console: "console", ...sources };
  return { services: [service("storage-proof", wanted)], bins: ["storage-proof"] };
}

test("run-virtio-blk: one boot reads a second disk by its PCI identity, and no block past it", () => {
  const row = newRow("virtio-blk");
  makeDisk(row, storageProof({ block: `block_device ${SECOND_SLOT}` }));
  const content = new Uint8Array(1 << 20).map((_, at) => at * 7);
  writeFileSync(row.path("second.img"), content);
  const { code, lines } = row.boot(["second.img"], "--disk", row.path("second.img"));
  const first = hex(content.subarray(0, 512));
  expect(lines).toContain(`[storage-proof] block device: blocks=2048 block 0 ${first}`);
  expect(code).toBe(0);
});

test("run-storage-fs: one boot reads a CAPOSRO1 image file by file, and changes nothing", () => {
  const row = newRow("storage-fs");
  makeDisk(row, storageProof({ root: `read_only_fs_root ${SECOND_SLOT}` }));
  const text = new TextEncoder().encode("what the image holds");
  const device = FileDevice.create(row.path("ro.img"), { size: "1MiB" });
  const core = new Core();
  const entries = [{ path: "/motd", content: text }];
  buildImage(core, core.attach(device), entries, { uuid: new Uint8Array(16).fill(1) });
  device.close();
  const { code, lines } = row.boot(["ro.img"], "--disk", row.path("ro.img"));
  expect(lines).toContain(`[storage-proof] root: motd ${text.length} bytes ${hex(text)}`);
  expect(code).toBe(0);
});

test("run-installable-image-source: one boot reads the packaged files of a CD-ROM, and no more", () => {
  const row = newRow("image-source");
  makeDisk(row, storageProof({ image: "installable_image_source" }));
  const payload = row.path("payload");
  mkdirSync(payload);
  const head = new Uint8Array(5000).map((_, at) => at);
  writeFileSync(join(payload, "BOOTHEAD.BIN"), head);
  const medium = row.path("medium.iso");
  row.run("image", "mkmedia", medium, "--boot", bootFolder(row, NO_SERVICES), "--payload", payload);
  const { code, lines } = row.boot(["medium.iso"], "--cdrom", medium);
  expect(lines).toContain(`[storage-proof] image: BOOTHEAD.BIN 5000 bytes ${hex(head)}`);
  expect(lines[0]).toBe(DATA_REGION_MOUNTED);
  expect(code).toBe(0);
});

test("run-installable-install: from a CD-ROM onto a blank disk, which then boots alone", () => {
  const row = newRow("install");
  const payload = row.path("payload");
  makeDisk(row, { services: [service("console-paths")], bins: ["console-paths"] });
  row.run("image", "split", row.disk, "--out", payload);
  rmSync(row.disk);
  rmSync(row.path("boot-files"), { recursive: true });
  const sources = {
    console: "console",
    source: "installable_image_source",
    target: `block_device_target ${SECOND_SLOT}`,
  };
  const installer = bootFolder(row, {
    services: [service("system-install", sources)],
    bins: ["system-install"],
  });
  const medium = row.path("medium.iso");
  row.run("image", "mkmedia", medium, "--boot", installer, "--payload", payload);
  FileDevice.create(row.disk, { size: "256MiB" }).close();
  const first = row.bootMedium("medium.iso");
  expect(first.lines[0]).toBe(BASE_FLOOR);
  expect(first.lines.filter((line) => line.startsWith("[install] ")).length).toBeGreaterThan(2);
  expect(first.lines).toContain("[init] health checkpoint: passed");
  expect(first.code).toBe(0);
  const second = row.boot();
  expect(second.lines.slice(0, 2)).toEqual([
    DATA_REGION_MOUNTED,
    "[init] data-region mounted: system/config entries=0",
  ]);
  expect(second.lines).toContain("[console-paths] Console paths ok.");
  expect(second.code).toBe(0);
  expect(row.run("verify", row.disk)).toContain("clean");
  expect(pids(row)).toBe(2);
});

test("run-storage-persist: an object stored by one boot is read by the next, by its hash", () => {
  const row = newRow("storage-persist");
  makeDisk(row, storageProof({ config: "writable_fs_root", store: "persistent_store" }));
  const object = hex(new TextEncoder().encode("what one boot stores, the next one reads"));
  expect(row.boot().lines).toContain(`[storage-proof] stored for the next boot: ${object}`);
  expect(row.boot().lines).toContain(`[storage-proof] read back after a boot: ${object}`);
  expect(row.run("store", "has", row.disk, object)).toBe("yes\n");
  expect(pids(row)).toBe(2);
});

test("run-storage-writable: a file written by one boot names what the next one reads", () => {
  const row = newRow("storage-writable");
  makeDisk(row, storageProof({ config: "writable_fs_root", store: "persistent_store" }));
  expect(row.boot().lines).toContain(`[init] data-region mounted: system/config entries=0`);
  const second = row.boot();
  expect(second.lines).toContain("[init] data-region mounted: system/config entries=1");
  expect(second.lines.join("\n")).toContain("read back after a boot: ");
  expect(row.run("fs", "ls", row.disk, "/system/config")).toContain("storage-proof");
  expect(pids(row)).toBe(2);
});

test("run-storage-writable-recovery: a boot killed at any moment leaves what one boot left", () => {
  const row = newRow("storage-writable-recovery");
  makeDisk(row, storageProof({ config: "writable_fs_root", store: "persistent_store" }));
  for (const afterMs of [150, 220, 260, 300, 340, 400]) row.kill(afterMs);
  expect(row.boot().lines.join("\n")).toMatch(
    /stored for the next boot: |read back after a boot: /,
  );
  expect(row.boot().lines.join("\n")).toContain("read back after a boot: ");
  expect(row.run("verify", row.disk)).toContain("clean");
});

test("run-installable-data-region: seeded; without a region; with every superblock zeroed", () => {
  const row = newRow("data-region");
  const base: Base = { services: [service("console-paths")], bins: ["console-paths"] };
  makeDisk(row, base);
  for (const name of ["one", "two"]) {
    writeFileSync(row.path(name), name);
    row.run("fs", "put", row.disk, row.path(name), `/system/config/${name}`);
  }
  expect(row.boot().lines.slice(0, 2)).toEqual([
    DATA_REGION_MOUNTED,
    "[init] data-region mounted: system/config entries=2",
  ]);
  zeroRegionHead(row.disk);
  const zeroed = row.boot();
  expect(zeroed.lines[0]).toBe(BASE_FLOOR);
  expect(zeroed.lines).toContain("[console-paths] Console paths ok.");
  expect(zeroed.code).toBe(0);
  row.run("gpt", "remove", row.disk, "2", "--yes");
  const without = row.boot();
  expect(without.lines[0]).toBe(BASE_FLOOR);
  expect(without.code).toBe(0);
  expect(pids(row)).toBe(3);
});

test("run-installable-overlay: taken; refused for a name the base pins; refused as corrupt", () => {
  const row = newRow("overlay");
  const base: Base = {
    services: [service("console-paths")],
    bins: ["console-paths", "overlay-extra"],
  };
  const good = overlayOf([service("overlay-extra")]);
  const pinned = overlayOf([{ ...service("overlay-extra"), name: "console-paths" }]);
  const corrupt = good.map((byte, at) => (at === good.length - 3 ? byte ^ 1 : byte));
  const boots = [good, pinned, corrupt].map((overlay) => {
    const file = row.path("overlay.bin");
    writeFileSync(file, overlay);
    const data = row.path("data.img");
    rmSync(data, { force: true });
    const size = ["--size", "126MiB", "--writable"];
    row.run("image", "mkstore", data, ...size, "--seed-overlay", file);
    makeDisk(row, base, "--data-image", data);
    return row.boot();
  });
  expect(boots[0]?.lines).toContain("[overlay-extra] started via overlay");
  for (const [index, why] of [
    'extension-point: service "console-paths": the base pins this name',
    "hash-mismatch:",
  ].entries()) {
    const { lines = [], code } = boots[index + 1] ?? {};
    expect(lines.find((line) => line.startsWith("[init] overlay rejected: "))).toContain(why);
    expect(lines).toContain("[console-paths] Console paths ok.");
    expect(lines).not.toContain("[overlay-extra] started via overlay");
    expect(code).toBe(0);
  }
  expect(pids(row)).toBe(3);
});

test("run-installable-generation: staged and left attempting; the next boot falls back", () => {
  const row = newRow("generation");
  const first = pack(1, { services: [], settings: { hostname: "one" } });
  const second = pack(2, { services: [service("overlay-failing")], settings: {} });
  const files = [ACCOUNT_BYTES, first.overlay, first.generation, second.overlay, second.generation];
  makeDisk(row, {
    services: [service("generation-proof", THREE, { when: "checkpoint", config: packed(files) })],
    bins: ["generation-proof", "overlay-failing"],
  });
  const one = row.boot().lines.join("\n");
  expect(one).toContain(`provisioned generation ${first.hash}`);
  expect(one).toMatch(/stale pointer refused: equal epoch 1: .*/);
  expect(one).toMatch(/stale pointer refused: lower epoch 0: .*/);
  expect(one).toContain(`left attempting: generation ${second.hash}`);
  const two = row.boot();
  expect(two.lines.join("\n")).toContain(
    `candidate was not confirmed, fell back to ${first.hash} from ${second.hash}`,
  );
  expect(two.lines.join("\n")).toContain(`[gen] generation 2 ${second.hash} failed: `);
  expect(two.code).toBe(0);
  expect(pids(row)).toBe(2);
});

test("run-installable-disk: one disk holds boot files, region and overlay", () => {
  const row = newRow("disk");
  const file = row.path("overlay.bin");
  writeFileSync(file, overlayOf([service("overlay-extra")]));
  const data = row.path("data.img");
  row.run("image", "mkstore", data, "--size", "126MiB", "--writable", "--seed-overlay", file);
  makeDisk(row, { services: [], bins: ["overlay-extra"] }, "--data-image", data);
  const { code, lines } = row.boot();
  expect(lines).toContain(DATA_REGION_MOUNTED);
  expect(lines).toContain("[overlay-extra] started via overlay");
  expect(code).toBe(0);
});

test("run-installable-provision: written by one boot, verified by the next", () => {
  const row = newRow("provision");
  const { overlay, generation, hash } = pack(1, {
    services: [service("overlay-extra")],
    settings: { hostname: "node", logLevel: "debug" },
  });
  const config = packed([ACCOUNT_BYTES, overlay, generation]);
  makeDisk(row, {
    services: [service("system-provision", THREE, { when: "checkpoint", config })],
    bins: ["system-provision", "overlay-extra"],
  });
  const one = row.boot().lines.join("\n");
  expect(one).toContain(`[provision] provisioned generation ${hash}`);
  expect(one).not.toContain("started via overlay");
  const two = row.boot();
  const told = two.lines.join("\n");
  expect(told).toContain(`[provision] verified active generation ${hash}`);
  expect(told).toContain(ACCOUNT_HASH);
  expect(told).toContain("[overlay-extra] started via overlay");
  const status = JSON.parse(row.run("status", row.disk, "--json")) as Record<string, unknown>;
  expect(status).toMatchObject({ active: 1, phase: "idle" });
  expect(pids(row)).toBe(2);
});

test("run-installable-update: three boots commit one update and fall back from the next", () => {
  const row = newRow("update");
  const [one, two, three, bins] = [
    pack(1, { services: [], settings: { hostname: "one" } }),
    pack(2, { services: [service("overlay-extra")], settings: { hostname: "two" } }),
    pack(3, { services: [service("overlay-failing")], settings: { hostname: "three" } }),
    ["system-update", "overlay-extra", "overlay-failing"] as const,
  ];
  const revokedBase = manifest({ services: [], bins, points: { allowHostname: false } });
  const revoked = pack(2, { services: [], settings: { hostname: "revoked" } }, [
    { role: "manifest", name: "base", bytes: revokedBase },
  ]);
  const config = packed([
    ...[ACCOUNT_BYTES, one.overlay, one.generation, revoked.overlay, revoked.generation],
    ...[two.overlay, two.generation, three.overlay, three.generation, revokedBase],
  ]);
  makeDisk(row, {
    services: [service("system-update", THREE, { when: "checkpoint", config })],
    bins,
  });
  const [first, second, third] = [row.boot(), row.boot(), row.boot()].map(({ lines }) => {
    const own = lines.filter((line) => line.startsWith("[update] "));
    for (const line of own) expect(line).toContain(ACCOUNT_HASH);
    return lines.join("\n");
  });
  expect(first).toContain(`provisioned generation ${one.hash}`);
  expect(first).toMatch(/overlay rejected against new base: .*allowHostname/);
  expect(first).toContain(`staged generation ${two.hash}`);
  expect(second).toContain(`[gen] generation 2 ${two.hash} is confirmed and active`);
  expect(second).toContain("[overlay-extra] started via overlay");
  expect(second).toContain(`staged generation ${three.hash}`);
  expect(third).toContain(`[gen] generation 3 ${three.hash} failed: `);
  expect(third).toContain(`fell back to ${two.hash} from ${three.hash}`);
  expect(new Set([one.hash, two.hash, three.hash, revoked.hash]).size).toBe(4);
  const status = JSON.parse(row.run("status", row.disk, "--json")) as Record<string, unknown>;
  expect(status).toMatchObject({ active: 2, phase: "idle", previous: [1] });
  expect(row.boots.at(-1)?.code).toBe(0);
  expect(pids(row)).toBe(3);
});

function overlayOf(services: NewOverlay["services"]): Uint8Array {
  return encodeOverlay({ version: 1, epoch: 1, services, settings: {} });
}

/** Every copy of both superblocks lies in the first 512 sectors of the region. */
function zeroRegionHead(disk: string): void {
  const device = FileDevice.open(disk);
  const data = new Uint8Array(512 * 512);
  device.submit([
    { type: 1, sector: 264_192, data, length: data.length, flags: 0, status: -1, transferred: 0 },
  ]);
  device.close();
}
