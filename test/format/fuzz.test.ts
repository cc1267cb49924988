/**
 * Hostile records: whatever the bytes, a decoder answers a value that encodes to the same bytes, or
 * RecordReject. Length and digest are repaired after each change, so that the change is looked at.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { buildSync } from "esbuild";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { accountFormat, accountWire } from "../../host/format/account.ts";
import { generationFormat, generationWire } from "../../host/format/generation.ts";
import { manifestFormat, manifestWire } from "../../host/format/manifest.ts";
import { overlayFormat, overlayWire } from "../../host/format/overlay.ts";
import { pointerFormat, pointerWire } from "../../host/format/pointer.ts";
import {
  HEAD_DIGEST,
  HEAD_LENGTH,
  HEAD_MAGIC,
  HEAD_SIZE,
  HEAD_VERSION,
  type RecordFormat,
  RecordReject,
  recordDigest,
} from "../../host/format/record.ts";
import { account, generation, manifest, overlay, pointer } from "../support/base.ts";
import {
  anyAccount,
  anyGeneration,
  anyManifest,
  anyOverlay,
  anyPointer,
} from "../support/records.ts";

interface Kind {
  readonly format: RecordFormat<object>;
  readonly sample: object;
  readonly any: fc.Arbitrary<object>;
  readonly body: { encode(value: object): Uint8Array; decode(data: Uint8Array): object };
}

const KINDS = {
  manifest: { format: manifestFormat, sample: manifest, any: anyManifest, body: manifestWire },
  overlay: { format: overlayFormat, sample: overlay, any: anyOverlay(), body: overlayWire },
  account: { format: accountFormat, sample: account, any: anyAccount, body: accountWire },
  generation: {
    format: generationFormat,
    sample: generation,
    any: anyGeneration,
    body: generationWire,
  },
  pointer: { format: pointerFormat, sample: pointer, any: anyPointer, body: pointerWire },
} as unknown as Record<string, Kind>;

/** The record with length and digest as they should be for what it now holds. */
function repaired(data: Uint8Array): Uint8Array {
  const whole = new Uint8Array(data);
  new DataView(whole.buffer).setUint32(HEAD_LENGTH, whole.length, true);
  whole.set(recordDigest(whole), HEAD_DIGEST);
  return whole;
}

/** "OK", or the class of the reject; anything else is a test that fails. */
function outcome({ encode, decode }: RecordFormat<object>, data: Uint8Array): string {
  let value: object;
  try {
    value = decode(data);
  } catch (error) {
    if (!(error instanceof RecordReject)) throw error;
    // One line, whatever the bytes were: it is printed on a console.
    expect(error.reason).toMatch(/^[^\p{C}\u2028\u2029]+$/u);
    return error.class;
  }
  expect(encode(value)).toEqual(data);
  return "OK";
}

