/** Opens and serves the IndexedDB disks that worker/indexeddb.ts asks for. */
import { packError } from "../../host/base/web/carry.ts";
import { RequestType, request } from "../../host/device/device.ts";
import { IndexedDbDevice } from "../../host/device/local/indexeddb.ts";
import { serveDevice } from "../../host/device/wrap/bridge/servant.ts";

export interface Ask {
  readonly name: string;
  readonly size?: number;
  readonly content?: Uint8Array;
  readonly options: { readonly blkSize: 512 | 4096; readonly serial: string };
  readonly readOnly?: boolean;
}

addEventListener("message", async ({ data }: MessageEvent<Ask>) => {
  try {
    const { end } = serveDevice(await opened(data));
    postMessage(end, { transfer: [end.port] });
  } catch (error) {
    postMessage({ error: packError(error) });
  }
});

async function opened({ name, size, content, options, readOnly }: Ask): Promise<IndexedDbDevice> {
  if (size === undefined) return IndexedDbDevice.open(name, options);
  const made = await IndexedDbDevice.create(name, { size, ...options });
  if (content !== undefined && content.length > 0) {
    await made.submit([request(RequestType.OUT, 0, content), request(RequestType.FLUSH, 0)]);
  }
  if (readOnly !== true) return made;
  await made.close();
  return IndexedDbDevice.open(name, { ...options, readOnly });
}
