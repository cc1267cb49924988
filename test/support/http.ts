/** What both HTTP devices are asked: the same table of servers, in Node and Chromium. */
import { expect, test } from "vitest";
import type { StorageError } from "../../host/base/errors.ts";
import {
  type BlockRequest,
  RequestStatus,
  RequestType,
  request,
} from "../../host/device/device.ts";
import type { HttpOptions } from "../../host/device/remote/http.ts";
import { put } from "./put.ts";
import { equal, noise } from "./requests.ts";

/** Either device, seen as one that answers by promise. */
export interface AnyHttpDevice {
  readonly config: { readonly capacity: number };
  submit(requests: readonly BlockRequest[]): void | Promise<void>;
  close(): void | Promise<void>;
}

export type OpenHttp = (url: string, options?: HttpOptions) => Promise<AnyHttpDevice>;

const SIZE = 2 ** 18;
/** Refused when it is opened. */
const AT_OPEN: readonly [mode: string, code: string, says: RegExp][] = [
  ["no-range", "EOPNOTSUPP", /can only be had as a whole: its server ignores ranges/],
  ["missing", "ENOENT", /is not there \(404\)/],
  ["forbidden", "EACCES", /may not be read: its server answers 403/],
  ["private", "EACCES", /may not be read: its server answers 401/],
  ["teapot", "EIO", /its server answers 418/],
  ["busy", "EIO", /cannot be had now: its server answers 503.* Try again/],
  ["empty", "EMEDIUMTYPE", /is empty/],
  ["star", "EOPNOTSUPP", /has no known size/],
  ["nonsense", "EIO", /answered 'bytes 0-x\/9e99' to a request for bytes 0\+65536/],
  ["hidden", "EIO", /without a readable Content-Range.*Access-Control-Expose-Headers/],
  ["encoded", "EIO", /came encoded \(compress\)/],
  ["circle", "EIO", /cannot be reached, or the connection broke/],
];

/** Opened well, refused when more is read. */
const AT_READ: readonly [mode: string, code: string, says: RegExp][] = [
  ["other-tag", "ESTALE", /has changed on its server since it was opened: its ETag/],
  ["modified", "ESTALE", /has changed on its server.*it was modified/],
  ["shrunk", "ESTALE", /it had 262144 bytes and has 258048.*Open it again/],
  ["416", "ESTALE", /it ends earlier/],
  ["other-range", "EIO", /answered 'bytes 131073-196608\/262144' to a request/],
  ["short", "EIO", /sent 65436 bytes where 65536 were announced/],
  ["long", "EIO", /sent 65543 bytes or more where 65536 were announced/],
  ["broken", "EIO", /cannot be reached, or the connection broke/],
];

const GOOD = ["good", "redirect", "no-length", "weak", "busy-twice", "broken-once"] as const;

/** The tests of either device, against the server at `base()`. */
export function httpTests(base: () => string, open: OpenHttp, sync: boolean): void {
  const content = noise(SIZE, 7);
  const read = async (device: AnyHttpDevice, sector: number, length: number) => {
    const asked = request(RequestType.IN, sector, new Uint8Array(length));
    await device.submit([asked]);
    return asked;
  };

  test.each(AT_OPEN)(
    "a server that is %s is %s when the disk is opened",
    async (mode, code, says) => {
      const address = await put(base(), content);
      const error = await open(address(mode), { retries: 1 }).then(
        () => undefined,
        (each: StorageError) => each,
      );
      expect(error).toMatchObject({ code, syscall: "read", path: address(mode) });
      expect(error?.message).toMatch(says);
    },
  );

  const atRead = sync
    ? AT_READ
    : [...AT_READ, ["if-range", "ESTALE", /all of it was sent/] as const];
  test.each(atRead)("a server that turns %s is %s when more is read", async (mode, code, says) => {
    const address = await put(base(), content);
    const device = await open(address(mode), { retries: 1 });
    const asked = await read(device, 256, 4096);
    expect(asked.status).toBe(RequestStatus.IOERR);
    expect(asked.cause).toMatchObject({ code, path: address(mode) });
    expect((asked.cause as Error).message).toMatch(says);
    await device.close();
  });

  test.each(GOOD)("a server that is %s serves every byte", async (mode) => {
    const address = await put(base(), content);
    const device = await open(address(mode));
    expect(device.config.capacity).toBe(SIZE / 512);
    for (const [sector, length] of [
      [0, 512],
      [127, 1024],
      [500, 6144],
      [0, SIZE],
    ] as const) {
      const asked = await read(device, sector, length);
      expect(asked.cause).toBeUndefined();
      const want = content.subarray(sector * 512, sector * 512 + length);
      expect(equal(asked.data, want), `${sector}+${length}`).toBe(true);
    }
    await device.close();
  });

  test("headers are sent, a length that is no whole block is cut, a password stays untold", async () => {
    const address = await put(base(), content.subarray(0, 5000));
    const device = await open(address("private"), { headers: { Authorization: "Bearer key" } });
    expect(device.config.capacity).toBe(9);
    expect((await read(device, 8, 512)).status).toBe(RequestStatus.OK);
    const secret = address("missing").replace("://", "://user:secret@");
    const error = (await open(secret).catch((each: unknown) => each)) as StorageError;
    expect(error).toMatchObject({ code: "EINVAL", path: address("missing") });
    expect(error.message).not.toMatch(/secret/);
  });

  test("reading in order asks for more each time, and again for nothing that is kept", async () => {
    const large = noise(2 ** 22, 3);
    const address = await put(base(), large);
    const device = await open(address("good"));
    const asked = async () => Number(await (await fetch(address("count"))).text());
    for (let sector = 0; sector < 8192; sector += 8) {
      const { data, status } = await read(device, sector, 4096);
      expect(status).toBe(RequestStatus.OK);
      expect(equal(data, large.subarray(sector * 512, sector * 512 + 4096))).toBe(true);
    }
    // 64 KiB to see what it is; then 64, 128, 256, 512, and 1,024 three times.
    expect(await asked()).toBeLessThanOrEqual(9);
    const before = await asked();
    for (let sector = 0; sector < 8192; sector += 512) await read(device, sector, 4096);
    expect(await asked()).toBe(before);
  });

  test("an answer that takes too long is ETIMEDOUT, an aborted one ECANCELED", async () => {
    const address = await put(base(), content);
    const device = await open(address("slow"), { timeoutMs: 1500, retries: 0 });
    const late = await read(device, 256, 512);
    expect(late.cause).toMatchObject({ code: "ETIMEDOUT" });
    const stop = new AbortController();
    const other = await open(address("good"), { signal: stop.signal });
    stop.abort(new Error("enough"));
    const given = await read(other, 256, 512);
    expect(given.cause).toMatchObject({ code: "ECANCELED", cause: { message: "enough" } });
    const aborted = open(address("good"), { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: "ECANCELED" });
  });

  test("a server that is not there is EIO", async () => {
    await expect(open("http://127.0.0.1:9/disk.img", { retries: 0 })).rejects.toMatchObject({
      code: "EIO",
      path: "http://127.0.0.1:9/disk.img",
    });
  });
}
