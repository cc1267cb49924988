/**
 * The store on a file beside the loop anyone would write by hand: hash, header and object appended to
 * one file by writev, a Map as index. Batch durability: one sync for each batch.
 */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Core } from "../host/core/load.ts";
import { Region } from "../host/core/region.ts";
import { FileDevice } from "../host/device/local/file.ts";
import { type Candidate, measure, print, type Row, type Subject } from "./kit.ts";

const SIZES = [4096, 65536, 1 << 20];
const BATCH_BYTES = 64 << 20;
const BATCH_OBJECTS = 1000;
const DISK_BYTES = 1 << 30;
const HEADER_BYTES = 64;

export async function run(json: boolean): Promise<void> {
  const folder = fs.mkdtempSync(join(process.env.DISKWRIGHT_BENCH_DIR ?? tmpdir(), "bench-store-"));
  const rows: Row[] = [];
  try {
    for (const bytes of SIZES) {
      const objects = Math.min(BATCH_OBJECTS, BATCH_BYTES / bytes);
      const source = new Source(bytes, objects);
      for (const subject of subjects(folder, source)) rows.push(...(await measure(subject)));
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  print(rows, json);
}

/** Objects that no round has seen before: the first 16 bytes count. */
class Source {
  readonly bytes: number;
  readonly objects: number;
  readonly list: Buffer[];
  #next = 0n;

  constructor(bytes: number, objects: number) {
    this.bytes = bytes;
    this.objects = objects;
    this.list = Array.from({ length: objects }, () => crypto.randomBytes(bytes));
  }

  renew(): void {
    for (const object of this.list) object.writeBigUInt64LE(this.#next++);
  }
}

function subjects(folder: string, source: Source): Subject[] {
  const { bytes, objects } = source;
  const size = bytes >= 1 << 20 ? `${bytes >> 20} MiB` : `${bytes >> 10} KiB`;
  const subject = (name: string, candidates: Candidate[]): Subject => ({
    name: `${name} ${size}`,
    operations: objects,
    bytes,
    baseline: "hand-written loop",
    candidates,
  });
  return [
    subject("put", [
      handPut(folder, source, true),
      storePut(folder, source, "put", "batch"),
      storePut(folder, source, "putMany", "batch"),
    ]),
    subject("put, no sync", [
      handPut(folder, source, false),
      storePut(folder, source, "put", "none"),
    ]),
    subject("get, verified", [handGet(folder, source, true), storeGet(folder, source, true)]),
    subject("get", [handGet(folder, source, false), storeGet(folder, source, false)]),
  ];
}

/** The loop without a store: what durability "batch" costs when nothing is kept but the bytes. */
class Hand {
  readonly index = new Map<string, { readonly position: number; readonly length: number }>();
  readonly #descriptor: number;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #position = 0;

  constructor(path: string) {
    this.#descriptor = fs.openSync(path, "w+");
  }

  put(object: Buffer): void {
    const hash = crypto.hash("sha256", object, "hex");
    if (this.index.has(hash)) return;
    this.#header.write(hash, 0, 32, "hex");
    this.#header.writeUInt32LE(object.length, 32);
    fs.writevSync(this.#descriptor, [this.#header, object], this.#position);
    const position = this.#position + HEADER_BYTES;
    this.index.set(hash, { position, length: object.length });
    this.#position = position + object.length;
  }

  get(hash: string, verify: boolean): Buffer {
    const place = this.index.get(hash);
    if (place === undefined) throw new Error("not there");
    const object = Buffer.allocUnsafeSlow(place.length);
    fs.readSync(this.#descriptor, object, 0, place.length, place.position);
    if (verify && crypto.hash("sha256", object, "hex") !== hash) throw new Error("damaged");
    return object;
  }

  sync(): void {
    fs.fdatasyncSync(this.#descriptor);
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}

function handPut(folder: string, source: Source, sync: boolean): Candidate {
  let hand: Hand;
  return {
    name: "hand-written loop",
    durability: sync ? "one fdatasync for the batch" : "none",
    prepare: () => {
      source.renew();
      hand = new Hand(join(folder, "hand"));
    },
    run: () => {
      for (const object of source.list) hand.put(object);
      if (sync) hand.sync();
    },
    finish: () => hand.close(),
  };
}

function openStore(path: string, durability: "none" | "batch"): { region: Region; close(): void } {
  fs.rmSync(path, { force: true });
  const device = FileDevice.create(path, { size: DISK_BYTES });
  const core = new Core();
  const id = core.attach(device);
  Region.format(core, id, { files: false });
  const region = Region.open(core, id, { durability, strict: false });
  const close = () => {
    region.close();
    device.close();
  };
  return { region, close };
}

function storePut(
  folder: string,
  source: Source,
  way: "put" | "putMany",
  durability: "none" | "batch",
): Candidate {
  let open: ReturnType<typeof openStore>;
  return {
    name: `store ${way}`,
    durability: durability === "none" ? "none" : "one commit for the batch (2 fdatasync)",
    prepare: () => {
      source.renew();
      open = openStore(join(folder, "store"), durability);
    },
    run: () => {
      const { store } = open.region;
      if (way === "putMany") store.putMany(source.list);
      else for (const object of source.list) store.put(object);
      store.commit();
    },
    finish: () => open.close(),
  };
}

function handGet(folder: string, source: Source, verify: boolean): Candidate {
  let hand: Hand;
  let order: string[] = [];
  return {
    name: "hand-written loop",
    durability: "page cache",
    prepare: () => {
      hand = new Hand(join(folder, "hand"));
      for (const object of source.list) hand.put(object);
      order = shuffled([...hand.index.keys()]);
    },
    run: () => {
      for (const hash of order) hand.get(hash, verify);
    },
    finish: () => hand.close(),
  };
}

function storeGet(folder: string, source: Source, verify: boolean): Candidate {
  let open: ReturnType<typeof openStore>;
  let order: Uint8Array[] = [];
  return {
    name: "store get",
    durability: "page cache",
    prepare: () => {
      open = openStore(join(folder, "store"), "batch");
      order = shuffled(open.region.store.putMany(source.list));
      open.region.store.commit();
    },
    run: () => {
      for (const hash of order) open.region.store.get(hash, { verify });
    },
    finish: () => open.close(),
  };
}

function shuffled<T>(list: T[]): T[] {
  for (let at = list.length - 1; at > 0; at--) {
    const other = crypto.randomInt(at + 1);
    [list[at], list[other]] = [list[other] as T, list[at] as T];
  }
  return list;
}
