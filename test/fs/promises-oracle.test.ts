/** Promises of CAPOSWF1 against node:fs/promises: any sequence of calls, same results and codes. */
import type * as nodeSync from "node:fs";
import * as node from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";
import { bytes, path, plainPath, size } from "../support/paths.ts";

/** One of the two: its promises, and its root in front of every path. */
interface Side {
  readonly fs: typeof node;
  readonly root: string;
}

type Act = (fs: typeof node, at: (path: string) => string) => Promise<unknown>;
type HandleAct = (handle: node.FileHandle) => Promise<unknown>;

const encoding = fc.constantFrom(
  "utf8",
  "latin1",
  "hex",
  "base64",
  "base64url",
  "ascii",
  "utf16le",
);
const flags = fc.constantFrom("r+", "w", "wx", "a", "w+", "ax", "a+", "xw", "as");
const mode = fc.integer({ min: 0, max: 0o777 }).map((bits) => bits | 0o700);
const seed = fc.nat(255);
const yes = fc.boolean();

function named<T extends object>(label: string, act: T): T {
  return Object.assign(act, { [fc.toStringMethod]: () => label });
}

/** An act on one path. */
function one(label: string, act: (fs: typeof node, path: string) => Promise<unknown>) {
  return path.map((where) => named<Act>(`${label} ${where}`, (fs, at) => act(fs, at(where))));
}

function two(
  label: string,
  act: (fs: typeof node, from: string, to: string) => Promise<unknown>,
): fc.Arbitrary<Act> {
  return fc
    .tuple(plainPath, plainPath)
    .map(([a, b]) => named(`${label} ${a} ${b}`, (fs, at) => act(fs, at(a), at(b))));
}

function facts(stats: nodeSync.Stats | nodeSync.BigIntStats | undefined) {
  if (stats === undefined) return undefined;
  const { mode, size, nlink } = stats;
  const kind = [stats.isFile(), stats.isDirectory(), stats.isSymbolicLink()];
  // Sizes and links of directories are each filesystem's own.
  return stats.isDirectory() ? { mode, kind } : { mode, size, nlink, kind };
}

const entries = (list: nodeSync.Dirent[]) =>
  list
    .map((entry) => [join(entry.parentPath, "."), entry.name, entry.isFile(), entry.isDirectory()])
    .sort((a, b) => (`${a[0]}/${a[1]}` < `${b[0]}/${b[1]}` ? -1 : 1));

/** Not of a directory: before it says EISDIR, Node's removes the file that it was to replace. */
async function copyFile(fs: typeof node, from: string, to: string, mode = 0) {
  if ((await fs.stat(from)).isDirectory()) return "a directory";
  return fs.copyFile(from, to, mode);
}

async function* halves(content: Uint8Array) {
  yield content.subarray(0, content.length >> 1);
  yield content.subarray(content.length >> 1);
}

/** Paths without dots, and a source that is there: in what order Node finds the two is chance. */
const treePath = plainPath.map((text) => text.replace(/(^|\/)\.\.?(?=\/|$)/g, "$1a"));

function copied(label: string, options: Parameters<typeof node.cp>[2]): fc.Arbitrary<Act> {
  return fc.tuple(treePath, treePath).map(([from, to]) =>
    named(`cp ${label} ${from} ${to}`, async (fs, at) => {
      await fs.lstat(at(from));
      await fs.cp(at(from), at(to), options);
    }),
  );
}

