/** The arithmetic of the two layouts, on every size of disk and place. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Refusal } from "../../../host/base/errors.ts";
import { formatSize } from "../../../host/base/size.ts";
import { ALIGNMENT_SECTORS } from "../../../host/format/layout.ts";
import {
  RAYOS_LAYOUTS,
  type RayosSizes,
  type Room,
  rayosPlaces,
  smallestRayos,
} from "../../../host/format/rayos/layout.ts";

const GIB_SECTORS = 2 ** 21;

function diskRoom(sectors: number): Room {
  return { first: 2048, last: sectors - 34, name: "'d'", overheadSectors: 2048 + 33 };
}

test("256 GiB gives exactly the promised places", () => {
  const places = rayosPlaces("rayos", diskRoom(256 * GIB_SECTORS));
  expect(places.map(({ role, first, last }) => [role, first, last])).toEqual([
    ["esp", 2048, 1050623],
    ["system", 1050624, 84936703],
    ["pool", 84936704, 536870878],
  ]);
});

describe.each([
  ["rayos", 42],
  ["rayos-full", 44],
] as const)("layout %s", (name, gib) => {
  test(`fits on ${gib} GiB and on nothing smaller`, () => {
    expect(smallestRayos(name)).toBe(gib * 2 ** 30);
    expect(rayosPlaces(name, diskRoom(gib * GIB_SECTORS)).length).toBeGreaterThan(2);
    const smaller = () => rayosPlaces(name, diskRoom(gib * GIB_SECTORS - 2048));
    expect(smaller).toThrow(Refusal);
    expect(smaller).toThrow(`the smallest size that would do is ${gib}GiB`);
  });
});

const mib = (least: number, most: number) =>
  fc.integer({ min: least, max: most }).map((count) => count * 2 ** 20);
const sizes: fc.Arbitrary<RayosSizes> = fc.record({
  espBytes: mib(33, 600),
  systemBytes: mib(64, 5000),
  stateBytes: mib(4, 600),
  logBytes: mib(1, 600),
  recoveryBytes: mib(33, 600),
  poolBytesMin: mib(64, 600),
});

test("places never overlap, start on a MiB, lie inside, and fill the room to its end", () => {
  const arbitrary = fc.record({
    name: fc.constantFrom(...RAYOS_LAYOUTS),
    sizes,
    first: fc.nat(2 ** 24),
    sectors: fc.nat(2 ** 25),
  });
  fc.assert(
    fc.property(arbitrary, ({ name, sizes, first, sectors }) => {
      const room: Room = { first, last: first + sectors, name: "it", overheadSectors: 0 };
      try {
        const places = rayosPlaces(name, room, sizes);
        let next = first;
        for (const place of places) {
          expect(place.first % ALIGNMENT_SECTORS).toBe(0);
          expect(place.first).toBeGreaterThanOrEqual(next);
          expect(place.last).toBe(place.first + place.sectors - 1);
          next = place.last + 1;
        }
        expect(next - 1).toBe(room.last);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        // What is refused is smaller than what the refusal asks for, or unluckily aligned.
        expect(sectors * 512).toBeLessThan(smallestRayos(name, sizes));
        expect((error as Refusal).message).toContain(formatSize(smallestRayos(name, sizes)));
      }
    }),
  );
});

test("a disk of the size that a refusal asks for is taken", () => {
  fc.assert(
    fc.property(fc.constantFrom(...RAYOS_LAYOUTS), sizes, (name, sizes) => {
      const sectors = smallestRayos(name, sizes) / 512;
      expect(rayosPlaces(name, diskRoom(sectors), sizes).at(-1)?.role).toBe("pool");
    }),
  );
});
