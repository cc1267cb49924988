/**
 * The installer's questions as a state machine: lines and facts in, text, markers and the next
 * question out. It reads nothing and writes nothing, so that every way through it can be tried.
 *
 * ```
 * choose --number--> assess --fits--> proceed --"yes"--> name --its name--> install
 *   |  \                |                |  \               |
 *   |   0: cancelled    refused          |   sample: dry run else: cancelled
 *   bad input: failed                    else: cancelled
 * ```
 */
import * as lines from "../../format/rayos/lines.ts";
import { obstacleText } from "../disks/disk.ts";
import type { MenuRow } from "./menu.ts";

/** Something to print. A "menu" line need not be printed where the rows are shown otherwise. */
export interface Said {
  readonly kind: "text" | "marker" | "menu";
  readonly line: string;
}

export interface SizeLine {
  readonly what: string;
  readonly size: string;
}

/** What an installation into the chosen row would come to. */
export type Assessment =
  | { readonly refusal: string }
  | {
      readonly sizes: readonly SizeLine[];
      /** More that the person should know, one line each. */
      readonly notes: readonly string[];
    };

/** How the dialogue ended. */
export type Decision =
  /** Zero, or an answer that is no clear consent. */
  | { readonly kind: "cancelled" }
  /** The first answer is no number of a row, or there are no rows. */
  | { readonly kind: "failed"; readonly message: string }
  /** Nothing may be installed there. */
  | { readonly kind: "refused"; readonly row: MenuRow; readonly reason: string }
  | { readonly kind: "dry-run"; readonly row: MenuRow }
  /** All three answers were given. */
  | { readonly kind: "install"; readonly row: MenuRow };

export type DialogueState =
  | { readonly kind: "choose"; readonly rows: readonly MenuRow[]; readonly prompt: string }
  /** Nothing is asked: somebody must find out what row would come to, and call `assessed`. */
  | { readonly kind: "assess"; readonly row: MenuRow }
  | { readonly kind: "proceed"; readonly row: MenuRow; readonly prompt: string }
  | { readonly kind: "name"; readonly row: MenuRow; readonly prompt: string }
  | { readonly kind: "end"; readonly decision: Decision };

export interface Turn {
  readonly said: readonly Said[];
  readonly state: DialogueState;
}

/** The longest line that is an answer; the front ends keep no more. */
export const ANSWER_LENGTH_MAX = 4096;

/** Opens the menu. `fromRemovable`: the installer itself runs from a removable disk. */
export function begin(rows: readonly MenuRow[], fromRemovable: boolean): Turn {
  const said: Said[] = [marker(lines.INTERACTIVE_MODE)];
  if (fromRemovable) said.push(marker(lines.BOOT_USB));
  if (rows.length === 0) {
    return { said, state: end({ kind: "failed", message: "no disks to install onto" }) };
  }
  said.push(text("RayOS installer"), text(""), text(lines.AVAILABLE_DISKS));
  const parts = rows.findIndex(isPart);
  rows.forEach((row, index) => {
    if (index === parts) said.push(text(lines.PARTS_OF_DISKS));
    said.push(menu(rowText(row, index + 1)));
    said.push(...row.details.map((detail) => menu(`      ${lines.oneLine(detail)}`)));
  });
  said.push(text(""), text("WARNING: everything on the disk or place you choose will be erased."));
  return { said, state: { kind: "choose", rows, prompt: lines.askDisk(rows.length) } };
}

/** One row as it is printed. */
export function rowText(row: MenuRow, number: number): string {
  const removable = row.disk.isRemovable ? lines.REMOVABLE : "";
  return `${lines.menuRow(number, row.label, row.sizeBytes)}${removable}`;
}

/** The next turn after a line; undefined is the end of all input. */
export function answer(state: DialogueState, line: string | undefined): Turn {
  switch (state.kind) {
    case "choose":
      return choose(state.rows, line);
    case "proceed":
      return proceed(state.row, line);
    case "name":
      return name(state.row, line);
    default:
      // Nothing was asked, so nothing was answered.
      return { said: [], state };
  }
}

/** The next turn once it is known what the chosen row would come to. */
export function assessed(state: DialogueState, assessment: Assessment): Turn {
  if (state.kind !== "assess") return { said: [], state };
  const { row } = state;
  if ("refusal" in assessment) {
    return { said: [], state: end({ kind: "refused", row, reason: assessment.refusal }) };
  }
  const { sizes, notes } = assessment;
  const width = Math.max(0, ...sizes.map(({ what }) => what.length + 1));
  const said = [
    text(lines.PARTITION_CONFIGURATION),
    ...sizes.map(({ what, size }) => text(`  ${`${what}:`.padEnd(width)} ${size}`)),
    ...notes.map((note) => text(lines.stepLine(note))),
    text(""),
    text(`WARNING: this erases ${whatIsErased(row)}.`),
  ];
  return { said, state: { kind: "proceed", row, prompt: lines.ASK_PROCEED } };
}

function choose(rows: readonly MenuRow[], line: string | undefined): Turn {
  const given = line?.trim() ?? "";
  if (!/^\+?\d{1,15}$/.test(given)) {
    const what = given === "" ? "no number was given" : `'${short(given)}' is not a number`;
    return failed(`${what}; expected 1 to ${rows.length}, or 0 to cancel`);
  }
  const number = Number(given);
  if (number === 0) return cancelled();
  const row = rows[number - 1];
  if (row === undefined) return failed(`there is no ${number}; expected 1 to ${rows.length}`);
  const chosen = text(`Selected: ${lines.oneLine(row.label)} (${lines.oneLine(row.disk.devPath)})`);
  const [obstacle] = row.disk.obstacles;
  if (obstacle !== undefined) {
    const reason = obstacleText(row.disk, obstacle);
    return { said: [chosen], state: end({ kind: "refused", row, reason }) };
  }
  return { said: [chosen, text("")], state: { kind: "assess", row } };
}

function proceed(row: MenuRow, line: string | undefined): Turn {
  if (line?.trim().toLowerCase() !== "yes") return cancelled();
  if (row.disk.kind === "sample") return { said: [], state: end({ kind: "dry-run", row }) };
  return { said: [], state: { kind: "name", row, prompt: lines.askName(row.disk.name) } };
}

function name(row: MenuRow, line: string | undefined): Turn {
  if (line?.trim() !== lines.oneLine(row.disk.name)) return cancelled();
  return { said: [], state: end({ kind: "install", row }) };
}

function whatIsErased({ disk, place, label }: MenuRow): string {
  if (place.kind === "free") return `nothing but the free space of ${lines.oneLine(disk.name)}`;
  const what = place.kind === "partition" ? `partition ${place.number} of ${disk.name}` : label;
  return `everything on ${lines.oneLine(what)}`;
}

function isPart(row: MenuRow): boolean {
  return row.label !== row.disk.name;
}

function cancelled(): Turn {
  const said = [text("Cancelled. Nothing was written."), marker(lines.INTERACTIVE_CANCELLED)];
  return { said, state: end({ kind: "cancelled" }) };
}

function failed(message: string): Turn {
  return { said: [], state: end({ kind: "failed", message }) };
}

function end(decision: Decision): DialogueState {
  return { kind: "end", decision };
}

function short(given: string): string {
  return given.length > 40 ? `${given.slice(0, 40)}...` : given;
}

function text(line: string): Said {
  return { kind: "text", line };
}

function menu(line: string): Said {
  return { kind: "menu", line };
}

function marker(line: string): Said {
  return { kind: "marker", line };
}
