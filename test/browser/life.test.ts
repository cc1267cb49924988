/** Workers of disks that end without a word: the page learns of it, and opens the disk again. */
import { beforeAll, expect, test } from "vitest";
import {
  type AsyncDisk,
  createDisk,
  loadModules,
  openDisk,
  removeOpfs,
} from "../../host/browser.ts";
import { noise } from "../support/contract.ts";

beforeAll(() => loadModules({ core: "/build/core.wasm", media: "/build/media.wasm" }));

let worker: Worker;
const options = {
  worker: () => {
    worker = new Worker(new URL("./dying.worker.ts", import.meta.url), { type: "module" });
    return worker;
  },
};

/** How the worker ends, behind the disk's back. */
const ENDS = [
  ["is terminated", () => worker.terminate()],
  ["closes itself", () => new BroadcastChannel("die").postMessage(null)],
] as const;

test.each(ENDS)(
  "a worker that %s: what waits and what comes is told, what was committed is there",
  async (how, end) => {
    const name = `${how.replaceAll(" ", "-")}.img`;
    const disk = await createDisk(`opfs:${name}`, { ...options, size: "8MiB", layout: "region" });
    const { promises } = disk.fs as NonNullable<AsyncDisk["fs"]>;
    await promises.writeFile("/kept", "kept");
    await disk.sync();
    // Its bytes never come, so this waits until the worker has ended.
    const waiting = disk.store?.putStream(new ReadableStream());
    end();
    const told = {
      ...{ name: "StorageError", code: "EIO", syscall: "disk", path: `opfs:${name}` },
      message: expect.stringMatching(/has ended: the browser stopped it.*Open the disk again/),
    };
    await expect(waiting).rejects.toMatchObject(told);
    await expect(promises.readFile("/kept")).rejects.toMatchObject(told);
    await expect(disk.store?.put(noise(10, 1))).rejects.toMatchObject(told);
    await expect(disk.sync()).rejects.toMatchObject(told);
    await expect(disk.close()).rejects.toMatchObject(told);
    const again = await openDisk(`opfs:${name}`, options);
    expect(await again.fs?.promises.readFile("/kept", "utf8")).toBe("kept");
    await again.close();
    await removeOpfs(name);
  },
);

test("a large disk can be removed once it is closed, however long it is flushed aside", async () => {
  const slow = () => new Worker(new URL("./slow.worker.ts", import.meta.url), { type: "module" });
  const disk = await createDisk("opfs:large.img", {
    worker: slow,
    size: "64MiB",
    layout: "region",
  });
  // One more than what the thread that flushes waits for.
  for (let mib = 0; mib < 9; mib++) await disk.store?.put(noise(1 << 20, mib));
  await disk.close();
  await expect(removeOpfs("large.img")).resolves.toBeUndefined();
});

test("a disk that is closed is not missed: later calls say that it is closed", async () => {
  const disk = await createDisk("mem:8MiB", { ...options, layout: "region" });
  const { promises } = disk.fs as NonNullable<AsyncDisk["fs"]>;
  await disk.close();
  // The worker's lock is free by now, or soon; nobody asks for it any more.
  const isOurs = ({ name = "" }: LockInfo) => name.startsWith("diskwright-worker:");
  for (;;) {
    const { held = [], pending = [] } = await navigator.locks.query();
    expect(pending.filter(isOurs)).toEqual([]);
    if (held.filter(isOurs).length === 0) break;
  }
  await expect(promises.stat("/")).rejects.toMatchObject({ code: "EBADF" });
  await expect(disk.close()).resolves.toBeUndefined();
});
