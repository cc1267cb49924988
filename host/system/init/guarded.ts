/**
 * system/config as services see it: ordinary files, and marker files that ask. Who writes a pointer
 * to gen-active or gen-candidate asks for a transition of the generations; closing the file carries
 * it out or says why not. So a service changes generations with a Directory alone, and never past
 * the rules.
 *
 * | written                        | asks for                                       |
 * | ------------------------------ | ---------------------------------------------- |
 * | gen-active, nothing is active  | PROVISION; the pointer epoch must be 1         |
 * | gen-active, state active       | a rollback to that content: STAGE-OLD and ARM  |
 * | gen-candidate, state staged    | STAGE                                          |
 * | gen-candidate, attempting      | STAGE and ARM, or ARM of what is staged        |
 * | gen-candidate removed          | CANCEL                                         |
 * | overlay.bin, nothing is active | nothing: a file like any other                 |
 *
 * update-phase, and overlay.bin of a provisioned system, are written by the generations alone.
 */
import { toHex } from "../../base/hash.ts";
import { decodePointer, type GenerationPointer, POINTER_BYTES } from "../../format/pointer.ts";
import { RecordReject } from "../../format/record.ts";
import type { Generations } from "../boot/generations.ts";
import { MARKERS } from "../boot/markers.ts";
import { type Outcome, OutcomeError, refused } from "../caps/base/outcome.ts";
import type { Names, Tree, TreeEntry, TreeFile, TreeNode } from "../caps/base/tree.ts";

const SYSCALL = "marker";

export interface GuardOptions {
  /** Names from the root of the tree to system/config. */
  readonly place: Names;
  readonly generations: Generations;
  /** Whether the running generation has passed its checks: asked at each request. */
  readonly healthy: () => boolean;
}

/** A tree whose marker files are requests. */
export class GuardedTree implements Tree {
  readonly #tree: Tree;
  readonly #options: GuardOptions;

  constructor(tree: Tree, options: GuardOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  get readOnly(): boolean {
    return this.#tree.readOnly;
  }

  get volume(): object {
    return this.#tree.volume;
  }

  stat(path: Names): TreeNode | undefined {
    return this.#tree.stat(path);
  }

  list(path: Names): TreeEntry[] {
    return this.#tree.list(path);
  }

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    const marker = this.#marker(path);
    if (how === "read" || marker === undefined) return this.#tree.open(path, how);
    if (marker === MARKERS.active || marker === MARKERS.candidate) {
      const { generations, healthy } = this.#options;
      const start = how === "create" ? undefined : this.#tree.stat(path);
      return new PointerRequest(marker, generations, healthy, start);
    }
    if (marker === MARKERS.overlay && !this.#options.generations.provisioned) {
      return this.#tree.open(path, how);
    }
    throw managed(marker);
  }

  mkdir(path: Names): void {
    this.#refuse(path);
    this.#tree.mkdir(path);
  }

  removeFile(path: Names): void {
    const marker = this.#marker(path);
    if (marker === MARKERS.candidate) demand(this.#options.generations.cancel());
    else {
      this.#refuse(path);
      this.#tree.removeFile(path);
    }
  }

  removeDirectory(path: Names): void {
    this.#refuse(path);
    this.#tree.removeDirectory(path);
  }

  rename(from: Names, to: Names): void {
    this.#refuse(from);
    this.#refuse(to);
    this.#tree.rename(from, to);
  }

  link(from: Names, to: Names): void {
    this.#refuse(from);
    this.#refuse(to);
    this.#tree.link(from, to);
  }

  readlink(path: Names): string {
    return this.#tree.readlink(path);
  }

  sync(): void {
    this.#tree.sync();
  }

  #refuse(path: Names): void {
    const marker = this.#marker(path);
    if (marker !== undefined) throw managed(marker);
    // What holds the markers must stay where it is.
    const { place } = this.#options;
    if (path.length <= place.length && path.every((name, at) => name === place[at])) {
      throw new OutcomeError("denied", SYSCALL, "system/config stays where it is");
    }
  }

  /** The name of the marker file at `path`; undefined: another file. */
  #marker(path: Names): string | undefined {
    const { place } = this.#options;
    if (path.length !== place.length + 1) return undefined;
    if (!place.every((name, at) => name === path[at])) return undefined;
    const name = path[path.length - 1] as string;
    return Object.values<string>(MARKERS).includes(name) ? name : undefined;
  }
}

