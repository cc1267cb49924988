/**
 * Read-only block devices over a file on a web server that answers ranges.
 *
 * `HttpRangeDevice` answers by promise, for the bridge and for whoever reads a disk from a page.
 * `HttpSyncDevice` asks by a synchronous XMLHttpRequest, which workers of a browser may, so it
 * needs no shared memory.
 */
import { failure, StorageError } from "../../base/errors.ts";
import type { AsyncBlockDevice } from "../async.ts";
import {
  admit,
  answerId,
  type BlockDevice,
  type BlockRequest,
  checkGeometry,
  complete,
  type DeviceConfig,
  type DeviceIdentity,
  type DurabilityClaim,
  deviceIdentity,
  type IdentityOptions,
  RequestType,
  refuse,
  refuseClosed,
  SECTOR_SIZE,
  zeroingConfig,
} from "../device.ts";
import { type Courier, fetchRange, xhrRange } from "./couriers.ts";
import {
  isPassing,
  ReadAhead,
  type ReadAheadOptions,
  type RemoteFile,
  remoteFile,
  type Span,
  shownUrl,
  told,
} from "./ranges.ts";

export interface HttpOptions extends IdentityOptions, ReadAheadOptions {
  /** Logical block, 512 (default) or 4096. */
  readonly blkSize?: 512 | 4096 | undefined;
  /** Sent with every request, such as Authorization. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** As of fetch(). Default "same-origin". */
  readonly credentials?: RequestCredentials | undefined;
  /** How long one request may take. Default 30 seconds. */
  readonly timeoutMs?: number | undefined;
  /** How often a request is repeated after a broken connection or a busy server. Default 2. */
  readonly retries?: number | undefined;
  /** Aborted: opening stops, later requests answer ECANCELED. */
  readonly signal?: AbortSignal | undefined;
}

const RETRIES = 2;
const RETRY_MS = 100;
const FIRST_SIZE = 2 ** 16;

/** What both devices are. */
abstract class HttpBase {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim = { level: "remote", flush: "nothing: it is read-only" };
  /** Which version of which file this is. */
  readonly file: RemoteFile;
  protected readonly cache: ReadAhead;
  protected readonly options: HttpOptions;
  protected closed = false;

  protected constructor(file: RemoteFile, options: HttpOptions) {
    const { blkSize = 512 } = options;
    const capacity = Math.floor(file.sizeBytes / blkSize) * (blkSize / SECTOR_SIZE);
    const path = shownUrl(file.url);
    checkGeometry(capacity, blkSize, path);
    const last = path.slice(path.lastIndexOf("/") + 1).replace(/[^\x20-\x7e]/g, "_");
    this.identity = deviceIdentity({
      pci: options.pci,
      serial: options.serial ?? last.slice(0, 20),
    });
    this.name = path;
    this.file = file;
    this.options = options;
    this.cache = new ReadAhead(file.sizeBytes, options);
    this.config = zeroingConfig(capacity, true, { blkSize });
  }

  /** What is left to do of a batch: its reads. The rest is answered at once. */
  protected reads(requests: readonly BlockRequest[]): BlockRequest[] {
    if (this.closed) {
      refuseClosed(this.name, requests);
      return [];
    }
    const reads: BlockRequest[] = [];
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      if (asked.type === RequestType.IN) reads.push(asked);
      else if (asked.type === RequestType.GET_ID) answerId(asked, this.identity.serial);
      else complete(asked);
    }
    return reads;
  }
}

/**
 * A file on a web server, by fetch(): in Node and in browsers.
 *
 * @example
 * const disk = await HttpRangeDevice.open("https://example.org/disk.img", { timeoutMs: 10_000 });
 * const { end } = serveDevice(disk); // for the core, in another thread
 */
export class HttpRangeDevice extends HttpBase implements AsyncBlockDevice {
  private constructor(file: RemoteFile, options: HttpOptions) {
    super(file, options);
  }

