/** The subjects by name, and how many distinct crash states a full run covers of each. */
import type { Subject, SubjectOptions } from "../subject.ts";
import { CowSubject } from "./cow.ts";
import { Ext4Subject } from "./ext4.ts";
import { FilesSubject } from "./files.ts";
import { GenerationsSubject } from "./generations.ts";
import { GptSubject } from "./gpt.ts";
import { InstallSubject } from "./install.ts";
import { NamespaceSubject } from "./namespace.ts";
import { RayosSubject } from "./rayos.ts";
import { RecoverySubject } from "./recovery.ts";
import { StoreSubject } from "./store.ts";
import { ToySubject } from "./toy.ts";

/** Formats and tables, or what a system does with them. */
export type Group = "storage" | "flows";

export interface SubjectEntry {
  readonly create: (options: SubjectOptions) => Subject;
  /** Distinct crash states of a full run; absent = every one of its `seeds`. */
  readonly states?: number;
  /** Ends a run after so many seeds, each to its end. */
  readonly seeds?: number;
  /** One state in so many is followed by nested crashes, if not the usual number. */
  readonly nestEvery?: number;
  readonly groups: readonly Group[];
  /**
   * One state in so many is visited in a full run; a share visits fewer states of the same
   * workloads. For subjects with few workloads of many states.
   */
  readonly thin?: number;
}

const STORAGE = ["storage"] as const;

const ENTRIES = {
  toy: {
    create: (options: SubjectOptions) => new ToySubject(options) as Subject,
    states: 20_000,
    groups: STORAGE,
  },
  cow: {
    create: (options: SubjectOptions) => new CowSubject(options) as Subject,
    states: 10_000,
    thin: 2,
    groups: STORAGE,
  },
  gpt: {
    create: (options: SubjectOptions) => new GptSubject(options) as Subject,
    states: 30_000,
    groups: STORAGE,
  },
  store: {
    create: (options: SubjectOptions) => new StoreSubject(options) as Subject,
    states: 540_000,
    groups: STORAGE,
  },
  files: {
    create: (options: SubjectOptions) => new FilesSubject(options) as Subject,
    states: 325_000,
    groups: STORAGE,
  },
  ext4: {
    create: (options: SubjectOptions) => new Ext4Subject(options) as Subject,
    states: 100_000,
    thin: 1,
    groups: STORAGE,
  },
  install: {
    create: (options: SubjectOptions) => new InstallSubject(options) as Subject,
    states: 105_000,
    groups: ["storage", "flows"],
  },
  namespace: {
    create: (options: SubjectOptions) => new NamespaceSubject(options) as Subject,
    states: 5_000,
    thin: 1,
    groups: ["flows"],
  },
  rayos: {
    create: () => new RayosSubject() as Subject,
    // Each layout, onto a blank disk and over a table. A life has hundreds of flushes: few nest.
    seeds: 4,
    nestEvery: 6000,
    thin: 1,
    groups: ["flows"],
  },
  recovery: {
    create: () => new RecoverySubject() as Subject,
    seeds: 2,
    nestEvery: 400,
    thin: 1,
    groups: ["flows"],
  },
  generations: {
    create: (options: SubjectOptions) => new GenerationsSubject(options) as Subject,
    states: 220_000,
    groups: ["flows"],
  },
} as const satisfies Record<string, SubjectEntry>;

export type SubjectName = keyof typeof ENTRIES;

export const SUBJECTS: Readonly<Record<SubjectName, SubjectEntry>> = ENTRIES;

/** Subjects of a group, or of every one. */
export function subjectsOf(group: Group | "all"): SubjectName[] {
  const names = Object.keys(SUBJECTS) as SubjectName[];
  return names.filter((name) => group === "all" || SUBJECTS[name].groups.includes(group));
}

export function isGroup(name: string): name is Group | "all" {
  return name === "storage" || name === "flows" || name === "all";
}

export function isSubject(name: string): name is SubjectName {
  return Object.hasOwn(SUBJECTS, name);
}
