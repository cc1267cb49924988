/** Whole runs with an engine that only pretends: what is said around an installation, and when. */
import { lstatSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { failure, refusal } from "../../host/base/errors.ts";
import { runInstaller } from "../../host/cli/installer/app.ts";
import { LineFront, Stopped } from "../../host/cli/installer/front.ts";
import { type InstallerOptions, parseOptions } from "../../host/cli/installer/options.ts";
import type { World } from "../../host/cli/installer/world.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import type { Engine } from "../../host/system/installer/assess.ts";
import type { RayosPlan, RayosRequest } from "../../host/system/rayos/plan/types.ts";
import { block, fakeSystem } from "../disks/support.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

function image(name = "disk.img", sizeBytes = 2 ** 20): string {
  const path = fresh(name);
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  return path;
}

const PLAN = {
  partitions: [
    { role: "esp", number: 1, sizeBytes: 2 ** 29 },
    { role: "pool", number: 3, sizeBytes: 5 * 2 ** 30 },
  ],
  source: { name: "system.tar", release: "RayOS 1", files: 2, bytes: 5 },
  keeps: [],
  esp: { kind: "new", number: 1, uniqueGuid: "", loader: "EFI/BOOT/BOOTX64.EFI", kept: [] },
  usableEsps: [],
  warnings: ["it has no boot loader"],
  vmStorage: "pool",
  origin: { seed: "drawn", createdS: 1 },
} as unknown as RayosPlan;

interface Acts {
  plan?(): void;
  install?(step: number): void;
}

/** An engine that says two steps, and keeps what it was asked. */
function pretend(acts: Acts = {}): Engine & { readonly asked: RayosRequest[] } {
  const asked: RayosRequest[] = [];
  return {
    asked,
    *plan() {
      yield { step: "read", done: 0, total: 1, unit: "files" };
      acts.plan?.();
      return PLAN;
    },
    *install(_target, request) {
      asked.push(request);
      yield { step: "formatting the ESP", done: 0, total: 2, unit: "steps" };
      acts.install?.(1);
      const created = { number: 1, role: "esp", sizeBytes: 2 ** 29 };
      yield { step: "formatting the ESP", done: 1, total: 2, unit: "steps", created } as never;
      yield { step: "writing the table", done: 1, total: 2, unit: "steps" };
      acts.install?.(2);
      return { plan: PLAN, files: 2, bytes: 5, warnings: [], tableBackup: "saved" };
    },
  };
}

interface Run {
  readonly code: number;
  readonly lines: readonly string[];
  readonly markers: readonly string[];
  readonly out: string;
}

async function go(
  args: readonly string[],
  input: string | Readable,
  engine: Engine = pretend(),
  more: Partial<World> & { abort?: AbortController } = {},
): Promise<Run> {
  const { abort = new AbortController(), ...world } = more;
  let [out, err] = ["", ""];
  const print = (text: string) => {
    err += text;
  };
  const { signal } = abort;
  const stream = typeof input === "string" ? Readable.from([input]) : input;
  const front = new LineFront(stream, print, signal);
  const options = parseOptions(args, { out: print, err: print }) as InstallerOptions;
  const code = await runInstaller(options, {
    out: (text) => {
      out += text;
    },
    err: print,
    ...{ signal, engine, front, nowMs: 0, sourceDateEpoch: () => undefined, program: undefined },
    resumeCommand: "rayos-installer --resume",
    ...world,
  });
  front.close();
  const lines = err.split("\n");
  const markers = lines.filter((line) => line.startsWith("RAYOS_INSTALLER:"));
  return { code, lines, out, markers: markers.map((line) => line.slice(16)) };
}

/** What stands before the first question on an image. */
function opening(path: string): string[] {
  const size = readFileSync(path).length;
  return [
    "ENUMERATE_MODE",
    `DISK_DETECTED:${basename(path)}:${size}`,
    "PLAN_GENERATED:disk_count=1",
    "INTERACTIVE_MODE",
  ];
}

describe("an installation", () => {
  test("three answers: every line of it in its place", async () => {
    const path = image();
    const name = basename(path);
    const engine = pretend();
    const { code, markers, lines } = await go(
      ["--interactive", "--hostname", "n", "--erase", path],
      `1\nyes\n${name}\n`,
      engine,
    );
    expect(code).toBe(0);
    expect(markers).toEqual([
      ...opening(path),
      "INSTALL_BEGIN",
      "PARTITION_CREATED:1:536870912",
      `INSTALL_COMPLETE:${name}`,
      `INSTALLATION_PLAN_VALIDATED:disk=${name}`,
      "INSTALLATION_SUCCESSFUL",
      "INTERACTIVE_COMPLETE",
    ]);
    const steps = ["  formatting the ESP", "  writing the table", "  old partition table: saved"];
    expect(lines.filter((line) => steps.includes(line))).toEqual(steps);
    expect(lines).toContain("  warning: it has no boot loader");
    // What was shown is what is done.
    expect(engine.asked).toMatchObject([
      {
        origin: PLAN.origin,
        place: { kind: "disk" },
        consent: { erase: true, reinstall: false },
        firstBoot: { machineName: "n" },
      },
    ]);
  });

  test("a refusal of the plan: INSTALLATION_FAILED, and there is no second question", async () => {
    const path = image();
    const engine = pretend({
      plan() {
        throw refusal("ENOSPC", "plan", "too small; the smallest that would do is 42GiB.");
      },
    });
    const { code, markers, lines } = await go(["--interactive", path], "1\nyes\n", engine);
    expect(code).toBe(1);
    expect(markers).toEqual([
      ...opening(path),
      "INSTALLATION_FAILED:reason=too small; the smallest that would do is 42GiB.",
    ]);
    expect(lines.at(-2)).toBe("Error: too small; the smallest that would do is 42GiB.");
    expect(lines.some((line) => line.startsWith("Proceed"))).toBe(false);
  });

  test("a failure on the way names the step, in both families of markers", async () => {
    const path = image();
    const engine = pretend({
      install(step) {
        if (step === 2) throw failure("EIO", "write", "the disk\nis gone.");
      },
    });
    const input = `1\nyes\n${basename(path)}\n`;
    const { code, markers } = await go(["--interactive", path], input, engine);
    expect(code).toBe(1);
    expect(markers.slice(4)).toEqual([
      "INSTALL_BEGIN",
      "PARTITION_CREATED:1:536870912",
      "INSTALL_FAILED:writing the table: the disk is gone.",
      "INSTALLATION_FAILED:reason=writing the table: the disk is gone.",
    ]);
  });

  test("a disk that another installer has is EBUSY, and nothing is begun", async () => {
    const path = image();
    const other = FileDevice.open(path);
    const engine = pretend();
    const input = `1\nyes\n${basename(path)}\n`;
    const { code, markers } = await go(["--interactive", path], input, engine);
    other.close();
    expect(code).toBe(1);
    expect(markers.slice(4)).toEqual([
      expect.stringMatching(/^INSTALLATION_FAILED:reason=.*is in use/),
    ]);
    expect(engine.asked).toEqual([]);
  });

  test("a disk that is another one by then is left alone", async () => {
    const path = image();
    const engine = pretend({ plan: () => truncateSync(path, 2 ** 21) });
    const input = `1\nyes\n${basename(path)}\n`;
    const { code, markers } = await go(["--interactive", path], input, engine);
    expect(code).toBe(1);
    expect(markers.at(-1)).toMatch(/^INSTALLATION_FAILED:reason=.*now has 2097152\.$/);
    expect(engine.asked).toEqual([]);
  });

  test.each([1, 2])("stopped in step %i: both families say so, and how to go on", async (at) => {
    const path = image();
    const abort = new AbortController();
    const engine = pretend({
      install(step) {
        if (step === at) abort.abort();
      },
    });
    // The border after the last piece is no border any more.
    const endless: Engine = {
      ...engine,
      *install(target, request) {
        yield* engine.install(target, request);
        yield { step: "more", done: 0, total: 1, unit: "steps" };
        throw new Error("the work went on");
      },
    };
    const input = `1\nyes\n${basename(path)}\n`;
    const run = await go(["--interactive", path], input, endless, { abort });
    expect(run.code).toBe(130);
    expect(run.markers.slice(-2)).toEqual([
      "INSTALL_FAILED:stopped by the user",
      "INSTALLATION_FAILED:reason=stopped by the user",
    ]);
    expect(run.lines.at(-2)).toContain("rayos-installer --resume");
    // The lock went with it.
    FileDevice.open(path).close();
  });

  test("stopped while the plan is made: nothing was written, said whole", async () => {
    const path = image();
    const abort = new AbortController();
    const slow: Engine = {
      ...pretend(),
      *plan() {
        abort.abort();
        yield { step: "read", done: 0, total: 1, unit: "files" };
        return PLAN;
      },
    };
    const { code, markers } = await go(["--interactive", path], "1\n", slow, { abort });
    expect({ code, last: markers.at(-1) }).toEqual({ code: 130, last: "INTERACTIVE_CANCELLED" });
  });
});

describe("local disks", () => {
  test("none: the menu opens, says so, and the exit code is 1", async () => {
    const system = fakeSystem(fresh("none"), { blocks: {} });
    const run = await go(["--enumerate-local-disks", "--interactive"], "1\n", pretend(), {
      system,
    });
    expect(run.code).toBe(1);
    expect(run.markers).toEqual([
      "ENUMERATE_MODE",
      "PLAN_GENERATED:disk_count=0",
      "INTERACTIVE_MODE",
    ]);
    expect(run.lines.at(-2)).toMatch(/^Error: no disks/);
    const plan = await go(["--enumerate-local-disks"], "", pretend(), { system });
    expect({ code: plan.code, disks: JSON.parse(plan.out).disks }).toEqual({ code: 0, disks: [] });
  });

  test("the boot disk is listed with its reason and refused", async () => {
    const machine = {
      blocks: { sda: block("8:0", 2 ** 30), sdb: block("8:16", 2 ** 24, { removable: "1" }) },
      mounts: ["8:0 / /dev/sda"],
      files: { "/stick/program": "8:16" },
    };
    const world = { system: fakeSystem(fresh("boot"), machine), program: "/stick/program" };
    const args = ["--enumerate-local-disks", "--interactive"];
    const run = await go(args, "1\nyes\nsda\n", pretend(), world);
    expect(run.code).toBe(1);
    expect(run.markers).toEqual([
      "ENUMERATE_MODE",
      "DISK_DETECTED:sda:549755813888",
      "DISK_DETECTED:sdb:8589934592",
      "PLAN_GENERATED:disk_count=2",
      "INTERACTIVE_MODE",
      "BOOT:USB",
      "INSTALLATION_FAILED:reason=sda is not available: it holds / of the running system",
    ]);
    expect(run.lines).toContain("  [2] sdb - 8 GiB (removable)");
  });
});

describe("unattended", () => {
  function registry(content: unknown): string {
    const path = fresh("registry.json");
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  test("installs once, asks nothing, and clears its switch without touching the rest", async () => {
    const path = image();
    const settings = `{"disk": {"name": "${basename(path)}"}, "layout": "rayos-full"}`;
    const text = (mode: boolean) =>
      `[ {"vms": {}, "installer_mode": ${mode}, "installer": ${settings}} ]\n`;
    const file = registry(text(true));
    const engine = pretend();
    const args = ["--registry", file, "--yes", path];
    const run = await go(args, "", engine);
    expect(run.code).toBe(0);
    expect(run.markers.slice(3)).toEqual([
      "INSTALL_BEGIN",
      "PARTITION_CREATED:1:536870912",
      `INSTALL_COMPLETE:${basename(path)}`,
      `INSTALLATION_PLAN_VALIDATED:disk=${basename(path)}`,
      "INSTALLATION_SUCCESSFUL",
      "COMPLETE",
    ]);
    expect(engine.asked[0]?.layout).toBe("rayos-full");
    expect(readFileSync(file, "utf8")).toBe(text(false));
    const again = await go(args, "", engine);
    expect(again.code).toBe(1);
    expect(engine.asked).toHaveLength(1);
  });

  test.each([
    ["no switch", { installer: { disk: { name: "x" } } }, "not true"],
    ["no settings", { installer_mode: true }, "no object 'installer'"],
    ["a rule for no disk", { installer_mode: true, installer: { disk: { name: "x" } } }, "fits"],
    ["unknown settings", { installer_mode: true, installer: { disks: 1 } }, "installer.disks"],
    ["no JSON", "{", "not JSON"],
  ])("%s: refused, nothing is begun, the file stays", async (_, content, message) => {
    const file = registry(content);
    const before = readFileSync(file, "utf8");
    const engine = pretend();
    const run = await go(["--registry", file, "--yes", image()], "", engine);
    expect(run.code).toBe(1);
    const failed = run.markers.filter((line) => line.startsWith("INSTALLATION_FAILED"));
    expect(failed).toHaveLength(message === "fits" ? 1 : 0);
    expect(run.lines.at(-2)).toContain(message);
    expect(engine.asked).toEqual([]);
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  test.each([
    [[], 2],
    [["--esp", "1"], 1],
    [["--esp", "new"], undefined],
  ] as const)("with options %j an esp of 2 in the file is %s", async (options, esp) => {
    const path = image();
    const installer = { disk: { name: basename(path) }, free: true, esp: 2 };
    const file = registry({ installer_mode: true, installer });
    const engine = pretend();
    const run = await go(["--registry", file, "--yes", ...options, path], "", engine);
    expect(run.code).toBe(0);
    expect(engine.asked).toMatchObject([{ place: { kind: "free" }, esp }]);
  });

  test("a dry run on the sample leaves the switch on", async () => {
    const file = registry({ installer_mode: true, installer: { disk: { name: "sample0" } } });
    const before = readFileSync(file, "utf8");
    const run = await go(["--registry", file, "--yes"], "");
    expect({ code: run.code, markers: run.markers }).toEqual({
      code: 0,
      markers: [
        "SAMPLE_MODE",
        "PLAN_GENERATED:disk_count=1",
        "DRY_RUN",
        "INSTALLATION_PLAN_VALIDATED:disk=sample0",
        "INSTALLATION_SUCCESSFUL",
        "COMPLETE",
      ],
    });
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  test("a registry behind a link is changed where it is", async () => {
    const path = image();
    const file = registry({ installer_mode: true, installer: { disk: { name: basename(path) } } });
    const link = fresh("link");
    symlinkSync(file, link);
    expect((await go(["--registry", link, "--yes", path], "")).code).toBe(0);
    expect(JSON.parse(readFileSync(file, "utf8")).installer_mode).toBe(false);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
  });

  test.each([["/dev/null"], ["/"], [fresh("absent.json")]])(
    "%s is no registry file: refused before anything is looked for",
    async (file) => {
      const run = await go(["--registry", file, "--yes"], "");
      expect({ code: run.code, markers: run.markers }).toEqual({ code: 1, markers: [] });
    },
  );

  test("without --yes nothing is begun", async () => {
    const path = image();
    const file = registry({ installer_mode: true, installer: { disk: { name: basename(path) } } });
    const engine = pretend();
    const run = await go(["--registry", file, path], "", engine);
    expect(run.lines.at(-2)).toContain("--yes");
    expect({ code: run.code, asked: engine.asked }).toEqual({ code: 1, asked: [] });
  });

  test("a failure leaves the switch on", async () => {
    const path = image();
    const file = registry({ installer_mode: true, installer: { disk: { name: basename(path) } } });
    const before = readFileSync(file, "utf8");
    const engine = pretend({
      install() {
        throw failure("EIO", "write", "gone.");
      },
    });
    const run = await go(["--registry", file, "--yes", path], "", engine);
    expect(run.code).toBe(1);
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  test("a disk in use is refused", async () => {
    const path = image();
    const file = registry({ installer_mode: true, installer: { disk: { name: basename(path) } } });
    const engine = pretend();
    const run = await go(["--registry", file, "--yes", "--source", path, path], "", engine);
    expect(run.markers.at(-1)).toMatch(/^INSTALLATION_FAILED:reason=/);
    expect({ code: run.code, asked: engine.asked }).toEqual({ code: 1, asked: [] });
  });
});

describe("lines from a pipe", () => {
  const state = { kind: "choose", rows: [], prompt: "?" } as const;
  const frontOf = (input: Readable, signal = new AbortController().signal) =>
    new LineFront(input, () => undefined, signal);

  test("pieces become lines, and the last one needs no end", async () => {
    const front = frontOf(Readable.from(["a", "b\nc", "\n\nd"]));
    const lines = [];
    for (let line = await front.ask(state); line !== undefined; line = await front.ask(state)) {
      lines.push(line);
    }
    expect(lines).toEqual(["ab", "c", "", "d"]);
    expect(await front.ask(state)).toBeUndefined();
  });

  test("a line without end is cut, and what follows it is the next line", async () => {
    function* endless() {
      for (let count = 0; count < 1000; count++) yield "x".repeat(10_000);
      yield "\nyes\n";
    }
    const front = frontOf(Readable.from(endless()));
    expect((await front.ask(state))?.length).toBe(4096);
    expect(await front.ask(state)).toBe("yes");
  });

  test("a stop wakes whoever waits for a line", async () => {
    const abort = new AbortController();
    const front = frontOf(new PassThrough(), abort.signal);
    const asked = front.ask(state);
    abort.abort();
    await expect(asked).rejects.toBeInstanceOf(Stopped);
  });
});
