/** Services for tests: built modules, a region to run them over, and modules written as text. */
import { readFileSync } from "node:fs";
import binaryen from "binaryen";
import type { FileSystem } from "../../host/core/files.ts";
import type { Capability } from "../../host/system/caps/base/grant.ts";
import { ConsoleCap, ConsoleLog } from "../../host/system/caps/console.ts";
import { DirectoryCap } from "../../host/system/caps/directory.ts";
import { unwrap } from "../../host/system/caps/outcome.ts";
import { StoreCap } from "../../host/system/caps/store.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import {
  consolePrefix,
  runService,
  type ServiceOptions,
  type ServiceReport,
} from "../../host/system/service/runner.ts";
import { Fixture } from "./store.ts";

/** A module of build/services. "testing/hang" and the like are there in the test build. */
export function builtService(name: string): Uint8Array {
  const url = new URL(`../../build/services/${name}.wasm`, import.meta.url);
  // A Buffer's slice() is no copy.
  return new Uint8Array(readFileSync(url));
}

/** The binary of a module in the text format, as it stands: nothing is optimized. */
export function wat(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  try {
    module.setFeatures(
      binaryen.Features.All &
        ~(binaryen.Features.GC | binaryen.Features.Strings | binaryen.Features.Memory64),
    );
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

/** A region with an empty system/config, and the console of its machine. */
export class ServiceMachine {
  readonly region = new Fixture({ size: "32MiB", files: true });
  readonly lines: string[] = [];
  readonly log = new ConsoleLog((line) => this.lines.push(line));

  constructor() {
    this.files.mkdir("/system/config", { recursive: true });
  }

  get files(): FileSystem {
    const { files } = this.region.region;
    if (files === null) throw new Error("the region has no files");
    return files;
  }

  get config(): DirectoryCap {
    const tree = new FilesTree(this.files);
    return unwrap(DirectoryCap.over(tree, { path: "system/config" }), "open");
  }

  get store(): StoreCap {
    return StoreCap.over(this.region.store);
  }

  console(name: string): ConsoleCap {
    return ConsoleCap.over(this.log, { name, prefix: consolePrefix(name) });
  }

  /** Runs a built service with console, config and store, or with other capabilities. */
  run(name: string, options: Partial<ServiceOptions> = {}): ServiceReport {
    const caps: Record<string, Capability> = {
      console: this.console(name),
      config: this.config,
      store: this.store,
    };
    const module = options.module ?? builtService(name);
    return runService({ name, caps, ...options, module });
  }
}

/** Files as a service finds them in its config. */
export function packed(files: readonly Uint8Array[]): Uint8Array {
  const size = files.reduce((sum, file) => sum + 4 + file.length, 4);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length, true);
  let at = 4;
  for (const file of files) {
    view.setUint32(at, file.length, true);
    bytes.set(file, at + 4);
    at += 4 + file.length;
  }
  return bytes;
}
