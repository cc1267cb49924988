/**
 * The whole life of a disk in the page, in real Chromium: each state is asserted by role and text,
 * then it is photographed; the image that comes out is judged by other people's tools and firmware.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { GREETING } from "../../../host/system/demo/system.ts";
import { bootDisk, FIRMWARE_TOOLS } from "../../tools/firmware.ts";
import { expectCleanFat, expectGoodTable, JUDGES } from "../../tools/judges.ts";
import { scratch, testWith } from "../../tools/tools.ts";
import { ownBrowser } from "./own.ts";
import {
  button,
  CHROMIUM,
  complained,
  installDemo,
  makeDisk,
  SCREENSHOTS,
  said,
  visit,
} from "./page.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const test = testWith(CHROMIUM);
const browser = ownBrowser();

testWith(
  CHROMIUM,
  ...JUDGES,
  ...FIRMWARE_TOOLS,
)(
  "a disk is made, installed, booted, updated, falls back, rolls back and boots in OVMF",
  async () => {
    const { page, strange, errors } = await visit(browser.context, browser.address);
    const boot = async (generation: number) => {
      await button(page, "Boot").click();
      await said(page, `passed its health checkpoint, generation ${generation}`);
    };
    const flow = async (name: string, text: string) => {
      await button(page, name).click();
      await said(page, text);
    };
    await page.getByRole("heading", { name: "How to begin" }).waitFor();
    await photograph(page, "1-start");
    await makeDisk(page, "life", "320MiB");
    expect(await page.getByRole("img", { name: "life, 320 MiB; nothing is on it" }).count()).toBe(
      1,
    );
    await button(page, "Prepare and show the plan").click();
    await said(page, "Nothing is written to the disk yet.");
    expect(await page.getByRole("row", { name: /1 ESP 2048 to 264191 128 MiB/ }).count()).toBe(1);
    expect(
      await page.getByRole("listitem").filter({ hasText: "Read everything back" }).count(),
    ).toBe(1);
    await photograph(page, "2-plan");
    const moved = movement(page);
    await button(page, "Install now").click();
    await said(page, "Installed on life, read back and equal.");
    expect((await moved).length).toBeGreaterThan(1);
    expect(
      await page.getByRole("img", { name: /1 ESP, FAT32, 128 MiB; 2 diskwright-data/ }).count(),
    ).toBe(1);
    await button(page, "Boot").click();
    await said(page, "passed its health checkpoint.");
    const log = page.getByRole("log", { name: "Console of the machine" });
    await log.getByText("[init] health checkpoint: passed").waitFor();
    await flow("Provision", "Generation 1 is provisioned and active.");
    await boot(1);
    await page.getByLabel("Host name for provision and update").fill("two");
    await flow("Update", "Generation 2 is staged. The next boot tries it.");
    await boot(2);
    await log.getByText("[overlay-extra] started via overlay").waitFor();
    await flow("Failing update", "Generation 3 is staged. The next boot tries it.");
    await photograph(page, "3-candidate");
    await button(page, "Boot").click();
    await said(page, /checkpoint, generation 2, after 1 reset\./);
    await log.getByText("[overlay-failing] cannot do its work").waitFor();
    await page.getByText("Last rollback: the candidate failed in its attempts.").waitFor();
    await flow("Roll back to generation 1", "Generation 4 is staged. The next boot tries it.");
    await boot(4);
    await page
      .getByRole("listitem")
      .filter({ hasText: /^Generation 4 active/ })
      .waitFor();
    await flow("Verify", "The disk is clean.");
    await page.getByText("Looked at GPT, partition 1: FAT32, partition 2: data region.").waitFor();
    await lookInside(page);
    await photograph(page, "4-lived");
    await narrowAndDark(page);
    await downloadAndBoot(page);
    expect(strange).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  },
);

/** How many cells of the map showed writes, each time that this changed, until nothing runs. */
function movement(page: Page): Promise<number[]> {
  return page.evaluate(
    () =>
      new Promise<number[]>((resolve) => {
        const counts: number[] = [];
        const observer = new MutationObserver(() => {
          const count = document.querySelectorAll("rect.written").length;
          if (count > 0 && counts.at(-1) !== count) counts.push(count);
          if (document.querySelector("progress") !== null || counts.length === 0) return;
          observer.disconnect();
          resolve(counts);
        });
        observer.observe(document.body, { subtree: true, childList: true });
      }),
  );
}

