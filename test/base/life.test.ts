/** The lock of a worker's life, where the browser refuses locks to the page. */
import { afterEach, expect, test, vi } from "vitest";
import { holdLife, watchLife } from "../../host/base/web/life.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

test("a worker that is refused the lock goes on, and the page does not take it for ended", async () => {
  const request = vi.fn(() => Promise.reject(new DOMException("denied", "SecurityError")));
  vi.stubGlobal("navigator", { locks: { request } });
  await expect(holdLife("a")).resolves.toBeUndefined();
  const ended = vi.fn();
  const forget = watchLife("a", ended);
  await new Promise((resolve) => setTimeout(resolve));
  forget();
  expect(request).toHaveBeenCalledTimes(2);
  expect(ended).not.toHaveBeenCalled();
});
