/** A damaged list of freed pages, as the host's own API meets it. */
import { expect, test } from "vitest";
import { Region } from "../../host/core/region.ts";
import { RegionImage } from "../support/region.ts";
import { bytesOf, errorOf, Fixture } from "../support/store.ts";

test("a region whose current list is damaged is read, refused, repaired and written again", () => {
  const fixture = new Fixture({ size: "8MiB" });
  const hashes: Uint8Array[] = [];
  for (let round = 0; round < 5; round++) {
    hashes.push(fixture.store.put(bytesOf(500, round)));
    fixture.store.commit();
  }
  fixture.region.close();
  const page = new RegionImage(fixture.memory.bytes()).newest(0).pointers[4]?.page ?? 0;
  expect(page).toBeGreaterThan(0);
  const bytes = fixture.memory.peek(page * 4096, 4096);
  bytes[90] = (bytes[90] as number) ^ 4;
  fixture.memory.poke(page * 4096, bytes);
  const whole = () => {
    hashes.forEach((hash, round) => {
      expect(fixture.store.get(hash)).toEqual(bytesOf(500, round));
    });
  };
  fixture.crash({ readOnly: true });
  whole();
  const error = errorOf(() => fixture.crash({}));
  expect([error.code, error.fault?.lba]).toEqual(["EBADMSG", page * 8]);
  fixture.crash({ repair: true });
  expect(fixture.region.repair()).toBe(0);
  hashes.push(fixture.store.put(bytesOf(500, 5)));
  fixture.store.commit();
  fixture.reopen({});
  whole();
  fixture.region.close();
  expect(Region.verify(fixture.core, fixture.core.attach(fixture.device))).toEqual([]);
});
