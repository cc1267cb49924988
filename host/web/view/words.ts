/** Numbers and errors as people read them. */
import type { StorageError } from "../../base/errors.ts";

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** "1.5 GiB"; whole numbers where they are whole. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = Number.isInteger(value) ? value.toString() : value.toFixed(1);
  return `${digits} ${UNITS[unit]}`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** What to do on the page, where the error itself speaks of the command line. */
const HINTS: Readonly<Record<string, string>> = {
  "install ENOTEMPTY": "Tick “Write over what is on the disk” to replace it.",
  "install EEXIST": "Tick “Write over what is on the disk” to replace it with all its data.",
  "provision EEXIST": "Change it by an update.",
  "update EBUSY": "Boot the disk, or cancel what waits.",
  "rollback EBUSY": "Boot the disk, or cancel what waits.",
  "update ENOENT": "Provision it first.",
  "rollback ENOENT": "Provision and update it first.",
};

/** What happened and what to do, and the code apart from it. */
export function sentenceOf(error: unknown): { text: string; code?: string | undefined } {
  if (!(error instanceof Error)) return { text: `Something went wrong: ${error}` };
  const { code, syscall, hint } = error as Partial<StorageError>;
  const bare = error.message.replace(/^(E[A-Z0-9]+|refused): /, "");
  const isShells = hint !== undefined && /--|`/.test(hint);
  const without = isShells ? bare.replace(hint, "").trimEnd() : bare;
  const own = HINTS[`${syscall} ${code}`];
  const text = isShells && own !== undefined ? `${without} ${own}` : without;
  return { text: capital(text), code };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
