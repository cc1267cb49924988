/**
 * Builds ext4 volumes: a list of entries becomes nodes and a stream of content. Nothing of a file
 * is kept in memory.
 */
import {
  EXT4_FACTS_BLOCKS,
  EXT4_FACTS_GROUPS,
  EXT4_FACTS_INODES,
  EXT4_FACTS_JOURNAL_BLOCKS,
  EXT4_FACTS_MISSING_BLOCKS,
  EXT4_FACTS_MISSING_INODES,
  EXT4_FACTS_SIZE,
  EXT4_FACTS_USED_BLOCKS,
  EXT4_FACTS_USED_INODES,
  EXT4_NODE_BYTES,
  EXT4_NODE_GID,
  EXT4_NODE_KIND,
  EXT4_NODE_MAJOR,
  EXT4_NODE_MINOR,
  EXT4_NODE_MODE,
  EXT4_NODE_MODIFIED,
  EXT4_NODE_NANOSECONDS,
  EXT4_NODE_ORIGINAL,
  EXT4_NODE_PARENT,
  EXT4_NODE_SIZE,
  EXT4_NODE_UID,
  EXT4_OPTIONS_HASH_SEED,
  EXT4_OPTIONS_INODE_BYTES,
  EXT4_OPTIONS_LABEL,
  EXT4_OPTIONS_ROOT_MODE,
  EXT4_OPTIONS_ROOT_PERCENT,
  EXT4_OPTIONS_SIZE,
  EXT4_OPTIONS_TIMESTAMP,
  EXT4_OPTIONS_UUID,
  Ext4Kind,
} from "../../../assembly/format/media/calls-ext4-build.ts";
import { failure, StorageError } from "../../base/errors.ts";
import type { Work } from "../../base/work.ts";
import type { MediaCore } from "./load.ts";

const PIECE_BYTES = 1 << 20;
const LABEL_BYTES_MAX = 16;
const NAME_BYTES_MAX = 255;
const U32_MAX = 0xffffffff;
const BLOCK_BYTES = 4096;
const BLOCK_SECTORS = 8;
const LOST_FOUND = "lost+found";
const NS_PER_S = 1_000_000_000n;
const KINDS = {
  file: Ext4Kind.FILE,
  directory: Ext4Kind.DIRECTORY,
  symlink: Ext4Kind.SYMLINK,
  link: Ext4Kind.LINK,
  fifo: Ext4Kind.FIFO,
  socket: Ext4Kind.SOCKET,
  chardev: Ext4Kind.CHARACTER,
  blockdev: Ext4Kind.BLOCK,
} as const;

const encoder = new TextEncoder();

export interface Ext4Reader {
  /** Fills `into` from the next byte on; answers how many bytes it got, 0 at the end. */
  read(into: Uint8Array): number;
  close(): void;
}

/** One name of a volume. */
export interface Ext4Entry {
  /** From the root, "/" between names and none in front. Directories above come by themselves. */
  readonly path: string;
  readonly kind: keyof typeof KINDS;
  /** 12 bits of permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970 UTC; the other times are the build's. */
  readonly mtimeNs: bigint;
  /** Of a file, else 0. */
  readonly sizeBytes: number;
  /** Symbolic link: its text; link: the path of an earlier entry, of which this is another name. */
  readonly target?: string | undefined;
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  /** By full names: "user.x", "security.capability". */
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Opens a file's content. It is not read by the same MediaCore, into whose memory it goes. */
  open?(): Ext4Reader;
}

export interface Ext4BuildOptions {
  /** Window on the device, sectors of 512 bytes; default: all of it. */
  readonly baseSector?: number | undefined;
  readonly sectors?: number | undefined;
  /** At most 16 bytes of UTF-8. */
  readonly label?: string | undefined;
  /** 16 bytes each. */
  readonly uuid: Uint8Array;
  readonly hashSeed: Uint8Array;
  readonly timestampMs: number;
  /** Bytes of the volume for each inode; default: as mke2fs. */
  readonly bytesPerInode?: number | undefined;
  /** Blocks that only root may fill; default 5. */
  readonly reservedPercent?: number | undefined;
  /** Default: none but lost+found. */
  readonly entries?: readonly Ext4Entry[] | undefined;
  /** Permissions of the root; default 0o755. */
  readonly rootMode?: number | undefined;
}

export interface Ext4Facts {
  /** Of 4 KiB. */
  readonly blocks: number;
  readonly inodes: number;
  readonly groups: number;
  readonly journalBlocks: number;
  readonly usedBlocks: number;
  readonly usedInodes: number;
}

