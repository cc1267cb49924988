/**
 * The sample disk: stands in where no disk was given and none may be looked for. It has no storage
 * behind it, so an installation onto it is a dry run.
 */
import type { Disk } from "./disk.ts";

const GIB = 2 ** 30;
const PATH = "sample://disk0";

/** A disk of 256 GiB with the three partitions of an installed RayOS. */
export const SAMPLE_DISK: Disk = {
  kind: "sample",
  name: "sample0",
  devPath: PATH,
  isRemovable: false,
  isReadOnly: false,
  sizeBytes: 256 * GIB,
  partitions: [GIB / 2, 40 * GIB, 200 * GIB].map((sizeBytes, index) => ({
    name: `sample0p${index + 1}`,
    devPath: `${PATH}p${index + 1}`,
    number: index + 1,
    sizeBytes,
  })),
  obstacles: [],
};
