/**
 * A web server for tests that answers ranges well or in one of the ways that servers do it badly.
 *
 * PUT /ranges/MODE/ID keeps a body; GET answers ranges of it in the manner of MODE. It runs in Node
 * by itself, and inside the server of the browser tests.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

const files = new Map<string, Buffer>();
const counts = new Map<string, number>();

interface Ask {
  readonly file: Buffer;
  readonly first: number;
  readonly last: number;
  /** Requests for this address before this one. */
  readonly before: number;
  readonly request: IncomingMessage;
}

type Manner = (ask: Ask, response: ServerResponse) => void;

/** Sends the range as it should be, but for what is given. */
function part(
  ask: Ask,
  response: ServerResponse,
  given: Readonly<Record<string, string | undefined>> = {},
  body = ask.file.subarray(ask.first, ask.last + 1),
): void {
  const headers: Record<string, string | undefined> = {
    "Content-Range": `bytes ${ask.first}-${ask.last}/${ask.file.length}`,
    "Content-Length": `${body.length}`,
    ETag: '"one"',
    ...given,
  };
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.statusCode = 206;
  response.end(body);
}

function status(code: number, headers: Readonly<Record<string, string>> = {}): Manner {
  return (_, response) => {
    response.writeHead(code, headers).end();
  };
}

const whole: Manner = ({ file }, response) => {
  response.setHeader("Content-Length", file.length).end(file);
};

/** The connection breaks after half of what was announced. */
const broken: Manner = (ask, response) => {
  const body = ask.file.subarray(ask.first, ask.last + 1);
  response.writeHead(206, {
    "Content-Range": `bytes ${ask.first}-${ask.last}/${ask.file.length}`,
    "Content-Length": `${body.length}`,
  });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
};

/** `first` for the first `count` requests, `then` for the others. */
function later(first: Manner, then: Manner, count = 1): Manner {
  return (ask, response) => (ask.before < count ? first : then)(ask, response);
}

const MANNERS: Readonly<Record<string, Manner>> = {
  good: part,
  "no-range": whole,
  missing: status(404),
  forbidden: status(403),
  teapot: status(418),
  busy: status(503),
  "busy-twice": later(status(503), part, 2),
  redirect: (ask, response) => {
    const to = (ask.request.url as string).replace("/redirect/", "/good/");
    response.writeHead(302, { Location: to }).end();
  },
  circle: (ask, response) => {
    response.writeHead(302, { Location: ask.request.url as string }).end();
  },
  slow: later(part, (ask, response) => {
    const timer = setTimeout(() => part(ask, response), 10_000);
    response.once("close", () => clearTimeout(timer));
  }),
  "no-length": (ask, response) => part(ask, response, { "Content-Length": undefined }),
  "other-tag": later(part, (ask, response) => part(ask, response, { ETag: '"two"' })),
  "if-range": later(part, (ask, response) => {
    const same = ask.request.headers["if-range"] === '"two"';
    (same ? part : whole)(ask, response);
  }),
  weak: (ask, response) => {
    // A weak tag in If-Range is an error of the client.
    const given = ask.request.headers["if-range"] === undefined ? {} : { ETag: '"no"' };
    part(ask, response, { ETag: 'W/"one"', ...given });
  },
  modified: later(
    (ask, response) => part(ask, response, { ETag: undefined, "Last-Modified": "Mon" }),
    (ask, response) => part(ask, response, { ETag: undefined, "Last-Modified": "Tue" }),
  ),
  shrunk: later(part, (ask, response) => {
    part({ ...ask, file: ask.file.subarray(0, ask.file.length - 4096) }, response);
  }),
  "416": later(part, status(416)),
  empty: status(416, { "Content-Range": "bytes */0" }),
  star: (ask, response) => {
    part(ask, response, { "Content-Range": `bytes ${ask.first}-${ask.last}/*` });
  },
  "other-range": later(part, (ask, response) => {
    const { first, last, file } = ask;
    part(ask, response, { "Content-Range": `bytes ${first + 1}-${last + 1}/${file.length}` });
  }),
  nonsense: (ask, response) => part(ask, response, { "Content-Range": "bytes 0-x/9e99" }),
  hidden: (ask, response) => part(ask, response, { "Content-Range": undefined }),
  encoded: (ask, response) => part(ask, response, { "Content-Encoding": "compress" }),
  short: later(part, (ask, response) => {
    const body = ask.file.subarray(ask.first, ask.last - 99);
    part(ask, response, { "Content-Length": undefined }, body);
  }),
  long: later(part, (ask, response) => {
    const body = Buffer.concat([ask.file.subarray(ask.first, ask.last + 1), Buffer.alloc(7)]);
    part(ask, response, { "Content-Length": undefined }, body);
  }),
  "broken-once": later(part, later(broken, part, 2)),
  broken: later(part, broken),
  private: (ask, response) => {
    const { authorization } = ask.request.headers;
    (authorization === "Bearer key" ? part : status(401))(ask, response);
  },
};

/** Answers what is below /ranges/; anything else is `next`'s. */
export function answerRanges(
  request: IncomingMessage,
  response: ServerResponse,
  next: () => void,
): void {
  const [, root, mode = "", id = ""] = (request.url ?? "").split("/");
  if (root !== "ranges") {
    next();
    return;
  }
  if (request.method === "PUT") {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => {
      files.set(id, Buffer.concat(chunks));
      response.end();
    });
    return;
  }
  const key = `${mode}/${id}`;
  const before = counts.get(key) ?? 0;
  counts.set(key, before + 1);
  if (mode === "count") {
    response.end(`${counts.get(`good/${id}`) ?? 0}`);
    return;
  }
  const file = files.get(id);
  const [, first = "", last = ""] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const manner = MANNERS[mode];
  if (file === undefined || manner === undefined || first === "") {
    response.writeHead(400).end();
    return;
  }
  const end = Math.min(Number(last), file.length - 1);
  manner({ file, first: Number(first), last: end, before, request }, response);
}

/** The server by itself, on the loopback; answers its address. */
export async function startRangeServer(): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) =>
    answerRanges(request, response, () => response.writeHead(404).end()),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, url: `http://127.0.0.1:${address.port}` };
}
