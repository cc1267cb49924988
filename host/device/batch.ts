/** The reads or writes of a batch, in order of sector, where neighbours can move as one. */
import { type BlockRequest, complete, refuse, SECTOR_SIZE } from "./device.ts";

/** Sorts by sector. Batches mostly come in order: look before sorting. */
export function sortBySector(list: BlockRequest[]): void {
  for (let index = 1; index < list.length; index++) {
    if ((list[index] as BlockRequest).sector < (list[index - 1] as BlockRequest).sector) {
      list.sort((left, right) => left.sector - right.sector);
      return;
    }
  }
}

/**
 * Moves each request of `list` and sets its status: neighbours on the device whose memory is one
 * piece by one call of `move`. One that throws is repeated request by request, so that exactly the
 * bad ones are refused; `move` must be harmless to repeat.
 */
export function moveSpans(
  list: BlockRequest[],
  move: (offset: number, bytes: Uint8Array) => void,
): void {
  sortBySector(list);
  for (let first = 0; first < list.length; ) {
    const { sector, data } = list[first] as BlockRequest;
    let length = data.length;
    let last = first + 1;
    for (; last < list.length; last++) {
      const next = list[last] as BlockRequest;
      const place = next.sector === sector + length / SECTOR_SIZE;
      const memory = next.data.buffer === data.buffer;
      if (!place || !memory || next.data.byteOffset !== data.byteOffset + length) break;
      length += next.data.length;
    }
    const whole = new Uint8Array(data.buffer, data.byteOffset, length);
    const alone = last === first + 1;
    if (alone || !moved(move, sector * SECTOR_SIZE, whole)) {
      for (const asked of list.slice(first, last)) moveOne(asked, move);
    } else {
      for (const asked of list.slice(first, last)) complete(asked, asked.data.length);
    }
    first = last;
  }
  list.length = 0;
}

function moveOne(asked: BlockRequest, move: (offset: number, bytes: Uint8Array) => void): void {
  try {
    if (asked.data.length > 0) move(asked.sector * SECTOR_SIZE, asked.data);
    complete(asked, asked.data.length);
  } catch (cause) {
    refuse(asked, cause);
  }
}

function moved(
  move: (offset: number, bytes: Uint8Array) => void,
  offset: number,
  whole: Uint8Array,
): boolean {
  try {
    move(offset, whole);
    return true;
  } catch {
    // Which request is at fault shows when each is tried alone.
    return false;
  }
}
