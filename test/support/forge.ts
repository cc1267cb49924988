/** Lies with right checksums: edits a page of a tree and mends every checksum up to the slot. */
import type { MemoryDevice } from "../../host/device/local/memory.ts";
import { xxh64 } from "./packs.ts";

const SECTOR = 512;
const PAGE = 4096;
const MIRRORS = [128, 136];
export const ROOT_INDEX = 64;
export const ROOT_SPACE = 96;

/** One record of a leaf: its key and where its value stands in the page. */
export interface LeafRecord {
  readonly key: Uint8Array;
  readonly valueAt: number;
  readonly valueLength: number;
}

/** Sector of the newest slot of the store. */
export function newestSlot(device: MemoryDevice): number {
  const epochs = [0, 1].map((sector) => {
    const slot = device.peek(sector * SECTOR, SECTOR);
    return new DataView(slot.buffer, slot.byteOffset).getBigUint64(32, true);
  });
  return (epochs[1] as bigint) > (epochs[0] as bigint) ? 1 : 0;
}

/** Lets `edit` change the root leaf behind a root pointer, and makes it valid again. */
export function forgeLeaf(
  device: MemoryDevice,
  rootAt: number,
  edit: (page: DataView, records: LeafRecord[]) => void,
): void {
  const sector = newestSlot(device);
  const slot = device.peek(sector * SECTOR, SECTOR);
  const view = new DataView(slot.buffer, slot.byteOffset, SECTOR);
  const tag = xxh64(slot.subarray(16, 32), 0n);
  const pageNumber = Number(view.getBigUint64(rootAt, true) & 0xffff_ffff_ffffn);
  const secondNumber = Number(view.getBigUint64(rootAt + 8, true) & 0xffff_ffff_ffffn);
  const page = device.peek(pageNumber * PAGE, PAGE);
  if (page[4] !== 1) throw new Error("the root is not a leaf: use fewer records");
  edit(new DataView(page.buffer, page.byteOffset, PAGE), leafRecords(page));
  const plain = page.slice();
  plain.fill(0, 8, 16);
  plain.fill(0, 56, 64);
  const checksum = xxh64(plain, tag ^ 1n);
  for (const number of [pageNumber, secondNumber]) {
    if (number === 0) continue;
    const copy = page.slice();
    const copyView = new DataView(copy.buffer);
    copyView.setBigUint64(8, BigInt(number), true);
    copyView.setBigUint64(56, checksum, true);
    device.poke(number * PAGE, copy);
  }
  view.setBigUint64(rootAt + 24, checksum, true);
  view.setBigUint64(480, xxh64(slot.subarray(0, 480), 0n), true);
  view.setBigUint64(504, xxh64(slot.subarray(0, 504), 0n), true);
  device.poke(sector * SECTOR, slot);
  // A mirror of the same epoch would be a fork.
  device.poke((MIRRORS[sector] as number) * SECTOR, new Uint8Array(SECTOR));
}

/** Lets `edit` change the header of the record at `sector`, and makes it valid again. */
export function forgeHeader(
  device: MemoryDevice,
  sector: number,
  edit: (header: DataView) => void,
): void {
  const bytes = device.peek(sector * SECTOR, SECTOR);
  const view = new DataView(bytes.buffer, bytes.byteOffset, SECTOR);
  edit(view);
  view.setBigUint64(120, xxh64(bytes.subarray(0, 120), 0n), true);
  device.poke(sector * SECTOR, bytes);
}

function leafRecords(page: Uint8Array): LeafRecord[] {
  const view = new DataView(page.buffer, page.byteOffset, PAGE);
  const prefix = page.slice(PAGE - view.getUint16(44, true));
  return Array.from({ length: view.getUint16(6, true) }, (_, index) => {
    const at = view.getUint16(64 + 2 * index, true);
    const suffix = view.getUint16(at, true);
    const key = Buffer.concat([prefix, page.subarray(at + 4, at + 4 + suffix)]);
    return { key, valueAt: at + 4 + suffix, valueLength: view.getUint16(at + 2, true) };
  });
}
