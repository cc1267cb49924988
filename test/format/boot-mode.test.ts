/** registry.json on the ESP: read as JSON, and cleared without touching anything else. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inventorySchema, registrySchema } from "../../host/format/json/rayos.ts";
import {
  BOOT_MODE_BYTES_MAX,
  decodeBootMode,
  encodeBootMode,
  isInstallerMode,
  sizesOfLayout,
  withoutInstallerMode,
} from "../../host/format/rayos/boot-mode.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test.each([
  ['{"installer_mode": true}'],
  ['{"installer_mode":true}'],
  ['{ "vms": {}, "installer_mode" : true }'],
  ['[{"installer_mode": true, "boot_config": "installer", "rayos_version": "1"}]'],
  ['{"boot_mode": "x", "installer_mode": true, "bootloader_config": {"timeout": 5}}'],
  ['\n{\n"installer_mode"\n:\ttrue\n}\n'],
  ['{"installer\\u005fmode": true}'],
  ['{"note": "installer_mode: false", "installer_mode": true}'],
])("%s starts the installer, once", (text) => {
  expect(isInstallerMode(encode(text))).toBe(true);
  const cleared = decode(withoutInstallerMode(encode(text)));
  expect(cleared).toBe(text.replace(/true(?!.*true)/s, "false"));
  expect(isInstallerMode(encode(cleared))).toBe(false);
});

test.each([
  ["false", '{"installer_mode": false}'],
  ["absent", '{"vms": {}}'],
  ["a text", '{"installer_mode": "true"}'],
  ["a number", '{"installer_mode": 1}'],
  ["trueish", '{"installer_mode": trueish}'],
  ["nested", '{"a": {"installer_mode": true}}'],
  ["inside a text", '{"a": "\\"installer_mode\\": true"}'],
  ["before another true", '{"installer_mode": false, "other": true}'],
  ["in one of two objects", '[{"installer_mode": true}, {}]'],
  ["in an array of arrays", '[[{"installer_mode": true}]]'],
  ["in an empty array", "[]"],
  ["there twice", '{"installer_mode": true, "installer_mode": true}'],
  ["in front of a twin elsewhere", '{"installer_mode": true, "a": {"b": 1, "b": 2}}'],
  ["cut off", '{"installer_mode": true'],
  ["a field of the prototype", '{"__proto__": {"installer_mode": true}}'],
  ["nothing", ""],
])("%s: the system starts, not the installer", (_, text) => {
  expect(isInstallerMode(encode(text))).toBe(false);
});

test("a file that is absent, not UTF-8, too long or too deep starts the system", () => {
  const true_ = '{"installer_mode": true}';
  const padded = (length: number) => encode(true_ + " ".repeat(length - true_.length));
  const deep = (levels: number) =>
    encode(`{"installer_mode": true, "a": ${"[".repeat(levels)}${"]".repeat(levels)}}`);
  expect(isInstallerMode(undefined)).toBe(false);
  expect(isInstallerMode(Uint8Array.of(0xff, 0x7b, 0x7d))).toBe(false);
  expect(isInstallerMode(padded(BOOT_MODE_BYTES_MAX))).toBe(true);
  expect(isInstallerMode(padded(BOOT_MODE_BYTES_MAX + 1))).toBe(false);
  expect(isInstallerMode(deep(31))).toBe(true);
  expect(isInstallerMode(deep(32))).toBe(false);
  expect(isInstallerMode(deep(30_000))).toBe(false);
});

test("whatever JSON stands around the switch, clearing changes it and nothing else", () => {
  const keys = fc.oneof(fc.string(), fc.constantFrom("installer_mode ", "a", "vms", "\\", '"'));
  const others = fc.dictionary(keys, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 });
  fc.assert(
    fc.property(others, others, fc.boolean(), fc.nat(4), (front, back, inArray, indent) => {
      const object = { ...front, installer_mode: true, ...back };
      object.installer_mode = true;
      const text = JSON.stringify(inArray ? [object] : object, undefined, indent);
      const cleared: unknown = JSON.parse(decode(withoutInstallerMode(encode(text))));
      const expected = { ...object, installer_mode: false };
      expect(cleared).toEqual(JSON.parse(JSON.stringify(inArray ? [expected] : expected)));
    }),
  );
});

test("no bytes make the reader fail in any way but its own", () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(encode));
  fc.assert(
    fc.property(bytes, (data) => {
      expect(typeof isInstallerMode(data)).toBe("boolean");
    }),
  );
});

test("a string that never ends takes one pass", { timeout: 5000 }, () => {
  const open = `"${'\\"'.repeat(32_700)}`;
  for (const end of ["", "\\", "\\\n", "\n"]) {
    for (const before of ["", "[", '{"a":', "[{"]) {
      expect(() => decodeBootMode(encode(before + open + end))).toThrow("not JSON");
    }
  }
});

test("what is off already stays as it is, byte for byte", () => {
  const data = encode('{ "installer_mode" : false }');
  expect(withoutInstallerMode(data)).toEqual(data);
});

test("the file of an installation says what is installed, and starts it", () => {
  const data = encodeBootMode("RayOS 1", 1_700_000_000);
  expect(decodeBootMode(data)).toEqual({
    installerMode: false,
    settings: undefined,
    release: "RayOS 1",
    createdS: 1_700_000_000,
    fields: JSON.parse(decode(data)),
  });
});

test("settings are checked, with the path of what is wrong", () => {
  const read = (settings: unknown) =>
    decodeBootMode(encode(JSON.stringify({ installer_mode: true, installer: settings })));
  const good = { disk: { serial: "S" }, layout: "rayos-full", hostname: "node1", erase: true };
  expect(read(good)).toMatchObject({ installerMode: true, settings: good });
  expect(() => read({})).toThrow("installer.disk: missing field");
  expect(() => read({ disk: {} })).toThrow("installer.disk: needs one of");
  expect(() => read({ disk: { name: "sda" }, layuot: "rayos" })).toThrow("installer.layuot");
  expect(() => read({ disk: { name: "sda" }, layout: "capos" })).toThrow("installer.layout");
  expect(() => read("sda")).toThrow("installer: string, not object");
});

test("installer_layout is checked against its schema, and its sizes are bytes", () => {
  const read = (layout: unknown) =>
    decodeBootMode(
      new TextEncoder().encode(JSON.stringify({ installer_mode: true, installer_layout: layout })),
    );
  const good = { layout: "rayos-full", system_mib: 8192, log_mib: 1 };
  expect(read(good).layout).toEqual(good);
  expect(sizesOfLayout(read(good).layout)).toEqual({
    ...{ espBytes: undefined, systemBytes: 2 ** 33, stateBytes: undefined },
    ...{ logBytes: 2 ** 20, recoveryBytes: undefined },
  });
  expect(() => read({})).toThrow("installer_layout: needs one of");
  expect(() => read({ layout: "capos" })).toThrow("installer_layout.layout");
  expect(() => read({ system_mib: 63 })).toThrow("installer_layout.system_mib: 63 is below 64");
  expect(() => read({ system_mib: "64" })).toThrow("installer_layout.system_mib");
  expect(() => read({ pool_mib: 64 })).toThrow("installer_layout.pool_mib");
  expect(sizesOfLayout(undefined).systemBytes).toBeUndefined();
});

test("the published schemas are those of the program, and ajv takes what the program takes", () => {
  for (const [name, schema] of Object.entries({
    "rayos-inventory": inventorySchema,
    "rayos-registry": registrySchema,
  })) {
    const page = readFileSync(`docs/schema/${name}.schema.json`, "utf8");
    expect(JSON.parse(page), name).toEqual(schema);
  }
  const judge = new Ajv2020({ allowUnionTypes: true }).compile(registrySchema);
  const good = { installer_mode: true, vms: {}, installer: { disk: { name: "sda" } } };
  expect([judge(good), judge([good]), judge({})]).toEqual([true, true, true]);
  expect([judge([]), judge([good, good]), judge({ installer_mode: "true" })]).toEqual([
    false,
    false,
    false,
  ]);
});
