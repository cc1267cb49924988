/** `diskwright fs`: files of whatever filesystem is on a disk or partition. */
import { join } from "node:path/posix";
import { formatSize } from "../../base/size.ts";
import { run } from "../../base/work.ts";
import { verifyDisk } from "../../system/verify.ts";
import { findFiles, openVolume, type Volume, type VolumeEntry } from "../../system/volume.ts";
import { type CommandSpec, Exit, type Given } from "../kit/command.ts";
import { withDisk } from "../kit/open.ts";
import { table } from "../kit/output.ts";
import { verdict } from "../kit/verdict.ts";
import { copyIn, copyOut, localPieces } from "./transfer.ts";

const DISK = { "<disk>": "path, path:N for partition N, or a file: URL" };
const PATH = { "<path>": "path on the disk" };
const LETTERS = {
  ...{ file: "-", directory: "d", symlink: "l" },
  ...{ chardev: "c", blockdev: "b", fifo: "p", socket: "s" },
};
const RECURSIVE = { flags: "-r, --recursive", summary: "folders too, with all that is in them" };

export const fs: CommandSpec = {
  name: "fs",
  summary: "Files of a filesystem: CAPOSWF1, CAPOSRO1, FAT32, ext4 or ISO, whichever is there",
  subcommands: [
    {
      name: "ls",
      summary: "List a directory",
      arguments: { ...DISK, "[path]": "default: /" },
      run: ({ out }, { positionals: [disk = "", path = "/"] }) =>
        withVolume(disk, true, (volume) => {
          const entries = listing(volume, path);
          out.result({ filesystem: volume.kind, path, entries }, () => table(entries.map(row)));
        }),
    },
    {
      name: "tree",
      summary: "Show everything below a directory",
      arguments: { ...DISK, "[path]": "default: /" },
      run: ({ out }, { positionals: [disk = "", path = "/"] }) =>
        withVolume(disk, true, (volume) => {
          const entries = [...walk(volume, path)];
          out.result({ filesystem: volume.kind, path, entries }, () => drawTree(path, entries));
        }),
    },
    {
      name: "cat",
      summary: "Write a file to standard output",
      arguments: { ...DISK, ...PATH },
      run: ({ out }, { positionals: [disk = "", path = ""] }) =>
        withVolume(disk, true, (volume) => {
          for (const piece of volume.read(path)) out.bytes(piece.slice());
        }),
    },
    {
      name: "put",
      summary: "Copy a file onto the disk; - is standard input",
      arguments: { ...DISK, "<local>": "file or, with -r, folder here", ...PATH },
      options: [RECURSIVE],
      run: ({ out, signal }, { positionals: [disk = "", local = "", path = ""], options }) =>
        withVolume(disk, false, (volume) => {
          const target = intoDirectory(volume, path, local);
          let count = 1;
          if (local === "-") volume.write(target, localPieces(local));
          else count = copyIn(volume, local, target, options["recursive"] === true, signal);
          volume.sync();
          out.result({ path: target, files: count }, `${target}: ${count} files`);
        }),
    },
    {
      name: "get",
      summary: "Copy a file from the disk",
      arguments: { ...DISK, ...PATH, "<local>": "where to, here" },
      options: [RECURSIVE, { flags: "--force", summary: "replace what is there" }],
      run: ({ out, signal }, { positionals: [disk = "", path = "", local = ""], options }) =>
        withVolume(disk, true, (volume) => {
          const recursive = options["recursive"] === true;
          const force = options["force"] === true;
          const count = copyOut(volume, path, local, { recursive, force, signal });
          if (local !== "-") out.result({ path, local, files: count }, `${local}: ${count} files`);
        }),
    },
    {
      name: "mkdir",
      summary: "Make a directory and those above it",
      arguments: { ...DISK, ...PATH },
      run: change((volume, [path = ""]) => volume.mkdir(path)),
    },
    {
      name: "rm",
      summary: "Remove a file or an empty directory",
      arguments: { ...DISK, "<path...>": "paths on the disk" },
      options: [RECURSIVE],
      run: change((volume, paths, options) => {
        for (const path of paths) volume.remove(path, options["recursive"] === true);
      }),
    },
    {
      name: "mv",
      summary: "Rename or move",
      arguments: { ...DISK, "<from>": "path on the disk", "<to>": "path on the disk" },
      run: change((volume, [from = "", to = ""]) =>
        volume.rename(from, intoDirectory(volume, to, from)),
      ),
    },
    {
      name: "stat",
      summary: "Tell about one file",
      arguments: { ...DISK, ...PATH },
      run: ({ out }, { positionals: [disk = "", path = ""] }) =>
        withVolume(disk, true, (volume) => {
          const entry = volume.stat(path);
          out.result({ filesystem: volume.kind, path, ...entry }, () => table([row(entry)]));
        }),
    },
    {
      name: "df",
      summary: "Tell how much space there is",
      arguments: DISK,
      run: ({ out }, { positionals: [disk = ""] }) =>
        withVolume(disk, true, (volume) => {
          const { totalBytes, freeBytes } = volume.space();
          const told = { filesystem: volume.kind, totalBytes, freeBytes };
          const text = [volume.kind, formatSize(totalBytes), formatSize(freeBytes)];
          out.result(told, () => table([text], ["filesystem", "total", "free"]));
        }),
    },
    {
      name: "check",
      summary: "Check the filesystem; exit 3 if something is damaged",
      arguments: DISK,
      run: ({ out, signal, progress }, { positionals: [disk = ""] }) =>
        withDisk(disk, { readOnly: true }, async ({ core, id, device, partition: named }) => {
          const { partition } = findFiles(core, id, named);
          const work = verifyDisk(device, { partition });
          const report = await run(work, { signal, progress: progress.update });
          out.result({ event: "done", ...report }, () => verdict(disk, report));
          return report.damage === 0 ? Exit.DONE : Exit.DAMAGE;
        }),
    },
  ],
};