/** A marker file open for writing: what is written is a request, carried out by sync(). */
class PointerRequest implements TreeFile {
  readonly #marker: string;
  readonly #generations: Generations;
  readonly #healthy: () => boolean;
  readonly #start: TreeNode | undefined;
  #bytes = new Uint8Array(0);

  constructor(
    marker: string,
    generations: Generations,
    healthy: () => boolean,
    start: TreeNode | undefined,
  ) {
    this.#marker = marker;
    this.#generations = generations;
    this.#healthy = healthy;
    this.#start = start;
  }

  stat(): TreeNode {
    const { identity = `request for ${this.#marker}`, mtimeMs = 0 } = this.#start ?? {};
    return { kind: "file", sizeBytes: this.#bytes.length, mtimeMs, identity };
  }

  read(position: number, target: Uint8Array): number {
    const piece = this.#bytes.subarray(position, position + target.length);
    target.set(piece);
    return piece.length;
  }

  write(position: number, bytes: Uint8Array): number {
    const end = position + bytes.length;
    if (end > POINTER_BYTES) {
      throw new OutcomeError("too-large", SYSCALL, `a pointer has ${POINTER_BYTES} bytes`);
    }
    if (end > this.#bytes.length) this.resize(end);
    this.#bytes.set(bytes, position);
    return bytes.length;
  }

  resize(lengthBytes: number): void {
    if (lengthBytes > POINTER_BYTES) {
      throw new OutcomeError("too-large", SYSCALL, `a pointer has ${POINTER_BYTES} bytes`);
    }
    const sized = new Uint8Array(lengthBytes);
    sized.set(this.#bytes.subarray(0, lengthBytes));
    this.#bytes = sized;
  }

  sync(): void {
    if (this.#bytes.length === 0) return;
    const pointer = this.#decode();
    demand(this.#marker === MARKERS.active ? this.#active(pointer) : this.#candidate(pointer));
    this.#bytes = new Uint8Array(0);
  }

  close(): void {
    this.#bytes = new Uint8Array(0);
  }

  #active({ state, pointerEpoch, hash }: GenerationPointer): Outcome<unknown> {
    const generations = this.#generations;
    if (state !== "active") return refused("invalid", `${MARKERS.active} holds an active pointer`);
    if (!generations.provisioned) {
      if (pointerEpoch === 1) return generations.provision(hash);
      return refused("invalid", "the first pointer epoch is 1");
    }
    const { ring, golden } = generations.control;
    const source = [...ring, golden].find((id) => isSame(generations.hashOf(id), hash));
    // A stale epoch is told as such, whatever the content.
    const options = { pointerEpoch, healthy: this.#healthy() };
    if (source === undefined && pointerEpoch > generations.control.highWater) {
      return refused("denied", "an active pointer moves only to a generation that was confirmed");
    }
    const staged =
      source === undefined
        ? generations.stage(hash, options)
        : generations.stageOld(source, options);
    return staged.ok ? generations.arm() : staged;
  }

  #candidate({ state, pointerEpoch, hash }: GenerationPointer): Outcome<unknown> {
    const generations = this.#generations;
    if (state === "active") return refused("invalid", `${MARKERS.candidate} holds a candidate`);
    const { candidate } = generations.control;
    const isStaged = candidate === pointerEpoch && isSame(generations.hashOf(candidate), hash);
    if (state === "attempting" && candidate !== 0 && isStaged) return generations.arm();
    const staged = generations.stage(hash, { pointerEpoch, healthy: this.#healthy() });
    return staged.ok && state === "attempting" ? generations.arm() : staged;
  }

  #decode(): GenerationPointer {
    try {
      return decodePointer(this.#bytes);
    } catch (error) {
      if (!(error instanceof RecordReject)) throw error;
      throw new OutcomeError("invalid", SYSCALL, `no pointer: ${error.class}: ${error.reason}`);
    }
  }
}

function demand(outcome: Outcome<unknown>): void {
  if (!outcome.ok) throw new OutcomeError(outcome.code, SYSCALL, outcome.reason);
}

function managed(marker: string): OutcomeError {
  return new OutcomeError("denied", SYSCALL, `${marker} is written by the generations alone`);
}

function isSame(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && toHex(one) === toHex(other);
}