describe.each(Object.entries(KINDS))("%s", (_, { format, sample, any, body }) => {
  const whole = format.encode(sample);

  test("cut at any byte is schema-invalid, also with length and digest repaired", () => {
    for (let size = 0; size < whole.length; size++) {
      const cut = whole.slice(0, size);
      expect(outcome(format, cut), `${size} bytes`).toBe("schema-invalid");
      if (size < HEAD_SIZE) continue;
      expect(outcome(format, repaired(cut)), `${size} bytes, repaired`).toBe("schema-invalid");
    }
  });

  test("with any bit of the body or digest flipped is hash-mismatch", () => {
    for (let at = HEAD_DIGEST; at < whole.length; at++) {
      const bent = whole.slice();
      bent[at] = (bent[at] as number) ^ (1 << (at % 8));
      expect(outcome(format, bent), `byte ${at}`).toBe("hash-mismatch");
    }
  });

  test("of another magic, version, length or with reserved bits is rejected by its class", () => {
    const classes = [];
    for (const at of [HEAD_MAGIC, HEAD_VERSION, HEAD_VERSION + 2, HEAD_LENGTH]) {
      const bent = whole.slice();
      bent[at] = (bent[at] as number) ^ 0x40;
      bent.set(recordDigest(bent), HEAD_DIGEST);
      classes.push(outcome(format, bent));
    }
    expect(classes).toEqual([
      "schema-invalid",
      "version-mismatch",
      "schema-invalid",
      "schema-invalid",
    ]);
  });

  test("with bytes behind it is schema-invalid", () => {
    const longer = new Uint8Array(whole.length + 1);
    longer.set(whole);
    expect(outcome(format, longer)).toBe("schema-invalid");
    expect(outcome(format, repaired(longer))).toBe("schema-invalid");
  });

  test("with any byte of the body changed and the digest repaired is canonical or rejected", () => {
    for (let at = HEAD_SIZE; at < whole.length; at++) {
      for (const change of [0x01, 0x20, 0x80, 0xff]) {
        const bent = whole.slice();
        bent[at] = (bent[at] as number) ^ change;
        expect(["OK", "schema-invalid"], `byte ${at}`).toContain(outcome(format, repaired(bent)));
      }
    }
  });

  test("with a number that lies at any place is canonical or rejected", () => {
    for (let at = HEAD_SIZE; at + 4 <= whole.length; at++) {
      for (const lie of [0, 1, 0xff, 0x7fff_ffff, 0xffff_ffff, whole.length]) {
        const bent = whole.slice();
        new DataView(bent.buffer).setUint32(at, lie, true);
        expect(["OK", "schema-invalid"], `byte ${at}`).toContain(outcome(format, repaired(bent)));
      }
    }
  });

  test("with a body of random bytes is canonical or rejected", () => {
    const bodies = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ max: 3 }));
    fc.assert(
      fc.property(bodies, (bytes) => {
        const forged = new Uint8Array(HEAD_SIZE + bytes.length);
        forged.set(whole.subarray(0, HEAD_SIZE));
        forged.set(bytes, HEAD_SIZE);
        expect(["OK", "schema-invalid"]).toContain(outcome(format, repaired(forged)));
      }),
      { numRuns: 500 },
    );
  });

  test("of random bytes is rejected", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcome(format, bytes)).toBe("schema-invalid");
      }),
    );
  });

  test("with fields exchanged for others of their type is canonical or rejected", () => {
    const lies = fc.array(fc.tuple(fc.nat(), anyLie), { minLength: 1, maxLength: 3 });
    const seen = new Set<string>();
    fc.assert(
      fc.property(any, lies, (value, changes) => {
        const fields = body.decode(format.encode(value).subarray(HEAD_SIZE));
        for (const [at, lie] of changes) exchange(fields, at, lie);
        const encoded = encodedOrNothing(body, fields);
        if (encoded === undefined) return;
        const forged = new Uint8Array(HEAD_SIZE + encoded.length);
        forged.set(whole.subarray(0, HEAD_SIZE));
        forged.set(encoded, HEAD_SIZE);
        const told = outcome(format, repaired(forged));
        seen.add(told);
        expect(["OK", "schema-invalid"]).toContain(told);
      }),
      { numRuns: 400 },
    );
    expect([...seen].sort()).toEqual(["OK", "schema-invalid"]);
  });
});

/** An overlay whose body holds what `change` makes of a valid one; length and digest are right. */
function forged(change: (body: ReturnType<typeof overlayWire.decode>) => void): Uint8Array {
  const whole = overlayFormat.encode(overlay as never);
  const body = overlayWire.decode(whole.subarray(HEAD_SIZE));
  change(body);
  return repaired(Buffer.concat([whole.subarray(0, HEAD_SIZE), overlayWire.encode(body)]));
}

/** The bytes of `text` in a record exchanged for others of the same length. */
function exchanged(data: Uint8Array, text: string, bytes: number[]): Uint8Array {
  const bent = data.slice();
  bent.set(bytes, Buffer.from(bent).indexOf(text));
  return repaired(bent);
}

const valid = forged(() => undefined);
test.each<[string, Uint8Array, RegExp]>([
  ["no UTF-8", exchanged(valid, "overlay-extra", [0xc3, 0x28]), /utf-8/i],
  ["an overlong NUL", exchanged(valid, "overlay-extra", [0xc0, 0x80]), /utf-8/i],
  ["a surrogate in UTF-8", exchanged(valid, "overlay-extra", [0xed, 0xa0, 0x80]), /utf-8/i],
  ["a byte order mark", exchanged(valid, "overlay-extra", [0xef, 0xbb, 0xbf]), /not a name/],
  ["a line break in a name", exchanged(valid, "overlay-extra", [0x0a]), /"\\n.*" is not a name/],
  ["a control byte in a host name", exchanged(valid, "installed", [0x1b]), /not a host name/],
  [
    "a service twice",
    forged((body) => body.services.push(...body.services)),
    /services\[1\]\.name: "overlay-extra" is there twice/,
  ],
  [
    "a capability twice",
    forged(({ services: [first] }) => first?.caps.push(...first.caps)),
    /services\[0\]\.caps\[2\]\.name: "out" is there twice/,
  ],
  [
    "a server twice",
    forged(({ network: [first] }) => first?.dns.push("1.1.1.1")),
    /settings\.network\.dns\[2\]: "1.1.1.1" is there twice/,
  ],
  ["epoch 0", forged((body) => Object.assign(body, { epoch: 0 })), /epoch: 0/],
  [
    "an account at zero",
    forged((body) => body.accountStoreLocation[0]?.fill(0)),
    /accountStoreLocation/,
  ],
])("an overlay with %s, all else in order, is schema-invalid and says so", (_, data, reason) => {
  expect(outcome(overlayFormat as unknown as RecordFormat<object>, data)).toBe("schema-invalid");
  expect(() => overlayFormat.decode(data)).toThrow(reason);
});

