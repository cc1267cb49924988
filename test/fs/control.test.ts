/** The boot-control block as a value: what it takes comes back; everything else is EBADMSG. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import {
  type BootControl,
  CONTROL_BYTES,
  decodeControl,
  encodeControl,
  isProvisioned,
  NEVER_PROVISIONED,
  Phase,
  ResetCause,
} from "../../host/core/boot/control.ts";

const id = fc.maxSafeNat();
const control: fc.Arbitrary<BootControl> = fc.record({
  phase: fc.constantFrom(Phase.IDLE, Phase.STAGED, Phase.ARMED, Phase.TRYING),
  triesLeft: fc.nat(255),
  activeFailures: fc.nat(3),
  candidateFailed: fc.boolean(),
  recovery: fc.boolean(),
  goldenIsActive: fc.boolean(),
  goldenIsBad: fc.boolean(),
  candidateIsGolden: fc.boolean(),
  lastStage: fc.nat(4),
  resetCause: fc.nat(ResetCause.HEALTH),
  ring: fc.array(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { maxLength: 3 }),
  sequence: id,
  bootSequence: id,
  bootToken: fc.bigInt(0n, 2n ** 64n - 1n),
  active: id,
  candidate: id,
  golden: id,
  selected: id,
  highWater: id,
  badCandidate: id,
  badActive: id,
  rollbackReason: fc.nat(0xffff),
  unknownBoots: fc.nat(255),
  rollbackCount: fc.nat(0xffff_ffff),
  goodBoot: id,
});

test("every control block that fits its fields survives encoding and decoding", () => {
  fc.assert(
    fc.property(control, (value) => {
      const block = encodeControl(value);
      expect(block.length).toBe(128);
      expect(decodeControl(block)).toEqual(value);
    }),
  );
});

test("any 128 bytes are EBADMSG or decode to a value that encodes to them again", () => {
  const block = fc.tuple(control, fc.nat(127), fc.nat(255)).map(([value, at, byte]) => {
    const bytes = encodeControl(value);
    bytes[at] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(block, fc.uint8Array({ minLength: 128, maxLength: 128 })), (bytes) => {
      const value = decodedOrCode(bytes);
      if (value !== "EBADMSG") expect(encodeControl(value as BootControl)).toEqual(bytes);
    }),
  );
});

test("a zero block was never provisioned; a staged epoch or an active generation says it was", () => {
  expect(decodeControl(new Uint8Array(CONTROL_BYTES))).toEqual(NEVER_PROVISIONED);
  expect(encodeControl(NEVER_PROVISIONED)).toEqual(new Uint8Array(CONTROL_BYTES));
  expect(isProvisioned(NEVER_PROVISIONED)).toBe(false);
  expect(isProvisioned({ ...NEVER_PROVISIONED, highWater: 1 })).toBe(true);
  expect(isProvisioned({ ...NEVER_PROVISIONED, active: 1 })).toBe(true);
});

test("the bytes are where docs/format/wf.md has them", () => {
  const block = encodeControl({
    ...NEVER_PROVISIONED,
    phase: Phase.TRYING,
    triesLeft: 2,
    recovery: true,
    candidateIsGolden: true,
    resetCause: ResetCause.PANIC,
    ring: [7, 6],
    bootToken: 0x0102_0304_0506_0708n,
    active: 0x1_0000_0001,
    rollbackReason: 0x1234,
    unknownBoots: 9,
    rollbackCount: 0xdead_beef,
  });
  expect([...block.subarray(0, 8)]).toEqual([3, 2, 0, 0, 0b1001, 0, 3, 2]);
  expect([...block.subarray(24, 40)]).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 1, 0, 0, 0, 1, 0, 0, 0]);
  expect([block[88], block[96], block[104]]).toEqual([7, 6, 0]);
  expect([...block.subarray(112, 120)]).toEqual([0x34, 0x12, 9, 0, 0xef, 0xbe, 0xad, 0xde]);
});

test.each([
  ["phase 4", 0, 4],
  ["four failures", 2, 4],
  ["a candidate flag of 2", 3, 2],
  ["an unknown bit", 4, 16],
  ["stage 5", 5, 5],
  ["reset cause 6", 6, 6],
  ["a ring of 4", 7, 4],
  ["a ring of 1 without an entry", 7, 1],
  ["a ring entry past the length", 88, 1],
  ["an id past 2^53 - 1", 39, 1],
  ["a reserved byte", 115, 1],
])("%s is EBADMSG", (_, at, byte) => {
  const block = new Uint8Array(CONTROL_BYTES);
  block[at] = byte;
  expect(decodedOrCode(block)).toBe("EBADMSG");
});

test("a block of another length is EBADMSG", () => {
  for (const length of [0, 127, 129]) {
    expect(decodedOrCode(new Uint8Array(length))).toBe("EBADMSG");
  }
});

test("a value that does not fit its field is EINVAL", () => {
  const values: Partial<BootControl>[] = [
    { phase: 4 as Phase },
    { triesLeft: 256 },
    { activeFailures: -1 },
    { lastStage: 1.5 },
    { ring: [1, 2, 3, 4] },
    { ring: [0] },
    { active: 2 ** 53 },
    { bootToken: -1n },
    { bootToken: 2n ** 64n },
    { rollbackReason: 0x1_0000 },
    { rollbackCount: 2 ** 32 },
  ];
  for (const value of values) {
    const refused = () => encodeControl({ ...NEVER_PROVISIONED, ...value });
    expect(refused, Object.keys(value)[0]).toThrow(expect.objectContaining({ code: "EINVAL" }));
  }
});

function decodedOrCode(block: Uint8Array): BootControl | string {
  try {
    return decodeControl(block);
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
}
