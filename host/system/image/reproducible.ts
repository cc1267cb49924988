/**
 * The same input gives the same bytes: one seed stands for every random number and for the clock.
 */
import { failure } from "../../base/errors.ts";
import { newGuid } from "../../base/guid.ts";
import { type RandomSource, seededRandom, systemRandom } from "../../base/seed.ts";
import { type Environment, ownEnvironment } from "../../core/imports.ts";
import { Core } from "../../core/load.ts";

/** What a seeded image takes as its time when SOURCE_DATE_EPOCH says nothing: 2000-01-01 UTC. */
const SEEDED_EPOCH_S = 946_684_800;
const EPOCH_MAX_S = 253_402_300_799;
const NANOSECONDS = 1_000_000_000n;

export interface SeedOptions {
  /** Any text: the same text gives the same identities. */
  readonly seed?: string | undefined;
  /** Seconds since 1970 UTC that stand for now: SOURCE_DATE_EPOCH. Alone, it is the seed too. */
  readonly sourceDateEpoch?: number | undefined;
}

/** Identities and time of one image or installation. */
export interface Origin {
  /** False where everything is drawn anew each time. */
  readonly reproducible: boolean;
  /** Clock and randomness for a core. */
  readonly environment: Environment;
  /** Random bytes for one purpose: what another purpose draws changes nothing here. */
  random(label: string): RandomSource;
  /** A version 4 GUID as text. */
  guid(label: string): string;
  /** A 32-bit number, never 0. */
  serial(label: string): number;
}

/** SOURCE_DATE_EPOCH, if it is set. EINVAL: it is no number of seconds. */
export function sourceDateEpoch(
  variables: Readonly<Record<string, string | undefined>>,
): number | undefined {
  const text = variables["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === "") return undefined;
  if (/^\d+$/.test(text) && Number(text) <= EPOCH_MAX_S) return Number(text);
  throw failure("EINVAL", "seed", `SOURCE_DATE_EPOCH=${text} is no number of seconds since 1970.`);
}

/** Where an image's random numbers and its time come from. */
export function originOf(options: SeedOptions = {}): Origin {
  const { sourceDateEpoch: epoch } = options;
  const seed = options.seed ?? (epoch === undefined ? undefined : `SOURCE_DATE_EPOCH=${epoch}`);
  const random = (label: string) => (seed === undefined ? systemRandom : seededRandom(seed, label));
  return {
    reproducible: seed !== undefined,
    environment: seed === undefined ? ownEnvironment : seeded(random("core"), epoch),
    random,
    guid: (label) => newGuid(random(`guid ${label}`)),
    serial: (label) => {
      const bytes = new Uint8Array(4);
      random(`serial ${label}`)(bytes);
      return new DataView(bytes.buffer).getUint32(0, true) || 1;
    },
  };
}

function seeded(random: RandomSource, epoch = SEEDED_EPOCH_S): Environment {
  const now = BigInt(epoch) * NANOSECONDS;
  return { ...ownEnvironment, clock: () => now, random };
}

/** How a flow gets its core: a test may hand in another build of it. */
export type CoreMaker = (environment: Environment) => Core;

export const makeCore: CoreMaker = (environment) => new Core({ environment });
