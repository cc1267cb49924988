/**
 * Identifiers of both trees, and the orders that the standard wants: children by identifier, path
 * tables by level, parent and identifier. Where a name does not fit its tree or stands twice there,
 * it ends in the node's number; Rock Ridge keeps the true one.
 */
import { compareBytes } from "../../../engine/bytes";
import { IsoType } from "../../../format/media/calls";
import { Build, idAt, listed, nodeAt, placeAt, View } from "./build";

/** Characters of a plain identifier: name, dot and extension. */
const PLAIN_MAX: u32 = 30;
const EXTENSION_MAX: u32 = 8;
/** Bytes of a Joliet identifier: 64 characters. */
const JOLIET_MAX: u32 = 128;
/** Digits of a node's number in base 36. */
const NUMBER_DIGITS: u32 = 4;

/** Room behind a Place for each kind of identifier. */
export const PLAIN_ROOM: u32 = 36;
export const JOLIET_ROOM: u32 = JOLIET_MAX;

/** Gives every node its identifier in `view`, and puts children and directories in order. */
export function arrange(build: Build, view: View): void {
  for (let number: u32 = 1; number < build.nodes; number++) {
    store<u32>(view.order + ((<usize>number) << 2), number);
    if (view.isJoliet) jolietId(build, view, number);
    else plainId(build, view, number);
  }
  for (let number: u32 = 0; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    if (node.children === 0) continue;
    const list = view.order + ((<usize>node.firstChild) << 2);
    do sort(view, list, node.children);
    while (renameTwins(view, list, node.children));
  }
  placeFolders(build, view);
}

/** Breadth first, each directory's children in their order: that is the path table's own. */
function placeFolders(build: Build, view: View): void {
  store<u32>(view.folders, 0);
  placeAt(view, 0).number = 1;
  let count: u32 = 1;
  for (let index: u32 = 0; index < count; index++) {
    const folder = nodeAt(build, listed(view.folders, index));
    for (let child: u32 = 0; child < folder.children; child++) {
      const number = listed(view.order, folder.firstChild + child);
      if (nodeAt(build, number).type !== IsoType.DIRECTORY) continue;
      store<u32>(view.folders + ((<usize>count) << 2), number);
      count += 1;
      placeAt(view, number).number = count;
    }
  }
}

/** True if identifiers stood twice, and all but one of each got another: sort again. */
function renameTwins(view: View, list: usize, count: u32): bool {
  let changed = false;
  for (let from: u32 = 0; from < count; ) {
    let end = from + 1;
    let kept = placeAt(view, listed(list, from)).renamed;
    while (end < count && compareIds(view, listed(list, from), listed(list, end)) === 0) {
      kept |= placeAt(view, listed(list, end)).renamed;
      end += 1;
    }
    // The first keeps its name, unless one that was made up has it: that one is there to stay.
    for (let index = kept !== 0 ? from : from + 1; end > from + 1 && index < end; index++) {
      const number = listed(list, index);
      if (placeAt(view, number).renamed !== 0) continue;
      rename(view, number);
      changed = true;
    }
    from = end;
  }
  return changed;
}

/** Puts the node's number in place of the name's end; the extension stays. */
function rename(view: View, number: u32): void {
  const place = placeAt(view, number);
  const id = idAt(view, number);
  const unit: u32 = view.isJoliet ? 2 : 1;
  const most = view.isJoliet ? JOLIET_MAX : PLAIN_MAX;
  let dot = place.idLength;
  for (let at = place.idLength; at > 0; at -= unit) {
    if (load<u8>(id + at - 1) !== 0x2e) continue;
    dot = at - unit;
    break;
  }
  if (place.idLength - dot > most / 2) dot = place.idLength;
  const tail = place.idLength - dot;
  const suffix = (NUMBER_DIGITS + 1) * unit;
  let stem = min<u32>(dot, most - tail - suffix);
  // No half of a surrogate pair.
  if (view.isJoliet && stem > 0 && (load<u8>(id + stem - 2) & 0xfc) === 0xd8) stem -= 2;
  memory.copy(id + stem + suffix, id + dot, tail);
  for (let digit: u32 = 0, rest = number; digit < NUMBER_DIGITS; digit++, rest /= 36) {
    const value = rest % 36;
    const letter = value < 10 ? 0x30 + value : 0x37 + value;
    putUnit(id + stem + suffix - (digit + 1) * unit, letter, unit);
  }
  putUnit(id + stem, 0x5f, unit);
  place.idLength = stem + suffix + tail;
  place.renamed = 1;
}

function putUnit(address: usize, value: u32, unit: u32): void {
  if (unit === 1) store<u8>(address, <u8>value);
  else store<u16>(address, bswap<u16>(<u16>value));
}

