/**
 * What makes an installed disk start: kernel, initrd and boot loader, found in the image, and the
 * files of the ESP and of the recovery partition around them.
 *
 * Every boot slot has a copy of its own: an update replaces the files of one slot and can never
 * damage what the others start. systemd-boot is put at both of its places: where firmware looks on
 * its own, and where it looks for itself.
 */
import { failure, refusal } from "../../../base/errors.ts";
import { node } from "../../../base/platform/node.ts";
import { formatSize } from "../../../base/size.ts";
import { SECTOR_BYTES } from "../../../format/layout.ts";
import {
  BOOT_SLOTS,
  type BootSlot,
  bootEntry,
  checkKernelOptions,
  entryPath,
  INITRD_NAME,
  KERNEL_NAME,
  loaderConf,
  slotFolder,
} from "../../../format/rayos/boot-entries.ts";
import { BOOT_MODE_PATH, encodeBootMode } from "../../../format/rayos/boot-mode.ts";
import { memoryReader, type Tree, type TreeEntry } from "../../image/folder.ts";
import { FALLBACK_PATH, LOADER_CONF_PATH, LOADER_PATH } from "../plan/esp.ts";
import type { RayosPartition, RayosRequest } from "../plan/types.ts";
import type { ImageEntry } from "../source/entry.ts";
import { contentOf, type SystemImage } from "../source/image.ts";

const KERNELS = [/^boot\/kernel\.bin$/, /^kernel\.bin$/, /^boot\/vmlinuz(-[^/]*)?$/, /^vmlinuz$/];
const INITRDS = [/^boot\/initrd$/, /^initrd$/, /^boot\/initr(d|amfs)(\.img)?(-[^/]*)?$/];
const LOADERS = [
  /^EFI\/BOOT\/BOOTX64\.EFI$/i,
  /^EFI\/systemd\/systemd-bootx64\.efi$/i,
  /^usr\/lib\/systemd\/boot\/efi\/systemd-bootx64\.efi$/,
];
const LINKS_MAX = 16;
const LOADER_BYTES_MAX = 1 << 26;
/** Of a packed image as much is kept in memory rather than unpacked again for each copy. */
const KEPT_BYTES_MAX = 1 << 25;
const CLUSTER_BYTES = 8192;

/** The boot artifacts of an image; what is undefined is not in it. */
export interface BootFiles {
  readonly kernel?: ImageEntry | undefined;
  readonly initrd?: ImageEntry | undefined;
  readonly loader?:
    | { readonly sizeBytes: number; open(): ReturnType<TreeEntry["open"]> }
    | undefined;
  /** Path of the loader in the image, if it comes from there. */
  readonly loaderPath?: string | undefined;
  readonly warnings: readonly string[];
}

export interface EspContent {
  readonly boot: BootFiles;
  readonly release: string;
  readonly createdS: number;
  readonly systemLabel: string;
  readonly kernelOptions: string;
}

/** Looks for kernel, initrd and boot loader. ENOENT: `bootLoader` names no file. */
export function findBootFiles(
  image: SystemImage,
  bootLoader: RayosRequest["bootLoader"],
): BootFiles {
  const byPath = new Map(image.entries.map((entry) => [entry.path, entry]));
  const kernel = firstFile(byPath, KERNELS);
  const initrd = firstFile(byPath, INITRDS);
  const own = bootLoader === undefined ? firstFile(byPath, LOADERS) : undefined;
  const loader = bootLoader === undefined ? own : givenLoader(bootLoader);
  const warnings = [
    ...(kernel === undefined ? ["the image has no kernel: the disk will not start"] : []),
    ...(loader === undefined ? ["the image has no boot loader: the disk will not start"] : []),
  ];
  const keep = keeper(image, [kernel, initrd, own]);
  return {
    kernel: keep(kernel),
    initrd: keep(initrd),
    loader: own === undefined ? (loader as BootFiles["loader"]) : openable(keep(own) as ImageEntry),
    loaderPath: own?.path,
    warnings,
  };
}

