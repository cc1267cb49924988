/** A repository that isomorphic-git wrote on a disk's filesystem, judged by git itself. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import git from "isomorphic-git";
import { expect } from "vitest";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { createDisk } from "../../host/system/disk/named.ts";
import { run, scratch, testWith } from "./tools.ts";

const author = { name: "Ada", email: "ada@example.org" };
const dir = "/repo";

testWith("git")("git finds the repository sound and its work tree clean", async () => {
  const disk = await createDisk(new MemoryDevice({ size: "32MiB" }), { layout: "region" });
  const fs = disk.fs;
  if (fs === null) throw new Error("no filesystem");
  const { promises } = fs;
  await git.init({ fs, dir, defaultBranch: "main" });
  await promises.mkdir(`${dir}/src`);
  for (let at = 0; at < 30; at++) await promises.writeFile(`${dir}/src/${at}.txt`, `${at}\n`);
  await promises.writeFile(`${dir}/run.sh`, "#!/bin/sh\n", { mode: 0o755 });
  await promises.symlink("src/1.txt", `${dir}/link`);
  await git.add({ fs, dir, filepath: "." });
  const oid = await git.commit({ fs, dir, author, message: "all of it" });

  const folder = join(scratch(), "repo");
  const entries = await promises.readdir(dir, { recursive: true, withFileTypes: true });
  mkdirSync(folder);
  for (const entry of entries) {
    const from = `${entry.parentPath}/${entry.name}`;
    const to = join(folder, from.slice(dir.length));
    mkdirSync(dirname(to), { recursive: true });
    if (entry.isDirectory()) mkdirSync(to, { recursive: true });
    else if (entry.isSymbolicLink()) symlinkSync(await promises.readlink(from), to);
    else {
      writeFileSync(to, await promises.readFile(from));
      chmodSync(to, (await promises.stat(from)).mode & 0o777);
    }
  }
  await disk.close();
  const own = ["-c", "safe.directory=*", "-C", folder];
  expect(run("git", [...own, "fsck", "--strict"])).toMatchObject({ code: 0, stdout: "" });
  expect(run("git", [...own, "status", "--porcelain"])).toMatchObject({ code: 0, text: "" });
  expect(run("git", [...own, "rev-parse", "HEAD"]).stdout.trim()).toBe(oid);
});
