/**
 * The page while it installs 256 MiB, in Chromium: how long it takes, the longest task of the main
 * thread, and the memory that page and worker hold. The payload is a disk image of ours.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { run as runWork } from "../host/base/work.ts";
import { table } from "../host/cli/kit/output.ts";
import { Core } from "../host/core/load.ts";
import { Region } from "../host/core/region.ts";
import { FileDevice } from "../host/device/local/file.ts";
import { demoBoot } from "../host/system/demo/system.ts";
import { memoryTree } from "../host/system/image/folder.ts";
import { makeDisk } from "../host/system/image/mkdisk.ts";
import { shippedService } from "../host/system/service/shipped.ts";
import {
  browse,
  button,
  makeDisk as newDisk,
  said,
  serve,
  visit,
} from "../test/web/browser/page.ts";
import { ownBytes, renderers } from "../test/web/browser/processes.ts";

const PAYLOAD_MIB = 256;
const WAIT_MS = 300_000;

interface Measured {
  readonly installMs: number;
  readonly longestTaskMs: number;
  readonly longTasks: number;
  readonly heapMib: number;
  readonly rendererMib: number;
}

export async function run(json: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bench-web-"));
  const served = await serve();
  const context = await browse(join(folder, "profile"));
  try {
    const image = join(folder, "payload.img");
    await makePayload(image);
    const measured = await measure(context, served.address, { image, folder });
    if (json) {
      process.stdout.write(`${JSON.stringify(measured)}\n`);
      return;
    }
    const rows = [
      ["install 256 MiB, read back", `${(measured.installMs / 1000).toFixed(1)} s`],
      ["longest task of the main thread", `${measured.longestTaskMs.toFixed(0)} ms`],
      ["tasks over 100 ms", `${measured.longTasks}`],
      ["largest heap of page and worker", `${measured.heapMib.toFixed(0)} MiB`],
      ["largest memory of the renderer's own", `${measured.rendererMib.toFixed(0)} MiB`],
    ];
    process.stdout.write(`${table(rows, ["the page", "measured"])}\n`);
  } finally {
    await context.close();
    await served.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A disk with 256 MiB of random bytes in its data region. */
async function makePayload(path: string): Promise<void> {
  const device = FileDevice.create(path, { size: "512MiB" });
  try {
    const { layout } = await runWork(
      makeDisk(device, { boot: memoryTree(demoBoot(shippedService)) }),
    );
    const core = new Core();
    const { first, sectors } = layout.data;
    const region = Region.open(core, core.attach(device), { baseSector: first, sectors });
    for (let at = 0; at < PAYLOAD_MIB; at++) {
      region.store.put(crypto.getRandomValues(new Uint8Array(65536)));
      const piece = new Uint8Array((1 << 20) - 65536);
      for (let from = 0; from < piece.length; from += 65536) {
        crypto.getRandomValues(piece.subarray(from, from + 65536));
      }
      region.store.put(piece);
    }
    region.close();
  } finally {
    device.close();
  }
}

async function measure(
  context: BrowserContext,
  address: string,
  { image, folder }: { readonly image: string; readonly folder: string },
): Promise<Measured> {
  const { page } = await visit(context, address);
  await newDisk(page, "bench", "640MiB");
  await watchTasks(page);
  const memory = new Memory(page, folder);
  const started = performance.now();
  await page.getByLabel("An image or ISO medium").check();
  await page.getByLabel("Disk image, or ISO of mkmedia").setInputFiles(image);
  await button(page, "Prepare and show the plan").click();
  await memory.during(said(page, "Nothing is written to the disk yet.", WAIT_MS));
  await button(page, "Install now").click();
  await memory.during(said(page, "read back and equal", WAIT_MS));
  const installMs = performance.now() - started;
  const tasks = await page.evaluate(() => (globalThis as unknown as { tasks: number[] }).tasks);
  return {
    ...{ installMs, heapMib: memory.heapMib, rendererMib: memory.rendererMib },
    longestTaskMs: Math.max(0, ...tasks),
    longTasks: tasks.filter((ms) => ms > 100).length,
  };
}

/** Collects tasks of 50 ms and more: shorter ones the browser does not report. */
function watchTasks(page: Page): Promise<void> {
  return page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { tasks });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) tasks.push(duration);
    }).observe({ type: "longtask" });
  });
}

/** The largest sizes seen while something goes on. */
class Memory {
  heapMib = 0;
  rendererMib = 0;
  readonly #page: Page;
  readonly #profile: string;

  constructor(page: Page, profile: string) {
    this.#page = page;
    this.#profile = profile;
  }

  async during(wait: Promise<void>): Promise<void> {
    let isDone = false;
    const done = wait.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await this.#look();
      await Promise.race([done.catch(() => undefined), new Promise((go) => setTimeout(go, 200))]);
    }
    await done;
  }

  async #look(): Promise<void> {
    const [worker] = this.#page.workers();
    const own = () => {
      const { memory } = performance as unknown as { memory?: { usedJSHeapSize: number } };
      return memory?.usedJSHeapSize ?? 0;
    };
    const bytes = (await this.#page.evaluate(own)) + ((await worker?.evaluate(own)) ?? 0);
    this.heapMib = Math.max(this.heapMib, bytes / 2 ** 20);
    for (const pid of renderers(this.#profile)) {
      this.rendererMib = Math.max(this.rendererMib, ownBytes(pid) / 2 ** 20);
    }
  }
}
