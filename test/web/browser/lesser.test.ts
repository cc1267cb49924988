/**
 * Browsers and windows without a filesystem for pages: disks are kept in IndexedDB, by way of a
 * bridge where the page is cross-origin isolated, else by a journal; the whole life goes on there.
 */
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { expectCleanFat, expectGoodTable, JUDGES } from "../../tools/judges.ts";
import { scratch, testWith } from "../../tools/tools.ts";
import { ownBrowser } from "./own.ts";
import {
  button,
  CHROMIUM,
  complained,
  installDemo,
  MIDDLE,
  makeDisk,
  prepareDemo,
  reloadHalfway,
  said,
  visit,
} from "./page.ts";
import { renderers } from "./processes.ts";

const test = testWith(CHROMIUM);
const browser = ownBrowser();

const WAYS = [
  { way: "the journal", folder: "no-opfs/", isolated: "no", flush: /answered from memory/ },
  { way: "the bridge", folder: "isolated/no-opfs/", isolated: "yes", flush: /waits until Indexed/ },
] as const;

/** What the storage facts say of `term`. */
async function fact(page: Page, term: string): Promise<string> {
  const facts = page.getByRole("group").filter({ hasText: "Storage" });
  await page.getByText("Storage", { exact: true }).click();
  const text = await facts.locator("dt", { hasText: term }).locator("+ dd").innerText();
  await page.getByText("Storage", { exact: true }).click();
  return text;
}

async function boot(page: Page, generation?: number): Promise<void> {
  await button(page, "Boot").click();
  const which = generation === undefined ? "" : `, generation ${generation}`;
  await said(page, `passed its health checkpoint${which}`);
}

async function flow(page: Page, name: string, text: string): Promise<void> {
  await button(page, name).click();
  await said(page, text);
}

describe.each(WAYS)("in IndexedDB by $way", ({ folder, isolated, flush, way }) => {
  const address = () => `${browser.address}${folder}`;

  testWith(CHROMIUM, ...JUDGES)(
    "a disk is made, installed, found after a reload, updated, cut, downloaded and deleted",
    async () => {
      const { page, strange, errors } = await visit(browser.context, address());
      const name = way === "the bridge" ? "far" : "near";
      await makeDisk(page, name, "320MiB");
      expect(await fact(page, "Kept in")).toBe("the browser's database (IndexedDB)");
      expect(await fact(page, "A FLUSH")).toMatch(flush);
      expect(await fact(page, "isolated")).toMatch(isolated);
      await installDemo(page);
      await page.reload();
      await page.getByText(/kept in IndexedDB/).waitFor();
      await boot(page);
      await flow(page, "Provision", "Generation 1 is provisioned and active.");
      await boot(page, 1);
      await flow(page, "Update", "Generation 2 is staged. The next boot tries it.");
      await page.reload();
      await boot(page, 2);
      await flow(page, "Failing update", "Generation 3 is staged.");
      await boot(page, 2);
      await flow(page, "Roll back to generation 1", "Generation 4 is staged.");
      await boot(page, 4);
      await page.getByLabel("Cut it in the middle of the next action").check();
      await button(page, "Update").click();
      await page.waitForFunction(() => document.querySelector("progress") === null);
      const plug = button(page, "Cut the power now");
      if (await plug.isVisible()) await plug.click();
      await flow(page, "Switch on again", "The power is on again.");
      await boot(page);
      await flow(page, "Verify", "The disk is clean.");
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        button(page, "Download the image").click(),
      ]);
      const image = join(scratch(), "kept.img");
      await download.saveAs(image);
      expectGoodTable(image, [
        { number: 1, first: 2048, last: 264191 },
        { number: 2, first: 264192, last: 653311 },
      ]);
      expectCleanFat(image, 2048, 262144);
      await button(page, `Delete ${name}…`).click();
      await flow(page, `Delete ${name}`, `The disk ${name} is deleted.`);
      const left = await page.evaluate(() => indexedDB.databases());
      expect(left.filter((each) => each.name?.includes(name))).toEqual([]);
      expect([strange, errors]).toEqual([[], []]);
      await page.close();
    },
  );

  test("a reload in the middle of an installation, and a killed renderer: it is resumed", async () => {
    const { page: first, strange } = await visit(browser.context, address());
    let page = first;
    const name = await reloadHalfway(page, way === "the bridge" ? "far-again" : "near-again");
    const crashed = page.waitForEvent("crash");
    await button(page, "Resume the installation").click();
    await page.getByText(MIDDLE).first().waitFor();
    for (const pid of renderers(browser.profile)) process.kill(pid, "SIGKILL");
    await crashed;
    ({ page } = await visit(browser.context, `${address()}#${name}`));
    const resume = button(page, "Resume the installation");
    const isDone = page.getByText("A system is installed on this disk.");
    await resume.or(isDone).first().waitFor();
    if (await resume.isVisible())
      await flow(page, "Resume the installation", "read back and equal.");
    await flow(page, "Verify", "The disk is clean.");
    await boot(page);
    expect(strange).toEqual([]);
    await page.close();
  });

  test("a second tab is refused with a sentence, may read, and gets the disk when it is free", async () => {
    const { page: first } = await visit(browser.context, address());
    const name = way === "the bridge" ? "far-shared" : "near-shared";
    await makeDisk(first, name, "160MiB");
    await installDemo(first);
    const { page: second } = await visit(browser.context, address());
    await button(second, `Open ${name}`).click();
    await complained(second, /is open for writing in another tab or worker\. Close it there/);
    await button(second, `Open ${name} read-only`).click();
    await second.getByRole("heading", { name: `Disk ${name}` }).waitFor();
    expect(await button(second, "Provision").isEnabled()).toBe(false);
    await first.close();
    await button(second, `Open ${name}`).click();
    await flow(second, "Provision", "Generation 1 is provisioned and active.");
    await second.close();
  });
});

