/**
 * systemd-boot in the emulated machine: reads the entries of a volume, takes a try from the one
 * that it starts, and says why it starts another one.
 *
 * ```
 * loader.conf, entries/*.conf -> order -> kernel? -> counted, durably -> initrds? -> start
 *                                  ^       | no                           | no
 *                                  +-------+------------------------------+
 * ```
 *
 * The real one leaves an entry without its kernel out of the menu, and goes back to the firmware
 * where an initrd is missing; this one goes on to the next entry in both cases.
 */
import { StorageError } from "../../base/errors.ts";
import { isSameBytes } from "../../base/hash.ts";
import { FatVolume } from "../../core/fat.ts";
import type { Core } from "../../core/load.ts";
import { isReadOnly } from "../../device/sectors.ts";
import {
  blessedName,
  countedName,
  ENTRIES_FOLDER,
  ENTRY_BYTES_MAX,
  isEntryName,
  type LoaderEntry,
  parseEntry,
} from "../../format/loader/entry.ts";
import {
  LOADER_CONF,
  type LoaderConf,
  parseLoaderConf,
  triedInOrder,
} from "../../format/loader/menu.ts";
import { FAIL_OPTION, SLOT_OPTION } from "../../format/rayos/boot-entries.ts";
import * as lines from "../../format/rayos/lines.ts";
import type { BootTarget } from "../boot/firmware.ts";

/** More of them are passed over: a menu of that length helps nobody. */
export const ENTRIES_MAX = 512;

/** The entry that was started. */
export interface StartedEntry {
  readonly id: string;
  readonly title: string;
  /** Name of its file while it runs. */
  readonly file: string;
  readonly options: string;
  /** Why its system fails; undefined: nothing tells it to. */
  readonly fault?: string | undefined;
  /** Its kernel resets the machine when the system has failed. */
  readonly resets: boolean;
}

export interface BootMenu {
  readonly conf: LoaderConf;
  readonly entries: readonly LoaderEntry[];
  readonly passedOver: readonly { readonly file: string; readonly reason: string }[];
}

/** The entries of a volume; undefined: it has none, so that nothing of systemd-boot is there. */
export function readMenu(volume: FatVolume): BootMenu | undefined {
  const files = entryFiles(volume);
  if (files.length === 0) return undefined;
  const entries: LoaderEntry[] = [];
  const passedOver: { file: string; reason: string }[] = [];
  for (const [index, file] of files.entries()) {
    const found =
      index < ENTRIES_MAX ? entryAt(volume, file) : `there are more than ${ENTRIES_MAX}`;
    if (typeof found === "string") passedOver.push({ file, reason: found });
    else entries.push(found);
  }
  const conf = smallFile(volume, LOADER_CONF);
  const content = typeof conf === "string" ? new Uint8Array(0) : conf;
  return { conf: parseLoaderConf(content), entries, passedOver };
}

/**
 * Starts an entry: the first that can be started, of those that fit the patterns, loader.conf's
 * own behind them, and then of all.
 *
 * @returns undefined: none can be started, or they cannot be read, which is told; "none": the
 *   volume has no entries
 */
export function startEntry(
  core: Core,
  target: BootTarget,
  patterns: readonly (string | undefined)[],
  print: (line: string) => void,
): StartedEntry | "none" | undefined {
  const menu = quietly(() => reading(core, target, readMenu));
  if (menu === undefined) return "none";
  if (typeof menu === "string") {
    print(lines.entryPassedOver(ENTRIES_FOLDER, menu));
    return undefined;
  }
  print(lines.bootMenu(menu.entries.length, menu.conf.timeout));
  for (const { file, reason } of menu.passedOver) print(lines.entryPassedOver(file, reason));
  for (const entry of triedInOrder(menu.entries, [...patterns, menu.conf.default])) {
    const { file: found, program, initrds } = entry;
    const missing = (paths: readonly string[]) => {
      const problem = quietly(() => reading(core, target, (volume) => missingOf(volume, paths)));
      if (problem !== undefined) print(lines.entryPassedOver(found, problem));
      return problem !== undefined;
    };
    if (missing([program])) continue;
    const file = countDown(core, target, entry, print);
    if (missing(initrds)) continue;
    print(lines.entryStarted(entry.title, file));
    const { id, title, options } = entry;
    return { id, title, file, options, fault: faultOf(options), resets: resetsOf(options) };
  }
  return undefined;
}

