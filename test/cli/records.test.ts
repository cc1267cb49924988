/** mkmanifest, mkoverlay, mkaccount and show, as a person at a terminal has them. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { decodeManifest } from "../../host/format/manifest.ts";
import { decodeOverlay, encodeOverlay } from "../../host/format/overlay.ts";
import { overlay } from "../support/base.ts";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

/** A folder with these files. */
function folder(files: Record<string, string | Uint8Array | object>): string {
  const path = fresh("records");
  fs.mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    const data =
      typeof content === "string" || content instanceof Uint8Array
        ? content
        : JSON.stringify(content);
    fs.writeFileSync(join(path, name), data);
  }
  return path;
}

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
const base = { schemaVersion: 1, binaries: ["a.wasm"], services: [] };
const account = {
  version: 1,
  principalId: "1".repeat(64),
  name: "operator",
  displayName: "Operator",
};

test("mkmanifest takes size and SHA-256 of a binary from --bins", () => {
  const at = folder({ "base.json": base, "a.wasm": "abc" });
  const out = join(at, "manifest.bin");
  const told = diskwrightJson([
    ...["image", "mkmanifest", out, "--from", join(at, "base.json"), "--bins", at],
  ]);
  const [binary] = decodeManifest(fs.readFileSync(out)).binaries;
  expect([binary?.sizeBytes, toHex(binary?.sha256 as Uint8Array)]).toEqual([3, sha256("abc")]);
  expect(told).toMatchObject({ path: out, binaries: 1, sha256: sha256(fs.readFileSync(out)) });
});

test("mkmanifest refuses a binary that is missing or not what the JSON says", () => {
  const binary = { name: "a.wasm", sha256: sha256("abd"), sizeBytes: 3 };
  const at = folder({
    "base.json": base,
    "lie.json": { ...base, binaries: [binary] },
    "a.wasm": "abc",
  });
  const make = (from: string, bins: string) =>
    diskwright(["image", "mkmanifest", join(at, "m"), "--from", join(at, from), "--bins", bins]);
  expect(make("lie.json", at)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/EINVAL: '.*a\.wasm' has 3 bytes with SHA-256 ba7816bf.*denies/),
  });
  expect(make("base.json", join(at, "none"))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("ENOENT"),
  });
  expect(fs.existsSync(join(at, "m"))).toBe(false);
});

test("mkoverlay with an account puts in its place and writes it for the store", () => {
  const at = folder({ "o.json": { version: 1, epoch: 4 }, "a.json": account });
  const [from, who, out, encoded] = ["o.json", "a.json", "o.bin", "a.bin"].map((n) => join(at, n));
  const told = diskwrightJson([
    ...["image", "mkoverlay", out as string, "--from", from as string],
    ...["--account", who as string, "--account-out", encoded as string],
  ]);
  const made = decodeOverlay(fs.readFileSync(out as string));
  const location = sha256(fs.readFileSync(encoded as string));
  expect(toHex(made.accountStoreLocation as Uint8Array)).toBe(location);
  expect(told).toMatchObject({
    epoch: 4,
    contentHash: toHex(made.contentHash),
    accountStoreLocation: location,
  });
  fs.rmSync(encoded as string);
  const again = diskwright([
    ...["image", "mkoverlay", out as string, "--from", from as string],
    ...["--account", who as string, "--account-out", encoded as string],
  ]);
  expect([again.code, fs.existsSync(encoded as string)]).toEqual([4, false]);
  const alone = diskwrightJson(["image", "mkaccount", join(at, "b.bin"), "--from", who as string]);
  expect(alone["accountStoreLocation"]).toBe(location);
});

test("files of a service's configuration are found beside the JSON", () => {
  const service = { name: "s", binary: "b", config: { files: ["x.bin", "y.bin"] } };
  const at = folder({
    "o.json": { version: 1, epoch: 1, services: [service] },
    "x.bin": Uint8Array.of(1),
    "y.bin": Uint8Array.of(2, 3),
  });
  const out = join(at, "o.bin");
  expect(diskwright(["image", "mkoverlay", out, "--from", join(at, "o.json")]).code).toBe(0);
  const [made] = decodeOverlay(fs.readFileSync(out)).services;
  expect([...(made?.config ?? [])]).toEqual([2, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 2, 3]);
});

