/**
 * Boot entries as systemd-boot reads and orders them: the examples of the specifications (UAPI.1,
 * UAPI.10), and what holds for any bytes.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  blessedName,
  compareEntries,
  countedName,
  identityOf,
  isEntryName,
  type LoaderEntry,
  linesOf,
  parseEntry,
} from "../../host/format/loader/entry.ts";
import {
  fitsPattern,
  orderEntries,
  parseLoaderConf,
  triedInOrder,
} from "../../host/format/loader/menu.ts";
import { compareVersions } from "../../host/format/loader/version.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function entry(file: string, text = ""): LoaderEntry {
  const parsed = parseEntry(file, bytes(`linux /k\n${text}`));
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

describe("versions", () => {
  // Examples of UAPI.10.
  test.each([
    ["11", "=", "11"],
    ["systemd-123", "=", "systemd-123"],
    ["bar-123", "<", "foo-123"],
    ["123a", ">", "123"],
    ["123.a", ">", "123"],
    ["123.a", "<", "123.b"],
    ["123a", ">", "123.a"],
    ["11α", "=", "11β"],
    ["B", "<", "a"],
    ["", "<", "0"],
    ["0.", ">", "0"],
    ["0.0", ">", "0"],
    ["0", ">", "~"],
    ["", ">", "~"],
    ["1_", "=", "1"],
    ["_1", "=", "1"],
    ["1_", "<", "1.2"],
    ["1_2_3", ">", "1.3.3"],
    ["1+", "=", "1"],
    ["+1", "=", "1"],
    ["1+", "<", "1.2"],
    ["1+2+3", ">", "1.3.3"],
    ["00123", "=", "123"],
    ["1.9", "<", "1.10"],
  ])("%s %s %s", (one, sign, other) => {
    const due = { "<": -1, "=": 0, ">": 1 }[sign] as number;
    expect(compareVersions(one, other)).toBe(due);
    expect(0 - compareVersions(other, one)).toBe(0 + due);
  });

  test("the specification's row is in order, each pair of it", () => {
    const row = [
      ...["122.1", "123~rc1-1", "123", "123-a", "123-a.1", "123-1", "123-1.1", "123^post1"],
      ...["123.a-1", "123.1-1", "123a-1", "124-1"],
    ];
    row.forEach((one, index) => {
      for (const other of row.slice(index + 1)) {
        expect(compareVersions(one, other), `${one} < ${other}`).toBe(-1);
      }
    });
  });

  const version = fc.string({ unit: fc.constantFrom(...[..."019abZ.-~^_+ é"]), maxLength: 12 });

  test("is an order of any texts: one of three, turned round, and passed on", () => {
    fc.assert(
      fc.property(version, version, version, (one, two, three) => {
        const sign = compareVersions(one, two);
        expect([-1, 0, 1]).toContain(sign);
        expect(compareVersions(two, one) + sign).toBe(0);
        expect(compareVersions(one, one)).toBe(0);
        if (sign <= 0 && compareVersions(two, three) <= 0) {
          expect(compareVersions(one, three)).toBeLessThanOrEqual(0);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test("agrees with the specification's steps, written a second time over characters", () => {
    fc.assert(
      fc.property(version, version, (one, other) => {
        expect(compareVersions(one, other)).toBe(stepwise([...one], [...other]));
      }),
      { numRuns: 5000 },
    );
  });
});

/** UAPI.10 step by step: each takes characters from the front of both texts. */
function stepwise(one: string[], other: string[]): number {
  const is = (set: string) => (c: string | undefined) => c !== undefined && set.includes(c);
  const digit = is("0123456789");
  const letter = is("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  const known = (c: string | undefined) => digit(c) || letter(c) || is("-.~^")(c);
  const take = (from: string[], wanted: (c: string | undefined) => boolean) => {
    const taken: string[] = [];
    while (wanted(from[0])) taken.push(from.shift() as string);
    return taken;
  };
  while (one.length > 0 || other.length > 0) {
    for (const text of [one, other]) while (text.length > 0 && !known(text[0])) text.shift();
    const step = ["~", "end", "-", "^", "."].find((each) =>
      [one, other].some((text) => (each === "end" ? text.length === 0 : text[0] === each)),
    );
    if (step === "end") return Math.sign(one.length - other.length);
    if (step !== undefined) {
      if (one[0] !== step) return 1;
      if (other[0] !== step) return -1;
      one.shift();
      other.shift();
      continue;
    }
    const numeric = digit(one[0]) || digit(other[0]);
    const [mine, theirs] = [
      take(one, numeric ? digit : letter),
      take(other, numeric ? digit : letter),
    ];
    if (numeric) {
      // A text of digits only: as large numbers, none of them being less than zero.
      const value = (digits: string[]) => (digits.length === 0 ? -1n : BigInt(digits.join("")));
      const strip = (n: bigint) => (n < 0n ? 0n : n);
      const [a, b] = [strip(value(mine)), strip(value(theirs))];
      if (a !== b) return a < b ? -1 : 1;
    } else {
      const [a, b] = [mine.join(""), theirs.join("")];
      if (a !== b) return a < b ? -1 : 1;
    }
  }
  return 0;
}

describe("an entry", () => {
  test("has its keys; initrds and options add up, of others the last counts", () => {
    const text =
      "# comment\n\ttitle  RayOS \r\nversion 1\nversion 2\nsort-key rayos-1\nmachine-id abc\n" +
      "linux EFI\\RAYOS//k.efi\ninitrd /a\ninitrd /b\noptions root=x\noptions  panic=1\n" +
      'architecture X64\nunknown thing\nalone\ntitle "Ray OS"\n';
    expect(parseEntry("Rayos+3-1.conf", bytes(text))).toEqual({
      ...{ file: "Rayos+3-1.conf", id: "rayos.conf", tries: { left: 3, done: 1 } },
      ...{ title: "Ray OS", version: "2", machineId: "abc", sortKey: "rayos-1" },
      ...{ program: "/EFI/RAYOS/k.efi", initrds: ["/a", "/b"], options: "root=x panic=1" },
    });
  });

  test.each([
    ["title x\n", "it names no kernel"],
    ["linux\n", "it names no kernel"],
    ["linux /a\nefi /b\n", "it names two programs, by linux and by efi"],
    ["linux /a\narchitecture aa64\n", "it is for aa64, not for x64"],
    ["\0linux /a\n", "it names no kernel"],
  ])("%j is none: %s", (text, reason) => {
    expect(parseEntry("a.conf", bytes(text))).toBe(reason);
  });

  test.each([
    ["a+3.conf", "a.conf", 3, 0],
    ["a+2-1.conf", "a.conf", 2, 1],
    ["a+0-3.CONF", "a.conf", 0, 3],
    ["a+b+4-0.conf", "a+b.conf", 4, 0],
    ["+1.conf", ".conf", 1, 0],
    ["a+2147483647.conf", "a.conf", 2147483647, 0],
  ])("%s is %s, with %i tries left and %i done", (file, id, left, done) => {
    expect(identityOf(file)).toEqual({ id, tries: { left, done } });
  });

  test.each(["a.conf", "a+.conf", "a+x.conf", "a+1-.conf", "a+1-2-3.conf", "a+-1.conf"])(
    "%s has no counter",
    (file) => expect(identityOf(file)).toEqual({ id: file, tries: undefined }),
  );

  test("a counter too large is part of the name", () => {
    expect(identityOf("a+2147483648.conf").tries).toBeUndefined();
  });

  test("each start takes a try, to none left; a good one takes the counter off", () => {
    const names = ["a+2.conf"];
    for (let turn = 0; turn < 4; turn++) {
      names.push(countedName(entry(names.at(-1) as string)) as string);
    }
    expect(names).toEqual(["a+2.conf", "a+1-1.conf", "a+0-2.conf", "a+0-3.conf", "a+0-4.conf"]);
    expect(names.map(blessedName)).toEqual(names.map(() => "a.conf"));
    expect(countedName(entry("a.conf"))).toBeUndefined();
  });

  test("which files are entries", () => {
    const names = ["a.conf", "B.CONF", ".a.conf", "auto-x.conf", "a.conf~", "conf", "a.efi"];
    expect(names.filter(isEntryName)).toEqual(["a.conf", "B.CONF"]);
  });

  test("of any bytes it is an entry or a sentence, and its lines have no line breaks", () => {
    const line = fc.tuple(
      fc.constantFrom("linux", "initrd", "options", "title", "architecture", "", "#", "\0", "efi"),
      fc.string({ unit: "binary", maxLength: 20 }),
    );
    const text = fc.array(line).map((all) => all.map((each) => each.join(" ")).join("\n"));
    const content = fc.oneof(fc.uint8Array({ maxLength: 300 }), text.map(bytes));
    fc.assert(
      fc.property(fc.string(), content, (file, data) => {
        const found = parseEntry(file, data);
        for (const { key, value } of linesOf(data)) expect(`${key}${value}`).not.toMatch(/[\r\n]/);
        if (typeof found === "string") expect(found).toMatch(/^it /);
        else expect(found.program).toMatch(/^\//);
      }),
      { numRuns: 2000 },
    );
  });

  test("blanks inside of a line take one pass", { timeout: 5000 }, () => {
    const [long, short] = [" ".repeat(200_000), "\t \t"];
    expect(linesOf(bytes(`${long}title${long}a${long}b${short}\n${short}options c\n`))).toEqual([
      { key: "title", value: `a${long}b` },
      { key: "options", value: "c" },
    ]);
  });

  test("a file of a million lines is read once", () => {
    const found = parseEntry("a.conf", bytes(`${"options x\n".repeat(100_000)}linux /k`));
    expect(found).toMatchObject({ program: "/k" });
  });
});

describe("the menu", () => {
  test("keys, machines and versions come first, then names, the newest first; the spent are last", () => {
    const due = [
      entry("d.conf", "sort-key kkkk\nversion 100"),
      entry("x1.conf", "sort-key xxxx\nmachine-id 1\nversion 5"),
      entry("x10.conf", "sort-key xxxx\nmachine-id 2\nversion 10"),
      entry("x9.conf", "sort-key xxxx\nmachine-id 2\nversion 9"),
      entry("b.conf", "version 3"),
      entry("a-10.conf"),
      entry("a-5+3.conf"),
      entry("a-5+2-1.conf"),
      entry("a-5+2-2.conf"),
      entry("spent+0-3.conf", "sort-key aaaa"),
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(due, { minLength: due.length }), (shuffled) => {
        expect(orderEntries(shuffled).map(({ file }) => file)).toEqual(due.map((e) => e.file));
      }),
    );
  });

  const anyEntry = fc
    .record({
      name: fc.constantFrom("a", "b", "a-1", "a-10"),
      counter: fc.constantFrom("", "+3", "+0-1", "+2-1", "+2-2"),
      key: fc.constantFrom("", "sort-key k\n", "sort-key l\n"),
      rest: fc.constantFrom("", "version 1\n", "version 2\n", "machine-id m\n"),
    })
    .map(({ name, counter, key, rest }) => entry(`${name}${counter}.conf`, key + rest));

  test("is an order of any entries", () => {
    fc.assert(
      fc.property(anyEntry, anyEntry, anyEntry, (one, two, three) => {
        const sign = Math.sign(compareEntries(one, two));
        expect(Math.sign(compareEntries(two, one)) + sign).toBe(0);
        // An entry without a counter is as good as any counter of the same name: that is no order.
        const tries = [one, two, three].filter((each) => each.tries !== undefined).length;
        if (tries !== 0 && tries !== 3) return;
        if (sign <= 0 && compareEntries(two, three) <= 0) {
          expect(compareEntries(one, three)).toBeLessThanOrEqual(0);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test("what is tried is every entry once, those with tries left before those without", () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 8 }), fc.string(), (entries, pattern) => {
        const tried = triedInOrder(entries, [pattern, undefined, "a*"]);
        expect([...tried].sort(compareEntries)).toEqual(orderEntries(entries));
        const spent = tried.slice(1).map(({ tries }) => tries?.left === 0);
        expect(spent).toEqual([...spent].sort());
      }),
    );
  });

  test("a pattern chooses, the first of several that fits any", () => {
    const entries = [
      entry("rayos+0-3.conf", "sort-key 1"),
      entry("rayos-previous+3.conf", "sort-key 2"),
      entry("rayos-recovery.conf", "sort-key 3"),
    ];
    const first = (...patterns: (string | undefined)[]) => triedInOrder(entries, patterns)[0]?.file;
    expect(first("rayos*")).toBe("rayos-previous+3.conf");
    expect(first(undefined, "RAYOS-REC*")).toBe("rayos-recovery.conf");
    expect(first("none", "rayos.conf")).toBe("rayos+0-3.conf");
    expect(first()).toBe("rayos-previous+3.conf");
  });

  test.each([
    ["*", "anything", true],
    ["rayos*", "rayos.conf", true],
    ["rayos*", "ray.conf", false],
    ["RayOS.conf", "rayos.conf", true],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["a[b-d]e", "ace", true],
    ["a[!b-d]e", "ace", false],
    ["a[b-d", "ac", false],
    ["a\\*", "a*", true],
    ["a\\*", "ab", false],
    ["*a*b*", "xxaxxbxx", true],
    ["", "", true],
    ["", "a", false],
  ])("%s fits %s: %s", (pattern, id, fits) => {
    expect(fitsPattern(pattern, id)).toBe(fits);
  });

  test("no pattern takes long: stars are tried once each", () => {
    expect(fitsPattern(`${"*a".repeat(500)}b`, "a".repeat(255))).toBe(false);
    expect(fitsPattern("*".repeat(1025), "a")).toBe(false);
  });

  test("loader.conf: what it says last, and what is none is passed over", () => {
    const conf = (text: string) => parseLoaderConf(bytes(text));
    expect(conf("timeout 5\ndefault rayos*\nconsole-mode keep\n")).toEqual({
      ...{ default: "rayos*", timeout: 5 },
    });
    expect(conf("timeout menu-hidden\ntimeout x\n").timeout).toBe("menu-hidden");
    expect(conf("timeout -1\n#default a\n")).toEqual({ default: undefined, timeout: undefined });
  });
});
