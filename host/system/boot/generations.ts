/**
 * The generations of one data region: asks the state machine (transition.ts) what an event comes
 * to, and makes the answer durable: control block, records, BAD marks and marker files in one
 * commit of the filesystem. Nothing is remembered between calls: the disk says what holds.
 *
 * Interface: a request answers an Outcome; refused means that nothing was written. A device that
 * fails throws.
 */
import { StorageError } from "../../base/errors.ts";
import { isSameBytes, toHex } from "../../base/hash.ts";
import {
  type BootControl,
  decodeControl,
  encodeControl,
  isProvisioned,
  Phase,
  type ResetCause,
} from "../../core/boot/control.ts";
import {
  type GenerationRecord as CoreRecord,
  GenerationState,
  type SystemRecords,
} from "../../core/boot/records.ts";
import type { SystemManifest } from "../../format/manifest.ts";
import { type Outcome, ok, refused } from "../caps/base/outcome.ts";
import { admits, type ReadyContent, readContent, readGeneration } from "./content.ts";
import { type DataGrant, revertQuietly } from "./kernel.ts";
import { differingMarkers, markerFiles, markersRoom, writeMarkers } from "./markers.ts";
import { type Boot, CAPOS, type Profile } from "./select.ts";
import {
  type BootEvent,
  type Effects,
  type RecordState,
  type Stage,
  type Transition,
  transition,
} from "./transition.ts";

/** Records of the filesystem that one transition may change: four files and what they need. */
const CHANGES_MAX = 24;

/** Why a BAD mark was set: the value of the mark. */
const BAD_IN_BOOT = 1;

/** What is known of one generation; its id, a pointer epoch, is the key. */
export interface GenerationRecord extends Omit<CoreRecord, "state"> {
  readonly state: RecordState;
}

export interface GenerationsOptions {
  readonly profile?: Profile | undefined;
  /** Fills with random bytes: boot tokens. */
  readonly random: (into: Uint8Array) => void;
  /** ns since 1970 UTC. */
  readonly clock: () => bigint;
  /** What boots this disk; undefined: it has no manifest. */
  readonly base?: SystemManifest | undefined;
  /** The state machine; a test may give a broken one. */
  readonly transition?: typeof transition | undefined;
  /** Told of each commit before any of it is written. */
  readonly observe?: ((change: ControlChange) => void) | undefined;
}

/** What one commit is about to make durable. */
export interface ControlChange {
  /** Boot control afterwards; where the event changes records alone, as it is. */
  readonly control: BootControl;
  readonly event: BootEvent["type"] | "forget" | "heal";
  readonly log: string;
  /** Records that it adds, by id. */
  readonly fresh: ReadonlyMap<number, GenerationRecord>;
  /** Ids of the records that it takes away. */
  readonly gone: readonly number[];
  /** The tree has no room, or is damaged: the block goes without records and marker files. */
  readonly alone: boolean;
}

/** A generation that runs or is about to. */
export interface Running {
  readonly boot: Boot;
  /** Manifest hash; undefined for recovery and where the record is lost. */
  readonly hash: Uint8Array | undefined;
  /** What CONFIRM, MARK-GOOD and FAIL must show. */
  readonly token: bigint;
  /** Why this one, for the console. */
  readonly log: string;
  /** Marker files that said something else than boot control. */
  readonly stray: readonly string[];
}

export interface StageOptions {
  /** Of the requester's view; refused as stale if boot control has moved on. */
  readonly controlSequence?: number | undefined;
  /** Must be the high water plus one; that is the default. */
  readonly pointerEpoch?: number | undefined;
  /** False: the running generation has not passed its checks. Default true. */
  readonly healthy?: boolean | undefined;
}

type MarkerFiles = ReadonlyMap<string, Uint8Array | null>;
type FreshRecords = ReadonlyMap<number, GenerationRecord>;
type InTree = Pick<Effects, "records" | "marks" | "unmarks">;
type Changed = Exclude<Transition, { readonly refused: unknown }>;

export class Generations {
  readonly profile: Profile;
  readonly #grant: DataGrant;
  readonly #options: GenerationsOptions;
  readonly #records: SystemRecords;
  readonly #transition: typeof transition;
  /** The last block that was read: most calls find the same bytes again. */
  #decoded: { readonly block: Uint8Array; readonly control: BootControl } | undefined;
  /** Overlay hashes by manifest hash, hexadecimal: what a hash names never changes. */
  readonly #overlays = new Map<string, Uint8Array>();

  constructor(grant: DataGrant, options: GenerationsOptions) {
    this.#grant = grant;
    this.#options = options;
    this.profile = options.profile ?? CAPOS;
    this.#transition = options.transition ?? transition;
    this.#records = grant.config.files.records;
  }

