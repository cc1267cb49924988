/**
 * A config tree whose marker files are requests, as the machine's own is: a small double that
 * takes one candidate at a time and keeps what must survive a boot.
 */

import { toHex } from "../../host/base/hash.ts";
import { sha256 } from "../../host/base/seed.ts";
import { decodeGeneration } from "../../host/format/generation.ts";
import { decodePointer, encodePointer, type GenerationPointer } from "../../host/format/pointer.ts";
import type {
  Names,
  Tree,
  TreeEntry,
  TreeFile,
  TreeNode,
} from "../../host/system/caps/base/tree.ts";
import { OutcomeError } from "../../host/system/caps/outcome.ts";

/** What the control block of a real machine would hold. */
export class Control {
  active: GenerationPointer | undefined;
  candidate: GenerationPointer | undefined;
  highWater = 0;
  readonly bad = new Set<string>();
  /** Hashes of base manifests that allow nothing. */
  readonly revoked = new Set<string>();
}

/** `below` with gen-active and gen-candidate in front of it. */
export class GuardedTree implements Tree {
  readonly readOnly = false;
  readonly volume: object;
  readonly #below: Tree;
  readonly #control: Control;
  readonly #get: (hash: Uint8Array) => Uint8Array;

  constructor(below: Tree, control: Control, get: (hash: Uint8Array) => Uint8Array) {
    this.#below = below;
    this.volume = below.volume;
    this.#control = control;
    this.#get = get;
  }

  stat(path: Names): TreeNode | undefined {
    return this.#below.stat(path);
  }

  list(path: Names): TreeEntry[] {
    return this.#below.list(path);
  }

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    const name = path.at(-1) ?? "";
    const file = this.#below.open(path, how);
    if (how === "read" || !name.startsWith("gen-")) return file;
    let written = new Uint8Array(0);
    return {
      stat: () => file.stat(),
      read: (position, target) => file.read(position, target),
      write: (_, bytes) => {
        written = bytes.slice();
        return bytes.length;
      },
      resize: () => {},
      sync: () => {
        this.#request(name, decodePointer(written));
        file.resize(0);
        file.write(0, written);
        file.sync();
      },
      close: () => {
        file.close();
        const pointer = name === "gen-active" ? this.#control.active : this.#control.candidate;
        if (pointer === undefined) this.#below.removeFile(path);
      },
    };
  }

  mkdir(path: Names): void {
    this.#below.mkdir(path);
  }

  removeFile(path: Names): void {
    this.#below.removeFile(path);
  }

  removeDirectory(path: Names): void {
    this.#below.removeDirectory(path);
  }

  rename(from: Names, to: Names): void {
    this.#below.rename(from, to);
  }

  link(from: Names, to: Names): void {
    this.#below.link(from, to);
  }

  readlink(path: Names): string {
    return this.#below.readlink(path);
  }

  sync(): void {
    this.#below.sync();
  }

  /** What the next boot does with the candidate: confirmed, or given up. */
  boot(healthy: boolean, config: Names): void {
    const control = this.#control;
    if (control.candidate === undefined) return;
    if (healthy) {
      control.active = { ...control.candidate, state: "active" };
      const file = this.#below.open([...config, "gen-active"], "write");
      file.write(0, encodePointer(control.active));
      file.close();
    } else {
      control.bad.add(toHex(control.candidate.hash));
    }
    control.candidate = undefined;
    this.#below.removeFile([...config, "gen-candidate"]);
    this.#below.sync();
  }

  #request(name: string, pointer: GenerationPointer): void {
    const control = this.#control;
    const no = (code: ConstructorParameters<typeof OutcomeError>[0], reason: string) =>
      new OutcomeError(code, name, reason);
    if (name === "gen-active") {
      if (control.active !== undefined) throw no("conflict", "there is an active generation");
      control.active = pointer;
      control.highWater = 1;
      return;
    }
    if (pointer.pointerEpoch <= control.highWater) {
      throw no("stale-epoch", `epoch ${pointer.pointerEpoch} is not above ${control.highWater}`);
    }
    if (control.bad.has(toHex(pointer.hash))) throw no("conflict", "this content is bad");
    const object = this.#get(pointer.hash);
    if (toHex(sha256(object)) !== toHex(pointer.hash)) throw no("invalid", "another object");
    const manifest = decodeGeneration(object).objects.find(({ role }) => role === "manifest");
    if (manifest !== undefined && control.revoked.has(toHex(manifest.hash))) {
      throw no("denied", "extension-point: the base allows no service");
    }
    control.candidate = pointer;
    control.highWater = pointer.pointerEpoch;
  }
}
