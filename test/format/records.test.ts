/** Records of the system: what is encoded comes back; what breaks a rule is neither made nor read. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { toHex } from "../../host/base/hash.ts";
import { accountFormat } from "../../host/format/account.ts";
import { generationFormat } from "../../host/format/generation.ts";
import {
  BINARIES_MAX,
  CAPS_MAX,
  CONFIG_BYTES_MAX,
  KERNEL_PARAMS_MAX,
  manifestFormat,
  packFiles,
  SERVICES_MAX,
} from "../../host/format/manifest.ts";
import {
  decodeOverlay,
  encodeOverlay,
  type NewOverlay,
  OverlayReject,
  overlayFormat,
} from "../../host/format/overlay.ts";
import { POINTER_BYTES, pointerFormat } from "../../host/format/pointer.ts";
import { HEAD_DIGEST, HEAD_SIZE, type RecordFormat } from "../../host/format/record.ts";
import { account, generation, manifest, overlay, pointer, service } from "../support/base.ts";
import {
  anyAccount,
  anyGeneration,
  anyManifest,
  anyOverlay,
  anyPointer,
} from "../support/records.ts";

const format = <T>(given: RecordFormat<T>) => given as unknown as RecordFormat<object>;
const KINDS: [string, RecordFormat<object>, object, fc.Arbitrary<object>][] = [
  ["a manifest", format(manifestFormat), manifest, anyManifest],
  ["an account", format(accountFormat), account, anyAccount],
  ["a generation", format(generationFormat), generation, anyGeneration],
  ["a pointer", format(pointerFormat), pointer, anyPointer],
];

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
  return "OK";
}

describe.each(KINDS)("%s", (_, { encode, decode }, _sample, any) => {
  test("comes back as it was written, and is written the same again", () => {
    fc.assert(
      fc.property(any, (value) => {
        const bytes = encode(value);
        expect(decode(bytes)).toEqual(value);
        expect(encode(decode(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe("an overlay", () => {
  test("comes back as it was written, with its content hash", () => {
    fc.assert(
      fc.property(anyOverlay(), (value) => {
        const bytes = encodeOverlay(value);
        const contentHash = bytes.slice(HEAD_DIGEST, HEAD_SIZE);
        expect(decodeOverlay(bytes)).toEqual({ ...value, contentHash });
        expect(encodeOverlay(decodeOverlay(bytes))).toEqual(bytes);
      }),
    );
  });

  test("has the SHA-256 of its encoding without the hash as its content hash", () => {
    const bytes = encodeOverlay(overlay);
    const rest = Buffer.concat([bytes.subarray(0, HEAD_DIGEST), bytes.subarray(HEAD_SIZE)]);
    const expected = createHash("sha256").update(rest).digest("hex");
    expect(toHex(decodeOverlay(bytes).contentHash)).toBe(expected);
  });

  test("encodes to the bytes it always had", () => {
    const golden = createHash("sha256").update(encodeOverlay(overlay)).digest("hex");
    expect(golden).toBe("16b3105cb6f1e5e33cca3fa3afdbddefa948f393cb8392146cf63a41f862373d");
  });

  test("is rejected as OverlayReject with class and reason", () => {
    const bytes = encodeOverlay(overlay);
    bytes[HEAD_SIZE] = (bytes[HEAD_SIZE] as number) ^ 1;
    const error = thrown(() => decodeOverlay(bytes));
    expect(error).toBeInstanceOf(OverlayReject);
    expect(error).toMatchObject({ class: "hash-mismatch", code: "EBADMSG", syscall: "decode" });
    expect(error.message).toBe(
      "EBADMSG: overlay: hash-mismatch: the content is not what its SHA-256 says.",
    );
  });
});

test("records and compose need nothing of Node, so that a page can have them", () => {
  const folders = ["host/format", "host/format/json", "host/system/config"];
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(`${folder}/${name}`, "utf8")),
  );
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((text) => /from "node:|\bBuffer\b|\bprocess\./.test(text))).toEqual([]);
});

test("all pointers have one size", () => {
  expect(pointerFormat.encode(pointer).length).toBe(POINTER_BYTES);
});

test("packed files are a count, then length and bytes of each", () => {
  expect([...packFiles([Uint8Array.of(7, 8), new Uint8Array(0)])]).toEqual([
    2, 0, 0, 0, 2, 0, 0, 0, 7, 8, 0, 0, 0, 0,
  ]);
});

const zero = new Uint8Array(32);
const many = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i));
const [binary] = manifest.binaries;
const named = (name: string) => ({ ...service, name });
const withCap = (...caps: object[]) => ({ services: [{ ...service, caps }] });
const console = { name: "console", source: "console" };

test.each<[string, object, RegExp]>([
  ["schema version 2", { schemaVersion: 2 }, /schemaVersion: 2 is not a whole number/],
  ["a binary twice", { binaries: [binary, binary] }, /binaries\[1\]\.name: ".*" is there twice/],
  [
    "binaries that a FAT volume cannot tell apart",
    { binaries: [binary, { ...binary, name: "A.WASM" }] },
    /binaries\[1\]\.name: "a.wasm" is there twice/,
  ],
  ["a binary without a hash", { binaries: [{ ...binary, sha256: zero }] }, /sha256: .* zero/],
  ["a binary over 4 GiB", { binaries: [{ ...binary, sizeBytes: 2 ** 32 }] }, /sizeBytes/],
  [
    "too many binaries",
    { binaries: many(BINARIES_MAX + 1, (i) => ({ ...binary, name: `b${i}` })) },
    /binaries: 257 entries, 256 at most/,
  ],
  ["a path for a binary", { binaries: [{ ...binary, name: "../a" }] }, /is not a name/],
  ["a binary that is not shipped", { services: [{ ...service, binary: "b" }] }, /no binary "b"/],
  ["a service named init", { services: [named("Init")] }, /"Init" is the kernel's own/],
  [
    "a service twice",
    { services: [service, service] },
    /services\[1\]\.name: "one" is there twice/,
  ],
  ["a service of no name", { services: [named("")] }, /"" is not a name/],
  ["a control character in a name", { services: [named("a\nb")] }, /"a\\nb" is not a name/],
  ["a name too long", { services: [named("x".repeat(65))] }, /longer than 64 bytes/],
  ["an unknown time", { services: [{ ...service, when: "later" }] }, /when: "later"/],
  [
    "too many services",
    { services: many(SERVICES_MAX + 1, (i) => named(`s${i}`)) },
    /services: 65 entries, 64 at most/,
  ],
  [
    "a configuration too long",
    { services: [{ ...service, config: new Uint8Array(CONFIG_BYTES_MAX + 1) }] },
    /config: over 262144 bytes/,
  ],
  [
    "too many capabilities",
    withCap(...many(CAPS_MAX + 1, (i) => ({ ...console, name: `c${i}` }))),
    /caps: 17 entries, 16 at most/,
  ],
  ["a local name twice", withCap(console, console), /caps\[1\]\.name: "console" is there twice/],
  ["an unknown source", withCap({ name: "x", source: "network" }), /"network" is not a source/],
  ["a target that is not needed", withCap({ ...console, target: "1" }), /console has no target/],
  [
    "a block device without its target",
    withCap({ name: "d", source: "block_device" }),
    /block_device needs the PCI identity/,
  ],
  [
    "a target that is no PCI identity",
    withCap({ name: "d", source: "block_device", target: "/dev/sda" }),
    /"\/dev\/sda" is not a PCI identity/,
  ],
  ["a host name with a blank", { initConfig: { hostname: "a b" } }, /hostname: "a b"/],
  ["an unknown log level", { initConfig: { logLevel: "loud" } }, /logLevel: "loud"/],
  ["a parameter with a blank", { kernelParams: ["a b"] }, /kernelParams\[0\]: "a b"/],
  ["a parameter twice", { kernelParams: ["a", "a"] }, /kernelParams\[1\]: "a" is there twice/],
  [
    "too many parameters",
    { kernelParams: many(KERNEL_PARAMS_MAX + 1, (i) => `p${i}`) },
    /kernelParams: 65 entries/,
  ],
  [
    "an allowed source twice",
    {
      extensionPoints: { ...manifest.extensionPoints, allowedServiceCaps: ["console", "console"] },
    },
    /allowedServiceCaps\[1\]: "console" is there twice/,
  ],
  [
    "an allowance above the limit",
    { extensionPoints: { ...manifest.extensionPoints, maxAdditionalServices: 65 } },
    /maxAdditionalServices: 65/,
  ],
])("a manifest with %s is EINVAL that says where", (_, wrong, message) => {
  const bent = { ...manifest, ...wrong } as typeof manifest;
  expect(codeOf(() => manifestFormat.encode(bent))).toBe("EINVAL");
  expect(() => manifestFormat.encode(bent)).toThrow(message);
});

const network = { address: "10.0.2.15/24", dns: [] };
test.each<[string, object, RegExp]>([
  ["epoch 0", { epoch: 0 }, /epoch: 0/],
  ["an epoch past 2^53", { epoch: 2 ** 53 }, /epoch/],
  ["an account at zero", { accountStoreLocation: zero }, /accountStoreLocation: .* zero/],
  ["a short account hash", { accountStoreLocation: zero.subarray(1) }, /31 bytes where 32/],
  ["an address without prefix", { network: { ...network, address: "10.0.2.15" } }, /address/],
  ["an octet of 256", { network: { ...network, address: "10.0.2.256/24" } }, /address/],
  ["an octet with a leading zero", { network: { ...network, gateway: "10.0.02.1" } }, /gateway/],
  ["a server twice", { network: { ...network, dns: ["1.1.1.1", "1.1.1.1"] } }, /dns\[1\].*twice/],
  [
    "nine servers",
    { network: { ...network, dns: many(9, (i) => `1.1.1.${i}`) } },
    /dns: 9 entries, 8 at most/,
  ],
])("an overlay with %s is EINVAL that says where", (_, wrong, message) => {
  const bent =
    "network" in wrong ? { ...overlay, settings: wrong } : ({ ...overlay, ...wrong } as NewOverlay);
  expect(codeOf(() => encodeOverlay(bent as NewOverlay))).toBe("EINVAL");
  expect(() => encodeOverlay(bent as NewOverlay)).toThrow(message);
});

test.each<[string, object, RegExp]>([
  ["a principal of zero", { principalId: zero }, /principalId/],
  ["a control character in the display name", { displayName: "a\u0007" }, /displayName/],
  ["text that turns its direction", { displayName: "a\u202eb" }, /displayName/],
  ["a display name too long", { displayName: "ä".repeat(65) }, /displayName: over 64 characters/],
  ["a role twice", { roles: ["a", "a"] }, /roles\[1\]: "a" is there twice/],
  [
    "an attribute twice",
    { attributes: many(2, () => ({ name: "a", value: "" })) },
    /attributes\[1\]\.name/,
  ],
  [
    "a credential twice",
    { credentialRefs: many(2, () => account.credentialRefs[0]) },
    /credentialRefs\[1\]/,
  ],
  ["a root that climbs", { storageRoots: [{ name: "a", path: "/home/../etc" }] }, /path/],
  ["a root that is relative", { storageRoots: [{ name: "a", path: "home" }] }, /path/],
])("an account with %s is EINVAL that says where", (_, wrong, message) => {
  const bent = { ...account, ...wrong } as typeof account;
  expect(codeOf(() => accountFormat.encode(bent))).toBe("EINVAL");
  expect(() => accountFormat.encode(bent)).toThrow(message);
});

const [first, second] = generation.objects;
test.each<[string, object, RegExp]>([
  ["no overlay among its objects", { objects: [second] }, /the overlay is not exactly one/],
  [
    "two overlays",
    { objects: [first, { ...first, name: "other" }] },
    /the overlay is not exactly one/,
  ],
  [
    "another overlay than it names",
    { overlayHash: second?.hash },
    /the overlay is not exactly one/,
  ],
  ["an object twice", { objects: [first, second, second] }, /objects\[2\]: .* twice/],
  [
    "one hash of two lengths",
    { objects: [first, second, { ...second, name: "other", lengthBytes: 1 }] },
    /objects\[2\]\.lengthBytes: one hash has two lengths/,
  ],
  ["its parent among its objects", { parent: second?.hash }, /the parent is not an object/],
  ["a parent before the first", { epoch: 1 }, /parent: the first epoch has no parent/],
  ["format 0", { minFormat: 0 }, /minFormat/],
  ["an unknown role", { objects: [{ ...first, role: "key" }] }, /role: "key" is no role/],
])("a generation with %s is EINVAL that says where", (_, wrong, message) => {
  const bent = { ...generation, ...wrong } as typeof generation;
  expect(codeOf(() => generationFormat.encode(bent))).toBe("EINVAL");
  expect(() => generationFormat.encode(bent)).toThrow(message);
});

test.each<[string, object]>([
  ["epoch 0", { pointerEpoch: 0 }],
  ["an overlay of epoch 0", { overlayEpoch: 0 }],
  ["an unknown state", { state: "retired" }],
  ["a hash of zero", { hash: zero }],
])("a pointer with %s is EINVAL", (_, wrong) => {
  const bent = { ...pointer, ...wrong } as typeof pointer;
  expect(codeOf(() => pointerFormat.encode(bent))).toBe("EINVAL");
});

test("one megabyte is the most that a manifest or an overlay may have", () => {
  const services = many(5, (i) => ({
    ...named(`s${i}`),
    config: new Uint8Array(CONFIG_BYTES_MAX),
  }));
  expect(() => encodeOverlay({ ...overlay, services })).toThrow(/1048576 at most/);
  expect(() => overlayFormat.decode(new Uint8Array((1 << 20) + 1))).toThrow(
    /schema-invalid: 1048577 bytes, 1048576 at most/,
  );
});

function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}
