/** The lock of a name over a browser that answers as it is told; the real one is in test/browser. */
import { afterEach, expect, test, vi } from "vitest";
import { lockName } from "../../host/device/local/locks.ts";

type Request = (key: string, options: object, use: (lock: object | null) => unknown) => unknown;

function locksAre(request: Request): void {
  vi.stubGlobal("navigator", { locks: { request } });
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test("locks that the browser refuses are EACCES: nobody has the disk open", async () => {
  locksAre(async () => {
    throw new DOMException("denied", "SecurityError");
  });
  await expect(lockName("a.img")).rejects.toMatchObject({
    ...{ code: "EACCES", syscall: "open", path: "a.img" },
    cause: { name: "SecurityError" },
  });
});

test("only a lock that another one has is EBUSY", async () => {
  let asked = 0;
  locksAre(async (_, options, use) => {
    asked++;
    if (!("ifAvailable" in options)) throw new DOMException("too late", "TimeoutError");
    await use(null);
  });
  await expect(lockName("a.img")).rejects.toMatchObject({ code: "EBUSY", path: "a.img" });
  expect(asked).toBe(3);
});
