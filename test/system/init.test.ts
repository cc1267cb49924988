/** Init on real disks: what a service or a manifest may do wrong, and that the boot goes on. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { FatVolume } from "../../host/core/fat.ts";
import { Core } from "../../host/core/load.ts";
import type { BlockDevice } from "../../host/device/device.ts";
import type { MemoryDevice } from "../../host/device/local/memory.ts";
import { ESP_SECTORS_MIN } from "../../host/format/layout.ts";
import { encodeManifest } from "../../host/format/manifest.ts";
import { encodeOverlay } from "../../host/format/overlay.ts";
import { shippedService } from "../../host/system/service/shipped.ts";
import { provision, update } from "../../host/system/update/flows.ts";
import { statusOf } from "../../host/system/update/status.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import {
  BINS,
  boot,
  makeSystem,
  manifestOf,
  OPEN,
  type SystemParts,
  service,
  withSystem,
} from "../support/system.ts";

const CONSOLE = [{ name: "console", source: "console" }] as const;
const MISBEHAVING = ["trap", "exit", "hang", "flood", "ungranted", "hog", "deep"] as const;

const bins = {
  ...BINS,
  "overlay-extra.wasm": shippedService("overlay-extra"),
  ...Object.fromEntries(MISBEHAVING.map((name) => [`${name}.wasm`, testing(name)])),
};

function testing(name: string): Uint8Array {
  const url = new URL(`../../build/services/testing/${name}.wasm`, import.meta.url);
  return new Uint8Array(readFileSync(url));
}

/** Another file in the place of one on the ESP. */
function replaceOnEsp(disk: BlockDevice, path: string, bytes: Uint8Array): void {
  const core = new Core();
  const place = { baseSector: 2048, sectors: ESP_SECTORS_MIN };
  const volume = FatVolume.open(core, core.attach(disk), place);
  volume.writeFile(path, bytes);
  volume.close();
}

describe("a service that", () => {
  test.each(MISBEHAVING)("%ss is named, the others go on, and the checkpoint fails", (name) => {
    const services = [
      service("first", "good.wasm"),
      service(name, `${name}.wasm`, { caps: CONSOLE }),
      service("last", "overlay-extra.wasm", { caps: CONSOLE }),
    ];
    const report = boot(makeSystem({ services, bins }));
    expect(report.outcome).toBe("unhealthy");
    const failed = report.init?.services.filter(({ status }) => status !== "ok");
    expect(failed?.map((each) => each.name)).toEqual([name]);
    expect(report.lines.filter((line) => line.includes(`service ${name} failed: `)).length).toBe(1);
    expect(report.lines).toContain("[last] started via overlay");
    expect(report.lines).toContain("[init] health checkpoint: failed, reasons: 1");
  });

  test.each(MISBEHAVING)("%ss in a candidate keeps it from being confirmed", (name) => {
    const disk = makeSystem({ bins });
    withSystem(disk, (system) => provision(system, {}));
    const services = [service(name, `${name}.wasm`, { caps: CONSOLE })];
    withSystem(disk, (system) => {
      update(system, { overlay: { version: 1, epoch: 2, services, settings: {} } });
    });
    const report = boot(disk);
    expect(report).toMatchObject({ outcome: "checkpoint", resets: 1, generation: { id: 1 } });
    const { generations } = withSystem(disk, statusOf);
    expect(generations.find(({ id }) => id === 2)).toMatchObject({ state: "BAD" });
  });

  test("is not the file of the manifest is not started", () => {
    const disk = makeSystem({ services: [service("only", "good.wasm")] });
    replaceOnEsp(disk, "/boot/bins/good.wasm", BINS["bad.wasm"]);
    const report = boot(disk);
    expect(report.init?.services).toMatchObject([{ name: "only", status: "not-started" }]);
    expect(report.outcome).toBe("unhealthy");
  });

  test("asks for a capability that is not there is not started, and says which", () => {
    const caps = [{ name: "image", source: "installable_image_source" }] as const;
    const report = boot(makeSystem({ services: [service("only", "good.wasm", { caps })] }));
    expect(report.lines).toContain(
      "[init] service only failed: not-started: capability 'image': " +
        "installable_image_source: no CD-ROM is there",
    );
  });

  test("wants the boot disk as its target does not get it", () => {
    const caps = [
      { name: "target", source: "block_device_target", target: "1af4:1042@00:04.0" },
    ] as const;
    const report = boot(makeSystem({ services: [service("only", "good.wasm", { caps })] }));
    expect(report.lines.join("\n")).toContain("1af4:1042@00:04.0 is the boot disk");
  });
});

