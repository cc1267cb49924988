/** One valid record of each kind, for tests that bend them. */
import type { AccountRecord } from "../../host/format/account.ts";
import type { GenerationObject } from "../../host/format/generation.ts";
import type { ManifestService, SystemManifest } from "../../host/format/manifest.ts";
import type { NewOverlay } from "../../host/format/overlay.ts";
import type { GenerationPointer } from "../../host/format/pointer.ts";

export function hashOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

export const TARGET = "1af4:1042@00:05.0";

/** A service of the base. */
export const service: ManifestService = {
  name: "one",
  binary: "a.wasm",
  when: "boot",
  caps: [
    { name: "console", source: "console" },
    { name: "disk", source: "block_device_target", target: TARGET },
  ],
  config: new TextEncoder().encode("greeting=hello\n"),
};

/** A base that opens everything. */
export const manifest: SystemManifest = {
  schemaVersion: 1,
  binaries: [
    { name: "a.wasm", sha256: hashOf(1), sizeBytes: 1234 },
    { name: "b.wasm", sha256: hashOf(2), sizeBytes: 0 },
  ],
  initConfig: { hostname: "base", logLevel: "info" },
  services: [service],
  kernelParams: ["quiet", "console=ttyS0"],
  extensionPoints: {
    additionalServices: true,
    maxAdditionalServices: 2,
    allowedServiceCaps: ["console", "persistent_store", "block_device_target"],
    minOverlayEpoch: 3,
    allowHostname: true,
    allowLogLevel: true,
    allowNetwork: true,
    allowAccountStore: true,
  },
};

/** A service that the base lets an overlay bring. */
export const extra: ManifestService = {
  name: "overlay-extra",
  binary: "b.wasm",
  when: "checkpoint",
  caps: [
    { name: "out", source: "console" },
    { name: "disk", source: "block_device_target", target: TARGET },
  ],
  config: Uint8Array.of(0xff, 0, 1),
};

/** An overlay that uses all that the base opens. */
export const overlay: NewOverlay = {
  version: 1,
  epoch: 3,
  services: [extra],
  settings: {
    hostname: "installed",
    logLevel: "debug",
    network: { address: "10.0.2.15/24", gateway: "10.0.2.2", dns: ["10.0.2.3", "1.1.1.1"] },
  },
  accountStoreLocation: hashOf(9),
};

export const account: AccountRecord = {
  version: 1,
  principalId: hashOf(7),
  name: "operator",
  displayName: "Jo Öperator",
  roles: ["admin"],
  attributes: [{ name: "shell", value: "/bin/sh" }],
  credentialRefs: [{ kind: "ssh-key", hash: hashOf(8) }],
  storageRoots: [{ name: "home", path: "/home/operator" }],
  defaultProfiles: ["default"],
};

export const generation: GenerationObject = {
  version: 1,
  epoch: 2,
  parent: hashOf(3),
  minFormat: 1,
  overlayHash: hashOf(4),
  overlayEpoch: 2,
  objects: [
    { role: "overlay", name: "overlay", hash: hashOf(4), lengthBytes: 300 },
    { role: "account", name: "operator", hash: hashOf(9), lengthBytes: 200 },
  ],
};

export const pointer: GenerationPointer = {
  version: 1,
  state: "active",
  pointerEpoch: 2,
  overlayEpoch: 2,
  hash: hashOf(5),
};
