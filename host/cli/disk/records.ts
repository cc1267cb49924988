/** `diskwright image mkmanifest`, `mkoverlay`, `mkaccount`, `show`: records from JSON and back. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { failure, refusal, StorageError, systemFailure } from "../../base/errors.ts";
import { compareHashes, toHash, toHex } from "../../base/hash.ts";
import { sha256 } from "../../base/seed.ts";
import { encodeAccount } from "../../format/account.ts";
import { JsonError } from "../../format/json/check.ts";
import {
  accountFromJson,
  type JsonReader,
  manifestFromJson,
  overlayFromJson,
} from "../../format/json/records.ts";
import {
  accountSchema,
  manifestSchema,
  overlaySchema,
  type Schema,
} from "../../format/json/schema.ts";
import { SHOWN_BYTES_MAX, showRecord } from "../../format/json/show.ts";
import { parseJson } from "../../format/json/text.ts";
import { encodeManifest, type ManifestBinary, type SystemManifest } from "../../format/manifest.ts";
import { encodeOverlay, type NewOverlay } from "../../format/overlay.ts";
import { RecordReject } from "../../format/record.ts";
import { readOverlay, refusalText } from "../../system/config/compose.ts";
import { type CommandSpec, type Context, Exit, type Given, UsageError } from "../kit/command.ts";

const STDIN = 0;
const STDOUT = 1;
const PIECE_BYTES = 1 << 20;

const OUT = { "[out]": "file to make, - for standard output" };
const FROM = { flags: "--from <json>", summary: "what it holds, as JSON; - is standard input" };
const SCHEMA = { flags: "--schema", summary: "print the JSON schema instead" };
const FORCE = { flags: "--force", summary: "replace a file that exists" };

export const recordCommands: readonly CommandSpec[] = [
  {
    name: "mkmanifest",
    summary: "Encode the manifest of a base, boot/manifest.bin of the ESP",
    arguments: OUT,
    options: [
      FROM,
      { flags: "--bins <dir>", summary: "folder of the binaries, for their size and SHA-256" },
      SCHEMA,
      FORCE,
    ],
    examples: ["diskwright image mkmanifest boot/boot/manifest.bin --from base.json --bins bins/"],
    run: mkmanifest,
  },
  {
    name: "mkoverlay",
    summary: "Encode an overlay and fill its content hash",
    arguments: OUT,
    options: [
      FROM,
      { flags: "--account <json>", summary: "an account: its place in the store goes in" },
      { flags: "--account-out <file>", summary: "also write the encoded account, for store put" },
      SCHEMA,
      FORCE,
    ],
    examples: ["diskwright image mkoverlay overlay.bin --from overlay.json"],
    run: mkoverlay,
  },
  {
    name: "mkaccount",
    summary: "Encode an account and tell its place in the store",
    arguments: OUT,
    options: [FROM, SCHEMA, FORCE],
    run: mkaccount,
  },
  {
    name: "show",
    summary: "Print a manifest, overlay, account, generation or pointer as JSON",
    arguments: { "<file>": "the encoded record, - for standard input" },
    examples: ["diskwright fs cat disk.img /system/config/overlay.bin | diskwright image show -"],
    run: show,
  },
];

/** Why `bytes` would be rejected as an overlay, `<class>: <reason>`; undefined if they are one. */
export function overlayDoubt(bytes: Uint8Array): string | undefined {
  const read = readOverlay(bytes);
  return "refused" in read ? refusalText(read.refused) : undefined;
}

async function mkmanifest(context: Context, given: Given) {
  if (printedSchema(context, given, manifestSchema)) return;
  const { out, from } = places(given);
  const folder = given.options["bins"] as string | undefined;
  const reader = readerFor(from);
  const binary = (name: string) => measure(resolve(folder ?? ".", name));
  const manifest = readJson(from, (value) =>
    manifestFromJson(value, folder === undefined ? reader : { ...reader, binary }),
  );
  if (folder !== undefined) compareBinaries(manifest, folder);
  const bytes = encodeManifest(manifest);
  write(out, bytes, given);
  const { binaries, services } = manifest;
  tell(context, out, bytes, { binaries: binaries.length, services: services.length });
}

async function mkoverlay(context: Context, given: Given) {
  if (printedSchema(context, given, overlaySchema)) return;
  const { out, from } = places(given);
  const { account: accountFrom, accountOut } = given.options;
  if (accountOut !== undefined && accountFrom === undefined) {
    throw new UsageError("--account-out needs --account");
  }
  const account =
    accountFrom === undefined
      ? undefined
      : encodeAccount(readJson(accountFrom as string, accountFromJson));
  refuseExisting([out, ...(accountOut === undefined ? [] : [accountOut as string])], given);
  const overlay = readJson(from, (value) => overlayFromJson(value, readerFor(from)));
  const bytes = encodeOverlay(account === undefined ? overlay : withAccount(overlay, account));
  const { contentHash, accountStoreLocation } = showRecord(bytes).value as Record<string, string>;
  if (account !== undefined && accountOut !== undefined)
    write(accountOut as string, account, given);
  write(out, bytes, given);
  tell(context, out, bytes, {
    epoch: overlay.epoch,
    contentHash,
    ...(accountStoreLocation === undefined ? {} : { accountStoreLocation }),
  });
}

