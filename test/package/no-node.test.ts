/** The package where there is no Node: what a page loads, run with the names of the web alone. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import { memorySource } from "../../host/base/platform/source.ts";
import { demoBoot, demoOverlay } from "../../host/cli/flow/demo-system.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { readSectors } from "../../host/device/sectors.ts";
import { install, RAYOS_FILES, requestFor, SMALL_DISK } from "../system/rayos/support.ts";
import { tar } from "../system/rayos/tars.ts";

/** What the package may use of a browser. `process`, `Buffer` and `setImmediate` are not among it. */
const WEB = {
  ...{ TextEncoder, TextDecoder, URL, AbortController, AbortSignal, MessageChannel },
  ...{ crypto, performance, atob, btoa, structuredClone, fetch, Response },
  ...{ setTimeout, clearTimeout, queueMicrotask, ReadableStream, WritableStream },
};

let page: (program: string, given?: Record<string, unknown>) => Promise<unknown>;

beforeAll(async () => {
  const { outputFiles, warnings } = await build({
    entryPoints: ["host/browser.ts"],
    ...{
      bundle: true,
      write: false,
      platform: "browser",
      format: "iife",
      globalName: "diskwright",
    },
    ...{ target: "es2022", logLevel: "silent", define: { "import.meta.url": '"https://a.test/"' } },
  });
  // A module of Node that is imported anywhere ends the build: there is no such module here.
  expect(warnings).toEqual([]);
  const code = outputFiles[0]?.text ?? "";
  const context = createContext({ ...WEB });
  runInContext(code, context);
  page = (program, given = {}) => {
    Object.assign(context, given);
    return runInContext(`(async () => { ${program} })()`, context);
  };
});

test("new Core() before loadModules() says what to do", async () => {
  await expect(page("new diskwright.Core()")).rejects.toMatchObject({
    code: "EINVAL",
    message: expect.stringContaining("loadModules()"),
  });
});

test("a path of this machine is EOPNOTSUPP, with a sentence", async () => {
  const program = `
    const request = { layout: "rayos", source: "/image.tar", place: { kind: "disk" } };
    await diskwright.loadModules(modules);
    const target = new diskwright.MemoryDevice({ size: "4GiB" });
    const [core, media] = [new diskwright.Core(), new diskwright.MediaCore()];
    diskwright.finish(diskwright.planRayosWork(core, media, target, request));`;
  await expect(page(program, { modules: modules() })).rejects.toMatchObject({
    code: "EOPNOTSUPP",
    message: expect.stringContaining("this is not Node"),
  });
});

test("a disk is made, installed, provisioned, updated, falls back and verifies", async () => {
  const life = `
    await diskwright.loadModules(modules);
    const { MemoryDevice, Core, Machine, Nvram, run } = diskwright;
    const medium = new MemoryDevice({ size: "160MiB", name: "medium" });
    await run(diskwright.makeDisk(medium, { boot: diskwright.memoryTree(files) }));
    const disk = new MemoryDevice({ size: "256MiB", name: "disk" });
    const { plan } = await run(diskwright.install(medium, disk));
    const lines = [];
    const nvram = new Nvram();
    // A service's configuration comes from the other side, where Uint8Array is another class.
    for (const { services: [service] } of [good, bad]) service.config = new Uint8Array(0);
    const boot = () => {
      const report = new Machine({ disks: [disk], nvram, console: (line) => lines.push(line) }).boot();
      return report.outcome + " " + (report.generation?.id ?? 0);
    };
    const flow = (act) => {
      const core = new Core();
      const id = core.attach(disk);
      const system = diskwright.openSystem(core, id, diskwright.findRegion(core, id));
      try { return act(system).generation; } finally { system.close(); }
    };
    const seen = [boot()];
    seen.push(flow((system) => diskwright.provision(system, { settings: { hostname: "one" } })));
    seen.push(boot());
    seen.push(flow((system) => diskwright.update(system, { overlay: good })));
    seen.push(boot());
    seen.push(flow((system) => diskwright.update(system, { overlay: bad })));
    seen.push(boot());
    const opened = diskwright.openDiskOn(disk, {}, { owned: false });
    const hash = await opened.store.put(new TextEncoder().encode("hello"));
    await opened.fs.promises.writeFile("/motd", "aGVsbG8=", "base64");
    const text = await opened.fs.promises.readFile("/motd", "utf8");
    await opened.close();
    const { damage, checked } = await run(diskwright.verifyDisk(disk));
    const view = diskwright.inspectDisk(disk);
    return JSON.stringify({ steps: plan.steps.length, seen, text, damage, checked: checked.length,
      hash: diskwright.toHex(hash), drawn: diskwright.drawDisk(view, 80).length, lines: lines.length });`;
  const given = {
    modules: modules(),
    files: demoBoot(),
    good: demoOverlay("overlay-extra", "two"),
    bad: demoOverlay("overlay-failing", "three"),
  };
  const report = JSON.parse((await page(life, given)) as string);
  expect(report).toMatchObject({
    seen: ["checkpoint 0", 1, "checkpoint 1", 2, "checkpoint 2", 3, "checkpoint 2"],
    text: "hello",
    damage: 0,
    hash: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
  });
  expect(report.steps).toBeGreaterThan(3);
  expect(report.lines).toBeGreaterThan(10);
});

test("RayOS from the bytes of a tar.gz is, byte for byte, what Node installs", async () => {
  const files = { ...RAYOS_FILES, ".checksums": md5Row("kernel.bin") };
  const members = Object.entries(files).map(([name, content]) => ({ name, content }));
  const image = new Uint8Array(gzipSync(tar(...members)));
  const request = requestFor(memorySource("image", image));
  const disk = new MemoryDevice({ size: SMALL_DISK, name: "disk" });
  install(disk, request);
  const program = `
    await diskwright.loadModules(modules);
    const { MemoryDevice, Core, MediaCore } = diskwright;
    const disk = new MemoryDevice({ size, name: "disk" });
    const source = diskwright.memorySource("image", image);
    const all = { ...request, source };
    await diskwright.run(diskwright.installRayos(new Core(), new MediaCore(), disk, all));
    return disk;`;
  const given = { modules: modules(), size: SMALL_DISK, image, request };
  const other = (await page(program, given)) as MemoryDevice;
  expect(digestOf(other)).toBe(digestOf(disk));
});

function md5Row(path: keyof typeof RAYOS_FILES): string {
  const digest = createHash("md5")
    .update(RAYOS_FILES[path] ?? "")
    .digest("hex");
  return `${digest}  ${path}\n`;
}

function digestOf(disk: MemoryDevice): string {
  const hash = createHash("sha256");
  for (let lba = 0; lba < disk.config.capacity; lba += 2048) {
    hash.update(readSectors(disk, lba, Math.min(2048, disk.config.capacity - lba)));
  }
  return hash.digest("hex");
}

function modules(): Record<"core" | "media", Uint8Array> {
  return { core: readFileSync("build/core.wasm"), media: readFileSync("build/media.wasm") };
}
