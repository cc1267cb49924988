/** CAPOSWF1: what a filesystem must keep when space, devices and processes end. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { freshCore } from "../support/core.ts";

const core = freshCore();

interface Mounted {
  readonly device: MemoryDevice;
  readonly trace: TraceDevice;
  readonly id: number;
  region: Region;
  files: FileSystem;
}

function mounted(size = "16MiB", options: { logSectors?: number } = {}): Mounted {
  const device = new MemoryDevice({ size });
  const trace = new TraceDevice(device);
  const id = core.attach(trace);
  Region.format(core, id, options);
  const region = Region.open(core, id);
  return { device, trace, id, region, files: region.files as FileSystem };
}

function reopen(place: Mounted): void {
  place.region.close();
  place.region = Region.open(core, place.id);
  place.files = place.region.files as FileSystem;
}

/** What another process would find: a copy of the device as it is now, mounted. */
function afterCrash<T>(device: MemoryDevice, use: (files: FileSystem) => T): T {
  const id = core.attach(device.clone());
  const region = Region.open(core, id);
  try {
    return use(region.files as FileSystem);
  } finally {
    region.close();
    core.detach(id);
  }
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return "OK";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

function bytes(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at++) out[at] = (at * 31 + seed + (at >>> 8)) & 255;
  return out;
}