const tree = fc.oneof(
  one("mkdir", (fs, where) => fs.mkdir(where)),
  one("mkdir -p", (fs, where) => fs.mkdir(where, { recursive: true })),
  one("rmdir", (fs, where) => fs.rmdir(where)),
  one("unlink", (fs, where) => fs.unlink(where)),
  one("rm", (fs, where) => fs.rm(where)),
  one("rm -f", (fs, where) => fs.rm(where, { force: true, maxRetries: 2 })),
  one("rm -r", (fs, where) =>
    // What is left of a directory that removes itself from below is each one's own.
    where.endsWith("..") ? fs.lstat(where).then(facts) : fs.rm(where, { recursive: true }),
  ),
  one("readlink", (fs, where) => fs.readlink(where, "buffer")),
  one("realpath", (fs, where) => fs.realpath(where)),
  one("access", (fs, where) => fs.access(where, fs.constants.R_OK | fs.constants.W_OK)),
  one("access x", (fs, where) => fs.access(where, fs.constants.X_OK)),
  one("stat", async (fs, where) => facts(await fs.stat(where))),
  one("lstat", async (fs, where) => facts(await fs.lstat(where))),
  one("stat big", async (fs, where) => facts(await fs.stat(where, { bigint: true }))),
  one("readdir", async (fs, where) => (await fs.readdir(where)).sort()),
  one("readdir buffer", async (fs, where) => (await fs.readdir(where, "buffer")).sort()),
  one("readdir types", async (fs, where) =>
    entries(await fs.readdir(where, { withFileTypes: true, recursive: true })),
  ),
  one("opendir", async (fs, where) => {
    const all: nodeSync.Dirent[] = [];
    for await (const entry of await fs.opendir(where, { recursive: true })) all.push(entry);
    return entries(all);
  }),
  one("statfs", async (fs, where) => typeof (await fs.statfs(where, { bigint: true })).bfree),
  one("utimes", async (fs, where) => {
    await fs.utimes(where, 12.5, new Date(99_000));
    const { atimeMs, mtimeMs } = await fs.stat(where);
    return [atimeMs, mtimeMs];
  }),
  one("lutimes", async (fs, where) => {
    await fs.lutimes(where, 7, 8.25);
    return (await fs.lstat(where)).mtimeMs;
  }),
  one("mkdtemp", async (fs, where) => {
    const made = await fs.mkdtemp(where);
    await fs.rmdir(made);
    return made.length - where.length;
  }),
  fc
    .tuple(path, mode)
    .map(([p, bits]) => named<Act>(`chmod ${p}`, (fs, at) => fs.chmod(at(p), bits))),
  fc
    .tuple(plainPath, plainPath)
    .map(([p, q]) => named<Act>(`symlink ${p} ${q}`, (fs, at) => fs.symlink(p, at(q)))),
  two("link", (fs, from, to) => fs.link(from, to)),
  two("rename", (fs, from, to) => fs.rename(from, to)),
);

const copies = fc.oneof(
  two("copyFile", (fs, from, to) => copyFile(fs, from, to)),
  two("copyFile x", (fs, from, to) => copyFile(fs, from, to, fs.constants.COPYFILE_EXCL)),
  fc
    .record({
      recursive: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
      force: yes,
      errorOnExist: yes,
      dereference: yes,
      preserveTimestamps: yes,
      verbatimSymlinks: yes,
    })
    .chain(({ dereference, verbatimSymlinks, ...rest }) => {
      // Node refuses both at once.
      const options = { ...rest, dereference, verbatimSymlinks: verbatimSymlinks && !dereference };
      const set = Object.entries(options).flatMap(([name, value]) => (value ? [name] : []));
      return copied(set.join(" "), options);
    }),
  copied("filtered", { recursive: true, filter: async (name) => !name.endsWith("b") }),
);

const content = fc.oneof(
  one("readFile", (fs, where) => fs.readFile(where)),
  fc
    .tuple(path, encoding)
    .map(([p, kind]) =>
      named<Act>(`readFile ${p} ${kind}`, (fs, at) => fs.readFile(at(p), { encoding: kind })),
    ),
  fc
    .tuple(path, encoding, fc.string())
    .map(([p, kind, text]) =>
      named<Act>(`writeFile ${p} ${kind} ${JSON.stringify(text)}`, (fs, at) =>
        fs.writeFile(at(p), text, kind),
      ),
    ),
  fc
    .tuple(path, flags, size, seed, mode)
    .map(([p, flag, length, from, bits]) =>
      named<Act>(`writeFile ${p} ${flag} ${length}`, (fs, at) =>
        fs.writeFile(at(p), bytes(length, from), { flag, mode: bits & ~0o022 }),
      ),
    ),
  fc
    .tuple(path, size, seed)
    .map(([p, length, from]) =>
      named<Act>(`writeFile pieces ${p} ${length}`, (fs, at) =>
        fs.writeFile(at(p), halves(bytes(length, from))),
      ),
    ),
  fc
    .tuple(path, size, seed)
    .map(([p, length, from]) =>
      named<Act>(`appendFile ${p} ${length}`, (fs, at) =>
        fs.appendFile(at(p), bytes(length, from)),
      ),
    ),
  fc
    .tuple(path, size)
    .map(([p, length]) =>
      named<Act>(`truncate ${p} ${length}`, (fs, at) => fs.truncate(at(p), length)),
    ),
  one("readFile aborted", (fs, where) => fs.readFile(where, { signal: AbortSignal.abort() })),
);

