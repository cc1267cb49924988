/**
 * The JSON that people write manifests, overlays and accounts in, as JSON schemas (draft 2020-12).
 * They are the one description of it: check.ts reads them to check a file, `docs/schema/` holds
 * them as files, and editors that get one complete and check as one types.
 *
 * A schema says what one field may be. Rules between fields (names that must differ, a binary that
 * must be there) are the records' own, in host/format; both are told as a path in the file.
 */
import {
  ATTRIBUTES_MAX,
  CREDENTIALS_MAX,
  DISPLAY_NAME_MAX,
  PATH_MAX,
  PATH_PATTERN,
  PROFILES_MAX,
  ROLES_MAX,
  ROOTS_MAX,
  VALUE_MAX,
} from "../account.ts";
import {
  BINARIES_MAX,
  BINARY_BYTES_MAX,
  CAP_SOURCES,
  CAPS_MAX,
  CONFIG_BYTES_MAX,
  HOSTNAME_BYTES_MAX,
  HOSTNAME_PATTERN,
  KERNEL_PARAM_BYTES_MAX,
  KERNEL_PARAM_PATTERN,
  KERNEL_PARAMS_MAX,
  LOG_LEVELS,
  SERVICE_TIMES,
  SERVICES_MAX,
  TARGET_PATTERN,
} from "../manifest.ts";
import { ADDRESS_PATTERN, DNS_MAX, NETWORK_PATTERN } from "../overlay.ts";
import { NAME_BYTES_MAX, NAME_PATTERN, TEXT_PATTERN } from "../record.ts";

type JsonType = "object" | "array" | "string" | "integer" | "boolean" | "null";

/** As much of JSON schema as ours use, which check.ts understands. */
export interface Schema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: JsonType | readonly JsonType[];
  readonly const?: string | number;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: true;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

const DRAFT = "https://json-schema.org/draft/2020-12/schema";
const FILE_NAME_MAX = 1024;
const FILES_MAX = 64;
/** Four characters for three bytes, each text in its one canonical form. */
const BASE64_PATTERN =
  "^(?:[A-Za-z0-9+/]{4})*" + "(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
const BASE64_MAX = Math.ceil(CONFIG_BYTES_MAX / 3) * 4;

const name: Schema = {
  type: "string",
  minLength: 1,
  maxLength: NAME_BYTES_MAX,
  pattern: NAME_PATTERN,
};
const hash: Schema = {
  description: "32 bytes, not all zero, in hexadecimal",
  type: "string",
  minLength: 64,
  maxLength: 64,
  pattern: "^(?!0*$)[0-9A-Fa-f]*$",
};
const epoch: Schema = { type: "integer", minimum: 1, maximum: Number.MAX_SAFE_INTEGER };
const source: Schema = { enum: CAP_SOURCES };
const hostname: Schema = {
  type: "string",
  minLength: 1,
  maxLength: HOSTNAME_BYTES_MAX,
  pattern: HOSTNAME_PATTERN,
};
const logLevel: Schema = { enum: LOG_LEVELS };
const address: Schema = { type: "string", maxLength: 15, pattern: ADDRESS_PATTERN };
const fileName: Schema = { type: "string", minLength: 1, maxLength: FILE_NAME_MAX };
/** Lets an editor find the schema; nothing else reads it. */
const $schema: Schema = { type: "string" };

const config: Schema = {
  description: "The bytes that the service reads; files are found beside the JSON file",
  type: "object",
  properties: {
    text: { type: "string", maxLength: CONFIG_BYTES_MAX, pattern: "^\\P{Cs}*$" },
    base64: { type: "string", maxLength: BASE64_MAX, pattern: BASE64_PATTERN },
    file: fileName,
    files: {
      description: "Packed: u32 count, then u32 length and bytes of each, little-endian",
      type: "array",
      items: fileName,
      maxItems: FILES_MAX,
    },
  },
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
};

const cap: Schema = {
  type: "object",
  properties: {
    name: { ...name, description: "What the service looks up" },
    source,
    target: {
      description: "PCI identity of the device, such as 1af4:1042@00:04.0",
      type: "string",
      maxLength: 17,
      pattern: TARGET_PATTERN,
    },
  },
  required: ["name", "source"],
  additionalProperties: false,
};

const services: Schema = {
  type: "array",
  maxItems: SERVICES_MAX,
  items: {
    type: "object",
    properties: {
      name,
      binary: { ...name, description: "Name of a binary of the base" },
      when: { enum: SERVICE_TIMES, default: "boot" },
      caps: { type: "array", items: cap, maxItems: CAPS_MAX, default: [] },
      config,
    },
    required: ["name", "binary"],
    additionalProperties: false,
  },
};

