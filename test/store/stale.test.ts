/** Bytes that an earlier record left in a write buffer never reach the disk a second time. */
import { expect, test } from "vitest";
import { RequestType } from "../../assembly/format/abi.ts";
import { bytesOf, DESIGN_1MIB, DESIGN_8MIB, errorOf, Fixture } from "../support/store.ts";

const RECORD = 0x314a424f;
const CHUNK_SECTORS = 2048;
const BUFFER_SECTORS = 4096;

/** Sectors that start like a record but say that they are another sector. */
function strays(image: Uint8Array): number[] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const list: number[] = [];
  for (let sector = 0; sector < image.length / 512; sector++) {
    if (view.getUint32(sector * 512, true) !== RECORD) continue;
    if (Number(view.getBigUint64(sector * 512 + 16, true)) !== sector) list.push(sector);
  }
  return list;
}

/** A store whose buffer has held a chunk full of records, with `more` of the next chunk in it. */
function worn(more: number) {
  const fixture = new Fixture({ size: "32MiB", designSectors: DESIGN_1MIB });
  const count = CHUNK_SECTORS + more;
  fixture.store.putMany(Array.from({ length: count }, (_, index) => bytesOf(300, index)));
  return fixture;
}

test.each([1, 3, 7])("a large object behind %i sectors leaves zeros between", (more) => {
  const fixture = worn(more);
  const large = bytesOf(3_000_000, 1);
  const hash = fixture.store.put(large);
  fixture.store.commit();
  expect(Buffer.compare(fixture.store.get(hash), large)).toBe(0);
  fixture.region.close();
  expect(strays(fixture.memory.bytes())).toEqual([]);
});

test.each([1, 3])("a large object that fails in the middle leaves no header of another", (more) => {
  // The buffer of 2 MiB goes out in the middle of a chunk, with the header still to come.
  const fixture = new Fixture({ size: "96MiB", designSectors: DESIGN_8MIB });
  const { device, store } = fixture;
  const count = BUFFER_SECTORS + more;
  store.putMany(Array.from({ length: count }, (_, index) => bytesOf(300, index)));
  const outs = device.log.filter(({ type }) => type === RequestType.OUT);
  const end = Math.max(...outs.map(({ sector, sectors }) => sector + sectors));
  const within = { sector: end + BUFFER_SECTORS, sectors: BUFFER_SECTORS };
  device.inject({ on: RequestType.OUT, within });
  const large = bytesOf(5_000_000, 2);
  expect(errorOf(() => store.put(large)).code).toBe("EIO");
  const image = Buffer.from(fixture.memory.bytes());
  expect(image.indexOf(large.subarray(0, 64))).toBe((end + 8) * 512 + 128);
  expect(strays(image)).toEqual([]);
});

test("a stream of unknown hash that is given up has zeros for a header", () => {
  const fixture = new Fixture({ size: "32MiB", designSectors: DESIGN_1MIB });
  const { memory } = fixture.core;
  // What was in the memory that the stream gets must not be seen.
  const size = 1 << 18;
  const used = memory.allocate(size);
  memory.bytes.fill(0xaa, used, used + size);
  memory.release(used, size);
  const content = bytesOf(700_000, 6);
  const writer = fixture.store.writer();
  writer.write(content);
  writer.cancel();
  fixture.region.close();
  const image = Buffer.from(fixture.memory.bytes());
  const found = image.indexOf(content.subarray(0, 64));
  expect(found % 512).toBe(128);
  expect(image.subarray(found - 128, found).every((byte) => byte === 0)).toBe(true);
});
