/**
 * AccountRecord: who an operator is. An object of the store, named by its hash from an overlay.
 * It is policy data: nothing in it is authority, and a credential is only ever a reference.
 *
 * Bytes: docs/format/records.md.
 */
import * as wire from "../base/wire.ts";
import {
  demand,
  demandCount,
  demandHash,
  demandName,
  demandNumber,
  demandText,
  demandUnique,
  NAME_BYTES_MAX,
  quoted,
  type RecordFormat,
  recordFormat,
} from "./record.ts";

export const ACCOUNT_MAGIC = "CAPOSAC1";
export const ACCOUNT_BYTES_MAX = 256 * 1024;
export const ROLES_MAX = 32;
export const ATTRIBUTES_MAX = 64;
export const CREDENTIALS_MAX = 16;
export const ROOTS_MAX = 16;
export const PROFILES_MAX = 16;
/** In characters; a character has up to 4 bytes. */
export const DISPLAY_NAME_MAX = 64;
export const VALUE_MAX = 256;
export const PATH_MAX = 256;
/** An absolute path whose parts are neither empty nor "." nor "..". */
export const PATH_PATTERN =
  "^(?!.*/\\.{1,2}(?:/|$))(?:/[^/\\p{Cc}\\p{Cs}\\u2028-\\u202e\\u2066-\\u2069]+)+$";

export interface AccountRecord {
  readonly version: 1;
  /** 32 bytes that no other principal has. */
  readonly principalId: Uint8Array;
  readonly name: string;
  readonly displayName: string;
  readonly roles: readonly string[];
  readonly attributes: readonly AccountAttribute[];
  readonly credentialRefs: readonly CredentialRef[];
  readonly storageRoots: readonly StorageRoot[];
  readonly defaultProfiles: readonly string[];
}

export interface AccountAttribute {
  readonly name: string;
  readonly value: string;
}

export interface CredentialRef {
  /** Such as "ssh-key" or "password-hash". */
  readonly kind: string;
  readonly hash: Uint8Array;
}

export interface StorageRoot {
  readonly name: string;
  readonly path: string;
}

const name = wire.text(NAME_BYTES_MAX);
export const attributeWire = wire.record("attribute", { name, value: wire.text(4 * VALUE_MAX) });
export const credentialWire = wire.record("credential", { kind: name, hash: wire.bytes(32) });
export const rootWire = wire.record("storage root", { name, path: wire.text(4 * PATH_MAX) });

/** The body of an account. */
export const accountWire = wire.record("account body", {
  principalId: wire.bytes(32),
  name,
  displayName: wire.text(4 * DISPLAY_NAME_MAX),
  roles: wire.list(name, ROLES_MAX),
  attributes: wire.list(attributeWire.schema, ATTRIBUTES_MAX),
  credentialRefs: wire.list(credentialWire.schema, CREDENTIALS_MAX),
  storageRoots: wire.list(rootWire.schema, ROOTS_MAX),
  defaultProfiles: wire.list(name, PROFILES_MAX),
});

export const accountFormat: RecordFormat<AccountRecord> = recordFormat<
  AccountRecord,
  ReturnType<typeof accountWire.decode>
>({
  name: "account",
  magic: ACCOUNT_MAGIC,
  bytesMax: ACCOUNT_BYTES_MAX,
  body: accountWire,
  fromBody: (body) => ({ version: 1, ...body }),
  toBody: (account) => ({
    principalId: account.principalId,
    name: account.name,
    displayName: account.displayName,
    roles: [...account.roles],
    attributes: [...account.attributes],
    credentialRefs: [...account.credentialRefs],
    storageRoots: [...account.storageRoots],
    defaultProfiles: [...account.defaultProfiles],
  }),
  check: checkAccount,
});

/** @throws {StorageError} EINVAL: the value breaks a rule */
export function encodeAccount(account: AccountRecord): Uint8Array {
  return accountFormat.encode(account);
}

/** @throws {RecordReject} the bytes are not exactly one well-formed account */
export function decodeAccount(data: Uint8Array): AccountRecord {
  return accountFormat.decode(data);
}

/** @throws {BrokenRule} */
export function checkAccount(account: AccountRecord): void {
  const { attributes, credentialRefs, storageRoots } = account;
  demandNumber("version", account.version, 1, 1);
  demandHash("principalId", account.principalId);
  demandName("name", account.name);
  demandText("displayName", account.displayName, DISPLAY_NAME_MAX);
  checkNames("roles", account.roles, ROLES_MAX);
  demandCount("attributes", attributes, ATTRIBUTES_MAX);
  for (const [index, attribute] of attributes.entries()) {
    demandName(`attributes[${index}].name`, attribute.name);
    demandText(`attributes[${index}].value`, attribute.value, VALUE_MAX);
  }
  demandUnique(
    attributes.map((attribute) => attribute.name),
    (index) => `attributes[${index}].name`,
  );
  demandCount("credentialRefs", credentialRefs, CREDENTIALS_MAX);
  for (const [index, { kind, hash }] of credentialRefs.entries()) {
    demandName(`credentialRefs[${index}].kind`, kind);
    demandHash(`credentialRefs[${index}].hash`, hash);
  }
  demandUnique(
    credentialRefs.map(({ kind, hash }) => `${kind} ${hash.join(".")}`),
    (index) => `credentialRefs[${index}]`,
  );
  demandCount("storageRoots", storageRoots, ROOTS_MAX);
  for (const [index, root] of storageRoots.entries()) {
    demandName(`storageRoots[${index}].name`, root.name);
    demandPath(`storageRoots[${index}].path`, root.path);
  }
  demandUnique(
    storageRoots.map((root) => root.name),
    (index) => `storageRoots[${index}].name`,
  );
  checkNames("defaultProfiles", account.defaultProfiles, PROFILES_MAX);
}

function checkNames(place: string, names: readonly string[], most: number): void {
  demandCount(place, names, most);
  for (const [index, name] of names.entries()) demandName(`${place}[${index}]`, name);
  demandUnique(names, (index) => `${place}[${index}]`);
}

function demandPath(place: string, path: string): void {
  const fits = path.length <= 2 * PATH_MAX && [...path].length <= PATH_MAX;
  demand(fits, place, `over ${PATH_MAX} characters`);
  const clean = new RegExp(PATH_PATTERN, "u").test(path);
  demand(clean, place, `${quoted(path)} is not an absolute path`);
}
