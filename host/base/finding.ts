/** One thing that a check found wrong on a disk. Every checker answers a list of these. */

export interface Finding {
  /** A word to search for: the name of a Reason of assembly/format/abi, such as "CHECKSUM". */
  readonly reason: string;
  /** Sector of the device, units of 512 bytes. */
  readonly lba: number;
  /** Name of the device. */
  readonly device: string;
  /** The file, object or partition it concerns, if it has a name. */
  readonly path?: string;
  /** What is wrong, in one sentence without the place. */
  readonly message: string;
  /**
   * "advice": legal and readable, but not what a careful tool writes, such as a partition that is
   * not aligned. Absent: damage, which makes a check fail.
   */
  readonly severity?: "damage" | "advice";
}

/** True if `finding` is damage, not advice. */
export function isDamage(finding: Finding): boolean {
  return finding.severity !== "advice";
}
