/** CAPOSWF1 against node:fs on a temporary directory: same results, same content, same codes. */
import * as nodeFs from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";
import { bytes, path, plainPath, size } from "../support/paths.ts";

/** What both sides can do; `at` makes a path of the side's own. */
interface Side {
  readonly at: (path: string) => string;
  readonly fs: Pick<
    typeof nodeFs,
    | "mkdirSync"
    | "rmdirSync"
    | "unlinkSync"
    | "renameSync"
    | "linkSync"
    | "symlinkSync"
    | "readlinkSync"
    | "truncateSync"
    | "openSync"
    | "closeSync"
    | "readFileSync"
    | "appendFileSync"
    | "chmodSync"
  > & {
    write(fd: number, data: Uint8Array, position: number | null): number;
    read(fd: number, data: Uint8Array, position: number | null): number;
    lstat(path: string): nodeFs.Stats;
    readdir(path: string): string[];
    utimes(path: string, atime: number, mtime: number): void;
  };
}

type Operation = (side: Side) => unknown;

function withFile<T>(side: Side, where: string, flags: string, use: (fd: number) => T): T {
  const fd = side.fs.openSync(side.at(where), flags);
  try {
    return use(fd);
  } finally {
    side.fs.closeSync(fd);
  }
}

/** An operation that fast-check can print. */
function named(label: string, run: Operation): Operation {
  return Object.assign(run, { [fc.toStringMethod]: () => label });
}

const one = (label: string, run: (side: Side, where: string) => unknown) =>
  path.map((p) => named(`${label} ${p}`, (side) => run(side, side.at(p))));
const flagged = fc.constantFrom("r+", "w", "wx", "a", "w+", "ax");

const operation: fc.Arbitrary<Operation> = fc.oneof(
  one("mkdir", ({ fs }, where) => fs.mkdirSync(where)),
  one("rmdir", ({ fs }, where) => fs.rmdirSync(where)),
  one("unlink", ({ fs }, where) => fs.unlinkSync(where)),
  one("readlink", ({ fs }, where) => fs.readlinkSync(where)),
  one("readdir", ({ fs }, where) => [...fs.readdir(where)].sort()),
  one("readFile", ({ fs }, where) => Buffer.from(fs.readFileSync(where)).toString("hex")),
  one("lstat", ({ fs }, where) => {
    const { mode, size, nlink } = fs.lstat(where);
    return (mode & 0o170000) === 0o040000 ? mode : { mode, size, nlink };
  }),
  one("utimes", ({ fs }, where) => fs.utimes(where, 12.5, 1_000_000_000)),
  fc
    .tuple(path, path)
    .map(([p, q]) => named(`rename ${p} ${q}`, ({ fs, at }) => fs.renameSync(at(p), at(q)))),
  fc
    .tuple(plainPath, path)
    .map(([p, q]) => named(`link ${p} ${q}`, ({ fs, at }) => fs.linkSync(at(p), at(q)))),
  fc
    .tuple(plainPath, plainPath)
    .map(([p, q]) => named(`symlink ${p} ${q}`, ({ fs, at }) => fs.symlinkSync(p, at(q)))),
  fc
    .tuple(path, size)
    .map(([p, n]) => named(`truncate ${p} ${n}`, ({ fs, at }) => fs.truncateSync(at(p), n))),
  fc.tuple(path, flagged, size, size, fc.nat(255)).map(([p, flags, offset, length, seed]) =>
    named(`write ${p} ${flags} ${offset} ${length}`, (side) =>
      withFile(side, p, flags, (fd) => {
        const position = flags.startsWith("a") ? null : offset;
        return side.fs.write(fd, bytes(length, seed), position);
      }),
    ),
  ),
  fc.tuple(path, size, size).map(([p, offset, length]) =>
    named(`read ${p} ${offset} ${length}`, (side) =>
      withFile(side, p, "r", (fd) => {
        const into = new Uint8Array(length);
        const got = side.fs.read(fd, into, offset);
        return Buffer.from(into.subarray(0, got)).toString("hex");
      }),
    ),
  ),
  fc
    .tuple(path, fc.integer({ min: 0, max: 0o777 }))
    .map(([p, mode]) => named(`chmod ${p}`, ({ fs, at }) => fs.chmodSync(at(p), mode | 0o700))),
);

/** A file that is removed while it is open lives on until it is closed. */
const openUnlink = fc.tuple(plainPath, size).map(([p, length]) =>
  named(`open, unlink, write ${p} ${length}`, (side) =>
    withFile(side, p, "a+", (fd) => {
      side.fs.unlinkSync(side.at(p));
      side.fs.write(fd, bytes(length, 7), null);
      const into = new Uint8Array(5000);
      const got = side.fs.read(fd, into, 0);
      return Buffer.from(into.subarray(0, got)).toString("hex");
    }),
  ),
);

