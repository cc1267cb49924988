/** Whole systems for tests: a boot volume with a manifest and services, a data region, a machine. */
import binaryen from "binaryen";
import { sha256 } from "../../host/base/seed.ts";
import { finish } from "../../host/base/work.ts";
import { Core } from "../../host/core/load.ts";
import type { BlockDevice } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { DATA_REGION_BASE_LBA, ESP_SECTORS_MIN } from "../../host/format/layout.ts";
import {
  CLOSED,
  encodeManifest,
  type ManifestExtensionPoints,
  type ManifestService,
  type SystemManifest,
} from "../../host/format/manifest.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { makeDisk } from "../../host/system/image/mkdisk.ts";
import { originOf } from "../../host/system/image/reproducible.ts";
import { Machine, type MachineOptions } from "../../host/system/machine.ts";
import { type InstalledSystem, openSystem } from "../../host/system/update/system.ts";

/** A service that does nothing but answer `code`; "unreachable" traps. */
export function tinyService(code: number | "unreachable"): Uint8Array {
  const body = code === "unreachable" ? "unreachable" : `i32.const ${code}`;
  const text = `(module (memory (export "memory") 1)
    (func (export "main") (result i32) ${body}))`;
  const module = binaryen.parseText(text);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

export const BINS = {
  "good.wasm": tinyService(0),
  "bad.wasm": tinyService(7),
  "trap.wasm": tinyService("unreachable"),
};

/** Everything that an overlay can ask for. */
export const OPEN: ManifestExtensionPoints = {
  ...CLOSED,
  additionalServices: true,
  maxAdditionalServices: 4,
  allowedServiceCaps: ["console", "writable_fs_root", "persistent_store"],
  allowHostname: true,
  allowLogLevel: true,
  allowNetwork: true,
  allowAccountStore: true,
};

export function service(name: string, binary: string, more: Partial<ManifestService> = {}) {
  const plain: ManifestService = { name, binary, when: "boot", caps: [], config: new Uint8Array() };
  return { ...plain, ...more };
}

export interface SystemParts {
  readonly services?: readonly ManifestService[];
  readonly points?: Partial<ManifestExtensionPoints>;
  readonly bins?: Readonly<Record<string, Uint8Array>>;
  /** Bytes in the place of the encoded manifest. */
  readonly manifest?: Uint8Array;
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly size?: string;
}

export function manifestOf({ services = [], points = {}, bins = BINS }: SystemParts = {}) {
  const manifest: SystemManifest = {
    schemaVersion: 1,
    binaries: Object.entries(bins).map(([name, bytes]) => {
      return { name, sha256: sha256(bytes), sizeBytes: bytes.length };
    }),
    initConfig: { hostname: "base", logLevel: "info" },
    services: [...services],
    kernelParams: ["quiet"],
    extensionPoints: { ...OPEN, ...points },
  };
  return manifest;
}

/** A disk that boots a base with these services, not provisioned. */
export function makeSystem(parts: SystemParts = {}): MemoryDevice {
  const { bins = BINS, manifest = encodeManifest(manifestOf(parts)), files = {} } = parts;
  const device = new MemoryDevice({ size: parts.size ?? "136MiB", name: "disk" });
  const tree = memoryTree({
    "EFI/BOOT/BOOTX64.EFI": "a boot loader",
    "boot/manifest.bin": manifest,
    ...Object.fromEntries(Object.entries(bins).map(([name, b]) => [`boot/bins/${name}`, b])),
    ...files,
  });
  finish(makeDisk(device, { boot: tree, espSectors: ESP_SECTORS_MIN, seed: "s" }));
  return device;
}

/** Opens the system of a disk, does something with it, and closes it. */
export function withSystem<T>(disk: BlockDevice, use: (system: InstalledSystem) => T): T {
  const core = new Core({ environment: originOf({ seed: "test" }).environment });
  const id = core.attach(disk);
  const system = openSystem(core, id, { baseSector: DATA_REGION_BASE_LBA });
  try {
    return use(system);
  } finally {
    system.close();
    core.detach(id);
  }
}

export function boot(disk: BlockDevice, options: Partial<MachineOptions> = {}) {
  return new Machine({ disks: [disk], ...options }).boot();
}
