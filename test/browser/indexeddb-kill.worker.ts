/** Fills the disk it is told with one number after another, a FLUSH each, until it is killed. */
import { RequestType, request } from "../../host/device/device.ts";
import { IndexedDbDevice } from "../../host/device/local/indexeddb.ts";

addEventListener("message", async ({ data: name }: MessageEvent<string>) => {
  const disk = await IndexedDbDevice.open(name, { waitMs: 10_000 });
  const content = new Uint32Array(2 ** 20);
  const bytes = new Uint8Array(content.buffer);
  await disk.submit([request(RequestType.IN, 0, bytes)]);
  for (let stamp = (content[0] as number) + 1; ; stamp++) {
    content.fill(stamp);
    // In pieces, so that there are many moments in which to be killed.
    const pieces = Array.from({ length: 16 }, (_, at) =>
      request(RequestType.OUT, at * 512, bytes.subarray(at << 18, (at + 1) << 18)),
    );
    await disk.submit([...pieces, request(RequestType.FLUSH, 0)]);
    postMessage(stamp);
  }
});
