/** Sizes as people write them: "256MiB", "4096", "1.5GiB"; always powers of 1024, always exact. */
import { failure } from "./errors.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};
const NAMES = ["TiB", "GiB", "MiB", "KiB"] as const;

/**
 * Bytes that `text` means. A number stands for itself.
 *
 * @example parseSize("256MiB") === 268435456
 * @throws {StorageError} EINVAL: not a size, or not a whole number of bytes
 */
export function parseSize(text: string | number): number {
  const [, digits = "", unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(`${text}`) ?? [];
  const factor = UNITS[unit.toUpperCase()];
  const bytes = digits === "" || factor === undefined ? Number.NaN : Number(digits) * factor;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw failure("EINVAL", "size", `'${text}' is not a size such as 512, 64KiB, 256MiB or 2TiB.`);
}

/** `bytes` in the largest unit that divides it: "256MiB", "1023KiB", "513". */
export function formatSize(bytes: number): string {
  for (const name of NAMES) {
    const factor = UNITS[name.toUpperCase()] as number;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${name}`;
  }
  return `${bytes}`;
}

/** `bytes` for a person, cut to a tenth: "512 MiB", "215.5 GiB". */
export function humanSize(bytes: number): string {
  const name = NAMES.find((each) => bytes >= (UNITS[each.toUpperCase()] as number));
  if (name === undefined) return `${bytes} bytes`;
  return `${Math.floor((bytes / (UNITS[name.toUpperCase()] as number)) * 10) / 10} ${name}`;
}
