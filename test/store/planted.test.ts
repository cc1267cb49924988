/** The planted bugs of the store bite: each breaks what its switch guards, and nothing without it. */
import { expect, test } from "vitest";
import { RequestType } from "../../host/device/device.ts";
import { plantedCore } from "../support/core.ts";
import { packRecords } from "../support/packs.ts";
import { bytesOf, Fixture } from "../support/store.ts";

/** A store whose core has bug `id`; 0 is none. */
function planted(id: number): Fixture {
  return new Fixture({ size: "8MiB", core: plantedCore(id), open: { strict: false } });
}

function throws(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch {
    return true;
  }
}

function damage(fixture: Fixture, bytes: Uint8Array): void {
  const at = Buffer.from(fixture.memory.bytes()).indexOf(bytes.subarray(0, 64));
  fixture.memory.flip((at + 300) * 8);
}

interface Bug {
  readonly id: number;
  readonly name: string;
  /** True if the promise was broken. */
  readonly broken: (fixture: Fixture) => boolean;
}

const BUGS: readonly Bug[] = [
  {
    id: 20,
    name: "a damaged entry is a dedup hit",
    broken: (fixture) => {
      const { store } = fixture;
      const bytes = bytesOf(1000, 1);
      const hash = store.put(bytes);
      store.commit();
      damage(fixture, bytes);
      throws(() => store.get(hash));
      store.put(bytes);
      return throws(() => store.get(hash));
    },
  },
  {
    id: 21,
    name: "a record shares its 4 KiB block with an acknowledged one",
    broken: (fixture) => {
      fixture.store.put(bytesOf(100, 1));
      fixture.store.commit();
      fixture.store.put(bytesOf(100, 2));
      fixture.store.commit();
      const sectors = packRecords(fixture.memory.bytes()).map(({ sector }) => sector);
      return Math.floor((sectors[0] as number) / 8) === Math.floor((sectors[1] as number) / 8);
    },
  },
  {
    id: 22,
    name: "a get does not compare the hash",
    broken: (fixture) => {
      const bytes = bytesOf(1000, 1);
      const hash = fixture.store.put(bytes);
      fixture.store.commit();
      damage(fixture, bytes);
      return !throws(() => fixture.store.get(hash));
    },
  },
  {
    id: 23,
    name: "a chunk whose last object was deleted is free one commit too early",
    broken: (fixture) => {
      const { store } = fixture;
      const hashes = [1, 2, 3, 4].map((seed) => store.put(bytesOf(60_000, seed)));
      store.commit();
      const before = store.stat().freeBytes;
      for (const hash of hashes.slice(0, 3)) store.delete(hash);
      return store.stat().freeBytes > before + 65_536;
    },
  },
  {
    id: 24,
    name: "an abort keeps the write position and the account of the open chunk",
    broken: (fixture) => {
      const { store, device } = fixture;
      store.put(bytesOf(100, 1));
      store.commit();
      store.put(bytesOf(5000, 2));
      device.inject({ on: RequestType.FLUSH });
      throws(() => store.commit());
      device.clear();
      store.reopen();
      store.put(bytesOf(100, 3));
      store.commit();
      return store.verify().length > 0;
    },
  },
  {
    id: 25,
    name: "a commit does not write the records first",
    broken: (fixture) => {
      const hash = fixture.store.put(bytesOf(1000, 1));
      fixture.store.commit();
      fixture.crash();
      return throws(() => fixture.store.get(hash));
    },
  },
  {
    id: 26,
    name: "compaction does not repoint what it moved",
    broken: (fixture) => {
      const { store } = fixture;
      const hashes = Array.from({ length: 60 }, (_, seed) => store.put(bytesOf(4000, seed)));
      store.commit();
      hashes.forEach((hash, index) => {
        if (index % 2 === 0) store.delete(hash);
      });
      store.compact();
      store.commit();
      return store.verify().length > 0;
    },
  },
  {
    id: 27,
    name: "a deletion leaves its sectors in the account",
    broken: (fixture) => {
      const hash = fixture.store.put(bytesOf(1000, 1));
      fixture.store.delete(hash);
      return fixture.store.verify().length > 0;
    },
  },
  {
    id: 28,
    name: "the superblock keeps an older write position, so a re-open writes over records",
    broken: (fixture) => {
      const hash = fixture.store.put(bytesOf(1000, 1));
      fixture.store.commit();
      fixture.crash();
      fixture.store.put(bytesOf(1000, 2));
      fixture.store.commit();
      return throws(() => fixture.store.get(hash));
    },
  },
];

test.each(BUGS)("planted $id: $name", ({ id, broken }) => {
  expect(broken(planted(0))).toBe(false);
  expect(broken(planted(id))).toBe(true);
});
