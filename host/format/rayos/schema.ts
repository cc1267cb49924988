/**
 * What RayOS keeps as JSON or TOML, as JSON schemas: published under docs/schema, and what the
 * decoders here check with. A schema says what one field may be; rules between fields are theirs.
 */
import type { Schema } from "../json/schema.ts";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

const closed = (
  properties: Record<string, Schema>,
  required = Object.keys(properties),
): Schema => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});
const flag: Schema = { type: "boolean" };
const count = (minimum: number, maximum: number): Schema => ({ type: "integer", minimum, maximum });
const text = (maxLength: number): Schema => ({ type: "string", minLength: 1, maxLength });
const uuid: Schema = { type: "string", pattern: "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$" };
/** From /var/rayos, without "..", not absolute. */
const diskPath: Schema = {
  type: "string",
  minLength: 1,
  maxLength: 1024,
  pattern: "^(?!/)(?!(?:.*/)?\\.\\.(?:/|$))[^\\p{Cc}]+$",
};
const MEMORY_MIB_MAX = 2 ** 24;

const networking: Schema = { enum: ["off", "on"] };
const guestNetworking: Schema = { enum: ["off", "on", "provisioning_only"] };
const guestLimits = closed({ cpus: count(1, 1024), mem_mib: count(1, MEMORY_MIB_MAX) });
const gpu: Schema = { enum: ["virtio", "none"] };
/** What the policy says of either guest. */
const guest = {
  enabled: flag,
  vm_id: text(64),
  autoboot: flag,
  present_on_boot: flag,
  networking: guestNetworking,
  limits: guestLimits,
};

/** rayos-policy.toml, version 0. */
export const policySchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:rayos-policy:0",
  title: "RayosPolicy",
  ...closed({
    version: { const: 0 },
    defaults: closed({ networking, present_on_boot: flag, autoboot_vms: flag }),
    limits: closed({ cpu_percent: count(1, 100), mem_mib: count(1, MEMORY_MIB_MAX) }),
    logging: closed({
      level: { enum: ["error", "warn", "info", "debug", "trace"] },
      persist: flag,
    }),
    linux: closed({
      ...guest,
      storage: closed({ root_disk: diskPath }),
      devices: closed({ input: flag, gpu }),
    }),
    windows: closed({
      ...guest,
      storage: closed({ disk: diskPath, ovmf_vars: diskPath, vtpm_state_dir: diskPath }),
      devices: closed({ input: flag, gpu, vtpm: flag }),
    }),
  }),
};

/** One machine of /var/rayos/vm/registry.json; the keys of `vms` are checked apart. */
export const vmSchema: Schema = closed({
  id: uuid,
  name: text(64),
  type: { enum: ["linux", "windows"] },
  state: { enum: ["stopped", "running", "suspended", "hibernated"] },
  storage: closed(
    { disks: { type: "object", minProperties: 1 }, ovmf_vars: diskPath, tpm_state: diskPath },
    ["disks"],
  ),
  devices: closed(
    {
      vcpu: count(1, 1024),
      memory_mb: count(1, MEMORY_MIB_MAX),
      network: closed({ enabled: flag, profile: text(64) }, ["enabled"]),
      tpm: closed({ enabled: flag }),
    },
    ["vcpu", "memory_mb", "network"],
  ),
  policy_profile: text(64),
});
export const diskPathSchema: Schema = diskPath;

export const vmRegistrySchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:rayos-vm-registry:1",
  title: "RayosVmRegistry",
  ...closed({
    version: { const: 1 },
    vms: { type: "object", description: "Machines by their id" },
  }),
};

/** /var/rayos/first-boot.json. */
export const firstBootSchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:rayos-first-boot:1",
  title: "RayosFirstBoot",
  ...closed({
    version: { const: 1 },
    machine_name: { type: "string", minLength: 1, maxLength: 63 },
    time_zone: text(64),
    locale: text(64),
    networking: flag,
    autoboot: flag,
    vm_storage: text(1024),
    created: count(0, Number.MAX_SAFE_INTEGER),
  }),
};

/** /var/rayos/install/manifest.json: what was installed, for a later --verify. */
export const installRecordSchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:rayos-install:1",
  title: "RayosInstallRecord",
  ...closed({
    version: { const: 1 },
    release: text(200),
    created: count(0, Number.MAX_SAFE_INTEGER),
    layout: { enum: ["rayos", "rayos-full"] },
    files: {
      type: "array",
      items: closed(
        {
          volume: { enum: ["esp", "system", "recovery"] },
          path: text(4096),
          size: count(0, Number.MAX_SAFE_INTEGER),
          sha256: { type: "string", pattern: "^[0-9a-f]{64}$" },
          mode: count(0, 0o7777),
          uid: count(0, 0xffff_ffff),
          gid: count(0, 0xffff_ffff),
          mtime_ns: { type: "string", pattern: "^-?[0-9]{1,20}$" },
          xattrs: {
            type: "array",
            items: closed({
              name: text(300),
              value: { type: "string", pattern: "^(?:[0-9a-f]{2})*$" },
            }),
          },
          names: { type: "array", items: text(4096) },
        },
        ["volume", "path", "size", "sha256"],
      ),
    },
  }),
};

/**
 * The schemas as docs/schema has them, by the names of their files. That of the registry says of a
 * map's values what decodeVmRegistry checks one by one, which our own checker has no word for.
 */
export const PUBLISHED_SCHEMAS: Readonly<Record<string, object>> = {
  "rayos-policy": policySchema,
  "rayos-vm-registry": {
    ...vmRegistrySchema,
    properties: {
      ...vmRegistrySchema.properties,
      vms: {
        type: "object",
        additionalProperties: {
          ...vmSchema,
          properties: {
            ...vmSchema.properties,
            storage: {
              ...vmSchema.properties?.["storage"],
              properties: {
                ...vmSchema.properties?.["storage"]?.properties,
                disks: { type: "object", minProperties: 1, additionalProperties: diskPath },
              },
            },
          },
        },
      },
    },
  },
  "rayos-first-boot": firstBootSchema,
  "rayos-install": installRecordSchema,
};
