/** Any valid record, as fast-check draws it: manifests, overlays, accounts, generations, pointers. */
import fc from "fast-check";
import { toHex } from "../../host/base/hash.ts";
import type { AccountRecord } from "../../host/format/account.ts";
import { type GenerationObject, OBJECT_ROLES } from "../../host/format/generation.ts";
import {
  CAP_SOURCES,
  type CapRequest,
  type CapSource,
  LOG_LEVELS,
  type ManifestBinary,
  type ManifestExtensionPoints,
  type ManifestService,
  SERVICE_TIMES,
  type SystemManifest,
  TARGETED_SOURCES,
} from "../../host/format/manifest.ts";
import type { NewOverlay, OverlaySettings } from "../../host/format/overlay.ts";
import { type GenerationPointer, POINTER_STATES } from "../../host/format/pointer.ts";

/** A record without the fields that are undefined, as decoders answer it. */
function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, held]) => held !== undefined)) as T;
}

function some<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined });
}

export const anyName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,12}$/);
export const anyHash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((hash) => hash.some((byte) => byte !== 0));
export const anyEpoch = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const anyText = fc.stringMatching(/^[^\p{C}\u2028\u2029]{0,20}$/u);
const anyTarget = fc.constantFrom("1af4:1042@00:04.0", "1af4:1042@00:05.0", "8086:7010@01:1f.7");

const unique = <T>(item: fc.Arbitrary<T>, key: (value: T) => string, maxLength: number) =>
  fc.uniqueArray(item, { selector: key, maxLength });

const anyCap: fc.Arbitrary<CapRequest> = fc
  .tuple(anyName, fc.constantFrom(...CAP_SOURCES), anyTarget, fc.boolean())
  .map(([name, source, target, given]) => {
    const needed = source === "block_device_target" || source === "block_device";
    const targeted = needed || (TARGETED_SOURCES.includes(source) && given);
    return targeted ? { name, source, target } : { name, source };
  });

export function anyServices(binary: fc.Arbitrary<string>): fc.Arbitrary<ManifestService[]> {
  const service = fc.record({
    name: anyName.filter((name) => name.toLowerCase() !== "init"),
    binary,
    when: fc.constantFrom(...SERVICE_TIMES),
    caps: unique(anyCap, ({ name }) => name, 4),
    config: fc.uint8Array({ maxLength: 40 }),
  });
  return unique(service, ({ name }) => name.toLowerCase(), 4);
}

const anyHostname = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?(\.[a-z]{1,5})?$/);
const anyLevel = fc.constantFrom(...LOG_LEVELS);
const anyInitConfig = fc
  .record({ hostname: some(anyHostname), logLevel: some(anyLevel) })
  .map(compact);

export const anyPoints: fc.Arbitrary<ManifestExtensionPoints> = fc.record({
  additionalServices: fc.boolean(),
  maxAdditionalServices: fc.integer({ min: 0, max: 64 }),
  allowedServiceCaps: fc.subarray([...CAP_SOURCES] as CapSource[]),
  minOverlayEpoch: fc.oneof(fc.nat(5), fc.maxSafeNat()),
  allowHostname: fc.boolean(),
  allowLogLevel: fc.boolean(),
  allowNetwork: fc.boolean(),
  allowAccountStore: fc.boolean(),
});

const anyBinary: fc.Arbitrary<ManifestBinary> = fc.record({
  name: anyName,
  sha256: anyHash,
  sizeBytes: fc.integer({ min: 0, max: 0xffff_ffff }),
});

export const anyManifest: fc.Arbitrary<SystemManifest> = unique(
  anyBinary,
  ({ name }) => name.toLowerCase(),
  4,
).chain((binaries) =>
  fc.record({
    schemaVersion: fc.constant(1 as const),
    binaries: fc.constant(binaries),
    initConfig: anyInitConfig,
    services:
      binaries.length === 0
        ? fc.constant([])
        : anyServices(fc.constantFrom(...binaries.map(({ name }) => name))),
    kernelParams: fc.uniqueArray(fc.stringMatching(/^[!-~]{1,20}$/), { maxLength: 4 }),
    extensionPoints: anyPoints,
  }),
);

const anyAddress = fc.ipV4();
const anySettings: fc.Arbitrary<OverlaySettings> = fc
  .record({
    hostname: some(anyHostname),
    logLevel: some(anyLevel),
    network: some(
      fc
        .record({
          address: fc
            .tuple(anyAddress, fc.integer({ min: 0, max: 32 }))
            .map(([address, prefix]) => `${address}/${prefix}`),
          gateway: some(anyAddress),
          dns: fc.uniqueArray(anyAddress, { maxLength: 8 }),
        })
        .map(compact),
    ),
  })
  .map(compact);

export function anyOverlay(binary: fc.Arbitrary<string> = anyName): fc.Arbitrary<NewOverlay> {
  return fc
    .record({
      version: fc.constant(1 as const),
      epoch: fc.oneof(fc.integer({ min: 1, max: 6 }), anyEpoch),
      services: anyServices(binary),
      settings: anySettings,
      accountStoreLocation: some(anyHash),
    })
    .map(compact);
}

export const anyAccount: fc.Arbitrary<AccountRecord> = fc.record({
  version: fc.constant(1 as const),
  principalId: anyHash,
  name: anyName,
  displayName: anyText,
  roles: fc.uniqueArray(anyName, { maxLength: 4 }),
  attributes: unique(fc.record({ name: anyName, value: anyText }), ({ name }) => name, 4),
  credentialRefs: unique(
    fc.record({ kind: anyName, hash: anyHash }),
    ({ kind, hash }) => `${kind} ${hash}`,
    3,
  ),
  storageRoots: unique(
    fc.record({
      name: anyName,
      path: fc.stringMatching(/^(\/[a-zä]{1,5}\.?[a-z]){1,4}$/),
    }),
    ({ name }) => name,
    3,
  ),
  defaultProfiles: fc.uniqueArray(anyName, { maxLength: 4 }),
});

export const anyGeneration: fc.Arbitrary<GenerationObject> = fc
  .record({
    epoch: fc.integer({ min: 2, max: Number.MAX_SAFE_INTEGER }),
    parent: some(anyHash),
    minFormat: fc.integer({ min: 1, max: 0xffff }),
    overlayHash: anyHash,
    overlayEpoch: anyEpoch,
    others: unique(
      fc.record({
        role: fc.constantFrom(...OBJECT_ROLES.filter((role) => role !== "overlay")),
        name: anyName,
        hash: anyHash,
        lengthBytes: fc.integer({ min: 0, max: 2 ** 40 }),
      }),
      ({ role, name }) => `${role} ${name}`,
      4,
    ),
  })
  .map(({ others, overlayHash, ...rest }) => {
    const overlay = { role: "overlay" as const, name: "overlay", hash: overlayHash };
    const objects = [{ ...overlay, lengthBytes: 100 }, ...others];
    return compact({ version: 1 as const, ...rest, overlayHash, objects });
  })
  // Bytes of 1 and 0 are drawn often, and then two objects are one.
  .filter(({ objects, parent }) => {
    const hashes = [...objects.map(({ hash }) => toHex(hash)), ...(parent ? [toHex(parent)] : [])];
    return new Set(hashes).size === hashes.length;
  });

export const anyPointer: fc.Arbitrary<GenerationPointer> = fc.record({
  version: fc.constant(1 as const),
  state: fc.constantFrom(...POINTER_STATES),
  pointerEpoch: anyEpoch,
  overlayEpoch: anyEpoch,
  hash: anyHash,
});
