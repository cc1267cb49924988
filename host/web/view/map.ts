/**
 * The disk to scale, as a picture: partitions and tables; where writes fall while something runs;
 * below a data region its chunks by owner, and what each generation holds.
 */

import { CELLS, type DiskView, type OpenDisk } from "../rpc/api.ts";
import { h, type View } from "./h.ts";
import type { Running } from "./store.ts";
import { count, size } from "./words.ts";

const WIDTH = 1000;
const SECTOR_BYTES = 512;
/** The tables are a few sectors: drawn no thinner than this. */
const THIN = 4;
const GPT_SECTORS = 34;

interface Box {
  readonly first: number;
  readonly sectors: number;
  readonly kind: string;
  readonly title: string;
}

type Owner = NonNullable<DiskView["volumes"][number]["region"]>["owners"][number];

const OWNER_WORDS: Readonly<Record<Owner, string>> = {
  meta: "trees",
  pack: "objects",
  files: "files",
  free: "free",
  bad: "bad",
};

export function DiskMap(props: { disk: OpenDisk; running?: Running | undefined }): View {
  const { disk, running } = props;
  const { view, plan } = disk;
  const isInstalled = view?.table !== undefined;
  const boxes = isInstalled ? boxesOf(view) : plannedBoxes(disk);
  const cells = running?.writes?.cells;
  const said = [
    `${disk.name}, ${size(disk.sizeBytes)}`,
    ...boxes.map(({ title }) => title),
    ...(boxes.length === 0 ? ["nothing is on it"] : []),
  ];
  return h(
    "figure",
    { class: "map" },
    bar("disk-bar", said.join("; "), [
      ...boxes.map((box) => rect(box, disk.sizeBytes / SECTOR_BYTES)),
      ...(cells === undefined ? [] : written(cells)),
    ]),
    h(
      "figcaption",
      null,
      !isInstalled && plan !== undefined ? "As it is planned. " : "",
      h(
        "ul",
        { class: "legend" },
        ...boxes.map(legend),
        cells === undefined ? null : legend({ kind: "written", title: "being written" }),
      ),
    ),
    ...(view?.volumes ?? []).map((volume) =>
      volume.region === undefined ? null : chunks(volume.region, volume.name ?? "data region"),
    ),
    generations(disk),
  );
}

function bar(kind: string, label: string, content: readonly (View | null)[]): View {
  const viewBox = `0 0 ${WIDTH} 48`;
  const given = { viewBox, preserveAspectRatio: "none", role: "img", "aria-label": label };
  return h("svg", { class: kind, ...given }, ...content);
}

function rect({ first, sectors, kind, title }: Box, total: number): View {
  const width = Math.max(THIN, (sectors / total) * WIDTH);
  const x = Math.min((first / total) * WIDTH, WIDTH - width);
  return h("rect", { x, y: 0, width, height: 48, class: `box ${kind}` }, h("title", null, title));
}

/** Where writes fell since the action began: the more of them, the higher. */
function written(cells: Uint8Array): View[] {
  const width = WIDTH / CELLS;
  return [...cells].flatMap((hits, index) => {
    if (hits === 0) return [];
    const height = Math.min(48, 10 + Math.log2(1 + hits) * 6);
    return [h("rect", { x: index * width, y: 48 - height, width, height, class: "written" })];
  });
}

function legend({ kind, title }: Pick<Box, "kind" | "title">): View {
  return h("li", null, h("span", { class: `swatch ${kind}`, "aria-hidden": true }), title);
}

