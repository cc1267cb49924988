/**
 * What the worker answers: one person, one open disk, one action at a time. After every action the
 * state is looked up anew on the disk itself, so that the page shows what is there.
 */
import { failure, type StorageError } from "../../base/errors.ts";
import { parseSize } from "../../base/size.ts";
import { type ProgressEvent, run } from "../../base/work.ts";
import type { InstallPlan } from "../../system/install/plan.ts";
import type { FlowReport } from "../../system/update/flows.ts";
import type {
  Activity,
  Api,
  FlowSummary,
  Notice,
  OpenDisk,
  Payload,
  PayloadFacts,
  State,
} from "../rpc/api.ts";
import type { CallContext, Handlers } from "../rpc/server.ts";
import { storageFacts } from "./facts.ts";
import { Browser } from "./look.ts";
import { recipeOf } from "./payload/recipe.ts";
import { problemReport } from "./report.ts";
import { Session } from "./session.ts";
import { lossOf, putBack, type Shelf } from "./shelf/shelf.ts";
import { packed, uploaded } from "./transfer.ts";

/** Progress within a step is told this often: more would be drawn by nobody. */
const TELL_MS = 100;

/** Problems that are remembered for a report. */
const PROBLEMS_MAX = 10;

type Context = CallContext<Activity>;

export class Desk {
  readonly #shelf: Shelf;
  readonly #tell: (notice: Notice) => void;
  #session: Session | undefined;
  #busy: string | undefined;
  /** What was last planned for the open disk. */
  #plan: InstallPlan | undefined;
  /** Told since the worker began, for a report. */
  readonly #problems: string[] = [];

  constructor(shelf: Shelf, tell: (notice: Notice) => void) {
    this.#shelf = shelf;
    this.#tell = tell;
  }

  /** The calls of the page. */
  handlers(): Handlers<Api> {
    return {
      start: () => this.#state(),
      refresh: () => this.#do("Looking", async () => undefined),
      create: ({ name, size }) =>
        this.#do("Making the disk", () => this.#shelf.create(name, parseSize(size))),
      remove: ({ name }) => this.#do("Deleting the disk", () => this.#remove(name)),
      open: ({ name, readOnly }) => this.#do("Opening the disk", () => this.#open(name, readOnly)),
      upload: ({ file }) => this.#do("Opening the file", () => this.#upload(file)),
      close: () => this.#do("Closing the disk", () => this.#close()),
      prepare: ({ payload, erase }, context) =>
        this.#do("Preparing", () => this.#prepare(payload, erase, context)),
      install: ({ erase }, context) => this.#do("Installing", () => this.#install(erase, context)),
      discard: () => this.#do("Discarding the payload", () => this.#discard()),
      boot: () => this.#do("Booting", () => this.#boot()),
      provision: ({ hostname }) => this.#flow("Provisioning", (disk) => disk.provision(hostname)),
      update: ({ hostname, failing }) =>
        this.#flow("Updating", (disk) => disk.update(hostname, failing)),
      rollback: ({ to }) => this.#flow("Rolling back", (disk) => disk.rollback(to)),
      cancel: () => this.#flow("Cancelling", (disk) => disk.cancel()),
      recover: () => this.#flow("Ending recovery", (disk) => disk.recover()),
      cut: () => this.#cut(),
      cutNext: ({ armed }) => this.#do("Arming the plug", async () => this.#live().armCut(armed)),
      powerOn: () => this.#do("Switching on", () => this.#powerOn()),
      list: ({ volume, path }) => new Browser(this.#live()).list(volume, path),
      readFile: ({ volume, path, offset, length }) =>
        new Browser(this.#live()).readFile(volume, path, offset, length),
      objects: ({ volume, after }) => new Browser(this.#live()).objects(volume, after),
      readObject: ({ volume, hash, offset, length }) =>
        new Browser(this.#live()).readObject(volume, hash, offset, length),
      verify: ({ repair }, context) =>
        this.#do(repair ? "Repairing" : "Verifying", () =>
          this.#live().verify(repair, this.#options("Verifying", context)),
        ),
      download: ({ packed: isPacked }, context) =>
        this.#do("Preparing the download", () => this.#download(isPacked, context)),
      report: async ({ problem }) => problemReport(problem, await this.#state(), this.#problems),
    };
  }

  /** One action at a time; the state is told afterwards, also when it failed. */
  async #do<T>(title: string, act: () => Promise<T>): Promise<T> {
    if (this.#busy !== undefined) {
      const hint = "Wait for it, or stop it.";
      throw failure("EBUSY", "call", `something else is going on: ${this.#busy}.`, { hint });
    }
    this.#busy = title;
    try {
      const value = await act();
      await this.#session?.settled();
      return value;
    } catch (error) {
      this.#problems.push(`${title}: ${error instanceof Error ? error.message : error}`);
      if (this.#problems.length > PROBLEMS_MAX) this.#problems.shift();
      if (this.#session?.powered === false) throw powerCut(title, error);
      throw (await this.#renew()) ?? error;
    } finally {
      this.#busy = undefined;
      this.#tell({ kind: "state", state: await this.#state() });
    }
  }

  #flow(title: string, act: (disk: Session) => FlowReport): Promise<FlowSummary> {
    return this.#do(title, async () => {
      const { generation, manifestHash } = act(this.#live());
      return { generation, manifestHash };
    });
  }

  /** The disk that is open and has power. */
  #live(): Session {
    const disk = this.#disk();
    if (disk.powered) return disk;
    const hint = "Switch it on again.";
    throw failure("EIO", "call", `the power of '${disk.name}' is cut.`, { hint });
  }

  #disk(): Session {
    if (this.#session !== undefined) return this.#session;
    throw failure("ENOENT", "call", "no disk is open.", { hint: "Make or open one first." });
  }

  /** The open disk, if it is one of the shelf: a file of the person's own is not installed onto. */
  #kept(): Session {
    const disk = this.#live();
    if (disk.where !== "file") return disk;
    const hint = "Make a disk, and choose the file as its payload.";
    throw failure("EROFS", "install", `'${disk.name}' is a file of yours.`, { hint });
  }

  async #remove(name: string): Promise<void> {
    if (this.#session?.name === name && this.#session.where !== "file") await this.#close();
    await this.#shelf.remove(name);
  }

  async #open(name: string, readOnly = false): Promise<void> {
    await this.#close();
    const device = await this.#shelf.open(name, "disk", { readOnly });
    try {
      const { nvram } = await this.#shelf.readNote(name);
      const where = this.#shelf.kind;
      this.#session = new Session({ name, where, readOnly, device, nvram, onCut: this.#onCut });
    } catch (error) {
      // Nobody else would give it back.
      await putBack(device).catch(() => undefined);
      throw error;
    }
    await this.#planAgain();
  }

  async #upload(file: File): Promise<void> {
    const device = uploaded(file);
    await this.#close();
    const { name } = file;
    const where = "file" as const;
    this.#session = new Session({ name, where, readOnly: false, device, onCut: this.#onCut });
  }

