/**
 * `EFI/RAYOS/registry.json` on an ESP: whether the next start runs the installer, and what it shall
 * do without asking. The file is an object, or an array of exactly one object; keys that are not
 * ours stay as they are. It is not the registry of virtual machines, though both know "vms", which
 * is empty here.
 */
import { checkJson, JsonError } from "../json/check.ts";
import {
  type InstallerLayoutJson,
  installerLayoutSchema,
  type UnattendedJson,
  unattendedSchema,
} from "../json/rayos.ts";
import type { Schema } from "../json/schema.ts";
import { parseJson } from "../json/text.ts";
import type { RayosSizes } from "./layout.ts";

/** Where it lies on the ESP. */
export const BOOT_MODE_PATH = "EFI/RAYOS/registry.json";
/** A longer file is refused: firmware reads it into a buffer of this size. */
export const BOOT_MODE_BYTES_MAX = 65_536;
const DEPTH_MAX = 32;
const MODE_KEY = "installer_mode";
const SETTINGS_KEY = "installer";
const LAYOUT_KEY = "installer_layout";
const MIB = 2 ** 20;

export interface BootMode {
  /** `installer_mode` is the boolean true at the top of the document. */
  readonly installerMode: boolean;
  /** The object `installer`, checked against its schema. */
  readonly settings: UnattendedJson | undefined;
  /** The object `installer_layout`, checked against its schema. */
  readonly layout: InstallerLayoutJson | undefined;
  /** What is installed, and when it was, in seconds since 1970. */
  readonly release: string | undefined;
  readonly createdS: number | undefined;
  /** The object as it stands there, other people's fields included. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The file of a new installation, where the system starts; or of a medium: the installer does. */
export function encodeBootMode(
  release: string,
  createdS: number,
  installerMode = false,
): Uint8Array {
  const fields = {
    installer_mode: installerMode,
    rayos_version: release,
    created: createdS,
    vms: {},
  };
  return new TextEncoder().encode(`${JSON.stringify(fields, undefined, 2)}\n`);
}

/**
 * Reads the whole file.
 *
 * @throws {JsonError} EINVAL: too long or too deep, not JSON, a field that is there twice, no
 *   object at the top, or settings that the schema refuses
 */
export function decodeBootMode(data: Uint8Array): BootMode {
  const fields = rootOf(data);
  const own = (key: string) => (Object.hasOwn(fields, key) ? fields[key] : undefined);
  const settings = own(SETTINGS_KEY);
  if (settings !== undefined) checkField(SETTINGS_KEY, unattendedSchema, settings);
  const layout = own(LAYOUT_KEY);
  if (layout !== undefined) checkField(LAYOUT_KEY, installerLayoutSchema, layout);
  const [release, createdS] = [own("rayos_version"), own("created")];
  return {
    installerMode: isOn(fields),
    settings: settings as UnattendedJson | undefined,
    layout: layout as InstallerLayoutJson | undefined,
    release: typeof release === "string" ? release : undefined,
    createdS: typeof createdS === "number" ? createdS : undefined,
    fields,
  };
}

/** Sizes of the partitions, as an installation takes them. */
export function sizesOfLayout(layout: InstallerLayoutJson | undefined): RayosSizes {
  const bytes = (mib: number | undefined) => (mib === undefined ? undefined : mib * MIB);
  return {
    espBytes: bytes(layout?.esp_mib),
    systemBytes: bytes(layout?.system_mib),
    stateBytes: bytes(layout?.state_mib),
    logBytes: bytes(layout?.log_mib),
    recoveryBytes: bytes(layout?.recovery_mib),
  };
}

/** What firmware asks: true only for a readable file that says so; else the system boots. */
export function isInstallerMode(data: Uint8Array | undefined): boolean {
  if (data === undefined) return false;
  try {
    return isOn(rootOf(data));
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}

/**
 * The same file with `installer_mode` false: the installer runs once. Every other byte stays,
 * spaces and order included.
 *
 * @throws {JsonError} as decodeBootMode; settings are not looked at
 */
export function withoutInstallerMode(data: Uint8Array): Uint8Array {
  const root = rootOf(data);
  if (!isOn(root)) return data;
  const text = decode(data);
  const depth = /^\s*\[/.test(text) ? 2 : 1;
  const start = placeOfValue(text, MODE_KEY, depth);
  const changed = `${text.slice(0, start)}false${text.slice(start + "true".length)}`;
  return new TextEncoder().encode(changed);
}

function isOn(root: Readonly<Record<string, unknown>>): boolean {
  return Object.hasOwn(root, MODE_KEY) && root[MODE_KEY] === true;
}

function checkField(key: string, schema: Schema, value: unknown): void {
  try {
    checkJson(schema, value);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const place = error.place === "" ? key : `${key}.${error.place}`;
    const what = error.message.replace(/^EINVAL: (?:[^:]*: )?/, "").replace(/\.$/, "");
    throw new JsonError(place, what, error.kind, error);
  }
}

function rootOf(data: Uint8Array): Readonly<Record<string, unknown>> {
  if (data.length > BOOT_MODE_BYTES_MAX) {
    throw new JsonError("", `${data.length} bytes, ${BOOT_MODE_BYTES_MAX} at most`, "value");
  }
  const text = decode(data);
  refuseDepth(text);
  const value = parseJson(text);
  if (Array.isArray(value) && value.length !== 1) {
    throw new JsonError("", `an array of ${value.length}, not of one object`, "value");
  }
  const root: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof root !== "object" || root === null || Array.isArray(root)) {
    throw new JsonError("", "no object at the top", "value");
  }
  return root as Record<string, unknown>;
}

function decode(data: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch (cause) {
    throw new JsonError("", "not UTF-8", "value", cause);
  }
}

/** A string that never ends is one to the end: whoever passed over its quote would try the next. */
const TOKEN = /"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)|[{}[\],:]/g;

/** Told before anything is built of the text. */
function refuseDepth(text: string): void {
  let depth = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    if (depth > DEPTH_MAX) throw new JsonError("", `deeper than ${DEPTH_MAX} levels`, "value");
  }
}

/** Where the value of field `name` begins, of the object at `depth`. The text is valid. */
function placeOfValue(text: string, name: string, depth: number): number {
  let level = 0;
  let key: string | undefined;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === ":" && level === depth && key === name) {
      return index + 1 + (/^\s*/.exec(text.slice(index + 1))?.[0].length ?? 0);
    }
    if (token === "{" || token === "[") level++;
    else if (token === "}" || token === "]") level--;
    key = token.startsWith('"') ? (JSON.parse(token) as string) : undefined;
  }
  throw new JsonError(name, "missing field", "value");
}