interface Lie {
  readonly number: number;
  readonly text: string;
  readonly fill: number;
  readonly list: "empty" | "twice" | "reverse";
}

const anyLie: fc.Arbitrary<Lie> = fc.record({
  number: fc.oneof(fc.nat(8), fc.constantFrom(0xff, 0xffff_ffff, Number.MAX_SAFE_INTEGER)),
  text: fc.oneof(
    fc.constantFrom("", "init", "INIT", "a", "..", "/", "a/b", "\0", "\u202e", "a\n[init] b"),
    fc.string({ unit: "binary", maxLength: 70 }),
  ),
  fill: fc.integer({ min: 0, max: 255 }),
  list: fc.constantFrom("empty", "twice", "reverse"),
});

/** Puts a lie of the right type at the `at`-th place of the record, counted over all of it. */
function exchange(fields: object, at: number, lie: Lie): void {
  const places: [Record<string, unknown>, string][] = [];
  const collect = (holder: object) => {
    for (const [key, value] of Object.entries(holder)) {
      places.push([holder as Record<string, unknown>, key]);
      if (typeof value === "object" && !(value instanceof Uint8Array)) collect(value as object);
    }
  };
  collect(fields);
  const [holder, key] = places[at % places.length] as (typeof places)[number];
  const old = holder[key];
  if (typeof old === "number") holder[key] = lie.number;
  else if (typeof old === "string") holder[key] = lie.text;
  else if (old instanceof Uint8Array) holder[key] = new Uint8Array(old.length).fill(lie.fill);
  else if (Array.isArray(old)) {
    holder[key] = { empty: [], twice: [...old, ...old], reverse: old.toReversed() }[lie.list];
  }
}

/** The wire refuses what does not fit a field; that is tested in test/base/wire. */
function encodedOrNothing(body: Kind["body"], fields: object): Uint8Array | undefined {
  try {
    return body.encode(fields);
  } catch {
    return undefined;
  }
}

test("a heap of 24 MiB is enough for every decoder and any lie about lengths", async () => {
  const records = Object.entries(KINDS).map(([name, { format, sample }]) => {
    const whole = format.encode(sample);
    // As long as may be, of bytes that read as counts and lengths of their own.
    const long = new Uint8Array(format.bytesMax).fill(0x01);
    long.set(whole.subarray(0, HEAD_SIZE));
    return { name, whole, long: repaired(long) };
  });
  const script = `
    const { parentPort, workerData } = require("node:worker_threads");
    (async () => {
      const { recordDigest } = await import(workerData.dist + "/record.mjs");
      let rejected = 0;
      for (const { name, whole, long } of workerData.records) {
        const module = await import(workerData.dist + "/" + name + ".mjs");
        const decode = module[name + "Format"].decode;
        const attempt = (bytes) => {
          try { decode(bytes); } catch (error) { if (error.class) rejected++; else throw error; }
        };
        attempt(long);
        for (let at = ${HEAD_SIZE}; at + 4 <= whole.length; at++) {
          const bent = whole.slice();
          new DataView(bent.buffer).setUint32(at, 0xfffffff0, true);
          bent.set(recordDigest(bent), ${HEAD_DIGEST});
          attempt(bent);
        }
      }
      parentPort.postMessage(rejected);
    })();`;
  const folder = mkdtempSync(join(tmpdir(), "diskwright-fuzz-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  buildSync({
    entryPoints: ["record", ...Object.keys(KINDS)].map((name) => `host/format/${name}.ts`),
    ...{ bundle: true, splitting: true, format: "esm", outdir: folder },
    outExtension: { ".js": ".mjs" },
  });
  const dist = pathToFileURL(folder).href;
  const rejected = await new Promise((done, failed) => {
    const worker = new Worker(script, {
      eval: true,
      workerData: { dist, records },
      resourceLimits: { maxOldGenerationSizeMb: 24 },
    });
    worker.once("message", done).once("error", failed);
  });
  expect(rejected).toBeGreaterThan(500);
});