  async #close(): Promise<void> {
    this.#plan = undefined;
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  /**
   * A device that has lost writes shows what is kept nowhere: the disk is opened again. Answers why
   * they were lost.
   */
  async #renew(): Promise<StorageError | undefined> {
    const session = this.#session;
    if (session === undefined || session.where === "file") return undefined;
    const loss = await session.loss();
    if (loss === undefined) return undefined;
    // What was lost first is what the person must see.
    await this.#close().catch(() => undefined);
    await this.#open(session.name, session.readOnly).catch(() => undefined);
    return loss;
  }

  async #prepare(payload: Payload, erase: boolean, context: Context): Promise<InstallPlan> {
    const disk = this.#kept();
    const { name } = disk;
    const recipe = recipeOf(payload);
    const facts: PayloadFacts = { title: recipe.title, kind: payload.kind, ready: false };
    await this.#note(name, { payload: facts });
    const medium = await this.#shelf.makeMedium(name, recipe.sizeBytes);
    const options = this.#options("Preparing", context);
    try {
      await run(recipe.fill(medium), { ...options, settled: medium.settled?.bind(medium) });
      this.#plan = await disk.plan(medium, erase, options);
    } catch (error) {
      const loss = await lossOf(medium);
      // What failed is what the person must see.
      await putBack(medium).catch(() => undefined);
      await this.#discard().catch(() => undefined);
      throw loss ?? error;
    }
    await putBack(medium);
    await this.#note(name, { payload: { ...facts, ready: true } });
    return this.#plan;
  }

  async #install(erase: boolean, context: Context): Promise<{ resumedAt?: string | undefined }> {
    const disk = this.#kept();
    const { name } = disk;
    const plan = this.#plan;
    if (plan === undefined) {
      const hint = "Choose a payload first.";
      throw failure("ENOENT", "install", `nothing is planned for '${name}'.`, { hint });
    }
    const { payload } = await this.#shelf.readNote(name);
    const { diskGuid } = plan.identities;
    if (payload !== undefined) await this.#note(name, { payload: { ...payload, diskGuid } });
    const medium = await this.#shelf.open(name, "medium", { readOnly: true });
    let resumedAt: string | undefined;
    try {
      const options = this.#options("Installing", context);
      ({ resumedAt } = await disk.install(medium, plan, erase, options));
    } finally {
      await putBack(medium);
    }
    await this.#discard();
    return { resumedAt };
  }

  /** A payload that was made ready before the page ended is planned again: it may be resumed. */
  async #planAgain(): Promise<void> {
    const disk = this.#disk();
    if (disk.readOnly) return;
    const { payload } = await this.#shelf.readNote(disk.name);
    if (payload?.ready !== true) {
      // What a page that ended has left of a medium is of no use.
      await this.#shelf.dropMedium(disk.name);
      return;
    }
    if (payload.diskGuid !== undefined && disk.isInstalledAs(payload.diskGuid)) {
      // The page ended between the last write and this.
      await this.#discard();
      return;
    }
    const medium = await this.#shelf.open(disk.name, "medium", { readOnly: true });
    try {
      this.#plan = await disk.plan(medium, true, {});
    } finally {
      await putBack(medium);
    }
  }

  async #discard(): Promise<void> {
    const { name } = this.#disk();
    this.#plan = undefined;
    await this.#note(name, { payload: undefined });
    await this.#shelf.dropMedium(name);
  }

  async #boot() {
    const disk = this.#live();
    const tell = (line: string) => this.#tell({ kind: "console", line });
    // A line may tell of a commit: it waits until that lasts.
    const waiting: string[] = [];
    try {
      const { outcome, generation, resets } = disk.boot(
        disk.isPrompt ? tell : (line) => void waiting.push(line),
      );
      return { outcome, generation: generation?.id, resets };
    } finally {
      await disk.settled();
      for (const line of waiting) tell(line);
      if (disk.where !== "file" && !disk.readOnly) {
        await this.#note(disk.name, { nvram: disk.nvram.toBytes() });
      }
    }
  }

  #cut(): void {
    this.#disk().cut();
    // While something runs, its own end tells the state.
    if (this.#busy === undefined) void this.#do("Cutting the power", async () => undefined);
  }

  async #powerOn(): Promise<void> {
    const { name, readOnly, where } = this.#disk();
    if (where === "file") {
      const hint = "Open the file again: what was changed lay in memory alone.";
      throw failure("ENOENT", "open", `'${name}' is not kept here.`, { hint });
    }
    await this.#open(name, readOnly);
  }

  async #download(isPacked: boolean, context: Context) {
    const { name, where, readOnly } = this.#live();
    if (where === "file") {
      throw failure("EINVAL", "download", `'${name}' is a file of yours already.`);
    }
    // The image is a file again only when nobody has it open.
    await this.#close();
    try {
      const image = await this.#shelf.file(name);
      const file = `${name}.img`;
      if (!isPacked) return { blob: image, name: file };
      return { blob: await packed(image, this.#options("Packing", context)), name: `${file}.gz` };
    } finally {
      await this.#open(name, readOnly);
    }
  }

  async #note(name: string, change: object): Promise<void> {
    await this.#shelf.writeNote(name, { ...(await this.#shelf.readNote(name)), ...change });
  }

  readonly #onCut = ({ kept, lost }: { kept: number; lost: number }) => {
    this.#tell({ kind: "power", kept, lost });
  };

  #options(title: string, { signal, emit }: Context) {
    let told = 0;
    let step = "";
    const progress = (event: ProgressEvent) => {
      const now = Date.now();
      if (now - told < TELL_MS && event.step === step && event.done !== event.total) return;
      told = now;
      step = event.step;
      const cells = this.#session?.cells.slice();
      emit({ title, progress: event, ...(cells && { writes: { cells } }) });
    };
    return { signal, progress };
  }

  async #state(): Promise<State> {
    const [storage, disks] = [await storageFacts(this.#shelf), await this.#shelf.list()];
    const session = this.#session;
    if (session === undefined) return { storage, disks };
    return { storage, disks, open: await this.#openDisk(session) };
  }

  async #openDisk(session: Session): Promise<OpenDisk> {
    const { name, where, readOnly, powered, armed, sizeBytes } = session;
    const look = session.look();
    const note = where === "file" ? {} : await this.#shelf.readNote(name);
    const volumes = look.view === undefined ? [] : Browser.volumes(look.view);
    return {
      ...{ name, where, readOnly, powered, armed, sizeBytes, ...look, volumes },
      payload: note.payload,
      plan: this.#plan,
    };
  }
}

/** Whatever failed when the plug was pulled failed because of that. */
function powerCut(title: string, cause: unknown): StorageError {
  const hint = "Switch it on again, and see what is on the disk.";
  const message = `the power was cut while this went on: ${title.toLowerCase()}.`;
  return failure("EIO", "power", message, { hint, cause });
}
