/** Real firmware starts what we write, on both block sizes. */
import { join } from "node:path";
import { expect } from "vitest";
import { FatVolume } from "../../host/core/fat.ts";
import { createGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { greeter } from "../../host/system/demo/greeter.ts";
import { GREETING } from "../../host/system/demo/system.ts";
import { diskwright } from "../support/cli.ts";
import { bootDisk, FIRMWARE_TOOLS } from "./firmware.ts";
import { expectGoodTable, JUDGES } from "./judges.ts";
import { scratch, testWith } from "./tools.ts";

testWith(...FIRMWARE_TOOLS, ...JUDGES)("the demo's disk boots and greets", async () => {
  const folder = scratch();
  const { code, stdout } = diskwright(["demo", "--dir", folder]);
  expect(code).toBe(0);
  expect(stdout).toContain("[init] data-region mounted: system/config entries=3");
  const disk = join(folder, "disk.img");
  expectGoodTable(disk, [
    { number: 1, first: 2048, last: 264191 },
    { number: 2, first: 264192, last: 2095103 },
  ]);
  expect(await bootDisk(disk, folder)).toContain(GREETING);
});

testWith(...FIRMWARE_TOOLS)("a disk of 4096-byte blocks boots and greets", async () => {
  const folder = scratch();
  const path = join(folder, "4k.img");
  const greeting = "Diskwright: blocks of 4096 bytes.";
  const device = FileDevice.create(path, { size: "320MiB", blkSize: 4096 });
  const core = new Core();
  const id = core.attach(device);
  const { partitions } = createGpt(core, id, {
    entries: [{ type: "esp", name: "ESP", sizeBytes: 300 * 2 ** 20 }],
  });
  const [esp] = partitions;
  const place = { baseSector: (esp?.firstLba ?? 0) * 8, sectors: 300 * 2048 };
  const volume = FatVolume.format(core, id, { ...place, serial: 1, timestamp: 0, label: "ESP" });
  volume.mkdir("/EFI/BOOT", { recursive: true });
  volume.writeFile("/EFI/BOOT/BOOTX64.EFI", greeter(greeting));
  volume.close();
  device.close();
  expect(await bootDisk(path, folder, { blockSize: 4096 })).toContain(greeting);
});
