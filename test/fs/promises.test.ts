/** The promises of a filesystem against node:fs/promises: same shapes, same values, same codes. */
import * as node from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { createPromises } from "../../host/core/node/async/promises.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";

const core = freshCore();
const id = core.attach(new MemoryDevice({ size: "16MiB" }));
Region.format(core, id);
const region = Region.open(core, id);
const files = region.files as FileSystem;
const ours = files.promises as unknown as typeof node;
let root = "";

beforeAll(async () => {
  root = await node.mkdtemp(join(tmpdir(), "wf-"));
});
afterAll(() => node.rm(root, { recursive: true }));

type Act = (fs: typeof node, base: string) => Promise<unknown>;

/** The value both give, or the code both throw. */
async function same(act: Act): Promise<unknown> {
  const run = async (fs: typeof node, base: string) => {
    try {
      return { value: await act(fs, base) };
    } catch (error) {
      const { code, syscall } = error as { code?: string; syscall?: string };
      if (code === undefined) throw error;
      return { code, syscall };
    }
  };
  const theirs = await run(node, root);
  expect(await run(ours, "")).toEqual(theirs);
  return "value" in theirs ? theirs.value : theirs.code;
}

describe("like node:fs/promises", () => {
  test.each<[string, Act]>([
    [
      "mkdir recursive answers the first one made",
      async (fs, base) =>
        (await fs.mkdir(`${base}/a/b/c`, { recursive: true }))?.slice(base.length),
    ],
    [
      "mkdir recursive of what is there",
      (fs, base) => fs.mkdir(`${base}/a/b`, { recursive: true }),
    ],
    ["mkdir of what is there", (fs, base) => fs.mkdir(`${base}/a`)],
    [
      "writeFile and readFile",
      async (fs, base) => {
        await fs.writeFile(`${base}/a/t`, "grüße");
        return fs.readFile(`${base}/a/t`, "utf8");
      },
    ],
    [
      "appendFile",
      async (fs, base) => {
        await fs.appendFile(`${base}/a/t`, "!");
        return fs.readFile(`${base}/a/t`, { encoding: "hex" });
      },
    ],
    ["a flag of writeFile", (fs, base) => fs.writeFile(`${base}/a/t`, "x", { flag: "wx" })],
    ["readFile of nothing", (fs, base) => fs.readFile(`${base}/none`)],
    ["readFile of a directory", (fs, base) => fs.readFile(`${base}/a`)],
    ["access", (fs, base) => fs.access(`${base}/a/t`)],
    ["access of nothing", (fs, base) => fs.access(`${base}/none`)],
    [
      "copyFile",
      async (fs, base) => {
        await fs.copyFile(`${base}/a/t`, `${base}/a/u`);
        return fs.readFile(`${base}/a/u`, "utf8");
      },
    ],
    ["copyFile exclusive", (fs, base) => fs.copyFile(`${base}/a/t`, `${base}/a/u`, 1)],
    [
      "symlink, readlink, realpath",
      async (fs, base) => {
        await fs.symlink("t", `${base}/a/l`);
        return [await fs.readlink(`${base}/a/l`), (await fs.realpath(`${base}/a/l`)).slice(-4)];
      },
    ],
    ["readdir", async (fs, base) => (await fs.readdir(`${base}/a`)).sort()],
    [
      "readdir recursive",
      async (fs, base) => (await fs.readdir(base || "/", { recursive: true })).sort(),
    ],
    [
      "readdir with types",
      async (fs, base) =>
        (await fs.readdir(`${base}/a`, { withFileTypes: true }))
          .map((entry) => [entry.name, entry.isFile(), entry.isDirectory(), entry.isSymbolicLink()])
          .sort(),
    ],
    [
      "opendir",
      async (fs, base) => {
        const names: string[] = [];
        for await (const entry of await fs.opendir(`${base}/a`)) names.push(entry.name);
        return names.sort();
      },
    ],
    [
      "stat",
      async (fs, base) => {
        const status = await fs.stat(`${base}/a/t`);
        return [status.size, status.mode, status.nlink, status.isFile()];
      },
    ],
    ["lstat of a link", async (fs, base) => (await fs.lstat(`${base}/a/l`)).isSymbolicLink()],
    [
      "stat with bigint",
      async (fs, base) => {
        const status = await fs.stat(`${base}/a/t`, { bigint: true });
        return [status.size, typeof status.mtimeNs];
      },
    ],
    [
      "utimes",
      async (fs, base) => {
        await fs.utimes(`${base}/a/t`, 12.5, new Date(99_000));
        const { atimeMs, mtimeMs } = await fs.stat(`${base}/a/t`);
        return [atimeMs, mtimeMs];
      },
    ],
    [
      "chmod",
      async (fs, base) => {
        await fs.chmod(`${base}/a/t`, "600");
        return (await fs.stat(`${base}/a/t`)).mode;
      },
    ],
    [
      "truncate",
      async (fs, base) => {
        await fs.truncate(`${base}/a/t`, 3);
        return fs.readFile(`${base}/a/t`, "latin1");
      },
    ],
    [
      "link and unlink",
      async (fs, base) => {
        await fs.link(`${base}/a/t`, `${base}/a/h`);
        await fs.unlink(`${base}/a/t`);
        return (await fs.stat(`${base}/a/h`)).nlink;
      },
    ],
    [
      "rename",
      async (fs, base) => {
        await fs.rename(`${base}/a/h`, `${base}/a/t`);
        return (await fs.readdir(`${base}/a`)).sort();
      },
    ],
    [
      "a file handle",
      async (fs, base) => {
        const handle = await fs.open(`${base}/a/fh`, "w+");
        await handle.write(new TextEncoder().encode("hello"), 0, 5, 3);
        await handle.write(" world", 8);
        const { bytesRead, buffer } = await handle.read(new Uint8Array(20), 0, 20, 0);
        await handle.truncate(12);
        const { size } = await handle.stat();
        await handle.sync();
        await handle.close();
        return [bytesRead, Buffer.from(buffer).toString("hex"), size];
      },
    ],
    [
      "readFile of a file handle goes on where it stands",
      async (fs, base) => {
        const handle = await fs.open(`${base}/a/fh`);
        await handle.read(new Uint8Array(4), 0, 4, null);
        const rest = await handle.readFile("utf8");
        await handle.close();
        return rest;
      },
    ],
    ["rmdir of a directory with entries", (fs, base) => fs.rmdir(`${base}/a`)],
    ["rm of nothing", (fs, base) => fs.rm(`${base}/none`).catch((error) => error.code)],
    ["rm of nothing by force", (fs, base) => fs.rm(`${base}/none`, { force: true })],
    [
      "rm recursive",
      async (fs, base) => {
        await fs.rm(`${base}/a`, { recursive: true });
        return fs.readdir(base || "/");
      },
    ],
    ["mkdtemp", async (fs, base) => (await fs.mkdtemp(`${base}/t-`)).slice(base.length).length],
  ])("%s", async (_, act) => {
    await same(act);
  });
});

test("promises is an own enumerable property", () => {
  expect(Object.keys(files)).toContain("promises");
});

test("a closed file handle answers EBADF", async () => {
  const handle = await files.promises.open("/x", "w");
  await handle.close();
  await expect(handle.stat()).rejects.toMatchObject({ code: "EBADF", path: "/x" });
});

test("errors carry code, errno, syscall, path and dest", () => {
  expect(() => files.stat("/none")).toThrow(
    expect.objectContaining({ code: "ENOENT", errno: -2, syscall: "stat", path: "/none" }),
  );
  expect(() => files.rename("/none", "/b")).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "rename", path: "/none", dest: "/b" }),
  );
});

test("settle is awaited after each change and after no read", async () => {
  let settled = 0;
  const promises = createPromises(files, {
    settle: async () => {
      settled += 1;
    },
  });
  await promises.writeFile("/s", "x");
  await promises.rename("/s", "/r");
  expect(settled).toBe(2);
  await promises.readFile("/r");
  await promises.stat("/r");
  expect(settled).toBe(2);
});
