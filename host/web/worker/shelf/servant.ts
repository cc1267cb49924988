/**
 * A worker for one disk in IndexedDB: it serves the disk to the page's worker, which sleeps until
 * it has its answer, and ends with it.
 */
import { type CarriedError, packError } from "../../../base/web/carry.ts";
import { holdLife } from "../../../base/web/life.ts";
import { IndexedDbDevice } from "../../../device/local/indexeddb.ts";
import { type BridgeEnd, serveDevice } from "../../../device/wrap/bridge/servant.ts";

export interface ServantRequest {
  readonly path: string;
  readonly readOnly: boolean;
  /** Held from the first answer on. */
  readonly life: string;
}

export type ServantAnswer =
  | { readonly kind: "alive" }
  | { readonly kind: "end"; readonly end: BridgeEnd }
  | { readonly kind: "error"; readonly error: CarriedError };

interface Scope {
  postMessage(answer: ServantAnswer, transfer?: Transferable[]): void;
  onmessage: (event: MessageEvent<ServantRequest>) => void;
  close(): void;
}

const scope = globalThis as unknown as Scope;

scope.onmessage = async ({ data: { path, readOnly, life } }) => {
  try {
    await holdLife(life);
    scope.postMessage({ kind: "alive" });
    const { end, closed } = serveDevice(await IndexedDbDevice.open(path, { readOnly }));
    scope.postMessage({ kind: "end", end }, [end.port]);
    await closed;
    scope.close();
  } catch (error) {
    scope.postMessage({ kind: "error", error: packError(error) });
  }
};