/** The ESP, as a tree: loader, entries of three slots, registry.json; without what stays out. */
export function espTreeOf(content: EspContent, kept: readonly string[] = []): Tree {
  const { boot, release, createdS } = content;
  const files = new Map<string, Leaf>();
  addLoader(files, boot);
  if (boot.kernel !== undefined) {
    for (const slot of BOOT_SLOTS) addSlot(files, slot, content);
    files.set(LOADER_CONF_PATH, text(loaderConf("rayos*")));
  }
  files.set(BOOT_MODE_PATH, bytes(encodeBootMode(release, createdS)));
  for (const path of kept) files.delete(path);
  return treeOf(files, createdS * 1000);
}

/** The recovery partition: everything it takes to start recovery when the ESP is lost. */
export function recoveryTreeOf(content: EspContent): Tree {
  const { boot, createdS } = content;
  const files = new Map<string, Leaf>();
  addLoader(files, boot);
  if (boot.kernel !== undefined) {
    addSlot(files, "recovery", content);
    files.set(LOADER_CONF_PATH, text(loaderConf("rayos-recovery*")));
  }
  return treeOf(files, createdS * 1000);
}

/** What an installer medium starts; `registry` is its registry.json. */
export function installerTreeOf(content: EspContent, registry: Uint8Array): Tree {
  const { boot, createdS } = content;
  const files = new Map<string, Leaf>();
  addLoader(files, boot);
  if (boot.kernel !== undefined) {
    addSlot(files, "installer", content);
    files.set(LOADER_CONF_PATH, text(loaderConf("rayos-installer*")));
  }
  files.set(BOOT_MODE_PATH, bytes(registry));
  return treeOf(files, createdS * 1000);
}

/** Refuses a FAT partition that the tree does not fit on, with the size that would do. */
export function checkFatRoom(
  tree: Tree,
  place: Pick<RayosPartition, "sectors" | "name">,
  option: string,
): void {
  const taken = tree.reduce(
    (sum, { size }) => sum + (Math.ceil(size / CLUSTER_BYTES) + 1) * CLUSTER_BYTES,
    0,
  );
  // Both tables and the reserved sectors take less than a fiftieth and a MiB.
  const needed = Math.ceil((taken * 1.02 + 2 ** 20) / 2 ** 20) * 2 ** 20;
  if (needed <= place.sectors * SECTOR_BYTES) return;
  const message = `what belongs on ${place.name} takes ${formatSize(needed)}.`;
  const hint = `${option} ${formatSize(needed)} would do.`;
  throw refusal("ENOSPC", "plan", message, { hint });
}

interface Leaf {
  readonly size: number;
  open(): ReturnType<TreeEntry["open"]>;
}

function addLoader(files: Map<string, Leaf>, { loader }: BootFiles): void {
  if (loader === undefined) return;
  const leaf = { size: loader.sizeBytes, open: () => loader.open() };
  files.set(FALLBACK_PATH, leaf);
  files.set(LOADER_PATH, leaf);
}

function addSlot(files: Map<string, Leaf>, slot: BootSlot, content: EspContent): void {
  const { boot, release, systemLabel } = content;
  const { kernel, initrd } = boot;
  const kernelOptions = checkKernelOptions(content.kernelOptions);
  const hasInitrd = initrd !== undefined;
  const folder = slotFolder(slot);
  if (kernel !== undefined) files.set(`${folder}/${KERNEL_NAME}`, leafOf(kernel));
  if (hasInitrd) files.set(`${folder}/${INITRD_NAME}`, leafOf(initrd));
  const entry = bootEntry(slot, { release, systemLabel, kernelOptions, hasInitrd });
  files.set(entryPath(slot), text(entry));
}

function leafOf(entry: ImageEntry): Leaf {
  return { size: entry.sizeBytes, open: () => openable(entry).open() };
}

function text(content: string): Leaf {
  return bytes(new TextEncoder().encode(content));
}

function bytes(content: Uint8Array): Leaf {
  return { size: content.length, open: () => memoryReader(content) };
}

