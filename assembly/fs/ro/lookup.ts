/**
 * CAPOSRO1: nodes by name and by place. Inode numbers are node numbers + 1, so that 0 means none
 * and the root is 1, as in CAPOSWF1.
 */
import {
  FILE_STAT_BLOCKS,
  FILE_STAT_INO,
  FILE_STAT_LENGTH,
  FILE_STAT_MODE,
  FILE_STAT_NLINK,
  FILE_STAT_SIZE,
} from "../../format/abi";
import {
  RO_NODE_LENGTH,
  RO_NODE_MODE,
  RO_NODE_NAME_LENGTH,
  RO_NODE_PARENT,
  RO_NODE_TYPE,
} from "../../format/ro";
import { FileType } from "../../format/wf";
import { compareNode, Image, nameOf, nodeAt, sectorsOf } from "./image";

/** Number of the node called `name` in directory `parent`, 0 if there is none. */
export function imageLookup(image: Image, parent: u32, name: usize, length: u32): u32 {
  const number = firstNotBefore(image, parent, name, length);
  if (number === image.nodes) return 0;
  const node = nodeAt(image, number);
  return compareNode(image, node, parent, name, length) === 0 ? number : 0;
}

/** First node of directory `parent` whose name sorts after `name`; 0 if there is none. */
export function imageAfter(image: Image, parent: u32, name: usize, length: u32): u32 {
  let number = firstNotBefore(image, parent, name, length);
  if (number === image.nodes) return 0;
  if (compareNode(image, nodeAt(image, number), parent, name, length) === 0) number += 1;
  if (number === image.nodes) return 0;
  return load<u32>(nodeAt(image, number), RO_NODE_PARENT) === parent ? number : 0;
}

/** Nodes are sorted, and the root's (parent, name) is below all others. */
function firstNotBefore(image: Image, parent: u32, name: usize, length: u32): u32 {
  let low: u32 = 1;
  let high = image.nodes;
  while (low < high) {
    const middle = low + ((high - low) >>> 1);
    if (compareNode(image, nodeAt(image, middle), parent, name, length) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function imageType(image: Image, number: u32): u32 {
  return load<u8>(nodeAt(image, number), RO_NODE_TYPE);
}

export function imageParent(image: Image, number: u32): u32 {
  return load<u32>(nodeAt(image, number), RO_NODE_PARENT);
}

export function imageName(image: Image, number: u32): usize {
  return nameOf(image, nodeAt(image, number));
}

export function imageNameLength(image: Image, number: u32): u32 {
  return load<u16>(nodeAt(image, number), RO_NODE_NAME_LENGTH);
}

export function imageLength(image: Image, number: u32): u64 {
  return load<u64>(nodeAt(image, number), RO_NODE_LENGTH);
}

/** Writes FILE_STAT of a node; the size of a directory is its number of entries. */
export function imageStat(image: Image, number: u32, out: usize): void {
  const node = nodeAt(image, number);
  const isDirectory = load<u8>(node, RO_NODE_TYPE) === <u8>FileType.DIRECTORY;
  const length = load<u64>(node, RO_NODE_LENGTH);
  memory.fill(out, 0, FILE_STAT_SIZE);
  store<u64>(out, <u64>number + 1, FILE_STAT_INO);
  store<u32>(out, load<u32>(node, RO_NODE_MODE), FILE_STAT_MODE);
  store<u32>(out, 1, FILE_STAT_NLINK);
  store<u64>(out, isDirectory ? <u64>entriesOf(image, number) : length, FILE_STAT_LENGTH);
  store<u64>(out, sectorsOf(length), FILE_STAT_BLOCKS);
}

/** The children of a directory stand side by side. */
function entriesOf(image: Image, number: u32): u32 {
  const first = firstNotBefore(image, number, 0, 0);
  return firstNotBefore(image, number + 1, 0, 0) - first;
}
