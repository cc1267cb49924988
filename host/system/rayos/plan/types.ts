/** What a RayOS installation is asked, what it plans, and what it reports. */

import type { Extent } from "../../../format/layout.ts";
import type {
  RayosLabels,
  RayosLayoutName,
  RayosRole,
  RayosSizes,
} from "../../../format/rayos/layout.ts";
import type { PlanRange } from "../../install/plan.ts";
import type { ImagePlace, SystemImage } from "../source/image.ts";

/** Where on the target the system goes. */
export type RayosTargetPlace =
  /** All of the disk: whatever it had is gone. */
  | { readonly kind: "disk" }
  /** The sectors of one existing partition; all others stay as they are. */
  | { readonly kind: "partition"; readonly number: number }
  /** Sectors that no partition has: by default the largest such run. Units of 512 bytes. */
  | {
      readonly kind: "free";
      readonly first?: number | undefined;
      readonly sectors?: number | undefined;
    };

/** `pool`: the VM pool partition; else a folder of the System partition, such as "/srv/vms". */
export type VmStorage = "pool" | { readonly path: string };

/** What the installed system finds at its first start. What is absent has a default. */
export interface FirstBoot {
  /** Host name of up to 63 letters, digits and "-". Default: the image's own, else "rayos". */
  readonly machineName?: string | undefined;
  /** Such as "Europe/Berlin". Default: the image's own, else UTC. */
  readonly timeZone?: string | undefined;
  /** Such as "de_DE.UTF-8". Default: the image's own, else C.UTF-8. */
  readonly locale?: string | undefined;
  /** Policy: whether virtual machines may use the network. Default false. */
  readonly networking?: boolean | undefined;
  /** Policy: whether virtual machines start by themselves. Default true. */
  readonly autoboot?: boolean | undefined;
}

/** Explicit agreement, each to one danger. */
export interface RayosConsent {
  /** Write over a target, or a partition, that is not blank. */
  readonly erase?: boolean | undefined;
  /** Replace an installed RayOS or Diskwright system. */
  readonly reinstall?: boolean | undefined;
}

export interface RayosRequest {
  readonly layout: RayosLayoutName;
  /**
   * Path of a folder, of a tar, tar.gz or tar.zst, or of an installer medium; an archive's bytes,
   * or a medium that is open, which the caller closes. Absent: an empty system with a warning.
   */
  readonly source?: ImagePlace | undefined;
  /** The same, opened already: it is neither listed again nor closed. */
  readonly image?: SystemImage | undefined;
  readonly place: RayosTargetPlace;
  /** Number of an ESP of others that the boot files go onto; absent: a new one. Not for a disk. */
  readonly esp?: number | undefined;
  readonly sizes?: RayosSizes | undefined;
  readonly labels?: Partial<RayosLabels> | undefined;
  readonly vmStorage?: VmStorage | undefined;
  readonly firstBoot?: FirstBoot | undefined;
  readonly consent?: RayosConsent | undefined;
  /** File for the old partition table; false: none. Default: beside the image, if it is a file. */
  readonly tableBackup?: string | false | undefined;
  readonly seed?: string | undefined;
  /** Seconds since 1970 UTC that stand for now. */
  readonly sourceDateEpoch?: number | undefined;
  /** Text behind the options of every boot entry. */
  readonly kernelOptions?: string | undefined;
  /** A boot loader in place of the image's own: its path on this machine, or its bytes. */
  readonly bootLoader?: string | Uint8Array | undefined;
  /** Paths of this machine's own boot device and the like, never written to. */
  readonly protectedPaths?: readonly string[] | undefined;
  /** True: go on with an installation that was cut short, and refuse where there is none. */
  readonly resume?: boolean | undefined;
  /**
   * Identities and time of a plan that was shown, so that what is done is what was shown:
   * `plan.origin`.
   */
  readonly origin?: RayosOrigin | undefined;
}

/** What all identities are drawn from, and the time of everything written. */
export interface RayosOrigin {
  readonly seed: string;
  readonly createdS: number;
}

export const RAYOS_STEPS = [
  "wipe",
  "esp",
  "system",
  "pool",
  "state",
  "log",
  "recovery",
  "verify",
  "table",
  "finish",
] as const;
export type RayosStepName = (typeof RAYOS_STEPS)[number];

export interface RayosStep {
  readonly name: RayosStepName;
  readonly title: string;
  /** Everything that this step may write. */
  readonly ranges: readonly PlanRange[];
}

export interface RayosPartition extends Extent {
  readonly role: RayosRole;
  /** Number in the new table. */
  readonly number: number;
  /** Name in the table. */
  readonly name: string;
  /** Name in GPT_TYPES. */
  readonly type: string;
  readonly sizeBytes: number;
  /** Label of its filesystem; undefined where it has none. */
  readonly label?: string | undefined;
  readonly uniqueGuid: string;
}

/** The ESP that an installation makes, or shares. */
export interface RayosPlanEsp {
  readonly kind: "new" | "existing";
  readonly number: number;
  readonly uniqueGuid: string;
  /** Path of the boot loader that starts RayOS. */
  readonly loader: string;
  /** Files of others in the place of ours, which stay. */
  readonly kept: readonly string[];
}

/** A partition of the old table that stays. */
export interface KeptPartition {
  readonly number: number;
  readonly name: string;
  readonly first: number;
  readonly last: number;
}

export interface RayosPlan {
  readonly version: 1;
  readonly layout: RayosLayoutName;
  readonly place: RayosTargetPlace;
  readonly source: {
    readonly name: string;
    readonly kind: string;
    readonly digest: string;
    readonly files: number;
    readonly bytes: number;
    /** First line of the image's VERSION, or what stands for it. */
    readonly release: string;
  };
  readonly target: {
    readonly name: string;
    readonly sectors: number;
    readonly sizeBytes: number;
    readonly content: string;
  };
  readonly origin: RayosOrigin;
  readonly diskGuid: string;
  readonly partitions: readonly RayosPartition[];
  readonly keeps: readonly KeptPartition[];
  /** Where the boot files go. */
  readonly esp: RayosPlanEsp;
  /** Numbers of ESPs that are there and could be used in place of a new one. */
  readonly usableEsps: readonly number[];
  readonly vmStorage: string;
  readonly steps: readonly RayosStep[];
  /** Sentences about what the installed system lacks. */
  readonly warnings: readonly string[];
  /** Where the old table would be saved; undefined: there is none to save, or no place for it. */
  readonly tableBackup?: string | undefined;
  readonly resumesAt?: RayosStepName | undefined;
  /** SHA-256 over everything that decides what is written. */
  readonly hash: string;
}

export interface RayosReport {
  readonly plan: RayosPlan;
  readonly files: number;
  readonly bytes: number;
  readonly warnings: readonly string[];
  readonly resumedAt?: RayosStepName | undefined;
  readonly tableBackup?: string | undefined;
}

/** A system that is there already. */
export interface ExistingInstall {
  readonly kind: "rayos" | "diskwright" | "half-done";
  /** In words: "RayOS on partition 2, installed at 1700000000". */
  readonly text: string;
  /** Its partitions. */
  readonly numbers: readonly number[];
}

/**
 * Progress of an installation: beside step, done and total, what a partition is when it has been
 * made.
 */
export interface RayosEvent {
  readonly step: string;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  /** There once a partition has been made and filled. */
  readonly created?:
    | { readonly number: number; readonly role: RayosRole; readonly sizeBytes: number }
    | undefined;
}
