/** Tests that run in a real Chromium: devices of the browser, the core in a worker. */
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { PROFILE } from "./test/browser/support/profile.ts";
import { answerRanges } from "./test/support/range-server.ts";

// What makes SharedArrayBuffer available; the workers that must do without are started elsewhere.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** What a browser may take to start on a busy machine. */
const START_MS = 300_000;

export default defineConfig({
  server: { host: "127.0.0.1", headers },
  // Named, as one that is found during a run would start it anew.
  optimizeDeps: {
    include: ["fast-check", "typed-binary", "@assemblyscript/loader", "smol-toml"],
  },
  worker: { format: "es" },
  plugins: [
    { name: "ranges", configureServer: (server) => void server.middlewares.use(answerRanges) },
  ],
  test: {
    include: ["test/browser/**/*.test.ts"],
    globalSetup: "test/browser/support/profile.ts",
    testTimeout: 60_000,
    fileParallelism: false,
    expect: { requireAssertions: true },
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      api: { host: "127.0.0.1" },
      // Everything else starts at the same time.
      connectTimeout: START_MS,
      instances: [{ browser: "chromium" }],
      provider: playwright({
        // A profile on the disk: OPFS of an incognito window lives in memory, behind slow calls.
        persistentContext: PROFILE,
        launchOptions: {
          executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
          timeout: START_MS,
          args: [
            ...["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic"],
            ...["--no-first-run", "--disable-background-networking", "--disable-component-update"],
            "--disable-sync",
          ],
        },
      }),
    },
  },
});
