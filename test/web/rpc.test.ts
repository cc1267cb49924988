/** Calls between page and worker: answers, events, cancelling, and errors that keep their fields. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { failure, Refusal, refusal, StorageError } from "../../host/base/errors.ts";
import type { Port } from "../../host/base/web/peer/peer.ts";
import { connect } from "../../host/web/rpc/client.ts";
import { type Handlers, serve } from "../../host/web/rpc/server.ts";

type Sums = {
  readonly add: { args: readonly number[]; result: number; event: string };
  readonly fail: { args: undefined; result: undefined; event: never };
  readonly wait: { args: undefined; result: string; event: string };
};

const open: MessagePort[] = [];
afterEach(() => {
  for (const port of open.splice(0)) port.close();
});

function pair(handlers: Partial<Handlers<Sums>>) {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  const notices: unknown[] = [];
  const tell = serve<Sums>(port2 as unknown as Port, handlers as Handlers<Sums>);
  const connection = connect<Sums>(port1 as unknown as Port, (notice) => notices.push(notice));
  return { ...connection, tell, notices };
}

const add: Handlers<Sums>["add"] = async (numbers, { emit }) => {
  let sum = 0;
  for (const number of numbers) {
    sum += number;
    emit(`${sum}`);
    // Others have a turn, so that two calls overlap.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return sum;
};

test("calls that overlap get their own events and their own results", async () => {
  const { api } = pair({ add });
  const [one, other]: string[][] = [[], []];
  const results = await Promise.all([
    api.add([1, 2, 3], { onEvent: (event) => one?.push(event) }),
    api.add([10, 20], { onEvent: (event) => other?.push(event) }),
  ]);
  expect(results).toEqual([6, 30]);
  expect(one).toEqual(["1", "3", "6"]);
  expect(other).toEqual(["10", "30"]);
});

test("a refusal is a refusal again on the other side, with every field and its cause", async () => {
  const cause = failure("EIO", "read", "the disk failed.", { path: "a" });
  const { api } = pair({
    fail: () => {
      throw refusal("EEXIST", "install", "it is there.", { path: "b", hint: "Delete it.", cause });
    },
  });
  const error = await api.fail().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Refusal);
  expect(error).toMatchObject({
    code: "EEXIST",
    errno: -17,
    syscall: "install",
    path: "b",
    hint: "Delete it.",
    message: "refused: it is there. Delete it.",
    cause: { code: "EIO", path: "a" },
  });
  expect((error as Error).cause).toBeInstanceOf(StorageError);
});

test("aborting reaches the handler's signal; a call that is aborted before is never made", async () => {
  let calls = 0;
  const { api } = pair({
    wait: (_, { signal, emit }) => {
      calls++;
      emit("begun");
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(failure("ECANCELED", "wait", "stopped.")));
      });
    },
  });
  const abort = new AbortController();
  const waiting = api.wait(undefined, { signal: abort.signal, onEvent: () => abort.abort() });
  await expect(waiting).rejects.toMatchObject({ code: "ECANCELED" });
  await expect(api.wait(undefined, { signal: abort.signal })).rejects.toMatchObject({
    code: "ECANCELED",
  });
  expect(calls).toBe(1);
});

test("a method that is not there is EOPNOTSUPP, also one that every object has", async () => {
  const { api } = pair({});
  for (const name of ["nothing", "toString", "constructor"]) {
    const call = (api as unknown as Record<string, () => Promise<unknown>>)[name];
    await expect(call?.()).rejects.toMatchObject({ code: "EOPNOTSUPP" });
  }
});

test("handlers that come later keep a call waiting; where they fail, it is told why", async () => {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  let give: (handlers: Handlers<Sums>) => void = () => {};
  const later = new Promise<Handlers<Sums>>((resolve) => {
    give = resolve;
  });
  serve<Sums>(port2 as unknown as Port, later);
  const { api } = connect<Sums>(port1 as unknown as Port);
  const sum = api.add([1, 1]);
  give({ add } as Handlers<Sums>);
  expect(await sum).toBe(2);
  const broken = new MessageChannel();
  open.push(broken.port1, broken.port2);
  const never = Promise.reject(failure("EIO", "load", "core.wasm is not there."));
  serve<Sums>(broken.port2 as unknown as Port, never);
  const { api: none } = connect<Sums>(broken.port1 as unknown as Port);
  await expect(none.add([1])).rejects.toMatchObject({ code: "EIO", syscall: "load" });
});

test("notices belong to no call; when the other end is gone, all that waits is told", async () => {
  const { api, tell, notices, fail } = pair({ wait: () => new Promise(() => {}), add });
  tell({ line: "hello" });
  expect(await api.add([1])).toBe(1);
  expect(notices).toEqual([{ line: "hello" }]);
  const waiting = api.wait();
  fail(failure("EIO", "worker", "the worker has ended."));
  await expect(waiting).rejects.toMatchObject({ syscall: "worker" });
  await expect(api.add([1])).rejects.toMatchObject({ syscall: "worker" });
});