function withVolume<T>(disk: string, readOnly: boolean, use: (volume: Volume) => T): Promise<T> {
  return withDisk(disk, { readOnly }, ({ core, id, partition }) => {
    const volume = openVolume(core, id, { partition, readOnly });
    try {
      return use(volume);
    } finally {
      volume.close();
    }
  });
}

/** A command that changes the disk and says nothing. */
function change(
  act: (volume: Volume, paths: readonly string[], options: Given["options"]) => void,
): NonNullable<CommandSpec["run"]> {
  return ({ out }, { positionals: [disk = "", ...paths], options }) =>
    withVolume(disk, false, (volume) => {
      act(volume, paths, options);
      volume.sync();
      if (out.json) out.event({ done: paths });
    });
}

/** A directory as target means the file of the same name in it. */
function intoDirectory(volume: Volume, path: string, from: string): string {
  if (!path.endsWith("/") && kindOf(volume, path) !== "directory") return path;
  return join(path, from.slice(from.lastIndexOf("/") + 1));
}

function kindOf(volume: Volume, path: string): VolumeEntry["kind"] | undefined {
  try {
    return volume.stat(path).kind;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  }
}

function listing(volume: Volume, path: string): VolumeEntry[] {
  const entry = path === "/" ? undefined : volume.stat(path);
  return entry === undefined || entry.kind === "directory" ? volume.list(path) : [entry];
}

function* walk(volume: Volume, path: string): Generator<VolumeEntry & { path: string }> {
  for (const entry of volume.list(path)) {
    const below = join(path, entry.name);
    yield { ...entry, path: below };
    if (entry.kind === "directory") yield* walk(volume, below);
  }
}

function drawTree(root: string, entries: readonly (VolumeEntry & { path: string })[]): string {
  const depth = (path: string) => path.split("/").length;
  const base = root === "/" ? 1 : depth(root);
  const lines = entries.map(({ path, name, kind, target }) => {
    const suffix = kind === "directory" ? "/" : target === undefined ? "" : ` -> ${target}`;
    return `${"  ".repeat(depth(path) - base)}${name}${suffix}`;
  });
  return [root, ...lines].join("\n");
}

function row(entry: VolumeEntry): (string | number)[] {
  const letter = LETTERS[entry.kind];
  const mode = entry.mode === undefined ? "" : entry.mode.toString(8).padStart(4, "0");
  const when = new Date(entry.modifiedMs).toISOString().slice(0, 19);
  const arrow = entry.target === undefined ? "" : ` -> ${entry.target}`;
  return [`${letter}${mode}`, entry.sizeBytes, when, `${entry.name}${arrow}`];
}
