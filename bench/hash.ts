/** The core's hashes against Node's own, over the same bytes, in one process. */
import * as crypto from "node:crypto";
import { crc32 } from "node:zlib";
import { Core } from "../host/core/load.ts";
import { measure, print, type Row, type Subject } from "./kit.ts";

const PURE = "computes only";
const TOTAL_BYTES = 1 << 24;

export async function run(json: boolean): Promise<void> {
  const core = new Core();
  const rows: Row[] = [];
  for (const bytes of [4096, 1 << 20]) {
    for (const subject of subjects(core, bytes)) rows.push(...(await measure(subject)));
  }
  print(rows, json);
}

function subjects(core: Core, bytes: number): Subject[] {
  const { exports, memory } = core;
  const operations = TOTAL_BYTES / bytes;
  const data = memory.allocate(bytes);
  const out = memory.allocate(128);
  crypto.randomFillSync(memory.subarray(data, bytes));
  const own = memory.slice(data, bytes);
  const candidate = (name: string, once: () => unknown) => ({
    name,
    durability: PURE,
    run: () => {
      for (let count = 0; count < operations; count++) once();
    },
  });
  const four = {
    ...candidate("core, four lanes", () => 0),
    run: () => {
      for (let count = 0; count < operations; count += 4) {
        exports.sha256Four(data, data, data, data, bytes, out);
      }
    },
  };
  const size = bytes >= 1 << 20 ? `${bytes >> 20} MiB` : `${bytes >> 10} KiB`;
  return [
    {
      name: `SHA-256 ${size}`,
      operations,
      bytes,
      baseline: "node:crypto",
      candidates: [
        candidate("node:crypto", () => crypto.createHash("sha256").update(own).digest()),
        candidate("core, host's hash", () => exports.sha256(data, bytes, out)),
        candidate("core, own kernel", () => exports.sha256Own(data, bytes, out)),
        four,
      ],
    },
    {
      name: `CRC-32 ${size}`,
      operations,
      bytes,
      baseline: "node:zlib",
      candidates: [
        candidate("node:zlib", () => crc32(own)),
        candidate("core, CRC-32", () => exports.crc32(0, data, bytes)),
        candidate("core, CRC-32C", () => exports.crc32c(0, data, bytes)),
        candidate("core, XXH64", () => exports.xxh64At(data, bytes, out)),
      ],
    },
  ];
}
