/**
 * The System partition: the image as it is, and beside it what makes an installation of it.
 *
 * What is generated wins over a file of the image at the same path; a folder in its place, or a
 * link on the way to it, is refused, because nothing is ever written through a link.
 */
import { refusal } from "../../../base/errors.ts";
import { KERNEL_NAME, versionWord } from "../../../format/rayos/boot-entries.ts";
import { defaultPolicy, encodePolicy } from "../../../format/rayos/policy.ts";
import {
  checkFirstBoot,
  encodeFirstBoot,
  FIRST_BOOT_PATH,
  type FirstBootRecord,
  INSTALL_NOTE,
  INSTALLATION_MARKER,
} from "../../../format/rayos/records.ts";
import { encodeVmRegistry, placeholderVms } from "../../../format/rayos/vm-registry.ts";
import { memoryReader } from "../../image/folder.ts";
import type { FirstBoot, VmStorage } from "../plan/types.ts";
import { checkEntries, cleanPath, type ImageEntry } from "../source/entry.ts";
import type { SystemImage } from "../source/image.ts";
import type { BootFiles } from "./boot.ts";

const DATA = "var/rayos";
const POOL_MOUNT = `${DATA}/pool`;
const FOLDERS = [
  "policy",
  "vm",
  "logs/boot",
  "logs/desktop",
  "crash/panics",
  "crash/core",
  "crash/last-boot",
  "boot/history",
  "install",
];
/** What a guest's folder has. */
const GUEST_FOLDERS = { linux: ["state", "logs"], windows: ["state", "logs", "tpm"] } as const;

export interface SystemContent {
  readonly image: SystemImage;
  readonly boot: BootFiles;
  readonly createdS: number;
  readonly firstBoot: FirstBoot;
  readonly vmStorage: VmStorage;
  readonly vmIds: { readonly linux: string; readonly windows: string };
  /** How .rayos-install calls the partition. */
  readonly partition: string;
}

/** Records that both the System partition and the state region hold. */
export interface Settings {
  readonly policy: Uint8Array;
  readonly registry: Uint8Array;
  readonly firstBoot: FirstBootRecord;
}

export function settingsOf(content: SystemContent): Settings {
  const { createdS, firstBoot, vmStorage, vmIds } = content;
  const { networking = false, autoboot = true } = firstBoot;
  const record: FirstBootRecord = {
    version: 1,
    machine_name: firstBoot.machineName ?? "rayos",
    time_zone: firstBoot.timeZone ?? "UTC",
    locale: firstBoot.locale ?? "C.UTF-8",
    networking,
    autoboot,
    vm_storage: vmStorage === "pool" ? "pool" : vmStorage.path,
    created: createdS,
  };
  checkFirstBoot(record);
  const ids = { linuxId: vmIds.linux, windowsId: vmIds.windows };
  return {
    policy: encodePolicy(defaultPolicy({ ...ids, networking, autoboot })),
    registry: encodeVmRegistry(placeholderVms(vmIds.linux, vmIds.windows, networking)),
    firstBoot: record,
  };
}

/**
 * All entries of the System partition but the record of the installation, the image's first.
 *
 * @throws {StorageError} ENOTDIR, EEXIST: the image is in the way of what is generated
 */
export function systemEntries(content: SystemContent): ImageEntry[] {
  const made = new Generated(content.createdS);
  const settings = settingsOf(content);
  addData(made, content, settings);
  addRelease(made, content);
  addIdentity(made, content, settings.firstBoot);
  made.file(INSTALLATION_MARKER, `RayOS installed at ${content.createdS}\n`);
  made.file(INSTALL_NOTE, `Installed: ${content.createdS}\nPartition: ${content.partition}\n`);
  return combined(content.image, made.entries);
}

/** The image's entries without those that generated ones stand in for, then the generated ones. */
export function combined(image: SystemImage, made: readonly ImageEntry[]): ImageEntry[] {
  const replaced = new Map(made.map((entry) => [entry.path, entry]));
  const seen = new Set<string>();
  const kept = image.entries.filter((entry) => {
    const other = replaced.get(entry.path);
    // The builder makes a lost+found of its own; and a tar may name a folder twice.
    if (entry.path === "lost+found" || seen.has(entry.path)) return false;
    seen.add(entry.path);
    return other === undefined || (other.kind === "directory" && entry.kind === "directory");
  });
  const there = new Set(kept.map(({ path }) => path));
  const all = [...kept, ...made.filter(({ path }) => !there.has(path))];
  checkEntries(all, image.name);
  return all;
}

/** Folders of the VM pool. */
export function poolEntries(content: SystemContent): ImageEntry[] {
  const made = new Generated(content.createdS);
  if (content.vmStorage === "pool") addGuests(made, "", content.vmIds);
  return made.entries;
}

