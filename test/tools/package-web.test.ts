/**
 * The packed package in real Chromium: a page without a bundler, a vite app, an esbuild bundle. Each
 * makes disks in the browser, opens them again, and one comes out and is judged by our program.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { freshProject, type Project, run } from "../package/pack.ts";
import { testWith } from "./tools.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};
/** Layouts of what each way of building gives: `site` is what is served. */
const APP = `
  import { createDisk, openDisk, StorageError } from "diskwright";
  const bytes = (text) => new TextEncoder().encode(text);
  const said = [];
  try {
    for (const name of ["opfs:app.img", "idb:app"]) {
      const made = await createDisk(name, { size: "8MiB", layout: "region" });
      const hash = await made.store.put(bytes("an object"));
      await made.fs.promises.writeFile("/motd", "a file");
      await made.close();
      const disk = await openDisk(name);
      const object = new TextDecoder().decode(await disk.store.get(hash));
      said.push(object, await disk.fs.promises.readFile("/motd", "utf8"));
      if (name.startsWith("opfs")) {
        const busy = await openDisk(name).catch((error) => error);
        said.push(busy instanceof StorageError, busy.code);
      }
      await disk.close();
    }
    const far = await openDisk(new URL("far.img", location.href), { readOnly: true });
    said.push(await far.fs.promises.readFile("/far", "utf8"));
    said.push(await far.fs.promises.writeFile("/far", "").catch((error) => error.code));
    await far.close();
    for (const wanted of ["first", "second"]) {
      const layered = await openDisk(new URL("far.img", location.href), { changes: "opfs:far.cow" });
      const { readFile, writeFile } = layered.fs.promises;
      said.push(await readFile("/near", "utf8").catch((error) => error.code));
      await writeFile("/near", wanted);
      said.push(await readFile("/far", "utf8"));
      await layered.close();
    }
    said.push(await openDisk("opfs:none").catch((error) => error.code));
  } catch (error) {
    said.push(error.stack);
  }
  document.title = JSON.stringify(said);`;
const SAID = [
  ...["an object", "a file", true, "EBUSY", "an object", "a file"],
  ...["a far file", "EROFS"],
  // Over a disk of the web, with its changes kept here.
  ...["ENOENT", "a far file", "first", "a far file"],
  "ENOENT",
];
const HTML = '<!doctype html><title></title><script type="module" src="./app.js"></script>';

let project: Project;
let server: Server;
let browser: BrowserContext | undefined;

beforeAll(async () => {
  project = freshProject();
  server = createServer(({ url = "", headers }, response) => {
    const name = normalize(new URL(url, "http://127.0.0.1").pathname);
    try {
      const body = readFileSync(
        join(project.folder, name.endsWith("/") ? `${name}index.html` : name),
      );
      const type = TYPES[extname(name) || ".html"] ?? "application/octet-stream";
      const common = { "Content-Type": type, "Accept-Ranges": "bytes", ETag: '"1"' };
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
      if (first === undefined) return response.writeHead(200, common).end(body);
      const piece = body.subarray(Number(first), Number(last) + 1);
      const range = `bytes ${first}-${Number(first) + piece.length - 1}/${body.length}`;
      return response.writeHead(206, { ...common, "Content-Range": range }).end(piece);
    } catch {
      return response.writeHead(404).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
});

afterAll(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
  project.remove();
});

/** What the page in `site` says in its title, in storage of its own. */
async function open(site: string): Promise<unknown> {
  // A folder of the project: what a far disk holds was written by the package in Node.
  const far = project.write("far.mjs", FAR);
  run(process.execPath, [far, join(project.folder, site, "far.img")], project.folder);
  await browser?.close();
  browser = await chromium.launchPersistentContext(join(project.folder, `profile-${site}`), {
    ...{ executablePath: CHROMIUM, headless: true },
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-sync"],
  });
  const page = await browser.newPage();
  const { port } = server.address() as AddressInfo;
  await page.goto(`http://127.0.0.1:${port}/${site}/`);
  await page.waitForFunction("document.title !== ''");
  return JSON.parse(await page.title());
}

const FAR = `
  import { createDisk } from "diskwright";
  const options = { size: "8MiB", layout: "region", overwrite: true };
  const disk = await createDisk(process.argv[2], options);
  await disk.fs.promises.writeFile("/far", "a far file");
  await disk.close();`;

testWith(CHROMIUM)("a page without a bundler keeps a disk from one visit to the next", async () => {
  cpSync("examples/page", join(project.folder, "page"), { recursive: true });
  cpSync(join(project.installed, "dist"), join(project.folder, "page/diskwright"), {
    recursive: true,
  });
  browser = await chromium.launchPersistentContext(join(project.folder, "profile-page"), {
    ...{ executablePath: CHROMIUM, headless: true },
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-sync"],
  });
  const page = await browser.newPage();
  const { port } = server.address() as AddressInfo;
  const says = async () => {
    await page.goto(`http://127.0.0.1:${port}/page/`);
    await page.waitForFunction("document.querySelector('#says').textContent !== '…'");
    return page.textContent("#says");
  };
  expect(await says()).toBe("visit 1");
  expect(await says()).toBe("visit 2");
  // The very bytes that the browser keeps.
  const kept = await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const file = await (await root.getFileHandle("page.img")).getFile();
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) {
      text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    }
    return btoa(text);
  });
  const image = join(project.folder, "page.img");
  writeFileSync(image, Buffer.from(kept, "base64"));
  const program = join(project.installed, "dist/host/cli/main.js");
  expect(run(program, ["verify", image], project.folder)).toContain("clean");
  expect(run(program, ["fs", "cat", image, "/visits"], project.folder)).toBe("2");
});

testWith(CHROMIUM)("a vite app has worker and modules where it looks for them", async () => {
  project.write("vite/index.html", HTML);
  project.write("vite/app.js", APP);
  const { build } = await import("vite");
  await build({
    ...{ root: join(project.folder, "vite"), base: "./", logLevel: "error", configFile: false },
    build: { outDir: "../vite-built", emptyOutDir: true, target: "es2022" },
  });
  expect(await open("vite-built")).toEqual(SAID);
});

testWith(CHROMIUM)("an esbuild bundle does, with three files beside it", async () => {
  mkdirSync(join(project.folder, "esbuild"));
  project.write("esbuild/index.html", HTML);
  const { build } = await import("esbuild");
  await build({
    ...{
      entryPoints: [project.write("app.js", APP)],
      outfile: join(project.folder, "esbuild/app.js"),
    },
    ...{ bundle: true, format: "esm", logLevel: "error" },
  });
  for (const name of ["worker.js", "core.wasm", "media.wasm"]) {
    cpSync(join(project.installed, "dist", name), join(project.folder, "esbuild", name));
  }
  expect(await open("esbuild")).toEqual(SAID);
});
