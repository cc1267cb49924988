/** Builds the page to build/web: static files that work from any path. */
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  build: {
    outDir: "../../build/web",
    emptyOutDir: true,
    target: "es2022",
    // A file is a file: a data: address would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  worker: { format: "es" },
  server: { host: "127.0.0.1", fs: { allow: ["../.."] } },
  preview: { host: "127.0.0.1", port: 4173, strictPort: true },
});
