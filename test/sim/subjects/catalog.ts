/**
 * What a store should hold: objects out of a fixed catalogue, with their pins. The catalogue makes
 * deduplication, deletion and storing again meet often, and content cheap to compare.
 */
import { createHash } from "node:crypto";
import type { Store } from "../../../host/core/store.ts";
import { Violation } from "../engine/history.ts";
import { Digest, Random } from "../engine/random.ts";

export interface CatalogObject {
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly hex: string;
}

/** Lengths of the objects that a workload deals in. */
export type Profile = "small" | "pages" | "large" | "full";

export class Catalog {
  readonly objects: readonly CatalogObject[];
  readonly #byHex = new Map<string, number>();

  constructor(seed: number, profile: Profile) {
    const random = new Random(seed ^ 0xca7a);
    const count = profile === "full" ? 40 : 12;
    this.objects = Array.from({ length: count }, (_, index) => {
      const bytes = random.bytes(lengthOf(profile, index, random));
      const hash = new Uint8Array(createHash("sha256").update(bytes).digest());
      return { bytes, hash, hex: Buffer.from(hash).toString("hex") };
    });
    for (const [index, { hex }] of this.objects.entries()) this.#byHex.set(hex, index);
  }

  /** Reads the whole store: every object listed, every byte compared. */
  read(store: Store): Holdings {
    const found: Holdings = new Map();
    for (const { hash, length, pins } of store.list()) {
      const hex = Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("hex");
      const index = this.#byHex.get(hex);
      if (index === undefined) throw new Violation(`object ${hex} was never stored`);
      const { bytes } = this.objects[index] as CatalogObject;
      if (length !== bytes.length) throw new Violation(`object ${index} says ${length} bytes`);
      const got = store.get(hash, { verify: false });
      if (Buffer.compare(got, bytes) !== 0) throw new Violation(`object ${index} has other bytes`);
      found.set(index, pins);
    }
    return found;
  }
}

/** Number in the catalogue to pins. */
export type Holdings = Map<number, number>;

export function holdingsDigest(holdings: Holdings): number {
  const digest = new Digest();
  for (const [index, pins] of [...holdings].sort(([one], [other]) => one - other)) {
    digest.number(index).number(pins);
  }
  return digest.value();
}

export function holdingsText(holdings: Holdings): string {
  const parts = [...holdings]
    .sort(([one], [other]) => one - other)
    .map(([index, pins]) => (pins > 0 ? `${index} (${pins} pins)` : `${index}`));
  return parts.length === 0 ? "no objects" : `objects ${parts.join(", ")}`;
}

function lengthOf(profile: Profile, index: number, random: Random): number {
  if (index === 0) return profile === "small" ? 0 : 1;
  switch (profile) {
    case "small":
      return random.pick([random.below(200), random.below(1500), 384, 896]);
    case "pages":
      return random.pick([random.below(9000), 4096 - 128, 4096, 3584]);
    case "large":
      return index < 3 ? 60_000 + random.below(90_000) : random.below(3000);
    case "full":
      return 25_000 + random.below(20_000);
  }
}
