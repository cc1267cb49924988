/** One job of the simulator: explore one seed of one subject, in whatever thread. */
import { plant as plantInInstall } from "../../host/system/install/planted.ts";
import { DEFAULTS, explore } from "./engine/explore.ts";
import { shrink } from "./engine/shrink.ts";
import { findPlant } from "./planted.ts";
import { traceText } from "./report.ts";
import type { Subject } from "./subject.ts";
import { SUBJECTS, type SubjectName } from "./subjects/registry.ts";

/** How long the search for the shortest trace may take. */
const SHRINK_MS = 30_000;

export interface Job {
  readonly subject: SubjectName;
  readonly seed: number;
  readonly plant: string | undefined;
  /** Crashes that may follow one upon another. */
  readonly depth?: number | undefined;
  /** Ends the job after so many states, if given. */
  readonly statesMax?: number | undefined;
  /** Visits one state in so many, instead of what the workload itself says. */
  readonly thin?: number | undefined;
  /** False leaves a violation's trace as it was found. */
  readonly shorten?: boolean;
}

export interface Outcome {
  readonly subject: SubjectName;
  readonly seed: number;
  readonly states: number;
  readonly mounts: number;
  readonly depth: number;
  readonly seconds: number;
  /** One text for each violation. */
  readonly violations: readonly string[];
}

const subjects = new Map<string, Subject>();

/** A subject of this thread: it keeps its core from one job to the next. */
function subjectOf(name: SubjectName, plant: string | undefined): Subject {
  const key = `${name} ${plant ?? ""}`;
  let subject = subjects.get(key);
  if (subject === undefined) {
    subject = SUBJECTS[name].create({ plant: plant ? findPlant(plant) : undefined });
    subjects.set(key, subject);
  }
  return subject;
}

export function runJob(job: Job): Outcome {
  const { subject: name, seed, plant, depth, statesMax, thin, shorten } = job;
  const started = process.hrtime.bigint();
  const subject = subjectOf(name, plant);
  const drawn = subject.scenario(seed);
  const scenario = thin === undefined ? drawn : { ...drawn, thin };
  const { nestEvery = DEFAULTS.nestEvery } = SUBJECTS[name];
  const options = { ...DEFAULTS, nestEvery, depth: depth ?? DEFAULTS.depth };
  const limited = statesMax === undefined ? options : { ...options, statesMax };
  plantInInstall(plant === undefined ? 0 : (findPlant(plant)?.id ?? 0));
  try {
    const found = explore(subject, scenario, limited);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    const violations = found.findings.map((finding) => {
      if (shorten === false) return traceText(subject, { scenario, finding });
      return traceText(subject, shrink(subject, scenario, finding, SHRINK_MS));
    });
    const { states, mounts } = found;
    return { subject: name, seed, states, mounts, depth: found.depth, seconds, violations };
  } finally {
    plantInInstall(0);
  }
}
