/** An installed disk stands alone: the medium gone, the file moved, another process. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { makeDisk } from "../../host/system/image/mkdisk.ts";
import { install } from "../../host/system/install/install.ts";
import { bootTree, withRegion } from "./support.ts";

function bootElsewhere(path: string) {
  const script = new URL("boot-once.ts", import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", script, path],
    { encoding: "utf8" },
  );
  return { status, lines: stdout.split("\n").filter((line) => line !== ""), stderr };
}

test("an installed file boots in another process, from another path, without its medium", () => {
  const folder = mkdtempSync(join(tmpdir(), "moved-"));
  try {
    const mediumPath = join(folder, "medium.img");
    const diskPath = join(folder, "disk.img");
    const medium = FileDevice.create(mediumPath, { size: "256MiB" });
    finish(makeDisk(medium, { boot: bootTree() }));
    const disk = FileDevice.create(diskPath, { size: "1GiB" });
    finish(install(medium, disk));
    medium.close();
    disk.close();
    rmSync(mediumPath);
    mkdirSync(join(folder, "elsewhere"));
    const moved = join(folder, "elsewhere", "moved.img");
    renameSync(diskPath, moved);
    expect(bootElsewhere(moved)).toMatchObject({
      status: 0,
      lines: ["data region: mounted", "[init] data-region mounted: system/config entries=0"],
    });
    const again = FileDevice.open(moved);
    withRegion(again, ({ files }) => {
      for (const name of ["a", "b", "c"]) files?.writeFile(`/system/config/${name}`, name);
    });
    again.close();
    expect(bootElsewhere(moved).lines[1]).toBe(
      "[init] data-region mounted: system/config entries=3",
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