const names = (most: number): Schema => ({
  type: "array",
  items: name,
  maxItems: most,
  uniqueItems: true,
  default: [],
});

const list = (most: number, properties: Record<string, Schema>): Schema => ({
  type: "array",
  maxItems: most,
  default: [],
  items: {
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  },
});

const closed = (description: string): Schema => ({ type: "boolean", default: false, description });

export const manifestSchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:manifest:1",
  title: "SystemManifest",
  type: "object",
  properties: {
    $schema,
    schemaVersion: { const: 1 },
    binaries: {
      description: "Files of /boot/bins/; of a bare name mkmanifest finds size and SHA-256 itself",
      type: "array",
      maxItems: BINARIES_MAX,
      items: {
        type: ["string", "object"],
        minLength: 1,
        maxLength: NAME_BYTES_MAX,
        pattern: NAME_PATTERN,
        properties: {
          name,
          sha256: hash,
          sizeBytes: { type: "integer", minimum: 0, maximum: BINARY_BYTES_MAX },
        },
        required: ["name", "sha256", "sizeBytes"],
        additionalProperties: false,
      },
    },
    initConfig: {
      type: "object",
      properties: { hostname, logLevel },
      additionalProperties: false,
      default: {},
    },
    services,
    kernelParams: {
      type: "array",
      items: {
        type: "string",
        minLength: 1,
        maxLength: KERNEL_PARAM_BYTES_MAX,
        pattern: KERNEL_PARAM_PATTERN,
      },
      maxItems: KERNEL_PARAMS_MAX,
      uniqueItems: true,
      default: [],
    },
    extensionPoints: {
      description: "What an overlay may bring; nothing unless it is opened here",
      type: "object",
      properties: {
        additionalServices: closed("services of its own, of the base's binaries"),
        maxAdditionalServices: { type: "integer", minimum: 0, maximum: SERVICES_MAX, default: 0 },
        allowedServiceCaps: { type: "array", items: source, uniqueItems: true, default: [] },
        minOverlayEpoch: {
          type: "integer",
          minimum: 0,
          maximum: Number.MAX_SAFE_INTEGER,
          default: 0,
        },
        allowHostname: closed("a host name"),
        allowLogLevel: closed("a log level"),
        allowNetwork: closed("network settings"),
        allowAccountStore: closed("the place of an account in the store"),
      },
      additionalProperties: false,
      default: {},
    },
  },
  required: ["schemaVersion", "binaries", "services"],
  additionalProperties: false,
};

export const overlaySchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:overlay:1",
  title: "SystemConfigOverlay",
  type: "object",
  properties: {
    $schema,
    version: { const: 1 },
    contentHash: {
      ...hash,
      description: "Filled by mkoverlay; where it is given, it must be right",
    },
    epoch,
    services: { ...services, default: [] },
    settings: {
      type: "object",
      properties: {
        hostname,
        logLevel,
        network: {
          type: "object",
          properties: {
            address: { type: "string", maxLength: 18, pattern: NETWORK_PATTERN },
            gateway: address,
            dns: {
              type: "array",
              items: address,
              maxItems: DNS_MAX,
              uniqueItems: true,
              default: [],
            },
          },
          required: ["address"],
          additionalProperties: false,
        },
      },
      additionalProperties: false,
      default: {},
    },
    accountStoreLocation: { ...hash, description: "Store hash of the encoded account" },
  },
  required: ["version", "epoch"],
  additionalProperties: false,
};

export const accountSchema: Schema = {
  $schema: DRAFT,
  $id: "urn:diskwright:schema:account:1",
  title: "AccountRecord",
  type: "object",
  properties: {
    $schema,
    version: { const: 1 },
    principalId: { ...hash, description: "32 bytes that no other principal has" },
    name,
    displayName: { type: "string", maxLength: DISPLAY_NAME_MAX, pattern: TEXT_PATTERN },
    roles: names(ROLES_MAX),
    attributes: list(ATTRIBUTES_MAX, {
      name,
      value: { type: "string", maxLength: VALUE_MAX, pattern: TEXT_PATTERN },
    }),
    credentialRefs: list(CREDENTIALS_MAX, { kind: name, hash }),
    storageRoots: list(ROOTS_MAX, {
      name,
      path: { type: "string", maxLength: PATH_MAX, pattern: PATH_PATTERN },
    }),
    defaultProfiles: names(PROFILES_MAX),
  },
  required: ["version", "principalId", "name", "displayName"],
  additionalProperties: false,
};