function addData(made: Generated, content: SystemContent, settings: Settings): void {
  const { vmStorage, vmIds } = content;
  for (const folder of FOLDERS) made.folder(`${DATA}/${folder}`);
  made.file(`${DATA}/policy/rayos-policy.toml`, settings.policy);
  made.file(`${DATA}/vm/registry.json`, settings.registry);
  made.file(FIRST_BOOT_PATH, encodeFirstBoot(settings.firstBoot));
  if (vmStorage === "pool") {
    made.folder(POOL_MOUNT);
    made.symlink(`${DATA}/vm/linux`, "../pool/linux");
    made.symlink(`${DATA}/vm/windows`, "../pool/windows");
    return;
  }
  const { path } = vmStorage;
  if (!/^\/[^\p{Cc}]+$/u.test(path)) {
    const message = `'${path}' is no folder of the System partition.`;
    const hint = "Give an absolute path, or pool.";
    throw refusal("EINVAL", "plan", message, { hint });
  }
  const folder = cleanPath(path.slice(1), "the place for virtual machines");
  addGuests(made, `${folder}/`, vmIds);
  if (folder === `${DATA}/vm`) return;
  for (const guest of ["linux", "windows"]) {
    made.symlink(`${DATA}/vm/${guest}`, `/${folder}/${guest}`);
  }
}

function addGuests(made: Generated, prefix: string, ids: SystemContent["vmIds"]): void {
  for (const guest of ["linux", "windows"] as const) {
    for (const inner of GUEST_FOLDERS[guest]) {
      made.folder(`${prefix}${guest}/${ids[guest]}/${inner}`);
    }
  }
}

/** The release tree: the kernel by a hard link, so that it costs nothing; two pointers to it. */
function addRelease(made: Generated, { image, boot, createdS }: SystemContent): void {
  const word = versionWord(image.release);
  const release = `sysroot/releases/${word}`;
  for (const folder of ["efi", "kernel", "services"]) made.folder(`${release}/${folder}`);
  const { kernel, loaderPath } = boot;
  if (kernel !== undefined) made.link(`${release}/kernel/${KERNEL_NAME}`, kernel);
  const loader = image.entries.find(({ path }) => path === loaderPath);
  if (loader?.kind === "file") made.link(`${release}/efi/BOOTX64.EFI`, loader);
  const manifest = {
    version: 1,
    release: image.release,
    created: createdS,
    kernel: kernel === undefined ? null : `/${kernel.path}`,
    initrd: boot.initrd === undefined ? null : `/${boot.initrd.path}`,
  };
  made.file(`${release}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
  made.symlink("sysroot/current", `releases/${word}`);
  made.symlink("sysroot/previous", `releases/${word}`);
}

/** Name, zone and locale: as they were asked for, and where the image says nothing. */
function addIdentity(made: Generated, content: SystemContent, record: FirstBootRecord): void {
  const { image, firstBoot } = content;
  const has = new Set(image.entries.map(({ path }) => path));
  const wants = (asked: unknown, path: string) => asked !== undefined || !has.has(path);
  if (wants(firstBoot.machineName, "etc/hostname")) {
    made.file("etc/hostname", `${record.machine_name}\n`);
  }
  if (wants(firstBoot.timeZone, "etc/timezone")) made.file("etc/timezone", `${record.time_zone}\n`);
  if (wants(firstBoot.timeZone, "etc/localtime")) {
    made.symlink("etc/localtime", `/usr/share/zoneinfo/${record.time_zone}`);
  }
  if (wants(firstBoot.locale, "etc/locale.conf")) {
    made.file("etc/locale.conf", `LANG=${record.locale}\n`);
  }
}

/** Entries that no image brings: root's, of one time. */
export class Generated {
  readonly entries: ImageEntry[] = [];
  readonly #there = new Set<string>();
  readonly #common: Pick<ImageEntry, "uid" | "gid" | "mtimeNs" | "sizeBytes">;

  constructor(createdS: number) {
    this.#common = { uid: 0, gid: 0, mtimeNs: BigInt(createdS) * 1_000_000_000n, sizeBytes: 0 };
  }

  folder(path: string): void {
    this.#parents(`${path}/`);
  }

  file(path: string, content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.#add(path, {
      kind: "file",
      mode: 0o644,
      sizeBytes: bytes.length,
      open: () => memoryReader(bytes),
    });
  }

  /** A file whose content is made when it is read. */
  late(path: string, sizeBytes: number, make: () => Uint8Array): void {
    this.#add(path, { kind: "file", mode: 0o644, sizeBytes, open: () => memoryReader(make()) });
  }

  symlink(path: string, target: string): void {
    this.#add(path, { kind: "symlink", mode: 0o777, target });
  }

  link(path: string, { path: target, mode, uid, gid, mtimeNs }: ImageEntry): void {
    this.#add(path, { kind: "link", target, mode, uid, gid, mtimeNs });
  }

  #add(path: string, entry: Partial<ImageEntry> & Pick<ImageEntry, "kind" | "mode">): void {
    this.#parents(path);
    this.#there.add(path);
    this.entries.push({ ...this.#common, path, ...entry });
  }

  #parents(path: string): void {
    for (let end = path.indexOf("/"); end > 0; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end);
      if (this.#there.has(folder)) continue;
      this.#there.add(folder);
      this.entries.push({ ...this.#common, path: folder, kind: "directory", mode: 0o755 });
    }
  }
}
