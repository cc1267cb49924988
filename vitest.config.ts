/** Tests that need no system tool. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/tools/**", "test/browser/**"],
    testTimeout: 60_000,
    expect: { requireAssertions: true },
  },
});
