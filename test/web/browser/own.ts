/** What every file of tests has for itself: the page served, and a browser with a profile. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { findTool } from "../../tools/tools.ts";
import { browse, CHROMIUM, type Served, serve } from "./page.ts";

export interface OwnBrowser {
  /** Folder of the profile. */
  readonly profile: string;
  readonly context: BrowserContext;
  /** Of the page. */
  readonly address: string;
}

/** Starts both before the file's tests, where there is a Chromium, and ends them after. */
export function ownBrowser(): OwnBrowser {
  const profile = mkdtempSync(join(tmpdir(), "diskwright-profile-"));
  let served: Served | undefined;
  let context: BrowserContext | undefined;
  beforeAll(async () => {
    if (findTool(CHROMIUM) === undefined) return;
    served = await serve();
    context = await browse(profile);
  });
  afterAll(async () => {
    await context?.close();
    await served?.close();
    rmSync(profile, { recursive: true, force: true });
  });
  return {
    profile,
    get context() {
      return context as BrowserContext;
    },
    get address() {
      return (served as Served).address;
    },
  };
}
