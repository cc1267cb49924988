/** Whole files for promises: what comes in pieces, and what an AbortSignal may stop. */
import { joined } from "../../../base/platform/bytes.ts";
import { nextTurn } from "../../../base/work.ts";
import type { FileCalls } from "../calls.ts";
import { throwIfAborted } from "../codes.ts";
import { readRest, writeAll } from "../compose.ts";
import { contentBytes } from "../flags.ts";
import type { Encoding } from "../text.ts";

type Piece = string | ArrayBufferView | ArrayBuffer;

/** What can be written: text, bytes, or either in pieces, a stream too. */
export type Content =
  | Piece
  | Iterable<string | ArrayBufferView>
  | AsyncIterable<string | ArrayBufferView>
  | ReadableStream<Uint8Array | string>;

/** Between two looks at an AbortSignal. */
const STEP_BYTES = 1 << 20;

/**
 * All that follows from where `fd` stands. Without a signal here and now, so that nothing can come
 * between; with one in pieces, with a turn of the event loop after each.
 */
export function readAll(
  files: FileCalls,
  fd: number,
  fromPosition: boolean,
  signal: AbortSignal | null | undefined,
): Uint8Array | Promise<Uint8Array> {
  if (signal === undefined || signal === null) return readRest(files, fd, fromPosition);
  return readPieces(files, fd, signal);
}

async function readPieces(files: FileCalls, fd: number, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    throwIfAborted(signal, "read");
    const piece = new Uint8Array(STEP_BYTES);
    const got = files.read(fd, piece, 0, STEP_BYTES, null);
    if (got > 0) parts.push(piece.subarray(0, got));
    if (got < STEP_BYTES) return joined(parts);
    await nextTurn();
  }
}

/** Writes `data` where `fd` stands: here and now, unless it comes in pieces or may be stopped. */
export function writeContent(
  files: FileCalls,
  fd: number,
  data: Content,
  encoding: Encoding | null,
  signal: AbortSignal | null | undefined,
): void | Promise<void> {
  const whole = !inPieces(data);
  if (whole && !signal) return writeAll(files, fd, contentBytes(data, encoding));
  return writePieces(files, fd, whole ? [data] : data, encoding, signal);
}

async function writePieces(
  files: FileCalls,
  fd: number,
  source: Iterable<unknown> | AsyncIterable<unknown>,
  encoding: Encoding | null,
  signal: AbortSignal | null | undefined,
): Promise<void> {
  for await (const piece of source) {
    const bytes = contentBytes(piece, encoding);
    for (let at = 0; at < bytes.length; at += STEP_BYTES) {
      throwIfAborted(signal, "write");
      writeAll(files, fd, bytes.subarray(at, at + STEP_BYTES));
      if (at + STEP_BYTES < bytes.length) await nextTurn();
    }
  }
}

function inPieces(data: Content): data is Exclude<Content, Piece> {
  if (typeof data !== "object" || data === null) return false;
  if (ArrayBuffer.isView(data) || data instanceof ArrayBuffer) return false;
  return Symbol.asyncIterator in data || Symbol.iterator in data;
}