  /** @throws {StorageError} EBADMSG: the block has a value that the format does not know */
  get control(): BootControl {
    const block = this.#grant.config.files.control();
    if (this.#decoded === undefined || !isSameBytes(this.#decoded.block, block)) {
      this.#decoded = { block, control: decodeControl(block) };
    }
    return this.#decoded.control;
  }

  get provisioned(): boolean {
    return isProvisioned(this.control);
  }

  record(id: number): GenerationRecord | undefined {
    const record = id === 0 ? undefined : this.#records.generationRecord(id);
    return record && { ...record, state: GenerationState[record.state] as RecordState };
  }

  /** Ids of all records, ascending. */
  ids(): number[] {
    return this.#records.generationIds();
  }

  /** Manifest hash of generation `id`. */
  hashOf(id: number): Uint8Array | undefined {
    return this.record(id)?.manifestHash;
  }

  isBad(hash: Uint8Array): boolean {
    return this.#records.badMark(hash) !== undefined;
  }

  /** Generation 1: the only one that is confirmed without having run. */
  provision(hash: Uint8Array): Outcome<number> {
    if (this.provisioned) return refused("stale-epoch", "a generation was provisioned before");
    const content = this.#ready(hash);
    if (!content.ok) return content;
    const record = this.#fresh(content.value, 0);
    return this.#request({ type: "provision", ready: true }, new Map([[1, record]]), () => 1);
  }

  /** A new generation whose objects are in the store. It does not run before it is armed. */
  stage(hash: Uint8Array, options: StageOptions = {}): Outcome<number> {
    return this.#stage(hash, undefined, options);
  }

  /** A rollback: a new pointer epoch with the content of golden or of one in the ring. */
  stageOld(source: number, options: StageOptions = {}): Outcome<number> {
    const hash = this.hashOf(source);
    if (hash === undefined) return refused("not-found", `there is no generation ${source}`);
    return this.#stage(hash, source, options);
  }

  /** The staged generation runs at the next boot. */
  arm(attempts = this.profile.attempts): Outcome<number> {
    const { candidate } = this.control;
    return this.#request({ type: "arm", attempts }, undefined, () => candidate);
  }

  cancel(): Outcome<number> {
    const { candidate } = this.control;
    return this.#request({ type: "cancel" }, undefined, () => candidate);
  }

  /**
   * Early boot: which generation runs now; durable before it answers. If the commit fails, the
   * active generation runs, uncounted, and never the candidate.
   */
  select(cause: ResetCause): Outcome<Running> {
    const event: BootEvent = { type: "select", cause, token: this.#token() };
    const answer = this.#transition(this.control, event, this.profile);
    if ("refused" in answer) return refused("invalid", answer.reason);
    const boot = answer.boot as Boot;
    const stray = this.stray();
    try {
      this.#commit("select", answer);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.reopen();
      const instead = answer.uncounted as Boot;
      const log = `the attempt could not be recorded (${error.code}); ${nameOf(instead)} runs`;
      return ok({ boot: instead, hash: this.hashOf(instead.id), token: 0n, log, stray });
    }
    const { bootToken } = answer.control;
    return ok({ boot, hash: this.hashOf(boot.id), token: bootToken, log: answer.log, stray });
  }

  /**
   * After a commit that failed: goes on from the last one. Where it is in doubt which one that is,
   * the filesystem stays read-only until the next boot.
   */
  reopen(): void {
    try {
      this.#grant.config.files.reopen();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  /** Marker files that do not say what boot control says; none where the tree is damaged. */
  stray(): string[] {
    const { config } = this.#grant;
    try {
      return differingMarkers(config.files, config.root, this.markers());
    } catch (error) {
      if (error instanceof StorageError && error.code === "EBADMSG") return [];
      throw error;
    }
  }

  /** A normal run's first act: what early boot could not write to the tree. */
  settle(): void {
    const { badActive, badCandidate } = this.control;
    if (badActive === 0 && badCandidate === 0) return;
    this.#request({ type: "settle" }, undefined, () => undefined);
  }

  /**
   * Makes marker files and records what boot control says, where a commit had to do without them;
   * answers the names of the files that were not.
   */
  heal(): string[] {
    const { files, root } = this.#grant.config;
    const { control } = this;
    const wanted = this.markers();
    const differing = differingMarkers(files, root, wanted);
    const late = this.#unconfirmed(control);
    if (differing.length + late.length === 0) return differing;
    const log = `healed: ${[...differing, ...late.map((id) => `generation ${id}`)].join(", ")}`;
    this.#announce({ control, event: "heal", log });
    this.#durably(wanted, () => {
      const records = late.map((id) => ({ id, state: "CONFIRMED" as const }));
      this.#write({ records, marks: [], unmarks: [] }, new Map(), wanted);
    });
    return differing;
  }

  /** Generations that are in use and whose records do not say yet that they were confirmed. */
  #unconfirmed({ active, golden, ring }: BootControl): number[] {
    const ids = new Set([active, golden, ...ring]);
    return [...ids].filter((id) => this.record(id)?.state === "FRESH");
  }

