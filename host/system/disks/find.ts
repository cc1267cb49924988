/** The disks that an installer offers: image files that were given, local ones, or the sample. */
import { failure } from "../../base/errors.ts";
import { type DiskContent, readContentAt } from "./content.ts";
import { type Disk, type Obstacle, SAMPLE_DISK } from "./disk.ts";
import { imageDisks, isNode } from "./images.ts";
import { localDisks } from "./local.ts";
import { type SystemView, thisSystem } from "./system.ts";
import type { InstallerFiles } from "./use.ts";

export interface DisksWanted {
  /**
   * Image files; with `local`, device nodes too: then of the local disks only those, of any kind.
   */
  readonly paths: readonly string[];
  /** Consent to look through the disks of this machine. */
  readonly local: boolean;
  readonly installer?: InstallerFiles | undefined;
  readonly system?: SystemView | undefined;
}

export interface DisksFound {
  readonly sample: boolean;
  /** Images in the order given, then local disks in the order of their names. */
  readonly disks: readonly Disk[];
  /** The installer runs from a removable disk; known only where local disks are looked for. */
  readonly fromRemovable: boolean;
  readonly warnings: readonly string[];
  /** What is on a disk, a sentence where it cannot be read; undefined for the sample. */
  contentOf(disk: Disk): DiskContent | string | undefined;
}

/**
 * Finds the disks. Local disks are not opened before someone asks for their content.
 *
 * @throws {StorageError} EPERM: a device node, and no consent; ENOENT: no such disk; and what
 *   imageDisks throws
 */
export function findDisks(wanted: DisksWanted): DisksFound {
  const { paths, local, installer = {}, system = thisSystem } = wanted;
  if (!local && paths.length === 0) {
    const none = { fromRemovable: false, warnings: [], contentOf: () => undefined };
    return { sample: true, disks: [SAMPLE_DISK], ...none };
  }
  const nodes = paths.filter(isNode);
  if (!local && nodes.length > 0) {
    const hint = "Pass --enumerate-local-disks to allow it.";
    const message = `'${nodes[0]}' is a disk of this machine.`;
    throw failure("EPERM", "disks", message, { path: nodes[0], hint });
  }
  const own = local
    ? localDisks(installer, system)
    : { disks: [], all: [], fromRemovable: false, warnings: [] };
  const chosen = nodes.map((path) => nodeDisk(own.all, path, system));
  const locals = nodes.length === 0 ? own.disks : own.all.filter((disk) => chosen.includes(disk));
  const files = paths.filter((path) => !isNode(path));
  const taken = locals.map(({ name }) => name);
  const images = imageDisks(files, taken);
  const contents = new Map<Disk, DiskContent | string>();
  const listed = images.map(({ disk, content }) => {
    const shown = isPayload(disk, installer, system) ? { ...disk, obstacles: [OWN] } : disk;
    contents.set(shown, content);
    return shown;
  });
  return {
    sample: false,
    disks: [...listed, ...locals],
    fromRemovable: own.fromRemovable,
    warnings: own.warnings,
    contentOf(disk) {
      const known = contents.get(disk);
      if (known !== undefined || disk.kind === "sample") return known;
      const content = readContentAt(disk.devPath);
      contents.set(disk, content);
      return content;
    },
  };
}

const OWN: Obstacle = { kind: "installer", reason: "it is what shall be installed" };

function isPayload(disk: Disk, installer: InstallerFiles, system: SystemView): boolean {
  const { payload } = installer;
  return payload !== undefined && system.resolve(payload) === system.resolve(disk.devPath);
}

function nodeDisk(disks: readonly Disk[], path: string, system: SystemView): Disk {
  const real = system.resolve(path);
  const found = disks.find(({ devPath }) => devPath === real);
  if (found !== undefined) return found;
  const names = disks.map(({ devPath }) => devPath).join(", ");
  const hint = names === "" ? "There is none." : `There are ${names}.`;
  throw failure("ENOENT", "disks", `'${path}' is no whole disk.`, { path, hint });
}
