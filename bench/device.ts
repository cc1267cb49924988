/** Devices: batches through the adapters beside the same system calls written by hand. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlockRequest, RequestStatus, RequestType, request } from "../host/device/device.ts";
import { FileDevice } from "../host/device/local/file.ts";
import { MemoryDevice } from "../host/device/local/memory.ts";
import { type Candidate, measure, print, type Row, type Subject } from "./kit.ts";

const ROUNDS = 400;
const COUNT = 16;
const PIECE_BYTES = 4096;
const FILE_BYTES = 2 ** 26;
const PAGE_CACHE = "page cache";

/** Requests for `COUNT` pieces of `memory` at `sectors`, fresh ones as the core makes them. */
function batch(type: RequestType, memory: Uint8Array, sectors: readonly number[]): BlockRequest[] {
  return sectors.map((sector, index) => {
    const data = new Uint8Array(memory.buffer, index * 2 * PIECE_BYTES, PIECE_BYTES);
    return request(type, sector, data);
  });
}

function expectOk(requests: readonly BlockRequest[]): void {
  for (const { status } of requests) {
    if (status !== RequestStatus.OK) throw new Error(`status ${status}`);
  }
}

function subjects(file: FileDevice, memory: MemoryDevice, fd: number): Subject[] {
  // Pieces lie apart in memory, so that neighbours on the disk need a vectored call.
  const arena = new Uint8Array(COUNT * 2 * PIECE_BYTES).fill(0xa5);
  const neighbours = Array.from({ length: COUNT }, (_, index) => index * 8);
  const shuffled = neighbours.map((_, index) => ((index * 7) % COUNT) * 8);
  const scattered = neighbours.map((sector) => sector * 33);
  const views = () =>
    neighbours.map(
      (_, index) => new Uint8Array(arena.buffer, index * 2 * PIECE_BYTES, PIECE_BYTES),
    );
  const repeat = (name: string, once: () => void): Candidate => ({
    name,
    durability: PAGE_CACHE,
    run: () => {
      for (let round = 0; round < ROUNDS; round++) once();
    },
  });
  const device = (name: string, type: RequestType, sectors: readonly number[]) =>
    repeat(name, () => {
      const requests = batch(type, arena, sectors);
      file.submit(requests);
      expectOk(requests);
    });
  const each = (call: (view: Uint8Array, at: number) => void, sectors: readonly number[]) => () => {
    for (const [index, view] of views().entries()) call(view, (sectors[index] as number) * 512);
  };
  const write = (view: Uint8Array, at: number) => fs.writeSync(fd, view, 0, view.length, at);
  const read = (view: Uint8Array, at: number) => fs.readSync(fd, view, 0, view.length, at);
  const shape = { operations: ROUNDS * COUNT, bytes: PIECE_BYTES };
  return [
    {
      ...shape,
      name: "write 16 neighbours of 4 KiB",
      baseline: "writev by hand",
      candidates: [
        repeat("writev by hand", () => fs.writevSync(fd, views(), 0)),
        repeat("16 writes by hand", each(write, neighbours)),
        device("file device", RequestType.OUT, neighbours),
        device("file device, any order", RequestType.OUT, shuffled),
      ],
    },
    {
      ...shape,
      name: "read 16 neighbours of 4 KiB",
      baseline: "readv by hand",
      candidates: [
        repeat("readv by hand", () => fs.readvSync(fd, views(), 0)),
        repeat("16 reads by hand", each(read, neighbours)),
        device("file device", RequestType.IN, neighbours),
      ],
    },
    {
      ...shape,
      name: "write 16 scattered pieces of 4 KiB",
      baseline: "16 writes by hand",
      candidates: [
        repeat("16 writes by hand", each(write, scattered)),
        device("file device", RequestType.OUT, scattered),
        repeat("memory device", () => {
          const requests = batch(RequestType.OUT, arena, scattered);
          memory.submit(requests);
          expectOk(requests);
        }),
      ],
    },
  ];
}

export async function run(json: boolean): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), "diskwright-bench-"));
  const path = join(folder, "disk.img");
  const file = FileDevice.create(path, { size: FILE_BYTES });
  const fd = fs.openSync(path, "r+");
  try {
    const memory = new MemoryDevice({ size: FILE_BYTES });
    const rows: Row[] = [];
    for (const subject of subjects(file, memory, fd)) rows.push(...(await measure(subject)));
    print(rows, json);
  } finally {
    fs.closeSync(fd);
    file.close();
    fs.rmSync(folder, { recursive: true });
  }
}
