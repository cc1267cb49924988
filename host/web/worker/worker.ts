/** The page's worker: loads the modules, finds the storage, and serves the desk. */
import { StorageError } from "../../base/errors.ts";
import { holdLife } from "../../base/web/life.ts";
import type { Port } from "../../base/web/peer/peer.ts";
import { loadModules } from "../../core/load.ts";
import { loadServices } from "../../system/service/shipped.ts";
import type { Api } from "../rpc/api.ts";
import { serve } from "../rpc/server.ts";
import { ASSETS } from "./assets.ts";
import { Desk } from "./desk.ts";
import { IndexedDbShelf } from "./shelf/indexeddb.ts";
import { MemoryShelf } from "./shelf/memory.ts";
import { OpfsShelf } from "./shelf/opfs.ts";
import type { Shelf } from "./shelf/shelf.ts";

const scope = globalThis as unknown as Port & { readonly name: string };

async function load(): Promise<void> {
  const { core, media, services } = ASSETS;
  await Promise.all([loadModules({ core, media }), loadServices(services)]);
}

async function findShelf(): Promise<Shelf> {
  try {
    return await OpfsShelf.open();
  } catch (error) {
    return findLesser(sentenceOf(error));
  }
}

/** Where there is no filesystem for pages. */
async function findLesser(why: string): Promise<Shelf> {
  try {
    return await IndexedDbShelf.open(why);
  } catch (error) {
    const all = `${why} ${sentenceOf(error)}`;
    return new MemoryShelf(`Disks last only as long as this page: ${all}`);
  }
}

/** Whatever a browser can do wrong; bugs go through. */
function sentenceOf(error: unknown): string {
  if (error instanceof StorageError) return error.message;
  throw error;
}

function start(port: Port): void {
  const handlers = (async () => {
    // The page waits for the lock of this name, and so learns of the worker's end.
    await Promise.all([load(), holdLife(scope.name)]);
    return new Desk(await findShelf(), (notice) => tell(notice)).handlers();
  })();
  const tell = serve<Api>(port, handlers);
}

start(scope);
