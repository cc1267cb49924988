/** isomorphic-git on a disk's filesystem: 1,000 files added, committed, changed, checked out. */
import git from "isomorphic-git";
import { expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import type { FilePromises } from "../../host/core/node/async/promises.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { createDisk, openDisk } from "../../host/system/disk/named.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();
const FILES = 1000;
const author = {
  name: "Ada",
  email: "ada@example.org",
  timestamp: 1_700_000_000,
  timezoneOffset: 0,
};
const dir = "/repo";

const names = Array.from({ length: FILES }, (_, index) => `d${index % 20}/sub/file-${index}.txt`);
const text = (name: string, version: number) => `${name}, version ${version}\n`.repeat(20);

async function writeAll(files: FilePromises, version: number): Promise<void> {
  for (const name of names) await files.writeFile(`${dir}/${name}`, text(name, version));
}

test("init, add, commit, log and checkout of 1,000 files, and all of it after a re-open", async () => {
  const path = fresh("git.img");
  const disk = await createDisk(path, { size: "96MiB", layout: "region" });
  const fs = disk.fs;
  if (fs === null) throw new Error("no filesystem");
  for (let at = 0; at < 20; at++) await fs.promises.mkdir(`${dir}/d${at}/sub`, { recursive: true });
  await git.init({ fs, dir, defaultBranch: "main" });
  await writeAll(fs.promises, 1);
  await git.add({ fs, dir, filepath: names });
  const first = await git.commit({ fs, dir, author, message: "one" });
  await writeAll(fs.promises, 2);
  await git.add({ fs, dir, filepath: names.slice(0, 10) });
  const second = await git.commit({ fs, dir, author, message: "two" });
  expect((await git.log({ fs, dir })).map(({ oid }) => oid)).toEqual([second, first]);
  await git.branch({ fs, dir, ref: "old", object: first });
  await git.checkout({ fs, dir, ref: "old", force: true });
  await disk.close();

  const device = FileDevice.open(path, { readOnly: true });
  expect(finish(verifyDisk(device)).findings).toEqual([]);
  device.close();

  const again = await openDisk(path);
  const { promises } = again.fs as NonNullable<typeof again.fs>;
  for (const name of names) {
    expect(await promises.readFile(`${dir}/${name}`, "utf8")).toBe(text(name, 1));
  }
  const there = { fs: { promises }, dir };
  await git.checkout({ ...there, ref: "main", force: true });
  for (const [index, name] of names.entries()) {
    const version = index < 10 ? 2 : 1;
    expect(await promises.readFile(`${dir}/${name}`, "utf8")).toBe(text(name, version));
  }
  expect(await git.currentBranch(there)).toBe("main");
  const matrix = await git.statusMatrix(there);
  expect(matrix.filter(([, head, work, stage]) => head !== 1 || work !== 1 || stage !== 1)).toEqual(
    [],
  );
  expect(matrix.length).toBe(FILES);
  await again.close();
});
