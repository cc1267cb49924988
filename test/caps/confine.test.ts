/**
 * No sequence of calls leads out of a narrowed Directory or of a read-only view, whatever names it
 * uses and however the owner of the disk moves things about underneath.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { DirectoryCap } from "../../host/system/caps/directory.ts";
import { FileCap } from "../../host/system/caps/file.ts";
import { CapException, type Outcome } from "../../host/system/caps/outcome.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import { freshCore } from "../support/core.ts";
import { Fixture } from "../support/store.ts";
import { rootOf, snapshot, utf8, value } from "./support.ts";

/** Stands in every content that must not come out, and in a name that no call can guess. */
const OUTSIDE = "OUTSIDE";
/** Length of every file that must not be seen; no call makes one as long. */
const OUTSIDE_BYTES = 40_001;
/** The same names as inside, and one that a service may well guess. */
const GUESSED = "passwords";
const CORE = freshCore();
const RUNS = 100;

const name = fc.constantFrom(
  "a",
  "a",
  "b",
  "deep",
  "deep",
  "link-up",
  "link-out",
  "link-root",
  "ä",
);
const hostile = fc.constantFrom(
  ...["..", ".", "", "/", "a\0b", "..\0", "\ud800", "n".repeat(300), "..\\..", "%2e%2e"],
  ...[GUESSED, `/${GUESSED}`, "/sub", "sub", "view"],
);
const path = fc
  .array(fc.oneof({ weight: 9, arbitrary: name }, { weight: 1, arbitrary: hostile }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((names) => names.join("/"));
const kinds = [
  ...["list", "stat", "readlink", "read", "write", "append", "truncate", "mkdir", "remove"],
  ...["open", "open", "open", "read", "read", "list", "write"],
  ...["rename", "rename", "link", "sub", "sub", "readOnly", "open", "close", "swap", "swapTop"],
] as const;
const call = fc.record({
  kind: fc.constantFrom(...kinds),
  who: fc.nat(99),
  target: fc.nat(99),
  path,
  to: path,
  size: fc.nat(5000),
});
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

/** A disk with what the service may reach in /sub and /sub2, and the same names around it. */
function scene() {
  const fixture = new Fixture({ files: true, core: CORE, size: "4MiB" });
  const files = fixture.region.files as FileSystem;
  for (const top of ["", "/sub", "/sub/deep", "/view", "/view/deep"]) {
    if (top !== "") files.mkdir(top);
    files.writeFile(`${top}/a`, `a of ${top}`);
    files.symlink("..", `${top}/link-up`);
    files.symlink(`../${GUESSED}`, `${top}/link-out`);
    files.symlink("/", `${top}/link-root`);
  }
  files.mkdir("/deep");
  const secret = OUTSIDE.padEnd(OUTSIDE_BYTES, OUTSIDE);
  for (const place of ["/a", "/deep/a", `/${GUESSED}`, `/${OUTSIDE}-file`]) {
    files.writeFile(place, secret);
  }
  files.sync();
  return { fixture, files };
}

function isInside(where: string): boolean {
  return where.startsWith("/sub/") || where.startsWith("/sub2/");
}

function outside(files: FileSystem): string {
  return JSON.stringify([...snapshot(files)].filter(([where]) => !isInside(where)));
}

/** Without what the owner did to the entry /sub. */
function unswapped(listing: string): string {
  return listing.replace('["/sub","link /"],["/sub2","directory"]', '["/sub","directory"]');
}

class Attacker {
  readonly directories: DirectoryCap[];
  readonly opened: FileCap[] = [];
  readonly returned: string[] = [];

  constructor(directories: DirectoryCap[]) {
    this.directories = directories;
  }

  /** True if the call may have changed something. */
  run(one: Call): boolean {
    const directory = this.directories[one.who % this.directories.length] as DirectoryCap;
    const target = this.directories[one.target % this.directories.length] as DirectoryCap;
    const file = this.opened[one.who % Math.max(1, this.opened.length)];
    const outcome = this.#try(() => this.#call(one, directory, target, file));
    if (outcome?.ok !== true) return false;
    const found = outcome.value;
    if (found instanceof DirectoryCap) this.directories.push(found);
    else if (found instanceof FileCap) this.opened.push(found);
    else if (found instanceof Uint8Array) this.returned.push(Buffer.from(found).toString("latin1"));
    else if (one.kind !== "readlink") this.returned.push(JSON.stringify(found ?? null));
    return !["list", "stat", "readlink", "read", "sub", "readOnly"].includes(one.kind);
  }

  #call(
    { kind, path: where, to, size }: Call,
    directory: DirectoryCap,
    target: DirectoryCap,
    file: FileCap | undefined,
  ): Outcome<unknown> | undefined {
    const bytes = utf8("x".repeat(size));
    switch (kind) {
      case "list":
        return directory.list();
      case "stat":
        return size % 2 === 0 ? directory.stat(where) : directory.stat();
      case "readlink":
        return directory.readlink(where);
      case "mkdir":
      case "remove":
      case "sub":
        return directory[kind](where);
      case "rename":
      case "link":
        return directory[kind](where, to, target);
      case "readOnly":
        return { ok: true, value: directory.readOnly() };
      case "open":
        if (size % 3 === 0) return directory.open(where);
        return directory.open(where, { read: true, write: true, create: true });
      case "read":
        return file?.read(size % 7, size);
      case "write":
        return file?.write(size, bytes);
      case "append":
        return file?.append(bytes);
      case "truncate":
        return file?.truncate(size);
      case "close":
        return file?.close();
      default:
        return undefined;
    }
  }

  #try(act: () => Outcome<unknown> | undefined): Outcome<unknown> | undefined {
    try {
      return act();
    } catch (error) {
      if (error instanceof CapException && error.kind === "disconnected") return undefined;
      throw error;
    }
  }
}

