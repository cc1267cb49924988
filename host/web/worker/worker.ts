/** The page's worker: loads the modules, finds the storage, and serves the desk. */
import { StorageError } from "../../base/errors.ts";
import { loadModules } from "../../core/load.ts";
import { loadServices } from "../../system/service/shipped.ts";
import type { Api } from "../rpc/api.ts";
import { serve } from "../rpc/server.ts";
import { type Port, workerLock } from "../rpc/wire.ts";
import { ASSETS } from "./assets.ts";
import { Desk } from "./desk.ts";
import { MemoryShelf } from "./shelf/memory.ts";
import { OpfsShelf } from "./shelf/opfs.ts";
import type { Shelf } from "./shelf/shelf.ts";

async function load(): Promise<void> {
  const { core, media, services } = ASSETS;
  await Promise.all([loadModules({ core, media }), loadServices(services)]);
}

async function findShelf(): Promise<Shelf> {
  try {
    return await OpfsShelf.open();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return new MemoryShelf(`Disks last only as long as this page: ${error.message}`);
  }
}

/** Held to the end: the page waits for it, and so learns of that. */
function holdLock(): Promise<void> {
  if (navigator.locks === undefined) return Promise.resolve();
  const { name } = globalThis as unknown as { readonly name: string };
  return new Promise((held) => {
    void navigator.locks.request(workerLock(name), () => {
      held();
      return new Promise<never>(() => {});
    });
  });
}

function start(port: Port): void {
  const handlers = (async () => {
    await Promise.all([load(), holdLock()]);
    return new Desk(await findShelf(), (notice) => tell(notice)).handlers();
  })();
  const tell = serve<Api>(port, handlers);
}

start(globalThis as unknown as Port);
