/**
 * What goes wrong around a page: power cuts, reloads, a second tab, a full or lost storage, files
 * that are no disks. Each ends in a sentence, and with the disk as it was last committed.
 */
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { run } from "../../../host/base/work.ts";
import { FileDevice } from "../../../host/device/local/file.ts";
import { demoBoot } from "../../../host/system/demo/system.ts";
import { folderTree, memoryTree } from "../../../host/system/image/folder.ts";
import { makeDisk as makeMedium } from "../../../host/system/image/mkdisk.ts";
import { splitDisk } from "../../../host/system/image/split.ts";
import { makeMedia, planMedia } from "../../../host/system/media/media.ts";
import { shippedService } from "../../../host/system/service/shipped.ts";
import { tar } from "../../system/rayos/tars.ts";
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
  pressed,
  reloadHalfway,
  said,
  visit,
  whenShown,
} from "./page.ts";

const test = testWith(CHROMIUM);
const browser = ownBrowser();

/** A page of its own for each test, which must leave no error behind in the page itself. */
async function onPage(address: string, use: (page: Page) => Promise<void>): Promise<void> {
  const { page, strange } = await visit(browser.context, address);
  await use(page);
  expect(strange).toEqual([]);
  await page.close();
}

async function expectClean(page: Page): Promise<void> {
  await button(page, "Verify").click();
  await said(page, "The disk is clean.");
}

test("power cut in the middle of an installation: switched on again, it is resumed", () =>
  onPage(browser.address, async (page) => {
    await makeDisk(page, "cut", "320MiB");
    await prepareDemo(page);
    await page.getByLabel("Cut it in the middle of the next action").check();
    await button(page, "Install now").click();
    await complained(page, "The power was cut while this went on: installing.");
    await page.getByText("The power is cut.", { exact: true }).waitFor();
    await button(page, "Switch on again").click();
    await said(page, "The power is on again.");
    await button(page, /Resume the installation|Install now/).click();
    await said(page, "Installed on cut, read back and equal.");
    await expectClean(page);
  }));

test("the plug is pulled by hand while an installation runs: it is resumed", () =>
  onPage(browser.address, async (page) => {
    await makeDisk(page, "plug", "1GiB");
    await prepareDemo(page);
    await whenShown(page, MIDDLE, { click: "Cut the power now" });
    await button(page, "Install now").click();
    await complained(page, "The power was cut while this went on: installing.");
    await button(page, "Switch on again").click();
    await said(page, "The power is on again.");
    await button(page, "Resume the installation").click();
    await said(page, "read back and equal. It went on at the step");
    await expectClean(page);
  }));

test("power cuts in updates and boots leave what was committed", () =>
  onPage(browser.address, async (page) => {
    await makeDisk(page, "often", "160MiB");
    await installDemo(page);
    await button(page, "Provision").click();
    await said(page, "Generation 1 is provisioned and active.");
    for (const name of ["Update", "Boot", "Failing update", "Boot"]) {
      await page.getByLabel("Cut it in the middle of the next action").check();
      if (await button(page, name).isEnabled()) await pressed(page, name);
      // In the page itself: on its way a click could meet the button that comes in its place.
      await page.evaluate(() => {
        const buttons = [...document.querySelectorAll("button")];
        buttons.find(({ textContent }) => textContent === "Cut the power now")?.click();
      });
      // Whatever was cut has ended by then, too: until it has, the worker is busy.
      await page.waitForTimeout(1000);
      await button(page, "Switch on again").click();
      await said(page, "The power is on again.");
      await expectClean(page);
    }
    await button(page, "Boot").click();
    await said(page, /passed its health checkpoint, generation [123]/);
  }));

test("a reload in the middle of an installation: the page offers to resume it", () =>
  onPage(browser.address, async (page) => {
    await reloadHalfway(page, "again");
    await button(page, "Resume the installation").click();
    await said(page, "read back and equal. It went on at the step");
    await expectClean(page);
  }));

test("an installation that is stopped can be gone on with", () =>
  onPage(browser.address, async (page) => {
    await makeDisk(page, "stopped", "1GiB");
    await prepareDemo(page);
    await whenShown(page, MIDDLE, { click: "Stop" });
    await button(page, "Install now").click();
    await complained(page, "Stopped");
    await button(page, /Resume the installation|Install now/).click();
    await said(page, "Installed on stopped, read back and equal.");
  }));

test("a second tab is refused with a sentence, may read, and gets the disk when it is free", () =>
  onPage(browser.address, async (first) => {
    await makeDisk(first, "shared", "160MiB");
    await installDemo(first);
    const { page: second } = await visit(browser.context, browser.address);
    await button(second, "Open shared").click();
    await complained(second, /is open for writing in another tab or worker\. Close it there/);
    await button(second, "Open shared read-only").click();
    await second.getByRole("heading", { name: "Disk shared" }).waitFor();
    expect(await button(second, "Provision").isEnabled()).toBe(false);
    await first.close();
    await button(second, "Open shared").click();
    await button(second, "Provision").click();
    await said(second, "Generation 1 is provisioned and active.");
    await second.close();
  }));

