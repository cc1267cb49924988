/** Planted bugs of the filesystem: each breaks a promise that these scenarios can see. */
import { expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { freshCore, plantedCore } from "../support/core.ts";

interface Place {
  readonly files: FileSystem;
  readonly trace: TraceDevice;
  /** Findings in a copy of the device as it is now, by a core without bugs. */
  crashed(): number;
}

function place(id: number): Place {
  const core = plantedCore(id);
  const memory = new MemoryDevice({ size: "16MiB" });
  const trace = new TraceDevice(memory, { logging: false });
  const device = core.attach(trace);
  Region.format(core, device);
  const region = Region.open(core, device);
  return {
    files: region.files as FileSystem,
    trace,
    crashed: () => {
      const other = freshCore();
      const found = Region.open(other, other.attach(memory.clone()), { readOnly: true });
      return (found.files?.check({ data: true }) ?? []).length;
    },
  };
}

const PAGE = new Uint8Array(4096).fill(1);

const SCENARIOS: readonly (readonly [number, string, (place: Place) => number])[] = [
  [
    30,
    "rename keeps the old back reference",
    ({ files }) => {
      files.writeFile("/a", "x");
      files.rename("/a", "/b");
      return files.check().length;
    },
  ],
  [
    31,
    "a page of the durable state is overwritten in place",
    ({ files, trace, crashed }) => {
      files.writeFile("/a", new Uint8Array(20_000).fill(1));
      files.sync();
      const fd = files.open("/a", "r+");
      files.write(fd, PAGE.fill(2), 0, 4096, 4096);
      trace.inject({ on: RequestType.FLUSH });
      expect(() => files.sync()).toThrow("EIO");
      return crashed();
    },
  ],
  [
    32,
    "the checksum of the old content stays",
    ({ files }) => {
      const fd = files.open("/a", "w");
      files.write(fd, new Uint8Array(20_000).fill(1));
      files.write(fd, PAGE.fill(2), 0, 4096, 4096);
      files.close(fd);
      return files.check({ data: true }).length;
    },
  ],
  [
    33,
    "the reclaim queue forgets an inode too early",
    ({ files }) => {
      const fd = files.open("/a", "w");
      for (let at = 0; at < 100; at++) files.write(fd, PAGE, 0, 4096, at * 8192);
      files.close(fd);
      files.unlink("/a");
      return files.check().length;
    },
  ],
  [
    34,
    "freed pages are given out again at once",
    ({ files, trace, crashed }) => {
      files.writeFile("/a", new Uint8Array(600_000).fill(1));
      files.sync();
      files.unlink("/a");
      files.writeFile("/b", new Uint8Array(600_000).fill(2));
      trace.inject({ on: RequestType.FLUSH });
      expect(() => files.sync()).toThrow("EIO");
      return crashed();
    },
  ],
  [
    35,
    "nlink is not lowered",
    ({ files }) => {
      files.writeFile("/a", "x");
      files.link("/a", "/b");
      files.unlink("/a");
      return files.check().length;
    },
  ],
  [
    36,
    "rename forgets the file it replaces",
    ({ files }) => {
      files.writeFile("/a", "x");
      files.writeFile("/b", "y");
      files.rename("/a", "/b");
      return files.check().length;
    },
  ],
];

test.each(SCENARIOS)("bug %i is found: %s", (id, _, scenario) => {
  expect(scenario(place(id))).toBeGreaterThan(0);
});

test.each(SCENARIOS)("without bug %i the same is sound", (_, __, scenario) => {
  expect(scenario(place(0))).toBe(0);
});
