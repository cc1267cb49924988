/**
 * Manifests, overlays and accounts as the JSON of schema.ts, both ways. What is left out in the
 * file gets its default; what is written back is whole.
 *
 * @example
 * const overlay = overlayFromJson(parseJson('{"version": 1, "epoch": 1}'));
 * const bytes = encodeOverlay(overlay);
 */
import { compareHashes, toHash, toHex } from "../../base/hash.ts";
import { type AccountRecord, checkAccount } from "../account.ts";
import {
  type CapRequest,
  CLOSED,
  checkManifest,
  type InitConfig,
  type ManifestBinary,
  type ManifestExtensionPoints,
  type ManifestService,
  packFiles,
  type ServiceTime,
  type SystemManifest,
} from "../manifest.ts";
import {
  checkOverlay,
  decodeOverlay,
  encodeOverlay,
  type NetworkSettings,
  type SystemConfigOverlay,
} from "../overlay.ts";
import { BrokenRule } from "../record.ts";
import { checkJson, fieldPath, JsonError } from "./check.ts";
import { accountSchema, manifestSchema, overlaySchema } from "./schema.ts";

/** What a file names and does not hold. */
export interface JsonReader {
  /** Content of a file that a service's configuration names, as the JSON file sees it. */
  file?(name: string): Uint8Array;
  /** SHA-256 and size of a binary that is given by its name alone. */
  binary?(name: string): Omit<ManifestBinary, "name">;
}

export type ConfigJson =
  | { readonly text: string }
  | { readonly base64: string }
  | { readonly file: string }
  | { readonly files: readonly string[] };

export interface ServiceJson {
  readonly name: string;
  readonly binary: string;
  readonly when?: ServiceTime;
  readonly caps?: readonly CapRequest[];
  readonly config?: ConfigJson;
}

