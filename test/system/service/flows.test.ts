/** The flow services over real regions: what they print can only come from what is on the disk. */
import { expect, test } from "vitest";
import { toHex } from "../../../host/base/hash.ts";
import { sha256 } from "../../../host/base/seed.ts";
import { encodeAccount } from "../../../host/format/account.ts";
import { encodeGeneration, type ObjectRole } from "../../../host/format/generation.ts";
import { encodeOverlay } from "../../../host/format/overlay.ts";
import { decodePointer } from "../../../host/format/pointer.ts";
import { DirectoryCap } from "../../../host/system/caps/directory.ts";
import { unwrap } from "../../../host/system/caps/outcome.ts";
import { FilesTree } from "../../../host/system/caps/tree/files.ts";
import { Control, GuardedTree } from "../../support/guard.ts";
import { packed, ServiceMachine } from "../../support/services.ts";

const CONFIG = ["system", "config"];
const hex = (bytes: Uint8Array) => toHex(sha256(bytes));

const account = encodeAccount({
  version: 1,
  principalId: new Uint8Array(32).fill(9),
  name: "operator",
  displayName: "Operator",
  roles: ["admin"],
  attributes: [],
  credentialRefs: [],
  storageRoots: [],
  defaultProfiles: [],
});

function overlayOf(epoch: number, binary = "overlay-extra"): Uint8Array {
  const caps = [{ name: "console", source: "console" as const }];
  return encodeOverlay({
    version: 1,
    epoch,
    services: [{ name: binary, binary, when: "boot", caps, config: new Uint8Array(0) }],
    settings: { hostname: `machine-${epoch}` },
    accountStoreLocation: sha256(account),
  });
}

type Named = readonly [role: ObjectRole, name: string, bytes: Uint8Array];

function generationOf(epoch: number, overlay: Uint8Array, more: readonly Named[] = []) {
  const named: Named[] = [
    ["overlay", "overlay", overlay],
    ["account", "operator", account],
    ...more,
  ];
  return encodeGeneration({
    version: 1,
    epoch,
    minFormat: 1,
    overlayHash: sha256(overlay),
    overlayEpoch: epoch,
    objects: named.map(([role, name, bytes]) => ({
      role,
      name,
      hash: sha256(bytes),
      lengthBytes: bytes.length,
    })),
  });
}

const [overlay1, overlay2, overlay3] = [
  overlayOf(1),
  overlayOf(2),
  overlayOf(3, "overlay-failing"),
];
const [gen1, gen2, gen3] = [
  generationOf(1, overlay1),
  generationOf(2, overlay2),
  generationOf(3, overlay3),
];
const [h1, h2, h3, a] = [hex(gen1), hex(gen2), hex(gen3), hex(account)];
const revokedBase = new TextEncoder().encode("a base that takes nothing");
const revokedOverlay = overlayOf(7);
const revoked = generationOf(2, revokedOverlay, [["manifest", "base", revokedBase]]);

/** One disk, and the control block that survives its boots. */
class Disk {
  readonly machine = new ServiceMachine();
  readonly control = new Control();
  readonly tree: GuardedTree;

  constructor() {
    const { store, files } = this.machine;
    this.control.revoked.add(hex(revokedBase));
    const get = (hash: Uint8Array) => unwrap(store.get(hash), "get");
    this.tree = new GuardedTree(new FilesTree(files), this.control, get);
  }

  /** Runs a flow service as one boot would; answers its lines. */
  boot(name: string, files: readonly Uint8Array[], expected = "ok"): string[] {
    const { machine } = this;
    const from = machine.lines.length;
    const config = unwrap(DirectoryCap.over(this.tree, { path: CONFIG.join("/") }), "open");
    const report = machine.run(name, {
      caps: { console: machine.console(name), config, store: machine.store },
      config: packed(files),
    });
    const lines = machine.lines.slice(from);
    expect(report.status, `${report.reason}\n${lines.join("\n")}`).toBe(expected);
    return lines;
  }

  next(healthy: boolean): void {
    this.tree.boot(healthy, CONFIG);
  }

  pointer(name: string) {
    return decodePointer(this.machine.files.readFile(`/system/config/${name}`) as Uint8Array);
  }
}

test("provision writes a generation once, and verifies it on every later boot", () => {
  const disk = new Disk();
  const files = [account, overlay1, gen1];
  expect(disk.boot("system-provision", files)).toEqual([
    `[provision] provisioned generation ${h1} account ${a} epoch 1`,
  ]);
  expect(disk.pointer("gen-active")).toEqual({
    version: 1,
    state: "active",
    pointerEpoch: 1,
    overlayEpoch: 1,
    hash: sha256(gen1),
  });
  expect(disk.machine.files.readFile("/system/config/overlay.bin")).toEqual(overlay1);
  const verified = [`[provision] verified active generation ${h1} account ${a} epoch 1`];
  expect(disk.boot("system-provision", files)).toEqual(verified);
  // What it verifies is on the disk, not in its config.
  expect(disk.boot("system-provision", [overlay2, overlay2, gen2])).toEqual(verified);
});