const position = fc.oneof(size, fc.constant(null));

const onHandle: fc.Arbitrary<HandleAct> = fc.oneof(
  fc.tuple(size, position).map(([length, at]) =>
    named<HandleAct>(`read ${length} ${at}`, async (handle) => {
      const buffer = new Uint8Array(length + 1);
      return handle.read(buffer, 0, length, at);
    }),
  ),
  fc.tuple(size, position).map(([length, at]) =>
    named<HandleAct>(`read options ${length} ${at}`, async (handle) => {
      const { bytesRead, buffer } = await handle.read({
        buffer: new Uint16Array(length + 1),
        offset: 1,
        position: at,
      });
      return [bytesRead, buffer];
    }),
  ),
  fc
    .tuple(size, size, position)
    .map(([first, second, at]) =>
      named<HandleAct>(`readv ${first} ${second} ${at}`, (handle) =>
        handle.readv([new Uint8Array(first), new Uint8Array(second)], at ?? undefined),
      ),
    ),
  fc
    .tuple(size, seed, position)
    .map(([length, from, at]) =>
      named<HandleAct>(`write ${length} ${at}`, (handle) =>
        handle.write(bytes(length + 2, from), 1, length, at),
      ),
    ),
  fc
    // Half a byte of hex is a wrong argument to Node here, though not in writeFile.
    .tuple(
      fc.string(),
      position,
      encoding.filter((kind) => kind !== "hex"),
    )
    .map(([text, at, kind]) =>
      named<HandleAct>(`write text ${JSON.stringify(text)} ${at} ${kind}`, (handle) =>
        handle.write(text, at, kind),
      ),
    ),
  fc
    .tuple(size, size, position)
    .map(([first, second, at]) =>
      named<HandleAct>(`writev ${first} ${second} ${at}`, (handle) =>
        handle.writev([bytes(first, 1), bytes(second, 2)], at ?? undefined),
      ),
    ),
  fc
    .tuple(size, seed)
    .map(([length, from]) =>
      named<HandleAct>(`appendFile ${length}`, (handle) => handle.appendFile(bytes(length, from))),
    ),
  fc
    .tuple(size, seed)
    .map(([length, from]) =>
      named<HandleAct>(`writeFile ${length}`, (handle) =>
        handle.writeFile(halves(bytes(length, from)) as unknown as string),
      ),
    ),
  size.map((length) => named<HandleAct>(`truncate ${length}`, (handle) => handle.truncate(length))),
  mode.map((bits) => named<HandleAct>("chmod", (handle) => handle.chmod(bits))),
  fc.constantFrom<HandleAct>(
    named("readFile", (handle) => handle.readFile()),
    named("readFile hex", (handle) => handle.readFile("hex")),
    named("stat", async (handle) => facts(await handle.stat())),
    named("utimes", async (handle) => {
      await handle.utimes(5, 6.5);
      return (await handle.stat()).mtimeMs;
    }),
    named("sync", (handle) => handle.sync()),
    named("datasync", (handle) => handle.datasync()),
    named("chown", async (handle) => {
      const { uid, gid } = await handle.stat();
      return handle.chown(uid, gid);
    }),
    named("write stream", async (handle) => {
      // Node calls the -1 of a closed one out of range.
      if (handle.fd < 0) return "closed";
      const stream = handle.createWriteStream({ start: 100 });
      stream.write(bytes(5000, 1));
      await new Promise<void>((resolve, reject) =>
        stream.once("error", reject).once("close", resolve).end("end"),
      );
    }),
    named("read stream", async (handle) => {
      const parts: Buffer[] = [];
      if (handle.fd < 0) return "closed";
      const stream = handle.createReadStream({ start: 3, end: 3000 });
      for await (const part of stream) parts.push(part as Buffer);
      return Buffer.concat(parts);
    }),
    named("close", (handle) => handle.close()),
  ),
);