test("a quota that is too small is told with what to do, and nothing is half made", () =>
  onPage(browser.address, async (page) => {
    const debug = await browser.context.newCDPSession(page);
    const { origin } = new URL(browser.address);
    const limit = (size?: number) =>
      debug.send("Storage.overrideQuotaForOrigin", {
        ...{ origin, ...(size === undefined ? {} : { quotaSize: size }) },
      });
    const { usage = 0 } = await page.evaluate(() => navigator.storage.estimate());
    // Chromium takes room for a file in steps of 256 MiB.
    await limit(usage + (400 << 20));
    try {
      await page.getByLabel("Name", { exact: true }).fill("large");
      await page.getByLabel("Size", { exact: true }).fill("1GiB");
      await button(page, "Make a disk").click();
      await complained(page, /finds no room in this browser's storage.*Delete other disks/);
      expect(await button(page, "Open large").count()).toBe(0);
      await makeDisk(page, "fits", "160MiB");
      await button(page, "Prepare and show the plan").click();
      await complained(page, /finds no room in this browser's storage/);
    } finally {
      await limit();
    }
    await installDemo(page);
    await expectClean(page);
  }));

test("storage that is evicted between two visits: the list is empty, and making one works", () =>
  onPage(browser.address, async (page) => {
    await makeDisk(page, "gone", "160MiB");
    expect(new URL(page.url()).hash).toBe("#gone");
    await page.close();
    const { page: other } = await visit(browser.context, browser.address);
    await other.evaluate(async () => {
      const storage = await navigator.storage.getDirectory();
      const evict = () => storage.removeEntry("diskwright", { recursive: true });
      // The browser gives up the files of a page that was closed a moment later.
      for (let turn = 0; turn < 100; turn++) {
        try {
          return await evict();
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
      await evict();
    });
    await other.close();
    const { page: again } = await visit(browser.context, `${browser.address}#gone`);
    await again.getByText("There is no disk yet.").waitFor();
    await makeDisk(again, "next", "160MiB");
    await installDemo(again);
    await again.close();
  }));

test("a worker that is stopped: what waits for it is told to reload, and the disk is there", () =>
  onPage(browser.address, async (page) => {
    await makeDisk(page, "alone", "160MiB");
    await installDemo(page);
    // Whatever ends it, its lock becomes free.
    await page.workers()[0]?.evaluate(() => self.close());
    await complained(page, "The worker of the page has ended: the browser stopped it. Reload");
    await button(page, "Boot").click();
    await complained(page, "The worker of the page has ended");
    await page.reload();
    await button(page, "Boot").click();
    await said(page, "passed its health checkpoint.");
  }));

/** A disk image of ours, and an ISO medium that carries it. */
async function ownMedia(): Promise<{ image: string; iso: string }> {
  const folder = scratch();
  const [image, iso] = [join(folder, "own.img"), join(folder, "own.iso")];
  const boot = memoryTree(demoBoot(shippedService));
  const disk = FileDevice.create(image, { size: "160MiB" });
  await run(makeMedium(disk, { boot }));
  await run(splitDisk(disk, join(folder, "parts")));
  disk.close();
  const given = { boot, payload: folderTree(join(folder, "parts")) };
  const medium = FileDevice.create(iso, { size: planMedia(given).sectors * 512 });
  await run(makeMedia(medium, given));
  medium.close();
  return { image, iso };
}

test("an address that cannot be read names no disk: the page starts as without one", () =>
  onPage(`${browser.address}#%`, async (page) => {
    await makeDisk(page, "percent", "16MiB");
    expect(new URL(page.url()).hash).toBe("#percent");
  }));

test("a disk whose note is damaged opens all the same, also after a reload, and is deleted", () =>
  onPage(browser.address, async (page) => {
    await makeDisk(page, "noted", "16MiB");
    await page.evaluate(async () => {
      const storage = await navigator.storage.getDirectory();
      const folder = await (await storage.getDirectoryHandle("diskwright")).getDirectoryHandle(
        "noted",
      );
      const writer = await (
        await folder.getFileHandle("note.json", { create: true })
      ).createWritable();
      await writer.write(JSON.stringify({ nvram: [1, 2, 3] }));
      await writer.close();
    });
    await page.reload();
    await page.getByRole("heading", { name: "Disk noted" }).waitFor();
    await button(page, "Delete noted…").click();
    await button(page, "Delete noted").click();
    await said(page, "The disk noted is deleted.");
  }));

test("an image of one's own is looked into, booted, not written to, and installed", async () => {
  const { image, iso } = await ownMedia();
  const before = readFileSync(image);
  await onPage(browser.address, async (page) => {
    await page.getByLabel("Or look into an image of yours").setInputFiles(image);
    await said(page, "own.img is open. It is not written to");
    await button(page, "Provision").click();
    await said(page, "Generation 1 is provisioned and active.");
    await button(page, "Boot").click();
    await said(page, "passed its health checkpoint, generation 1");
    await expectClean(page);
    expect(Buffer.compare(readFileSync(image), before)).toBe(0);
    await makeDisk(page, "copy", "160MiB");
    for (const path of [image, iso]) {
      await page.getByLabel("An image or ISO medium").check();
      await page.getByLabel("Disk image, or ISO of mkmedia").setInputFiles(path);
      await page.getByLabel("Write over what is on the disk").check();
      await button(page, "Prepare and show the plan").click();
      await said(page, "Nothing is written to the disk yet.");
      await button(page, "Install now").click();
      await said(page, "Installed on copy, read back and equal.");
      await button(page, "Boot").click();
      await said(page, "passed its health checkpoint.");
    }
  });
});

test("a damaged partition table is found at its LBA, and mended from the backup", async () => {
  const { image } = await ownMedia();
  const file = openSync(image, "r+");
  writeSync(file, Uint8Array.of(0xff), 0, 1, 512 + 16);
  closeSync(file);
  await onPage(browser.address, async (page) => {
    await page.getByLabel("Or look into an image of yours").setInputFiles(image);
    await said(page, "own.img is open.");
    await button(page, "Verify").click();
    await said(page, /\d places? on the disk (is|are) damaged\./);
    const found = page.getByRole("row", { name: /^table 1 .* found$/ });
    expect(await found.count()).toBeGreaterThan(0);
    await button(page, "Repair").click();
    await said(page, /mended; it is clean now\./);
    await expectClean(page);
  });
});

test("files that are no disks, and one of 3 GiB, are told for what they are", async () => {
  const folder = scratch();
  const made = (name: string, bytes: number, text = "") => {
    const path = join(folder, name);
    writeFileSync(path, text);
    const descriptor = openSync(path, "r+");
    ftruncateSync(descriptor, bytes);
    closeSync(descriptor);
    return path;
  };
  await onPage(browser.address, async (page) => {
    const upload = (path: string) =>
      page.getByLabel("Or look into an image of yours").setInputFiles(path);
    await upload(made("tiny.txt", 5, "hello"));
    await complained(page, "'tiny.txt' has 5 bytes: not even one sector of a disk.");
    await upload(made("letter.txt", 4096, "Dear all"));
    await said(page, "letter.txt is open.");
    await button(page, "Verify").click();
    await complained(page, "Nothing that is known is on 'letter.txt'.");
    await upload(made("large.img", 3 * 2 ** 30));
    await said(page, "large.img is open.");
    await page.getByText("3 GiB, a file of yours, changes stay in memory.").waitFor();
  });
});

test("a folder and a tar of boot files are installed; one without a boot loader is refused", async () => {
  const folder = scratch();
  const files = demoBoot(shippedService);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, "boot", path, ".."), { recursive: true });
    writeFileSync(join(folder, "boot", path), content);
  }
  mkdirSync(join(folder, "none"));
  writeFileSync(join(folder, "none", "a.txt"), "a");
  const archive = join(folder, "boot.tar.gz");
  const members = Object.entries(files).map(([name, content]) => ({ name, content }));
  writeFileSync(archive, gzipSync(tar(...members)));
  await onPage(browser.address, async (page) => {
    await makeDisk(page, "own", "160MiB");
    const prepare = async (kind: string, label: string, path: string) => {
      await page.getByLabel(kind).check();
      await page.getByLabel(label).setInputFiles(path);
      await button(page, "Prepare and show the plan").click();
    };
    await prepare("A folder for the ESP", "Folder with EFI/BOOT/BOOTX64.EFI", join(folder, "none"));
    await complained(page, "no boot loader is in it");
    await prepare(
      "A tar archive for the ESP",
      "Tar archive: tar, tar.gz or tar.zst",
      join(folder, "none", "a.txt"),
    );
    await complained(page, "'a.txt'");
    for (const [kind, label, path] of [
      ["A folder for the ESP", "Folder with EFI/BOOT/BOOTX64.EFI", join(folder, "boot")],
      ["A tar archive for the ESP", "Tar archive: tar, tar.gz or tar.zst", archive],
    ] as const) {
      await page.getByLabel("Write over what is on the disk").check();
      await prepare(kind, label, path);
      await said(page, "Nothing is written to the disk yet.");
      await button(page, "Install now").click();
      await said(page, "Installed on own, read back and equal.");
      await button(page, "Boot").click();
      await said(page, "passed its health checkpoint.");
    }
  });
});
