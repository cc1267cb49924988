/** Group commit: who shares a commit, when it comes by itself, and who hears of its failure. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { CommitGroup, type Durability } from "../../host/system/disk/group.ts";

class FakePart {
  commits = 0;
  pages = 0;
  fails: Error | undefined;
  readonly log: string[];
  readonly name: string;

  constructor(name = "store", log: string[] = []) {
    this.name = name;
    this.log = log;
  }

  epoch(): number {
    return 7;
  }

  dirtyPages(): number {
    return this.pages;
  }

  commit(): void {
    this.commits += 1;
    this.pages = 0;
    this.log.push(this.name);
    const { fails } = this;
    this.fails = undefined;
    if (fails !== undefined) throw fails;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function group(durability: Durability, rests: { count: number } = { count: 0 }) {
  const part = new FakePart();
  const rest = () => {
    rests.count += 1;
  };
  return { part, group: new CommitGroup([part], { durability, rest }) };
}

test("in mode each 64 concurrent changes share one commit and resolve after it", async () => {
  const { part, group: commits } = group("each");
  let resolved = 0;
  const all = Array.from({ length: 64 }, () =>
    commits.changed(part).then(() => {
      expect(part.commits).toBe(1);
      resolved += 1;
    }),
  );
  expect(part.commits).toBe(0);
  await vi.advanceTimersByTimeAsync(0);
  await Promise.all(all);
  expect([resolved, part.commits]).toEqual([64, 1]);
});

test("in mode batch a change resolves at once and is committed 50 ms after the last one", async () => {
  const { part, group: commits } = group("batch");
  for (let index = 0; index < 5; index++) {
    await commits.changed(part);
    await vi.advanceTimersByTimeAsync(40);
  }
  expect(part.commits).toBe(0);
  await vi.advanceTimersByTimeAsync(9);
  expect(part.commits).toBe(0);
  await vi.advanceTimersByTimeAsync(3);
  expect(part.commits).toBe(1);
  await vi.advanceTimersByTimeAsync(500);
  expect(part.commits).toBe(1);
});

test("4,096 changed pages are committed before the change resolves", async () => {
  const { part, group: commits } = group("batch");
  part.pages = 4095;
  await commits.changed(part);
  expect(part.commits).toBe(0);
  part.pages = 4096;
  const change = commits.changed(part);
  await vi.advanceTimersByTimeAsync(0);
  await change;
  expect(part.commits).toBe(1);
});

test("concurrent syncs share one commit of each part, the store's first", async () => {
  const log: string[] = [];
  const parts = [new FakePart("store", log), new FakePart("files", log)];
  const commits = new CommitGroup(parts, { durability: "batch" });
  const syncs = [commits.sync(), commits.sync(), commits.sync(parts[1])];
  await vi.advanceTimersByTimeAsync(0);
  await Promise.all(syncs);
  expect(log).toEqual(["store", "files"]);
});

test("rest comes once, 50 ms after the last commit", async () => {
  const rests = { count: 0 };
  const { part, group: commits } = group("each", rests);
  for (let index = 0; index < 3; index++) {
    const change = commits.changed(part);
    await vi.advanceTimersByTimeAsync(10);
    await change;
  }
  expect(rests.count).toBe(0);
  await vi.advanceTimersByTimeAsync(60);
  expect(rests.count).toBe(1);
  await vi.advanceTimersByTimeAsync(500);
  expect(rests.count).toBe(1);
});

test("a failed commit rejects those who waited for it, and nobody after them", async () => {
  const { part, group: commits } = group("each");
  part.fails = new Error("EIO");
  const lost = [commits.changed(part), commits.changed(part)].map((change) =>
    expect(change).rejects.toThrow("EIO"),
  );
  await vi.advanceTimersByTimeAsync(0);
  await Promise.all(lost);
  const next = commits.changed(part);
  await vi.advanceTimersByTimeAsync(0);
  await expect(next).resolves.toBe(undefined);
});

test("an EIO says from which epoch on everything is lost", async () => {
  const { part, group: commits } = group("each");
  part.fails = new StorageError(-5, "commit");
  const change = expect(commits.changed(part)).rejects.toMatchObject({ code: "EIO", lostSince: 7 });
  await vi.advanceTimersByTimeAsync(0);
  await change;
});

test("a failed commit that nobody waited for is told to the next sync, once", async () => {
  const { part, group: commits } = group("batch");
  await commits.changed(part);
  part.fails = new Error("EIO");
  await vi.advanceTimersByTimeAsync(60);
  await expect(commits.sync()).rejects.toThrow("EIO");
  const next = commits.sync();
  await vi.advanceTimersByTimeAsync(0);
  await expect(next).resolves.toBe(undefined);
});

test("stop() commits what is left, settles who waits, and stops the clocks", async () => {
  const { part, group: commits } = group("each");
  const change = commits.changed(part);
  commits.stop();
  await change;
  expect(part.commits).toBe(1);
  await expect(commits.sync()).rejects.toThrow("EBADF");
  const { part: late, group: batch } = group("batch");
  await batch.changed(late);
  batch.stop();
  await vi.advanceTimersByTimeAsync(500);
  expect(late.commits).toBe(1);
  const { part: broken, group: failing } = group("batch");
  await failing.changed(broken);
  broken.fails = new Error("EIO");
  expect(() => failing.stop()).toThrow("EIO");
});

test("abandon() rejects who waits and forgets the changes", async () => {
  const { part, group: commits } = group("each");
  const change = expect(commits.changed(part)).rejects.toThrow("gone");
  commits.abandon(new Error("gone"));
  await change;
  await vi.advanceTimersByTimeAsync(500);
  expect(part.commits).toBe(0);
});
