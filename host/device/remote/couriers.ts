/** How a request for a range travels: by fetch(), or by a synchronous XMLHttpRequest. */
import { StorageError } from "../../base/errors.ts";
import {
  type AnswerHead,
  checkHead,
  type RemoteFile,
  rangeHeader,
  remoteFile,
  type Span,
  TRY_AGAIN,
  told,
  wrongLength,
} from "./ranges.ts";

export interface Courier {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: RequestCredentials;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** An answer that is what was asked for. */
export interface RangeAnswer {
  readonly head: AnswerHead;
  readonly bytes: Uint8Array;
}

/**
 * Asks for `span` of `file`, or of a file that is not known yet, and checks the answer. A body that
 * is not wanted or too long is not read to its end.
 */
export async function fetchRange(
  courier: Courier,
  span: Span,
  file?: RemoteFile,
  signal?: AbortSignal,
): Promise<RangeAnswer> {
  const { url, credentials } = courier;
  const patience = AbortSignal.timeout(courier.timeoutMs);
  const signals = [courier.signal, signal, patience].filter((each) => each !== undefined);
  const stop = new AbortController();
  try {
    const response = await fetch(url, {
      headers: { ...courier.headers, ...rangeHeaders(span, file) },
      credentials,
      // A cache may know an older version, or only the whole.
      cache: "no-store",
      signal: AbortSignal.any([...signals, stop.signal]),
    });
    const head = { status: response.status, header: (name: string) => response.headers.get(name) };
    const length = file === undefined ? firstLength(url, head, span) : checkHead(file, head, span);
    return { head, bytes: await bodyOf(response, length, url) };
  } catch (cause) {
    // Whatever is still on its way is not wanted any more.
    stop.abort();
    if (cause instanceof StorageError) throw cause;
    const given = signals.find((each) => each !== patience && each.aborted);
    if (given !== undefined) throw told("ECANCELED", url, "was given up.", undefined, given.reason);
    if (patience.aborted) {
      const sentence = `did not answer within ${courier.timeoutMs} ms.`;
      throw told("ETIMEDOUT", url, sentence, TRY_AGAIN, cause);
    }
    throw told("EIO", url, "cannot be reached, or the connection broke.", TRY_AGAIN, cause);
  }
}

/**
 * The same, here and now. Without If-Range: a server whose file has changed would send all of it,
 * and there is no stopping that; its ETag tells as much.
 */
export function xhrRange(courier: Courier, span: Span, file: RemoteFile): Uint8Array {
  const { url, headers, credentials, timeoutMs, signal } = courier;
  if (signal?.aborted) throw told("ECANCELED", url, "was given up.", undefined, signal.reason);
  const asked = new XMLHttpRequest();
  asked.open("GET", url, false);
  asked.responseType = "arraybuffer";
  asked.timeout = timeoutMs;
  asked.withCredentials = credentials === "include";
  for (const [name, value] of Object.entries(headers)) asked.setRequestHeader(name, value);
  asked.setRequestHeader("Range", rangeHeader(span));
  try {
    asked.send();
  } catch (cause) {
    if ((cause as Error).name === "TimeoutError") {
      throw told("ETIMEDOUT", url, `did not answer within ${timeoutMs} ms.`, TRY_AGAIN, cause);
    }
    throw told("EIO", url, "cannot be reached, or the connection broke.", TRY_AGAIN, cause);
  }
  const head = { status: asked.status, header: (name: string) => asked.getResponseHeader(name) };
  const length = checkHead(file, head, span);
  const bytes = new Uint8Array(asked.response as ArrayBuffer);
  if (bytes.length !== length) throw wrongLength(url, bytes.length, length);
  return bytes;
}

function rangeHeaders(span: Span, file: RemoteFile | undefined): Record<string, string> {
  const headers: Record<string, string> = {
    Range: rangeHeader(span),
    // In browsers it is theirs to send, and they send this for a range.
    "Accept-Encoding": "identity",
  };
  // A weak ETag vouches for no byte, so If-Range may not carry one.
  const strong = file !== undefined && file.etag !== "" && !file.etag.startsWith("W/");
  if (strong) headers["If-Range"] = file.etag;
  return headers;
}

function firstLength(url: string, head: AnswerHead, span: Span): number {
  return Math.min(span.length, remoteFile(url, head, span).sizeBytes);
}

async function bodyOf(response: Response, length: number, url: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || value === undefined) break;
    if (at + value.length > length) throw wrongLength(url, at + value.length, length);
    bytes.set(value, at);
    at += value.length;
  }
  if (at !== length) throw wrongLength(url, at, length);
  return bytes;
}
