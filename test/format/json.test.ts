/** Records as JSON: what is wrong is told with its path, and defaults close what is not opened. */
import { describe, expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { encodeAccount } from "../../host/format/account.ts";
import { encodeGeneration } from "../../host/format/generation.ts";
import { JsonError } from "../../host/format/json/check.ts";
import {
  accountFromJson,
  manifestFromJson,
  overlayFromJson,
} from "../../host/format/json/records.ts";
import { showRecord } from "../../host/format/json/show.ts";
import { parseJson } from "../../host/format/json/text.ts";
import { CLOSED, encodeManifest, packFiles } from "../../host/format/manifest.ts";
import { encodeOverlay } from "../../host/format/overlay.ts";
import { encodePointer } from "../../host/format/pointer.ts";
import { RecordReject } from "../../host/format/record.ts";
import { account, generation, hashOf, manifest, overlay, pointer } from "../support/base.ts";

const small = { schemaVersion: 1, binaries: [], services: [] };
const service = { name: "s", binary: "b" };
const binary = { name: "b", sha256: "1".repeat(64), sizeBytes: 1 };
const withConfig = (config: object) => ({
  ...small,
  binaries: [binary],
  services: [{ ...service, config }],
});

test("what a manifest leaves out is empty and closed", () => {
  expect(manifestFromJson({ ...small, binaries: [binary], services: [service] })).toEqual({
    schemaVersion: 1,
    binaries: [{ ...binary, sha256: hashOf(0x11) }],
    initConfig: {},
    services: [{ ...service, when: "boot", caps: [], config: new Uint8Array(0) }],
    kernelParams: [],
    extensionPoints: CLOSED,
  });
});

test.each<[unknown, string]>([
  [[], "array, not object"],
  [{ ...small, colour: 1 }, "colour: unknown field"],
  [{ ...small, "a b": 1 }, '["a b"]: unknown field'],
  [JSON.parse('{"schemaVersion": 1, "__proto__": {}}'), "__proto__: unknown field"],
  [{ binaries: [], services: [] }, "schemaVersion: missing field"],
  [{ ...small, schemaVersion: 2 }, "schemaVersion: 2, not 1"],
  [{ ...small, services: {} }, "services: object, not array"],
  [{ ...small, services: [{ ...service, size: 1 }] }, "services[0].size: unknown field"],
  [
    { ...small, services: [{ ...service, caps: [{ name: "c", source: "clock" }] }] },
    'services[0].caps[0].source: "clock" is not one of console, ',
  ],
  [{ ...small, extensionPoints: { allowAll: true } }, "extensionPoints.allowAll: unknown field"],
  [{ ...small, kernelParams: ["a", "a"] }, 'kernelParams[1]: "a" is there twice'],
  [withConfig({}), "services[0].config: needs one of text, base64, file, files"],
  [withConfig({ text: "", file: "f" }), "services[0].config: takes only one of text, "],
  [withConfig({ base64: "QQ" }), 'services[0].config.base64: "QQ" is not of the form '],
  [withConfig({ base64: "QR==" }), 'services[0].config.base64: "QR==" is not of the form '],
  [withConfig({ file: "f" }), "services[0].config: nobody is here to read files"],
  [{ ...small, services: [service] }, 'services[0].binary: no binary "b" in binaries'],
  [{ ...small, binaries: ["b"] }, "binaries[0]: a name alone needs the folder of the binaries"],
  [{ ...small, binaries: [binary, binary] }, 'binaries[1].name: "b" is there twice'],
])("manifest %j: %s", (json, message) => {
  expect(() => manifestFromJson(json)).toThrow(JsonError);
  expect(() => manifestFromJson(json)).toThrow(`EINVAL: ${message}`);
});

test("a configuration is text, base64, a file, or files packed into one", () => {
  const reader = { file: (name: string) => new TextEncoder().encode(`content of ${name}`) };
  const configOf = (config: object) =>
    manifestFromJson(withConfig(config), reader).services[0]?.config;
  const bytes = (text: string) => new TextEncoder().encode(text);
  expect(configOf({ text: "ä\n" })).toEqual(bytes("ä\n"));
  expect(configOf({ base64: "/wAB" })).toEqual(Uint8Array.of(0xff, 0, 1));
  expect(configOf({ file: "f" })).toEqual(bytes("content of f"));
  expect(configOf({ files: ["f", "g"] })).toEqual(
    packFiles([bytes("content of f"), bytes("content of g")]),
  );
});

test("a content hash in an overlay's JSON must be its own", () => {
  const json = { version: 1, epoch: 1 };
  const { contentHash } = overlayFromJson(json);
  const own = { ...json, contentHash: toHex(contentHash) };
  expect(overlayFromJson(own).contentHash).toEqual(contentHash);
  expect(() => overlayFromJson({ ...own, epoch: 2 })).toThrow(/contentHash: the content has/);
});

test("an account's hashes are hexadecimal, and none is zero", () => {
  const json = { version: 1, principalId: "AB".repeat(32), name: "a", displayName: "" };
  expect(accountFromJson(json).principalId).toEqual(hashOf(0xab));
  for (const principalId of ["ab", "0".repeat(64), "g".repeat(64)]) {
    expect(() => accountFromJson({ ...json, principalId })).toThrow(/EINVAL: principalId: /);
  }
});

describe("JSON text", () => {
  test.each([
    ['{"a": 1, "a": 2}', "a: the field is there twice"],
    ['{"a": [{}, {"b": {"c": "}", "\\u0063": 2}}]}', "a[1].b.c: the field is there twice"],
    ['[[1, 2], {"x y": 1, "x y": 1}]', '[1]["x y"]: the field is there twice'],
    ["{", "not JSON: "],
    ["", "not JSON: "],
  ])("%s: %s", (text, message) => {
    expect(() => parseJson(text)).toThrow(`EINVAL: ${message}`);
  });

  test("that is not UTF-8 is refused", () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(/EINVAL: not JSON/);
  });

  test("of the same names in different objects is fine", () => {
    const text = '{"a": {"a": "a"}, "b": [{"a": "{\\"a\\":1,"}, {"a": ["a", "a"]}], "c": "a"}';
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  test("ten thousand levels deep is refused by the schema, not by the stack", () => {
    const deep = parseJson(`${"[".repeat(10_000)}${"]".repeat(10_000)}`);
    expect(() => manifestFromJson({ ...small, binaries: deep })).toThrow(/binaries\[0\]: array/);
  });
});

test("every record is shown by its kind, and what is none is RecordReject", () => {
  const kinds = [
    encodeManifest(manifest),
    encodeOverlay(overlay),
    encodeAccount(account),
    encodeGeneration(generation),
    encodePointer(pointer),
  ].map((bytes) => showRecord(bytes).kind);
  expect(kinds).toEqual(["manifest", "overlay", "account", "generation", "pointer"]);
  for (const bytes of [new Uint8Array(0), new Uint8Array(100)]) {
    expect(() => showRecord(bytes)).toThrow(RecordReject);
  }
});

test("what is shown of a record holds no bytes but as text", () => {
  for (const bytes of [encodeGeneration(generation), encodePointer(pointer)]) {
    const { value } = showRecord(bytes);
    expect(JSON.parse(JSON.stringify(value))).toEqual(value);
  }
});
