/** /var/rayos/vm/registry.json: the virtual machines of an installed system. */
import { failure, StorageError } from "../../base/errors.ts";
import { checkJson } from "../json/check.ts";
import { parseJson } from "../json/text.ts";
import { diskPathSchema, vmRegistrySchema, vmSchema } from "./schema.ts";

export interface VmRecord {
  readonly id: string;
  readonly name: string;
  readonly type: "linux" | "windows";
  readonly state: "stopped" | "running" | "suspended" | "hibernated";
  /** Paths from /var/rayos. */
  readonly storage: {
    readonly disks: Readonly<Record<string, string>>;
    readonly ovmf_vars?: string;
    readonly tpm_state?: string;
  };
  readonly devices: {
    readonly vcpu: number;
    readonly memory_mb: number;
    readonly network: { readonly enabled: boolean; readonly profile?: string };
    readonly tpm?: { readonly enabled: boolean };
  };
  readonly policy_profile: string;
}

export interface VmRegistry {
  readonly version: 1;
  readonly vms: Readonly<Record<string, VmRecord>>;
}

/** What a new system has: one Linux and one Windows machine, both without a disk image yet. */
export function placeholderVms(
  linuxId: string,
  windowsId: string,
  networking: boolean,
): VmRegistry {
  const folder = (type: string, id: string) => `vm/${type}/${id}`;
  const linux: VmRecord = {
    id: linuxId,
    name: "Linux",
    type: "linux",
    state: "stopped",
    storage: { disks: { root: `${folder("linux", linuxId)}/rootfs.ext4` } },
    devices: { vcpu: 2, memory_mb: 4096, network: { enabled: networking } },
    policy_profile: "default-linux",
  };
  const windows: VmRecord = {
    id: windowsId,
    name: "Windows",
    type: "windows",
    state: "stopped",
    storage: {
      disks: { system: `${folder("windows", windowsId)}/disk.qcow2` },
      ovmf_vars: `${folder("windows", windowsId)}/ovmf_vars.fd`,
      tpm_state: `${folder("windows", windowsId)}/tpm`,
    },
    devices: {
      vcpu: 4,
      memory_mb: 8192,
      network: { enabled: networking },
      tpm: { enabled: true },
    },
    policy_profile: "default-windows",
  };
  return { version: 1, vms: { [linuxId]: linux, [windowsId]: windows } };
}

export function encodeVmRegistry(registry: VmRegistry): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(registry, null, 2)}\n`);
}

/** @throws {StorageError} EBADMSG: not what the schema and the rules say, with the field */
export function decodeVmRegistry(data: Uint8Array): VmRegistry {
  try {
    const value = parseJson(data);
    checkJson(vmRegistrySchema, value);
    const registry = value as VmRegistry;
    for (const [key, record] of Object.entries(registry.vms)) {
      checkJson(vmSchema, record);
      if (record.id !== key)
        throw failure("EBADMSG", "read", `vms.${key} has the id ${record.id}.`);
      for (const path of Object.values(record.storage.disks)) checkJson(diskPathSchema, path);
    }
    return registry;
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    const why = cause.message.replace(/^E[A-Z]+: /, "");
    throw failure("EBADMSG", "read", `the VM registry: ${why}`, { cause });
  }
}
