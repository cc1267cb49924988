/** The measured part of bench/opfs.ts, in a worker: times of each candidate, round by round. */

import { systemRandom } from "../../host/base/seed.ts";
import {
  Core,
  type FileSystem,
  loadModules,
  OpfsDevice,
  Region,
  removeOpfs,
} from "../../host/browser.ts";
import { type BlockDevice, RequestType, request } from "../../host/device/device.ts";
import { PowerDevice } from "../../host/device/fault/power.ts";
import type { SyncFile } from "../../host/device/local/opfs.ts";

const SIZE_BYTES = 64 << 20;
const STEP_BYTES = 1 << 20;
const ROUNDS = 7;

/** What each round of a candidate took, in milliseconds. */
export type Times = Record<string, number[]>;

interface Candidate {
  readonly name: string;
  /** Prepares a fresh file; answers the measured part and what ends it. */
  open(): Promise<{ run(step: Uint8Array): void; end(): Promise<void> }>;
}

const raw: Candidate = {
  name: "raw handle",
  async open() {
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle("raw.bin", { create: true });
    const file = await (
      handle as unknown as { createSyncAccessHandle(): Promise<SyncFile> }
    ).createSyncAccessHandle();
    file.truncate(0);
    file.flush();
    return {
      run(step) {
        for (let at = 0; at < SIZE_BYTES; at += STEP_BYTES) file.write(step, { at });
        file.flush();
      },
      async end() {
        file.close();
        await root.removeEntry("raw.bin");
      },
    };
  },
};

/** `around` puts what the page has between core and device. */
const device = (name: string, around = (disk: BlockDevice) => disk): Candidate => ({
  name,
  async open() {
    const file = await OpfsDevice.create("device.img", { size: "256MiB", overwrite: true });
    const disk = around(file);
    return {
      run(step) {
        for (let at = 0; at < SIZE_BYTES; at += STEP_BYTES) {
          disk.submit([request(RequestType.OUT, at / 512, step)]);
        }
        const flush = request(RequestType.FLUSH, 0);
        disk.submit([flush]);
        if (flush.status !== 0) throw flush.cause;
      },
      async end() {
        disk.close();
        await removeOpfs("device.img");
      },
    };
  },
});

/** The page's plug: what is small waits in a cache of its own. */
function plugged(disk: BlockDevice): BlockDevice {
  return new PowerDevice(disk, { random: systemRandom });
}

/**
 * What the disk of 1 GiB has had before: nothing at all; a small file, as every disk with a system
 * has; a file as large as the measured one, deleted since.
 */
type Past = "nothing" | "a small file" | "a large file";

function files(name: string, past: Past, around = (disk: BlockDevice) => disk): Candidate {
  return {
    name,
    async open() {
      const file = await OpfsDevice.create("files.img", { size: "1GiB", overwrite: true });
      const disk = around(file);
      const core = new Core();
      const id = core.attach(disk);
      Region.format(core, id);
      const region = Region.open(core, id, { strict: false });
      const mounted = region.files as FileSystem;
      const run = (step: Uint8Array) => {
        const fd = mounted.open("/large", "w");
        for (let at = 0; at < SIZE_BYTES; at += STEP_BYTES) {
          mounted.write(fd, step, 0, STEP_BYTES, at);
        }
        mounted.close(fd);
        mounted.sync();
      };
      if (past === "a small file") {
        mounted.writeFile("/small", "a system's own");
        mounted.sync();
      }
      if (past === "a large file") {
        run(new Uint8Array(STEP_BYTES).fill(1));
        mounted.unlink("/large");
        // The space of a deleted file is free two commits later.
        for (let commit = 0; commit < 3; commit++) {
          mounted.writeFile("/small", `${commit}`);
          mounted.sync();
        }
      }
      return {
        run,
        async end() {
          region.close();
          disk.close();
          await removeOpfs("files.img");
        },
      };
    },
  };
}

const CANDIDATES: readonly Candidate[] = [
  raw,
  device("OpfsDevice"),
  device("with the page's plug", plugged),
  files("a file on a fresh disk", "nothing"),
  files("a file on a used disk", "a large file"),
  files("a file in the page's stack", "a small file", plugged),
];

async function measure(): Promise<Times> {
  await loadModules({ core: "/build/core.wasm", media: "/build/media.wasm" });
  const step = crypto.getRandomValues(new Uint8Array(65_536));
  const piece = new Uint8Array(STEP_BYTES);
  for (let at = 0; at < STEP_BYTES; at += step.length) piece.set(step, at);
  const times: Times = {};
  for (let round = -1; round < ROUNDS; round++) {
    const order = [...CANDIDATES];
    if (round % 2 !== 0) order.reverse();
    for (const candidate of order) {
      const { run, end } = await candidate.open();
      const started = performance.now();
      run(piece);
      const ms = performance.now() - started;
      await end();
      // The first round warms up.
      if (round < 0) continue;
      times[candidate.name] ??= [];
      times[candidate.name]?.push(ms);
    }
  }
  return times;
}

measure().then(
  (times) => postMessage(times),
  (error: unknown) => postMessage({ error: String((error as Error)?.stack ?? error) }),
);
