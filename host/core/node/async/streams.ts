/** Web Streams over calls that read and write, and any source of bytes as an async iterable. */
import { throwIfAborted } from "../codes.ts";
import { contentBytes } from "../flags.ts";

/** What one pull reads where the reader brings no buffer. */
const CHUNK_BYTES = 1 << 16;
/** Bytes that a writer may have on the way before it is told to wait. */
const SINK_BYTES = 1 << 20;

export interface ByteSource {
  /** Fills `into`; answers how many bytes, 0 at the end. */
  read(into: Uint8Array): number | Promise<number>;
  /** Called once: at the end, after an error, when the reader cancels. */
  close?(): void | Promise<void>;
  readonly signal?: AbortSignal | null | undefined;
}

/** A byte stream: it reads when it is asked, and into the reader's own buffer if it brings one. */
export function byteStream(source: ByteSource): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK_BYTES,
    async pull(controller) {
      // With autoAllocateChunkSize there always is one.
      const request = controller.byobRequest as ReadableStreamBYOBRequest;
      const view = request.view as ArrayBufferView;
      const into = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      try {
        throwIfAborted(source.signal, "read");
        const got = await source.read(into);
        if (got === 0) {
          await source.close?.();
          controller.close();
        }
        request.respond(got);
      } catch (error) {
        await source.close?.();
        throw error;
      }
    },
    async cancel() {
      await source.close?.();
    },
  });
}

export interface ByteSink {
  write(bytes: Uint8Array): void | Promise<void>;
  close(): void | Promise<void>;
  abort(reason: unknown): void | Promise<void>;
  readonly signal?: AbortSignal | null | undefined;
}

/** A stream that takes bytes and text, and lets its writer wait while a MiB is on the way. */
export function byteSink(sink: ByteSink): WritableStream<Uint8Array | string> {
  const size = (chunk: Uint8Array | string | undefined) =>
    typeof chunk === "string" ? chunk.length : (chunk?.byteLength ?? 1);
  return new WritableStream(
    {
      async write(chunk) {
        try {
          throwIfAborted(sink.signal, "write");
          await sink.write(contentBytes(chunk));
        } catch (error) {
          // The stream is errored from here on, and abort() is not called for that.
          await sink.abort(error);
          throw error;
        }
      },
      close: () => sink.close(),
      abort: (reason) => sink.abort(reason),
    },
    { highWaterMark: SINK_BYTES, size },
  );
}

/** The pieces of a stream, also where the engine's streams are no async iterables. */
export async function* pieces<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel();
    reader.releaseLock();
  }
}

/** The lines of a stream of UTF-8; "\n", "\r\n" and "\r" end one. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let rest = "";
  for await (const piece of pieces(stream)) {
    rest += decoder.decode(piece, { stream: true });
    // Whether a line feed follows a carriage return at the end, the next piece tells.
    const held = rest.endsWith("\r") ? 1 : 0;
    const ended = rest.slice(0, rest.length - held).split(/\r\n|[\r\n]/);
    rest = (ended.pop() ?? "") + rest.slice(rest.length - held);
    yield* ended;
  }
  rest = (rest + decoder.decode()).replace(/\r$/, "");
  if (rest !== "") yield rest;
}