function boxesOf(view: DiskView): Box[] {
  const total = view.sizeBytes / SECTOR_BYTES;
  const perBlock = view.blockSize / SECTOR_BYTES;
  const ends = {
    front: (view.table?.firstUsableLba ?? GPT_SECTORS) * perBlock,
    back: ((view.table?.lastUsableLba ?? 0) + 1) * perBlock,
  };
  const volumes = view.volumes.map((volume): Box => {
    const { first, sectors, partition, name, sizeBytes } = volume;
    const kind = kindOf(volume);
    const title = `${partition ?? ""} ${name ?? "volume"}, ${kind.words}, ${size(sizeBytes)}`;
    return { first, sectors, kind: kind.name, title: title.trim() };
  });
  const table = (first: number, sectors: number, title: string): Box => {
    return { first, sectors, kind: "gpt", title: `${title}, ${size(sectors * SECTOR_BYTES)}` };
  };
  return [
    table(0, ends.front, "GPT"),
    ...volumes,
    table(ends.back, total - ends.back, "backup GPT"),
  ];
}

function kindOf(volume: DiskView["volumes"][number]): { name: string; words: string } {
  if (volume.fat !== undefined) return { name: "esp", words: "FAT32" };
  if (volume.region !== undefined) return { name: "data", words: "data region" };
  if (volume.ext4 !== undefined) return { name: "ext4", words: "ext4" };
  return { name: "other", words: volume.signature ?? "nothing known" };
}

function plannedBoxes({ plan }: OpenDisk): Box[] {
  return (plan?.partitions ?? []).map(({ index, name, first, sectors, type }) => {
    const kind = type === "esp" ? "esp" : "data";
    return { first, sectors, kind, title: `${index} ${name}, ${size(sectors * SECTOR_BYTES)}` };
  });
}

function chunks(
  { owners, chunkBytes, chunksByOwner }: NonNullable<DiskView["volumes"][number]["region"]>,
  name: string,
): View {
  const words = (Object.keys(OWNER_WORDS) as Owner[])
    .filter((owner) => chunksByOwner[owner] > 0)
    .map((owner) => ({ owner, text: `${OWNER_WORDS[owner]}: ${chunksByOwner[owner]}` }));
  const told = words.map(({ text }) => text).join(", ");
  const label = `chunks of ${name}, ${size(chunkBytes)} each; ${told}`;
  const runs = runsOf(owners);
  return h(
    "div",
    { class: "detail" },
    h("h3", null, `Chunks of ${name}, ${size(chunkBytes)} each`),
    bar(
      "chunk-bar",
      label,
      runs.map(({ first, length, owner }) => {
        const unit = WIDTH / owners.length;
        const box = { x: first * unit, y: 0, width: Math.max(1, length * unit), height: 48 };
        return h("rect", { ...box, class: `box owner-${owner}` });
      }),
    ),
    h(
      "ul",
      { class: "legend" },
      ...words.map(({ owner, text }) =>
        h("li", null, h("span", { class: `swatch owner-${owner}`, "aria-hidden": true }), text),
      ),
    ),
  );
}

function runsOf(owners: readonly Owner[]): { first: number; length: number; owner: Owner }[] {
  const runs: { first: number; length: number; owner: Owner }[] = [];
  for (const [index, owner] of owners.entries()) {
    const last = runs.at(-1);
    if (last?.owner === owner) last.length++;
    else runs.push({ first: index, length: 1, owner });
  }
  return runs;
}

/** What each generation names in the store, to scale among each other. */
function generations({ generations: all }: OpenDisk): View | null {
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total === 0) return null;
  let at = 0;
  const boxes = all.map(({ id, role, bytes, objects }) => {
    const title = `generation ${id}, ${role}: ${count(objects, "object")}, ${size(bytes)}`;
    const box = { first: at, sectors: bytes, kind: `role-${role}`, title };
    at += bytes;
    return box;
  });
  return h(
    "div",
    { class: "detail" },
    h("h3", null, "What the generations hold"),
    bar(
      "chunk-bar",
      boxes.map(({ title }) => title).join("; "),
      boxes.filter(({ sectors }) => sectors > 0).map((box) => rect(box, total)),
    ),
    h("ul", { class: "legend" }, ...boxes.map(legend)),
  );
}
