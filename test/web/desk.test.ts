/** The desk over a shelf in memory: what it opens it gives back, whatever its note holds. */
import { beforeEach, expect, test } from "vitest";
import { failure } from "../../host/base/errors.ts";
import { Nvram } from "../../host/system/boot/nvram.ts";
import type { Api, State } from "../../host/web/rpc/api.ts";
import type { Handlers } from "../../host/web/rpc/server.ts";
import { Desk } from "../../host/web/worker/desk.ts";
import { MemoryShelf } from "../../host/web/worker/shelf/memory.ts";
import type { Note } from "../../host/web/worker/shelf/shelf.ts";

/** Counts devices that are open, and fails as a browser's database may. */
class OwnShelf extends MemoryShelf {
  held = 0;
  fails = false;

  override async open(...given: Parameters<MemoryShelf["open"]>) {
    const device = await super.open(...given);
    this.held++;
    return Object.assign(device, { close: () => void this.held-- });
  }

  override async readNote(name: string): Promise<Note> {
    if (this.fails) throw failure("EIO", "read", "the database has gone.");
    return super.readNote(name);
  }
}

const CONTEXT = { signal: new AbortController().signal, emit: () => {} };
let shelf: OwnShelf;
let handlers: Handlers<Api>;
let state: State | undefined;

beforeEach(async () => {
  shelf = new OwnShelf("a test");
  const desk = new Desk(shelf, (notice) => {
    if (notice.kind === "state") state = notice.state;
  });
  handlers = desk.handlers();
  await handlers.create({ name: "a", size: "1MiB" }, CONTEXT);
});

test("a disk whose note cannot be asked for is closed again, and opens once it can", async () => {
  shelf.fails = true;
  await expect(handlers.open({ name: "a" }, CONTEXT)).rejects.toMatchObject({ code: "EIO" });
  expect(shelf.held).toBe(0);
  shelf.fails = false;
  await handlers.open({ name: "a" }, CONTEXT);
  expect([shelf.held, state?.open?.name]).toEqual([1, "a"]);
});

test("a disk whose machine's variables cannot be read opens, and its machine is a new one", async () => {
  await shelf.writeNote("a", { nvram: Uint8Array.of(1, 2, 3) });
  await handlers.open({ name: "a" }, CONTEXT);
  expect([shelf.held, state?.open?.name]).toEqual([1, "a"]);
  await handlers.boot(undefined, CONTEXT);
  const { nvram } = await shelf.readNote("a");
  expect(Nvram.from(nvram as Uint8Array)).toEqual(new Nvram());
  await handlers.close(undefined, CONTEXT);
  expect(shelf.held).toBe(0);
});
