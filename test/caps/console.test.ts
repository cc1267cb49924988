/** Console: lines under their writer's name, clean, and not without end. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ConsoleCap,
  ConsoleLog,
  HistoryCap,
  LINE_BYTES_MAX,
} from "../../host/system/caps/console.ts";
import { utf8, value, wordOf } from "./support.ts";

function scene(options: { bytesMax?: number; linesMax?: number; prefix?: string } = {}) {
  const shown: string[] = [];
  const log = new ConsoleLog((text) => shown.push(text));
  return { shown, log, console: ConsoleCap.over(log, { name: "svc", ...options }) };
}

test("text becomes lines with the writer's name, however it is cut into writes", () => {
  const text = "one\ntwo ä€😀\r\n\nlast";
  fc.assert(
    fc.property(fc.array(fc.nat(utf8(text).length)), (cuts) => {
      const { shown, console } = scene();
      const bytes = utf8(text);
      const ends = [...cuts, bytes.length].sort((a, b) => a - b);
      let from = 0;
      for (const end of ends) {
        expect(value(console.write(bytes.subarray(from, end)))).toBe(end - from);
        from = end;
      }
      value(console.flush());
      expect(shown).toEqual(["[svc] one", "[svc] two ä€😀", "[svc] ", "[svc] last"]);
    }),
  );
});

test("no bytes a service writes end a line early, move a cursor or take another name", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), (pieces) => {
      const { shown, console } = scene();
      let lines = 0;
      for (const piece of pieces) {
        value(console.write(piece));
        for (const byte of piece) lines += byte === 10 ? 1 : 0;
      }
      value(console.flush());
      expect(shown.length - lines).toBeGreaterThanOrEqual(0);
      expect(shown.length - lines).toBeLessThanOrEqual(1);
      for (const line of shown) {
        expect(line.startsWith("[svc] ")).toBe(true);
        expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Surrogate}]/u);
      }
    }),
  );
});

test("control characters, bad UTF-8 and reversed text come out as U+FFFD", () => {
  const { shown, console } = scene();
  value(console.writeLine("\u001b[2Jred\u0007 a\tb \u202egnitset \u2028x"));
  value(console.write(Uint8Array.of(0xff, 0x41, 0xc3, 0x0a)));
  expect(shown).toEqual([
    "[svc] \ufffd[2Jred\ufffd a b \ufffdgnitset \ufffdx",
    "[svc] \ufffdA\ufffd",
  ]);
});

test("a name and a prefix cannot forge a line either", () => {
  const shown: string[] = [];
  const log = new ConsoleLog((text) => shown.push(text));
  value(ConsoleCap.over(log, { name: "x\n[init] ok" }).writeLine("hello"));
  const console = ConsoleCap.over(log, { name: "gen", prefix: "[gen] " });
  value(console.withPrefix("a\r\nb: ").writeLine("hello"));
  expect(shown).toEqual(["[x\ufffd[init] ok] hello", "[gen] a\ufffd\ufffdb: hello"]);
});

test("a line without end is broken into pieces", () => {
  const { shown, console } = scene();
  value(console.writeLine("é".repeat(LINE_BYTES_MAX)));
  expect(shown).toHaveLength(2);
  expect(shown.map((line) => utf8(line).length - 6)).toEqual([LINE_BYTES_MAX, LINE_BYTES_MAX]);
});

test("over its limits a service is named once, and everything more is too-large", () => {
  for (const limits of [{ bytesMax: 100 }, { linesMax: 3 }]) {
    const { shown, log, console } = scene(limits);
    const words: string[] = [];
    for (let count = 0; count < 40; count++)
      words.push(wordOf(() => console.writeLine("12345678")));
    const taken = words.indexOf("too-large");
    expect(taken).toBe("bytesMax" in limits ? 11 : 3);
    expect(new Set(words.slice(taken))).toEqual(new Set(["too-large"]));
    expect(shown).toHaveLength(taken + 1);
    expect(shown.at(-1)).toMatch(/^\[console\] svc: wrote more than \d+ (bytes|lines); the rest/);
    expect(log.flooded).toEqual(["svc"]);
    // What would still fit is refused too, and so is what was made from it.
    expect(wordOf(() => console.write("x"))).toBe("too-large");
    expect(wordOf(() => console.withPrefix("p").write("x"))).toBe("too-large");
  }
});

test("a flood in small pieces without a line end is a flood", () => {
  const { console } = scene({ bytesMax: 1000 });
  const words = Array.from({ length: 1001 }, () => wordOf(() => console.write("x")));
  expect(words.lastIndexOf("ok")).toBe(999);
});

test("a writer reads its own lines; a history of all is another capability", () => {
  const { log, console } = scene();
  value(ConsoleCap.over(log, { name: "other" }).writeLine("secret"));
  value(console.writeLine("mine"));
  value(console.writeLine("too"));
  const own = console.history();
  expect(value(own.read()).map(({ text }) => text)).toEqual(["[svc] mine", "[svc] too"]);
  expect(value(own.read(2)).map(({ number }) => number)).toEqual([3]);
  expect(wordOf(() => own.only("other"))).toBe("denied");
  const all = HistoryCap.over(log);
  expect(value(all.read(0, 1)).map(({ source }) => source)).toEqual(["other"]);
  expect(value(value(all.only("other")).read()).map(({ text }) => text)).toEqual([
    "[other] secret",
  ]);
  expect("write" in all).toBe(false);
});
