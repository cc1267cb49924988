/** compose: one test per reason of refusal, and no plan that holds more than its base allows. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { overlayRejected } from "../../host/format/lines.ts";
import {
  CAP_SOURCES,
  type CapRequest,
  CLOSED,
  type ManifestExtensionPoints,
  type ManifestService,
  type SystemManifest,
  TARGETED_SOURCES,
} from "../../host/format/manifest.ts";
import {
  decodeOverlay,
  encodeOverlay,
  type NewOverlay,
  type SystemConfigOverlay,
} from "../../host/format/overlay.ts";
import { HEAD_DIGEST, HEAD_SIZE, HEAD_VERSION, recordDigest } from "../../host/format/record.ts";
import {
  type BootPlan,
  compose,
  composeBytes,
  opensAnything,
  type Refused,
  readOverlay,
  refusalText,
} from "../../host/system/config/compose.ts";
import { extra, manifest, overlay, service, TARGET } from "../support/base.ts";
import { anyManifest, anyOverlay } from "../support/records.ts";

/** The overlay as a decoder answers it. */
function made(given: Partial<NewOverlay> = {}): SystemConfigOverlay {
  return decodeOverlay(encodeOverlay({ ...overlay, ...given }));
}

function base(points: Partial<ManifestExtensionPoints>): SystemManifest {
  return { ...manifest, extensionPoints: { ...manifest.extensionPoints, ...points } };
}

function refused(on: SystemManifest, over: SystemConfigOverlay): string {
  const answer = compose(on, over);
  return "refused" in answer ? refusalText(answer.refused) : "a plan";
}

function planned(on: SystemManifest, over: SystemConfigOverlay | undefined): BootPlan {
  const answer = compose(on, over);
  if ("refused" in answer) throw new Error(refusalText(answer.refused));
  return answer.plan;
}

describe("a plan", () => {
  test("of the base alone is the base", () => {
    expect(planned(manifest, undefined)).toEqual({
      services: [{ ...service, origin: "base" }],
      settings: { hostname: "base", logLevel: "info" },
      kernelParams: ["quiet", "console=ttyS0"],
    });
  });

  test("of an overlay has the base's services first and the overlay's settings over the base's", () => {
    expect(planned(manifest, made())).toEqual({
      services: [
        { ...service, origin: "base" },
        { ...extra, origin: "overlay" },
      ],
      settings: overlay.settings,
      kernelParams: ["quiet", "console=ttyS0"],
      accountStoreLocation: overlay.accountStoreLocation,
      overlayEpoch: 3,
    });
  });

  test("keeps the base's setting where the overlay has none, or an undefined one", () => {
    const over = { ...made(), settings: { hostname: undefined, logLevel: "warn" as const } };
    expect(planned(manifest, over).settings).toEqual({ hostname: "base", logLevel: "warn" });
  });
});

describe("the classes of rejection", () => {
  const whole = encodeOverlay(overlay);
  const bent = (at: number, repair: boolean) => {
    const bytes = whole.slice();
    bytes[at] = (bytes[at] as number) ^ 0x10;
    if (repair) bytes.set(recordDigest(bytes), HEAD_DIGEST);
    return bytes;
  };
  test.each<[string, Uint8Array | undefined, SystemManifest, string]>([
    ["missing", undefined, manifest, "missing: no overlay is there"],
    [
      "schema-invalid",
      whole.subarray(0, 40),
      manifest,
      "schema-invalid: 40 bytes, fewer than a head of 48",
    ],
    [
      "schema-invalid in the body",
      bent(HEAD_SIZE + 11, true),
      manifest,
      "schema-invalid: malformed overlay body at byte 12: " +
        "268435457 is not a whole number from 0 to 64",
    ],
    ["version-mismatch", bent(HEAD_VERSION, true), manifest, "version-mismatch: version 17, not 1"],
    [
      "hash-mismatch",
      bent(HEAD_SIZE + 40, false),
      manifest,
      "hash-mismatch: the content is not what its SHA-256 says",
    ],
    [
      "stale-epoch",
      whole,
      base({ minOverlayEpoch: 4 }),
      "stale-epoch: epoch 3, the base takes 4 and above",
    ],
    [
      "extension-point",
      whole,
      base({ additionalServices: false }),
      "extension-point: additionalServices: the base takes no services",
    ],
  ])("%s", (_, bytes, on, text) => {
    const answer = composeBytes(on, bytes) as { refused: Refused };
    expect(refusalText(answer.refused)).toBe(text);
    expect(overlayRejected(text)).toBe(`[init] overlay rejected: ${text}`);
  });

  test("none of them for bytes that are an overlay", () => {
    expect(readOverlay(whole)).toEqual({ overlay: made() });
    expect(composeBytes(manifest, whole)).toEqual({ plan: planned(manifest, made()) });
  });
});

const withCap = (...caps: ManifestService["caps"]) => ({ services: [{ ...extra, caps }] });
const namedExtra = (name: string) => ({ services: [{ ...extra, name }] });

