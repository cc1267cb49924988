/**
 * The functions of the import module "cap", each with the types of its parameters, what it costs
 * besides its bytes, and what it does. docs/service-abi.md lists the same, and a test compares.
 */
import {
  ENTRY_NAME,
  INFO_BLOCK_BYTES,
  INFO_BLOCKS,
  INFO_FLAGS,
  INFO_SIZE,
  KIND_DIRECTORY,
  KIND_FILE,
  KIND_SYMLINK,
  OPEN_APPEND,
  OPEN_CREATE,
  OPEN_EXCLUSIVE,
  OPEN_READ,
  OPEN_TRUNCATE,
  OPEN_WRITE,
  STAT_KIND,
  STAT_MTIME_MS,
  STAT_SIZE,
  STAT_SIZE_BYTES,
} from "../../../assembly/services/abi/codes.ts";
import { HASH_BYTES } from "../../base/hash.ts";
import { sha256 } from "../../base/seed.ts";
import type { NodeKind } from "../caps/base/tree.ts";
import { BlockCap } from "../caps/block.ts";
import { ConsoleCap } from "../caps/console.ts";
import { DirectoryCap } from "../caps/directory.ts";
import { FileCap } from "../caps/file.ts";
import { NamespaceCap } from "../caps/namespace.ts";
import { StoreCap } from "../caps/store.ts";
import { type CapCall, type ServiceImports, Stop } from "./imports.ts";

/** Making something durable waits for a device. */
const SYNC_FUEL = 200_000;
/** Names are looked up and compared one by one. */
const LOOKUP_FUEL = 2_000;
const ENTRY_FUEL = 50;
/** What a byte costs that is hashed here, over what a byte costs that is moved. */
const HASH_FUEL_PER_BYTE = 8;
const OPEN_ALL =
  OPEN_READ | OPEN_WRITE | OPEN_APPEND | OPEN_CREATE | OPEN_EXCLUSIVE | OPEN_TRUNCATE;

const GENERAL: Readonly<Record<string, CapCall>> = {
  find: {
    params: "ii",
    run: (host, name: number, length: number) => host.grant(host.text(name, length)),
  },
  granted: {
    params: "iii",
    run: (host, index: number, out: number, room: number) => {
      const name = host.granted()[index];
      if (name === undefined) return host.bad(`there is no grant ${index}`);
      return host.fill(new TextEncoder().encode(name), out, room);
    },
  },
  drop: {
    params: "i",
    run: (host, handle: number) => {
      host.drop(handle);
      return 0;
    },
  },
  reason: {
    params: "ii",
    run: (host, out: number, room: number) => host.fill(host.reason, out, room),
  },
  config_size: { params: "", run: (host) => host.config.length },
  config_read: {
    params: "iii",
    run: (host, position: number, out: number, length: number) => {
      const part = host.config.subarray(position >>> 0).subarray(0, length >>> 0);
      return host.fill(part, out, length);
    },
  },
  sha256: {
    params: "iii",
    run: (host, data: number, length: number, out: number) => {
      host.pay((length >>> 0) * HASH_FUEL_PER_BYTE);
      return host.fill(sha256(host.copy(data, length)), out, HASH_BYTES) - HASH_BYTES;
    },
  },
  console_write: {
    params: "iii",
    run: (host, handle: number, text: number, length: number) => {
      const outcome = host.cap(handle, ConsoleCap).write(host.copy(text, length));
      if (!outcome.ok && outcome.code === "too-large") {
        throw new Stop("flood", `flooded the console: ${outcome.reason}`);
      }
      return host.take(outcome);
    },
  },
};

