/**
 * A disk as a picture for a terminal: partitions drawn to scale, free space between them, and below
 * each data region its chunks by owner. Text only; colours are the caller's.
 */
import { formatSize } from "../base/size.ts";
import type { ChunkOwner } from "../core/region.ts";
import { type Extent, SECTOR_BYTES } from "../format/layout.ts";
import type { DiskView, Ext4View, IsoView, RegionView, VolumeView } from "./inspect.ts";
import { HALF_RECOVERY, RECOVERY_GOES_ON } from "./install/journal.ts";

const WIDTH = 78;
const WIDTH_MIN = 40;
/** Free space below this share of the disk is not drawn: the gaps around the tables. */
const FREE_SHARE_MIN = 0.005;
const CHUNK_ROWS_MAX = 6;
const ELLIPSIS = "…";

const OWNER_SIGNS: Readonly<Record<ChunkOwner, string>> = {
  meta: "M",
  pack: "#",
  files: "=",
  free: "·",
  bad: "!",
};
/** Which owner a cell of several chunks shows: the rarest news first. */
const OWNER_ORDER: readonly ChunkOwner[] = ["bad", "meta", "pack", "files", "free"];
const OWNER_WORDS: Readonly<Record<ChunkOwner, string>> = {
  meta: "trees",
  pack: "objects",
  files: "files",
  free: "free",
  bad: "bad",
};

interface Box {
  readonly place: Extent;
  readonly lines: readonly string[];
  readonly isFree: boolean;
}

/** Lines of the picture, each at most `width` columns. */
export function drawDisk(view: DiskView, width = WIDTH): string[] {
  const columns = Math.max(WIDTH_MIN, Math.floor(width));
  const lines = [headOf(view)];
  if (view.iso !== undefined) lines.push(isoLine(view.iso));
  const boxes = boxesOf(view);
  if (boxes.length === 0) {
    lines.push(view.tableError === undefined ? "  nothing is on it" : `  ${view.tableError}`);
    return lines.map((line) => clip(line, columns).trimEnd());
  }
  lines.push(...drawBoxes(boxes, columns));
  if (view.halfInstalled) lines.push("an installation was cut short: diskwright install --resume");
  if (view.halfRecovery) lines.push(`${HALF_RECOVERY}: ${RECOVERY_GOES_ON}`);
  for (const volume of view.volumes) {
    if (volume.error !== undefined) lines.push(`${titleOf(volume)}: ${volume.error}`);
    if (volume.ext4 !== undefined) lines.push(...ext4Lines(titleOf(volume), volume.ext4, columns));
    if (volume.region !== undefined) {
      lines.push("", ...drawRegion(titleOf(volume), volume.region, columns));
    }
  }
  return lines.map((line) => clip(line, columns).trimEnd());
}

/** A size in at most five characters and a unit: "15.4 MiB". */
export function shortSize(bytes: number): string {
  const exact = formatSize(bytes);
  if (/^\d{1,4}[A-Z]/.test(exact)) return exact.replace(/(\d)([A-Z])/, "$1 $2");
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)),
  );
  const value = bytes / 2 ** (power * 10);
  return `${power === 0 ? value : value.toFixed(1).replace(/\.0$/, "")} ${units[power]}`;
}

function headOf(view: DiskView): string {
  const { table } = view;
  const parts = [view.name, shortSize(view.sizeBytes)];
  if (view.blockSize !== SECTOR_BYTES) parts.push(`${view.blockSize}-byte blocks`);
  if (table !== undefined) {
    parts.push(table.usedSide === "primary" ? "GPT" : "GPT (backup: the primary is damaged)");
    parts.push(table.diskGuid);
  }
  return parts.join("  ");
}

/** Label, uuid and features, as many in a line as fit. */
function ext4Lines(title: string, ext4: Ext4View, columns: number): string[] {
  const { label, uuid, features, blockBytes, journal } = ext4;
  const named = label === "" ? "" : `${label}, `;
  const lines = [`${title}: ${named}${uuid}`, `  ${blockBytes}-byte blocks, journal: ${journal}`];
  let line = " ";
  for (const feature of features) {
    if (line.length + 1 + feature.length > columns) lines.push(line);
    line = line.length + 1 + feature.length > columns ? `  ${feature}` : `${line} ${feature}`;
  }
  return [...lines, line];
}

function isoLine(iso: IsoView): string {
  if (iso.error !== undefined) return `ISO 9660: ${iso.error}`;
  const parts = [`ISO 9660 ${iso.label}`, shortSize(iso.sizeBytes), `${iso.names} names`];
  if (iso.bootLba !== undefined) parts.push(`boots from LBA ${iso.bootLba}`);
  if (iso.payloadEntries !== undefined) parts.push(`payload of ${iso.payloadEntries}`);
  return parts.join("  ");
}

