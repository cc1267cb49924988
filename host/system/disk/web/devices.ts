/** From a name to a device where there is no Node: `opfs:`, `mem:` and what else the table has. */
import { failure } from "../../../base/errors.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { MemoryDevice } from "../../../device/local/memory.ts";
import { OpfsDevice } from "../../../device/local/opfs.ts";

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

/** How devices of one kind are opened and made; `name` is what stands behind the scheme. */
export interface DeviceKind {
  open(name: string, options: WebDeviceOptions): BlockDevice | Promise<BlockDevice>;
  create?(name: string, options: CreateWebOptions): BlockDevice | Promise<BlockDevice>;
}

/** By scheme, without its colon. */
export type DeviceKinds = Readonly<Record<string, DeviceKind>>;

/** What every browser has. */
export const WEB_DEVICES: DeviceKinds = {
  opfs: {
    open: (name, options) => OpfsDevice.open(name, options),
    create: (name, { size = "", ...options }) => OpfsDevice.create(name, { ...options, size }),
  },
  mem: {
    open: (name, { readOnly = false, blkSize = 512 }) =>
      new MemoryDevice({ readOnly, blkSize, size: name, name: `mem:${name}` }),
    create: (name, { blkSize = 512, size = "" }) =>
      new MemoryDevice({ blkSize, size: name === "" ? size : name, name: `mem:${name}` }),
  },
};

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
  // An address has its port there, and its partition nowhere.
  const [, whole, digits] = rest.startsWith("//") ? [] : (/^(.+):(\d+)$/.exec(rest) ?? []);
  if (whole === undefined) return { scheme: scheme.toLowerCase(), rest };
  if (Number(digits) < 1) {
    throw failure("EINVAL", "name", `'${text}': partitions count from 1.`, { path: text });
  }
  return { scheme: scheme.toLowerCase(), rest: whole, partition: Number(digits) };
}

/** @throws {StorageError} EINVAL: no such kind; EOPNOTSUPP: one that cannot be made */
export function kindOf(kinds: DeviceKinds, { scheme, rest }: WebName, make: boolean): DeviceKind {
  const kind = Object.hasOwn(kinds, scheme) ? kinds[scheme] : undefined;
  const path = `${scheme}:${rest}`;
  if (kind === undefined) {
    const known = Object.keys(kinds).map((name) => `${name}:`);
    const message = `'${path}': no device for ${scheme}:; there are ${known.join(", ")}.`;
    throw failure("EINVAL", "name", message, { path });
  }
  if (!make || kind.create !== undefined) return kind;
  throw failure("EOPNOTSUPP", "create", `'${path}' cannot be made from here.`, { path });
}
