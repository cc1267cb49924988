/**
 * The proof matrix of the installable system: disks made by the program, every boot a process of
 * its own, and between two boots nothing is left but the disk and its NVRAM.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toHex } from "../../host/base/hash.ts";
import { sha256 } from "../../host/base/seed.ts";
import { type AccountRecord, encodeAccount } from "../../host/format/account.ts";
import { encodeGeneration, type GenerationEntry } from "../../host/format/generation.ts";
import {
  CLOSED,
  encodeManifest,
  type ManifestExtensionPoints,
  type ManifestService,
} from "../../host/format/manifest.ts";
import { encodeOverlay, type NewOverlay } from "../../host/format/overlay.ts";
import { greeter } from "../../host/system/demo/greeter.ts";
import { type ShippedService, shippedService } from "../../host/system/service/shipped.ts";
import { diskwright } from "./cli.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/host/cli/main.js", import.meta.url));
const DISK = "disk.img";
const NVRAM = "disk.nvram";

export interface Boot {
  readonly pid: number;
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** One row: a folder with a disk, and the boots it has had. */
export class Row {
  readonly name: string;
  readonly folder: string;
  readonly boots: Boot[] = [];

  constructor(name: string) {
    this.name = name;
    this.folder = mkdtempSync(join(tmpdir(), `diskwright-${name}-`));
  }

  get disk(): string {
    return join(this.folder, DISK);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Runs the program; the row fails if it does not exit with 0. */
  run(...args: string[]): string {
    const { code, stdout, stderr } = diskwright(args);
    if (code !== 0) throw new Error(`diskwright ${args.join(" ")}: exit ${code}: ${stderr}`);
    return stdout;
  }

  /** Deletes everything but the disk, its NVRAM and `hardware`, then boots in a new process. */
  boot(hardware: readonly string[] = [], ...args: string[]): Boot {
    return this.#boot(hardware, [this.disk, ...args]);
  }

  /** The same from a medium in the CD-ROM drive; the disk is in the second slot. */
  bootMedium(name: string): Boot {
    return this.#boot([name], [this.path(name), "--disk", this.disk]);
  }

  #boot(hardware: readonly string[], args: readonly string[]): Boot {
    const keep = new Set([DISK, NVRAM, ...hardware]);
    for (const name of readdirSync(this.folder)) {
      if (!keep.has(name)) rmSync(this.path(name), { recursive: true });
    }
    const words = [PROGRAM, "boot", ...args, "--nvram", this.path(NVRAM)];
    const { pid, status, stdout, stderr, error } = spawnSync(process.execPath, words, {
      encoding: "utf8",
      timeout: 120_000,
    });
    if (error) throw error;
    const lines = stdout.split("\n").filter((line) => line !== "");
    const boot: Boot = { pid, code: status, lines, stderr };
    this.boots.push(boot);
    this.#tell(boot);
    return boot;
  }

  /** A boot in a new process, which is killed when so much time has gone by. */
  kill(afterMs: number): void {
    const words = ["boot", this.disk, "--nvram", this.path(NVRAM)];
    spawnSync(process.execPath, [PROGRAM, ...words], { timeout: afterMs, killSignal: "SIGKILL" });
  }

  end(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What a person who reads the log of the tests wants to see of a boot. */
  #tell({ pid, lines }: Boot): void {
    const hashes = new Set(lines.flatMap((line) => line.match(/\b[0-9a-f]{64}\b/g) ?? []));
    const short = [...hashes].map((hash) => hash.slice(0, 12)).join(" ");
    process.stdout.write(`${this.name}: boot ${this.boots.length}, pid ${pid}: ${short}\n`);
  }
}

/** What a base has beside its services. */
export interface Base {
  readonly services: readonly ManifestService[];
  readonly bins: readonly ShippedService[];
  readonly points?: Partial<ManifestExtensionPoints>;
}

export function service(
  binary: ShippedService,
  sources: Readonly<Record<string, string>> = { console: "console" },
  more: Partial<ManifestService> = {},
): ManifestService {
  const caps = Object.entries(sources).map(([name, given]) => {
    const [source = "", target] = given.split(" ");
    return { name, source, ...(target === undefined ? {} : { target }) };
  }) as ManifestService["caps"];
  const file = `${binary}.wasm`;
  return { name: binary, binary: file, when: "boot", caps, config: new Uint8Array(0), ...more };
}

