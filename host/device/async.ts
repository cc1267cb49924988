/**
 * A block device that answers by promise: the same requests, statuses and meaning of FLUSH as
 * BlockDevice. The core cannot wait for a promise; `wrap/bridge` serves such a device to it.
 */
import type { BlockDevice, BlockRequest } from "./device.ts";

export interface AsyncBlockDevice
  extends Pick<BlockDevice, "name" | "config" | "identity" | "durability"> {
  /**
   * Carries out a batch and sets each request's status; the data are the device's until then.
   * Never rejects for what a device can do wrong. Whoever calls waits before the next call.
   */
  submit(requests: readonly BlockRequest[], signal?: AbortSignal): Promise<void>;
  /** Releases what the device holds; requests after it answer IOERR. */
  close(): Promise<void>;
}

/** A device that answers at once, as one that answers by promise. */
export function asAsync(device: BlockDevice): AsyncBlockDevice {
  const { name, config, identity, durability } = device;
  return {
    ...{ name, config, identity, durability },
    submit: async (requests) => device.submit(requests),
    close: async () => device.close(),
  };
}
