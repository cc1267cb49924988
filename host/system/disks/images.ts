/** Image files that were named as disks. */
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { failure, systemFailure } from "../../base/errors.ts";
import type { BlockDevice } from "../../device/device.ts";
import { FileDevice } from "../../device/local/file.ts";
import { type DiskContent, readContent } from "./content.ts";
import { type Disk, type DiskPartition, type Obstacle, sortedPartitions } from "./disk.ts";

export interface ImageDisk {
  readonly disk: Disk;
  readonly content: DiskContent;
}

/** True if a path leads to the node of a block device, which is a local disk and no image. */
export function isNode(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isBlockDevice() === true;
}

/**
 * Reads image files, in the order given.
 *
 * @param taken names that other disks have already
 * @throws {StorageError} ENOENT, EACCES, EISDIR, EINVAL: not a file, empty, or there twice
 */
export function imageDisks(paths: readonly string[], taken: readonly string[] = []): ImageDisk[] {
  const real = paths.map(realOf);
  const twice = real.find((path, at) => real.indexOf(path) !== at);
  if (twice !== undefined) {
    throw failure("EINVAL", "disks", `'${twice}' is given twice.`, { path: twice });
  }
  const bases = [...taken, ...paths.map((path) => basename(path))];
  return paths.map((path) => {
    const base = basename(path);
    const alone = bases.filter((other) => other === base).length === 1;
    return imageOf(resolve(path), alone ? base : resolve(path));
  });
}

function imageOf(path: string, name: string): ImageDisk {
  const device = FileDevice.open(path, { readOnly: true });
  try {
    if (device.config.capacity === 0) {
      throw failure("EINVAL", "disks", `'${path}' is empty.`, { path });
    }
    return deviceDisk(device, path, name, obstaclesOf(path));
  } finally {
    device.close();
  }
}

/**
 * A device that is open, as a disk of a list.
 *
 * @throws {StorageError} EIO: the device fails
 */
export function deviceDisk(
  device: BlockDevice,
  path: string,
  name: string,
  obstacles: readonly Obstacle[],
): ImageDisk {
  const content = readContent(device);
  const partitions = content.volumes.flatMap(({ number, first, sectors }): DiskPartition[] => {
    if (number === undefined) return [];
    const at = { name: `${name}:${number}`, devPath: `${path}:${number}` };
    return [{ ...at, number, sizeBytes: sectors * 512, firstSector: first }];
  });
  const disk: Disk = {
    kind: "image",
    name,
    devPath: path,
    isRemovable: false,
    isReadOnly: obstacles.some(({ kind }) => kind === "read-only"),
    sizeBytes: device.config.capacity * 512,
    partitions: sortedPartitions(partitions),
    obstacles,
  };
  return { disk, content };
}

function obstaclesOf(path: string): Obstacle[] {
  try {
    accessSync(path, constants.W_OK);
    // The superuser may write whatever the bits say; they still say what the owner wants.
    if ((statSync(path).mode & 0o222) !== 0) return [];
  } catch {
    // Not ours to write.
  }
  return [{ kind: "read-only", reason: "it is read-only" }];
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw systemFailure(error, "disks", path);
  }
}
