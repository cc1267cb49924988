/** Operations on a filesystem, drawn so that most of them make sense and some do not. */
import type { Random } from "../engine/random.ts";
import { recordOperation } from "./system-records.ts";
import type { FileOperation, TreeModel } from "./tree-model.ts";

/**
 * names: many small entries; small and pages: how much content; full: until nothing fits; churn: the
 * same few files written over and over between two commits, so that what one write frees another
 * could take.
 */
export type FilesProfile = "names" | "small" | "pages" | "full" | "churn";

export type FilesStep = FileOperation | { readonly kind: "sync" | "rest" | "close" | "cut" };

const FOLDERS = ["", "", "/d", "/d/e", "/a long name for a folder, with spaces"];
const NAMES = ["a", "b", "c", "ä", "file-with-a-longer-name.txt"];
const TRIES = 6;

export function drawnOperation(random: Random, profile: FilesProfile, model: TreeModel): FilesStep {
  for (let tries = 1; ; tries++) {
    const step = drawn(random, profile);
    if (["sync", "rest", "close", "cut"].includes(step.kind)) return step;
    // Left open, and so not done: isOpenQuestion() of the subject.
    const held = "path" in step ? model.paths.get(step.path) : undefined;
    if (step.kind === "link" && held?.type === "symlink") continue;
    if (tries >= TRIES || model.apply(step as FileOperation) !== undefined) return step;
  }
}

function drawn(random: Random, profile: FilesProfile): FilesStep {
  if (profile === "churn") return churned(random);
  const path = `${random.pick(FOLDERS)}/${random.pick(NAMES)}`;
  const to = `${random.pick(FOLDERS)}/${random.pick(NAMES)}`;
  const seed = random.next();
  const value = random.below(1000);
  const at = random.pick([0, 0, 0, random.below(2000), random.below(9000)]);
  const length = 1 + lengthOf(random, profile);
  const content = profile === "full" ? 10 : profile === "names" ? 2 : 5;
  const chances: readonly (readonly [number, () => FilesStep])[] = [
    [4, () => ({ kind: "create", path })],
    [content, () => ({ kind: "write", path, at, length, seed })],
    [2, () => ({ kind: "truncate", path, length: random.pick([0, at, length, at + length]) })],
    [2, () => ({ kind: "mkdir", path: random.pick(FOLDERS) || "/d" })],
    [2, () => ({ kind: "unlink", path })],
    [1, () => ({ kind: "rmdir", path: random.pick(FOLDERS) || "/d" })],
    [3, () => ({ kind: "rename", path: random.chance(20) ? "/d" : path, to })],
    [1, () => ({ kind: "link", path, to })],
    [1, () => ({ kind: "symlink", path, target: `../${"x".repeat(1 + (value % 60))}` })],
    [1, () => ({ kind: random.pick(["chmod", "chown", "utimes"] as const), path, value })],
    [1, () => ({ kind: "xattr", path, name: `user.${value % 3}`, length: random.below(300) })],
    [1, () => (seed % 4 === 0 ? { kind: "control", seed } : recordOperation(seed))],
    [4, () => ({ kind: "sync" })],
    [1, () => ({ kind: random.pick(["rest", "close", "cut"] as const) })],
  ];
  let left = random.below(chances.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, make] of chances) {
    if (left < weight) return make();
    left -= weight;
  }
  return { kind: "sync" };
}

function churned(random: Random): FilesStep {
  const path = `/${random.pick(NAMES.slice(0, 3))}`;
  const length = 2000 + random.below(14_000);
  if (random.chance(12)) return { kind: "sync" };
  if (random.chance(15)) return { kind: random.pick(["create", "unlink"] as const), path };
  if (random.chance(20)) return { kind: "truncate", path, length: random.below(9000) };
  return { kind: "write", path, at: random.pick([0, 4096]), length, seed: random.next() };
}

/** Lengths around every border: inline, one page, several, a chunk. */
function lengthOf(random: Random, profile: FilesProfile): number {
  if (profile === "full") return 20_000 + random.below(40_000);
  if (profile === "names") return random.below(300);
  const small = [random.below(100), 1000 + random.below(60), random.below(5000)];
  if (profile === "small") return random.pick(small);
  return random.pick([...small, 4096, 8192 + random.below(100), random.below(20_000)]);
}

export function stepText(step: FilesStep): string {
  switch (step.kind) {
    case "write":
      return `write ${step.length} bytes at ${step.at} of ${step.path}`;
    case "truncate":
      return `truncate ${step.path} to ${step.length}`;
    case "rename":
    case "link":
      return `${step.kind} ${step.path} to ${step.to}`;
    case "symlink":
      return `symlink ${step.path} to ${step.target}`;
    case "xattr":
      return `${step.length === 0 ? "remove" : "set"} ${step.name} of ${step.path}`;
    case "chmod":
    case "chown":
    case "utimes":
      return `${step.kind} ${step.path} to ${step.value}`;
    case "create":
    case "unlink":
    case "mkdir":
    case "rmdir":
      return `${step.kind} ${step.path}`;
    case "control":
      return "replace the control block";
    case "record":
      return `${step.removes ? "remove" : "set"} ${step.record} ${step.id}`;
    case "cut":
      return "restart without a commit";
    default:
      return step.kind;
  }
}
