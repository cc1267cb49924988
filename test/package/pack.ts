/** The package as a registry would hand it out, installed in a folder of its own. */
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface Project {
  readonly folder: string;
  /** The packed package. */
  readonly tarball: string;
  /** Where it is installed. */
  readonly installed: string;
  write(name: string, text: string): string;
  remove(): void;
}

/** A fresh project with the packed package; what that depends on is linked from here. */
export function freshProject(): Project {
  const folder = mkdtempSync(join(tmpdir(), "diskwright-package-"));
  const modules = join(folder, "node_modules");
  const installed = join(modules, "diskwright");
  mkdirSync(installed, { recursive: true });
  // dist/ is built; the script that would build it again is not run.
  run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], ".");
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "");
  run("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"], folder);
  const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) {
    mkdirSync(join(modules, name, ".."), { recursive: true });
    symlinkSync(resolve("node_modules", name), join(modules, name));
  }
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  return {
    ...{ folder, tarball, installed },
    write: (name, text) => {
      const path = join(folder, name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, text);
      return path;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Runs a command in `folder`; answers what it printed, throws if it failed. */
export function run(command: string, args: readonly string[], folder: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}