  /**
   * Asks for the first bytes of the file, and so for its size and version.
   *
   * @throws {StorageError} ENOENT, EACCES; EOPNOTSUPP: the server ignores ranges; EMEDIUMTYPE: the
   *   file is empty; EIO: no connection, or an answer that cannot be; ETIMEDOUT; ECANCELED
   */
  static async open(url: string | URL, options: HttpOptions = {}): Promise<HttpRangeDevice> {
    return new HttpRangeDevice(await firstAnswer(url, options), options);
  }

  async submit(requests: readonly BlockRequest[], signal?: AbortSignal): Promise<void> {
    for (const asked of this.reads(requests)) {
      try {
        const reading = this.cache.read(asked.sector * SECTOR_SIZE, asked.data);
        let turn = reading.next();
        while (!turn.done) turn = reading.next(await this.#fetch(turn.value, signal));
        complete(asked, asked.data.length);
      } catch (cause) {
        refuse(asked, cause);
      }
    }
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #fetch(span: Span, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return repeated(this.options, async () => {
      const { bytes } = await fetchRange(
        courier(this.file.url, this.options),
        span,
        this.file,
        signal,
      );
      return bytes;
    });
  }
}

/**
 * A file on a web server, by synchronous requests: for workers of a browser, with or without shared
 * memory.
 *
 * @example
 * const device = await HttpSyncDevice.open(new URL("disk.img", location.href));
 */
export class HttpSyncDevice extends HttpBase implements BlockDevice {
  private constructor(file: RemoteFile, options: HttpOptions) {
    super(file, options);
  }

  /** As HttpRangeDevice.open(); EOPNOTSUPP also where there is no XMLHttpRequest. */
  static async open(url: string | URL, options: HttpOptions = {}): Promise<HttpSyncDevice> {
    if (typeof XMLHttpRequest === "undefined") {
      throw failure("EOPNOTSUPP", "open", "there are no synchronous requests outside of browsers.");
    }
    return new HttpSyncDevice(await firstAnswer(url, options), options);
  }

  submit(requests: readonly BlockRequest[]): void {
    for (const asked of this.reads(requests)) {
      try {
        const reading = this.cache.read(asked.sector * SECTOR_SIZE, asked.data);
        let turn = reading.next();
        while (!turn.done) turn = reading.next(this.#ask(turn.value));
        complete(asked, asked.data.length);
      } catch (cause) {
        refuse(asked, cause);
      }
    }
  }

  close(): void {
    this.closed = true;
  }

  #ask(span: Span): Uint8Array {
    const { retries = RETRIES } = this.options;
    for (let left = retries; ; left--) {
      try {
        return xhrRange(courier(this.file.url, this.options), span, this.file);
      } catch (error) {
        if (left <= 0 || !(error instanceof StorageError) || !isPassing(error)) throw error;
      }
    }
  }
}

/** The first request: by fetch() in any case, as it can leave a body that is too large unread. */
async function firstAnswer(url: string | URL, options: HttpOptions): Promise<RemoteFile> {
  const given = new URL(url, globalThis.location?.href);
  const address = given.href;
  if (given.username !== "" || given.password !== "") {
    const hint = "Give the header Authorization in its place.";
    throw told("EINVAL", address, "has a name or password in its address.", hint);
  }
  const span = { offset: 0, length: FIRST_SIZE };
  return repeated(options, async () => {
    const { head } = await fetchRange(courier(address, options), span);
    return remoteFile(address, head, span);
  });
}

function courier(url: string, options: HttpOptions): Courier {
  const { headers = {}, credentials = "same-origin", timeoutMs = 30_000, signal } = options;
  return { url, headers, credentials, timeoutMs, signal };
}

async function repeated<T>(options: HttpOptions, ask: () => Promise<T>): Promise<T> {
  const { retries = RETRIES } = options;
  for (let left = retries; ; left--) {
    try {
      return await ask();
    } catch (error) {
      if (left <= 0 || !(error instanceof StorageError) || !isPassing(error)) throw error;
      const pauseMs = RETRY_MS * 2 ** (retries - left);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
