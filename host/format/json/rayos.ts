/** JSON of the RayOS installer as JSON schemas: its inventory of disks, and its registry file. */
import { HOSTNAME_BYTES_MAX, HOSTNAME_PATTERN } from "../manifest.ts";
import type { Schema } from "./schema.ts";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";
const SIZE_MAX = Number.MAX_SAFE_INTEGER;

const text: Schema = { type: "string", minLength: 1 };
const size: Schema = { type: ["integer", "null"], minimum: 0, maximum: SIZE_MAX };

const closed = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** What `rayos-installer` prints on standard output: the disks, and null for what is unknown. */
export const inventorySchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:rayos-inventory:1",
  title: "RayosInstallerInventory",
  ...closed({
    timestamp_epoch_s: { type: "integer", minimum: 0, maximum: SIZE_MAX },
    disks: {
      type: "array",
      items: closed({
        name: text,
        dev_path: text,
        is_removable: { type: "boolean" },
        is_read_only: { type: ["boolean", "null"] },
        sector_size_bytes: { type: "integer", const: 512 },
        size_bytes: size,
        partitions: {
          description: "Sorted by number, those without one last",
          type: "array",
          items: closed({
            name: text,
            dev_path: text,
            number: { type: ["integer", "null"], minimum: 1, maximum: SIZE_MAX },
            size_bytes: size,
          }),
        },
      }),
    },
  }),
};

const path: Schema = { type: "string", minLength: 1, maxLength: 1024, pattern: "^[^\\u0000]*$" };
const mine = (description: string): Schema => ({ type: "boolean", default: false, description });

/** Which disk an unattended installation takes. */
const diskRule: Schema = {
  description: "All that is given must hold for exactly one disk",
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 255 },
    serial: { type: "string", minLength: 1, maxLength: 255 },
    model: { type: "string", minLength: 1, maxLength: 255 },
    size_bytes_min: { type: "integer", minimum: 0, maximum: SIZE_MAX },
    size_bytes_max: { type: "integer", minimum: 0, maximum: SIZE_MAX },
    removable: { type: "boolean" },
  },
  additionalProperties: false,
  minProperties: 1,
};

/** The object `installer` of the registry file. */
export const unattendedSchema: Schema = {
  description: "What the installer does without asking",
  type: "object",
  properties: {
    disk: diskRule,
    layout: { enum: ["rayos", "rayos-full"], default: "rayos" },
    partition: {
      description: "Number of the one partition to take; default: the whole disk",
      type: "integer",
      minimum: 1,
      maximum: 1024,
    },
    esp: {
      description: "Number of an ESP of others that the boot files go onto; default: a new one",
      type: "integer",
      minimum: 1,
      maximum: 1024,
    },
    free: mine("take the largest free place; not together with partition"),
    source: { ...path, description: "Folder or archive of the system" },
    hostname: {
      type: "string",
      minLength: 1,
      maxLength: HOSTNAME_BYTES_MAX,
      pattern: HOSTNAME_PATTERN,
    },
    timezone: { type: "string", minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9_+/-]+$" },
    locale: { type: "string", minLength: 1, maxLength: 64, pattern: "^[A-Za-z0-9_.@-]+$" },
    networking: mine("virtual machines may use the network"),
    autoboot: { type: "boolean", default: true, description: "virtual machines start themselves" },
    vm_storage: { ...path, description: '"pool", or a folder of the System partition' },
    erase: mine("write over a disk that is not blank"),
    reinstall: mine("replace an installed system"),
  },
  required: ["disk"],
  additionalProperties: false,
};

const MIB_MAX = 2 ** 30;
const mib = (what: string, minimum: number): Schema => ({
  description: `MiB of ${what}`,
  type: "integer",
  minimum,
  maximum: MIB_MAX,
});

/** The object `installer_layout` of the registry file: partitions that an installer makes. */
export const installerLayoutSchema: Schema = {
  description: "Partitions that the installer makes, asking or not; options and installer go first",
  type: "object",
  properties: {
    layout: { enum: ["rayos", "rayos-full"], default: "rayos" },
    esp_mib: mib("the ESP", 33),
    system_mib: mib("the System partition", 64),
    state_mib: mib("the state region", 4),
    log_mib: mib("the log", 1),
    recovery_mib: mib("the recovery partition", 33),
  },
  additionalProperties: false,
  minProperties: 1,
};

const bootMode: Readonly<Record<string, Schema>> = {
  installer_mode: {
    description: "The next start runs the installer, once",
    type: "boolean",
    default: false,
  },
  installer: unattendedSchema,
  installer_layout: installerLayoutSchema,
};

/** The file: an object or an array of one; fields of others are theirs. */
export const registrySchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:rayos-registry:1",
  title: "RayosBootRegistry",
  type: ["object", "array"],
  properties: bootMode,
  items: { type: "object", properties: bootMode },
  minItems: 1,
  maxItems: 1,
};

export interface DiskRuleJson {
  readonly name?: string;
  readonly serial?: string;
  readonly model?: string;
  readonly size_bytes_min?: number;
  readonly size_bytes_max?: number;
  readonly removable?: boolean;
}

export interface InstallerLayoutJson {
  readonly layout?: "rayos" | "rayos-full";
  readonly esp_mib?: number;
  readonly system_mib?: number;
  readonly state_mib?: number;
  readonly log_mib?: number;
  readonly recovery_mib?: number;
}

export interface UnattendedJson {
  readonly disk: DiskRuleJson;
  readonly layout?: "rayos" | "rayos-full";
  readonly partition?: number;
  readonly esp?: number;
  readonly free?: boolean;
  readonly source?: string;
  readonly hostname?: string;
  readonly timezone?: string;
  readonly locale?: string;
  readonly networking?: boolean;
  readonly autoboot?: boolean;
  readonly vm_storage?: string;
  readonly erase?: boolean;
  readonly reinstall?: boolean;
}
