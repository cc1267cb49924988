/** What RayOS keeps as JSON, TOML and text: round trips, refusals, and the published schemas. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import {
  bootEntry,
  checkKernelOptions,
  versionWord,
} from "../../host/format/rayos/boot-entries.ts";
import {
  decodeBootMode,
  encodeBootMode,
  withoutInstallerMode,
} from "../../host/format/rayos/boot-mode.ts";
import { parseChecksums, parseManifest } from "../../host/format/rayos/image-lists.ts";
import {
  decodePolicy,
  defaultPolicy,
  encodePolicy,
  type RayosPolicy,
} from "../../host/format/rayos/policy.ts";
import {
  checkFirstBoot,
  decodeInstallRecord,
  encodeInstallRecord,
} from "../../host/format/rayos/records.ts";
import { PUBLISHED_SCHEMAS } from "../../host/format/rayos/schema.ts";
import {
  decodeVmRegistry,
  encodeVmRegistry,
  placeholderVms,
} from "../../host/format/rayos/vm-registry.ts";

const LINUX = "11111111-2222-4333-8444-555555555555";
const WINDOWS = "66666666-7777-4888-9999-aaaaaaaaaaaa";
const choices = { linuxId: LINUX, windowsId: WINDOWS, networking: false, autoboot: true };
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

function judge(name: string) {
  return new Ajv2020({ allowUnionTypes: true, strict: false }).compile(
    PUBLISHED_SCHEMAS[name] ?? {},
  );
}

test.each(Object.entries(PUBLISHED_SCHEMAS))(
  "%s.schema.json is the schema of the program",
  (name, schema) => {
    const page = readFileSync(`docs/schema/${name}.schema.json`, "utf8");
    expect(JSON.parse(page)).toEqual(JSON.parse(JSON.stringify(schema)));
  },
);

describe("the policy", () => {
  const policy = defaultPolicy(choices);

  test("comes back from its TOML, which other readers read alike and the schema takes", () => {
    const data = encodePolicy(policy);
    expect(decodePolicy(data)).toEqual(policy);
    expect(parse(text(data))).toEqual(policy);
    expect(judge("rayos-policy")(policy)).toBe(true);
    expect(policy).toMatchObject({ version: 0, defaults: { networking: "off" } });
  });

  test("is refused with an unknown key, a version, a path or a rule that does not hold", () => {
    const page = text(encodePolicy(policy));
    const bent: [string, string][] = [
      ["version = 0", "version = 1"],
      ["[logging]", "colour = 1\n[logging]"],
      ["cpu_percent = 80", "cpu_percent = 101"],
      ['level = "info"', 'level = "fatal"'],
      [`"vm/linux/${LINUX}/rootfs.ext4"`, '"/etc/passwd"'],
      [`"vm/linux/${LINUX}/rootfs.ext4"`, '"vm/../../etc/passwd"'],
      ["version = 0", "version = 0\nversion = 0"],
      ["[linux]", "[linux"],
    ];
    for (const [from, to] of bent) {
      expect(page).toContain(from);
      expect(() => decodePolicy(bytes(page.replace(from, to))), to).toThrow(/EBADMSG/);
    }
  });

  test("with Windows and without a vTPM is refused both ways", () => {
    const windows = {
      ...policy.windows,
      enabled: true,
      devices: { ...policy.windows.devices, vtpm: false },
    };
    const wrong: RayosPolicy = { ...policy, windows };
    expect(() => encodePolicy(wrong)).toThrow(/EINVAL.*vtpm/);
    const page = text(encodePolicy({ ...wrong, windows: { ...windows, enabled: false } }));
    const enabled = page.replace(/(\[windows\]\n)enabled = false/, "$1enabled = true");
    expect(() => decodePolicy(bytes(enabled))).toThrow(/EBADMSG.*vtpm/);
  });
});

describe("the VM registry", () => {
  const registry = placeholderVms(LINUX, WINDOWS, false);

  test("has a Linux and a Windows machine, comes back, and its schema takes it", () => {
    const found = decodeVmRegistry(encodeVmRegistry(registry));
    expect(found).toEqual(registry);
    expect(Object.values(found.vms).map(({ type, state }) => [type, state])).toEqual([
      ["linux", "stopped"],
      ["windows", "stopped"],
    ]);
    const check = judge("rayos-vm-registry");
    expect(check(registry), JSON.stringify(check.errors)).toBe(true);
  });

  test("is refused with a key that is not the id, a path that leaves, an unknown field", () => {
    const page = text(encodeVmRegistry(registry));
    const bent: [string, string][] = [
      [`"${LINUX}": {`, `"${LINUX.replace("1", "2")}": {`],
      [`"vm/linux/${LINUX}/rootfs.ext4"`, '"../x"'],
      ['"vcpu": 2', '"vcpu": 0'],
      ['"state": "stopped"', '"state": "gone"'],
      ['"version": 1', '"version": 1, "more": 1'],
    ];
    for (const [from, to] of bent) {
      expect(page).toContain(from);
      expect(() => decodeVmRegistry(bytes(page.replace(from, to))), to).toThrow(/EBADMSG/);
    }
  });
});

describe("registry.json of the ESP", () => {
  test("switches on with a boolean alone, at the top level, in an object or an array of one", () => {
    const on = (json: string) => decodeBootMode(bytes(json)).installerMode;
    expect(on('{"installer_mode": true}')).toBe(true);
    expect(on('[{"installer_mode": true}]')).toBe(true);
    for (const off of [
      "{}",
      '{"installer_mode": "true"}',
      '{"installer_mode": 1}',
      '{"vms": {"installer_mode": true}}',
    ]) {
      expect(on(off), off).toBe(false);
    }
    for (const bad of ["[]", "[{},{}]", "true", "{", '{"a":1,"a":2}']) {
      expect(() => decodeBootMode(bytes(bad)), bad).toThrow(/EINVAL/);
    }
  });

  test("keeps other people's fields when the switch is cleared", () => {
    const data = bytes('{"installer_mode": true, "vms": {}, "theirs": [1]}');
    const cleared = decodeBootMode(withoutInstallerMode(data));
    expect(cleared.installerMode).toBe(false);
    expect(cleared.fields).toMatchObject({ vms: {}, theirs: [1] });
    expect(decodeBootMode(encodeBootMode("1.0", 5))).toMatchObject({ release: "1.0", createdS: 5 });
  });
});

test("the record of an installation has one length whatever its digests are", () => {
  const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
  const file = fc.record({ path: fc.string({ minLength: 1 }), size: fc.nat(), sha256: digest });
  fc.assert(
    fc.property(fc.array(file), (files) => {
      const record = (zero: boolean) => ({
        ...({ version: 1, release: "r", created: 1, layout: "rayos" } as const),
        files: files.map((each) => ({
          ...{ volume: "system" as const, ...each },
          sha256: zero ? "0".repeat(64) : each.sha256,
        })),
      });
      const data = encodeInstallRecord(record(false));
      expect(encodeInstallRecord(record(true)).length).toBe(data.length);
      expect(decodeInstallRecord(data)).toEqual(record(false));
    }),
  );
});

test("names, zones and locales are taken or refused by their forms", () => {
  const base = {
    version: 1,
    networking: false,
    autoboot: true,
    vm_storage: "pool",
    created: 0,
  } as const;
  const check = (machine_name: string, time_zone: string, locale: string) =>
    checkFirstBoot({ ...base, machine_name, time_zone, locale });
  check("box-1", "Europe/Berlin", "de_DE.UTF-8");
  check("a".repeat(63), "America/Argentina/Ushuaia", "C.UTF-8");
  for (const name of ["", "-a", "a-", "a".repeat(64), "a.b", "a b", "ä", "a\n"]) {
    expect(() => check(name, "UTC", "C"), name).toThrow(StorageError);
  }
  for (const zone of ["", "../etc/passwd", "/UTC", "a//b", "a b", "UTC\n"]) {
    expect(() => check("a", zone, "C"), zone).toThrow(StorageError);
  }
  for (const locale of ["", "german", "de-DE", "de_DE.UTF 8", "C\nX=1"]) {
    expect(() => check("a", "UTC", locale), locale).toThrow(StorageError);
  }
});

test("kernel options stay on their line, and a release becomes one word", () => {
  expect(() => checkKernelOptions("quiet\ninitrd /evil")).toThrow(/EINVAL/);
  expect(checkKernelOptions("  quiet splash ")).toBe("quiet splash");
  expect(versionWord("RayOS System Image, Tue Jan  6")).toBe("RayOS-System-Image-Tue-Jan-6");
  const options = { release: "r", systemLabel: "S", kernelOptions: "quiet", hasInitrd: false };
  expect(bootEntry("previous", options).split("\n")).toEqual([
    "title RayOS (previous)",
    "sort-key rayos-2",
    "version r",
    "linux /EFI/RAYOS/previous/kernel.efi",
    "options root=LABEL=S console=ttyS0 rayos.boot=previous panic=1 quiet",
    "",
  ]);
});

test("lists are read line by line, and what is no row is refused with its number", () => {
  expect(parseManifest(bytes("# c\n\na\t/b/c\n"))).toEqual([
    { source: "a", target: "b/c", line: 3 },
  ]);
  expect(() => parseManifest(bytes("a b\nc b\n"))).toThrow(/line 2 of MANIFEST .* second time/);
  const sum = "a".repeat(64);
  expect(parseChecksums(bytes(`${sum} *x\n\\${sum}  a\\nb\n`))).toMatchObject([
    { path: "x", algorithm: "sha256" },
    { path: "a\nb", algorithm: "sha256" },
  ]);
  expect(() => parseChecksums(bytes(`${sum} x\n`))).toThrow(/line 1 of .checksums/);
});
