/** Builds CAPOSRO1 images: a list of paths becomes sorted nodes and a stream of content. */
import { FileType } from "../../../assembly/format/wf.ts";
import { failure, StorageError } from "../../base/errors.ts";
import type { CoreAccess } from "./exports.ts";
import { contentBytes } from "./flags.ts";

/** One file, directory or symbolic link of an image. */
export interface ImageEntry {
  /** From the root, "/" between names; "" or "/" is the root itself. */
  readonly path: string;
  /** Permissions; by default 0644, 0755 and 0777. */
  readonly mode?: number;
  /** A file's content: bytes, text, or a function that yields `size` bytes in pieces. */
  readonly content?: Uint8Array | string | (() => Iterable<Uint8Array>);
  /** Needed where `content` is a function. */
  readonly size?: number;
  /** A symbolic link's target. */
  readonly target?: string;
}

export interface ImageWindow {
  readonly baseSector?: number;
  /** 0 or absent: to the end of the device. */
  readonly sectors?: number;
}

export interface BuildOptions extends ImageWindow {
  /** 16 bytes; the same uuid and entries give the same image. */
  readonly uuid: Uint8Array;
}

interface PlannedNode {
  readonly parent: number;
  readonly name: Uint8Array;
  readonly type: FileType;
  readonly mode: number;
  readonly size: number;
  readonly content: () => Iterable<Uint8Array>;
}

interface Branch {
  entry: ImageEntry | undefined;
  readonly children: Map<string, Branch>;
}

const DATA_ROOM = 1 << 18;
const UUID_SIZE = 16;
const DEFAULT_MODES = { [FileType.FILE]: 0o644, [FileType.DIRECTORY]: 0o755 } as const;
const LINK_MODE = 0o777;

const encoder = new TextEncoder();

/**
 * Writes an image of `entries` into a window of a device. Directories that no entry names are made.
 *
 * @returns the image's size in sectors of 512 bytes
 * @throws {StorageError} ENOSPC: the window is too small; EEXIST: a path stands twice; ENOTDIR: a
 *   path leads through a file; EINVAL: a name or size the format does not take
 */
export function writeImage(
  core: CoreAccess,
  device: number,
  entries: Iterable<ImageEntry>,
  options: BuildOptions,
): number {
  if (options.uuid.length !== UUID_SIZE) {
    throw failure("EINVAL", "image", `a uuid has ${UUID_SIZE} bytes, not ${options.uuid.length}.`);
  }
  const nodes = planNodes(entries);
  const { exports, memory } = core;
  const { baseSector = 0, sectors = 0 } = options;
  const build = memory.with(options.uuid, (uuid) =>
    core.check(exports.imageBuild(device, baseSector, sectors, uuid), "image"),
  );
  try {
    for (const node of nodes) addNode(core, build, node);
    core.check(exports.imageLayout(build), "image");
    const room = memory.allocate(DATA_ROOM);
    try {
      for (const node of nodes) writeContent(core, build, room, node);
    } finally {
      memory.release(room, DATA_ROOM);
    }
    core.check(exports.imageFinish(build), "image");
    return exports.imageSectors(build);
  } finally {
    exports.imageEnd(build);
  }
}

function addNode(core: CoreAccess, build: number, node: PlannedNode): void {
  const { parent, name, type, mode, size } = node;
  core.memory.with(name, (at, length) => {
    const result = core.exports.imageNode(build, parent, type, mode, size, at, length);
    core.check(result, "image", { path: new TextDecoder().decode(name) });
  });
}

function writeContent(core: CoreAccess, build: number, room: number, node: PlannedNode): void {
  let written = 0;
  for (const piece of node.content()) {
    written += piece.length;
    if (written > node.size) break;
    for (let at = 0; at < piece.length; at += DATA_ROOM) {
      const part = piece.subarray(at, at + DATA_ROOM);
      core.memory.bytes.set(part, room);
      core.check(core.exports.imageWrite(build, room, part.length), "image");
    }
  }
  if (written === node.size) return;
  const name = new TextDecoder().decode(node.name);
  const told = `'${name}' has another size than its entry says (${node.size} bytes).`;
  throw failure("EINVAL", "image", told, { path: name });
}

/** Nodes in the order of the format: level by level, in a directory by the bytes of the names. */
function planNodes(entries: Iterable<ImageEntry>): PlannedNode[] {
  const root = plant(entries);
  const nodes: PlannedNode[] = [planned(0, new Uint8Array(0), root, "/")];
  const branches = [{ branch: root, path: "" }];
  for (let number = 0; number < branches.length; number++) {
    const { branch, path } = branches[number] as { branch: Branch; path: string };
    const children = [...branch.children].map(([text, child]) => ({
      name: encoder.encode(text),
      text,
      child,
    }));
    children.sort((a, b) => compareBytes(a.name, b.name));
    for (const { name, text, child } of children) {
      const below = `${path}/${text}`;
      nodes.push(planned(number, name, child, below));
      branches.push({ branch: child, path: below });
    }
  }
  return nodes;
}

function plant(entries: Iterable<ImageEntry>): Branch {
  const root: Branch = { entry: undefined, children: new Map() };
  for (const entry of entries) {
    let branch = root;
    for (const part of entry.path.split("/")) {
      if (part === "") continue;
      let child = branch.children.get(part);
      if (child === undefined) {
        child = { entry: undefined, children: new Map() };
        branch.children.set(part, child);
      }
      branch = child;
    }
    if (branch.entry !== undefined) throw new StorageError(-17, "image", { path: entry.path });
    branch.entry = entry;
  }
  return root;
}

function planned(parent: number, name: Uint8Array, branch: Branch, path: string): PlannedNode {
  const entry = branch.entry ?? { path };
  const type = typeOf(entry);
  if (type !== FileType.DIRECTORY && (branch.children.size > 0 || name.length === 0)) {
    throw new StorageError(-20, "image", { path });
  }
  if (type === FileType.DIRECTORY) {
    const mode = entry.mode ?? DEFAULT_MODES[type];
    return { parent, name, type, mode, size: 0, content: () => [] };
  }
  const given = type === FileType.SYMLINK ? (entry.target as string) : entry.content;
  const mode = entry.mode ?? (type === FileType.FILE ? DEFAULT_MODES[type] : LINK_MODE);
  if (typeof given === "function") {
    if (!Number.isSafeInteger(entry.size)) {
      throw failure("EINVAL", "image", `'${path}' needs its size, its content is streamed.`, {
        path,
      });
    }
    return { parent, name, type, mode, size: entry.size as number, content: given };
  }
  const bytes = contentBytes(given);
  return { parent, name, type, mode, size: bytes.length, content: () => [bytes] };
}

function typeOf(entry: ImageEntry): FileType {
  if (entry.target !== undefined) return FileType.SYMLINK;
  return entry.content === undefined ? FileType.DIRECTORY : FileType.FILE;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let at = 0; at < common; at++) {
    const difference = (a[at] as number) - (b[at] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
