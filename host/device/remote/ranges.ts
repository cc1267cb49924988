/**
 * Ranges of a file on a web server: what is asked, what an answer must say before it is believed,
 * and what is kept of it. No word here of how a request travels: fetch() or a synchronous one.
 */
import { failure, type StorageError } from "../../base/errors.ts";
import { blockParts } from "../blocks.ts";

/** The file that was opened, as its server tells one version of it from another. */
export interface RemoteFile {
  readonly url: string;
  readonly sizeBytes: number;
  /** Empty where the server sends none. */
  readonly etag: string;
  /** Last-Modified; empty where the server sends none. */
  readonly modified: string;
}

/** A range of bytes. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  header(name: string): string | null;
}

/** How much is asked for at least, and kept at most. */
export interface ReadAheadOptions {
  /** Bytes of one request at least, a power of two from 64 KiB on. Default 64 KiB. */
  readonly blockBytes?: number | undefined;
  /** Bytes that are kept at most, 4 MiB or more. Default 16 MiB. */
  readonly cacheBytes?: number | undefined;
}

const BLOCK_SIZE = 2 ** 16;
const BLOCK_SIZE_MAX = 2 ** 20;
const CACHE_SIZE = 2 ** 24;
const CACHE_SIZE_MIN = 2 ** 22;
/** Bytes of one request at most. */
const WINDOW_SIZE = 2 ** 20;

/** `url` as it may stand in a message: without a password. */
export function shownUrl(url: string): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  return shown.href;
}

/** The Range header that asks for `span`. */
export function rangeHeader({ offset, length }: Span): string {
  return `bytes=${offset}-${offset + length - 1}`;
}

/**
 * The file behind the answer to a first request for `span`.
 *
 * @throws {StorageError} EOPNOTSUPP: the server ignores ranges or hides sizes; EMEDIUMTYPE: the
 *   file is empty; and as checkHead()
 */
export function remoteFile(url: string, head: AnswerHead, span: Span): RemoteFile {
  if (head.status === 416) throw told("EMEDIUMTYPE", url, "is empty: there is no disk in it.");
  const { total } = checkRange(url, head, span);
  if (total === undefined) {
    throw told("EOPNOTSUPP", url, "has no known size: its server leaves it out of Content-Range.");
  }
  const etag = head.header("ETag") ?? "";
  return { url, sizeBytes: total, etag, modified: head.header("Last-Modified") ?? "" };
}

/**
 * Checks the answer to a later request; answers how many bytes its body must have.
 *
 * @throws {StorageError} ESTALE: the file is another one now; ENOENT, EACCES, EIO by the status;
 *   EIO: it is not the range that was asked for, or it is encoded
 */
export function checkHead(file: RemoteFile, head: AnswerHead, span: Span): number {
  const { url, etag, modified, sizeBytes } = file;
  const hint = "Open it again; what was read before may not fit what is there now.";
  const changed = (what: string) =>
    told("ESTALE", url, `has changed on its server since it was opened: ${what}.`, hint);
  // If-Range: a server whose file is another one sends all of it, with 200.
  if (head.status === 200 && (etag !== "" || modified !== "")) throw changed("all of it was sent");
  if (head.status === 416) throw changed("it ends earlier");
  const range = checkRange(url, head, span);
  if (range.total !== undefined && range.total !== sizeBytes) {
    throw changed(`it had ${sizeBytes} bytes and has ${range.total}`);
  }
  const nowTag = head.header("ETag") ?? "";
  if (etag !== "" && nowTag !== "" && nowTag !== etag) throw changed("its ETag is another one");
  const nowModified = head.header("Last-Modified") ?? "";
  if (etag === "" && modified !== "" && nowModified !== "" && nowModified !== modified) {
    throw changed("it was modified");
  }
  return range.length;
}

/** True for what may go well if it is asked again: a busy server, a broken connection. */
export function isPassing(error: StorageError): boolean {
  return error.code === "EIO" && error.hint === TRY_AGAIN;
}

export const TRY_AGAIN = "Try again.";

/** A StorageError about `url`. */
export function told(
  code: Parameters<typeof failure>[0],
  url: string,
  sentence: string,
  hint?: string,
  cause?: unknown,
): StorageError {
  const path = shownUrl(url);
  return failure(code, "read", `'${path}' ${sentence}`, { path, hint, cause });
}

/** The body is not as long as the head says. */
export function wrongLength(url: string, got: number, want: number): StorageError {
  const more = got > want ? "or more " : "";
  const sentence = `sent ${got} bytes ${more}where ${want} were announced.`;
  return told("EIO", url, sentence, got > want ? undefined : TRY_AGAIN);
}

