/** The worker of a disk on a slow computer: what flushes its files aside takes its time. */
import "../../host/worker.ts";

const SLOW = `
const { flush } = FileSystemSyncAccessHandle.prototype;
FileSystemSyncAccessHandle.prototype.flush = function () {
  const end = performance.now() + 300;
  while (performance.now() < end);
  flush.call(this);
};
`;

globalThis.Blob = class extends Blob {
  constructor(parts: BlobPart[] = [], options?: BlobPropertyBag) {
    super(options?.type === "text/javascript" ? [SLOW, ...parts] : parts, options);
  }
};
