/** The subjects by name, and how many distinct crash states a full run covers of each. */
import type { Subject, SubjectOptions } from "../subject.ts";
import { FilesSubject } from "./files.ts";
import { GptSubject } from "./gpt.ts";
import { InstallSubject } from "./install.ts";
import { NamespaceSubject } from "./namespace.ts";
import { StoreSubject } from "./store.ts";
import { ToySubject } from "./toy.ts";

export interface SubjectEntry {
  readonly create: (options: SubjectOptions) => Subject;
  /** Distinct crash states of a full run. */
  readonly states: number;
}

const ENTRIES = {
  toy: { create: (options: SubjectOptions) => new ToySubject(options) as Subject, states: 20_000 },
  gpt: { create: (options: SubjectOptions) => new GptSubject(options) as Subject, states: 40_000 },
  store: {
    create: (options: SubjectOptions) => new StoreSubject(options) as Subject,
    states: 460_000,
  },
  files: {
    create: (options: SubjectOptions) => new FilesSubject(options) as Subject,
    states: 400_000,
  },
  install: {
    create: (options: SubjectOptions) => new InstallSubject(options) as Subject,
    states: 110_000,
  },
  namespace: {
    create: (options: SubjectOptions) => new NamespaceSubject(options) as Subject,
    states: 18_000,
  },
} as const satisfies Record<string, SubjectEntry>;

export type SubjectName = keyof typeof ENTRIES;

export const SUBJECTS: Readonly<Record<SubjectName, SubjectEntry>> = ENTRIES;

export function isSubject(name: string): name is SubjectName {
  return Object.hasOwn(SUBJECTS, name);
}
