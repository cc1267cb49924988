/** From a name to a device where there is no Node. */
import { failure } from "../../../base/errors.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { IndexedDbDevice, removeIndexedDb } from "../../../device/local/indexeddb.ts";
import { MemoryDevice } from "../../../device/local/memory.ts";
import { OpfsDevice, opfsEnded, removeOpfs } from "../../../device/local/opfs.ts";
import { HttpSyncDevice } from "../../../device/remote/http.ts";
import { JournalDevice } from "../../../device/wrap/bridge/journal.ts";

/** What opening a device by its name may say. */
export interface WebDeviceOptions {
  readonly readOnly?: boolean | undefined;
  readonly blkSize?: 512 | 4096 | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CreateWebOptions extends WebDeviceOptions {
  readonly size?: number | string | undefined;
  readonly overwrite?: boolean | undefined;
}

export interface WebDevice {
  readonly device: BlockDevice;
  /**
   * Resolves once what was flushed lasts, and after close() once nothing of it is open; where that
   * is not at once.
   */
  settled?(): Promise<void>;
}

/** How devices of one kind are opened and made; `name` is what stands behind the scheme. */
export interface DeviceKind {
  open(name: string, options: WebDeviceOptions): Promise<WebDevice>;
  create?(name: string, options: CreateWebOptions): Promise<WebDevice>;
  remove?(name: string): Promise<unknown>;
}

/** By scheme, without its colon. */
export type DeviceKinds = Readonly<Record<string, DeviceKind>>;

const http: DeviceKind = {
  open: async (address, { signal, blkSize }) => ({
    device: await HttpSyncDevice.open(address, { signal, blkSize }),
  }),
};

/** What every browser has. */
export const WEB_DEVICES: DeviceKinds = {
  opfs: {
    open: async (name, options) => inOpfs(name, await OpfsDevice.open(name, options)),
    create: async (name, { size = "", ...options }) =>
      inOpfs(name, await OpfsDevice.create(name, { ...options, size })),
    remove: (name) => removeOpfs(name),
  },
  idb: {
    open: async (name, options) => journalled(await IndexedDbDevice.open(name, options)),
    create: async (name, { size = "", ...options }) =>
      journalled(await IndexedDbDevice.create(name, { ...options, size })),
    remove: (name) => removeIndexedDb(name),
  },
  http,
  https: http,
  mem: {
    open: async (name, { readOnly = false, blkSize = 512 }) => ({
      device: new MemoryDevice({ readOnly, blkSize, size: name, name: `mem:${name}` }),
    }),
    create: async (name, { blkSize = 512, size = "" }) => ({
      device: new MemoryDevice({ blkSize, size: name || size, name: `mem:${name}` }),
    }),
  },
};

/** The disk's worker ends with the disk: the file's last handle must be closed before. */
function inOpfs(name: string, device: BlockDevice): WebDevice {
  return { device, settled: () => opfsEnded(name) };
}

async function journalled(below: IndexedDbDevice): Promise<WebDevice> {
  try {
    const device = await JournalDevice.open(below);
    return { device, settled: () => device.settled() };
  } catch (error) {
    await below.close();
    throw error;
  }
}

/** A device's name in its parts. */
export interface WebName {
  readonly scheme: string;
  readonly rest: string;
  /** Of `opfs:NAME:N`, counted from 1. */
  readonly partition?: number | undefined;
}

/** @throws {StorageError} EINVAL: there is no scheme */
export function parseWebName(name: string | URL): WebName {
  const text = `${name}`;
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(text) ?? [];
  if (scheme === "") {
    const hint = "There are paths in Node alone; here a name is like opfs:disk.img.";
    throw failure("EINVAL", "name", `'${text}' has no scheme.`, { path: text, hint });
  }
  const [, whole, digits] = /^(.+):(\d+)$/.exec(rest) ?? [];
  // An address has its port there, and its partition nowhere; it is its own name.
  if (/^https?$/i.test(scheme)) return { scheme: scheme.toLowerCase(), rest: text };
  if (whole === undefined) return { scheme: scheme.toLowerCase(), rest };
  if (Number(digits) < 1) {
    throw failure("EINVAL", "name", `'${text}': partitions count from 1.`, { path: text });
  }
  return { scheme: scheme.toLowerCase(), rest: whole, partition: Number(digits) };
}

/** @throws {StorageError} EINVAL: no such kind; EOPNOTSUPP: one that cannot be made */
export function kindOf(kinds: DeviceKinds, { scheme, rest }: WebName, make: boolean): DeviceKind {
  const kind = Object.hasOwn(kinds, scheme) ? kinds[scheme] : undefined;
  const path = rest.startsWith(`${scheme}:`) ? rest : `${scheme}:${rest}`;
  if (kind === undefined) {
    const known = Object.keys(kinds).map((name) => `${name}:`);
    const message = `'${path}': no device for ${scheme}:; there are ${known.join(", ")}.`;
    throw failure("EINVAL", "name", message, { path });
  }
  if (!make || kind.create !== undefined) return kind;
  throw failure("EOPNOTSUPP", "create", `'${path}' cannot be made from here.`, { path });
}
