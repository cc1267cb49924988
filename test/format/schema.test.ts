/** The published JSON schemas: ajv, which is not ours, judges as our own check does. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAccount, encodeAccount } from "../../host/format/account.ts";
import { JsonError } from "../../host/format/json/check.ts";
import {
  accountFromJson,
  accountToJson,
  type JsonReader,
  manifestFromJson,
  manifestToJson,
  overlayFromJson,
  overlayToJson,
} from "../../host/format/json/records.ts";
import {
  accountSchema,
  manifestSchema,
  overlaySchema,
  type Schema,
} from "../../host/format/json/schema.ts";
import { decodeManifest, encodeManifest } from "../../host/format/manifest.ts";
import { decodeOverlay, encodeOverlay } from "../../host/format/overlay.ts";
import { hashOf } from "../support/base.ts";
import { anyAccount, anyManifest, anyOverlay } from "../support/records.ts";

const reader: JsonReader = {
  file: (name) => new TextEncoder().encode(name),
  binary: () => ({ sha256: hashOf(1), sizeBytes: 1 }),
};

interface Kind {
  readonly schema: Schema;
  /** JSON of any valid record. */
  readonly any: fc.Arbitrary<object>;
  /** From JSON through the bytes and back. */
  through(json: unknown): object;
}

const KINDS: Record<string, Kind> = {
  manifest: {
    schema: manifestSchema,
    any: anyManifest.map(manifestToJson),
    through: (json) =>
      manifestToJson(decodeManifest(encodeManifest(manifestFromJson(json, reader)))),
  },
  overlay: {
    schema: overlaySchema,
    any: anyOverlay().map((value) => overlayToJson(decodeOverlay(encodeOverlay(value)))),
    through: (json) => overlayToJson(decodeOverlay(encodeOverlay(overlayFromJson(json, reader)))),
  },
  account: {
    schema: accountSchema,
    any: anyAccount.map(accountToJson),
    through: (json) => accountToJson(decodeAccount(encodeAccount(accountFromJson(json)))),
  },
};

describe.each(Object.entries(KINDS))("%s.schema.json", (name, { schema, any, through }) => {
  const judge = new Ajv2020({ allowUnionTypes: true }).compile(schema);

  /** "OK", or who refuses: the schema or a rule that no schema can say. */
  const ours = (json: unknown): string => {
    try {
      through(json);
      return "OK";
    } catch (error) {
      if (error instanceof JsonError) return error.kind;
      throw error;
    }
  };

  test("is the schema that the program checks by", () => {
    const page = readFileSync(`docs/schema/${name}.schema.json`, "utf8");
    expect(JSON.parse(page)).toEqual(schema);
  });

  test("accepts every record, and the record comes back from its JSON", () => {
    fc.assert(
      fc.property(any, (json) => {
        expect(judge(json), JSON.stringify(judge.errors)).toBe(true);
        expect(through(JSON.parse(JSON.stringify(json)))).toEqual(json);
      }),
    );
  });

  test("refuses what the program refuses by it, and nothing else", () => {
    const counts = { OK: 0, schema: 0, value: 0 } as Record<string, number>;
    const changes = fc.array(fc.tuple(fc.nat(), anyChange), { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(any, changes, (json, wanted) => {
        const bent: { whole: unknown } = { whole: structuredClone(json) };
        for (const [at, change] of wanted) bend(bent, at, change);
        const told = ours(bent.whole);
        counts[told] = (counts[told] ?? 0) + 1;
        const accepted = judge(bent.whole);
        expect(told === "schema", JSON.stringify(judge.errors)).toBe(!accepted);
      }),
      { numRuns: 1500 },
    );
    for (const [what, count] of Object.entries(counts)) expect(count, what).toBeGreaterThan(0);
  });
});

type Change =
  | { readonly kind: "replace"; readonly value: unknown }
  | { readonly kind: "remove" | "twice" | "unknown" | "upper" };

const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom("", "a", "a b", "a\n", "init", "console", "info", "0".repeat(64), "\ud800"),
  fc.constantFrom("/a/../b", "/a", "1.2.3.4", "1.2.3.4/24", "01.2.3.4", "1af4:1042@00:04.0"),
  fc.constantFrom<unknown>({ text: "x" }, { file: "x" }, { files: ["x", ""] }, { base64: "QUI=" }),
  fc.constantFrom<unknown>({ base64: "QUJ=" }, { text: "x", file: "x" }, {}, [], null, true),
  fc.constantFrom(0, 1, 1.5, -1, 64, 65, 2 ** 32, 2 ** 53, Number.POSITIVE_INFINITY),
  fc.string({ unit: "binary", maxLength: 70 }),
  fc.jsonValue({ maxDepth: 1 }),
);

const anyChange: fc.Arbitrary<Change> = fc.oneof(
  anyValue.map((value) => ({ kind: "replace", value }) as const),
  fc.record({ kind: fc.constantFrom("remove", "twice", "twice", "unknown", "upper") }),
);

/** Changes the `at`-th value of a JSON, counted over all of it. */
function bend(root: { whole: unknown }, at: number, change: Change): void {
  const places: [Record<string, unknown>, string][] = [];
  const collect = (holder: object) => {
    for (const [key, value] of Object.entries(holder)) {
      places.push([holder as Record<string, unknown>, key]);
      if (typeof value === "object" && value !== null) collect(value);
    }
  };
  collect(root);
  if (places.length === 0) return;
  const [holder, key] = places[at % places.length] as (typeof places)[number];
  const old = holder[key];
  if (change.kind === "replace") holder[key] = structuredClone(change.value);
  else if (change.kind === "remove" && !Array.isArray(holder)) delete holder[key];
  else if (change.kind === "upper" && typeof old === "string") holder[key] = old.toUpperCase();
  else if (change.kind === "twice" && Array.isArray(old)) holder[key] = [...old, ...old];
  else if (typeof old === "object" && old !== null) Object.assign(old, { surplus: 1 });
}
