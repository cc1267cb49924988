/** What the commands that make an image file have in common. */
import { existsSync, rmSync } from "node:fs";
import { refusal } from "../../base/errors.ts";
import { run, type Work } from "../../base/work.ts";
import type { BlockDevice } from "../../device/device.ts";
import { FileDevice } from "../../device/local/file.ts";
import { type SeedOptions, sourceDateEpoch } from "../../system/image/reproducible.ts";
import type { Context, Given, OptionSpec } from "./command.ts";

export const FORCE: OptionSpec = { flags: "--force", summary: "replace a file that exists" };
export const SEED: OptionSpec = {
  flags: "--seed <text>",
  summary: "draw all identities from this text: same input, same bytes",
};

export interface NewFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** A file that exists is replaced. */
  readonly force: boolean;
}

/** Makes the file, runs the work on it, and takes it away again if that fails. */
export async function create<T>(
  context: Context,
  { path, sizeBytes, force }: NewFile,
  work: (device: BlockDevice) => Work<T>,
  check: (device: BlockDevice) => unknown = () => undefined,
): Promise<T> {
  const existed = existsSync(path);
  if (existed && !force) {
    const hint = "Pass --force to replace it.";
    throw refusal("EEXIST", "create", `'${path}' exists.`, { path, hint });
  }
  const device = FileDevice.create(path, { size: sizeBytes, overwrite: existed });
  let done = false;
  try {
    check(device);
    const { signal, progress } = context;
    const made = await run(work(device), { signal, progress: progress.update });
    done = true;
    return made;
  } finally {
    device.close();
    if (!done) rmSync(path, { force: true });
  }
}

/** What identities and times are drawn from: --seed, and SOURCE_DATE_EPOCH. */
export function seeds(options: Given["options"]): SeedOptions {
  return {
    seed: options["seed"] as string | undefined,
    sourceDateEpoch: sourceDateEpoch(process.env),
  };
}
