/** CAPOSWF1 at its edges: tiny and nearly full regions, large blocks, many extents, read-only. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore } from "../support/core.ts";

const core = freshCore();

function mounted(size: string, options: { blkSize?: 512 | 4096; logSectors?: number } = {}) {
  const { blkSize = 512, logSectors } = options;
  const device = new MemoryDevice({ size, blkSize });
  const id = core.attach(device);
  Region.format(core, id, { logSectors });
  const region = Region.open(core, id);
  return { device, id, region, files: region.files as FileSystem };
}

function bytes(length: number, seed = 1): Uint8Array {
  return new Uint8Array(length).map((_, at) => (at * 31 + seed + (at >>> 8)) & 255);
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return "OK";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

test.each(["2MiB", "3MiB", "6MiB"])(
  "any operations on a full region of %s: nothing is lost",
  (size) => {
    const turn = fc.record({
      kind: fc.constantFrom("write", "write", "append", "cut", "unlink", "rename", "mkdir", "sync"),
      a: fc.nat(12),
      b: fc.nat(12),
      n: fc.integer({ min: 0, max: 150_000 }),
    });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 20, maxLength: 80 }), (turns) => {
        const { id, region, files } = mounted(size, { logSectors: 128 });
        const model = new Map<string, Uint8Array>();
        for (const { kind, a, b, n } of turns) {
          const path = `/f${a}`;
          const code = codeOf(() => turnOnce(files, model, kind, path, `/f${b}`, n));
          expect(["OK", "ENOSPC", "ENOENT", "EISDIR", "EEXIST", "ENOTDIR"]).toContain(code);
        }
        files.sync();
        for (const [path, content] of model) {
          expect(Buffer.compare(files.readFile(path), content), path).toBe(0);
        }
        expect(files.check({ data: true })).toEqual([]);
        for (const name of files.readdir("/")) files.rm(`/${name}`, { recursive: true });
        files.sync();
        expect(files.check({ data: true })).toEqual([]);
        region.close();
        expect(Region.verify(core, id)).toEqual([]);
        core.detach(id);
      }),
      { numRuns: 25 },
    );
  },
);

/** One turn; the model follows only what has happened. */
function turnOnce(
  files: FileSystem,
  model: Map<string, Uint8Array>,
  kind: string,
  path: string,
  other: string,
  n: number,
): void {
  const old = model.get(path) ?? new Uint8Array(0);
  if (kind === "write" || kind === "append") {
    const fd = files.open(path, kind === "write" ? "w" : "a");
    const base = kind === "write" ? new Uint8Array(0) : old;
    model.set(path, base);
    try {
      const data = bytes(n, n);
      const put = files.write(fd, data);
      const whole = new Uint8Array(base.length + put);
      whole.set(base);
      whole.set(data.subarray(0, put), base.length);
      model.set(path, whole);
    } finally {
      files.close(fd);
    }
  } else if (kind === "cut") {
    const length = n % (old.length + 1);
    files.truncate(path, length);
    model.set(path, old.slice(0, length));
  } else if (kind === "unlink") {
    files.unlink(path);
    model.delete(path);
  } else if (kind === "rename") {
    files.rename(path, other);
    if (path === other) return;
    model.delete(other);
    if (model.has(path)) model.set(other, old);
    model.delete(path);
  } else if (kind === "mkdir") {
    files.mkdir(path);
  } else {
    files.sync();
  }
}

test("blocks of 4096 bytes hold the same filesystem", () => {
  const { id, region, files } = mounted("16MiB", { blkSize: 4096 });
  files.mkdir("/d");
  for (let at = 0; at < 50; at++) files.writeFile(`/d/${at}`, bytes(at * 997, at));
  region.close();
  const again = Region.open(core, id);
  for (let at = 0; at < 50; at++) {
    expect(
      Buffer.compare((again.files as FileSystem).readFile(`/d/${at}`), bytes(at * 997, at)),
    ).toBe(0);
  }
  expect(again.files?.check({ data: true })).toEqual([]);
});

test("9,000 extents are cut in steps, and reclaimed", () => {
  const { files, region, id } = mounted("64MiB");
  const fd = files.open("/f", "w+");
  const page = bytes(4096);
  for (let at = 0; at < 9000; at++) files.write(fd, page, 0, 4096, at * 8192);
  files.sync();
  expect(files.fstat(fd).blocks).toBe(72_000);
  files.ftruncate(fd, 100);
  expect(files.fstat(fd).size).toBe(100);
  expect(files.fstat(fd).blocks).toBe(8);
  const into = new Uint8Array(200);
  expect(files.read(fd, into, 0, 200, 0)).toBe(100);
  expect(Buffer.compare(into.subarray(0, 100), page.subarray(0, 100))).toBe(0);
  for (let at = 1; at < 9000; at++) files.write(fd, page, 0, 4096, at * 8192);
  files.close(fd);
  files.unlink("/f");
  expect(files.statfs().files).toBe(1);
  files.sync();
  expect(files.check()).toEqual([]);
  region.close();
  expect(Region.verify(core, id)).toEqual([]);
});

test("a region opened read-only reads, and answers EROFS to every change", () => {
  const { id, region, files, device } = mounted("16MiB");
  files.writeFile("/f", bytes(10_000));
  region.close();
  const before = Buffer.from(device.bytes());
  const reader = Region.open(core, id, { readOnly: true });
  const found = reader.files as FileSystem;
  expect(Buffer.compare(found.readFile("/f"), bytes(10_000))).toBe(0);
  expect(found.readOnly).toBe(true);
  const changes: readonly (() => unknown)[] = [
    () => found.writeFile("/g", "x"),
    () => found.truncate("/f", 1),
    () => found.mkdir("/d"),
    () => found.unlink("/f"),
    () => found.rename("/f", "/g"),
    () => found.chmod("/f", 0o600),
    () => found.setControl(new Uint8Array(128)),
    () => found.records.setPointer("p", new Uint8Array(1)),
    () => found.records.clearBadMark(new Uint8Array(32)),
    () => found.access("/f", 2),
  ];
  expect(changes.map(codeOf)).toEqual(changes.map(() => "EROFS"));
  found.sync();
  reader.close();
  expect(Buffer.compare(before, device.bytes())).toBe(0);
});
