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
    const { root, files } = config;
    const withFiles = (instead: Partial<FileSystem>) => {
      return { ...grant, config: { root, files: but(files, instead) } };
    };
    switch (this.#bug) {
      case "flows-select-late": {
        const atomically: Change = (change, room) => {
          if (this.#event === "select") change();
          else files.atomically(change, room);
        };
        return withFiles({ atomically });
      }
      case "flows-split-commit": {
        const atomically: Change = (change) => {
          change();
          files.sync();
        };
        const setControl = (block: Uint8Array) => {
          files.sync();
          files.setControl(block);
        };
        return withFiles({ atomically, setControl });
      }
      case "flows-markers-apart":
        return withFiles(this.#markersApart(files));
      case "flows-stage-early": {
        const atomically: Change = (change, room) => {
          files.atomically(change, room);
          store.commit();
        };
        const nothing = () => {};
        const late = {
          store: but(store, { commit: nothing }),
          region: but(region, { rest: nothing }),
        };
        return { ...withFiles({ atomically }), ...late };
      }
      default:
        return grant;
    }
  }

  /** Marker files are written once the commit that they belong to is durable, in another one. */
  #markersApart(files: FileSystem): Partial<FileSystem> {
    const late: (() => void)[] = [];
    return {
      writeFile: (path, data) => {
        if (String(path).startsWith("/system/config/")) {
          late.push(() => files.writeFile(path, data));
        } else {
          files.writeFile(path, data);
        }
      },
      atomically: (change, room) => {
        files.atomically(change, room);
        for (const write of late.splice(0)) write();
        files.sync();
      },
    };
  }
}

type Change = FileSystem["atomically"];

/** `target`, but for some of its methods. */
function but<T extends object>(target: T, instead: Partial<T>): T {
  return new Proxy(target, {
    get(it, name) {
      const value: unknown = Reflect.get(name in instead ? instead : it, name);
      return typeof value === "function" ? value.bind(it) : value;
    },
  });
}
