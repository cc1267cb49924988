/**
 * Everything that the page may ask of its worker, and the state that the worker tells it.
 *
 * The page draws a State and makes calls; whatever is decided is decided in the worker. A call that
 * changes something ends with a new State as a notice, before its own result.
 */
import type { ProgressEvent } from "../../base/work.ts";
import type { DiskView } from "../../system/inspect.ts";
import type { InstallPlan } from "../../system/install/plan.ts";
import type { BootOutcome } from "../../system/machine.ts";
import type { SystemStatus } from "../../system/update/status.ts";
import type { DiskFinding, VerifyReport } from "../../system/verify.ts";
import type { VolumeEntry } from "../../system/volume.ts";

export type {
  DiskFinding,
  DiskView,
  InstallPlan,
  ProgressEvent,
  SystemStatus,
  VerifyReport,
  VolumeEntry,
};

/** Where disks are kept. */
export type ShelfKind = "opfs" | "indexeddb" | "memory";

/** What the browser says of storage. */
export interface StorageFacts {
  readonly kind: ShelfKind;
  /** Why they are not in the browser's own filesystem, a sentence; undefined where they are. */
  readonly why?: string | undefined;
  /** What a FLUSH means there: the rest of a sentence that begins with it. */
  readonly flush: string;
  readonly quotaBytes?: number | undefined;
  readonly usageBytes?: number | undefined;
  /** The browser will not evict it by itself. */
  readonly persisted: boolean;
  /** The page is cross-origin isolated: its threads may share memory. */
  readonly isolated: boolean;
}

/** A disk on the shelf. */
export interface DiskEntry {
  readonly name: string;
  readonly sizeBytes: number;
  /** A payload for it is ready, or was being made when the page ended. */
  readonly payload?: PayloadFacts | undefined;
}

export interface PayloadFacts {
  readonly title: string;
  readonly kind: PayloadKind;
  /** False: it was being made when the page ended. */
  readonly ready: boolean;
  /** An installation of it was begun: what the disk is called when that is done. */
  readonly diskGuid?: string | undefined;
}

export type PayloadKind = "demo" | "files" | "tar" | "image";

/** What a person installs. */
export type Payload =
  | { readonly kind: "demo" }
  | { readonly kind: "files"; readonly files: readonly PayloadFile[] }
  | { readonly kind: "tar"; readonly file: File }
  /** A disk image of `image mkdisk`, or an ISO or USB medium of `image mkmedia`. */
  | { readonly kind: "image"; readonly file: File };

export interface PayloadFile {
  /** On the ESP: "EFI/BOOT/BOOTX64.EFI". */
  readonly path: string;
  readonly file: File;
}

/** Where the write of a range fell, in CELLS equal parts of the disk. */
export interface Writes {
  /** For each cell how many writes touched it since the action began; it ends at 255. */
  readonly cells: Uint8Array;
}
export const CELLS = 512;

export interface Activity {
  /** In words: "Installing". */
  readonly title: string;
  readonly progress?: ProgressEvent | undefined;
  readonly writes?: Writes | undefined;
}

/** One generation on the map. */
export interface PlacedGeneration {
  readonly id: number;
  readonly role: string;
  readonly objects: number;
  readonly bytes: number;
}

/** The disk that is open. */
export interface OpenDisk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly where: ShelfKind | "file";
  readonly readOnly: boolean;
  /** False: the power was cut, and the disk waits to be switched on again. */
  readonly powered: boolean;
  /** The power will be cut in the middle of what comes next. */
  readonly armed: boolean;
  readonly view?: DiskView | undefined;
  /** Why it could not be looked at. */
  readonly viewError?: string | undefined;
  readonly status?: SystemStatus | undefined;
  /** Why it has no system that could be asked. */
  readonly statusError?: string | undefined;
  readonly generations: readonly PlacedGeneration[];
  /** An installation waits: its plan, and whether it was begun. */
  readonly plan?: InstallPlan | undefined;
  readonly payload?: PayloadFacts | undefined;
  /** The demo's system: its base knows a service that fails. */
  readonly isDemo: boolean;
  readonly volumes: readonly VolumeName[];
}

