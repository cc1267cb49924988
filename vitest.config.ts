/** Tests that need no system tool. */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/tools/**", "test/browser/**", "test/web/browser/**"],
    testTimeout: 60_000,
    // One less, vitest's own choice, would leave half of a small machine idle.
    maxWorkers: availableParallelism(),
    expect: { requireAssertions: true },
  },
});