test("what a journal's page says is done survives a kill at that moment", async () => {
  const slow = `${browser.address}no-opfs/slow-indexeddb/`;
  let { page } = await visit(browser.context, slow);
  const killed = async () => {
    const crashed = page.waitForEvent("crash");
    for (const pid of renderers(browser.profile)) process.kill(pid, "SIGKILL");
    await crashed;
    ({ page } = await visit(browser.context, `${slow}#lasting`));
    await page.getByRole("heading", { name: "Disk lasting" }).waitFor();
  };
  await makeDisk(page, "lasting", "160MiB");
  await installDemo(page);
  await killed();
  await flow(page, "Provision", "Generation 1 is provisioned and active.");
  await killed();
  await page
    .getByRole("listitem")
    .filter({ hasText: /^Generation 1 active/ })
    .waitFor();
  await flow(page, "Update", "Generation 2 is staged. The next boot tries it.");
  await killed();
  await button(page, "Boot").click();
  const log = page.getByRole("log", { name: "Console of the machine" });
  await log.getByText(/generation 2 .* is confirmed and active/).waitFor();
  await killed();
  await page
    .getByRole("listitem")
    .filter({ hasText: /^Generation 2 active/ })
    .waitFor();
  expect(await page.getByText("A system is installed on this disk.").count()).toBe(1);
  await page.close();
});

test("a full storage is told; with room again the disk goes on as it was committed", async () => {
  const { page } = await visit(browser.context, `${browser.address}no-opfs/full-indexeddb/`);
  const full = (isFull: boolean) =>
    page.workers()[0]?.evaluate((is) => Object.assign(globalThis, { isFull: is }), isFull);
  await makeDisk(page, "full", "160MiB");
  await full(true);
  await button(page, "Prepare and show the plan").click();
  await complained(page, /finds no room in this browser's storage.*Delete other disks/);
  expect(await button(page, "Install now").count()).toBe(0);
  await full(false);
  await prepareDemo(page);
  await full(true);
  await button(page, "Install now").click();
  await complained(page, /finds no room in this browser's storage/);
  // What is shown is what is kept, and not what was lost.
  await page.getByText("As it is planned.").waitFor();
  expect(await page.getByText(/An installation was cut short/).count()).toBe(0);
  await full(false);
  await flow(page, "Install now", "Installed on full, read back and equal.");
  await flow(page, "Verify", "The disk is clean.");
  await full(true);
  await button(page, "Provision").click();
  await complained(page, /finds no room in this browser's storage/);
  await full(false);
  await flow(page, "Provision", "Generation 1 is provisioned and active.");
  await page.close();
});

test("an isolated page whose worker cannot be started has the journal", async () => {
  const { page } = await visit(browser.context, `${browser.address}isolated/no-opfs/no-servant/`);
  await makeDisk(page, "alone", "160MiB");
  expect(await fact(page, "A FLUSH")).toMatch(/answered from memory/);
  await installDemo(page);
  await page.reload();
  await boot(page);
  await page.close();
});

test("databases that are evicted between two visits: the list is empty, and making one works", async () => {
  const address = `${browser.address}no-opfs/`;
  const { page } = await visit(browser.context, address);
  await makeDisk(page, "gone", "160MiB");
  await page.close();
  const { page: other } = await visit(browser.context, browser.address);
  await other.evaluate(async () => {
    for (const { name = "" } of await indexedDB.databases()) {
      await new Promise((done) => {
        indexedDB.deleteDatabase(name).onsuccess = done;
      });
    }
  });
  await other.close();
  const { page: again } = await visit(browser.context, `${address}#gone`);
  await again.getByText("There is no disk yet.").waitFor();
  await makeDisk(again, "gone", "160MiB");
  await installDemo(again);
  expect(await fact(again, "Size of all disks")).toMatch(/^160 MiB/);
  await again.close();
});

test("without OPFS and IndexedDB disks are kept in memory, which is said plainly", async () => {
  const { page } = await visit(browser.context, `${browser.address}no-opfs/no-indexeddb/`);
  await page.getByText(/Disks last only as long as this page/).waitFor();
  await makeDisk(page, "brief", "160MiB");
  await installDemo(page);
  await boot(page);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    button(page, "Download it packed (gzip)").click(),
  ]);
  expect(download.suggestedFilename()).toBe("brief.img.gz");
  await page.close();
});
