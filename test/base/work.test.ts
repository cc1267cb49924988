/** Long work in pieces: run to its end, watched, stopped at a border. */
import { describe, expect, test } from "vitest";
import { finish, type ProgressEvent, run, type Work } from "../../host/base/work.ts";

function* counting(log: string[], to = 3): Work<number> {
  try {
    for (let done = 1; done <= to; done++) {
      log.push(`${done}`);
      yield { step: "count", done, total: to, unit: "numbers" };
    }
    return to;
  } finally {
    log.push("closed");
  }
}

describe("work", () => {
  test("finishes at once with its value and all of its progress", () => {
    const events: ProgressEvent[] = [];
    expect(finish(counting([]), (event) => events.push(event))).toBe(3);
    expect(events.map(({ done }) => done)).toEqual([1, 2, 3]);
  });

  test("runs with a turn of the event loop between its pieces", async () => {
    const log: string[] = [];
    setImmediate(() => log.push("tick"));
    await expect(run(counting(log, 50))).resolves.toBe(50);
    expect(log).toContain("tick");
    expect(log.indexOf("tick")).toBeLessThan(log.indexOf("50"));
  });

  test("stops at the next border when it is aborted, and closes what it holds", async () => {
    const log: string[] = [];
    const abort = new AbortController();
    const progress = ({ done }: ProgressEvent) => {
      if (done === 2) abort.abort(new Error("enough"));
    };
    const stopped = run(counting(log), { signal: abort.signal, progress });
    await expect(stopped).rejects.toMatchObject({ code: "ECANCELED" });
    await expect(stopped).rejects.toThrow(/enough/);
    expect(log).toEqual(["1", "2", "closed"]);
  });

  test("aborted before it begins does nothing", async () => {
    const log: string[] = [];
    const stopped = run(counting(log), { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "ECANCELED" });
    expect(log).toEqual([]);
  });

  test("that fails closes what it holds and fails with its own error", async () => {
    const log: string[] = [];
    function* failing(): Work<void> {
      yield* counting(log, 1);
      throw new Error("broken");
    }
    await expect(run(failing())).rejects.toThrow("broken");
    expect(log).toEqual(["1", "closed"]);
  });

  test("tells of no piece before what it has flushed lasts", async () => {
    const log: string[] = [];
    const settled = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      log.push("settled");
    };
    const progress = ({ done }: ProgressEvent) => log.push(`told ${done}`);
    await run(counting(log, 2), { settled, progress });
    const piece = (done: number) => [`${done}`, "settled", `told ${done}`];
    expect(log).toEqual([...piece(1), ...piece(2), "closed", "settled"]);
  });

  test("ends with what will never last, whatever else fails then", async () => {
    const log: string[] = [];
    function* brittle(): Work<void> {
      try {
        yield* counting(log);
      } finally {
        log.push("ended");
        // biome-ignore lint/correctness/noUnsafeFinally: a device that is lost fails like this.
        throw new Error("nothing can be written");
      }
    }
    const settled = () => Promise.reject(new Error("there is no room"));
    await expect(run(brittle(), { settled })).rejects.toThrow("there is no room");
    expect(log).toEqual(["1", "closed", "ended"]);
  });
});
