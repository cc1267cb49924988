/**
 * `npm run web`: builds the page to build/web and serves it to this machine alone. With
 * `-- --isolated` it is cross-origin isolated: the headers COOP and COEP come along.
 */
import { existsSync } from "node:fs";
import { build, preview } from "vite";

const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};
const isIsolated = process.argv.includes("--isolated");
const configFile = "host/web/vite.config.ts";
if (!existsSync("build/core.wasm")) {
  process.stderr.write("The modules are not built yet: run `npm run build` first.\n");
  process.exit(1);
}
await build({ configFile, logLevel: "warn" });
const server = await preview({ configFile, preview: isIsolated ? { headers: ISOLATION } : {} });
server.printUrls();
