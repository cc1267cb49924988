/** Everything that an installation writes, put together from image, request and origin. */
import { guidBytes } from "../../../base/guid.ts";
import { toHex } from "../../../base/hash.ts";
import { createDigest } from "../../../core/hash/digest.ts";
import { entryPath } from "../../../format/rayos/boot-entries.ts";
import { BOOT_MODE_PATH } from "../../../format/rayos/boot-mode.ts";
import { LABELS_DEFAULT, type RayosRole } from "../../../format/rayos/layout.ts";
import {
  encodeInstallRecord,
  INSTALL_RECORD_PATH,
  type InstalledFile,
  type InstallRecord,
} from "../../../format/rayos/records.ts";
import { memoryTree, type Tree } from "../../image/folder.ts";
import { type Origin, originOf } from "../../image/reproducible.ts";
import { FALLBACK_PATH, LOADER_PATH, type SharedEsp } from "../plan/esp.ts";
import type { PlannedContent } from "../plan/plan.ts";
import type { RayosOrigin, RayosPartition, RayosPlan, RayosRequest } from "../plan/types.ts";
import type { ImageEntry } from "../source/entry.ts";
import type { SystemImage } from "../source/image.ts";
import { type BootFiles, checkFatRoom, espTreeOf, findBootFiles, recoveryTreeOf } from "./boot.ts";
import { Ledger, type Volume } from "./ledger.ts";
import { Generated, poolEntries, type SystemContent, settingsOf, systemEntries } from "./system.ts";

const NO_DIGEST = "0".repeat(64);
/** What changes in the life of a system is no part of its record. */
const CHANGING = [BOOT_MODE_PATH, entryPath("current"), entryPath("previous")];

export interface RayosContent {
  readonly ledger: Ledger;
  readonly esp: Tree;
  readonly recovery: Tree | undefined;
  readonly system: readonly ImageEntry[];
  readonly pool: readonly ImageEntry[];
  /** Of the state region, under system/config. */
  readonly state: Tree;
  readonly planned: PlannedContent;
}

/**
 * What all partitions hold.
 *
 * @throws {Refusal} ENOSPC: an ESP or recovery partition is too small; and as its parts
 */
export function contentFor(
  image: SystemImage,
  request: RayosRequest,
  origin: RayosOrigin,
  partitions: readonly RayosPartition[],
  targetName: string,
  shared: SharedEsp | undefined,
): RayosContent {
  const drawn = originOf({ seed: origin.seed });
  const boot = findBootFiles(image, request.bootLoader);
  const { createdS } = origin;
  const esp = partitionOf(partitions, "esp");
  const system = partitionOf(partitions, "system") as RayosPartition;
  const recovery = partitionOf(partitions, "recovery");
  const espContent = {
    boot,
    release: image.release,
    createdS,
    systemLabel: system.label ?? LABELS_DEFAULT.system,
    kernelOptions: request.kernelOptions ?? "",
  };
  const espTree = espTreeOf(espContent, shared?.kept);
  if (esp !== undefined) checkFatRoom(espTree, esp, "--esp-size");
  const recoveryTree = recovery === undefined ? undefined : recoveryTreeOf(espContent);
  if (recovery !== undefined && recoveryTree !== undefined) {
    checkFatRoom(recoveryTree, recovery, "--recovery-size");
  }
  const systemContent: SystemContent = {
    image,
    boot,
    createdS,
    firstBoot: request.firstBoot ?? {},
    vmStorage: request.vmStorage ?? "pool",
    vmIds: { linux: uuidOf(drawn, "vm linux"), windows: uuidOf(drawn, "vm windows") },
    partition: partitionName(targetName, system.number),
  };
  const ledger = new Ledger();
  ledger.learn("system", image.digests);
  const entries = withRecord(systemEntries(systemContent), {
    ledger,
    image,
    request,
    createdS,
    esp: espTree,
    recovery: recoveryTree,
  });
  const settings = settingsOf(systemContent);
  return {
    ledger,
    esp: ledger.watchTree("esp", espTree),
    recovery: recoveryTree && ledger.watchTree("recovery", recoveryTree),
    system: ledger.watch("system", entries),
    pool: poolEntries(systemContent),
    state: memoryTree({
      "rayos/registry.json": settings.registry,
      "rayos/policy.toml": settings.policy,
      "rayos/boot-records.json": `${JSON.stringify({ version: 1, golden: null, boots: [] })}\n`,
    }),
    planned: {
      source: sourceOf(image),
      generated: generatedDigest(request, boot),
      warnings: [...image.warnings, ...boot.warnings, ...(shared?.kept ?? []).map(keptText)],
    },
  };
}

/** What it means that somebody has a file of that name on the ESP already. */
function keptText(path: string): string {
  const stays = `'${path}' of another system stays`;
  if (path === FALLBACK_PATH) return `${stays}: RayOS needs a boot option for '${LOADER_PATH}'`;
  if (path === LOADER_PATH) return `${stays}, and starts RayOS too`;
  return `${stays}: what it says is started`;
}

/** UUID and hash seed of a filesystem, from the origin. */
export function ext4Identity(origin: RayosOrigin, role: RayosRole) {
  const drawn = originOf({ seed: origin.seed });
  const uuid = plainUuid(drawn, `ext4 ${role}`);
  const hashSeed = plainUuid(drawn, `ext4 hash ${role}`);
  return { uuid, hashSeed };
}

