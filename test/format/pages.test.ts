/** The pages on records and overlays: their tables are the codecs', their examples run. */
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { accountWire, attributeWire, credentialWire, rootWire } from "../../host/format/account.ts";
import { entryWire, generationWire } from "../../host/format/generation.ts";
import {
  binaryWire,
  capWire,
  decodeManifest,
  manifestWire,
  pointsWire,
  serviceWire,
} from "../../host/format/manifest.ts";
import { networkWire, overlayWire } from "../../host/format/overlay.ts";
import { pointerWire } from "../../host/format/pointer.ts";
import { composeBytes } from "../../host/system/config/compose.ts";
import { diskwright } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

interface Field {
  measure(value: unknown): { readonly size: number };
}
const WIRES: Record<string, { readonly schema: { readonly properties: object } }> = {
  manifest: manifestWire,
  binary: binaryWire,
  service: serviceWire,
  capability: capWire,
  "extension points": pointsWire,
  overlay: overlayWire,
  network: networkWire,
  account: accountWire,
  attribute: attributeWire,
  credential: credentialWire,
  "storage root": rootWire,
  generation: generationWire,
  object: entryWire,
  pointer: pointerWire,
};

describe("docs/format/records.md", () => {
  const page = fs.readFileSync("docs/format/records.md", "utf8");
  const sections = page.split(/^### /m).slice(1);

  test("has a table for each body and for nothing else", () => {
    const titles = sections.map((section) => section.split("\n")[0]);
    expect(titles).toEqual(Object.keys(WIRES));
  });

  test.each(Object.entries(WIRES))("%s: fields and sizes are the codec's", (title, wire) => {
    const section = sections.find((text) => text.startsWith(`${title}\n`)) ?? "";
    const rows = [...section.matchAll(/^\| +(\d+) \| (\w+) \|/gm)].map((row) => [row[2], row[1]]);
    const fields = Object.entries(wire.schema.properties as Record<string, Field>);
    expect(rows).toEqual(fields.map(([name, field]) => [name, String(emptySize(field))]));
  });
});

/** Bytes of a field whose texts, blobs and lists are empty. */
function emptySize(field: Field & { readonly properties?: Record<string, Field> }): number {
  if (field.properties !== undefined) {
    return Object.values(field.properties).reduce((sum, inner) => sum + emptySize(inner), 0);
  }
  const sizes = ["", [], new Uint8Array(0)].map((empty) => {
    const { size } = field.measure(empty);
    return Number.isNaN(size) ? Number.POSITIVE_INFINITY : size;
  });
  return Math.min(...sizes);
}

test("the examples of docs/overlay.md make records that compose", () => {
  const page = fs.readFileSync("docs/overlay.md", "utf8");
  const folder = fresh("overlay");
  fs.mkdirSync(join(folder, "bins"), { recursive: true });
  for (const [, name = "", text = ""] of page.matchAll(/^```json (\S+)\n(.*?)^```$/gms)) {
    fs.writeFileSync(join(folder, name), text);
  }
  for (const name of ["console-paths.wasm", "overlay-extra.wasm"]) {
    fs.writeFileSync(join(folder, "bins", name), name);
  }
  const commands = /^```sh\n(.*?)^```$/ms.exec(page)?.[1]?.trim().split("\n") ?? [];
  expect(commands.length).toBe(5);
  for (const command of commands) {
    const [, ...words] = command.split(" ");
    const args = words.map((word) => (/\.|\/$/.test(word) ? join(folder, word) : word));
    const { code, stderr } = diskwright(args);
    expect([code, stderr.replaceAll(folder, "")], command).toEqual([
      0,
      command.includes("show") ? expect.stringMatching(/^\/overlay\.bin: overlay, /) : "",
    ]);
  }
  const bytes = (name: string) => new Uint8Array(fs.readFileSync(join(folder, name)));
  const answer = composeBytes(decodeManifest(bytes("manifest.bin")), bytes("overlay.bin"));
  expect(answer).toMatchObject({
    plan: { settings: { hostname: "workbench", logLevel: "info" }, overlayEpoch: 1 },
  });
  expect(
    "plan" in answer && answer.plan.services.map(({ name, origin }) => [name, origin]),
  ).toEqual([
    ["console-paths", "base"],
    ["overlay-extra", "overlay"],
  ]);
});
