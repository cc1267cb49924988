/** ext4 volumes of tests that are changed, and devices that stop or fail under them. */
import { StorageError } from "../../host/base/errors.ts";
import { Ext4Volume } from "../../host/core/media/ext4.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { type BlockDevice, RequestStatus, type RequestType } from "../../host/device/device.ts";
import type { MemoryDevice } from "../../host/device/local/memory.ts";

export function openForChange(device: BlockDevice): Ext4Volume {
  const media = new MediaCore();
  return Ext4Volume.openForChange(media, media.attach(device));
}

/** Writes a file whole; one that cannot be is given up. */
export function put(volume: Ext4Volume, path: string, content: Uint8Array | string): void {
  const writer = volume.create(path);
  try {
    writer.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
  } catch (error) {
    writer.abort();
    throw error;
  }
  writer.close();
}

/** The code that `act` ends with, or "OK"; what is no StorageError goes through. */
export function codeOf(act: () => unknown): string {
  try {
    act();
    return "OK";
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
}

/** A device whose request number `failAt` of a type fails, and all behind it where `forEver`. */
export function failing(
  inner: MemoryDevice,
  type: RequestType,
  failAt: number,
  forEver: boolean,
): BlockDevice {
  let count = 0;
  const { name, config, identity, durability } = inner;
  return {
    ...{ name, config, identity, durability },
    close: () => undefined,
    submit(requests) {
      for (const each of requests) {
        if (each.type === type) count += 1;
        const fails = each.type === type && count === failAt;
        if (fails || (forEver && count >= failAt)) each.status = RequestStatus.IOERR;
        else inner.submit([each]);
      }
    },
  };
}
