/** Directory and file handles over CAPOSWF1, as the File System standard has them. */
import { beforeEach, describe, expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { type DiskDirectoryHandle, rootHandle } from "../../host/core/handles/handles.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";

let region: Region;
let files: FileSystem;
let root: DiskDirectoryHandle;

beforeEach(() => {
  const core = freshCore();
  const id = core.attach(new MemoryDevice({ size: "8MiB" }));
  Region.format(core, id);
  region = Region.open(core, id);
  files = region.files as FileSystem;
  root = rootHandle(files.promises);
});

/** Name of the error that `promise` rejects with: of DOMException, or TypeError. */
async function nameOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    expect(error instanceof DOMException || error instanceof TypeError).toBe(true);
    return (error as Error).name;
  }
}

const text = async (name: string) => (await (await root.getFileHandle(name)).getFile()).text();

async function collected<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

describe("directories", () => {
  test("handles are got, made and listed", async () => {
    const folder = await root.getDirectoryHandle("a", { create: true });
    const file = await folder.getFileHandle("f", { create: true });
    files.symlink("f", "/a/link");
    files.symlink("none", "/a/dangling");
    expect([folder.kind, folder.name, file.kind, file.name]).toEqual([
      "directory",
      "a",
      "file",
      "f",
    ]);
    expect([root.name, String(root)]).toEqual(["", "[object FileSystemDirectoryHandle]"]);
    expect(await collected(folder.keys())).toEqual(["f", "link"]);
    expect((await collected(root.values())).map(({ kind }) => kind)).toEqual(["directory"]);
    for await (const [name, handle] of root) {
      expect(name).toBe("a");
      expect(await handle.isSameEntry(folder)).toBe(true);
    }
  });

  test("what is not there, and what is of the other kind, has the browsers' names", async () => {
    files.mkdir("/d");
    files.writeFile("/f", "x");
    expect(await nameOf(root.getFileHandle("none"))).toBe("NotFoundError");
    expect(await nameOf(root.getDirectoryHandle("none"))).toBe("NotFoundError");
    expect(await nameOf(root.getFileHandle("d"))).toBe("TypeMismatchError");
    expect(await nameOf(root.getFileHandle("d", { create: true }))).toBe("TypeMismatchError");
    expect(await nameOf(root.getDirectoryHandle("f", { create: true }))).toBe("TypeMismatchError");
    const gone = await root.getDirectoryHandle("d");
    files.rmdir("/d");
    expect(await nameOf(gone.getFileHandle("f", { create: true }))).toBe("NotFoundError");
    expect(await nameOf(collected(gone.keys()))).toBe("NotFoundError");
  });

  test.each(["", ".", "..", "a/b", "a\0"])("%j is no name: TypeError", async (name) => {
    expect(await nameOf(root.getFileHandle(name, { create: true }))).toBe("TypeError");
    expect(await nameOf(root.getDirectoryHandle(name, { create: true }))).toBe("TypeError");
    expect(await nameOf(root.removeEntry(name))).toBe("TypeError");
    expect(files.readdir("/")).toEqual([]);
  });

  test("a name that is too long is a TypeError with the filesystem's error as cause", async () => {
    const made = root.getFileHandle("x".repeat(256), { create: true });
    await expect(made).rejects.toMatchObject({
      name: "TypeError",
      cause: { code: "ENAMETOOLONG" },
    });
  });

  test("removeEntry", async () => {
    files.mkdir("/d/e", { recursive: true });
    files.writeFile("/d/e/f", "x");
    expect(await nameOf(root.removeEntry("none"))).toBe("NotFoundError");
    expect(await nameOf(root.removeEntry("d"))).toBe("InvalidModificationError");
    await root.removeEntry("d", { recursive: true });
    await root.getFileHandle("f", { create: true });
    await root.removeEntry("f");
    expect(files.readdir("/")).toEqual([]);
  });

  test("resolve and isSameEntry", async () => {
    const a = await root.getDirectoryHandle("a", { create: true });
    const b = await a.getDirectoryHandle("b", { create: true });
    const f = await b.getFileHandle("f", { create: true });
    expect(await root.resolve(f)).toEqual(["a", "b", "f"]);
    expect(await a.resolve(f)).toEqual(["b", "f"]);
    expect(await a.resolve(a)).toEqual([]);
    expect(await b.resolve(a)).toBeNull();
    expect(await f.isSameEntry(await b.getFileHandle("f"))).toBe(true);
    expect(await f.isSameEntry(b)).toBe(false);
    const other = rootHandle({ ...files.promises });
    expect(await other.resolve(f)).toBeNull();
    expect(await rootHandle(files.promises).isSameEntry(root)).toBe(true);
  });
});