function outcome(run: Operation, side: Side): unknown {
  try {
    return { value: run(side) ?? null };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return { code };
  }
}

function nodeSide(root: string): Side {
  return {
    at: (text) => `${root}/${text}`,
    fs: {
      ...nodeFs,
      write: (fd, data, position) => nodeFs.writeSync(fd, data, 0, data.length, position),
      read: (fd, data, position) => nodeFs.readSync(fd, data, 0, data.length, position),
      lstat: (where) => nodeFs.lstatSync(where),
      readdir: (where) => nodeFs.readdirSync(where),
      utimes: (where, atime, mtime) => nodeFs.utimesSync(where, atime, mtime),
    },
  };
}

function ourSide(files: () => FileSystem): Side {
  const fs = {
    mkdirSync: (where: string) => files().mkdir(where),
    rmdirSync: (where: string) => files().rmdir(where),
    unlinkSync: (where: string) => files().unlink(where),
    renameSync: (from: string, to: string) => files().rename(from, to),
    linkSync: (from: string, to: string) => files().link(from, to),
    symlinkSync: (target: string, where: string) => files().symlink(target, where),
    readlinkSync: (where: string) => files().readlink(where),
    truncateSync: (where: string, length: number) => files().truncate(where, length),
    openSync: (where: string, flags: string) => files().open(where, flags),
    closeSync: (fd: number) => files().close(fd),
    readFileSync: (where: string) => files().readFile(where),
    chmodSync: (where: string, mode: number) => files().chmod(where, mode),
    write: (fd: number, data: Uint8Array, position: number | null) =>
      files().write(fd, data, 0, data.length, position),
    read: (fd: number, data: Uint8Array, position: number | null) =>
      files().read(fd, data, 0, data.length, position),
    lstat: (where: string) => files().lstat(where),
    readdir: (where: string) => files().readdir(where),
    utimes: (where: string, atime: number, mtime: number) => files().utimes(where, atime, mtime),
  };
  return { at: (text) => `/${text}`, fs: fs as unknown as Side["fs"] };
}

/** Everything that can be read: type, size, links and content of each path. */
function dump(side: Side): unknown[] {
  const all: unknown[] = [];
  const waiting = [""];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of [...side.fs.readdir(side.at(next || "."))].sort()) {
      const where = next === "" ? entry : `${next}/${entry}`;
      const status = side.fs.lstat(side.at(where));
      if (status.isDirectory()) {
        waiting.push(where);
        all.push([where, status.mode]);
      } else if (status.isSymbolicLink()) {
        all.push([where, side.fs.readlinkSync(side.at(where))]);
      } else {
        const content = Buffer.from(side.fs.readFileSync(side.at(where)));
        all.push([where, status.mode, status.nlink, content.toString("base64")]);
      }
    }
  }
  return all;
}

const turn = fc.oneof(
  { weight: 30, arbitrary: fc.oneof(operation, openUnlink).map((run) => ({ run })) },
  { weight: 2, arbitrary: fc.constant("sync" as const) },
  { weight: 1, arbitrary: fc.constant("reopen" as const) },
);

test("any operations give what node:fs gives, also after syncs and re-opens", () => {
  const core = freshCore();
  fc.assert(
    fc.property(fc.array(turn, { minLength: 5, maxLength: 120 }), (turns) => {
      const root = mkdtempSync(join(tmpdir(), "wf-"));
      nodeFs.chmodSync(root, 0o755);
      const device = new MemoryDevice({ size: "24MiB" });
      const id = core.attach(device);
      Region.format(core, id);
      let region = Region.open(core, id);
      const [theirs, ours] = [nodeSide(root), ourSide(() => region.files as FileSystem)];
      try {
        for (const next of turns) {
          if (next === "sync") region.files?.sync();
          else if (next === "reopen") {
            region.close();
            region = Region.open(core, id);
          } else expect(outcome(next.run, ours)).toEqual(outcome(next.run, theirs));
        }
        expect(dump(ours)).toEqual(dump(theirs));
        expect(region.files?.check({ data: true })).toEqual([]);
        region.close();
        region = Region.open(core, id);
        expect(dump(ours)).toEqual(dump(theirs));
        expect(region.files?.check({ data: true })).toEqual([]);
        region.close();
      } finally {
        rmSync(root, { recursive: true, force: true });
        core.detach(id);
      }
    }),
    { numRuns: 300 },
  );
});
