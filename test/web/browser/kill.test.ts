/**
 * The renderer is killed (SIGKILL) at random moments of installations and updates: page, worker and
 * all that they held are gone. Opened again, the disk is consistent, and the flow goes on or is
 * done. The seed is printed in each test's name; DISKWRIGHT_SEED chooses another one.
 */
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { seededRandom } from "../../../host/base/seed.ts";
import { testWith } from "../../tools/tools.ts";
import { ownBrowser } from "./own.ts";
import { button, CHROMIUM, installDemo, makeDisk, prepareDemo, said, visit } from "./page.ts";
import { renderers } from "./processes.ts";

const SEED = process.env["DISKWRIGHT_SEED"] ?? "5";
const KILLS = 10;
const test = testWith(CHROMIUM);
const browser = ownBrowser();
const random = seededRandom(SEED, "kill");

function upTo(most: number): number {
  const bytes = new Uint8Array(4);
  random(bytes);
  return Math.floor((new DataView(bytes.buffer).getUint32(0) / 2 ** 32) * most);
}

/** Kills the page `ms` after `act` began, and opens another one with the same disk. */
async function killedAfter(page: Page, name: string, ms: number, act: () => Promise<void>) {
  const crashed = page.waitForEvent("crash");
  // What waits for a page that is dead fails some time later.
  void act().catch(() => undefined);
  await new Promise((done) => setTimeout(done, ms));
  const pids = renderers(browser.profile);
  expect(pids).not.toEqual([]);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await crashed;
  const { page: next } = await visit(browser.context, `${browser.address}#${name}`);
  await next.getByRole("heading", { name: `Disk ${name}` }).waitFor();
  return next;
}

test(`killed at ${KILLS} moments of installations, seed ${SEED}: resumed, or done`, async () => {
  let { page } = await visit(browser.context, browser.address);
  const name = "killed";
  await makeDisk(page, name, "160MiB");
  await prepareDemo(page);
  const began = Date.now();
  await button(page, "Install now").click();
  await said(page, "read back and equal.");
  const wholeMs = Date.now() - began;
  const ends = { resumed: 0, begun: 0, done: 0 };
  for (let kill = 0; kill < KILLS; kill++) {
    await button(page, `Delete ${name}…`).click();
    await button(page, `Delete ${name}`).click();
    await said(page, `The disk ${name} is deleted.`);
    await makeDisk(page, name, "160MiB");
    // Every fifth time it may come while the payload is made ready.
    const isEarly = kill % 5 === 4;
    if (!isEarly) await prepareDemo(page);
    page = await killedAfter(page, name, upTo(wholeMs), async () => {
      if (isEarly) await prepareDemo(page);
      await button(page, "Install now").click();
    });
    ends[await goOn(page)]++;
    await button(page, "Verify").click();
    await said(page, "The disk is clean.");
    await button(page, "Boot").click();
    await said(page, "passed its health checkpoint.");
  }
  expect(ends.resumed + ends.begun + ends.done).toBe(KILLS);
  expect(ends.resumed, JSON.stringify(ends)).toBeGreaterThan(0);
  await page.close();
});

/** Does what the page offers, until the disk is installed. */
async function goOn(page: Page): Promise<"resumed" | "begun" | "done"> {
  const resume = button(page, "Resume the installation");
  const begin = button(page, "Install now");
  const prepare = button(page, "Prepare and show the plan");
  await resume.or(begin).or(prepare).first().waitFor();
  if (await resume.isVisible()) {
    await resume.click();
    await said(page, "read back and equal. It went on at the step");
    return "resumed";
  }
  if (await page.getByText("A system is installed on this disk.").isVisible()) return "done";
  if (await prepare.isVisible()) await prepareDemo(page);
  await begin.click();
  await said(page, "read back and equal.");
  return "begun";
}

test(`killed at ${KILLS} moments of updates and boots, seed ${SEED}: gone on with`, async () => {
  let { page } = await visit(browser.context, browser.address);
  const name = "updated";
  await makeDisk(page, name, "160MiB");
  await installDemo(page);
  await button(page, "Provision").click();
  await said(page, "Generation 1 is provisioned and active.");
  for (let kill = 0; kill < KILLS; kill++) {
    const failing = kill % 2 === 1;
    page = await killedAfter(page, name, upTo(250), async () => {
      const update = button(page, failing ? "Failing update" : "Update");
      if (await update.isEnabled()) await update.click();
      await said(page, /staged|^$/);
      await button(page, "Boot").click();
      await said(page, "passed its health checkpoint");
    });
    await button(page, "Verify").click();
    await said(page, "The disk is clean.");
    await button(page, "Boot").click();
    await said(page, /passed its health checkpoint, generation \d+/);
  }
  const runs = page.getByRole("listitem").filter({ hasText: /^Generation \d+ active/ });
  expect(await runs.count()).toBe(1);
  await page.close();
});
