/** Two peers: functions, kinds and notices cross the border; disk-remote.test.ts has the rest. */
import { serialize } from "node:v8";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { FIRST, Peer, type PeerOptions, type Port } from "../../host/base/web/peer/peer.ts";
import type { Kind } from "../../host/base/web/peer/values.ts";

const open: MessagePort[] = [];
afterEach(() => {
  for (const port of open.splice(0)) port.close();
});

class Point {
  readonly x: number;

  constructor(x: number) {
    this.x = x;
  }

  double(): Point {
    return new Point(this.x * 2);
  }
}

const POINT: Kind = {
  name: "point",
  pack: (value) => (value instanceof Point ? { x: value.x } : undefined),
  unpack: (data) => new Point((data as { x: number }).x),
};

/** A peer that knows `object` of another one. */
function peerOf(object: object, near: PeerOptions = {}, far: PeerOptions = {}) {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  const other = new Peer(port2 as unknown as Port, far);
  other.show(object);
  const peer = new Peer(port1 as unknown as Port, near);
  return {
    other,
    peer,
    call: (name: string, ...given: unknown[]) => peer.call(FIRST, name, given),
  };
}

test("a function is a function over there, and the same one when it comes back", async () => {
  let kept: (text: string) => Promise<string> = async () => "";
  const { call } = peerOf({
    keep: (given: typeof kept) => {
      kept = given;
    },
    use: () => kept("a"),
    back: () => kept,
    make: (by: number) => (value: number) => value * by,
  });
  const own = (text: string) => `${text}!`;
  await call("keep", own);
  expect(await call("use")).toBe("a!");
  expect(await call("back")).toBe(own);
  const triple = (await call("make", 3)) as (value: number) => Promise<number>;
  expect(await triple(4)).toBe(12);
  await call("keep", () => {
    throw new RangeError("not here");
  });
  await expect(call("use")).rejects.toThrow(new RangeError("not here"));
});

test("a kind arrives as what it was; where it is not known, that is told", async () => {
  const desk = { double: (point: Point) => point.double() };
  const kinds = [POINT];
  const { call } = peerOf(desk, { kinds }, { kinds });
  const doubled = await call("double", new Point(4));
  expect(doubled).toBeInstanceOf(Point);
  expect(doubled).toEqual(new Point(8));
  const { call: ask } = peerOf(desk, { kinds });
  await expect(ask("double", new Point(4))).rejects.toMatchObject({ code: "EBADMSG" });
});

test("a notice belongs to no call; one that goes with an answer comes before it", async () => {
  const told: unknown[] = [];
  const { other, call } = peerOf(
    { ask: () => "answer" },
    { onNotice: (notice) => told.push(notice) },
    { notice: () => ({ with: "an answer" }) },
  );
  other.tell("by itself");
  expect(await call("ask")).toBe("answer");
  expect(told).toEqual(["by itself", { with: "an answer" }]);
});

test("a peer that is ended tells whatever waits and comes, and is not called any more", async () => {
  let calls = 0;
  const { peer, other, call } = peerOf({
    ask: () => {
      calls++;
      return new Promise(() => {});
    },
  });
  const waiting = call("ask");
  peer.end(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
  await expect(call("ask")).rejects.toThrow("gone");
  expect(calls).toBeLessThanOrEqual(1);
  other.end(new Error("gone too"));
});

/** Reads the number of each byte, as open files do. */
const COUNTING = {
  read: (into: Uint8Array, offset: number, length: number) => {
    for (let at = 0; at < length; at++) into[offset + at] = offset + at;
    return { bytesRead: length, buffer: into };
  },
};

test("of a buffer that a call fills its size travels there, and what was read back", async () => {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  const sizes: number[] = [];
  const measured = (port: MessagePort): Port => ({
    postMessage: (message, transfer) => {
      sizes.push(serialize(message).length);
      port.postMessage(message, transfer as ArrayBuffer[]);
    },
    set onmessage(receive: Port["onmessage"]) {
      (port as unknown as Port).onmessage = receive;
    },
  });
  new Peer(measured(port2)).show(COUNTING);
  const buffer = new Uint8Array(1 << 20).fill(255);
  const read = new Peer(measured(port1)).call(FIRST, "read", [buffer, 4, 3]);
  expect(((await read) as { buffer: unknown }).buffer).toBe(buffer);
  expect([...buffer.subarray(3, 8)]).toEqual([255, 4, 5, 6, 255]);
  expect(sizes).toHaveLength(2);
  expect(Math.max(...sizes)).toBeLessThan(1000);
});

test("an answer that finds no place is an error of the call, not a wait without end", async () => {
  const { call } = peerOf({ ...COUNTING, make: () => new Point(1) }, {}, { kinds: [POINT] });
  const buffer = new Uint8Array(16);
  const reading = call("read", buffer, 0, 8);
  structuredClone(buffer, { transfer: [buffer.buffer] });
  await expect(reading).rejects.toMatchObject({ code: "EINVAL", syscall: "read" });
  await expect(call("make")).rejects.toMatchObject({ code: "EBADMSG" });
});