/** A filesystem or a store that the browser can open. */
export interface VolumeName {
  /** "2" or "whole" for the partition's files; "2/objects" for its store. */
  readonly id: string;
  readonly title: string;
  readonly kind: "files" | "objects";
}

export interface State {
  readonly storage: StorageFacts;
  readonly disks: readonly DiskEntry[];
  readonly open?: OpenDisk | undefined;
}

/** What comes without a call. */
export type Notice =
  | { readonly kind: "state"; readonly state: State }
  | { readonly kind: "console"; readonly line: string }
  | { readonly kind: "power"; readonly kept: number; readonly lost: number };

export interface ObjectRow {
  readonly hash: string;
  readonly sizeBytes: number;
  readonly pins: number;
}

/** A piece of a file or object. */
export interface Piece {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

export interface BootSummary {
  readonly outcome: BootOutcome;
  readonly generation?: number | undefined;
  readonly resets: number;
}

export interface FlowSummary {
  readonly generation: number;
  readonly manifestHash: string;
}

/** A call: its argument, its result, the events on the way. */
interface Call<Args, Result, Event = Activity> {
  readonly args: Args;
  readonly result: Result;
  readonly event: Event;
}

/** A call without an argument. */
type Nothing = undefined;

/** A type, not an interface: it must fit Methods. */
export type Api = {
  readonly start: Call<Nothing, State>;
  readonly refresh: Call<Nothing, void>;
  readonly create: Call<{ name: string; size: string }, void>;
  readonly remove: Call<{ name: string }, void>;
  readonly open: Call<{ name: string; readOnly?: boolean }, void>;
  /** A file of the person's own: looked at where it lies, and never written. */
  readonly upload: Call<{ file: File }, void>;
  readonly close: Call<Nothing, void>;
  /** Makes the payload ready and plans; writes nothing to the disk. */
  readonly prepare: Call<{ payload: Payload; erase: boolean }, InstallPlan>;
  /** Carries the plan out, or goes on with what was cut short. */
  readonly install: Call<{ erase: boolean }, { resumedAt?: string | undefined }>;
  readonly discard: Call<Nothing, void>;
  readonly boot: Call<Nothing, BootSummary>;
  readonly provision: Call<{ hostname: string }, FlowSummary>;
  readonly update: Call<{ hostname: string; failing: boolean }, FlowSummary>;
  readonly rollback: Call<{ to?: number | undefined }, FlowSummary>;
  readonly cancel: Call<Nothing, FlowSummary>;
  readonly recover: Call<Nothing, FlowSummary>;
  /** Pulls the plug of the open disk at once. */
  readonly cut: Call<Nothing, void>;
  /** Pulls the plug in the middle of what comes next; false takes it back. */
  readonly cutNext: Call<{ armed: boolean }, void>;
  /** Opens the disk again after a cut. */
  readonly powerOn: Call<Nothing, void>;
  readonly list: Call<{ volume: string; path: string }, readonly VolumeEntry[]>;
  readonly readFile: Call<{ volume: string; path: string; offset: number; length: number }, Piece>;
  readonly objects: Call<{ volume: string; after?: string | undefined }, readonly ObjectRow[]>;
  readonly readObject: Call<
    { volume: string; hash: string; offset: number; length: number },
    Piece
  >;
  readonly verify: Call<{ repair: boolean }, VerifyReport>;
  /** The image as a file that the page can save. */
  readonly download: Call<{ packed: boolean }, { blob: Blob; name: string }>;
  /** Everything that helps to find a problem, as text; names no file of the person's. */
  readonly report: Call<{ problem: string }, string>;
};
