/**
 * The program `diskwright`: the command line to a command, and the only place that ends the
 * process.
 */
import "./kit/footprint.ts";
import { readFileSync } from "node:fs";
import { fs } from "./data/fs.ts";
import { store } from "./data/store.ts";
import { doctor } from "./disk/doctor.ts";
import { gpt } from "./disk/gpt.ts";
import { image } from "./disk/image.ts";
import { inspect } from "./disk/inspect.ts";
import { verify } from "./disk/verify.ts";
import { boot } from "./flow/boot.ts";
import { demo } from "./flow/demo.ts";
import { provision, rollback, status, update } from "./flow/generations.ts";
import { install } from "./flow/install.ts";
import { type CommandSpec, runCli } from "./kit/command.ts";

const COMMANDS: readonly CommandSpec[] = [
  demo,
  inspect,
  image,
  install,
  provision,
  update,
  rollback,
  status,
  boot,
  verify,
  gpt,
  store,
  fs,
  doctor,
];

const { version } = JSON.parse(
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
) as { version: string };

const abort = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => abort.abort(new Error(`stopped by ${name}`)));
}
// A reader that has seen enough (head, less) is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(COMMANDS, version, process.argv.slice(2), abort.signal);