test("what show prints makes the same bytes again", () => {
  const at = folder({ "o.bin": encodeOverlay(overlay) });
  const { code, stdout, stderr } = diskwright(["image", "show", join(at, "o.bin")]);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/: overlay, \d+ bytes, SHA-256 /)]);
  const again = join(at, "again.bin");
  expect(diskwright(["image", "mkoverlay", again, "--from", "-"], stdout).code).toBe(0);
  expect(new Uint8Array(fs.readFileSync(again))).toEqual(encodeOverlay(overlay));
});

test("show of a damaged record is exit 3 with the class, in words and as JSON", () => {
  const bytes = encodeOverlay(overlay);
  bytes[60] = (bytes[60] as number) ^ 1;
  const file = join(folder({ "o.bin": bytes }), "o.bin");
  expect(diskwright(["image", "show", file])).toEqual({
    code: 3,
    stdout: "",
    stderr:
      `diskwright: ${file}: EBADMSG: overlay: hash-mismatch: ` +
      "the content is not what its SHA-256 says.\n",
  });
  const { code, stderr } = diskwright(["image", "show", file, "--json"]);
  expect(code).toBe(3);
  expect(JSON.parse(stderr)).toEqual({
    error: {
      code: "EBADMSG",
      class: "hash-mismatch",
      reason: "the content is not what its SHA-256 says",
      path: file,
    },
  });
  const long = join(folder({ "long.bin": new Uint8Array(3 << 20) }), "long.bin");
  expect(diskwright(["image", "show", long]).code).toBe(3);
  expect(diskwright(["image", "show", "-"], bytes).code).toBe(3);
});

test.each([
  ['{"version": 1, "epoch": 1, "colour": 2}', "colour: unknown field."],
  ['{"version": 1, "epoch": 1, "epoch": 2}', "epoch: the field is there twice."],
  ['{"version": 1, "epoch": 0}', "epoch: 0 is below 1."],
])("mkoverlay from %s is exit 1, and says where", (json, message) => {
  const at = folder({ "o.json": json });
  const from = join(at, "o.json");
  const { code, stderr } = diskwright(["image", "mkoverlay", join(at, "o.bin"), "--from", from]);
  expect([code, stderr]).toEqual([1, `diskwright: EINVAL: ${from}: ${message}\n`]);
  expect(fs.existsSync(join(at, "o.bin"))).toBe(false);
});

test("a file that exists is replaced only with --force", () => {
  const at = folder({ "a.json": account, "a.bin": "mine" });
  const args = ["image", "mkaccount", join(at, "a.bin"), "--from", join(at, "a.json")];
  expect(diskwright(args)).toMatchObject({ code: 4, stderr: expect.stringContaining("--force") });
  expect(fs.readFileSync(join(at, "a.bin"), "utf8")).toBe("mine");
  expect(diskwright([...args, "--force"]).code).toBe(0);
});

test.each([
  [["image", "mkoverlay", "o.bin"]],
  [["image", "mkoverlay", "--from", "o.json"]],
  [["image", "mkoverlay", "o.bin", "--from", "o.json", "--account-out", "a.bin"]],
])("%j is a usage error", (args) => {
  const { code, stdout } = diskwright(args);
  expect([code, stdout]).toEqual([2, ""]);
});

test.each(["manifest", "overlay", "account"])(
  "mk%s --schema prints the published schema",
  (name) => {
    const { code, stdout } = diskwright(["image", `mk${name}`, "--schema"]);
    expect(code).toBe(0);
    const page = fs.readFileSync(`docs/schema/${name}.schema.json`, "utf8");
    expect(JSON.parse(stdout)).toEqual(JSON.parse(page));
  },
);

test("--seed-overlay of other bytes makes the disk, and warns", () => {
  const at = folder({ "bad.bin": "no overlay", "good.bin": encodeOverlay(overlay) });
  const make = (name: string, ...more: string[]) =>
    diskwright([
      ...["image", "mkstore", join(at, `${name}.img`), "--size", "16MiB"],
      ...["--seed-overlay", join(at, name), ...more],
    ]);
  expect(make("good.bin")).toMatchObject({ code: 0, stderr: "" });
  const warning = "schema-invalid: 10 bytes, fewer than a head of 48";
  expect(make("bad.bin")).toMatchObject({
    code: 0,
    stderr: `warning: init will reject '${join(at, "bad.bin")}': ${warning}\n`,
  });
  const { stdout } = make("bad.bin", "--force", "--json");
  const told = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
  expect(told).toMatchObject({ overlayRejected: warning });
});
