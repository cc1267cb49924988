/**
 * The core as the simulator runs it: one instance per subject, whose clock stands still and whose
 * randomness a seed decides, over one simulated disk at a time.
 */
import { readFileSync } from "node:fs";
import { ownEnvironment } from "../../../host/core/imports.ts";
import { Core } from "../../../host/core/load.ts";
import type { SubjectOptions } from "../subject.ts";
import type { SimDisk } from "./disk.ts";
import { Random } from "./random.ts";

/** What the clock of the simulated machine says, ns since 1970. */
export const CLOCK = 1_700_000_000_000_000_000n;
/** An instance whose arena has grown past this is replaced: a leak would end here. */
const ARENA_MAX = 96 << 20;

let testModule: WebAssembly.Module | undefined;

function moduleWithPlants(): WebAssembly.Module {
  const path = new URL("../../../build/core.test.wasm", import.meta.url);
  testModule ??= new WebAssembly.Module(readFileSync(path));
  return testModule;
}

export class Machine {
  readonly #plant: number;
  #core: Core | undefined;
  #random = new Random(0);
  #disk: SimDisk | undefined;
  #device = 0;

  constructor(options: SubjectOptions) {
    this.#plant = options.plant?.id ?? 0;
  }

  /** Bytes that the instance's arena has taken. */
  get arenaUsedBytes(): number {
    return this.#core?.exports.arenaUsedBytes() ?? 0;
  }

  /** Makes `disk` the machine's only one; `seed` decides the random bytes from here on. */
  boot(disk: SimDisk, seed: number): { readonly core: Core; readonly device: number } {
    this.#random = new Random(seed);
    if (this.#core === undefined || this.arenaUsedBytes > ARENA_MAX) this.#renew();
    const core = this.#core as Core;
    if (this.#disk !== disk) {
      if (this.#disk !== undefined) core.detach(this.#device);
      this.#disk = disk;
      this.#device = core.attach(disk);
    }
    return { core, device: this.#device };
  }

  /** Forgets an instance that a trap or a violation may have left in any state. */
  scrap(): void {
    this.#core = undefined;
    this.#disk = undefined;
  }

  #renew(): void {
    const environment = {
      ...ownEnvironment,
      clock: () => CLOCK,
      random: (into: Uint8Array) => this.#random.fill(into),
    };
    this.#disk = undefined;
    if (this.#plant === 0) this.#core = new Core({ environment });
    else {
      this.#core = new Core({ environment, module: moduleWithPlants() });
      const { plant } = this.#core.exports as unknown as { plant(id: number): void };
      plant(this.#plant);
    }
  }
}