const DIRECTORIES: Readonly<Record<string, CapCall>> = {
  dir_list: {
    params: "iiiii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, after: number, length: number, out: number, room: number) =>
      listEntries(host, handle, host.text(after, length), host.bytes(out, room)),
  },
  dir_open: {
    params: "iiii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, path: number, length: number, flags: number) => {
      if ((flags & ~OPEN_ALL) !== 0) return host.bad(`flags ${flags} are unknown`);
      const has = (flag: number) => (flags & flag) !== 0;
      const outcome = host.cap(handle, DirectoryCap).open(host.text(path, length), {
        read: has(OPEN_READ),
        write: has(OPEN_WRITE),
        append: has(OPEN_APPEND),
        create: has(OPEN_CREATE),
        exclusive: has(OPEN_EXCLUSIVE),
        truncate: has(OPEN_TRUNCATE),
      });
      return host.own(host.take(outcome));
    },
  },
  dir_sub: {
    params: "iii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, path: number, length: number) =>
      host.own(host.take(host.cap(handle, DirectoryCap).sub(host.text(path, length)))),
  },
  dir_stat: {
    params: "iiii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, path: number, length: number, out: number) => {
      const name = length === 0 ? undefined : host.text(path, length);
      const view = host.view(out, STAT_SIZE);
      const { kind, sizeBytes, mtimeMs } = host.take(host.cap(handle, DirectoryCap).stat(name));
      view.setBigUint64(STAT_KIND, BigInt(kindNumber(kind)), true);
      view.setBigUint64(STAT_SIZE_BYTES, BigInt(sizeBytes), true);
      view.setBigUint64(STAT_MTIME_MS, BigInt(Math.max(0, Math.trunc(mtimeMs))), true);
      return 0;
    },
  },
  dir_mkdir: {
    params: "iii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, path: number, length: number) =>
      done(host, host.cap(handle, DirectoryCap).mkdir(host.text(path, length))),
  },
  dir_remove: {
    params: "iii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, path: number, length: number) =>
      done(host, host.cap(handle, DirectoryCap).remove(host.text(path, length))),
  },
  dir_rename: {
    params: "iiiii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, from: number, fromLength: number, to: number, toLength: number) => {
      const directory = host.cap(handle, DirectoryCap);
      const outcome = directory.rename(host.text(from, fromLength), host.text(to, toLength));
      return done(host, outcome);
    },
  },
  dir_sync: {
    params: "i",
    fuel: SYNC_FUEL,
    run: (host, handle: number) => done(host, host.cap(handle, DirectoryCap).sync()),
  },
};

const FILES: Readonly<Record<string, CapCall>> = {
  file_read: {
    params: "iIii",
    run: (host, handle: number, position: bigint, out: number, length: number) => {
      const at = host.whole(position, "the position");
      return host.take(host.cap(handle, FileCap).readInto(at, host.bytes(out, length)));
    },
  },
  file_write: {
    params: "iIii",
    run: (host, handle: number, position: bigint, data: number, length: number) => {
      const at = host.whole(position, "the position");
      return host.take(host.cap(handle, FileCap).write(at, host.copy(data, length)));
    },
  },
  file_append: {
    params: "iii",
    run: (host, handle: number, data: number, length: number) => {
      host.take(host.cap(handle, FileCap).append(host.copy(data, length)));
      return length;
    },
  },
  file_truncate: {
    params: "iI",
    run: (host, handle: number, length: bigint) =>
      done(host, host.cap(handle, FileCap).truncate(host.whole(length, "the length"))),
  },
  file_size: {
    params: "ii",
    run: (host, handle: number, out: number) => {
      const view = host.view(out, 8);
      const { sizeBytes } = host.take(host.cap(handle, FileCap).stat());
      view.setBigUint64(0, BigInt(sizeBytes), true);
      return 0;
    },
  },
  file_sync: {
    params: "i",
    fuel: SYNC_FUEL,
    run: (host, handle: number) => done(host, host.cap(handle, FileCap).sync()),
  },
  file_close: {
    params: "i",
    fuel: SYNC_FUEL,
    run: (host, handle: number) => {
      const file = host.cap(handle, FileCap);
      try {
        return done(host, file.close());
      } finally {
        host.drop(handle);
      }
    },
  },
};