export function partitionOf(
  partitions: readonly RayosPartition[],
  role: RayosRole,
): RayosPartition | undefined {
  return partitions.find((each) => each.role === role);
}

/** Adds the record of the installation, whose digests are there only when all else is written. */
function withRecord(
  entries: readonly ImageEntry[],
  given: {
    readonly ledger: Ledger;
    readonly image: SystemImage;
    readonly request: RayosRequest;
    readonly createdS: number;
    readonly esp: Tree;
    readonly recovery: Tree | undefined;
  },
): ImageEntry[] {
  const { ledger, image, request, createdS, esp, recovery } = given;
  const own = new Set(image.entries.map(({ path }) => path));
  const files: Omit<InstalledFile, "sha256">[] = [];
  const addTree = (volume: Volume, tree: Tree) => {
    for (const { path, kind, size } of tree) {
      if (kind === "file" && !CHANGING.includes(path)) files.push({ volume, path, size });
    }
  };
  addTree("esp", esp);
  if (recovery !== undefined) addTree("recovery", recovery);
  const names = new Map<string, string[]>();
  for (const { kind, path, target = "" } of entries) {
    if (kind !== "link" || !own.has(path)) continue;
    names.set(target, [...(names.get(target) ?? []), path]);
  }
  for (const entry of entries) {
    if (entry.kind === "file" && own.has(entry.path)) {
      files.push(rowOf(entry, names.get(entry.path)));
    }
  }
  const record = (digest: (file: Omit<InstalledFile, "sha256">) => string): InstallRecord => ({
    version: 1,
    release: image.release,
    created: createdS,
    layout: request.layout,
    files: files.map((file) => ({ ...file, sha256: digest(file) })),
  });
  const made = new Generated(createdS);
  const { length } = encodeInstallRecord(record(() => NO_DIGEST));
  made.late(INSTALL_RECORD_PATH, length, () =>
    encodeInstallRecord(record(({ volume, path }) => ledger.digestNow(volume, path))),
  );
  const there = new Set(entries.map(({ path }) => path));
  return [...entries, ...made.entries.filter(({ path }) => !there.has(path))];
}

/** What the record says of a file of the System partition, but for its digest. */
function rowOf(
  { path, sizeBytes, mode, uid, gid, mtimeNs, xattrs }: ImageEntry,
  names: readonly string[] | undefined,
): Omit<InstalledFile, "sha256"> {
  const row = { volume: "system", path, size: sizeBytes, mode, uid, gid } as const;
  const times = { ...row, mtime_ns: `${mtimeNs}` };
  if (xattrs === undefined && names === undefined) return times;
  const attributes = [...(xattrs ?? [])].map(([name, value]) => ({
    name,
    value: Buffer.from(value).toString("hex"),
  }));
  return {
    ...times,
    ...(attributes.length === 0 ? {} : { xattrs: attributes }),
    ...(names === undefined ? {} : { names }),
  };
}

function sourceOf(image: SystemImage): RayosPlan["source"] {
  const hash = createDigest();
  let bytes = 0;
  let files = 0;
  for (const entry of image.entries) {
    const { path, kind, mode, uid, gid, mtimeNs, sizeBytes, target = "", device } = entry;
    const xattrs = [...(entry.xattrs ?? [])].map(([name, value]) => [name, toHex(value)]);
    const digest = image.digests.get(path) ?? "";
    const fields = [path, kind, mode, uid, gid, `${mtimeNs}`, sizeBytes, target, device, xattrs];
    hash.update(`${JSON.stringify([...fields, digest])}\n`);
    bytes += sizeBytes;
    if (kind === "file") files++;
  }
  const { name, kind, release } = image;
  return { name, kind, digest: hash.hex(), files, bytes, release };
}

/** Everything that was chosen and shows in what is written; the image has a digest of its own. */
function generatedDigest(request: RayosRequest, { loader }: BootFiles): string {
  const { layout, sizes, labels, vmStorage, firstBoot, kernelOptions, place, esp } = request;
  const chosen = { layout, sizes, labels, vmStorage, firstBoot, kernelOptions, place, esp };
  const hash = createDigest().update(JSON.stringify(chosen));
  if (request.bootLoader !== undefined && loader !== undefined) {
    const reader = loader.open();
    const piece = new Uint8Array(1 << 16);
    for (let got = reader.read(piece); got > 0; got = reader.read(piece)) {
      hash.update(piece.subarray(0, got));
    }
  }
  return hash.hex();
}

/** "/dev/nvme0n1p2", "/dev/sda2"; for an image its number alone, so that its path is not kept. */
function partitionName(target: string, number: number): string {
  if (!target.startsWith("/dev/")) return `partition ${number}`;
  return /\d$/.test(target) ? `${target}p${number}` : `${target}${number}`;
}

function uuidOf(origin: Origin, label: string): string {
  return origin.guid(label).toLowerCase();
}

/** The 16 bytes in the order of the text, as ext4 keeps them. */
function plainUuid(origin: Origin, label: string): Uint8Array {
  const text = origin.guid(label);
  guidBytes(text);
  return Uint8Array.from(text.replaceAll("-", "").match(/../g) ?? [], (digits) =>
    Number.parseInt(digits, 16),
  );
}