/** Takes the counter off the entry that has run: its start was good. */
export function blessEntry(
  core: Core,
  target: BootTarget,
  { file }: StartedEntry,
  print: (line: string) => void,
): void {
  const blessed = blessedName(file);
  if (blessed === file) return;
  const problem = renamed(core, target, file, blessed, { keep: true });
  print(
    problem === undefined
      ? lines.entryBlessed(file, blessed)
      : lines.entryNotBlessed(file, problem),
  );
}

/** One try less, before the kernel starts; answers the name that the file has now. */
function countDown(
  core: Core,
  target: BootTarget,
  entry: LoaderEntry,
  print: (line: string) => void,
): string {
  const { file } = entry;
  const counted = countedName(entry);
  if (counted === undefined) return file;
  const problem = renamed(core, target, file, counted, { keep: false });
  print(
    problem === undefined
      ? lines.entryCounted(file, counted)
      : lines.entryNotCounted(file, problem),
  );
  return problem === undefined ? counted : file;
}

/**
 * Gives an entry another name, durably; or says why not. The file is written anew before the old
 * one goes: a rename that is cut leaves two names of one content, which nobody could take apart.
 * `keep`: another file of the new name stays, unless it is the same.
 */
function renamed(
  core: Core,
  { disk, place }: BootTarget,
  from: string,
  to: string,
  { keep }: { readonly keep: boolean },
): string | undefined {
  if (isReadOnly(disk.device)) return "the medium is read-only";
  return quietly(() => {
    const volume = FatVolume.open(core, disk.id, place);
    try {
      const [source, target] = [`${ENTRIES_FOLDER}/${from}`, `${ENTRIES_FOLDER}/${to}`];
      const content = volume.readFile(source);
      const isThere = keep && volume.exists(target);
      if (isThere && !isSameBytes(content, volume.readFile(target))) return `there is a ${to}`;
      if (!isThere) volume.writeFile(target, content);
      volume.flush();
      if (from !== to) volume.remove(source);
      volume.flush();
      return undefined;
    } finally {
      volume.close();
    }
  });
}

function reading<T>(core: Core, { disk, place }: BootTarget, use: (volume: FatVolume) => T): T {
  const volume = FatVolume.open(core, disk.id, { ...place, readOnly: true });
  try {
    return use(volume);
  } finally {
    volume.close();
  }
}

function entryFiles(volume: FatVolume): string[] {
  if (!volume.exists(ENTRIES_FOLDER)) return [];
  if (volume.stat(ENTRIES_FOLDER).kind !== "directory") return [];
  return volume
    .list(ENTRIES_FOLDER)
    .filter(({ kind, name }) => kind === "file" && isEntryName(name))
    .map(({ name }) => name);
}

function entryAt(volume: FatVolume, file: string): LoaderEntry | string {
  const content = smallFile(volume, `${ENTRIES_FOLDER}/${file}`);
  return typeof content === "string" ? content : parseEntry(file, content);
}

/** The content of a short file, or why there is none. */
function smallFile(volume: FatVolume, path: string): Uint8Array | string {
  const problem = quietly(() => missingOf(volume, [path]));
  if (problem !== undefined) return problem;
  const { sizeBytes } = volume.stat(path);
  if (sizeBytes > ENTRY_BYTES_MAX) return `it has ${sizeBytes} bytes, more than ${ENTRY_BYTES_MAX}`;
  return quietly(() => volume.read(path, 0, sizeBytes));
}

/** Why one of the files cannot be loaded. */
function missingOf(volume: FatVolume, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    if (!volume.exists(path)) return `there is no ${path}`;
    const { kind, sizeBytes } = volume.stat(path);
    if (kind !== "file") return `${path} is no file`;
    if (sizeBytes === 0) return `${path} is empty`;
  }
  return undefined;
}

/** The last word of a name counts, as the kernel takes it. */
function wordOf(options: string, name: string): string | undefined {
  const words = options.split(/\s+/).filter((word) => word.startsWith(`${name}=`));
  return words.at(-1)?.slice(name.length + 1);
}

function faultOf(options: string): string | undefined {
  const slot = wordOf(options, SLOT_OPTION);
  const failing = wordOf(options, FAIL_OPTION);
  if (slot === undefined || failing === undefined) return undefined;
  return failing.split(",").includes(slot) ? `${FAIL_OPTION}=${failing}` : undefined;
}

/** With `panic=0`, the default, a kernel that has failed waits for somebody. */
function resetsOf(options: string): boolean {
  return !/^0*$/.test(wordOf(options, "panic") ?? "");
}

/** What a disk can cause is a reason; a bug goes through. */
function quietly<T>(look: () => T): T | string {
  try {
    return look();
  } catch (error) {
    if (error instanceof StorageError) return error.message;
    throw error;
  }
}
