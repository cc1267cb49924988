/** Reproducible origins: one seed, one set of identities; another seed, another set. */
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { isGuid } from "../../host/base/guid.ts";
import { drawIdentities } from "../../host/system/image/mkdisk.ts";
import { originOf, sourceDateEpoch } from "../../host/system/image/reproducible.ts";

describe("an origin", () => {
  test("of one seed draws the same identities in any order", () => {
    const one = originOf({ seed: "a" });
    const other = originOf({ seed: "a" });
    other.serial("esp");
    other.guid("region");
    expect(drawIdentities(other)).toEqual(drawIdentities(one));
  });

  test("draws five different identities, each of its kind", () => {
    const { fatSerial, ...guids } = drawIdentities(originOf({ seed: "a" }));
    expect(Object.values(guids).every(isGuid)).toBe(true);
    expect(new Set(Object.values(guids)).size).toBe(4);
    expect(fatSerial).toBeGreaterThan(0);
  });

  test("of another seed, or of none, draws others", () => {
    const drawn = [{ seed: "a" }, { seed: "b" }, { sourceDateEpoch: 7 }, {}, {}].map(
      (options) => drawIdentities(originOf(options)).diskGuid,
    );
    expect(new Set(drawn).size).toBe(5);
  });

  test("stands still in time: at SOURCE_DATE_EPOCH, else at one fixed moment", () => {
    expect(originOf({ sourceDateEpoch: 1_700_000_000 }).environment.clock()).toBe(
      1_700_000_000_000_000_000n,
    );
    expect(originOf({ seed: "a" }).environment.clock()).toBe(946_684_800_000_000_000n);
    expect(originOf().reproducible).toBe(false);
  });

  test("gives a core the same random bytes in every run", () => {
    const [one, other] = [0, 1].map(() => {
      const bytes = new Uint8Array(100);
      const { environment } = originOf({ seed: "a" });
      environment.random(bytes.subarray(0, 7));
      environment.random(bytes.subarray(7));
      return bytes;
    });
    expect(one).toEqual(other);
    expect(one?.some((byte) => byte !== 0)).toBe(true);
  });
});

describe("SOURCE_DATE_EPOCH", () => {
  test("is a number of seconds, or absent", () => {
    expect(sourceDateEpoch({})).toBeUndefined();
    expect(sourceDateEpoch({ SOURCE_DATE_EPOCH: "" })).toBeUndefined();
    expect(sourceDateEpoch({ SOURCE_DATE_EPOCH: "0" })).toBe(0);
    expect(sourceDateEpoch({ SOURCE_DATE_EPOCH: "1700000000" })).toBe(1_700_000_000);
  });

  test.each(["-1", "1.5", "soon", "999999999999999"])("of %s is EINVAL", (text) => {
    expect(() => sourceDateEpoch({ SOURCE_DATE_EPOCH: text })).toThrow(StorageError);
  });
});