const handles = fc
  .tuple(plainPath, flags, fc.array(onHandle, { maxLength: 6 }))
  .map(([p, flag, acts]) =>
    named<Act>(
      `open ${p} ${flag}: ${acts.map((act) => fc.stringify(act)).join(", ")}`,
      async (fs, at) => {
        const handle = await fs.open(at(p), flag);
        const results: unknown[] = [];
        try {
          for (const act of acts) results.push(await outcome(() => act(handle), ""));
        } finally {
          await handle.close();
        }
        return results;
      },
    ),
  );

/** What came of it, without the root that stands in front of every path. */
async function outcome(act: () => Promise<unknown>, root: string): Promise<unknown> {
  try {
    return { value: plain(await act(), root) };
  } catch (error) {
    const { code, name } = error as { code?: string; name: string };
    if (code === undefined) throw error;
    return { code, isAbort: name === "AbortError" };
  }
}

/** Bytes as hex with their class, text without the root. */
function plain(value: unknown, root: string): unknown {
  if (typeof value === "string") {
    return root !== "" && value.startsWith(root) ? value.slice(root.length) || "/" : value;
  }
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return `${value.constructor.name} ${Buffer.from(buffer, byteOffset, byteLength).toString("hex")}`;
  }
  if (Array.isArray(value)) return value.map((item) => plain(item, root));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item, root)]));
}

/** Every path with its facts and content. Node follows links in a recursive listing of names. */
async function dump({ fs, root }: Side): Promise<unknown> {
  const rows: unknown[] = [];
  const all = await fs.readdir(root || "/", { recursive: true, withFileTypes: true });
  for (const where of all.map(({ parentPath, name }) => join(parentPath, name)).sort()) {
    const stats = await fs.lstat(where);
    const link = stats.isSymbolicLink() ? plain(await fs.readlink(where), root) : undefined;
    const whole = stats.isFile() ? (await fs.readFile(where)).toString("base64") : undefined;
    rows.push([plain(where, root), facts(stats), link, whole]);
  }
  return rows;
}

const act = fc.oneof(
  { weight: 8, arbitrary: tree },
  { weight: 3, arbitrary: copies },
  { weight: 4, arbitrary: content },
  { weight: 4, arbitrary: handles },
);

test("any calls give what node:fs/promises gives, also after a re-open", async () => {
  const core = freshCore();
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 60 }), async (acts) => {
      const root = await node.mkdtemp(join(tmpdir(), "wf-"));
      await node.chmod(root, 0o755);
      const device = new MemoryDevice({ size: "24MiB" });
      const id = core.attach(device);
      Region.format(core, id);
      let region = Region.open(core, id);
      const ours = (): Side => ({
        fs: (region.files as FileSystem).promises as unknown as typeof node,
        root: "",
      });
      const theirs = { fs: node, root };
      const run = (side: Side, next: Act) =>
        outcome(() => next(side.fs, (text) => `${side.root}/${text}`), side.root);
      try {
        for (const next of acts) expect(await run(ours(), next)).toEqual(await run(theirs, next));
        expect(await dump(ours())).toEqual(await dump(theirs));
        region.close();
        region = Region.open(core, id);
        expect(await dump(ours())).toEqual(await dump(theirs));
        expect(region.files?.check({ data: true })).toEqual([]);
        region.close();
      } finally {
        await node.rm(root, { recursive: true, force: true });
        core.detach(id);
      }
    }),
    { numRuns: 60 },
  );
});
