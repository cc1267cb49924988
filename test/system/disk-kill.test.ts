/** A process killed in the middle of its work: what it was answered is there, the lock is not. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { createDisk, openDisk } from "../../host/system/disk/named.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

/** Puts objects and writes files, eight at a time, and prints each name once it is answered. */
const SCRIPT = `
  import { openDisk } from "./dist/host/index.js";
  const disk = await openDisk(process.argv[1], { durability: "each" });
  const one = async (index) => {
    const bytes = new Uint8Array(2000 + index).fill(index);
    const hash = await disk.store.put(bytes);
    process.stdout.write("o " + Buffer.from(hash).toString("hex") + "\\n");
    await disk.fs.promises.writeFile("/f" + index, bytes);
    process.stdout.write("f " + index + "\\n");
  };
  for (let index = 0; ; index += 8) {
    await Promise.all(Array.from({ length: 8 }, (_, count) => one(index + count)));
  }`;

test("after kill -9 everything that was answered in mode each is on the disk", async () => {
  const path = fresh("disk.img");
  await (await createDisk(path, { size: "32MiB", layout: "region" })).close();
  for (const lines of [1, 40, 150]) {
    const argv = ["--input-type=module", "-e", SCRIPT, path];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => {
      output += text;
      if (output.split("\n").length > lines) child.kill("SIGKILL");
    });
    await once(child, "close");
    expect(fs.existsSync(`${path}.lock`)).toBe(true);
    const answered = output.slice(0, output.lastIndexOf("\n")).split("\n");
    expect(answered.length).toBeGreaterThanOrEqual(lines);
    const disk = await openDisk(path, { strict: true });
    for (const line of answered) {
      const [kind, name = ""] = line.split(" ");
      if (kind === "o") expect(await disk.store?.has(name), line).toBe(true);
      else {
        const bytes = (await disk.fs?.promises.readFile(`/f${name}`)) as Uint8Array;
        expect([bytes.length, bytes[0]], line).toEqual([2000 + Number(name), Number(name) % 256]);
      }
    }
    expect(await disk.store?.verify()).toEqual([]);
    await disk.close();
    expect(fs.existsSync(`${path}.lock`)).toBe(false);
  }
});
