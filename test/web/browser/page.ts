/** The built page, served from a path that is not the root, and real Chromium on a real profile. */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { build } from "vite";

export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
export const SCREENSHOTS = "build/screenshots";
const ROOT = "build/web";
/** Served from here: the page works from any path. */
const PATH = "/some/where/";
const ARGS = [
  ...["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic"],
  ...["--no-first-run", "--disable-background-networking", "--disable-component-update"],
  "--disable-sync",
];
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

export interface Served {
  readonly address: string;
  close(): Promise<void>;
}

/** What each of these folders puts in front of the worker's script: what the browser is like. */
const LIKE: Readonly<Record<string, string>> = {
  "no-opfs/": `Object.defineProperty(StorageManager.prototype, "getDirectory", { value: undefined });`,
  "no-indexeddb/": `Object.defineProperty(globalThis, "indexedDB", { value: undefined });`,
  // A commit takes its time: a transaction goes on while it asks for something.
  "slow-indexeddb/": `{
    const begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (names, mode, options) {
      const transaction = begin.call(this, names, mode, options);
      if (names !== "blocks" || mode !== "readwrite") return transaction;
      const [store, end] = [transaction.objectStore(names), performance.now() + 300];
      const ask = () => {
        if (performance.now() < end) store.get(0).onsuccess = ask;
      };
      ask();
      return transaction;
    };
  }`,
  // Full while the worker's `isFull` is set: Chromium looks at a quota once in a while only.
  "full-indexeddb/": `{
    const begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (names, mode, options) {
      if (globalThis.isFull && names === "blocks" && mode === "readwrite") {
        throw new DOMException("there is no room", "QuotaExceededError");
      }
      return begin.call(this, names, mode, options);
    };
  }`,
  "no-servant/": "",
};
/** Below this folder the page is cross-origin isolated. */
const ISOLATED = "isolated/";
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * Builds the page and serves it without COOP and COEP: it must work on any server. Of the folders
 * `isolated/` and those of LIKE any may stand, in this order, in front of its files.
 */