export interface BinaryJson {
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface ManifestJson {
  readonly schemaVersion: 1;
  readonly binaries: readonly (string | BinaryJson)[];
  readonly initConfig?: InitConfig;
  readonly services: readonly ServiceJson[];
  readonly kernelParams?: readonly string[];
  readonly extensionPoints?: Partial<ManifestExtensionPoints>;
}

export interface OverlayJson {
  readonly version: 1;
  readonly contentHash?: string;
  readonly epoch: number;
  readonly services?: readonly ServiceJson[];
  readonly settings?: InitConfig & {
    readonly network?: Omit<NetworkSettings, "dns"> & Partial<NetworkSettings>;
  };
  readonly accountStoreLocation?: string;
}

export interface AccountJson
  extends Pick<AccountRecord, "version" | "name" | "displayName">,
    Partial<Pick<AccountRecord, "roles" | "attributes" | "storageRoots" | "defaultProfiles">> {
  readonly principalId: string;
  readonly credentialRefs?: readonly { readonly kind: string; readonly hash: string }[];
}

/** @throws {JsonError} EINVAL with the path of the first thing wrong */
export function manifestFromJson(value: unknown, reader: JsonReader = {}): SystemManifest {
  checkJson(manifestSchema, value);
  const { binaries, services, ...given } = value as ManifestJson;
  const manifest: SystemManifest = {
    schemaVersion: 1,
    binaries: binaries.map((binary, index) => binaryFrom(binary, `binaries[${index}]`, reader)),
    initConfig: given.initConfig ?? {},
    services: services.map((service, index) => serviceFrom(service, `services[${index}]`, reader)),
    kernelParams: given.kernelParams ?? [],
    extensionPoints: { ...CLOSED, ...given.extensionPoints },
  };
  rules(() => checkManifest(manifest));
  return manifest;
}

export function manifestToJson(manifest: SystemManifest): ManifestJson {
  return {
    schemaVersion: 1,
    binaries: manifest.binaries.map((binary) => ({ ...binary, sha256: toHex(binary.sha256) })),
    initConfig: manifest.initConfig,
    services: manifest.services.map(serviceTo),
    kernelParams: manifest.kernelParams,
    extensionPoints: manifest.extensionPoints,
  };
}

/**
 * The overlay with its content hash, made or, where the file gives one, compared.
 *
 * @throws {JsonError} EINVAL with the path of the first thing wrong
 */
export function overlayFromJson(value: unknown, reader: JsonReader = {}): SystemConfigOverlay {
  checkJson(overlaySchema, value);
  const { epoch, services = [], settings = {}, ...given } = value as OverlayJson;
  const { network, ...rest } = settings;
  const overlay = {
    version: 1,
    epoch,
    services: services.map((service, index) => serviceFrom(service, `services[${index}]`, reader)),
    settings: network === undefined ? rest : { ...rest, network: { dns: [], ...network } },
    ...(given.accountStoreLocation === undefined
      ? {}
      : { accountStoreLocation: toHash(given.accountStoreLocation) }),
  } as const;
  rules(() => checkOverlay(overlay));
  const whole = decodeOverlay(encodeOverlay(overlay));
  const { contentHash } = given;
  if (contentHash !== undefined && compareHashes(toHash(contentHash), whole.contentHash) !== 0) {
    const what = `the content has ${toHex(whole.contentHash)}; leave the field out to have it made`;
    throw new JsonError("contentHash", what, "value");
  }
  return whole;
}

export function overlayToJson(overlay: SystemConfigOverlay): OverlayJson {
  const { accountStoreLocation, contentHash, epoch, services, settings } = overlay;
  return {
    version: 1,
    contentHash: toHex(contentHash),
    epoch,
    services: services.map(serviceTo),
    settings,
    ...(accountStoreLocation === undefined
      ? {}
      : { accountStoreLocation: toHex(accountStoreLocation) }),
  } as OverlayJson;
}

/** @throws {JsonError} EINVAL with the path of the first thing wrong */
export function accountFromJson(value: unknown): AccountRecord {
  checkJson(accountSchema, value);
  const given = value as AccountJson;
  const account: AccountRecord = {
    version: 1,
    principalId: toHash(given.principalId),
    name: given.name,
    displayName: given.displayName,
    roles: given.roles ?? [],
    attributes: given.attributes ?? [],
    credentialRefs: (given.credentialRefs ?? []).map(({ kind, hash }) => ({
      kind,
      hash: toHash(hash),
    })),
    storageRoots: given.storageRoots ?? [],
    defaultProfiles: given.defaultProfiles ?? [],
  };
  rules(() => checkAccount(account));
  return account;
}

export function accountToJson(account: AccountRecord): AccountJson {
  return {
    version: 1,
    principalId: toHex(account.principalId),
    name: account.name,
    displayName: account.displayName,
    roles: account.roles,
    attributes: account.attributes,
    credentialRefs: account.credentialRefs.map(({ kind, hash }) => ({ kind, hash: toHex(hash) })),
    storageRoots: account.storageRoots,
    defaultProfiles: account.defaultProfiles,
  };
}

function binaryFrom(binary: string | BinaryJson, place: string, reader: JsonReader) {
  if (typeof binary !== "string") return { ...binary, sha256: toHash(binary.sha256) };
  if (reader.binary !== undefined) return { name: binary, ...reader.binary(binary) };
  const what = "a name alone needs the folder of the binaries to take size and SHA-256 from";
  throw new JsonError(place, what, "value");
}

function serviceFrom(service: ServiceJson, place: string, reader: JsonReader): ManifestService {
  const { name, binary, when = "boot", caps = [], config } = service;
  const bytes = config === undefined ? new Uint8Array(0) : configFrom(config, place, reader);
  return { name, binary, when, caps, config: bytes };
}

function configFrom(config: ConfigJson, place: string, reader: JsonReader): Uint8Array {
  if ("text" in config) return new TextEncoder().encode(config.text);
  if ("base64" in config) {
    return Uint8Array.from(atob(config.base64), (character) => character.charCodeAt(0));
  }
  const read = reader.file;
  if (read === undefined) {
    throw new JsonError(fieldPath(place, "config"), "nobody is here to read files", "value");
  }
  if ("file" in config) return read(config.file);
  return packFiles(config.files.map((name) => read(name)));
}

function serviceTo(service: ManifestService): ServiceJson {
  const { name, binary, when, caps, config } = service;
  return { name, binary, when, caps, ...(config.length === 0 ? {} : { config: configTo(config) }) };
}

/** As text where the bytes are text, so that a person can read them. */
function configTo(config: Uint8Array): ConfigJson {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(config) };
  } catch {
    let binary = "";
    for (const byte of config) binary += String.fromCharCode(byte);
    return { base64: btoa(binary) };
  }
}

/** A broken rule of the record as an error of the file; the places are the same. */
function rules(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof BrokenRule)) throw error;
    throw new JsonError(error.place, error.rule, "value", error);
  }
}