const OBJECTS: Readonly<Record<string, CapCall>> = {
  store_put: {
    params: "iiii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, data: number, length: number, out: number) => {
      const target = host.bytes(out, HASH_BYTES);
      target.set(host.take(host.cap(handle, StoreCap).put(host.copy(data, length))));
      return 0;
    },
  },
  store_get: {
    params: "iiIii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, hash: number, at: bigint, out: number, room: number) => {
      const named = host.copy(hash, HASH_BYTES);
      const position = host.whole(at, "the position");
      const target = host.bytes(out, room);
      return host.take(host.cap(handle, StoreCap).read(named, position, target));
    },
  },
  store_has: {
    params: "ii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, hash: number) =>
      host.take(host.cap(handle, StoreCap).has(host.copy(hash, HASH_BYTES))) ? 1 : 0,
  },
  store_size: {
    params: "iii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, hash: number, out: number) => {
      const view = host.view(out, 8);
      const size = host.take(host.cap(handle, StoreCap).size(host.copy(hash, HASH_BYTES)));
      view.setBigUint64(0, BigInt(size), true);
      return 0;
    },
  },
  store_delete: {
    params: "ii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, hash: number) =>
      done(host, host.cap(handle, StoreCap).delete(host.copy(hash, HASH_BYTES))),
  },
  store_sync: {
    params: "i",
    fuel: SYNC_FUEL,
    run: (host, handle: number) => done(host, host.cap(handle, StoreCap).sync()),
  },
  name_resolve: {
    params: "iiii",
    fuel: LOOKUP_FUEL,
    run: (host, handle: number, name: number, length: number, out: number) => {
      const target = host.bytes(out, HASH_BYTES);
      const bound = host.cap(handle, NamespaceCap).resolve(host.text(name, length));
      target.set(host.take(bound).hash);
      return 0;
    },
  },
  name_bind: {
    params: "iiii",
    fuel: SYNC_FUEL,
    run: (host, handle: number, name: number, length: number, hash: number) => {
      const namespace = host.cap(handle, NamespaceCap);
      return done(host, namespace.bind(host.text(name, length), host.copy(hash, HASH_BYTES)));
    },
  },
};

const BLOCKS: Readonly<Record<string, CapCall>> = {
  block_info: {
    params: "ii",
    run: (host, handle: number, out: number) => {
      const view = host.view(out, INFO_SIZE);
      const { blockBytes, blocks, readOnly } = host.take(host.cap(handle, BlockCap).info());
      view.setUint32(INFO_BLOCK_BYTES, blockBytes, true);
      view.setUint32(INFO_FLAGS, readOnly ? 1 : 0, true);
      view.setBigUint64(INFO_BLOCKS, BigInt(blocks), true);
      return 0;
    },
  },
  block_read: {
    params: "iIii",
    run: (host, handle: number, first: bigint, blocks: number, out: number) => {
      const device = host.cap(handle, BlockCap);
      const { blockBytes } = host.take(device.info());
      const target = host.bytes(out, span(host, blocks, blockBytes));
      target.set(host.take(device.readBlocks(host.whole(first, "block"), blocks >>> 0)));
      return blocks;
    },
  },
  block_write: {
    params: "iIii",
    run: (host, handle: number, first: bigint, blocks: number, data: number) => {
      const device = host.cap(handle, BlockCap);
      const { blockBytes } = host.take(device.info());
      const source = host.copy(data, span(host, blocks, blockBytes));
      host.take(device.writeBlocks(host.whole(first, "block"), source));
      return blocks;
    },
  },
  block_flush: {
    params: "i",
    fuel: SYNC_FUEL,
    run: (host, handle: number) => done(host, host.cap(handle, BlockCap).flush()),
  },
};

/** All of them, by name. */
export const CAP_CALLS: Readonly<Record<string, CapCall>> = {
  ...GENERAL,
  ...DIRECTORIES,
  ...FILES,
  ...OBJECTS,
  ...BLOCKS,
};

function done(host: ServiceImports, outcome: Parameters<ServiceImports["take"]>[0]): number {
  host.take(outcome);
  return 0;
}

/** Bytes of a run of blocks; what no memory can hold is refused here. */
function span(host: ServiceImports, blocks: number, blockBytes: number): number {
  const bytes = (blocks >>> 0) * blockBytes;
  return bytes > 0xffff_ffff ? host.bad(`${blocks >>> 0} blocks are too many`) : bytes;
}

function kindNumber(kind: NodeKind): number {
  return { file: KIND_FILE, directory: KIND_DIRECTORY, symlink: KIND_SYMLINK }[kind];
}

/** Entries behind the name `after`, as many as fit; answers the bytes of them, 0 at the end. */
function listEntries(
  host: ServiceImports,
  handle: number,
  after: string,
  target: Uint8Array,
): number {
  const options = after === "" ? {} : { after };
  const entries = host.take(host.cap(handle, DirectoryCap).list(options));
  host.pay(entries.length * ENTRY_FUEL);
  let at = 0;
  for (const { name, kind } of entries) {
    const bytes = new TextEncoder().encode(name);
    if (at + ENTRY_NAME + bytes.length > target.length) break;
    target.set([kindNumber(kind), bytes.length], at);
    target.set(bytes, at + ENTRY_NAME);
    at += ENTRY_NAME + bytes.length;
  }
  if (at === 0 && entries.length > 0) {
    return host.bad(`${target.length} bytes are no room for one entry`);
  }
  return at;
}
