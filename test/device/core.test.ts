/** Devices as the core meets them: faulty ones end in typed errors with the device's own cause. */
import { expect, test } from "vitest";
import { Region } from "../../host/core/region.ts";
import { type BlockDevice, type BlockRequest, RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { freshCore } from "../support/core.ts";

const { IN, OUT } = RequestType;

function formatted(): MemoryDevice {
  const device = new MemoryDevice({ size: "16MiB" });
  const core = freshCore();
  Region.format(core, core.attach(device));
  return device;
}

/** The error of opening a region on `device`. */
function openingError(device: BlockDevice): { code: string; cause?: unknown } {
  const core = freshCore();
  try {
    Region.open(core, core.attach(device)).close();
  } catch (error) {
    return error as { code: string };
  }
  throw new Error("the region opened");
}

function withSubmit(submit: (requests: readonly BlockRequest[]) => void): BlockDevice {
  const { name, config, identity, durability } = formatted();
  return { name, config, identity, durability, submit, close: () => {} };
}

test("a device that throws is EIO with what it threw as the cause", () => {
  const thrown = new TypeError("a bug of the device");
  const error = openingError(
    withSubmit(() => {
      throw thrown;
    }),
  );
  expect(error).toMatchObject({ code: "EIO", cause: thrown });
});

test("a device that answers nothing, or half, or another status, is EIO", () => {
  const answers: [string, (asked: BlockRequest) => void][] = [
    ["nothing", () => {}],
    ["status 7", (asked) => Object.assign(asked, { status: 7 })],
    ["half", (asked) => Object.assign(asked, { status: 0, transferred: asked.length / 2 })],
    ["too much", (asked) => Object.assign(asked, { status: 0, transferred: asked.length + 512 })],
  ];
  for (const [what, answer] of answers) {
    const error = openingError(withSubmit((requests) => requests.forEach(answer)));
    expect(error.code, what).toBe("EIO");
  }
});

test("the cause is that of the first request that failed, not of an older failure", () => {
  const trace = new TraceDevice(formatted());
  const older = new Error("older");
  const newer = new Error("newer");
  const times = Number.POSITIVE_INFINITY;
  trace.inject({ on: IN, cause: older, times });
  expect(openingError(trace).cause).toBe(older);
  trace.clear();
  trace.inject({ on: IN, cause: newer, times });
  expect(openingError(trace).cause).toBe(newer);
});

test("a device that cannot be written, though it did not say so, is in doubt, with its cause", () => {
  const trace = new TraceDevice(formatted());
  const core = freshCore();
  const region = Region.open(core, core.attach(trace));
  const cause = new Error("write protected");
  trace.inject({ on: OUT, times: Number.POSITIVE_INFINITY, cause });
  const change = () => {
    region.store.put(new Uint8Array(100));
    region.store.commit();
  };
  // What failed is the slot of a superblock: the one write of which nobody knows the outcome.
  expect(change).toThrow(expect.objectContaining({ code: "EUNKNOWN", cause }));
});

test("a capacity that no device has is EINVAL", () => {
  for (const capacity of [Number.NaN, -8, 0.5, 2 ** 60]) {
    const base = formatted();
    const device = Object.create(base, { config: { value: { ...base.config, capacity } } });
    expect(openingError(device).code, `${capacity}`).toBe("EINVAL");
  }
});

test("a device that was detached is ENOENT, and two of one core do not mix", () => {
  const core = freshCore();
  const [first, second] = [formatted(), formatted()];
  const ids = [core.attach(first), core.attach(second)] as const;
  const region = Region.open(core, ids[0]);
  const hash = region.store.put(new Uint8Array(50).fill(3));
  region.close();
  const other = Region.open(core, ids[1]);
  expect(other.store.has(hash)).toBe(false);
  other.close();
  core.detach(ids[0]);
  expect(() => Region.open(core, ids[0])).toThrow("ENOENT");
});