/** The three capabilities of provision and update. */
export const THREE = {
  console: "console",
  config: "writable_fs_root",
  store: "persistent_store",
};

export function manifest({ services, bins, points = {} }: Base): Uint8Array {
  return encodeManifest({
    schemaVersion: 1,
    binaries: bins.map((name) => {
      const bytes = shippedService(name);
      return { name: `${name}.wasm`, sha256: sha256(bytes), sizeBytes: bytes.length };
    }),
    initConfig: { hostname: "base" },
    services: [...services],
    kernelParams: [],
    extensionPoints: {
      ...CLOSED,
      additionalServices: true,
      maxAdditionalServices: 4,
      allowedServiceCaps: ["console"],
      allowHostname: true,
      allowLogLevel: true,
      allowAccountStore: true,
      ...points,
    },
  });
}

/** A boot folder for `image mkdisk --boot`. */
export function bootFolder(row: Row, base: Base): string {
  const folder = row.path("boot-files");
  mkdirSync(join(folder, "EFI/BOOT"), { recursive: true });
  mkdirSync(join(folder, "boot/bins"), { recursive: true });
  writeFileSync(join(folder, "EFI/BOOT/BOOTX64.EFI"), greeter("hello"));
  writeFileSync(join(folder, "boot/manifest.bin"), manifest(base));
  for (const name of base.bins) {
    writeFileSync(join(folder, `boot/bins/${name}.wasm`), shippedService(name));
  }
  return folder;
}

/** A disk with this base, its data region as `more` says (options of mkdisk). */
export function makeDisk(row: Row, base: Base, ...more: string[]): void {
  const folder = bootFolder(row, base);
  if (existsSync(row.disk)) rmSync(row.disk);
  row.run("image", "mkdisk", row.disk, "--size", "256MiB", "--boot", folder, ...more);
}

export const ACCOUNT: AccountRecord = {
  version: 1,
  principalId: new Uint8Array(32).fill(3),
  name: "operator",
  displayName: "The operator",
  roles: ["administrator"],
  attributes: [],
  credentialRefs: [],
  storageRoots: [],
  defaultProfiles: [],
};

export const ACCOUNT_BYTES = encodeAccount(ACCOUNT);
export const ACCOUNT_HASH = toHex(sha256(ACCOUNT_BYTES));

/** A generation as a flow service carries it: overlay and generation object, encoded. */
export interface Packed {
  readonly overlay: Uint8Array;
  readonly generation: Uint8Array;
  readonly hash: string;
}

export function pack(
  epoch: number,
  overlay: Omit<NewOverlay, "version" | "epoch" | "accountStoreLocation">,
  extra: readonly {
    readonly role: "manifest";
    readonly name: string;
    readonly bytes: Uint8Array;
  }[] = [],
): Packed {
  const accountStoreLocation = sha256(ACCOUNT_BYTES);
  const bytes = encodeOverlay({ version: 1, epoch, accountStoreLocation, ...overlay });
  const objects: GenerationEntry[] = [
    entry("account", "operator", ACCOUNT_BYTES),
    entry("overlay", "overlay", bytes),
    ...extra.map(({ role, name, bytes: content }) => entry(role, name, content)),
  ];
  const generation = encodeGeneration({
    ...{ version: 1, epoch, minFormat: 1, overlayHash: sha256(bytes), overlayEpoch: epoch },
    objects,
  });
  return { overlay: bytes, generation, hash: toHex(sha256(generation)) };
}

/** Files as a service reads them from its config: their number, then each with its length. */
export function packed(files: readonly Uint8Array[]): Uint8Array {
  const size = files.reduce((sum, file) => sum + 4 + file.length, 4);
  const whole = new Uint8Array(size);
  const view = new DataView(whole.buffer);
  view.setUint32(0, files.length, true);
  let at = 4;
  for (const file of files) {
    view.setUint32(at, file.length, true);
    whole.set(file, at + 4);
    at += 4 + file.length;
  }
  return whole;
}

function entry(role: GenerationEntry["role"], name: string, bytes: Uint8Array): GenerationEntry {
  return { role, name, hash: sha256(bytes), lengthBytes: bytes.length };
}
