/**
 * Loads a module of the product and gives each caller an instance of its own: the class Core, and
 * what Core shares with the other module's class.
 */
import { instantiateSync } from "@assemblyscript/loader";
import {
  ABI_VERSION,
  FAULT_CODE,
  FAULT_DETAIL,
  FAULT_DEVICE,
  FAULT_LBA,
  FAULT_REASON,
  Reason,
} from "../../assembly/format/abi.ts";
import { type Fault, failure, StorageError, type StorageErrorOptions } from "../base/errors.ts";
import { bytesOf, packageFile } from "../base/platform/package.ts";
import type { BlockDevice } from "../device/device.ts";
import type { CoreExports, EngineExports } from "./exports.ts";
import { type Environment, HostImports, ownEnvironment } from "./imports.ts";
import { CoreMemory } from "./memory.ts";

/** Reasons behind which a device's own error stands. */
const CAUSED: readonly string[] = ["DEVICE_ERROR", "SHORT_TRANSFER", "BAD_STATUS", "LATCHED"];

/** The modules of the product. */
export const MODULE_NAMES = ["core", "media"] as const;
export type ModuleName = (typeof MODULE_NAMES)[number];

/** Where a module comes from: an address or answer of the web, its bytes, or compiled already. */
export type ModuleSource = URL | string | Response | BufferSource | WebAssembly.Module;
export type ModuleSources = { readonly [Name in ModuleName]?: ModuleSource | undefined };

const modules = new Map<string, WebAssembly.Module>();

/** A module of the product, compiled once in a process: "core" or "media". */
export function productModule(name: ModuleName): WebAssembly.Module {
  const known = modules.get(name);
  if (known !== undefined) return known;
  const module = new WebAssembly.Module(packageFile(`${name}.wasm`) as BufferSource);
  modules.set(name, module);
  return module;
}

/** The modules that are compiled already, for another thread to take. */
export function loadedModules(): { readonly [Name in ModuleName]?: WebAssembly.Module } {
  return Object.fromEntries(modules);
}

/**
 * Loads the modules, so that `new Core()` and `new MediaCore()` work at once from then on. Where
 * there is Node this is not needed: there they are read from the package when they are first used.
 *
 * @param sources what is not in it is loaded as without this call
 * @throws {StorageError} EIO: a module cannot be fetched or is none; and what fetch() throws
 */
export async function loadModules(sources: ModuleSources): Promise<void> {
  await Promise.all(
    MODULE_NAMES.map(async (name) => {
      const source = sources[name];
      if (source !== undefined) modules.set(name, await compiled(name, source));
    }),
  );
}

async function compiled(name: ModuleName, source: ModuleSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  try {
    return await WebAssembly.compile(await bytesOf(source, `${name}.wasm`));
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw failure("EIO", "load", `${name}.wasm cannot be loaded: ${why}`, { cause });
  }
}

export interface CoreOptions {
  /** Another build of the module. */
  readonly module?: WebAssembly.Module;
  readonly environment?: Environment;
}

/** One instance of a module: its exports, its memory, and the devices it may reach. */
export abstract class Instance<Exports extends EngineExports> {
  readonly exports: Exports;
  readonly memory: CoreMemory;
  /** Clock, randomness and native hash, as the module has them. */
  readonly environment: Environment;
  readonly #imports: HostImports;

  protected constructor(name: ModuleName, options: CoreOptions) {
    this.environment = options.environment ?? ownEnvironment;
    this.#imports = new HostImports(this.environment);
    const instance = instantiateSync<Exports>(options.module ?? productModule(name), {
      host: this.#imports.module(),
    });
    // The loader wraps each function; the raw instance spares hot calls the detour.
    this.exports = instance.instance.exports as unknown as Exports;
    this.memory = new CoreMemory(this.exports);
    this.#imports.memory = this.memory;
    const version = this.exports.abiVersion();
    if (version !== ABI_VERSION) {
      const message = `ABI ${version} of ${name}.wasm, this host speaks ${ABI_VERSION}.`;
      throw failure("EOPNOTSUPP", "load", message);
    }
  }

  /** Makes a device reachable for this instance; the number is what the core knows it by. */
  attach(device: BlockDevice): number {
    return this.#imports.attach(device);
  }

  detach(id: number): void {
    this.#imports.detach(id);
  }

  device(id: number): BlockDevice | undefined {
    return this.#imports.device(id);
  }

  /** Returns `result`, a count or a handle, or throws what the core's fault report tells. */
  check(result: number, syscall: string, options: StorageErrorOptions = {}): number {
    if (result >= 0) return result;
    throw this.error(result, syscall, options);
  }

  /** The error for a negative `result`, with the place and reason of the core's fault report. */
  error(result: number, syscall: string, options: StorageErrorOptions = {}): StorageError {
    const fault = this.#fault(result);
    const cause =
      options.cause ?? (CAUSED.includes(fault?.reason ?? "") ? this.#cause() : undefined);
    return new StorageError(result, syscall, { ...options, fault: options.fault ?? fault, cause });
  }

  #fault(result: number): Fault | undefined {
    const { view } = this.memory;
    const at = this.exports.faultAddress() >>> 0;
    const reason = view.getUint32(at + FAULT_REASON, true);
    if (view.getInt32(at + FAULT_CODE, true) !== result || reason === Reason.NONE) return undefined;
    const id = view.getUint32(at + FAULT_DEVICE, true);
    return {
      reason: Reason[reason] ?? `reason ${reason}`,
      device: this.device(id)?.name ?? `device ${id}`,
      lba: Number(view.getBigUint64(at + FAULT_LBA, true)),
      detail: view.getUint32(at + FAULT_DETAIL, true),
    };
  }

  #cause(): unknown {
    const cause = this.#imports.lastCause;
    this.#imports.lastCause = undefined;
    return cause;
  }
}

/** One instance of core.wasm. */
export class Core extends Instance<CoreExports> {
  constructor(options: CoreOptions = {}) {
    super("core", options);
  }
}
