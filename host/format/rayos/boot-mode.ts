/**
 * EFI/RAYOS/registry.json on the ESP: whether the next start is the installer's, and what is
 * installed. RayOS's own media have an object with an empty `vms`; some writers an array of one.
 */
import { failure } from "../../base/errors.ts";
import { parseJson } from "../json/text.ts";

export const BOOT_MODE_PATH = "EFI/RAYOS/registry.json";
/** What RayOS's boot loader reads of it. */
export const BOOT_MODE_BYTES_MAX = 65_536;

export interface BootMode {
  /** True only for a boolean `true` at the top level. */
  readonly installerMode: boolean;
  readonly release?: string | undefined;
  readonly createdS?: number | undefined;
  /** The object as it stands there, other people's fields included. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export function encodeBootMode(release: string, createdS: number): Uint8Array {
  return encodeFields({
    installer_mode: false,
    rayos_version: release,
    created: createdS,
    vms: {},
  });
}

/** The same registry with the switch set or cleared; every other field stays. */
export function withInstallerMode(mode: BootMode, installerMode: boolean): Uint8Array {
  return encodeFields({ ...mode.fields, installer_mode: installerMode });
}

/** @throws {StorageError} EBADMSG: neither an object nor an array of one object, or too long */
export function decodeBootMode(data: Uint8Array): BootMode {
  const path = BOOT_MODE_PATH;
  if (data.length > BOOT_MODE_BYTES_MAX) {
    throw failure("EBADMSG", "read", `${path} has ${data.length} bytes.`, { path });
  }
  let value: unknown;
  try {
    value = parseJson(data);
  } catch (cause) {
    throw failure("EBADMSG", "read", `${path} is not JSON.`, { path, cause });
  }
  const inner: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
  if (typeof inner !== "object" || inner === null || Array.isArray(inner)) {
    throw failure("EBADMSG", "read", `${path} is neither an object nor an array of one.`, { path });
  }
  const fields = inner as Record<string, unknown>;
  const { rayos_version: release, created } = fields;
  return {
    installerMode: fields["installer_mode"] === true,
    release: typeof release === "string" ? release : undefined,
    createdS: typeof created === "number" ? created : undefined,
    fields,
  };
}

function encodeFields(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(fields, null, 2)}\n`);
}
