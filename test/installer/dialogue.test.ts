/** The installer's questions: no way through them reaches an installation without three answers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as lines from "../../host/format/rayos/lines.ts";
import { type Disk, SAMPLE_DISK } from "../../host/system/disks/disk.ts";
import {
  type Assessment,
  answer,
  assessed,
  begin,
  type DialogueState,
  type Turn,
} from "../../host/system/installer/dialogue.ts";
import { type MenuRow, menuRows } from "../../host/system/installer/menu.ts";

const GIB = 2 ** 30;
const FITS: Assessment = { sizes: [{ what: "ESP", size: "512 MiB" }], notes: [] };

function disk(name: string, more: Partial<Disk> = {}): Disk {
  const base = { kind: "image", name, devPath: `/x/${name}`, isRemovable: false } as const;
  const size = { sizeBytes: 256 * GIB, isReadOnly: false };
  return { ...base, ...size, partitions: [], obstacles: [], ...more };
}

function rowsOf(...disks: Disk[]): MenuRow[] {
  return menuRows(disks, () => undefined, { layout: "rayos" });
}

const USED = disk("used", { obstacles: [{ kind: "mounted", reason: "it is mounted at /x" }] });
const ROWS = rowsOf(SAMPLE_DISK, disk("sda"), USED, disk("odd name\n", { isRemovable: true }));

/** Answers until the end or until there are no answers left. */
function play(
  rows: readonly MenuRow[],
  answers: readonly (string | undefined)[],
  assessment: Assessment = FITS,
): { turns: Turn[]; state: DialogueState } {
  const turns = [begin(rows, false)];
  const left = [...answers];
  for (;;) {
    const { state } = turns.at(-1) as Turn;
    if (state.kind === "assess") turns.push(assessed(state, assessment));
    else if (state.kind === "end" || left.length === 0) return { turns, state };
    else turns.push(answer(state, left.shift()));
  }
}

function decisionOf(answers: readonly (string | undefined)[], rows = ROWS, assessment = FITS) {
  const { state } = play(rows, answers, assessment);
  return state.kind === "end" ? state.decision : { kind: `still at ${state.kind}` };
}

function printed(turns: readonly Turn[], kind?: string): string[] {
  return turns.flatMap(({ said }) =>
    said.filter((each) => kind === undefined || each.kind === kind).map(({ line }) => line),
  );
}

