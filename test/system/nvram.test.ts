/** UEFI variables: they come back from their file, and BootNext counts once. */
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { type BootOption, Nvram } from "../../host/system/boot/nvram.ts";

function option(number: number, active = true): BootOption {
  return {
    number,
    active,
    description: `entry ${number}`,
    partitionGuid: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    path: "/EFI/BOOT/BOOTX64.EFI",
  };
}

function sample(): Nvram {
  const nvram = new Nvram();
  nvram.setOption(option(3));
  nvram.setOption(option(1, false));
  nvram.setOption(option(2));
  nvram.bootNext = 1;
  nvram.bootCurrent = 0;
  nvram.timeoutS = 0;
  return nvram;
}

describe("NVRAM", () => {
  test("comes back from its bytes", () => {
    const back = Nvram.from(sample().toBytes());
    expect(back.bootOrder).toEqual([3, 1, 2]);
    expect(back.bootNext).toBe(1);
    expect(back.bootCurrent).toBe(0);
    expect(back.timeoutS).toBe(0);
    expect([...back.options.values()]).toEqual([option(3), option(1, false), option(2)]);
    expect(back.toBytes()).toEqual(sample().toBytes());
  });

  test("keeps the patterns of boot entries; the one of once is gone when it has been read", () => {
    const nvram = sample();
    nvram.entryOneShot = "rayos-recovery*";
    nvram.entryDefault = "rayos-previous.conf";
    const back = Nvram.from(nvram.toBytes());
    expect(back.takeEntryPatterns()).toEqual(["rayos-recovery*", "rayos-previous.conf"]);
    expect(back.takeEntryPatterns()).toEqual([undefined, "rayos-previous.conf"]);
    expect(Nvram.from(sample().toBytes()).takeEntryPatterns()).toEqual([undefined, undefined]);
  });

  test("reads a file of version 2, which has no patterns, and refuses others", () => {
    const bytes = sample().toBytes();
    const older = bytes.slice(0, bytes.length - 8);
    older[17] = 2;
    const back = Nvram.from(older);
    expect(back.bootOrder).toEqual([3, 1, 2]);
    expect(back.toBytes()).toEqual(bytes);
    for (const version of [0, 1, 4]) {
      bytes[17] = version;
      expect(() => Nvram.from(bytes), `${version}`).toThrow(/EBADMSG/);
    }
  });

  test("tries BootNext once and first, then the active options in their order", () => {
    const nvram = sample();
    expect(nvram.takeCandidates().map(({ number }) => number)).toEqual([1, 3, 2]);
    expect(nvram.takeCandidates().map(({ number }) => number)).toEqual([3, 2]);
  });

  test("passes over options that are not there", () => {
    const nvram = sample();
    nvram.options.delete(3);
    nvram.bootNext = 77;
    expect(nvram.takeCandidates().map(({ number }) => number)).toEqual([2]);
  });

  test("takes a timeout of 0 to 300 seconds", () => {
    const nvram = new Nvram();
    expect(nvram.timeoutS).toBe(5);
    for (const seconds of [-1, 301, 1.5, Number.NaN]) {
      expect(() => {
        nvram.timeoutS = seconds;
      }, `${seconds}`).toThrow(StorageError);
    }
    nvram.timeoutS = 300;
    expect(nvram.timeoutS).toBe(300);
  });

  test("cut at any byte is EBADMSG", () => {
    const bytes = sample().toBytes();
    for (let size = 0; size < bytes.length; size++) {
      expect(() => Nvram.from(bytes.subarray(0, size)), `${size} bytes`).toThrow(/EBADMSG/);
    }
  });
});