async function lookInside(page: Page): Promise<void> {
  await button(page, "Show bytes of README.TXT").click();
  const bytes = page.getByRole("region", { name: "Bytes of /README.TXT" });
  await bytes.getByText(/00000000 {2}4d 61 64 65 20 62 79 .* Made by `diskwri/).waitFor();
  await button(page, "Open folder boot").click();
  await button(page, "Open folder bins").click();
  await button(page, "Show bytes of overlay-extra.wasm").click();
  await page
    .getByRole("region", { name: "Bytes of /boot/bins/overlay-extra.wasm" })
    .getByText(/00 61 73 6d/)
    .waitFor();
  await page.getByLabel("Where").selectOption({ label: "2 diskwright-data: objects" });
  const first = page.getByRole("button", { name: /^Show object [0-9a-f]{16}$/ }).first();
  await first.click();
  await page.getByRole("heading", { name: /^object [0-9a-f]{16}$/ }).waitFor();
}

/** Dark and narrow; nothing runs over the side; axe-core finds nothing serious in any of them. */
async function narrowAndDark(page: Page): Promise<void> {
  expect(await findings(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: "dark" });
  expect(await findings(page)).toEqual([]);
  await photograph(page, "5-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await findings(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await photograph(page, "6-narrow");
  await page.setViewportSize({ width: 1280, height: 900 });
}

async function findings(page: Page): Promise<string[]> {
  // Content-Security-Policy keeps scripts of others out; this one comes by the debugger.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
    return (await axe.run()).violations.map(({ id, impact, nodes }) => {
      return { impact, text: `${id}: ${nodes.map(({ html }) => html).join(" | ")}` };
    });
  });
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ text }) => text);
}

async function downloadAndBoot(page: Page): Promise<void> {
  const folder = scratch();
  const disk = join(folder, "life.img");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    button(page, "Download the image").click(),
  ]);
  expect(download.suggestedFilename()).toBe("life.img");
  await download.saveAs(disk);
  await said(page, "life.img, 320 MiB, is handed to the browser.");
  expectGoodTable(disk, [
    { number: 1, first: 2048, last: 264191 },
    { number: 2, first: 264192, last: 653311 },
  ]);
  expectCleanFat(disk, 2048, 262144);
  expect(await bootDisk(disk, folder)).toContain(GREETING);
}

test("an action that a person does by keyboard alone", async () => {
  const { page } = await visit(browser.context, browser.address);
  // While the page starts, its buttons are disabled, and Enter presses none.
  await button(page, "Make a disk").and(page.locator(":enabled")).waitFor();
  await page.getByLabel("Name", { exact: true }).focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("keys");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("160MiB");
  await page.keyboard.press("Enter");
  await said(page, "The disk keys is made.");
  for (const name of ["Delete keys…", "Delete keys"]) {
    await button(page, name).focus();
    await page.keyboard.press("Enter");
  }
  await said(page, "The disk keys is deleted.");
  expect(await button(page, "Open keys").count()).toBe(0);
  await page.close();
});

test("a disk that is too small, a name that is taken and one that is none are told", async () => {
  const { page } = await visit(browser.context, browser.address);
  await makeDisk(page, "small", "64MiB");
  await button(page, "Prepare and show the plan").click();
  await complained(page, /the smallest size that would do is 1\d\d/);
  await makeDiskBadly(page, "small", "64MiB", "There is a disk 'small' already.");
  await makeDiskBadly(page, "../up", "64MiB", "'../up' is no name for a disk.");
  expect(await button(page, "Install now").count()).toBe(0);
  await makeDiskBadly(page, "odd", "much", "'much' is not a size such as");
  await page.close();
});

async function makeDiskBadly(page: Page, name: string, size: string, text: string | RegExp) {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Size", { exact: true }).fill(size);
  await button(page, "Make a disk").click();
  await complained(page, text);
}

test("a report names the browser and the disk, and is not sent", async () => {
  const { page, strange } = await visit(browser.context, browser.address);
  await makeDisk(page, "told", "160MiB");
  await installDemo(page);
  await page.getByLabel("What happened").fill("It did not boot.");
  await button(page, "Write the report").click();
  const text = await page.getByLabel(/^Report:/).inputValue();
  expect(text).toContain("It did not boot.");
  expect(text).toMatch(/browser: Mozilla.*Chrome/);
  expect(text).toMatch(/told, 160 MiB, opfs/);
  expect(strange).toEqual([]);
  await page.close();
});

/** What stands there is asserted before. */
async function photograph(page: Page, name: string): Promise<void> {
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}