describe("a base that was replaced", () => {
  const closed = { ...OPEN, allowHostname: false };

  test("and revoked what the overlay needs gets its base floor, and nothing has failed", () => {
    const disk = makeSystem();
    withSystem(disk, (system) => provision(system, { settings: { hostname: "mine" } }));
    const manifest = encodeManifest({ ...manifestOf(), extensionPoints: closed });
    replaceOnEsp(disk, "/boot/manifest.bin", manifest);
    for (let count = 0; count < 5; count++) {
      const report = boot(disk);
      expect(report.outcome).toBe("checkpoint");
      expect(report.init?.settings.hostname).toBe("base");
      expect(report.lines.join("\n")).toContain("[init] overlay rejected: extension-point: allow");
    }
    expect(withSystem(disk, statusOf)).toMatchObject({ active: 1, failures: 0, recovery: false });
  });

  test("with a higher minOverlayEpoch stops an update and names that gate", () => {
    const disk = makeSystem({ points: { minOverlayEpoch: 1 } });
    withSystem(disk, (system) => provision(system, {}));
    const manifest = encodeManifest({
      ...manifestOf(),
      extensionPoints: { ...OPEN, minOverlayEpoch: 5 },
    });
    replaceOnEsp(disk, "/boot/manifest.bin", manifest);
    expect(boot(disk).lines.join("\n")).toContain("[init] overlay rejected: stale-epoch: epoch 1");
    const raised = withSystem(disk, (system) => update(system, { settings: { hostname: "a" } }));
    expect(raised.overlayEpoch).toBe(5);
  });
});

describe("hostile bytes", () => {
  const parts: SystemParts = { services: [service("only", "good.wasm")] };
  const medium = makeSystem(parts);
  const manifest = encodeManifest(manifestOf(parts));
  const overlay = encodeOverlay({ version: 1, epoch: 1, services: [], settings: {} });

  /** Bytes cut, bent or made up. */
  const bent = (bytes: Uint8Array) =>
    fc.oneof(
      fc.nat(bytes.length).map((length) => bytes.slice(0, length)),
      fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, bits]) => {
        const copy = bytes.slice();
        copy[at] = (copy[at] ?? 0) ^ bits;
        return copy;
      }),
      fc.uint8Array({ maxLength: 300 }),
    );

  const survives = (disk: MemoryDevice, wanted: string) => {
    const report = boot(disk);
    expect(report.lines[0]).toBe("data region: mounted");
    expect(report.lines.join("\n")).toContain(wanted);
  };

  test("for a manifest: one line, no service, no abort", () => {
    fc.assert(
      fc.property(bent(manifest), (bytes) => {
        fc.pre(Buffer.compare(bytes, manifest) !== 0);
        const disk = medium.clone();
        replaceOnEsp(disk, "/boot/manifest.bin", bytes);
        survives(disk, "[init] manifest rejected: ");
      }),
      { numRuns: 25 },
    );
  });

  test("for overlay.bin: rejected whole, the base runs", () => {
    fc.assert(
      fc.property(bent(overlay), (bytes) => {
        fc.pre(Buffer.compare(bytes, overlay) !== 0);
        const disk = medium.clone();
        withSystem(disk, ({ grant }) => {
          grant.config.files.writeFile("/system/config/overlay.bin", bytes);
        });
        survives(disk, "[init] overlay rejected: ");
        expect(boot(disk).outcome).toBe("checkpoint");
      }),
      { numRuns: 25 },
    );
  });

  test("for boot control: the base floor, and verify names it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 128, maxLength: 128 }), (block) => {
        const disk = medium.clone();
        withSystem(disk, ({ grant }) => {
          grant.config.files.setControl(block);
          grant.config.files.sync();
        });
        fc.pre(block.some((byte) => byte !== 0));
        expect(boot(disk).lines[0]).toBe("no data region; base floor");
        const areas = finish(verifyDisk(disk)).findings.map(({ area }) => area);
        expect(areas).toContain("generations");
      }),
      { numRuns: 25 },
    );
  });

  test("for the objects of the active generation: rejected, the base runs, nothing is lost", () => {
    const disk = medium.clone();
    const { manifestHash } = withSystem(disk, (system) => provision(system, {}));
    withSystem(disk, ({ grant }) => {
      grant.store.delete(manifestHash);
      grant.store.commit();
    });
    const report = boot(disk);
    expect(report.lines).toContain("[init] overlay rejected: missing: no overlay is there");
    expect(report.outcome).toBe("checkpoint");
  });
});
