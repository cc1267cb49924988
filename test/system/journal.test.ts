/** The install journal: whatever a cut leaves of it, it names the step before or the step itself. */
import { describe, expect, test } from "vitest";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import {
  clearJournal,
  JOURNAL_EXTENT,
  readJournal,
  writeJournal,
} from "../../host/system/install/journal.ts";

const BYTES = JOURNAL_EXTENT.sectors * 512;
const START = JOURNAL_EXTENT.first * 512;

function entry(sequence: number) {
  return {
    sequence,
    step: sequence - 1,
    planHash: new Uint8Array(32).fill(sequence),
    recipe: `{"number":${sequence}}`,
  };
}

function written(count: number): MemoryDevice {
  const device = new MemoryDevice({ size: "1MiB" });
  for (let sequence = 1; sequence <= count; sequence++) writeJournal(device, entry(sequence));
  return device;
}

describe("the newest entry", () => {
  test("is what was written last; before that there is none", () => {
    expect(readJournal(written(0))).toBeUndefined();
    for (const count of [1, 2, 3, 8]) {
      expect(readJournal(written(count))).toMatchObject(entry(count));
    }
  });

  test("survives in the other slot when the next write is torn anywhere", () => {
    const before = written(4);
    const after = written(5);
    for (let sectors = 0; sectors <= JOURNAL_EXTENT.sectors; sectors++) {
      for (const front of [true, false]) {
        const torn = before.clone();
        const from = front ? 0 : sectors * 512;
        const to = front ? sectors * 512 : BYTES;
        torn.poke(START + from, after.peek(START + from, to - from));
        expect([4, 5], `${sectors} sectors`).toContain(readJournal(torn)?.sequence);
      }
    }
  });

  test("is not read when any one bit of it is flipped", () => {
    const device = written(1);
    const slot = START + 4096;
    for (let at = 0; at < 250; at++) {
      const bent = device.clone();
      const [byte = 0] = bent.peek(slot + at, 1);
      bent.poke(slot + at, Uint8Array.of(byte ^ (1 << (at % 8))));
      expect(readJournal(bent), `byte ${at}`).toBeUndefined();
    }
  });

  test("is not read from the other slot's place", () => {
    const device = written(1);
    const moved = new MemoryDevice({ size: "1MiB" });
    moved.poke(START, device.peek(START + 4096, 4096));
    expect(readJournal(moved)).toBeUndefined();
  });
});

test("clearing leaves the newest entry until the last moment, and then the final bytes", () => {
  const final = new Uint8Array(BYTES).map((_, at) => at % 251);
  const device = written(6);
  const states: (number | undefined)[] = [];
  const watched = Object.create(device, {
    submit: {
      value: (requests: Parameters<MemoryDevice["submit"]>[0]) => {
        device.submit(requests);
        states.push(readJournal(device)?.sequence);
      },
    },
  }) as MemoryDevice;
  clearJournal(watched, 6, final);
  // flush, older slot, flush, newest slot, flush
  expect(states).toEqual([6, 6, 6, undefined, undefined]);
  expect(device.peek(START, BYTES)).toEqual(final);
});

test("a disk too small for a journal has none", () => {
  expect(readJournal(new MemoryDevice({ size: "32KiB" }))).toBeUndefined();
});

test("random bytes in both slots are no journal", () => {
  const device = new MemoryDevice({ size: "1MiB" });
  let state = 1;
  device.poke(
    START,
    new Uint8Array(BYTES).map(() => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state >> 16;
    }),
  );
  expect(readJournal(device)).toBeUndefined();
});
