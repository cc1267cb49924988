/**
 * Planted bugs: each is a switch in the code it would break, alive in the test build of the core
 * (assembly/engine/planted.ts), in the installer (host/system/install/planted.ts) or, for the toy,
 * the layer and the namespace, in the subject. The simulator must find every one within `seeds` scenarios of
 * the subject named here, and nothing without the switch.
 */
import type { CowBug } from "./subjects/cow.ts";
import type { FlowBug } from "./subjects/generations-plants.ts";
import type { SubjectName } from "./subjects/registry.ts";

export interface Plant {
  readonly name: string;
  /** Number of the switch in core or installer; 0 = a switch in the subject. */
  readonly id: number;
  readonly subject: SubjectName;
  /** What goes wrong, for people. */
  readonly what: string;
  /** First of the seeds that the search tries. */
  readonly seed: number;
  /** How many seeds it may try. */
  readonly seeds: number;
  /** Visits one state in so many, where the bug shows late in a long life. */
  readonly thin?: number;
}

function toy(name: string, what: string): Plant {
  return { name: `toy-${name}`, id: 0, subject: "toy", what, seed: 1, seeds: 3 };
}

/** In what the layer is given: test/sim/subjects/cow.ts. */
function cow(name: CowBug, what: string, seed = 1): Plant {
  return { name, id: 0, subject: "cow", what, seed, seeds: 6 };
}

function core(name: string, id: number, subject: SubjectName, what: string, seed = 1): Plant {
  return { name, id, subject, what, seed, seeds: 8 };
}

function host(name: string, id: number, what: string): Plant {
  return { name, id, subject: "install", what, seed: 1, seeds: 8 };
}

/** In what the flows are given: test/sim/subjects/generations-plants.ts. */
function flows(name: FlowBug, what: string, seed = 1): Plant {
  return { name, id: 0, subject: "generations", what, seed, seeds: 8 };
}

export const PLANTS: readonly Plant[] = [
  toy("no-flush", "the slot is written without a flush after the data it names"),
  toy("reuse-early", "a commit overwrites the area that the older slot still names"),
  toy("one-slot", "every commit rewrites the only slot"),
  toy("slots-together", "both slots lie in one 4 KiB block, which a tear destroys as a whole"),
  toy("ack-early", "a commit is acknowledged before the flush of its slot"),
  toy("heal-in-place", "a mount rewrites the newest slot, and a crash there tears it"),
  cow("cow-no-flush", "the header is written without a flush after the maps it names"),
  cow("cow-ack-early", "a FLUSH is answered before the header is durable"),
  cow("cow-no-open-flush", "a layer trusts what only the device's cache holds", 7),
  core("tree-one-flush", 5, "store", "the slot is written without a flush after its pages"),
  core("tree-slot-not-healed", 6, "store", "a mount leaves the torn slot of the newest epoch"),
  core("tree-limbo-leak", 10, "store", "the last page of a freed extent stays marked for ever"),
  core("tree-doubt-aborted", 3, "store", "a commit in doubt is taken for aborted", 5),
  core("tree-no-mount-flush", 15, "store", "a mount trusts what only the device's cache holds", 5),
  core("store-unaligned", 21, "store", "a record shares its 4 KiB block with a durable one"),
  core("files-back-reference", 30, "files", "a new name gets no back reference"),
  core("files-in-place", 31, "files", "a page of a file is overwritten where it lies", 3),
  core("files-old-checksum", 32, "files", "a rewritten page keeps the checksum it had"),
  core("files-links-kept", 35, "files", "unlink does not count the name away", 4),
  core("files-replaced-kept", 36, "files", "a rename leaves the file that it replaced"),
  core("names-unsynced", 0, "namespace", "a binding is acknowledged before its commit", 2),
  core("files-free-at-once", 34, "files", "what a file frees is taken for new in its batch", 3),
  core("tree-file-page-reused", 16, "files", "a page that the last commit shows is given out", 3),
  core("gpt-one-flush", 40, "gpt", "both copies of a table are in flight at once"),
  core("gpt-entries-unchecked", 41, "gpt", "entries that are half old and half new pass"),
  core("gpt-backup-place", 42, "gpt", "the backup is written where the old table says", 2),
  core("gpt-backup-first", 43, "gpt", "the backup goes first even as the only whole copy", 10),
  core("gpt-stale-first", 44, "gpt", "the old backup goes before its successors are durable", 13),
  core("ext4-commit-early", 71, "ext4", "the commit block may be durable before its blocks"),
  core("ext4-checkpoint-early", 72, "ext4", "blocks go to their places before the commit"),
  core("ext4-log-dropped", 73, "ext4", "the log is given up before its blocks are in place"),
  core("ext4-reused-early", 74, "ext4", "what a transaction frees is given out in it"),
  core("ext4-mark-late", 75, "ext4", "the journal is in use before the superblock says so"),
  host("install-table-first", 60, "the table is written before what it names"),
  host("install-one-slot", 61, "the journal is written over the only valid one"),
  host("install-step-early", 62, "the journal names a step before the one before it is done"),
  {
    ...host("install-region-kept", 63, "a region that was being filled is filled further"),
    ...{ seed: 2, thin: 64 },
  },
  flows("flows-select-late", "early boot answers before its commit is durable"),
  flows("flows-old-token", "a confirmation or a failure of another boot counts", 2),
  flows("flows-no-decrement", "a candidate that runs uses up no attempt", 2),
  flows("flows-markers-apart", "marker files are written in a second commit"),
  flows("flows-stage-early", "a generation is staged before its objects are committed", 2),
  flows("flows-split-commit", "records are committed before the control block", 2),
];

/** The planted bug called `name`, if there is one. */
export function findPlant(name: string): Plant | undefined {
  return PLANTS.find((plant) => plant.name === name);
}
