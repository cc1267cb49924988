/**
 * Raw device nodes: the file adapter on block devices of the kernel, made by losetup. Where the
 * machine gives no loop device (no root, a container without them) each test is reported as skipped,
 * also under CI, with what losetup said in its name; a missing losetup is a missing tool.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { RequestType, request } from "../../host/device/device.ts";
import { FileDevice } from "../../host/device/local/file.ts";
import { createDisk, openDisk } from "../../host/system/disk/named.ts";
import { deviceContract, noise, read, run as submit } from "../support/contract.ts";
import { temporaryPaths } from "../support/folder.ts";
import { findTool, run, scratch, testWith } from "./tools.ts";

const { OUT, FLUSH, WRITE_ZEROES } = RequestType;
const fresh = temporaryPaths();

/** The node of a new loop device, or why there is none. */
function tryAttach(image: string, blkSize: number): { node: string } | { why: string } {
  if (findTool("losetup") === undefined) return { why: "missing: losetup" };
  const { code, stdout, stderr } = run("losetup", ["-f", "--show", "-b", `${blkSize}`, image]);
  if (code === 0) return { node: stdout.trim() };
  return { why: `no loop device here: ${stderr.trim().split("\n")[0]}` };
}

function attach(image: string, blkSize: number): string {
  const made = tryAttach(image, blkSize);
  if ("node" in made) return made.node;
  throw new Error(made.why);
}

function sparse(path: string, sizeBytes: number): string {
  const fd = openSync(path, "w");
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  return path;
}

const probe = tryAttach(sparse(fresh("probe.img"), 1 << 20), 512);
if ("node" in probe) run("losetup", ["-d", probe.node]);
const title = "node" in probe ? "device nodes" : `device nodes [${probe.why}]`;

/** A loop device over a fresh image, detached when the test has finished. */
function loop(sizeBytes: number, blkSize: 512 | 4096): { node: string; image: string } {
  const image = sparse(join(scratch(), "image"), sizeBytes);
  const node = attach(image, blkSize);
  onTestFinished(() => void run("losetup", ["-d", node]));
  return { node, image };
}

testWith("losetup")("losetup is there", () => {
  expect(findTool("losetup")).toBeDefined();
});

describe.skipIf("why" in probe)(title, () => {
  test("size, blocks and serial of a node are those of the kernel", () => {
    const { node } = loop(2 ** 24, 4096);
    const device = FileDevice.open(node);
    expect(device.config).toMatchObject({ capacity: 2 ** 15, blkSize: 4096 });
    expect(device.identity.serial).toBe(node.slice("/dev/".length));
    expect(device.durability.level).toBe("power-loss");
    device.close();
  });

  test("what is written to a node and flushed is in its image, zeroes too", () => {
    const { node, image } = loop(2 ** 24, 512);
    const device = FileDevice.open(node);
    submit(device, request(OUT, 8, noise(8 << 20, 1)), request(FLUSH, 0));
    expect(readFileSync(image).subarray(4096, 8192)).toEqual(Buffer.from(noise(4096, 1)));
    submit(device, request(WRITE_ZEROES, 8, undefined, 2 ** 14, 1), request(FLUSH, 0));
    expect(read(device, 8, 4096)).toEqual(new Uint8Array(4096));
    expect(readFileSync(image).subarray(4096, 8192)).toEqual(Buffer.alloc(4096));
    device.close();
  });

  test("a node that somebody has is EBUSY: by our lock, and by the kernel's own", () => {
    const { node } = loop(2 ** 24, 512);
    const device = FileDevice.open(node);
    expect(() => FileDevice.open(node)).toThrow(/EBUSY.*this process holds it/);
    expect(() => FileDevice.open(node, { lock: false })).toThrow("EBUSY");
    FileDevice.open(node, { readOnly: true }).close();
    device.close();
    FileDevice.open(node).close();
  });

  test("a disk is made on a node only if it may be overwritten, and opened again", async () => {
    const { node } = loop(2 ** 28, 512);
    await expect(createDisk(node)).rejects.toMatchObject({ code: "EEXIST" });
    const disk = await createDisk(node, { overwrite: true });
    await disk.fs?.promises.writeFile("/etc/motd", "on a node");
    await disk.close();
    const again = await openDisk(`${node}:2`, { readOnly: true });
    expect(await again.fs?.promises.readFile("/etc/motd", "utf8")).toBe("on a node");
    await again.close();
    expect(statSync(node).isBlockDevice()).toBe(true);
  });

  deviceContract(
    "device node",
    ({ sizeBytes, blkSize, readOnly, content }) => {
      const image = sparse(fresh("contract.img"), sizeBytes);
      const node = attach(image, blkSize);
      const fill = FileDevice.open(node, { lock: false });
      const whole = content.length - (content.length % blkSize);
      if (whole > 0) submit(fill, request(OUT, 0, content.slice(0, whole)));
      fill.close();
      const open = () => FileDevice.open(node, { readOnly });
      const dispose = () => {
        run("losetup", ["-d", node]);
        rmSync(image);
      };
      return { device: open(), reopen: open, dispose };
    },
    { sizeMax: 2 ** 30 },
  );
});