/** Where everything would go; nothing is written. Errors as those of buildExt4, but for EIO. */
export function planExt4(media: MediaCore, device: number, options: Ext4BuildOptions): Ext4Facts {
  const build = begin(media, device, options);
  try {
    return layOut(media, build, options);
  } finally {
    media.exports.ext4BuildEnd(build);
  }
}

/**
 * Writes a volume, its superblock last: until then there is none, not even an older one.
 *
 * @throws {StorageError} ENOSPC: the volume is too small, with what it would take; EINVAL: a size,
 *   label, name or number that ext4 does not take; EEXIST: a path stands twice; ENOTDIR: a path
 *   leads through a file; ENAMETOOLONG, ENOENT: a link to no earlier entry; EROFS; EIO
 */
export function* buildExt4(
  media: MediaCore,
  device: number,
  options: Ext4BuildOptions,
): Work<Ext4Facts> {
  const entries = options.entries ?? [];
  const build = begin(media, device, options);
  const room = media.memory.allocate(PIECE_BYTES);
  try {
    const facts = layOut(media, build, options);
    const total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let done = 0;
    for (const entry of entries) {
      if (entry.kind !== "file" || entry.sizeBytes === 0) continue;
      for (const written of writeContent(media, build, entry, room)) {
        yield { step: "copy files", done: done + written, total, unit: "bytes" };
      }
      done += entry.sizeBytes;
    }
    media.check(media.exports.ext4BuildFinish(build), "ext4Build");
    return facts;
  } finally {
    media.memory.release(room, PIECE_BYTES);
    media.exports.ext4BuildEnd(build);
  }
}

/** Sectors of a volume that surely holds these entries, with some room for more. */
export function smallestExt4(_media: MediaCore, entries: readonly Ext4Entry[]): number {
  let content = 0;
  for (const { path, sizeBytes, target = "", xattrs } of entries) {
    const names = encoder.encode(path).length + 64;
    content += Math.ceil(sizeBytes / BLOCK_BYTES) + (names * 2) / BLOCK_BYTES;
    // A directory, a long target and attributes take a block each at most.
    content += target.length >= 60 || (xattrs?.size ?? 0) > 0 ? 2 : 0;
    content += path.split("/").length > 0 ? 1 : 0;
  }
  let blocks = 16384;
  for (;;) {
    const ratio = blocks < 131072 ? 4096 : blocks < 2 ** 30 ? 16384 : 32768;
    const inodes = (blocks * BLOCK_BYTES) / ratio;
    const groups = Math.ceil(blocks / 32768);
    const table = Math.ceil(inodes / 16);
    // Copies of the superblock stand in few groups, each with its reserve of at most 4 MiB.
    const copies =
      (2 + 3 * Math.ceil(Math.log(groups + 1) / Math.log(3))) * Math.min(2100, blocks / 1024);
    const journal = Math.min(262144, Math.max(1024, blocks / 32));
    const needed = (content + table + groups * 3 + copies + journal) * 1.02 + 1024;
    const isEnough = needed <= blocks && entries.length * 1.2 + 100 <= inodes;
    if (isEnough) return Math.ceil(blocks) * BLOCK_SECTORS;
    blocks = Math.ceil(Math.max(blocks * 1.02, Math.min(needed, blocks * 2)));
  }
}

function begin(media: MediaCore, device: number, options: Ext4BuildOptions): number {
  const { baseSector = 0, sectors = 0, label = "", uuid, hashSeed, timestampMs } = options;
  const labelBytes = encoder.encode(label);
  if (labelBytes.length > LABEL_BYTES_MAX || labelBytes.includes(0)) {
    const hint = `It has at most ${LABEL_BYTES_MAX} bytes.`;
    throw failure("EINVAL", "ext4Build", `'${label}' is no label of an ext4 volume.`, { hint });
  }
  if (uuid.length !== 16 || hashSeed.length !== 16) {
    throw failure("EINVAL", "ext4Build", "uuid and hash seed have 16 bytes each.");
  }
  const given = new Uint8Array(EXT4_OPTIONS_SIZE);
  const view = new DataView(given.buffer);
  view.setFloat64(EXT4_OPTIONS_TIMESTAMP, timestampMs, true);
  view.setFloat64(EXT4_OPTIONS_ROOT_PERCENT, options.reservedPercent ?? 5, true);
  view.setUint32(EXT4_OPTIONS_INODE_BYTES, u32(options.bytesPerInode ?? 0, "bytesPerInode"), true);
  view.setUint32(EXT4_OPTIONS_ROOT_MODE, u32(options.rootMode ?? 0o755, "rootMode"), true);
  given.set(uuid, EXT4_OPTIONS_UUID);
  given.set(hashSeed, EXT4_OPTIONS_HASH_SEED);
  given.set(labelBytes, EXT4_OPTIONS_LABEL);
  const build = media.memory.with(given, (at) =>
    media.exports.ext4Build(device, baseSector, sectors, at),
  );
  return media.check(build, "ext4Build");
}

