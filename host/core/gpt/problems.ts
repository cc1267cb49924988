/** What a check of a partition table found, as sentences. Keyed by the core's GptProblem. */

/** The numbers of one finding. LBAs count device blocks. */
export interface Problem {
  /** "primary", "backup" or "" where it is neither. */
  readonly side: string;
  /** From 1; 0 where no partition is concerned. */
  readonly partition: number;
  readonly other: number;
  readonly found: bigint;
  readonly expected: bigint;
}

type Sentence = (problem: Problem) => string;

const hex = (value: bigint) => `0x${value.toString(16)}`;
const at = (sentence: (problem: Problem, subject: string) => string): Sentence => {
  return (problem) => sentence(problem, `partition ${problem.partition}`);
};

const SENTENCES: Readonly<Record<string, Sentence>> = {
  NO_TABLE: () => "there is no partition table: neither copy begins with 'EFI PART'",
  MBR_MARK: ({ found }) => `the protective MBR ends with ${hex(found)}, not 0xaa55`,
  MBR_NO_PROTECTIVE: () => "the MBR has no protective record (type 0xee)",
  MBR_START: ({ found }) => `the protective record starts at block ${found}, not 1`,
  MBR_SIZE: ({ found, expected }) =>
    `the protective record covers ${found} blocks, not ${expected}`,
  MBR_CHS: () => "the protective record's CHS addresses are not those of this disk",
  MBR_BOOT_FLAG: ({ found }) => `the protective record has boot flag ${hex(found)}, not 0`,
  MBR_EXTRA: ({ found, expected }) =>
    `MBR record ${expected} is in use (type ${hex(found)}) beside the protective one`,
  MBR_UNUSED: () => "the MBR's disk signature is not zero",
  MBR_PADDING: () => "the MBR's block is not zero behind the MBR",
  UNREADABLE: ({ side }) =>
    side === "" ? "the MBR cannot be read" : `the ${side} copy cannot be read`,
  SIGNATURE: ({ side }) => `there is no ${side} header: it does not begin with 'EFI PART'`,
  REVISION: ({ side, found }) => `the ${side} header has revision ${hex(found)}, not 0x10000`,
  HEADER_LENGTH: ({ side, found }) => `the ${side} header says that it is ${found} bytes long`,
  HEADER_CRC: ({ side, found, expected }) =>
    `the ${side} header's CRC is ${hex(found)}, its bytes give ${hex(expected)}`,
  HEADER_RESERVED: ({ side }) => `reserved bytes of the ${side} header are not zero`,
  MY_LBA: ({ side, found, expected }) =>
    `the ${side} header says that it is at block ${found}, it is at ${expected}`,
  ALTERNATE_LBA: ({ side, found, expected }) =>
    `the ${side} header says that the other copy is at block ${found}, it belongs at ${expected}`,
  USABLE_RANGE: ({ side, found, expected }) =>
    `the ${side} header's usable blocks end or begin at ${found}; the limit is ${expected}`,
  ENTRIES_LBA: ({ side, found }) => `the ${side} entry array cannot be at block ${found}`,
  ENTRY_LENGTH: ({ side, found }) =>
    `the ${side} header says that an entry has ${found} bytes, not 128 times a power of two`,
  ENTRY_SLOTS: ({ side, found }) =>
    `the ${side} header says that there are ${found} entries, none or more than can be read`,
  ENTRIES_CRC: ({ side, found, expected }) =>
    `the ${side} entry array's CRC is ${hex(found)}, its header says ${hex(expected)}`,
  HEADER_PADDING: ({ side }) => `the block of the ${side} header is not zero behind the header`,
  ENTRIES_PADDING: ({ side, found }) =>
    `the ${side} entry array is followed by bytes that are not zero, after its ${found}`,
  DISK_GUID: ({ side }) => `the ${side} header's disk GUID is zero`,
  BACKUP_PLACE: ({ found, expected }) =>
    `the backup header is at block ${found}, not at the device's last block ${expected}`,
  COPIES_DISK_GUID: () => "primary and backup header have different disk GUIDs",
  COPIES_USABLE: ({ found, expected }) =>
    `the backup header has ${found} where the primary one has ${expected} as a usable block`,
  COPIES_GEOMETRY: () => "primary and backup have arrays of different form",
  COPIES_ENTRIES: () => "primary and backup have different entries",
  PARTITION_ORDER: at(
    ({ found, expected }, subject) => `${subject} ends at ${found}, before its start ${expected}`,
  ),
  PARTITION_OUTSIDE_DISK: at(
    ({ found, expected }, subject) =>
      `${subject} ends at block ${found}, beyond the device's last block ${expected}`,
  ),
  PARTITION_OUTSIDE_USABLE: at(
    ({ found, expected }, subject) =>
      `${subject} has block ${found}, outside the usable blocks, whose limit is ${expected}`,
  ),
  PARTITION_OVERLAP: at(
    ({ other, found, expected }, subject) =>
      `${subject} begins at block ${found}, inside partition ${other}, which ends at ${expected}`,
  ),
  PARTITION_DUPLICATE_GUID: at(
    ({ other }, subject) => `${subject} has the same unique GUID as partition ${other}`,
  ),
  PARTITION_ZERO_GUID: at((_, subject) => `${subject} has no unique GUID`),
  PARTITION_ATTRIBUTES: at(
    ({ found }, subject) => `${subject} has reserved attribute bits set: ${hex(found)}`,
  ),
  PARTITION_PADDING: at((_, subject) => `reserved bytes of ${subject}'s entry are not zero`),
  PARTITION_NAME: at(
    (_, subject) => `${subject}'s name is not well-formed UTF-16 that ends with NULs`,
  ),
  PARTITION_MISALIGNED: at(
    ({ found, expected }, subject) =>
      `${subject} begins at block ${found}, not on a multiple of ${expected} (1 MiB)`,
  ),
  PARTITION_UNUSED_BYTES: at((_, subject) => `the unused entry of ${subject} is not all zero`),
};

const ADVICE = new Set(["PARTITION_MISALIGNED", "PARTITION_NAME", "PARTITION_UNUSED_BYTES"]);

/** The sentence for the problem of that name. */
export function problemSentence(name: string, problem: Problem): string {
  const sentence = SENTENCES[name];
  return sentence === undefined ? `the table has the problem ${name}` : sentence(problem);
}

/** True for what is legal, but not what a careful tool writes. */
export function isAdvice(name: string): boolean {
  return ADVICE.has(name);
}