async function mkaccount(context: Context, given: Given) {
  if (printedSchema(context, given, accountSchema)) return;
  const { out, from } = places(given);
  const bytes = encodeAccount(readJson(from, accountFromJson));
  write(out, bytes, given);
  tell(context, out, bytes, { accountStoreLocation: toHex(sha256(bytes)) });
}

async function show(context: Context, { positionals: [file = ""] }: Given) {
  const { out } = context;
  const bytes = readSome(file);
  try {
    const { kind, value } = showRecord(bytes);
    out.note(`${file}: ${kind}, ${bytes.length} bytes, SHA-256 ${toHex(sha256(bytes))}`);
    out.result({ kind, bytes: bytes.length, sha256: toHex(sha256(bytes)), value }, () =>
      JSON.stringify(value, null, 2),
    );
    return Exit.DONE;
  } catch (error) {
    if (!(error instanceof RecordReject)) throw error;
    const { code, class: fault, reason } = error;
    out.failure(`${file}: ${error.message}`, { code, class: fault, reason, path: file });
    return Exit.DAMAGE;
  }
}

function printedSchema(context: Context, { options }: Given, schema: Schema): boolean {
  if (options["schema"] !== true) return false;
  context.out.line(JSON.stringify(schema, null, 2));
  return true;
}

function places({ positionals: [out], options }: Given): { out: string; from: string } {
  const from = options["from"] as string | undefined;
  if (out === undefined || from === undefined) throw new UsageError("expected OUT and --from");
  return { out, from };
}

function readJson<T>(from: string, convert: (value: unknown) => T): T {
  try {
    return convert(parseJson(readFileSync(from === "-" ? STDIN : from)));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const message = error.message.replace(/^EINVAL: /, `EINVAL: ${from}: `);
    throw new StorageError(error.errno, "json", { path: from, message, cause: error });
  }
}

/** Files beside the JSON file; beside the one who pipes it. */
function readerFor(from: string): JsonReader {
  const folder = from === "-" ? "." : dirname(from);
  return { file: (name) => readFileSync(resolve(folder, name)) };
}

function withAccount(overlay: NewOverlay, account: Uint8Array): NewOverlay {
  const location = sha256(account);
  const { accountStoreLocation = location } = overlay;
  if (compareHashes(accountStoreLocation, location) !== 0) {
    const message = `accountStoreLocation is not the account's place, ${toHex(location)}.`;
    throw failure("EINVAL", "mkoverlay", message);
  }
  return { ...overlay, accountStoreLocation };
}

/** What the manifest says of each binary must be true of its file. */
function compareBinaries({ binaries }: SystemManifest, folder: string): void {
  for (const { name, sha256, sizeBytes } of binaries) {
    const path = resolve(folder, name);
    const found = measure(path);
    if (found.sizeBytes === sizeBytes && compareHashes(found.sha256, sha256) === 0) continue;
    const has = `${found.sizeBytes} bytes with SHA-256 ${toHex(found.sha256)}`;
    throw failure("EINVAL", "mkmanifest", `'${path}' has ${has}, which the JSON denies.`, { path });
  }
}

function measure(path: string): Omit<ManifestBinary, "name"> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  try {
    const fd = openSync(path, "r");
    try {
      const piece = new Uint8Array(PIECE_BYTES);
      for (let count = readSync(fd, piece); count > 0; count = readSync(fd, piece)) {
        hash.update(piece.subarray(0, count));
        sizeBytes += count;
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw systemFailure(error, "read", path);
  }
  return { sha256: toHash(hash.digest("hex")), sizeBytes };
}

/** The file, or enough of it to see that it is too long for a record. */
function readSome(path: string): Uint8Array {
  const fd = path === "-" ? STDIN : openSync(path, "r");
  try {
    const bytes = new Uint8Array(SHOWN_BYTES_MAX + 1);
    let size = 0;
    for (let count = 1; count > 0 && size < bytes.length; size += count) {
      count = readSync(fd, bytes, size, bytes.length - size, null);
    }
    return bytes.subarray(0, size);
  } finally {
    if (fd !== STDIN) closeSync(fd);
  }
}

function write(path: string, bytes: Uint8Array, given: Given): void {
  if (path !== "-") refuseExisting([path], given);
  writeFileSync(path === "-" ? STDOUT : path, bytes);
}

/** Before anything is written: of several files either all are, or none. */
function refuseExisting(paths: readonly string[], { options }: Given): void {
  const path = paths.find((one) => existsSync(one));
  if (path === undefined || options["force"] === true) return;
  const hint = "Pass --force to replace it.";
  throw refusal("EEXIST", "create", `'${path}' exists.`, { path, hint });
}

function tell(context: Context, path: string, bytes: Uint8Array, told: object): void {
  if (path === "-") return;
  const whole = { path, bytes: bytes.length, sha256: toHex(sha256(bytes)), ...told };
  context.out.result(whole, () =>
    Object.entries(whole)
      .slice(1)
      .reduce((text, [name, value]) => `${text}\n  ${name}: ${value}`, `${path}:`),
  );
}