export async function serve(): Promise<Served> {
  if (!isBuilt()) await build({ configFile: "host/web/vite.config.ts", logLevel: "error" });
  const server = createServer(({ url = "" }, response) => {
    const { pathname } = new URL(url, "http://127.0.0.1");
    const known = [ISOLATED, ...Object.keys(LIKE)];
    const folders = known.filter((each) => pathname.includes(`/${each}`));
    const path = pathname.slice(PATH.length + folders.join("").length);
    const name = normalize(path || "index.html");
    try {
      if (!pathname.startsWith(PATH) || name.startsWith("..")) throw new Error(pathname);
      const isMissing = folders.includes("no-servant/") && name.includes("servant");
      const body = readFileSync(isMissing ? "" : join(ROOT, name));
      const type = TYPES[extname(name)] ?? "text/plain";
      const headers = folders.includes(ISOLATED) ? ISOLATION : {};
      response.writeHead(200, { "Content-Type": type, ...headers });
      if (name.includes("worker")) {
        for (const folder of folders) response.write(LIKE[folder] ?? "");
      }
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await listening(server);
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}${PATH}`,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

/** Nothing that goes into the page is newer than the page. */
function isBuilt(): boolean {
  const timeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ["host", "assembly/format"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  const newest = Math.max(...[...sources, "build/core.wasm", "build/media.wasm"].map(timeOf));
  return timeOf(join(ROOT, "index.html")) > newest;
}

function listening(server: Server): Promise<void> {
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", done);
  });
}

/** What a browser may take to start on a busy machine. */
const STARTED_MS = 300_000;

/** A browser whose storage is on the disk: that of an incognito window is not like a person's. */
export function browse(profile: string): Promise<BrowserContext> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return chromium.launchPersistentContext(profile, {
    ...{ executablePath: CHROMIUM, headless: true, args: ARGS, acceptDownloads: true },
    timeout: STARTED_MS,
    viewport: { width: 1280, height: 900 },
  });
}

/** Opens the page; what it asks of other origins, and what goes wrong in it, is in the lists. */
export async function visit(context: BrowserContext, address: string) {
  const page = await openPage(context);
  const strange: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "blob:" && origin !== new URL(address).origin) strange.push(request.url());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(address);
  return { page, strange, errors };
}

const SAID_MS = 15_000;
const ENDED_MS = 60_000;
const OPENED_MS = 45_000;
const OPENINGS_MAX = 3;

/**
 * A new page. The browser keeps a renderer in reserve, and who kills renderers may kill it while it
 * becomes a page: then it has crashed, or the browser waits for it for ever, and another page is
 * asked for.
 */
async function openPage(context: BrowserContext): Promise<Page> {
  for (let opening = 1; opening <= OPENINGS_MAX; opening++) {
    let timer = 0;
    const late = new Promise<undefined>((done) => {
      timer = setTimeout(done, OPENED_MS);
    });
    const page = await Promise.race([context.newPage().catch(unlessKilled), late]);
    clearTimeout(timer);
    if (page !== undefined) return page;
  }
  throw new Error(`no new page within ${OPENED_MS} ms, ${OPENINGS_MAX} times`);
}

function unlessKilled(error: Error): undefined {
  if (!error.message.includes("Target crashed")) throw error;
}

/** The status says so, soon. */
export function said(page: Page, text: string | RegExp, timeoutMs = SAID_MS): Promise<void> {
  return heard(page, after("status: ", text), timeoutMs);
}

/** The alert says so, soon. */
export function complained(page: Page, text: string | RegExp): Promise<void> {
  return heard(page, after("alert: ", text), SAID_MS);
}

/** Presses a button, and waits until the page tells how that has ended: another thing than before. */
export async function pressed(page: Page, name: string): Promise<void> {
  const before = await spoken(page);
  await button(page, name).click();
  const end = Date.now() + ENDED_MS;
  for (;;) {
    const words = await spoken(page);
    if (words !== before && /^(status|alert): \S/m.test(words)) return;
    if (Date.now() > end) throw new Error(`'${name}' has no end; the page says ${words}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

async function heard(page: Page, wanted: RegExp, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const words = await spoken(page);
    if (wanted.test(words)) return;
    if (Date.now() > end) throw new Error(`waited for ${wanted}, but the page says ${words}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Both at once, so that a failing test tells what was said instead. */
async function spoken(page: Page): Promise<string> {
  const text = async (role: "status" | "alert") => (await page.getByRole(role).innerText()).trim();
  return `status: ${await text("status")}\nalert: ${await text("alert")}`;
}

function after(role: string, text: string | RegExp): RegExp {
  const source =
    typeof text === "string" ? text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&") : text.source;
  return new RegExp(`${role}.*${source}`);
}

export function button(page: Page, name: string | RegExp) {
  return page.getByRole("button", { name, exact: typeof name === "string" });
}

/** In the page itself, so that no time is lost: as soon as the text is shown, does it. */
export function whenShown(
  page: Page,
  text: RegExp,
  what: "reload" | { readonly click: string },
): Promise<void> {
  return page.evaluate(
    ({ source, click }) => {
      const pattern = new RegExp(source);
      const observer = new MutationObserver(() => {
        if (!pattern.test(document.querySelector(".progress")?.textContent ?? "")) return;
        observer.disconnect();
        if (click === undefined) location.reload();
        const buttons = [...document.querySelectorAll("button")];
        buttons.find((each) => each.textContent === click)?.click();
      });
      observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    },
    { source: text.source, click: what === "reload" ? undefined : what.click },
  );
}

/** Steps of an installation after which more is to come. */
export const MIDDLE = /Make the ESP|Format the data region|Copy the|Read everything back/;
const TURNS_MAX = 5;

/**
 * Installs the demo onto a new disk and reloads the page meanwhile: the disk's name, where the
 * page offers to resume. On a busy machine the worker may be done before the page has shown that it
 * began; then it is done again with another disk.
 */
export async function reloadHalfway(page: Page, name: string): Promise<string> {
  const cutShort = page.getByText("An installation was cut short here. It can be resumed.");
  const isDone = page.getByText("A system is installed on this disk.");
  for (let turn = 1; turn <= TURNS_MAX; turn++) {
    const disk = `${name}-${turn}`;
    await makeDisk(page, disk, "1GiB");
    await prepareDemo(page);
    await whenShown(page, MIDDLE, "reload");
    await button(page, "Install now").click();
    await cutShort.or(isDone).first().waitFor();
    if (await cutShort.isVisible()) return disk;
  }
  throw new Error(`${TURNS_MAX} installations were done before the page was reloaded`);
}

/** Makes and opens a blank disk. */
export async function makeDisk(page: Page, name: string, size: string): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Size", { exact: true }).fill(size);
  await button(page, "Make a disk").click();
  await said(page, `The disk ${name} is made.`);
}

/** Makes the built-in demo ready for the open disk. */
export async function prepareDemo(page: Page): Promise<void> {
  await button(page, "Prepare and show the plan").click();
  await said(page, "Nothing is written to the disk yet.");
}

/** Installs the built-in demo onto the open disk. */
export async function installDemo(page: Page): Promise<void> {
  await prepareDemo(page);
  await button(page, "Install now").click();
  await said(page, "read back and equal", 60_000);
}