/** The owner puts a link where a directory was, or takes it away again. */
function swap(files: FileSystem, place: string, aside: string): void {
  const there = files.lstat(place, { throwIfNoEntry: false });
  if (there?.isDirectory() === true && !files.exists(aside)) {
    files.rename(place, aside);
    files.symlink("/", place);
  } else if (there?.isSymbolicLink() === true && files.exists(aside)) {
    files.unlink(place);
    files.rename(aside, place);
  }
}

test("nothing outside is changed or returned by any sequence of calls", () => {
  let changes = 0;
  let reads = 0;
  fc.assert(
    fc.property(fc.array(call, { minLength: 10, maxLength: 80, size: "max" }), (calls) => {
      const { fixture, files } = scene();
      const root = rootOf(new FilesTree(files));
      const attacker = new Attacker([value(root.sub("sub")), value(root.sub("view")).readOnly()]);
      const before = outside(files);
      const start = JSON.stringify([...snapshot(files)]);
      for (const one of calls) {
        // Rarely: while it lasts, everything in /sub is out of reach.
        if (one.kind === "swapTop" && one.who % 3 !== 0) continue;
        const sub = files.lstat("/sub").isDirectory() ? "/sub" : "/sub2";
        if (one.kind === "swap") swap(files, `${sub}/deep`, `${sub}/aside`);
        else if (one.kind === "swapTop") swap(files, "/sub", "/sub2");
        else if (attacker.run(one)) expect(unswapped(outside(files))).toBe(before);
      }
      expect(unswapped(outside(files))).toBe(before);
      changes += JSON.stringify([...snapshot(files)]) === start ? 0 : 1;
      reads += attacker.returned.length;
      const marks = [OUTSIDE, `${OUTSIDE_BYTES}`];
      const leaks = attacker.returned.filter((text) => marks.some((mark) => text.includes(mark)));
      expect(leaks).toEqual([]);
      files.sync();
      const held = JSON.stringify([...snapshot(files)]);
      fixture.region.close();
      fixture.crash();
      const after = fixture.region.files as FileSystem;
      expect(JSON.stringify([...snapshot(after)])).toBe(held);
      expect(after.check({ data: true })).toEqual([]);
      fixture.region.close();
    }),
    { numRuns: RUNS },
  );
  // The calls do something: else the property would hold for nothing.
  expect(changes).toBeGreaterThan(RUNS / 2);
  expect(reads).toBeGreaterThan(RUNS * 3);
});
