/** `diskwright store`: objects of a content-addressed store, by their SHA-256. */
import { failure } from "../../base/errors.ts";
import { toHash, toHex } from "../../base/hash.ts";
import { Region } from "../../core/region.ts";
import type { Store } from "../../core/store.ts";
import { findRegion } from "../../system/place.ts";
import { type CommandSpec, type Context, Exit, type Given, UsageError } from "../kit/command.ts";
import { withDisk } from "../kit/open.ts";
import { table } from "../kit/output.ts";
import { localPieces, writeLocal } from "./transfer.ts";

const DISK = { "<disk>": "path, path:N for partition N, or a file: URL" };
const HASH = { "<hash>": "SHA-256 of the object, 64 hexadecimal digits" };

export const store: CommandSpec = {
  name: "store",
  summary: "Objects of a content-addressed store (CAPOSST1)",
  subcommands: [
    {
      name: "ls",
      summary: "List the objects: hash, bytes, pins",
      arguments: DISK,
      run: ({ out }, { positionals: [disk = ""] }) =>
        withStore(disk, true, (objects) => {
          const rows = [...objects.list()].map(({ hash, length, pins }) => ({
            hash: toHex(hash),
            length,
            pins,
          }));
          out.result({ ...objects.stat(), list: rows }, () =>
            table(rows.map(({ hash, length, pins }) => [hash, length, pins])),
          );
        }),
    },
    {
      name: "put",
      summary: "Store files and print their hashes; - is standard input",
      arguments: { ...DISK, "<file...>": "files to store" },
      run: ({ out, signal }, { positionals: [disk = "", ...paths] }) =>
        withStore(disk, false, (objects) => {
          const rows = paths.map((path) => {
            signal.throwIfAborted();
            return { path, hash: toHex(objects.putStream(localPieces(path))) };
          });
          objects.commit();
          out.result({ objects: rows }, () => rows.map(({ hash }) => hash).join("\n"));
        }),
    },
    {
      name: "get",
      summary: "Write an object to a file, or to standard output",
      arguments: { ...DISK, ...HASH, "[file]": "default: standard output" },
      run: (_context, { positionals: [disk = "", hash = "", path = "-"] }) =>
        withStore(disk, true, (objects) => getFile(objects, checked(hash), path)),
    },
    {
      name: "has",
      summary: "Exit 0 if the object is there, 1 if not",
      arguments: { ...DISK, ...HASH },
      run: ({ out }, { positionals: [disk = "", hash = ""] }) =>
        withStore(disk, true, (objects) => {
          const there = objects.has(checked(hash));
          out.result({ hash, has: there }, there ? "yes" : "no");
          return there ? Exit.DONE : Exit.FAILED;
        }),
    },
    {
      name: "rm",
      summary: "Remove objects",
      arguments: { ...DISK, "<hash...>": "SHA-256 of each object" },
      run: ({ out }, { positionals: [disk = "", ...hashes] }) =>
        withStore(disk, false, (objects) => {
          const named = hashes.map(checked);
          for (const hash of named) objects.delete(hash);
          objects.commit();
          out.result({ removed: hashes }, () => `removed ${hashes.length}`);
        }),
    },
    {
      name: "gc",
      summary: "Remove every object that is neither pinned nor named with --keep",
      arguments: DISK,
      writes: true,
      options: [{ flags: "--keep <hash...>", summary: "objects to keep" }],
      run: collect,
    },
    {
      name: "verify",
      summary: "Read every object and compare it with its hash; exit 3 if one is damaged",
      arguments: DISK,
      run: ({ out, signal }, { positionals: [disk = ""] }) =>
        withStore(disk, true, (objects) => {
          const findings = objects.verify({ signal });
          const { objects: count } = objects.stat();
          out.result({ objects: count, findings }, () =>
            [
              ...findings.map(({ lba, message }) => `LBA ${lba}: ${message}`),
              `${count} objects, ${findings.length} damaged`,
            ].join("\n"),
          );
          return findings.length === 0 ? Exit.DONE : Exit.DAMAGE;
        }),
    },
  ],
};

/** Opens the store of a disk, runs `use`, and closes it. */
function withStore<T>(disk: string, readOnly: boolean, use: (store: Store) => T): Promise<T> {
  return withDisk(disk, { readOnly }, ({ core, id, partition }) => {
    const region = Region.open(core, id, { ...findRegion(core, id, partition), readOnly });
    try {
      return use(region.store);
    } finally {
      region.close();
    }
  });
}

async function collect(context: Context, given: Given): Promise<void> {
  const [disk = ""] = given.positionals;
  const keep = ((given.options["keep"] as string[] | undefined) ?? []).map(checked);
  const { out, dryRun } = context;
  if (!dryRun) await context.confirm(`Remove every object of ${disk} that is not kept?`);
  await withStore(disk, dryRun, (objects) => {
    const kept = new Set(keep.map(toHex));
    const gone = [...objects.list()].filter(
      ({ hash, pins }) => pins === 0 && !kept.has(toHex(hash)),
    );
    const removed = dryRun ? gone.length : objects.collect(keep);
    out.result({ removed, dryRun }, `${dryRun ? "would remove" : "removed"} ${removed}`);
  });
}

function checked(text: string): Uint8Array {
  try {
    return toHash(text);
  } catch {
    throw new UsageError(`'${text}' is no SHA-256: 64 hexadecimal digits are expected`);
  }
}

/** Checks the whole object before the first byte leaves: what comes out is what was put in. */
function getFile(objects: Store, hash: Uint8Array, path: string): void {
  if (!objects.has(hash)) throw failure("ENOENT", "get", `there is no object ${toHex(hash)}.`);
  for (const _ of objects.readStream(hash));
  writeLocal(path, objects.readStream(hash));
}