function checkRange(
  url: string,
  head: AnswerHead,
  span: Span,
): { length: number; total: number | undefined } {
  checkStatus(url, head.status);
  const encoding = head.header("Content-Encoding") ?? "identity";
  if (encoding !== "identity" && encoding !== "") {
    throw told("EIO", url, `came encoded (${encoding}), so its bytes are not those of the file.`);
  }
  const text = head.header("Content-Range");
  if (text === null) {
    const hint = "A server elsewhere must expose it: Access-Control-Expose-Headers.";
    throw told("EIO", url, "came as a part without a readable Content-Range.", hint);
  }
  const [, first, last, size] = /^\s*bytes (\d+)-(\d+)\/(\d+|\*)\s*$/.exec(text) ?? [];
  const [start, end] = [Number(first), Number(last)];
  const total = size === "*" ? undefined : Number(size);
  const asked = Math.min(span.length, (total ?? Number.POSITIVE_INFINITY) - span.offset);
  const sane = Number.isSafeInteger(end) && (total === undefined || Number.isSafeInteger(total));
  if (!sane || start !== span.offset || end - start + 1 !== asked) {
    const sentence = `answered '${text}' to a request for bytes ${span.offset}+${span.length}.`;
    throw told("EIO", url, sentence);
  }
  return { length: asked, total };
}

function checkStatus(url: string, status: number): void {
  if (status === 206) return;
  if (status === 200) {
    const hint = "Download it first, or ask for it elsewhere.";
    throw told("EOPNOTSUPP", url, "can only be had as a whole: its server ignores ranges.", hint);
  }
  if (status === 404 || status === 410) throw told("ENOENT", url, `is not there (${status}).`);
  if (status === 401 || status === 403 || status === 407) {
    throw told("EACCES", url, `may not be read: its server answers ${status}.`);
  }
  if (status === 429 || status >= 500) {
    throw told("EIO", url, `cannot be had now: its server answers ${status}.`, TRY_AGAIN);
  }
  throw told("EIO", url, `cannot be read: its server answers ${status}.`);
}

/** Blocks of a file that were read, newest kept, and what to ask for next. */
export class ReadAhead {
  readonly #sizeBytes: number;
  readonly #blockSize: number;
  readonly #blocksMax: number;
  readonly #blocks = new Map<number, Uint8Array>();
  /** Where a request ends that went on where the one before had ended, and how much it took. */
  #next = -1;
  #window: number;

  constructor(sizeBytes: number, options: ReadAheadOptions = {}) {
    const { blockBytes = BLOCK_SIZE, cacheBytes = CACHE_SIZE } = options;
    const power = Number.isInteger(Math.log2(blockBytes));
    if (!power || blockBytes < BLOCK_SIZE || blockBytes > BLOCK_SIZE_MAX) {
      throw failure("EINVAL", "open", `blocks of ${blockBytes} bytes: 64 KiB to 1 MiB are taken.`);
    }
    this.#sizeBytes = sizeBytes;
    this.#blockSize = blockBytes;
    this.#blocksMax = Math.floor(Math.max(cacheBytes, CACHE_SIZE_MIN) / blockBytes);
    this.#window = blockBytes;
  }

  /** Bytes that are kept. */
  get keptBytes(): number {
    return this.#blocks.size * this.#blockSize;
  }

  /** Fills `into`; asks for each span that is not kept by yielding it, and is given its bytes. */
  *read(offset: number, into: Uint8Array): Generator<Span, void, Uint8Array> {
    for (const { index, start, at, size } of blockParts(offset, into.length, this.#blockSize)) {
      let block = this.#blocks.get(index);
      if (block === undefined) {
        const span = this.#span(index, offset + into.length);
        this.#put(index, yield span);
        block = this.#blocks.get(index) as Uint8Array;
      } else {
        // Used last, so dropped last.
        this.#blocks.delete(index);
        this.#blocks.set(index, block);
      }
      into.set(block.subarray(start, start + size), at);
    }
  }

  /** From block `index` on: what is wanted up to `end`, in a sequence twice as much each time. */
  #span(index: number, end: number): Span {
    const offset = index * this.#blockSize;
    const follows = offset === this.#next;
    this.#window = follows ? Math.min(this.#window * 2, WINDOW_SIZE) : this.#blockSize;
    const wanted = Math.min(Math.max(end - offset, this.#window), WINDOW_SIZE);
    let blocks = 1;
    while (blocks * this.#blockSize < wanted && !this.#blocks.has(index + blocks)) blocks++;
    const length = Math.min(blocks * this.#blockSize, this.#sizeBytes - offset);
    this.#next = offset + length;
    return { offset, length };
  }

  #put(first: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.#blockSize) {
      // A copy of its own: a view would keep all of the answer in memory.
      this.#blocks.set(first + at / this.#blockSize, bytes.slice(at, at + this.#blockSize));
    }
    for (const index of this.#blocks.keys()) {
      if (this.#blocks.size <= this.#blocksMax) return;
      this.#blocks.delete(index);
    }
  }
}
