/**
 * What a region says about its generations, read through public calls: the digest that the history
 * has too, and whether all that must hold on a disk does.
 */
import { type BootControl, decodeControl, Phase } from "../../../host/core/boot/control.ts";
import type { FileSystem } from "../../../host/core/files.ts";
import { decodeOverlay } from "../../../host/format/overlay.ts";
import { decodePointer } from "../../../host/format/pointer.ts";
import { readGeneration } from "../../../host/system/boot/content.ts";
import type { Generations } from "../../../host/system/boot/generations.ts";
import type { DataGrant } from "../../../host/system/boot/kernel.ts";
import { Violation } from "../engine/history.ts";
import { Digest } from "../engine/random.ts";
import { contentOf, difference, type Held, isBehind } from "./generations-model.ts";

/** What a content is: decided by the name in its overlay. */
export interface Content {
  readonly hex: string;
  readonly hash: Uint8Array;
  readonly hostname: string;
  readonly overlayHash: Uint8Array;
  readonly overlayEpoch: number;
  /** Everything that it needs, its generation object among them. */
  readonly objects: readonly Uint8Array[];
}

/** Contents by manifest hash: they never change, so each is decoded once. */
export class Contents {
  readonly #known = new Map<string, Content>();

  get(hex: string): Content {
    const content = this.#known.get(hex);
    if (content === undefined) throw new Violation(`content ${hex} was never stored`);
    return content;
  }

  /** Reads the content from the store, as init does. */
  read({ store }: DataGrant, hash: Uint8Array): Content {
    const hex = hexOf(hash);
    const known = this.#known.get(hex);
    if (known !== undefined) return known;
    const generation = readGeneration(store, hash);
    if (!generation.ok) throw new Violation(`content ${hex} cannot be read: ${generation.reason}`);
    const { overlayHash, overlayEpoch, objects } = generation.value;
    const overlay = decodeOverlay(store.get(overlayHash));
    const content: Content = {
      ...{ hex, hash: hash.slice(), overlayHash, overlayEpoch },
      hostname: overlay.settings.hostname ?? "",
      objects: [hash.slice(), ...objects.map((entry) => entry.hash)],
    };
    this.#known.set(hex, content);
    return content;
  }
}

export function hexOf(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("hex");
}

/** One version: boot control to the byte, and what stands beside it. */
export interface Version {
  readonly held: Held;
  readonly block: Uint8Array;
}

export function versionDigest({ held, block }: Version): number {
  const digest = new Digest().bytes(block).number(isBehind(held) ? 1 : 0);
  for (const [id, { content, state }] of held.records) digest.number(id).text(content).text(state);
  for (const content of marks(held)) digest.text(content);
  return digest.value();
}

/** Contents whose BAD marks are written: those that early boot found wait for the next run. */
function marks(held: Held): string[] {
  const waiting = new Set(held.pending.map((id) => contentOf(held, id)));
  return [...held.bad].filter((content) => !waiting.has(content)).sort();
}

export interface Seen {
  readonly digest: number;
  readonly control: BootControl;
  readonly text: string;
}

/**
 * Reads boot control, records and BAD marks.
 *
 * @param contents those that may be marked
 */
export function readSeen(
  generations: Generations,
  files: FileSystem,
  contents: ReadonlyMap<string, Uint8Array>,
): Seen {
  const block = files.control();
  const control = decodeControl(block);
  const isStray = generations.stray().length > 0;
  const digest = new Digest().bytes(block).number(isStray ? 1 : 0);
  const parts: string[] = [];
  for (const id of generations.ids()) {
    const record = generations.record(id);
    if (record === undefined) throw new Violation(`the record of generation ${id} cannot be read`);
    const content = hexOf(record.manifestHash);
    digest.number(id).text(content).text(record.state);
    parts.push(`${id} ${record.state}`);
  }
  const bad = [...contents].filter(([, hash]) => generations.isBad(hash)).map(([hex]) => hex);
  for (const content of bad.sort()) digest.text(content);
  const { active, candidate, golden, phase, sequence } = control;
  const pointers = `active ${active}, candidate ${candidate}, golden ${golden}`;
  const text = `${Phase[phase]}, ${pointers}, sequence ${sequence}, records ${parts.join(", ")}`;
  return {
    digest: digest.value(),
    control,
    text: `${text}, ${bad.length} BAD${isStray ? ", stray markers" : ""}`,
  };
}

/** What must hold of a disk in every crash state. */
export function expectSound(
  { config, store }: DataGrant,
  held: Held,
  control: BootControl,
  contents: Contents,
): void {
  const wrong = difference(held, control);
  if (wrong !== undefined) throw new Violation(`boot control: ${wrong}`);
  if (held.runs + held.tries !== held.attempts) {
    throw new Violation(`${held.runs} runs and ${held.tries} left of ${held.attempts} attempts`);
  }
  // I1, I3, I10: what may run, or come back, is complete.
  const { active, candidate, golden, selected, ring } = held;
  const needed = new Set([active, candidate, golden, selected, ...ring].filter((id) => id !== 0));
  for (const id of needed) {
    const hex = contentOf(held, id);
    if (hex === undefined) throw new Violation(`generation ${id} is in use and has no record`);
    for (const hash of contents.get(hex).objects) {
      if (store.length(hash) === undefined) {
        throw new Violation(`generation ${id} lacks object ${hexOf(hash)}`);
      }
      store.get(hash);
    }
  }
  if (candidate !== 0 && held.bad.has(contentOf(held, candidate) ?? "")) {
    throw new Violation(`candidate ${candidate} is BAD`);
  }
  for (const hex of held.bad) {
    if (contents.get(hex).hostname.startsWith("good")) throw new Violation("a good content is BAD");
  }
  if (!isBehind(held)) expectMarkers(config, store, held, contents);
}

/** The marker files say what boot control says. */
function expectMarkers(
  { files, root }: DataGrant["config"],
  store: DataGrant["store"],
  held: Held,
  contents: Contents,
): void {
  const names = files.readdir(root);
  const read = (name: string) => {
    return names.includes(name) ? files.readFile(`${root}/${name}`) : undefined;
  };
  const { active, candidate, phase, recovery } = held;
  const waiting = phase === Phase.STAGED ? "staged" : "attempting";
  for (const [name, id, state] of [
    ["gen-active", active, "active"],
    ["gen-candidate", candidate, waiting],
  ] as const) {
    const bytes = read(name);
    if ((bytes === undefined) !== (id === 0)) throw new Violation(`${name} is there or not`);
    if (bytes === undefined) continue;
    const pointer = decodePointer(bytes);
    const content = contents.get(contentOf(held, id) ?? "");
    const says = `${pointer.state} ${pointer.pointerEpoch} ${pointer.overlayEpoch}`;
    const should = `${state} ${id} ${content.overlayEpoch}`;
    if (says !== should || hexOf(pointer.hash) !== content.hex) {
      throw new Violation(`${name} says ${says}, and should say ${should}`);
    }
  }
  const word = recovery ? "recovery" : Phase[phase].toLowerCase();
  const found = read("update-phase");
  if (active === 0 ? found !== undefined : String(found && Buffer.from(found)) !== `${word}\n`) {
    throw new Violation(`update-phase is not ${word}`);
  }
  if (active === 0) return;
  const overlay = read("overlay.bin");
  const { overlayHash } = contents.get(contentOf(held, active) ?? "");
  if (overlay === undefined || Buffer.compare(overlay, store.get(overlayHash)) !== 0) {
    throw new Violation("overlay.bin is not the active generation's");
  }
}