/** Every path with its kind and content. */
function dump(files: FileSystem): Record<string, string> {
  const all: Record<string, string> = {};
  for (const entry of files.readdir("/", { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath === "/" ? "" : entry.parentPath}/${entry.name}`;
    const { mode, nlink } = files.lstat(path);
    const content = entry.isFile()
      ? Buffer.from(files.readFile(path)).toString("base64")
      : entry.isSymbolicLink()
        ? files.readlink(path)
        : "";
    all[path] =
      `${mode.toString(8)} ${nlink} ${content} ${files.listXattrs(path, { follow: false })}`;
  }
  return all;
}

describe("content", () => {
  test("sequential writes of 1 MiB do not cost a request for each page", () => {
    const { files, trace } = mounted("64MiB");
    const fd = files.open("/big", "w");
    const block = bytes(1 << 20);
    files.write(fd, block);
    files.sync();
    trace.reset();
    for (let count = 0; count < 8; count++) files.write(fd, block);
    files.sync();
    expect(trace.counts.writes).toBeLessThan(150);
    files.close(fd);
    trace.reset();
    expect(files.readFile("/big").length).toBe(9 << 20);
    expect(trace.counts.reads).toBeLessThan(60);
  });

  test("small sequential writes are gathered", () => {
    const { files, trace } = mounted();
    const fd = files.open("/log", "a");
    files.write(fd, bytes(3000));
    files.sync();
    trace.reset();
    for (let count = 0; count < 200; count++) files.write(fd, bytes(100, count));
    files.sync();
    expect(trace.counts.writes).toBeLessThan(25);
    expect(files.stat("/log").size).toBe(23_000);
  });

  test("holes read as zeros and take no pages", () => {
    const { files } = mounted();
    const fd = files.open("/sparse", "w+");
    files.write(fd, "end", 0, 3, 5_000_000_000);
    expect(files.fstat(fd).size).toBe(5_000_000_003);
    expect(files.fstat(fd).blocks).toBe(8);
    const into = bytes(9000);
    expect(files.read(fd, into, 0, 9000, 4_999_995_000)).toBe(5003);
    expect(into.subarray(0, 5000).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.from(into.subarray(5000, 5003)).toString()).toBe("end");
    files.ftruncate(fd, 4_999_999_999);
    files.ftruncate(fd, 5_000_000_100);
    expect(files.read(fd, into, 0, 9000, 4_999_999_990)).toBe(110);
    expect(into.subarray(0, 110).every((byte) => byte === 0)).toBe(true);
    files.close(fd);
    expect(files.check({ data: true })).toEqual([]);
  });

  test("a file ends at 2^44 bytes", () => {
    const { files } = mounted();
    const fd = files.open("/f", "w");
    expect(codeOf(() => files.ftruncate(fd, 2 ** 44 + 1))).toBe("EFBIG");
    files.ftruncate(fd, 2 ** 44);
    expect(codeOf(() => files.write(fd, "x", 0, 1, 2 ** 44))).toBe("EFBIG");
    expect(files.write(fd, "xyz", 0, 3, 2 ** 44 - 2)).toBe(2);
    files.ftruncate(fd, 0);
    files.close(fd);
    expect(files.check()).toEqual([]);
  });

  test("a damaged page is EBADMSG for its own range alone, and check names it", () => {
    const place = mounted();
    place.files.writeFile("/f", bytes(300_000));
    reopen(place);
    const at = Buffer.from(place.device.bytes()).indexOf(bytes(300_000).subarray(40_960, 45_056));
    place.device.flip(at * 8 + 5);
    const { files } = place;
    const fd = files.open("/f");
    const into = new Uint8Array(300_000);
    expect(files.read(fd, into, 0, 300_000, 0)).toBe(40_960);
    expect(codeOf(() => files.read(fd, into, 0, 10, 41_000))).toBe("EBADMSG");
    expect(codeOf(() => files.read(fd, into, 0, 4096, 40_960))).toBe("EBADMSG");
    expect(files.read(fd, into, 0, 300_000, 45_056)).toBe(300_000 - 45_056);
    expect(files.check()).toEqual([]);
    expect(files.check({ data: true })).toMatchObject([
      { code: "EBADMSG", path: "/f", lba: at / 512, offset: 40_960, length: 4096 },
    ]);
    expect(codeOf(() => files.write(fd, "x", 0, 1, 0))).toBe("EBADF");
    files.close(fd);
    files.writeFile("/f", bytes(300_000, 2));
    expect(files.check({ data: true })).toEqual([]);
  });
});

describe("names", () => {
  test("5,000 entries come in order, page by page", () => {
    const { files } = mounted();
    const names = Array.from({ length: 5000 }, (_, at) => `file-${(at * 7919) % 5000}`);
    files.mkdir("/d");
    for (const name of names) files.writeFile(`/d/${name}`, name);
    expect(files.readdir("/d")).toEqual([...names].sort());
    expect(files.stat("/d").size).toBe(5000);
    files.rm("/d", { recursive: true });
    expect(files.readdir("/")).toEqual([]);
    files.sync();
    expect(files.check({ data: true })).toEqual([]);
  });

  test("a directory stands at most 256 names deep, also by rename", () => {
    const { files } = mounted();
    files.mkdir("/d".repeat(256), { recursive: true });
    expect(codeOf(() => files.mkdir("/d".repeat(257)))).toBe("ENAMETOOLONG");
    files.mkdir("/x/y/z", { recursive: true });
    files.rename("/x", `${"/d".repeat(253)}/x`);
    files.mkdir("/x/y/z", { recursive: true });
    expect(codeOf(() => files.rename("/x", `${"/d".repeat(254)}/x`))).toBe("ENAMETOOLONG");
    expect(files.check()).toEqual([]);
  });

  test.each([
    ["a name of 256 bytes", () => "x".repeat(256), "ENAMETOOLONG"],
    ["a name that is not UTF-8", () => new Uint8Array([0x61, 0xff]), "EILSEQ"],
  ])("%s is refused", (_, name, code) => {
    const { files } = mounted();
    expect(codeOf(() => files.mkdir(name()))).toBe(code);
  });

  test("attributes keep their limits and leave with the file", () => {
    const { files } = mounted();
    files.writeFile("/f", "x");
    for (let at = 0; at < 64; at++) files.setXattr("/f", `user.${at}`, bytes(1024, at));
    expect(codeOf(() => files.setXattr("/f", "user.64", bytes(1)))).toBe("ENOSPC");
    expect(codeOf(() => files.setXattr("/f", "user.0", bytes(1025)))).toBe("E2BIG");
    expect(codeOf(() => files.setXattr("/f", "x".repeat(256), bytes(1)))).toBe("ERANGE");
    expect(codeOf(() => files.setXattr("/f", "user.1", bytes(1), { create: true }))).toBe("EEXIST");
    expect(codeOf(() => files.setXattr("/f", "no", bytes(1), { replace: true }))).toBe("ENODATA");
    expect(codeOf(() => files.getXattr("/f", "no"))).toBe("ENODATA");
    expect(files.getXattr("/f", "user.9")).toEqual(bytes(1024, 9));
    expect(files.listXattrs("/f").length).toBe(64);
    files.removeXattr("/f", "user.9");
    expect(files.listXattrs("/f")).not.toContain("user.9");
    expect(files.check()).toEqual([]);
    files.unlink("/f");
    files.sync();
    expect(files.check()).toEqual([]);
    expect(files.statfs().files).toBe(1);
  });
});

describe("open and removed", () => {
  test("the space of a file that is open comes back when it is closed", () => {
    const { files } = mounted();
    const fd = files.open("/f", "w+");
    files.write(fd, bytes(500_000));
    files.unlink("/f");
    files.sync();
    expect(files.readdir("/")).toEqual([]);
    expect(files.check()).toEqual([]);
    const into = new Uint8Array(500_000);
    expect(files.read(fd, into, 0, into.length, 0)).toBe(500_000);
    expect(Buffer.compare(into, bytes(500_000))).toBe(0);
    expect(files.fstat(fd).nlink).toBe(0);
    expect(files.statfs().files).toBe(2);
    files.close(fd);
    expect(files.statfs().files).toBe(1);
    expect(files.check()).toEqual([]);
  });

  test("a crash with removed files open: the next mount frees them with its first change", () => {
    const { files, device } = mounted();
    const fd = files.open("/f", "w+");
    files.write(fd, bytes(500_000));
    files.unlink("/f");
    files.sync();
    afterCrash(device, (found) => {
      expect(found.check({ data: true })).toEqual([]);
      expect(found.statfs().files).toBe(2);
      found.mkdir("/d");
      expect(found.statfs().files).toBe(2);
      expect(found.check({ data: true })).toEqual([]);
    });
  });
});

describe("durability", () => {
  const change = fc.oneof(
    fc.record({ kind: fc.constant("write"), a: fc.nat(5), n: fc.integer({ min: 0, max: 30_000 }) }),
    fc.record({
      kind: fc.constantFrom("rename", "unlink", "mkdir", "link"),
      a: fc.nat(5),
      n: fc.nat(5),
    }),
    fc.record({ kind: fc.constantFrom("sync", "abort", "crash"), a: fc.nat(1), n: fc.nat(1) }),
  );

  test("a crash or an abort shows the state of the last sync, whole", () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 5, maxLength: 40 }), (changes) => {
        const { files, device, region } = mounted("8MiB");
        // A full batch commits by itself, so any state since the last sync may be the durable one.
        let states = [dump(files)];
        for (const { kind, a, n } of changes) {
          if (kind === "write") {
            codeOf(() => {
              // Two calls of the core, and each may be the last one before a commit.
              const fd = files.open(`/f${a}`, "w");
              states.push(dump(files));
              files.write(fd, bytes(n, a));
              files.close(fd);
            });
          } else if (kind === "rename") codeOf(() => files.rename(`/f${a}`, `/d${n}`));
          else if (kind === "unlink") codeOf(() => files.rm(`/f${a}`, { recursive: true }));
          else if (kind === "mkdir") codeOf(() => files.mkdir(`/f${a}`));
          else if (kind === "link") codeOf(() => files.link(`/f${a}`, `/f${n}`));
          else if (kind === "abort") {
            files.revert();
            expect(states).toContainEqual(dump(files));
            states = [dump(files)];
          } else if (kind === "crash") {
            afterCrash(device, (found) => {
              expect(states).toContainEqual(dump(found));
              expect(found.check({ data: true })).toEqual([]);
            });
          } else {
            files.sync();
            states = [];
          }
          states.push(dump(files));
        }
        expect(files.check({ data: true })).toEqual([]);
        region.close();
      }),
      { numRuns: 60 },
    );
  });

  test("control block and files become durable together", () => {
    const { files, device } = mounted();
    files.writeFile("/gen-active", "1");
    files.setControl(bytes(128, 1));
    files.sync();
    files.writeFile("/gen-active", "2");
    files.setControl(bytes(128, 2));
    expect(files.control()).toEqual(bytes(128, 2));
    afterCrash(device, (found) => {
      expect(found.control()).toEqual(bytes(128, 1));
      expect(found.readFile("/gen-active", "utf8")).toBe("1");
    });
    files.sync();
    afterCrash(device, (found) => {
      expect(found.control()).toEqual(bytes(128, 2));
      expect(found.readFile("/gen-active", "utf8")).toBe("2");
    });
  });

  test("after an abort older descriptors are stale, newer ones are not", () => {
    const { files } = mounted();
    files.writeFile("/f", "x");
    files.sync();
    const fd = files.open("/f", "r+");
    files.write(fd, "y");
    files.revert();
    expect(codeOf(() => files.write(fd, "z"))).toBe("ESTALE");
    expect(codeOf(() => files.fstat(fd))).toBe("ESTALE");
    files.close(fd);
    expect(files.readFile("/f", "utf8")).toBe("x");
  });
});
