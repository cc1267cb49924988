/**
 * The installer and real device nodes, made by losetup and used by the kernel. Where the machine gives
 * no loop device or no mount, the tests are reported as skipped with what it said.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { rayosInstaller } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";
import { findTool, run } from "./tools.ts";

const fresh = temporaryPaths();
const TOOLS = ["losetup", "mkfs.ext4", "mount", "umount", "sgdisk"];

function sparse(sizeBytes: number): string {
  const path = fresh("disk.img");
  const fd = openSync(path, "w");
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  return path;
}

/** A loop device over `image`, and where its filesystem is mounted; or why there is none. */
function tryMount(image: string, at: string): { node: string } | { why: string } {
  const missing = TOOLS.filter((name) => findTool(name) === undefined);
  if (missing.length > 0) return { why: `missing: ${missing.join(", ")}` };
  run("mkfs.ext4", ["-q", "-F", image]);
  mkdirSync(at);
  const made = run("losetup", ["-f", "--show", image]);
  if (made.code !== 0) return { why: `no loop device here: ${made.stderr.trim()}` };
  const node = made.stdout.trim();
  const { code, stderr } = run("mount", [node, at]);
  if (code === 0) return { node };
  run("losetup", ["-d", node]);
  return { why: `no mount here: ${stderr.trim().split("\n")[0]}` };
}

function unmount(node: string, at: string): void {
  run("umount", [at]);
  run("losetup", ["-d", node]);
}

const place = fresh("probe");
const probe = tryMount(sparse(2 ** 24), place);
if ("node" in probe) unmount(probe.node, place);
const title = "why" in probe ? `real nodes [${probe.why}]` : "real nodes";

describe.skipIf("why" in probe)(title, () => {
  test("a mounted node is listed, and refused for where it is mounted", () => {
    const at = fresh("mounted here");
    const made = tryMount(sparse(2 ** 24), at);
    if ("why" in made) throw new Error(made.why);
    const { node } = made;
    onTestFinished(() => unmount(node, at));
    const name = node.slice("/dev/".length);
    const args = ["--enumerate-local-disks", node];
    const { stdout } = rayosInstaller(args);
    expect(JSON.parse(stdout).disks).toMatchObject([
      { name, dev_path: node, size_bytes: 2 ** 24, is_read_only: false },
    ]);
    const { code, stderr } = rayosInstaller([...args, "--interactive"], `1\nyes\n${name}\n`);
    expect(code).toBe(1);
    const reason = `${name} is not available: it is mounted at ${at}`;
    expect(stderr).toContain(`RAYOS_INSTALLER:INSTALLATION_FAILED:reason=${reason}\n`);
    expect(stderr).not.toContain("Proceed");
  });

  test("a table of sgdisk is read through the node and shown", () => {
    const image = sparse(2 ** 26);
    run("sgdisk", ["-n", "1:2048:+8M", "-c", "1:first", "-n", "2:0:+4M", image]);
    const node = run("losetup", ["-f", "--show", image]).stdout.trim();
    onTestFinished(() => void run("losetup", ["-d", node]));
    const { stdout } = rayosInstaller(["--enumerate-local-disks", "--list-disks", node]);
    expect(stdout).toContain("      partition table, 2 partitions\n");
    expect(stdout).toContain("      1: unknown first, 8 MiB\n");
    // Nobody named it, so a loop device is no disk.
    const all = JSON.parse(rayosInstaller(["--enumerate-local-disks"]).stdout);
    const names = all.disks.map(({ name }: { name: string }) => name);
    expect(names).not.toContain(node.slice("/dev/".length));
  });
});