/** A tree with all folders, each before what is in it. */
function treeOf(files: ReadonlyMap<string, Leaf>, modifiedMs: number): Tree {
  const entries = new Map<string, TreeEntry>();
  const noContent = () => {
    throw failure("EISDIR", "open", "a folder has no content to read.");
  };
  for (const [path, { size, open }] of [...files].sort(([one], [other]) =>
    one < other ? -1 : 1,
  )) {
    const names = path.split("/");
    for (let depth = 1; depth < names.length; depth++) {
      const folder = names.slice(0, depth).join("/");
      entries.set(folder, {
        path: folder,
        kind: "directory",
        size: 0,
        modifiedMs,
        open: noContent,
      });
    }
    entries.set(path, { path, kind: "file", size, modifiedMs, open });
  }
  return [...entries.values()];
}

/** The first file that a pattern names, the highest name of several; links are followed. */
function firstFile(
  byPath: ReadonlyMap<string, ImageEntry>,
  patterns: readonly RegExp[],
): ImageEntry | undefined {
  for (const pattern of patterns) {
    const paths = [...byPath.keys()].filter((path) => pattern.test(path));
    paths.sort((one, other) => other.localeCompare(one, "en", { numeric: true }));
    for (const path of paths) {
      const file = resolve(byPath, path);
      if (file !== undefined) return file;
    }
  }
  return undefined;
}

/** The file at `path`, through links of both kinds, inside the tree. */
function resolve(byPath: ReadonlyMap<string, ImageEntry>, path: string): ImageEntry | undefined {
  let at = path;
  for (let turn = 0; turn < LINKS_MAX; turn++) {
    const entry = byPath.get(at);
    if (entry?.kind === "file") return entry;
    const { target = "" } = entry ?? {};
    if (entry?.kind === "link") at = target;
    else if (entry?.kind === "symlink") {
      const names = target.startsWith("/") ? [] : at.split("/").slice(0, -1);
      for (const name of target.split("/")) {
        if (name === "..") names.pop();
        else if (name !== "" && name !== ".") names.push(name);
      }
      at = names.join("/");
    } else return undefined;
  }
  return undefined;
}

function givenLoader(loader: string | Uint8Array): BootFiles["loader"] {
  const content = typeof loader === "string" ? localFile(loader) : loader;
  return { sizeBytes: content.length, open: () => memoryReader(content) };
}

function localFile(path: string): Uint8Array {
  const stats = node.fs.statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) {
    throw failure("ENOENT", "plan", `there is no boot loader '${path}'.`, { path });
  }
  if (stats.size > LOADER_BYTES_MAX) {
    throw failure("EFBIG", "plan", `'${path}' is too large for a boot loader.`, { path });
  }
  return node.fs.readFileSync(path);
}

/** Boot files are copied up to five times; those of a packed image are unpacked once. */
function keeper(image: SystemImage, entries: readonly (ImageEntry | undefined)[]) {
  const total = entries.reduce((sum, entry) => sum + (entry?.sizeBytes ?? 0), 0);
  const isKept = /\.(gz|zst)$/.test(image.kind) && total <= KEPT_BYTES_MAX;
  const contents = new Map<string, Uint8Array>();
  const load = () => {
    // In the order of the image: one pass.
    const wanted = new Set(entries);
    for (const entry of image.entries) {
      if (wanted.has(entry)) contents.set(entry.path, contentOf(entry));
    }
  };
  return (entry: ImageEntry | undefined): ImageEntry | undefined => {
    if (entry === undefined || !isKept) return entry;
    const open = () => {
      if (contents.size === 0) load();
      return memoryReader(contents.get(entry.path) as Uint8Array);
    };
    return { ...entry, open };
  };
}

function openable(entry: ImageEntry) {
  const { open } = entry;
  if (open === undefined) throw failure("EINVAL", "read", `'${entry.path}' has no content.`);
  return { sizeBytes: entry.sizeBytes, open: () => open() };
}