function u32(value: number, what: string, path?: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= U32_MAX) return value;
  throw failure("EINVAL", "ext4Build", `${what} ${value} is no number of 32 bits.`, { path });
}

/** What is known of a path: its node, and whether it came by itself. */
interface Planted {
  readonly node: number;
  readonly kind: Ext4Entry["kind"];
  isImplied: boolean;
}

/** A list of entries on its way to nodes. */
interface Plan {
  readonly media: MediaCore;
  readonly build: number;
  readonly options: Ext4BuildOptions;
  readonly planted: Map<string, Planted>;
  /** Entries of directories, for those that stand behind what is in them. */
  readonly folders: ReadonlyMap<string, Ext4Entry>;
}

/** Declares all nodes and gives them their places. */
function layOut(media: MediaCore, build: number, options: Ext4BuildOptions): Ext4Facts {
  const entries = options.entries ?? [];
  const folders = entries.filter(({ kind }) => kind === "directory");
  const plan: Plan = {
    media,
    build,
    options,
    planted: new Map([
      ["", { node: 0, kind: "directory", isImplied: true }],
      [LOST_FOUND, { node: 1, kind: "directory", isImplied: true }],
    ]),
    folders: new Map(folders.map((entry) => [namesOf(entry.path).join("/"), entry])),
  };
  for (const entry of entries) plant(plan, entry);
  const code = media.exports.ext4BuildLayout(build);
  const { missingBlocks, missingInodes, ...facts } = factsOf(media, build);
  if (code >= 0) return facts;
  const error = media.error(code, "ext4Build");
  if (error.code !== "ENOSPC") throw error;
  const bytes = (facts.blocks + missingBlocks) * BLOCK_BYTES;
  const message =
    missingInodes > 0
      ? `the tree needs ${facts.usedInodes} inodes, the volume has ${facts.inodes}.`
      : `the tree needs at least ${bytes} bytes, the volume has ${facts.blocks * BLOCK_BYTES}.`;
  throw failure("ENOSPC", "ext4Build", message);
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

function plant(plan: Plan, entry: Ext4Entry): void {
  const { path, kind } = entry;
  const names = namesOf(path);
  const last = names.pop();
  if (last === undefined) {
    throw failure("EINVAL", "ext4Build", "an entry has no name.", { path });
  }
  let above = "";
  let parent = 0;
  for (const name of names) {
    const here = above === "" ? name : `${above}/${name}`;
    const known = plan.planted.get(here) ?? imply(plan, here, parent, name);
    if (known.kind !== "directory") {
      throw failure("ENOTDIR", "ext4Build", `'${path}' leads through '${here}'.`, { path });
    }
    parent = known.node;
    above = here;
  }
  const full = above === "" ? last : `${above}/${last}`;
  const known = plan.planted.get(full);
  if (known !== undefined && !(known.isImplied && kind === "directory")) {
    throw failure("EEXIST", "ext4Build", `'${path}' is there already.`, { path });
  }
  // What lost+found is said to be replaces what it is by itself.
  const isNew = known === undefined || full === LOST_FOUND;
  const node = isNew ? addNode(plan, parent, last, entry) : known.node;
  plan.planted.set(full, { node, kind, isImplied: false });
  for (const [name, value] of entry.xattrs ?? []) addXattr(plan, node, path, name, value);
}

/** A directory that no entry made so far: as its entry says, if one follows. */
function imply(plan: Plan, path: string, parent: number, name: string): Planted {
  const entry = plan.folders.get(path) ?? impliedFolder(path, plan.options);
  const node = addNode(plan, parent, name, entry);
  const made: Planted = { node, kind: "directory", isImplied: true };
  plan.planted.set(path, made);
  return made;
}

function impliedFolder(path: string, { timestampMs }: Ext4BuildOptions): Ext4Entry {
  const mtimeNs = BigInt(Math.floor(timestampMs)) * 1_000_000n;
  return { path, kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeNs, sizeBytes: 0 };
}

function addNode(plan: Plan, parent: number, name: string, entry: Ext4Entry): number {
  const { media, build, planted } = plan;
  const { path, kind, mtimeNs, sizeBytes, target = "", device } = entry;
  const isText = kind === "symlink";
  const nameBytes = encoder.encode(name);
  if (nameBytes.length > NAME_BYTES_MAX) {
    const message = `'${name.slice(0, 40)}...' has ${nameBytes.length} bytes, the most is 255.`;
    throw failure("ENAMETOOLONG", "ext4Build", message, { path });
  }
  const given = new Uint8Array(EXT4_NODE_SIZE);
  const view = new DataView(given.buffer);
  const seconds = (mtimeNs - (((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S)) / NS_PER_S;
  view.setFloat64(EXT4_NODE_BYTES, sizeBytes, true);
  view.setFloat64(EXT4_NODE_MODIFIED, Number(seconds), true);
  view.setUint32(EXT4_NODE_NANOSECONDS, Number(mtimeNs - seconds * NS_PER_S), true);
  view.setUint32(EXT4_NODE_PARENT, parent, true);
  view.setUint32(EXT4_NODE_KIND, KINDS[kind], true);
  view.setUint32(EXT4_NODE_MODE, u32(entry.mode, "mode", path), true);
  view.setUint32(EXT4_NODE_UID, u32(entry.uid, "uid", path), true);
  view.setUint32(EXT4_NODE_GID, u32(entry.gid, "gid", path), true);
  view.setUint32(EXT4_NODE_MAJOR, u32(device?.major ?? 0, "major", path), true);
  view.setUint32(EXT4_NODE_MINOR, u32(device?.minor ?? 0, "minor", path), true);
  view.setUint32(EXT4_NODE_ORIGINAL, kind === "link" ? original(planted, entry) : 0, true);
  const { memory, exports } = media;
  const result = memory.with(given, (node) =>
    memory.with(nameBytes, (at, length) =>
      memory.with(isText ? target : "", (text, textLength) =>
        exports.ext4BuildNode(build, node, at, length, text, textLength),
      ),
    ),
  );
  return media.check(result, "ext4Build", { path });
}

function original(planted: ReadonlyMap<string, Planted>, { path, target = "" }: Ext4Entry): number {
  const known = planted.get(namesOf(target).join("/"));
  if (known !== undefined && known.kind !== "link") return known.node;
  const message = `'${path}' is a link to '${target}', which is no earlier entry.`;
  throw failure("ENOENT", "ext4Build", message, { path });
}

function addXattr(
  { media, build }: Plan,
  node: number,
  path: string,
  name: string,
  value: Uint8Array,
): void {
  const { memory, exports } = media;
  const result = memory.with(name, (at, length) =>
    memory.with(value, (data, size) => exports.ext4BuildXattr(build, node, at, length, data, size)),
  );
  if (result >= 0) return;
  const why = new StorageError(result, "ext4Build").code as "EINVAL";
  throw failure(why, "ext4Build", `attribute '${name}' of '${path}' cannot be kept.`, { path });
}

function factsOf(media: MediaCore, build: number) {
  const { memory, exports } = media;
  const out = memory.allocate(EXT4_FACTS_SIZE);
  try {
    media.check(exports.ext4BuildFacts(build, out), "ext4Build");
    const number = (field: number) => memory.view.getFloat64(out + field, true);
    return {
      blocks: number(EXT4_FACTS_BLOCKS),
      inodes: number(EXT4_FACTS_INODES),
      groups: memory.view.getUint32(out + EXT4_FACTS_GROUPS, true),
      journalBlocks: memory.view.getUint32(out + EXT4_FACTS_JOURNAL_BLOCKS, true),
      usedBlocks: number(EXT4_FACTS_USED_BLOCKS),
      usedInodes: number(EXT4_FACTS_USED_INODES),
      missingBlocks: number(EXT4_FACTS_MISSING_BLOCKS),
      missingInodes: number(EXT4_FACTS_MISSING_INODES),
    };
  } finally {
    memory.release(out, EXT4_FACTS_SIZE);
  }
}

/** Yields the bytes written so far. The reader fills the module's own memory: no copy is made. */
function* writeContent(
  media: MediaCore,
  build: number,
  entry: Ext4Entry,
  room: number,
): Iterable<number> {
  const { exports, memory } = media;
  const { path, sizeBytes } = entry;
  const reader = entry.open?.();
  let written = 0;
  try {
    for (;;) {
      const got = reader?.read(memory.subarray(room, PIECE_BYTES)) ?? 0;
      if (got <= 0) break;
      written += got;
      if (written > sizeBytes) break;
      media.check(exports.ext4BuildWrite(build, room, got), "ext4Build", { path });
      yield written;
    }
  } finally {
    reader?.close();
  }
  if (written === sizeBytes) return;
  const message = `'${path}' changed while it was read: it had ${sizeBytes} bytes before.`;
  throw failure("EIO", "ext4Build", message, { path });
}
