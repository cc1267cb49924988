/**
 * Bugs planted into the flows of generations. The product has no switch for them: the test gives it
 * a filesystem, a store, a region or a state machine that leaves out what a careless edit would.
 */
import type { FileSystem } from "../../../host/core/files.ts";
import type { ControlChange, GenerationsOptions } from "../../../host/system/boot/generations.ts";
import type { DataGrant } from "../../../host/system/boot/kernel.ts";
import { transition } from "../../../host/system/boot/transition.ts";

export type FlowBug =
  | "flows-select-late"
  | "flows-old-token"
  | "flows-no-decrement"
  | "flows-markers-apart"
  | "flows-stage-early"
  | "flows-split-commit";

/** One machine's flows with a bug in them, or without. */
export class PlantedFlows {
  readonly #bug: FlowBug | undefined;
  /** The event that is being carried out. */
  #event: ControlChange["event"] | undefined;
  #late: (() => void)[] = [];

  constructor(bug: string | undefined) {
    this.#bug = bug as FlowBug | undefined;
  }

  observe(change: ControlChange): void {
    this.#event = change.event;
  }

  options(): Pick<GenerationsOptions, "transition"> {
    if (this.#bug === "flows-old-token") {
      return {
        transition: (control, event, profile) => {
          const current = { ...event, token: control.bootToken } as typeof event;
          return transition(control, event.type === "select" ? event : current, profile);
        },
      };
    }
    if (this.#bug !== "flows-no-decrement") return {};
    return {
      transition: (control, event, profile) => {
        const answer = transition(control, event, profile);
        if ("refused" in answer || answer.boot?.kind !== "candidate") return answer;
        return { ...answer, control: { ...answer.control, triesLeft: control.triesLeft } };
      },
    };
  }

  grant(grant: DataGrant): DataGrant {
    const { config, store, region } = grant;
    const { root } = config;
    switch (this.#bug) {
      case "flows-select-late": {
        const sync = () => this.#event !== "select" && config.files.sync();
        return { ...grant, config: { root, files: but(config.files, { sync }) } };
      }
      case "flows-split-commit":
        return { ...grant, config: { root, files: but(config.files, { begin: () => {} }) } };
      case "flows-markers-apart":
        return { ...grant, config: { root, files: this.#markersApart(config.files) } };
      case "flows-stage-early": {
        const sync = () => {
          config.files.sync();
          store.commit();
        };
        const late = { store: but(store, { commit: () => {} }) };
        const still = but(region, { rest: () => {} });
        return {
          ...grant,
          ...late,
          region: still,
          config: { root, files: but(config.files, { sync }) },
        };
      }
      default:
        return grant;
    }
  }

  /** Marker files are written once the commit that they belong to is durable, in another one. */
  #markersApart(files: FileSystem): FileSystem {
    return but(files, {
      writeFile: (path: string, data: Uint8Array) => {
        if (path.startsWith("/system/config/")) this.#late.push(() => files.writeFile(path, data));
        else files.writeFile(path, data);
      },
      sync: () => {
        files.sync();
        const late = this.#late.splice(0);
        for (const write of late) write();
        if (late.length > 0) files.sync();
      },
    });
  }
}

/** `target`, but for some of its methods. */
function but<T extends object>(target: T, instead: Readonly<Record<string, unknown>>): T {
  return new Proxy(target, {
    get(it, name) {
      if (typeof name === "string" && name in instead) return instead[name];
      const value: unknown = Reflect.get(it, name, it);
      return typeof value === "function" ? value.bind(it) : value;
    },
  });
}
