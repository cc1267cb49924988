/** What a disk answers with beside plain values: Stats and entries of folders. */
import type { Kind } from "../../../base/web/peer/values.ts";
import { BigIntStats, Dirent, Stats } from "../../../core/node/stats.ts";

// Names are written down: those of classes are not the same in every bundle.
function statsKind(name: string, Class: typeof Stats | typeof BigIntStats): Kind {
  return {
    name,
    pack: (value) => (value instanceof Class ? { ...value } : undefined),
    unpack: (data) => Object.assign(Object.create(Class.prototype), data),
  };
}

const ENTRY: Kind = {
  name: "entry",
  pack: (value) => (value instanceof Dirent ? Dirent.given(value) : undefined),
  unpack: (data) => new Dirent(...(data as ConstructorParameters<typeof Dirent>)),
};

export const DISK_KINDS: readonly Kind[] = [
  statsKind("stats", Stats),
  statsKind("big stats", BigIntStats),
  ENTRY,
];