const anyLine = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("0", "1", "2", "3", "4", "5", "yes", " YES ", "no") },
  { weight: 3, arbitrary: fc.constantFrom("sda", " sda", "SDA", "odd name", "used", "-1", "") },
  { weight: 2, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

describe("whatever is answered", () => {
  test("an installation is reached by three right answers and by nothing else", () => {
    let reached = 0;
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 6 }), (answers) => {
        const decision = decisionOf(answers);
        const [number, yes, name] = answers.map((line) => line?.trim());
        const row = ROWS[Number(number?.replace(/^\+/, "")) - 1];
        const right =
          /^\+?\d+$/.test(number ?? "") &&
          row !== undefined &&
          row.disk.kind !== "sample" &&
          row.disk.obstacles.length === 0 &&
          yes?.toLowerCase() === "yes" &&
          name === lines.oneLine(row.disk.name);
        expect(decision.kind === "install").toBe(right);
        if (right) reached++;
      }),
      { numRuns: 20_000 },
    );
    expect(reached).toBeGreaterThan(0);
  });

  test("a refused place, and the sample disk, are never installed onto", () => {
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 6 }), (answers) => {
        const refused = decisionOf(answers, ROWS, { refusal: "too small" });
        expect(["install", "dry-run"]).not.toContain(refused.kind);
        expect(decisionOf(answers, rowsOf(SAMPLE_DISK)).kind).not.toBe("install");
      }),
      { numRuns: 2000 },
    );
  });

  test("it ends after at most three answers, and every marker is a line of its own", () => {
    const answers = fc.array(anyLine, { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(answers, (given) => {
        const { turns, state } = play(ROWS, given);
        expect(state.kind).toBe("end");
        for (const line of printed(turns)) expect(line).not.toMatch(/[\r\n]/);
        for (const line of printed(turns, "marker")) expect(line).toMatch(/^RAYOS_INSTALLER:/);
        for (const line of printed(turns, "text")) expect(line).not.toContain("RAYOS_INSTALLER");
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  ["a word", "x"],
  ["nothing", ""],
  ["the end of input", undefined],
  ["a negative number", "-1"],
  ["a number with a fraction", "1.0"],
  ["a number beyond the rows", "5"],
  ["a number too long to be one", "1".repeat(400)],
])("the first answer is %s: it failed, and no marker but INTERACTIVE_MODE is said", (_, line) => {
  const { turns } = play(ROWS, [line]);
  expect(decisionOf([line]).kind).toBe("failed");
  expect(printed(turns, "marker")).toEqual([lines.INTERACTIVE_MODE]);
});

test.each([["0"], [" 0 "], ["00"]])("the first answer %j cancels", (line) => {
  const { turns } = play(ROWS, [line]);
  expect(decisionOf([line])).toEqual({ kind: "cancelled" });
  expect(printed(turns, "marker")).toEqual([lines.INTERACTIVE_MODE, lines.INTERACTIVE_CANCELLED]);
});

test.each([["no"], ["y"], ["yes please"], [""], [undefined]])(
  "the second answer %j cancels",
  (line) => {
    expect(decisionOf(["1", line])).toEqual({ kind: "cancelled" });
    expect(decisionOf(["2", line])).toEqual({ kind: "cancelled" });
  },
);

test.each([["SDA"], ["sd"], ["sda1"], ["yes"], [""], [undefined]])(
  "the third answer %j is not the name of sda: cancelled",
  (line) => {
    expect(decisionOf(["2", "yes", line])).toEqual({ kind: "cancelled" });
  },
);

test("the sample disk is asked about twice, every other one three times", () => {
  expect(decisionOf(["1", "YES\r"])).toMatchObject({ kind: "dry-run" });
  expect(decisionOf(["2", "yes"]).kind).toBe("still at name");
  expect(decisionOf(["2", "yes", " sda "])).toMatchObject({ kind: "install" });
});

test("a disk in use is refused with its reason, before the second question", () => {
  const decision = decisionOf(["3"]);
  expect(decision).toMatchObject({ kind: "refused", reason: expect.stringContaining("/x") });
});

test("without disks there is no question", () => {
  expect(begin([], false).state).toMatchObject({ kind: "end", decision: { kind: "failed" } });
});

test("the menu: headings and rows as the protocol has them", () => {
  const { turns } = play(ROWS, ["2"]);
  const text = printed(turns);
  expect(text).toContain("Available disks:");
  expect(text).toContain("Partition configuration:");
  expect(text).toContain("  [1] sample0 - 256 GiB");
  expect(text).toContain("  [4] odd name - 256 GiB (removable)");
});

test("a removable medium is named right after INTERACTIVE_MODE", () => {
  const { said } = begin(ROWS, true);
  expect(said.slice(0, 2).map(({ line }) => line)).toEqual([
    lines.INTERACTIVE_MODE,
    "RAYOS_INSTALLER:BOOT:USB",
  ]);
});

test("places on a disk stand behind all disks, and only those that are large enough", () => {
  const one = disk("one");
  const volume = { first: 2048, last: 0, name: "data", label: "", signature: null };
  const content = {
    blank: false,
    hasTable: true,
    volumes: [
      { ...volume, sectors: (50 * GIB) / 512, number: 3 },
      { ...volume, sectors: GIB / 512, number: 4 },
    ],
    free: [
      { first: 9, last: 0, sectors: GIB / 512 },
      { first: 4096, last: 0, sectors: (60 * GIB) / 512 },
    ],
    esps: [],
    installs: [],
    halfInstalled: false,
    halfRecovery: false,
    signature: "gpt",
  };
  const rows = menuRows([one, USED], () => content, { layout: "rayos" });
  expect(rows.map(({ label }) => label)).toEqual([
    "one",
    "used",
    "one, partition 3",
    "one, free space from sector 4096",
  ]);
  expect(rows.slice(2).map(({ place }) => place)).toEqual([
    { kind: "partition", number: 3 },
    { kind: "free", first: 4096, sectors: (60 * GIB) / 512 },
  ]);
  const chosen = menuRows([one], () => content, { layout: "rayos", place: { kind: "free" } });
  expect(chosen.map(({ place }) => place)).toEqual([{ kind: "free" }]);
});
