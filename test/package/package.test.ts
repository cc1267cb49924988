/** The package as an embedder has it: plain JavaScript over dist/, on this Node. */
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function node(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    cwd: ROOT,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test("each program of the package is a file that a shell can start", () => {
  const { bin } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
    bin: Record<string, string>;
  };
  expect(Object.keys(bin)).toEqual(["diskwright", "rayos-installer"]);
  for (const [name, path] of Object.entries(bin)) {
    expect(readFileSync(`${ROOT}${path}`, "utf8").startsWith("#!/usr/bin/env node\n"), name).toBe(
      true,
    );
    expect(statSync(`${ROOT}${path}`).mode & 0o111, name).toBe(0o111);
  }
});

test("each subpath of the exports leads to code", () => {
  const script = `
    const [root, device, memory] = await Promise.all([
      import("diskwright"),
      import("diskwright/device/device"),
      import("diskwright/device/local/memory"),
    ]);
    const disk = new memory.MemoryDevice({ size: "1MiB" });
    const read = device.request(device.RequestType.IN, 0, new Uint8Array(512));
    disk.submit([read]);
    const names = ["createDisk", "openDisk", "Core", "Store", "FileSystem", "Gpt", "Region"];
    console.info(names.every((name) => name in root), read.status,
      memory.MemoryDevice === root.MemoryDevice);`;
  const result = node("--input-type=module", "-e", script);
  expect(result).toEqual({ status: 0, stdout: "true 0 true\n", stderr: "" });
});
