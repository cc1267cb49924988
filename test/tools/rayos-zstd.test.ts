/** Images that the real zstd packed: read whole, and refused where they are damaged. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { finish } from "../../host/base/work.ts";
import { contentOf, openImage } from "../../host/system/rayos/source/image.ts";
import { tar } from "../system/rayos/tars.ts";
import { noise } from "../system/support.ts";
import { run, scratch, testWith } from "./tools.ts";

const CONTENT = Buffer.concat([noise(400_000), Buffer.from("again and again ".repeat(40_000))]);

function packed(...flags: string[]): Uint8Array {
  const path = join(scratch(), "image.tar");
  writeFileSync(path, tar({ name: "f", content: CONTENT }, { name: "g", content: "short" }));
  expect(run("zstd", ["-q", ...flags, path, "-o", `${path}.zst`]).code).toBe(0);
  return readFileSync(`${path}.zst`);
}

function codeOf(bytes: Uint8Array): string {
  const path = join(scratch(), "image");
  writeFileSync(path, bytes);
  try {
    const image = finish(openImage(path));
    const file = image.entries.find((entry) => entry.path === "f");
    const same = file !== undefined && Buffer.compare(contentOf(file), CONTENT) === 0;
    image.close();
    return same ? "OK" : "other content";
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
}

testWith("zstd")("every level, with and without checksum, reads back whole", () => {
  for (const flags of [["-1"], ["-3", "--no-check"], ["-19"], ["-5", "--long=25"], ["-T2"]]) {
    expect(codeOf(packed(...flags)), flags.join(" ")).toBe("OK");
  }
});

testWith("zstd")("several frames, and what zstd skips, are one stream", () => {
  const whole = Buffer.from(tar({ name: "f", content: CONTENT }));
  const folder = scratch();
  const parts = [whole.subarray(0, 300_001), whole.subarray(300_001)].map((part, index) => {
    const path = join(folder, `${index}`);
    writeFileSync(path, part);
    expect(run("zstd", ["-q", path, "-o", `${path}.zst`]).code).toBe(0);
    return readFileSync(`${path}.zst`);
  });
  const skipped = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const [one = skipped, two = skipped] = parts;
  expect(codeOf(Buffer.concat([skipped, one, skipped, two]))).toBe("OK");
});

testWith("zstd")("a window that needs too much memory is refused, before it is taken", () => {
  // zstd itself asks for as much as it was told, if the content is that long or unknown.
  const bytes = Buffer.from(packed("-3"));
  const single = ((bytes[4] as number) & 0x20) !== 0;
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0xa0]);
  expect(codeOf(Buffer.concat([head, bytes.subarray(single ? 9 : 6)]))).toBe("EOPNOTSUPP");
});

testWith("zstd")(
  "an end that is missing and any flipped bit are damage, never other content",
  () => {
    const bytes = packed("-3");
    for (const keep of [0.1, 0.5, 0.9]) {
      expect(codeOf(bytes.subarray(0, Math.floor(bytes.length * keep)))).toBe("EBADMSG");
    }
    expect(codeOf(bytes.subarray(0, bytes.length - 1))).toBe("EBADMSG");
    for (let at = 7; at < bytes.length; at += Math.floor(bytes.length / 40)) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] as number) ^ 0x10;
      expect(codeOf(flipped), `byte ${at}`).toMatch(/^E(BADMSG|MEDIUMTYPE|OPNOTSUPP)$/);
    }
  },
);
