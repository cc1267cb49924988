/**
 * The program `diskwright`: the command line to a command, and the only place that ends the
 * process.
 */
import { readFileSync } from "node:fs";
import type { CommandSpec } from "./kit/command.ts";
import { keepSmall } from "./kit/footprint.ts";

keepSmall();

/** Each loads what it needs when it is asked for, so that a small command starts fast. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandSpec>>> = {
  demo: async () => (await import("./flow/demo.ts")).demo,
  inspect: async () => (await import("./disk/inspect.ts")).inspect,
  image: async () => (await import("./disk/image.ts")).image,
  install: async () => (await import("./flow/install.ts")).install,
  provision: async () => (await import("./flow/generations.ts")).provision,
  update: async () => (await import("./flow/generations.ts")).update,
  rollback: async () => (await import("./flow/generations.ts")).rollback,
  status: async () => (await import("./flow/generations.ts")).status,
  boot: async () => (await import("./flow/boot.ts")).boot,
  verify: async () => (await import("./disk/verify.ts")).verify,
  gpt: async () => (await import("./disk/gpt.ts")).gpt,
  store: async () => (await import("./data/store.ts")).store,
  fs: async () => (await import("./data/fs.ts")).fs,
  doctor: async () => (await import("./disk/doctor.ts")).doctor,
};

/** The command that comes first, or all of them: for the help, or to say that there is no such. */
function commandsFor(argv: readonly string[]): Promise<CommandSpec[]> {
  const [name = ""] = argv;
  const loaders = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  return Promise.all(loaders.map((load) => (load as () => Promise<CommandSpec>)()));
}

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

const { runCli } = await import("./kit/command.ts");
const argv = process.argv.slice(2);
process.exitCode = await runCli(await commandsFor(argv), version, argv, abort.signal);
