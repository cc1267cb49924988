/** The system that the demo installs: a base with one service of its own, and what it lets in. */
import { sha256 } from "../../base/seed.ts";
import type { AccountRecord } from "../../format/account.ts";
import {
  type CapRequest,
  CLOSED,
  encodeManifest,
  type ManifestService,
  type SystemManifest,
} from "../../format/manifest.ts";
import type { NewOverlay } from "../../format/overlay.ts";
import type { ShippedService } from "../service/shipped.ts";
import { greeter } from "./greeter.ts";

/** What the demo's own boot loader prints on real firmware. */
export const GREETING = "Diskwright: this disk was made without root, and it boots.";

/** What lies in boot/bins, whether the base starts it or only an overlay does. */
export const BINARIES: readonly ShippedService[] = [
  "console-paths",
  "overlay-extra",
  "overlay-failing",
];
const CONSOLE: CapRequest = { name: "console", source: "console" };

/** The files of the ESP: boot loader, manifest, service binaries, which `service` gives. */
export function demoBoot(
  service: (name: ShippedService) => Uint8Array,
): Record<string, Uint8Array | string> {
  const binaries = BINARIES.map((name) => [`${name}.wasm`, service(name)] as const);
  const manifest: SystemManifest = {
    schemaVersion: 1,
    binaries: binaries.map(([name, bytes]) => {
      return { name, sha256: sha256(bytes), sizeBytes: bytes.length };
    }),
    initConfig: { hostname: "diskwright", logLevel: "info" },
    services: [entry("console-paths")],
    kernelParams: [],
    extensionPoints: {
      ...CLOSED,
      additionalServices: true,
      maxAdditionalServices: 2,
      allowedServiceCaps: ["console"],
      allowHostname: true,
      allowLogLevel: true,
      allowAccountStore: true,
    },
  };
  return {
    "EFI/BOOT/BOOTX64.EFI": greeter(GREETING),
    "README.TXT": "Made by `diskwright demo`. Start it with any UEFI firmware.\r\n",
    "boot/manifest.bin": encodeManifest(manifest),
    ...Object.fromEntries(binaries.map(([name, bytes]) => [`boot/bins/${name}`, bytes])),
  };
}

/** An overlay that adds one service to the base. */
export function demoOverlay(name: ShippedService, hostname: string): NewOverlay {
  return { version: 1, epoch: 1, services: [entry(name)], settings: { hostname } };
}

export const OPERATOR: AccountRecord = {
  version: 1,
  principalId: sha256(new TextEncoder().encode("operator of the demo")),
  name: "operator",
  displayName: "The operator",
  roles: ["administrator"],
  attributes: [],
  credentialRefs: [],
  storageRoots: [],
  defaultProfiles: [],
};

function entry(name: ShippedService): ManifestService {
  return { name, binary: `${name}.wasm`, when: "boot", caps: [CONSOLE], config: new Uint8Array(0) };
}