test("provision says so if the store no longer has the account of the active generation", () => {
  const disk = new Disk();
  disk.boot("system-provision", [account, overlay1, gen1]);
  unwrap(disk.machine.store.delete(sha256(account)), "delete");
  expect(disk.boot("system-provision", [account, overlay1, gen1], "exit")).toEqual([
    `[provision] failed: active generation ${h1} is not whole in the store`,
  ]);
});

test("provision writes no pointer to a generation whose objects are not there", () => {
  const disk = new Disk();
  const lines = disk.boot("system-provision", [account, overlay2, gen1], "exit");
  expect(lines).toEqual(["[provision] failed: the generation names objects that are not there"]);
  expect(disk.control.active).toBeUndefined();
  expect(disk.machine.files.readdir("/system/config")).toEqual([]);
});

test("update: three boots, one disk: rejected and staged, committed, fallen back", () => {
  const disk = new Disk();
  const files = [
    ...[account, overlay1, gen1, revokedOverlay, revoked],
    ...[overlay2, gen2, overlay3, gen3, revokedBase],
  ];
  expect(disk.boot("system-update", files)).toEqual([
    `[update] provisioned generation ${h1} account ${a} epoch 1`,
    `[update] verified active generation ${h1} account ${a} epoch 1`,
    `[update] overlay rejected against new base: extension-point: the base allows no service; ` +
      `generation ${hex(revoked)} account ${a} epoch 1`,
    `[update] staged generation ${h2} account ${a} epoch 2`,
  ]);
  expect(disk.pointer("gen-candidate")).toMatchObject({ state: "attempting", pointerEpoch: 2 });
  disk.next(true);
  expect(disk.boot("system-update", files)).toEqual([
    `[update] verified active generation ${h2} account ${a} epoch 2`,
    `[update] staged generation ${h3} account ${a} epoch 3`,
  ]);
  disk.next(false);
  const fallen = [
    `[update] verified active generation ${h2} account ${a} epoch 2`,
    `[update] fell back to ${h2} from ${h3} (epoch 3 is not above 3) account ${a} epoch 2`,
  ];
  expect(disk.boot("system-update", files)).toEqual(fallen);
  expect(disk.boot("system-update", files)).toEqual(fallen);
  expect(new Set([h1, h2, h3]).size).toBe(3);
});

test("update goes on from a provisioned generation, and waits while a candidate is there", () => {
  const disk = new Disk();
  const files = [
    ...[account, overlay1, gen1, revokedOverlay, revoked],
    ...[overlay2, gen2, overlay3, gen3, revokedBase],
  ];
  disk.boot("system-provision", [account, overlay1, gen1]);
  const lines = disk.boot("system-update", files);
  expect(lines[0]).toBe(`[update] verified active generation ${h1} account ${a} epoch 1`);
  expect(disk.boot("system-update", files)).toEqual([
    `[update] verified active generation ${h1} account ${a} epoch 1`,
    `[update] candidate ${h2} waits for its checkpoint; account ${a} epoch 2`,
  ]);
});

test("update fails if the base that revoked authority takes its overlay", () => {
  const disk = new Disk();
  disk.control.revoked.clear();
  const files = [account, overlay1, gen1, revokedOverlay, revoked];
  const all = [...files, overlay2, gen2, overlay3, gen3, revokedBase];
  expect(disk.boot("system-update", all, "exit").at(-1)).toBe(
    "[update] failed: a base that revoked authority took the overlay",
  );
});

test("generation-proof: stale pointers are refused, a candidate is left and fallen back from", () => {
  const disk = new Disk();
  const files = [account, overlay1, gen1, overlay2, gen2];
  expect(disk.boot("generation-proof", files)).toEqual([
    `[gen] provisioned generation ${h1} account ${a} epoch 1`,
    `[gen] verified active generation ${h1} account ${a} epoch 1`,
    `[gen] stale pointer refused: equal epoch 1: epoch 1 is not above 1; account ${a} epoch 1`,
    expect.stringMatching(/^\[gen\] stale pointer refused: lower epoch 0: .*; account .* epoch 1$/),
    `[gen] left attempting: generation ${h2} account ${a} epoch 2`,
  ]);
  disk.next(false);
  const lines = disk.boot("generation-proof", files);
  expect(lines.at(-1)).toBe(
    `[gen] candidate was not confirmed, fell back to ${h1} from ${h2} (epoch 2 is not above 2) ` +
      `account ${a} epoch 1`,
  );
});

test("generation-proof: a candidate that was confirmed is the active one", () => {
  const disk = new Disk();
  const files = [account, overlay1, gen1, overlay2, gen2];
  disk.boot("generation-proof", files);
  disk.next(true);
  expect(disk.boot("generation-proof", files).at(-1)).toBe(
    `[gen] candidate was confirmed: active ${h2} account ${a} epoch 2`,
  );
});

test.each(["system-provision", "system-update", "generation-proof"])(
  "%s without its files in the config says so and changes nothing",
  (name) => {
    for (const files of [[], [account]]) {
      const disk = new Disk();
      expect(disk.boot(name, files, "exit")[0]).toContain("the config does not hold the files");
      expect(disk.machine.files.readdir("/system/config")).toEqual([]);
    }
  },
);
