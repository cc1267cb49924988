/**
 * The modules as the simulator runs them: one instance per subject, whose clock stands still and
 * whose randomness a seed decides, over one simulated disk at a time.
 */
import { readFileSync } from "node:fs";
import { ownEnvironment } from "../../../host/core/imports.ts";
import { Core, type ModuleName } from "../../../host/core/load.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import type { SubjectOptions } from "../subject.ts";
import type { SimDisk } from "./disk.ts";
import { Random } from "./random.ts";

/** What the clock of the simulated machine says, ns since 1970. */
export const CLOCK = 1_700_000_000_000_000_000n;
/** An instance whose arena has grown past this is replaced: a leak would end here. */
const ARENA_MAX = 96 << 20;

const testModules = new Map<ModuleName, WebAssembly.Module>();

function moduleWithPlants(name: ModuleName): WebAssembly.Module {
  const path = new URL(`../../../build/${name}.test.wasm`, import.meta.url);
  const module = testModules.get(name) ?? new WebAssembly.Module(readFileSync(path));
  testModules.set(name, module);
  return module;
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
      this.#core = new Core({ environment, module: moduleWithPlants("core") });
      plantIn(this.#core, this.#plant);
    }
  }
}

/** An instance of media.wasm with that bug switched on, and the same clock. */
export function mediaMachine({ plant }: SubjectOptions): MediaCore {
  const environment = { ...ownEnvironment, clock: () => CLOCK };
  if (plant === undefined) return new MediaCore({ environment });
  const media = new MediaCore({ environment, module: moduleWithPlants("media") });
  plantIn(media, plant.id);
  return media;
}

function plantIn(instance: { readonly exports: unknown }, id: number): void {
  (instance.exports as { plant(id: number): void }).plant(id);
}
