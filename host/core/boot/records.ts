/** TEMPORARY stand-in. */
import type { FileSystem } from "../files.ts";
export interface GenerationRecord {
  readonly manifestHash: Uint8Array;
  readonly state: "FRESH" | "CONFIRMED" | "BAD" | "INCONCLUSIVE" | "RETIRED";
  readonly overlayEpoch: number;
  readonly tries: number;
  readonly successes: number;
  readonly createdNs: bigint;
  readonly accountHash: Uint8Array | undefined;
  readonly parent: number;
  readonly stagedBoot: number;
}
const hex = (b: Uint8Array) => Buffer.from(b).toString("hex");
export class GenerationRecords {
  readonly #files: FileSystem;
  constructor(files: FileSystem) {
    this.#files = files;
  }
  get(id: number): GenerationRecord | undefined {
    const p = `/.gen/${id}`;
    if (!this.#files.exists(p)) return undefined;
    const r = JSON.parse(this.#files.readFile(p, "utf8"));
    return {
      ...r,
      manifestHash: new Uint8Array(Buffer.from(r.manifestHash, "hex")),
      accountHash: r.accountHash ? new Uint8Array(Buffer.from(r.accountHash, "hex")) : undefined,
      createdNs: BigInt(r.createdNs),
    };
  }
  set(id: number, r: GenerationRecord): void {
    this.#files.mkdir("/.gen", { recursive: true });
    this.#files.writeFile(
      `/.gen/${id}`,
      JSON.stringify({
        ...r,
        manifestHash: hex(r.manifestHash),
        accountHash: r.accountHash ? hex(r.accountHash) : null,
        createdNs: String(r.createdNs),
      }),
    );
  }
  remove(id: number): void {
    this.#files.rm(`/.gen/${id}`, { force: true });
  }
  ids(): number[] {
    return this.#files.exists("/.gen")
      ? this.#files
          .readdir("/.gen")
          .filter((n) => /^\d+$/.test(n))
          .map(Number)
          .sort((a, b) => a - b)
      : [];
  }
  badMark(hash: Uint8Array): number | undefined {
    return this.#files.exists(`/.gen/bad-${hex(hash)}`) ? 1 : undefined;
  }
  setBadMark(hash: Uint8Array, why: number): void {
    this.#files.mkdir("/.gen", { recursive: true });
    this.#files.writeFile(`/.gen/bad-${hex(hash)}`, String(why));
  }
  clearBadMark(hash: Uint8Array): void {
    this.#files.rm(`/.gen/bad-${hex(hash)}`, { force: true });
  }
}