describe("files", () => {
  test("getFile is a File with content, name and time", async () => {
    files.writeFile("/f.txt", "grüße");
    files.utimes("/f.txt", 5, 1_600_000_000.5);
    const file = await (await root.getFileHandle("f.txt")).getFile();
    expect(file).toBeInstanceOf(File);
    expect([file.name, file.size, file.lastModified]).toEqual(["f.txt", 7, 1_600_000_000_500]);
    files.writeFile("/f.txt", "changed");
    expect(await file.slice(0, 2).text()).toBe("gr");
    const gone = await root.getFileHandle("f.txt");
    files.unlink("/f.txt");
    expect(await nameOf(gone.getFile())).toBe("NotFoundError");
  });

  test("write, seek and truncate do as the standard says", async () => {
    const handle = await root.getFileHandle("f", { create: true });
    const stream = await handle.createWritable();
    await stream.write("hello world");
    await stream.write({ type: "write", position: 6, data: new TextEncoder().encode("W") });
    await stream.seek(11);
    await stream.write(new Blob(["!", "?"]));
    await stream.truncate(12);
    await stream.write("#");
    await stream.write({ type: "seek", position: 15 });
    await stream.write(new Uint8Array([65]).buffer);
    expect(await text("f")).toBe("");
    await stream.close();
    expect(await text("f")).toBe("hello World!#\0\0A");
  });

  test("without keepExistingData a stream begins empty, with it where the file is", async () => {
    files.writeFile("/f", "0123456789", { mode: 0o640 });
    const handle = await root.getFileHandle("f");
    const kept = await handle.createWritable({ keepExistingData: true });
    await kept.write("ab");
    await kept.close();
    expect(await text("f")).toBe("ab23456789");
    expect(files.stat("/f").mode & 0o777).toBe(0o640);
    const empty = await handle.createWritable();
    await empty.write("x");
    await empty.close();
    expect(await text("f")).toBe("x");
  });

  test("an aborted stream, and one that failed, leave the file as it was, and nothing beside it", async () => {
    files.writeFile("/f", "before");
    const handle = await root.getFileHandle("f");
    const aborted = await handle.createWritable();
    await aborted.write("after");
    expect(files.readdir("/").length).toBe(2);
    expect(await collected(root.keys())).toEqual(["f"]);
    await aborted.abort();
    const failed = await handle.createWritable();
    expect(await nameOf(failed.write({ type: "write" }))).toBe("TypeError");
    expect(await nameOf(failed.write("more"))).toBe("TypeError");
    expect(files.readdir("/")).toEqual(["f"]);
    expect(await text("f")).toBe("before");
  });

  test("a stream through a link replaces what the link leads to", async () => {
    files.writeFile("/f", "1");
    files.symlink("f", "/l");
    const stream = await (await root.getFileHandle("l")).createWritable();
    await stream.write("2");
    await stream.close();
    expect(files.readlink("/l")).toBe("f");
    expect(files.readFile("/f", "utf8")).toBe("2");
  });

  test("what is being written cannot be removed, nor written by one who wants it alone", async () => {
    const folder = await root.getDirectoryHandle("d", { create: true });
    const handle = await folder.getFileHandle("f", { create: true });
    const first = await handle.createWritable();
    const second = await handle.createWritable();
    const alone = { mode: "exclusive" } as const;
    expect(await nameOf(handle.createWritable(alone))).toBe("NoModificationAllowedError");
    expect(await nameOf(folder.removeEntry("f"))).toBe("NoModificationAllowedError");
    const whole = root.removeEntry("d", { recursive: true });
    expect(await nameOf(whole)).toBe("NoModificationAllowedError");
    await first.close();
    await second.abort();
    const last = await handle.createWritable(alone);
    expect(await nameOf(handle.createWritable())).toBe("NoModificationAllowedError");
    await last.close();
    await root.removeEntry("d", { recursive: true });
    expect(files.readdir("/")).toEqual([]);
  });

  test("a stream is a WritableStream: a pipe ends it", async () => {
    const handle = await root.getFileHandle("f", { create: true });
    await new Blob(["x".repeat(200_000)]).stream().pipeTo(await handle.createWritable());
    expect(files.stat("/f").size).toBe(200_000);
  });

  test("a full filesystem is a QuotaExceededError, and the file is as before", async () => {
    files.writeFile("/f", "before");
    const stream = await (await root.getFileHandle("f")).createWritable();
    const large = new Uint8Array(1 << 20);
    let name = "none";
    for (let at = 0; at < 10 && name === "none"; at++) name = await nameOf(stream.write(large));
    expect(name).toBe("QuotaExceededError");
    expect(await text("f")).toBe("before");
    expect(files.readdir("/")).toEqual(["f"]);
  });
});
