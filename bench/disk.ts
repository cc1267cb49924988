/**
 * Durable puts through a whole disk, mode `each`, alone and with 64 in flight, beside an append
 * loop written by hand that syncs after every object, or once for 64.
 */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Disk } from "../host/system/disk/disk.ts";
import { createDisk } from "../host/system/disk/named.ts";
import { type Candidate, measure, print, type Row, type Subject } from "./kit.ts";

const OBJECT_BYTES = 4096;
const OBJECTS = 256;
const IN_FLIGHT = 64;
const HEADER_BYTES = 64;
const DURABLE = "fdatasync";
let serial = 0n;

/** Objects that no round has seen before. */
function objects(): Buffer[] {
  return Array.from({ length: OBJECTS }, () => {
    const bytes = Buffer.alloc(OBJECT_BYTES, 0xa5);
    bytes.writeBigUInt64LE(serial++);
    return bytes;
  });
}

function byHand(name: string, folder: string, group: number): Candidate {
  let fd = -1;
  let list: Buffer[] = [];
  const index = new Map<string, number>();
  return {
    name,
    durability: DURABLE,
    prepare() {
      list = objects();
      if (fd < 0) fd = fs.openSync(join(folder, `hand-${group}`), "w");
    },
    run() {
      for (const [count, bytes] of list.entries()) {
        const header = Buffer.alloc(HEADER_BYTES);
        const hash = crypto.hash("sha256", bytes, "hex");
        header.write(hash, "hex");
        fs.writevSync(fd, [header, bytes]);
        index.set(hash, count);
        if ((count + 1) % group === 0) fs.fdatasyncSync(fd);
      }
    },
  };
}

function throughDisk(name: string, disk: Disk, group: number): Candidate {
  let list: Buffer[] = [];
  return {
    name,
    durability: DURABLE,
    prepare() {
      list = objects();
    },
    async run() {
      for (let at = 0; at < list.length; at += group) {
        const some = list.slice(at, at + group);
        await Promise.all(some.map((bytes) => disk.store?.put(bytes)));
      }
    },
  };
}

export async function run(json: boolean): Promise<void> {
  const folder = fs.mkdtempSync(
    join(process.env["DISKWRIGHT_BENCH_DIR"] ?? tmpdir(), "bench-disk-"),
  );
  const path = join(folder, "disk.img");
  const disk = await createDisk(path, { size: "1GiB", layout: "region", durability: "each" });
  const subject = (name: string, candidates: Candidate[]): Subject => ({
    name,
    operations: OBJECTS,
    bytes: OBJECT_BYTES,
    baseline: candidates[0]?.name as string,
    candidates,
  });
  const rows: Row[] = [];
  try {
    const one = [byHand("append by hand", folder, 1), throughDisk("disk", disk, 1)];
    rows.push(...(await measure(subject("durable put 4 KiB, one by one", one))));
    const many = [
      byHand("append by hand, a sync each", folder, 1),
      byHand("append by hand, a sync for 64", folder, IN_FLIGHT),
      throughDisk("disk", disk, IN_FLIGHT),
    ];
    rows.push(...(await measure(subject("durable put 4 KiB, 64 in flight", many))));
  } finally {
    await disk.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
  print(rows, json);
}