test.each<[string, Partial<ManifestExtensionPoints>, Partial<NewOverlay>, string]>([
  [
    "additionalServices",
    { additionalServices: false },
    {},
    "additionalServices: the base takes no services",
  ],
  [
    "maxAdditionalServices",
    { maxAdditionalServices: 0 },
    {},
    "maxAdditionalServices: 1 services, the base takes 0",
  ],
  ["the name of a base service", {}, namedExtra("one"), 'service "one": the base pins this name'],
  [
    "the name of a base service in other letters",
    {},
    namedExtra("ONE"),
    'service "ONE": the base pins this name',
  ],
  ["the name init", {}, namedExtra("init"), 'service "init": the base pins this name'],
  [
    "a binary of its own",
    {},
    { services: [{ ...extra, binary: "own.wasm" }] },
    'service "overlay-extra": binary "own.wasm" is not shipped by the base',
  ],
  [
    "allowedServiceCaps",
    { allowedServiceCaps: ["console"] },
    withCap({ name: "store", source: "persistent_store" }),
    'service "overlay-extra": allowedServiceCaps: ' +
      'capability "store" asks for "persistent_store"',
  ],
  [
    "another device than the base's",
    {},
    withCap({ name: "d", source: "block_device_target", target: "1af4:1042@00:06.0" }),
    'service "overlay-extra": allowedServiceCaps: ' +
      'no service of the base holds block_device_target of "1af4:1042@00:06.0"',
  ],
  [
    "the base's device by another source",
    { allowedServiceCaps: ["block_device"] },
    withCap({ name: "d", source: "block_device", target: TARGET }),
    'service "overlay-extra": allowedServiceCaps: ' +
      `no service of the base holds block_device of "${TARGET}"`,
  ],
  [
    "a volume of any device",
    { allowedServiceCaps: ["read_only_fs_root"] },
    withCap({ name: "d", source: "read_only_fs_root" }),
    'service "overlay-extra": allowedServiceCaps: ' +
      "no service of the base holds read_only_fs_root of any device",
  ],
  [
    "allowHostname",
    { allowHostname: false },
    {},
    "allowHostname: the base lets no overlay set the host name",
  ],
  [
    "allowLogLevel",
    { allowLogLevel: false },
    {},
    "allowLogLevel: the base lets no overlay set the log level",
  ],
  [
    "allowNetwork",
    { allowNetwork: false },
    {},
    "allowNetwork: the base lets no overlay set the network",
  ],
  [
    "allowAccountStore",
    { allowAccountStore: false },
    {},
    "allowAccountStore: the base lets no overlay set the account store",
  ],
])("an overlay that oversteps %s is refused whole", (_, points, given, reason) => {
  expect(refused(base(points), made(given))).toBe(`extension-point: ${reason}`);
});

test("two capabilities of one name are refused even where no decoder looked", () => {
  const cap = { name: "out", source: "console" } as const;
  const over = { ...made(), services: [{ ...extra, caps: [cap, cap] }] };
  expect(refused(manifest, over)).toMatch(/two capabilities are named "out"/);
});

test("two services of one name are refused even where no decoder looked", () => {
  const over = { ...made(), services: [extra, extra] };
  expect(refused(manifest, over)).toMatch(/service "overlay-extra": the base pins this name/);
});

test("the epoch is asked before any extension point", () => {
  const closed = { ...manifest, extensionPoints: { ...CLOSED, minOverlayEpoch: 4 } };
  expect(refused(closed, made())).toMatch(/^stale-epoch: /);
});

test("a closed base takes an overlay that brings nothing, and nothing else", () => {
  const closed = { ...manifest, extensionPoints: CLOSED };
  const nothing = decodeOverlay(
    encodeOverlay({ version: 1, epoch: 1, services: [], settings: {} }),
  );
  expect(planned(closed, nothing)).toEqual({ ...planned(closed, undefined), overlayEpoch: 1 });
  expect(opensAnything(CLOSED)).toBe(false);
  expect(opensAnything({ ...CLOSED, additionalServices: true })).toBe(false);
  for (const point of ["allowHostname", "allowLogLevel", "allowNetwork", "allowAccountStore"]) {
    expect(opensAnything({ ...CLOSED, [point]: true }), point).toBe(true);
  }
});

const OPEN: ManifestExtensionPoints = {
  additionalServices: true,
  maxAdditionalServices: 64,
  allowedServiceCaps: CAP_SOURCES,
  minOverlayEpoch: 0,
  allowHostname: true,
  allowLogLevel: true,
  allowNetwork: true,
  allowAccountStore: true,
};