/** Capitals, digits and "_"; a file has a dot before its extension, empty or not. */
function plainId(build: Build, view: View, number: u32): void {
  const node = nodeAt(build, number);
  const name = build.names + node.nameOffset;
  const id = idAt(view, number);
  const isFile = node.type === IsoType.FILE;
  let dot = node.nameLength;
  for (let at = node.nameLength - 1; isFile && at > 0; at--) {
    if (load<u8>(name + at) !== 0x2e) continue;
    dot = at;
    break;
  }
  const extension = dot < node.nameLength ? node.nameLength - dot - 1 : 0;
  const extensionKept = min<u32>(extension, EXTENSION_MAX);
  const most = PLAIN_MAX - (isFile ? extensionKept + 1 : 0);
  let length = putLetters(id, name, dot, most);
  if (isFile) {
    store<u8>(id + length, 0x2e);
    length += 1 + putLetters(id + length + 1, name + dot + 1, extension, extensionKept);
  }
  placeAt(view, number).idLength = length;
}

/** At most `most` characters of a name in UTF-8: those that are no letter or digit become "_". */
function putLetters(out: usize, name: usize, length: u32, most: u32): u32 {
  let written: u32 = 0;
  for (let at: u32 = 0; at < length && written < most; at++) {
    const byte = <u32>load<u8>(name + at);
    // What only goes on with a character is none of its own.
    if (byte >>> 6 === 2) continue;
    store<u8>(out + written, <u8>letterOf(byte));
    written += 1;
  }
  return written;
}

function letterOf(byte: u32): u32 {
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x20;
  const isDigit = byte >= 0x30 && byte <= 0x39;
  return isDigit || (byte >= 0x41 && byte <= 0x5a) ? byte : 0x5f;
}

/** UTF-16, high byte first, at most 64 units; what Joliet does not take becomes "_". */
function jolietId(build: Build, view: View, number: u32): void {
  const node = nodeAt(build, number);
  const id = idAt(view, number);
  let name = build.names + node.nameOffset;
  const end = name + node.nameLength;
  let length: u32 = 0;
  while (name < end) {
    const lead = <u32>load<u8>(name);
    const more: u32 = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    let point = more === 0 ? lead : lead & (0x3f >>> more);
    for (let at: u32 = 1; at <= more; at++) {
      point = (point << 6) | (<u32>load<u8>(name + at) & 0x3f);
    }
    name += more + 1;
    if (length + (more === 3 ? 4 : 2) > JOLIET_MAX) break;
    if (more === 3) {
      putUnit(id + length, 0xd800 + ((point - 0x10000) >>> 10), 2);
      length += 2;
      point = 0xdc00 + (point & 0x3ff);
    }
    putUnit(id + length, isJolietUnit(point) ? point : 0x5f, 2);
    length += 2;
  }
  placeAt(view, number).idLength = length;
}

function isJolietUnit(unit: u32): bool {
  // * / : ; ? \ and what is below a space.
  if (unit < 0x20 || unit === 0x2a || unit === 0x2f || unit === 0x5c) return false;
  return unit !== 0x3a && unit !== 0x3b && unit !== 0x3f;
}

function compareIds(view: View, a: u32, b: u32): i32 {
  return compareBytes(
    idAt(view, a),
    placeAt(view, a).idLength,
    idAt(view, b),
    placeAt(view, b).idLength,
  );
}

/** By identifier, then by number, so that the order is one whatever stood twice. */
function isBefore(view: View, a: u32, b: u32): bool {
  const order = compareIds(view, a, b);
  return order === 0 ? a < b : order < 0;
}

/** Heap sort: in place, and never slow. */
function sort(view: View, list: usize, count: u32): void {
  for (let root = count / 2; root > 0; root--) sink(view, list, root - 1, count);
  for (let end = count - 1; end > 0 && end < count; end--) {
    const last = listed(list, end);
    store<u32>(list + ((<usize>end) << 2), listed(list, 0));
    store<u32>(list, last);
    sink(view, list, 0, end);
  }
}

function sink(view: View, list: usize, root: u32, count: u32): void {
  const moving = listed(list, root);
  let child: u32 = 2 * root + 1;
  while (child < count) {
    if (child + 1 < count && isBefore(view, listed(list, child), listed(list, child + 1))) {
      child += 1;
    }
    if (!isBefore(view, moving, listed(list, child))) break;
    store<u32>(list + ((<usize>root) << 2), listed(list, child));
    root = child;
    child = 2 * root + 1;
  }
  store<u32>(list + ((<usize>root) << 2), moving);
}
