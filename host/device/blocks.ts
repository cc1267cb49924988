/** A range of bytes, cut at the borders of blocks. */

/** The part of a range that lies in one block. */
export interface BlockPart {
  /** Number of the block. */
  readonly index: number;
  /** Where the part begins in the block. */
  readonly start: number;
  /** Where it begins in the range. */
  readonly at: number;
  readonly size: number;
}

/** The parts of `length` bytes from `offset`, in order. */
export function* blockParts(
  offset: number,
  length: number,
  blockSize: number,
): Generator<BlockPart> {
  for (let at = 0; at < length; ) {
    const start = (offset + at) % blockSize;
    const size = Math.min(blockSize - start, length - at);
    yield { index: (offset + at - start) / blockSize, start, at, size };
    at += size;
  }
}
