/**
 * /var/rayos/policy/rayos-policy.toml, version 0: typed, written by hand so that it reads as a
 * page, read strictly: unknown keys, wrong types and paths that leave the tree are refused.
 */
import { parse } from "smol-toml";
import { failure, StorageError } from "../../base/errors.ts";
import { checkJson } from "../json/check.ts";
import { policySchema } from "./schema.ts";

export type GuestNetworking = "off" | "on" | "provisioning_only";

export interface GuestPolicy {
  readonly enabled: boolean;
  readonly vm_id: string;
  readonly autoboot: boolean;
  readonly present_on_boot: boolean;
  readonly networking: GuestNetworking;
  readonly limits: { readonly cpus: number; readonly mem_mib: number };
}

export interface RayosPolicy {
  readonly version: 0;
  readonly defaults: {
    readonly networking: "off" | "on";
    readonly present_on_boot: boolean;
    readonly autoboot_vms: boolean;
  };
  readonly limits: { readonly cpu_percent: number; readonly mem_mib: number };
  readonly logging: {
    readonly level: "error" | "warn" | "info" | "debug" | "trace";
    readonly persist: boolean;
  };
  readonly linux: GuestPolicy & {
    readonly storage: { readonly root_disk: string };
    readonly devices: { readonly input: boolean; readonly gpu: "virtio" | "none" };
  };
  readonly windows: GuestPolicy & {
    readonly storage: {
      readonly disk: string;
      readonly ovmf_vars: string;
      readonly vtpm_state_dir: string;
    };
    readonly devices: {
      readonly input: boolean;
      readonly gpu: "virtio" | "none";
      readonly vtpm: boolean;
    };
  };
}

export interface PolicyChoices {
  readonly linuxId: string;
  readonly windowsId: string;
  readonly networking: boolean;
  readonly autoboot: boolean;
}

/** The policy of a new system: networking off, Linux on, Windows off, unless chosen otherwise. */
export function defaultPolicy(choices: PolicyChoices): RayosPolicy {
  const { linuxId, windowsId, autoboot } = choices;
  const networking = choices.networking ? "on" : "off";
  return {
    version: 0,
    defaults: { networking, present_on_boot: false, autoboot_vms: autoboot },
    limits: { cpu_percent: 80, mem_mib: 12_288 },
    logging: { level: "info", persist: true },
    linux: {
      enabled: true,
      vm_id: linuxId,
      autoboot,
      present_on_boot: false,
      networking,
      limits: { cpus: 2, mem_mib: 4096 },
      storage: { root_disk: `vm/linux/${linuxId}/rootfs.ext4` },
      devices: { input: true, gpu: "virtio" },
    },
    windows: {
      enabled: false,
      vm_id: windowsId,
      autoboot: false,
      present_on_boot: false,
      networking,
      limits: { cpus: 4, mem_mib: 8192 },
      storage: {
        disk: `vm/windows/${windowsId}/disk.qcow2`,
        ovmf_vars: `vm/windows/${windowsId}/ovmf_vars.fd`,
        vtpm_state_dir: `vm/windows/${windowsId}/tpm`,
      },
      devices: { input: true, gpu: "virtio", vtpm: true },
    },
  };
}

/** The TOML text. @throws {StorageError} EINVAL: the policy breaks a rule */
export function encodePolicy(policy: RayosPolicy): Uint8Array {
  check(policy, "EINVAL");
  const lines: string[] = [];
  table(lines, "", policy as unknown as Record<string, unknown>);
  return new TextEncoder().encode(`${lines.join("\n").trim()}\n`);
}

/** @throws {StorageError} EBADMSG: no TOML, an unknown key, a value that breaks a rule */
export function decodePolicy(data: Uint8Array): RayosPolicy {
  let value: unknown;
  try {
    value = parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    throw failure("EBADMSG", "read", `the policy is not TOML: ${why}.`, { cause });
  }
  check(value, "EBADMSG");
  return value as RayosPolicy;
}

function check(value: unknown, code: "EINVAL" | "EBADMSG"): void {
  try {
    checkJson(policySchema, value);
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    const why = cause.message.replace(/^E[A-Z]+: /, "");
    throw failure(code, "policy", `the policy: ${why}`, { cause });
  }
  const { windows } = value as RayosPolicy;
  if (windows.enabled && !windows.devices.vtpm) {
    throw failure(code, "policy", "the policy: windows.devices.vtpm must be true where enabled.");
  }
}

/** Values first, then the tables: what TOML asks for. */
function table(lines: string[], name: string, value: Readonly<Record<string, unknown>>): void {
  const fields = Object.entries(value);
  const isTable = (inner: unknown) => typeof inner === "object";
  if (name !== "") lines.push("", `[${name}]`);
  for (const [key, inner] of fields) {
    // JSON's form of a text, a number and a boolean is TOML's too.
    if (!isTable(inner)) lines.push(`${key} = ${JSON.stringify(inner)}`);
  }
  for (const [key, inner] of fields) {
    if (!isTable(inner)) continue;
    table(lines, name === "" ? key : `${name}.${key}`, inner as Record<string, unknown>);
  }
}
