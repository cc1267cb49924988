/** What the browser says of its storage, and what a person may be told of it. */
import type { StorageFacts } from "../rpc/api.ts";
import type { Shelf } from "./shelf/shelf.ts";

/** Never throws: a browser that answers nothing is told so by what is missing. */
export async function storageFacts(shelf: Shelf): Promise<StorageFacts> {
  const { quota, usage } = await attempt(() => navigator.storage.estimate(), {});
  return {
    kind: shelf.kind,
    why: shelf.why,
    flush: shelf.flush,
    quotaBytes: quota,
    usageBytes: usage,
    persisted: await attempt(() => navigator.storage.persisted(), false),
    isolated: globalThis.crossOriginIsolated === true,
  };
}

async function attempt<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await ask();
  } catch {
    return otherwise;
  }
}
