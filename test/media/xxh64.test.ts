/** XXH64 of a stream, in media.wasm, against the core's of the whole. */
import { expect, test } from "vitest";
import { Core } from "../../host/core/load.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { Xxh64 } from "../../host/core/media/xxh64.ts";
import { noise } from "../system/support.ts";

function coreHash(bytes: Uint8Array): number {
  const core = new Core();
  return core.memory.with(new Uint8Array(8), (out) =>
    core.memory.with(bytes, (at, length) => {
      core.exports.xxh64At(at, length, out);
      return core.memory.view.getUint32(out, true);
    }),
  );
}

test("it is the core's XXH64 for every length up to 200 and for long ones in odd pieces", () => {
  const bytes = noise(70_001, 5);
  const media = new MediaCore();
  for (const length of [...Array(200).keys(), 4096, 70_001]) {
    const hash = new Xxh64(media);
    const piece = 1 + (length % 47);
    for (let at = 0; at < length; at += piece) {
      hash.update(bytes.subarray(at, Math.min(length, at + piece)));
    }
    expect(hash.low32(), `${length} bytes`).toBe(coreHash(bytes.subarray(0, length)));
    hash.release();
  }
});
