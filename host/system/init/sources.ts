/**
 * Where the capabilities of services come from: each source of a manifest to the object that the
 * service gets. What is not there is refused by name; nothing is handed out in its place.
 */
import { openImage } from "../../core/files.ts";
import type { Core } from "../../core/load.ts";
import type { CapRequest } from "../../format/manifest.ts";
import { retainedHashes } from "../boot/collect.ts";
import type { AttachedDisk } from "../boot/firmware.ts";
import type { Generations } from "../boot/generations.ts";
import type { DataGrant } from "../boot/kernel.ts";
import type { Capability } from "../caps/base/grant.ts";
import { type Outcome, OutcomeError, ok, refused } from "../caps/base/outcome.ts";
import type { Tree } from "../caps/base/tree.ts";
import { MemoryBindings } from "../caps/bindings.ts";
import { BlockCap } from "../caps/block.ts";
import { ConsoleCap, type ConsoleLog } from "../caps/console.ts";
import { DirectoryCap } from "../caps/directory.ts";
import { NamespaceCap } from "../caps/namespace.ts";
import { type ObjectBackend, StoreCap } from "../caps/store.ts";
import { FilesTree } from "../caps/tree/files.ts";
import { consolePrefix } from "../service/runner.ts";
import { GuardedTree } from "./guarded.ts";

/** Where a medium has its packaged images. */
const IMAGE_FOLDER = "boot/bins";

export interface SourceContext {
  readonly core: Core;
  readonly log: ConsoleLog;
  /** Undefined: the base floor. */
  readonly grant: DataGrant | undefined;
  readonly generations: Generations | undefined;
  /** Whether the boot has passed its health checkpoint. */
  readonly healthy: () => boolean;
  /** All disks but the CD-ROM. */
  readonly disks: readonly AttachedDisk[];
  /** The disk that booted: nobody's target. */
  readonly bootDisk: AttachedDisk;
  /** The volume of the CD-ROM. */
  readonly imageSource: Tree | undefined;
}

/** The sources of one boot: what they share, such as names in memory, lives as long as it. */
export class Sources {
  readonly #context: SourceContext;
  readonly #names = new MemoryBindings();

  constructor(context: SourceContext) {
    this.#context = context;
  }

  /** The capabilities of one service, by the names it looks up; or the first that is not there. */
  grantAll(service: string, requests: readonly CapRequest[]): Outcome<Record<string, Capability>> {
    const granted: [string, Capability][] = [];
    for (const request of requests) {
      const cap = this.#grant(service, request);
      if (cap.ok) granted.push([request.name, cap.value]);
      else {
        for (const [, other] of granted) other.revoke("the service was not started");
        return refused(cap.code, `capability '${request.name}': ${cap.reason}`);
      }
    }
    return ok(Object.fromEntries(granted));
  }

  #grant(service: string, { source, target }: CapRequest): Outcome<Capability> {
    const { grant, log, imageSource } = this.#context;
    switch (source) {
      case "console":
        return ok(ConsoleCap.over(log, { name: service, prefix: consolePrefix(service) }));
      case "namespace":
        return ok(NamespaceCap.over(this.#names));
      case "writable_fs_root":
        return grant === undefined ? noRegion(source) : this.#config(grant);
      case "persistent_store":
        return grant === undefined ? noRegion(source) : ok(this.#store(grant));
      case "installable_image_source":
        if (imageSource === undefined) return refused("not-found", `${source}: no CD-ROM is there`);
        return DirectoryCap.over(imageSource, { path: IMAGE_FOLDER, readOnly: true });
      case "block_device_target":
        return this.#device(source, target, false);
      case "block_device":
        return this.#device(source, target, true);
      case "read_only_fs_root":
        return this.#image(source, target);
    }
  }

  #config({ config, readOnly }: DataGrant): Outcome<DirectoryCap> {
    const { generations, healthy } = this.#context;
    const place = config.root.slice(1).split("/");
    const files = new FilesTree(config.files);
    const tree =
      generations === undefined ? files : new GuardedTree(files, { place, generations, healthy });
    return DirectoryCap.over(tree, { path: place.join("/"), readOnly });
  }

  #store({ store, readOnly }: DataGrant): StoreCap {
    const { generations } = this.#context;
    const backend: ObjectBackend = {
      put: (bytes) => store.put(bytes),
      get: (hash) => store.get(hash),
      readInto: (hash, into, offset) => store.readInto(hash, into, offset),
      has: (hash) => store.has(hash),
      length: (hash) => store.length(hash),
      delete: (hash) => {
        if (generations !== undefined && retainedHashes(generations, store).has(hash)) {
          throw new OutcomeError("conflict", "delete", "a generation needs this object");
        }
        store.delete(hash);
      },
      commit: () => store.commit(),
    };
    const cap = StoreCap.over(backend);
    return readOnly ? cap.readOnly() : cap;
  }

  #device(source: string, target: string | undefined, readOnly: boolean): Outcome<BlockCap> {
    const found = this.#find(source, target);
    return found.ok ? BlockCap.over(found.value.device, { readOnly }) : found;
  }

  #image(source: string, target: string | undefined): Outcome<DirectoryCap> {
    const found = this.#find(source, target);
    if (!found.ok) return found;
    const files = openImage(this.#context.core, found.value.id);
    return DirectoryCap.over(new FilesTree(files), { readOnly: true });
  }

  /** The disk of a PCI identity; never the one that booted. */
  #find(source: string, target: string | undefined): Outcome<AttachedDisk> {
    const { disks, bootDisk } = this.#context;
    const others = disks.filter((disk) => disk !== bootDisk);
    const found =
      target === undefined ? others[0] : disks.find(({ device }) => device.identity.pci === target);
    if (found === undefined) {
      return refused("not-found", `${source}: no disk is at ${target ?? "any other place"}`);
    }
    if (found === bootDisk) return refused("denied", `${source}: ${target} is the boot disk`);
    return ok(found);
  }
}

function noRegion(source: string): Outcome<never> {
  return refused("not-found", `${source}: no data region`);
}
