/** First-boot settings and the record of an installation, as JSON on the System partition. */
import { failure, StorageError } from "../../base/errors.ts";
import { checkJson } from "../json/check.ts";
import type { Schema } from "../json/schema.ts";
import { parseJson } from "../json/text.ts";
import type { RayosLayoutName } from "./layout.ts";
import { firstBootSchema, installRecordSchema } from "./schema.ts";

export const FIRST_BOOT_PATH = "var/rayos/first-boot.json";
export const INSTALL_RECORD_PATH = "var/rayos/install/manifest.json";
export const INSTALLATION_MARKER = "RAYOS_INSTALLATION_MARKER";
export const INSTALL_NOTE = ".rayos-install";

export interface FirstBootRecord {
  readonly version: 1;
  readonly machine_name: string;
  readonly time_zone: string;
  readonly locale: string;
  readonly networking: boolean;
  readonly autoboot: boolean;
  readonly vm_storage: string;
  readonly created: number;
}

/** One file that must be as it was installed. */
export interface InstalledFile {
  readonly volume: "esp" | "system" | "recovery";
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  /** What only the System partition keeps of a file. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Nanoseconds since 1970 UTC, decimal. */
  readonly mtime_ns?: string | undefined;
  /** Extended attributes, values in hexadecimal; absent beside a mode: none. */
  readonly xattrs?: readonly { readonly name: string; readonly value: string }[] | undefined;
  /** Other names of the same file: hard links. */
  readonly names?: readonly string[] | undefined;
}

export interface InstallRecord {
  readonly version: 1;
  readonly release: string;
  readonly created: number;
  readonly layout: RayosLayoutName;
  readonly files: readonly InstalledFile[];
}

/** @throws {StorageError} EINVAL: a name, zone or locale that is none */
export function checkFirstBoot(record: FirstBootRecord): void {
  const { machine_name: name, time_zone: zone, locale } = record;
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(name)) {
    const hint = "It has up to 63 letters, digits and '-', and begins and ends with no '-'.";
    throw failure("EINVAL", "plan", `'${name}' is no machine name.`, { hint });
  }
  if (zone.length > 64 || !/^[A-Za-z0-9_+-]+(?:\/[A-Za-z0-9_+-]+){0,2}$/.test(zone)) {
    const hint = "It is like Europe/Berlin or UTC.";
    throw failure("EINVAL", "plan", `'${zone}' is no time zone.`, { hint });
  }
  if (
    !/^(?:C|POSIX|[a-z]{2,3}(?:_[A-Z]{2})?)(?:\.[A-Za-z0-9-]{1,16})?(?:@[a-z]{1,16})?$/.test(locale)
  ) {
    throw failure("EINVAL", "plan", `'${locale}' is no locale.`, {
      hint: "It is like de_DE.UTF-8.",
    });
  }
}

export function encodeFirstBoot(record: FirstBootRecord): Uint8Array {
  return encode(record, 2);
}

export function decodeFirstBoot(data: Uint8Array): FirstBootRecord {
  return decode<FirstBootRecord>(data, firstBootSchema, "the first-boot settings");
}

/** One file a line, so that its length is known before its digests are. */
export function encodeInstallRecord(record: InstallRecord): Uint8Array {
  const { files, ...head } = record;
  const opened = JSON.stringify({ ...head, files: [] }).slice(0, -2);
  const rows = files.map((file) => JSON.stringify(file)).join(",\n");
  return new TextEncoder().encode(`${opened}\n${rows}\n]}\n`);
}

export function decodeInstallRecord(data: Uint8Array): InstallRecord {
  return decode<InstallRecord>(data, installRecordSchema, "the record of the installation");
}

function encode(value: unknown, indent: number): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, indent)}\n`);
}

function decode<T>(data: Uint8Array, schema: Schema, what: string): T {
  try {
    const value = parseJson(data);
    checkJson(schema, value);
    return value as T;
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    const why = cause.message.replace(/^E[A-Z]+: /, "");
    throw failure("EBADMSG", "read", `${what}: ${why}`, { cause });
  }
}
