/** Tests that judge our disks with other people's tools and firmware. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/tools/**/*.test.ts", "test/web/browser/**/*.test.ts"],
    testTimeout: 240_000,
    hookTimeout: 360_000,
    fileParallelism: false,
    expect: { requireAssertions: true },
    env: { LC_ALL: "C.UTF-8" },
  },
});