function boxesOf(view: DiskView): Box[] {
  const total = view.sizeBytes / SECTOR_BYTES;
  const boxes = view.volumes.map(
    (volume): Box => ({ place: volume, lines: textOf(volume), isFree: false }),
  );
  for (const place of view.free) {
    if (place.sectors / total < FREE_SHARE_MIN) continue;
    const lines = ["free", shortSize(place.sectors * SECTOR_BYTES)];
    boxes.push({ place, lines, isFree: true });
  }
  return boxes.sort((one, other) => one.place.first - other.place.first);
}

function textOf(volume: VolumeView): string[] {
  const lines = [titleOf(volume)];
  const { fat, region, ext4, error } = volume;
  if (fat !== undefined) {
    const used = shortSize(fat.totalBytes - fat.freeBytes);
    lines.push(`FAT32 ${shortSize(volume.sizeBytes)}`);
    lines.push(`${used} used${fat.bootLoader ? ", boots" : ""}`);
  } else if (ext4 !== undefined) {
    const state = ext4.journal === "to be replayed" ? ", journal to be replayed" : "";
    lines.push(`ext4 ${shortSize(volume.sizeBytes)}`);
    lines.push(`${shortSize(ext4.totalBytes - ext4.freeBytes)} used${state}`);
    if (ext4.label !== "" && ext4.label !== volume.name) lines.push(ext4.label);
  } else if (region !== undefined) {
    lines.push(`data region ${shortSize(volume.sizeBytes)}`);
    const files = region.files === undefined ? "" : `, ${counted(region.files, "file")}`;
    lines.push(`${counted(region.objects, "object")}${files}`);
  } else {
    lines.push(`${volume.signature ?? volume.type ?? "unknown"} ${shortSize(volume.sizeBytes)}`);
    if (error !== undefined) lines.push("cannot be read");
  }
  lines.push(`LBA ${volume.first}`);
  return lines;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function titleOf(volume: VolumeView): string {
  if (volume.partition === undefined) return "whole disk";
  return `${volume.partition} ${volume.name || volume.type || "partition"}`;
}

function drawBoxes(boxes: readonly Box[], columns: number): string[] {
  const widths = shareOut(
    boxes.map(({ place }) => place.sectors),
    columns - boxes.length - 1,
  );
  const width = (index: number) => widths[index] ?? 0;
  const rule = (left: string, middle: string, right: string) => {
    const runs = boxes.map(({ isFree }, index) => (isFree ? "╌" : "─").repeat(width(index)));
    return left + runs.join(middle) + right;
  };
  const rows = Math.max(...boxes.map(({ lines }) => lines.length));
  const body = Array.from({ length: rows }, (_, row) => {
    const cells = boxes.map(({ lines }, index) => cell(lines[row] ?? "", width(index)));
    return `│${cells.join("│")}│`;
  });
  return [rule("┌", "┬", "┐"), ...body, rule("└", "┴", "┘")];
}

/** Columns for each part: to scale, but never less than a readable few, and exactly `columns`. */
export function shareOut(parts: readonly number[], columns: number): number[] {
  const least = Math.max(1, Math.min(12, Math.floor(columns / parts.length)));
  const spare = columns - least * parts.length;
  const total = parts.reduce((sum, part) => sum + part, 0) || 1;
  const exact = parts.map((part) => (part / total) * spare);
  const widths = exact.map((share) => least + Math.floor(share));
  const left = columns - widths.reduce((sum, width) => sum + width, 0);
  const order = exact
    .map((share, index) => ({ index, rest: share - Math.floor(share) }))
    .sort((one, other) => other.rest - one.rest || one.index - other.index);
  for (let given = 0; given < left; given++) {
    const index = order[given % order.length]?.index ?? 0;
    widths[index] = (widths[index] ?? 0) + 1;
  }
  return widths;
}

function drawRegion(title: string, region: RegionView, columns: number): string[] {
  const { owners, chunkBytes } = region;
  const cells = Math.min(owners.length, columns * CHUNK_ROWS_MAX);
  const perCell = Math.max(1, Math.ceil(owners.length / Math.max(1, cells)));
  let map = "";
  for (let at = 0; at < owners.length; at += perCell) {
    const here = new Set(owners.slice(at, at + perCell));
    map += OWNER_SIGNS[OWNER_ORDER.find((owner) => here.has(owner)) ?? "free"];
  }
  const each = perCell === 1 ? "" : `, ${perCell} to a sign`;
  const head = `${title}: ${owners.length} chunks of ${shortSize(chunkBytes)}${each}`;
  const legend = (Object.keys(OWNER_SIGNS) as ChunkOwner[])
    .filter((owner) => region.chunksByOwner[owner] > 0)
    .map((owner) => `${OWNER_SIGNS[owner]} ${OWNER_WORDS[owner]} ${region.chunksByOwner[owner]}`);
  const rows = map.match(new RegExp(`.{1,${columns}}`, "gu")) ?? [];
  return [head, ...rows, legend.join("   ")];
}

function cell(text: string, width: number): string {
  return clip(` ${text}`, width).padEnd(width);
}

function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}${ELLIPSIS}`;
}
