/**
 * isomorphic-git on the filesystem of a disk: a repository is made, two commits, and the first one
 * is checked out again. It asks for an object with `promises`, and `disk.fs` is one.
 *
 *     npm install isomorphic-git && node examples/git-on-a-disk.mjs
 */
import { createDisk } from "diskwright";
import git from "isomorphic-git";

const disk = await createDisk("mem:64MiB", { layout: "region" });
const { fs } = disk;
const dir = "/project";
const author = { name: "Ada", email: "ada@example.org" };

await fs.promises.mkdir(dir);
await git.init({ fs, dir, defaultBranch: "main" });
for (const text of ["first", "second"]) {
  await fs.promises.writeFile(`${dir}/notes.txt`, `${text}\n`);
  await git.add({ fs, dir, filepath: "notes.txt" });
  await git.commit({ fs, dir, author, message: text });
}
const [second, first] = await git.log({ fs, dir });
await git.checkout({ fs, dir, ref: first.oid });
const notes = await fs.promises.readFile(`${dir}/notes.txt`, "utf8");
process.stdout.write(`${first.commit.message}${second.commit.message}notes: ${notes}`);
await disk.close();