/** A base and an overlay; of three in four the base is open but for one point at most. */
const anyPair: fc.Arbitrary<[SystemManifest, NewOverlay]> = anyManifest.chain((drawn) => {
  const names = drawn.binaries.map(({ name }) => name);
  const binary = fc.constantFrom(...names, ...(names.length === 0 ? ["not-shipped"] : names));
  const point = fc.constantFrom(undefined, ...(Object.keys(OPEN) as (keyof typeof OPEN)[]));
  return fc
    .tuple(anyOverlay(binary), fc.nat(3), point)
    .map(([over, openness, kept]): [SystemManifest, NewOverlay] => {
      if (openness === 0) return [drawn, over];
      const points = drawn.extensionPoints;
      const opened = kept === undefined ? OPEN : { ...OPEN, [kept]: points[kept] };
      const on = { ...drawn, extensionPoints: opened };
      if (openness === 1) return [on, over];
      // Devices that the base holds, or none: else hardly any overlay with devices is taken.
      const held = drawn.services.flatMap(({ caps }) => caps);
      const services = over.services.map((brought, index) => {
        const caps = brought.caps.filter(({ source }) => !TARGETED_SOURCES.includes(source));
        const lent = held[index % Math.max(held.length, 1)];
        return { ...brought, caps: lent ? [...caps, { ...lent, name: "lent" }] : caps };
      });
      return [on, { ...over, services: services.map(renamed) }];
    });
});

/** A name of a capability that no other one has. */
function renamed(given: ManifestService): ManifestService {
  return { ...given, caps: given.caps.map((cap, index) => ({ ...cap, name: `cap${index}` })) };
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const held of Object.values(value)) frozen(held);
    Object.freeze(value);
  }
  return value;
}

test("no plan holds a binary, a capability or a setting that its base did not allow", () => {
  const counts = { refused: 0, services: 0, devices: 0 };
  fc.assert(
    fc.property(anyPair, ([on, given]) => {
      const over = decodeOverlay(encodeOverlay(given));
      const answer = compose(on, over);
      if ("refused" in answer) {
        counts.refused++;
        expect(["stale-epoch", "extension-point"]).toContain(answer.refused.class);
        return;
      }
      const added = over.services.flatMap(({ caps }) => caps);
      counts.services += over.services.length;
      counts.devices += added.filter(({ target }) => target !== undefined).length;
      checkAuthority(on, over, answer.plan);
    }),
    { numRuns: 2000 },
  );
  // A property over refusals alone, or over plans that add nothing, would say nothing.
  for (const [what, count] of Object.entries(counts)) expect(count, what).toBeGreaterThan(20);
});

function deviceOf({ source, target }: CapRequest): string {
  return `${source} of ${target}`;
}

function checkAuthority(on: SystemManifest, over: SystemConfigOverlay, plan: BootPlan): void {
  const { extensionPoints: points } = on;
  const ofBase = plan.services.filter(({ origin }) => origin === "base");
  expect(ofBase.map(({ origin: _, ...held }) => held)).toEqual(on.services);
  const shipped = on.binaries.map(({ name }) => name);
  const devices = on.services.flatMap(({ caps }) => caps.map(deviceOf));
  const added = plan.services.slice(ofBase.length);
  expect(added.length).toBe(over.services.length);
  for (const { binary, caps, name } of added) {
    expect(shipped).toContain(binary);
    expect([...ofBase.map((held) => held.name), "init"]).not.toContain(name);
    for (const cap of caps) {
      expect(points.allowedServiceCaps).toContain(cap.source);
      if (TARGETED_SOURCES.includes(cap.source)) expect(devices).toContain(deviceOf(cap));
    }
  }
  expect(added.length === 0 || points.additionalServices).toBe(true);
  expect(added.length).toBeLessThanOrEqual(points.maxAdditionalServices);
  expect(over.epoch).toBeGreaterThanOrEqual(points.minOverlayEpoch);
  const { hostname, logLevel, network } = plan.settings;
  expect(points.allowHostname || hostname === on.initConfig.hostname).toBe(true);
  expect(points.allowLogLevel || logLevel === on.initConfig.logLevel).toBe(true);
  expect(points.allowNetwork || network === undefined).toBe(true);
  expect(points.allowAccountStore || plan.accountStoreLocation === undefined).toBe(true);
  expect(plan.kernelParams).toEqual(on.kernelParams);
}

test("the same records give the same answer, and neither is changed", () => {
  fc.assert(
    fc.property(anyPair, ([on, given]) => {
      const over = decodeOverlay(encodeOverlay(given));
      const before = structuredClone([on, over]);
      const answer = compose(frozen(on), frozen(over));
      expect(compose(structuredClone(on), structuredClone(over))).toEqual(answer);
      expect([on, over]).toEqual(before);
    }),
  );
});

test("a base that revokes what an overlay uses refuses it, one point after the other", () => {
  const uses: Partial<ManifestExtensionPoints>[] = [
    { additionalServices: false },
    { maxAdditionalServices: 0 },
    { allowedServiceCaps: [] },
    { minOverlayEpoch: 4 },
    { allowHostname: false },
    { allowLogLevel: false },
    { allowNetwork: false },
    { allowAccountStore: false },
  ];
  expect(planned(manifest, made()).overlayEpoch).toBe(3);
  for (const revoked of uses) {
    expect(refused(base(revoked), made()), JSON.stringify(revoked)).not.toBe("a plan");
  }
  expect(uses.map((use) => Object.keys(use)[0]).sort()).toEqual(Object.keys(CLOSED).sort());
});