  /** The candidate that runs has passed its checks: it is active from now on. */
  confirm({ boot, token }: Running, stage: Stage): Outcome<number> {
    const { sequence: controlSequence } = this.control;
    const event = { type: "confirm", token, controlSequence, running: boot.id } as const;
    return this.#request({ ...event, healthy: true, stage }, undefined, () => boot.id);
  }

  /** The active generation has passed its checks. */
  markGood({ boot, token }: Running, stage: Stage): Outcome<number> {
    const event = { type: "markGood", token, running: boot.id, healthy: true, stage } as const;
    return this.#request(event, undefined, () => boot.id);
  }

  /** What runs has not passed its checks; the machine must be reset. */
  fail({ token }: Running, why: string, stage: Stage): Outcome<void> {
    return this.#request({ type: "fail", token, why, stage }, undefined, () => undefined);
  }

  /** The active generation is what a failing one falls back to. */
  promote({ boot }: Running, stage: Stage): Outcome<boolean> {
    const was = this.control.golden;
    const event = { type: "promote", running: boot.id, healthy: true, stage } as const;
    return this.#request(event, undefined, ({ golden }) => golden !== was);
  }

  /** Ends recovery: golden's objects are read again, and it is active. */
  resetRecovery(): Outcome<number> {
    const { golden } = this.control;
    const hash = this.hashOf(golden);
    const goldenReady = hash !== undefined && readContent(this.#grant.store, hash).ok;
    return this.#request({ type: "recReset", goldenReady }, undefined, ({ active }) => active);
  }

  /** Generation `id` is not needed any more: its objects may go at the next collection. */
  drop(id: number): Outcome<number> {
    if (this.record(id) === undefined) return refused("not-found", `there is no generation ${id}`);
    return this.#request({ type: "drop", id }, undefined, () => id);
  }

  /** The oldest generation leaves the ring. */
  shorten(): Outcome<void> {
    return this.#request({ type: "shorten" }, undefined, () => undefined);
  }

  /** Takes the record of a retired generation away, whose objects are gone. */
  forget(ids: readonly number[]): void {
    if (ids.length === 0) return;
    const { control } = this;
    this.#announce({ control, event: "forget", log: `forgotten: generation ${ids}`, gone: ids });
    this.#durably(new Map(), () => {
      for (const id of ids) this.#records.removeGenerationRecord(id);
    });
  }

  #stage(hash: Uint8Array, source: number | undefined, options: StageOptions): Outcome<number> {
    const control = this.control;
    const { controlSequence = control.sequence, pointerEpoch = control.highWater + 1 } = options;
    // What needs no reading is told first: a stale request costs nothing.
    if (pointerEpoch <= control.highWater) {
      const why = `pointer epoch ${pointerEpoch} is not above ${control.highWater}`;
      return refused("stale-epoch", why);
    }
    const content = this.#ready(hash);
    if (!content.ok) return content;
    const admitted = admits(this.#grant.store, content.value, this.#options.base);
    if (!admitted.ok) return admitted;
    const facts = {
      isBad: this.isBad(hash),
      isActiveContent: isSameBytes(hash, this.hashOf(control.active)),
      isGoldenContent: isSameBytes(hash, this.hashOf(control.golden)),
      ready: true,
      overlayEpochOk: true,
      runningHealthy: options.healthy ?? true,
    };
    const request = { controlSequence, pointerEpoch, facts };
    const event: BootEvent =
      source === undefined
        ? { type: "stage", ...request }
        : { type: "stageOld", source, ...request };
    const record = this.#fresh(content.value, control.active);
    return this.#request(event, new Map([[pointerEpoch, record]]), () => pointerEpoch);
  }

  /**
   * All objects verified, committed, and the store's mirror written: only then may the filesystem
   * point to them (formats.md 1.6, "Commits that span both formats").
   */
  #ready(hash: Uint8Array): Outcome<ReadyContent> {
    const { region, store } = this.#grant;
    const content = readContent(store, hash);
    if (!content.ok) return content;
    store.commit();
    region.rest();
    return content;
  }

  #fresh({ hash, generation, accountHash }: ReadyContent, parent: number): GenerationRecord {
    return {
      manifestHash: hash,
      state: "FRESH",
      overlayEpoch: generation.overlayEpoch,
      createdNs: this.#options.clock(),
      tries: 0,
      successes: 0,
      accountHash,
      parent,
      stagedBoot: this.control.bootSequence,
    };
  }

  #request<T>(
    event: BootEvent,
    fresh: FreshRecords | undefined,
    value: (control: BootControl) => T,
  ): Outcome<T> {
    const answer = this.#transition(this.control, event, this.profile);
    if ("refused" in answer) {
      return refused(answer.refused === "ESTALE" ? "stale-epoch" : "conflict", answer.reason);
    }
    this.#commit(event.type, answer, fresh);
    return ok(value(answer.control));
  }

  /** One commit: the control block and everything in the tree that goes with it. */
  #commit(event: BootEvent["type"], answer: Changed, fresh: FreshRecords = new Map()): void {
    const { control, unchanged, log } = answer;
    if (unchanged && answer.records.length === 0) return;
    const change = { control, event, log, fresh };
    this.#announce(change);
    const markers = this.markers(control, fresh);
    const { files } = this.#grant.config;
    try {
      this.#durably(markers, () => {
        this.#write(answer, fresh, markers);
        if (!unchanged) files.setControl(encodeControl(control));
      });
    } catch (error) {
      // A tree that is damaged or full does not stop a boot: the block alone decides.
      if (unchanged || !isEnoughAlone(error, answer, fresh)) throw error;
      this.#announce({ ...change, alone: true });
      files.setControl(encodeControl(control));
      files.sync();
    }
  }

  /** All that `change` does in one commit, or nothing of it, ever. */
  #durably(markers: MarkerFiles, change: () => void): void {
    const { files } = this.#grant.config;
    try {
      files.atomically(change, { records: CHANGES_MAX, bytes: markersRoom(markers) });
    } catch (error) {
      revertQuietly(files);
      throw error;
    }
  }

  #announce(change: Pick<ControlChange, "control" | "event" | "log"> & Partial<ControlChange>) {
    this.#options.observe?.({ fresh: new Map(), gone: [], alone: false, ...change });
  }

  #write({ records, marks, unmarks }: InTree, fresh: FreshRecords, markers: MarkerFiles): void {
    for (const [id, record] of fresh) this.#set(id, record);
    for (const { id, state } of records) {
      const record = fresh.get(id) ?? this.record(id);
      if (record !== undefined) this.#set(id, { ...record, state });
    }
    for (const id of marks) {
      const hash = this.hashOf(id);
      if (hash !== undefined) this.#records.setBadMark(hash, BAD_IN_BOOT);
    }
    for (const id of unmarks) {
      const hash = this.hashOf(id);
      if (hash !== undefined) this.#records.clearBadMark(hash);
    }
    const { config } = this.#grant;
    writeMarkers(config.files, config.root, markers);
  }

  #set(id: number, record: GenerationRecord): void {
    this.#records.setGenerationRecord(id, { ...record, state: GenerationState[record.state] });
  }

  /** What each marker file must hold now. */
  markers(control = this.control, fresh?: FreshRecords): Map<string, Uint8Array | null> {
    const contentOf = (id: number) => {
      const record = fresh?.get(id) ?? this.record(id);
      return record && { hash: record.manifestHash, overlayEpoch: record.overlayEpoch };
    };
    const { active } = control;
    return markerFiles(control, contentOf, this.#overlayOf(contentOf(active)?.hash));
  }

  /** The overlay of the generation with this hash, if the store can tell. */
  #overlayOf(hash: Uint8Array | undefined): Uint8Array | undefined {
    if (hash === undefined) return undefined;
    const { store } = this.#grant;
    const name = toHex(hash);
    let overlayHash = this.#overlays.get(name);
    if (overlayHash === undefined) {
      const generation = readGeneration(store, hash);
      if (!generation.ok) return undefined;
      ({ overlayHash } = generation.value);
      this.#overlays.set(name, overlayHash);
    }
    return store.has(overlayHash) ? store.get(overlayHash) : undefined;
  }

  #token(): bigint {
    const bytes = new Uint8Array(8);
    this.#options.random(bytes);
    const token = new DataView(bytes.buffer).getBigUint64(0, true);
    const last = this.control.bootToken;
    // Not zero and not the last one, whatever the source of randomness is worth.
    return token === 0n || token === last ? last ^ 1n || 2n : token;
  }
}

/** Whether a candidate waits or runs. */
export function hasCandidate({ phase }: BootControl): boolean {
  return phase !== Phase.IDLE;
}

function nameOf({ id, kind }: Boot): string {
  return id === 0 ? kind : `${kind} generation ${id}`;
}

/** Whether `error` leaves the block, and it says all that matters of this change. */
function isEnoughAlone(error: unknown, { marks, unmarks }: InTree, fresh: FreshRecords): boolean {
  if (!(error instanceof StorageError)) return false;
  if (error.code === "EBADMSG") return true;
  // New records and BAD marks have no other place; states and marker files are healed later.
  return error.code === "ENOSPC" && fresh.size + marks.length + unmarks.length === 0;
}
