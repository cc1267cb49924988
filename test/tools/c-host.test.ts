/** examples/c: the core as C, by wasm2c and gcc, makes and reads a disk that ours finds whole. */
import { cpSync } from "node:fs";
import { expect } from "vitest";
import { diskwright } from "../support/cli.ts";
import { run, scratch, testWith } from "./tools.ts";

testWith("wasm2c", "gcc")("a C program makes a disk with a file, and reads it again", () => {
  const cwd = scratch();
  cpSync("examples/c/disk.c", `${cwd}/disk.c`);
  cpSync("build/core.plain.wasm", `${cwd}/core.plain.wasm`);
  const done = (name: string, ...args: string[]) => {
    const { code, stdout, stderr } = run(name, args, { cwd });
    expect([name, code, stderr]).toEqual([name, 0, ""]);
    return stdout;
  };
  done("wasm2c", "core.plain.wasm", "-n", "core", "-o", "core.c");
  // Not optimized: what is made is the same, and sooner.
  done("gcc", "-O0", "-Wall", "-Wextra", "-Werror", "-c", "disk.c", "-o", "disk.o");
  done("gcc", "-O0", "-w", "disk.o", "core.c", "-lwasm-rt-impl", "-lm", "-o", "disk");
  done(`${cwd}/disk`, "new", "disk.img");
  expect(done(`${cwd}/disk`, "disk.img")).toBe("written by a C program\n");
  const image = `${cwd}/disk.img`;
  expect(diskwright(["verify", image]).stdout).toContain("clean");
  expect(diskwright(["fs", "cat", image, "/hello"]).stdout).toBe("written by a C program\n");
  // And the C program takes up what another has made.
  expect(diskwright(["fs", "rm", image, "/hello"]).code).toBe(0);
  expect(run(`${cwd}/disk`, ["disk.img"], { cwd })).toMatchObject({ code: 1 });
});
