/**
 * SystemManifest: what the immutable base of a machine is: its binaries, its services with the
 * capabilities each gets, and what an overlay may add. It lies at `/boot/manifest.bin` of the boot
 * volume. Everything is closed unless the manifest opens it.
 *
 * Bytes: docs/format/records.md.
 */
import * as wire from "../base/wire.ts";
import {
  demand,
  demandCount,
  demandHash,
  demandName,
  demandNumber,
  demandUnique,
  folded,
  fromOptional,
  NAME_BYTES_MAX,
  optional,
  quoted,
  type RecordFormat,
  recordFormat,
  toOptional,
} from "./record.ts";

export const MANIFEST_MAGIC = "CAPOSMF1";
export const MANIFEST_BYTES_MAX = 1 << 20;
export const BINARIES_MAX = 256;
/** What FAT32 can hold. */
export const BINARY_BYTES_MAX = 0xffff_ffff;
export const SERVICES_MAX = 64;
export const CAPS_MAX = 16;
export const CONFIG_BYTES_MAX = 256 * 1024;
export const KERNEL_PARAMS_MAX = 64;
export const KERNEL_PARAM_BYTES_MAX = 128;
/** Printable ASCII without a space, which parts one parameter from the next. */
export const KERNEL_PARAM_PATTERN = "^[!-~]+$";
export const HOSTNAME_BYTES_MAX = 64;
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
/** Labels of letters, digits and dashes, with dots between them. */
export const HOSTNAME_PATTERN = `^${LABEL}(?:\\.${LABEL})*$`;
/** `vendor:device@bus:slot.fn`. */
export const TARGET_PATTERN = "^[0-9a-f]{4}:[0-9a-f]{4}@[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]$";
const TARGET_BYTES = 17;
/** The service that the kernel itself starts. */
export const INIT = "init";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** "boot": started at once, must end well for the checkpoint. "checkpoint": started after it. */
export const SERVICE_TIMES = ["boot", "checkpoint"] as const;
export type ServiceTime = (typeof SERVICE_TIMES)[number];

/** Where capabilities come from. */
export const CAP_SOURCES = [
  "console",
  "writable_fs_root",
  "persistent_store",
  "namespace",
  "block_device_target",
  "installable_image_source",
  "read_only_fs_root",
  "block_device",
] as const;
export type CapSource = (typeof CAP_SOURCES)[number];

/** Sources that stand for one of several devices. The first two must say which. */
export const TARGETED_SOURCES: readonly CapSource[] = [
  "block_device_target",
  "block_device",
  "read_only_fs_root",
];

export interface SystemManifest {
  readonly schemaVersion: 1;
  readonly binaries: readonly ManifestBinary[];
  readonly initConfig: InitConfig;
  readonly services: readonly ManifestService[];
  readonly kernelParams: readonly string[];
  readonly extensionPoints: ManifestExtensionPoints;
}

/** A file of `/boot/bins/`. */
export interface ManifestBinary {
  readonly name: string;
  readonly sha256: Uint8Array;
  readonly sizeBytes: number;
}

export interface InitConfig {
  readonly hostname?: string | undefined;
  readonly logLevel?: LogLevel | undefined;
}

export interface ManifestService {
  readonly name: string;
  /** Name of a binary that the base ships. */
  readonly binary: string;
  readonly when: ServiceTime;
  readonly caps: readonly CapRequest[];
  /** What the service reads as its configuration; init does not look inside. */
  readonly config: Uint8Array;
}

export interface CapRequest {
  /** What the service looks up. */
  readonly name: string;
  readonly source: CapSource;
  /** PCI identity of the device, for TARGETED_SOURCES. */
  readonly target?: string | undefined;
}

/** What an overlay may bring. */
export interface ManifestExtensionPoints {
  readonly additionalServices: boolean;
  readonly maxAdditionalServices: number;
  readonly allowedServiceCaps: readonly CapSource[];
  readonly minOverlayEpoch: number;
  readonly allowHostname: boolean;
  readonly allowLogLevel: boolean;
  readonly allowNetwork: boolean;
  readonly allowAccountStore: boolean;
}

/** The default: an overlay may bring nothing. */
export const CLOSED: ManifestExtensionPoints = {
  additionalServices: false,
  maxAdditionalServices: 0,
  allowedServiceCaps: [],
  minOverlayEpoch: 0,
  allowHostname: false,
  allowLogLevel: false,
  allowNetwork: false,
  allowAccountStore: false,
};

const name = wire.text(NAME_BYTES_MAX);
const flag = wire.upTo(1);
const source = wire.upTo(CAP_SOURCES.length - 1);
const logLevel = wire.upTo(LOG_LEVELS.length - 1);

export const capWire = wire.record("capability", {
  name,
  source,
  target: optional(wire.text(TARGET_BYTES)),
});

/** The fields of a service, also inside an overlay. */
export const serviceWire = wire.record("service", {
  name,
  binary: name,
  when: wire.upTo(SERVICE_TIMES.length - 1),
  caps: wire.list(capWire.schema, CAPS_MAX),
  config: wire.blob(CONFIG_BYTES_MAX),
});

/** Hostname and log level, also inside an overlay. */
export const initConfigFields = {
  hostname: optional(wire.text(HOSTNAME_BYTES_MAX)),
  logLevel: optional(logLevel),
};

export const binaryWire = wire.record("binary", {
  name,
  sha256: wire.bytes(32),
  sizeBytes: wire.u32,
});

export const pointsWire = wire.record("extension points", {
  additionalServices: flag,
  maxAdditionalServices: wire.upTo(SERVICES_MAX),
  allowedServiceCaps: wire.list(source, CAP_SOURCES.length),
  minOverlayEpoch: wire.u53,
  allowHostname: flag,
  allowLogLevel: flag,
  allowNetwork: flag,
  allowAccountStore: flag,
});

/** The body of a manifest. */
export const manifestWire = wire.record("manifest body", {
  binaries: wire.list(binaryWire.schema, BINARIES_MAX),
  ...initConfigFields,
  services: wire.list(serviceWire.schema, SERVICES_MAX),
  kernelParams: wire.list(wire.text(KERNEL_PARAM_BYTES_MAX), KERNEL_PARAMS_MAX),
  extensionPoints: pointsWire.schema,
});

type ServiceBody = ReturnType<typeof serviceWire.decode>;
type ManifestBody = ReturnType<typeof manifestWire.decode>;

export const manifestFormat: RecordFormat<SystemManifest> = recordFormat<
  SystemManifest,
  ManifestBody
>({
  name: "manifest",
  magic: MANIFEST_MAGIC,
  bytesMax: MANIFEST_BYTES_MAX,
  body: manifestWire,
  fromBody: ({ binaries, hostname, logLevel, services, kernelParams, extensionPoints }) => ({
    schemaVersion: 1,
    binaries,
    initConfig: initConfigFromBody({ hostname, logLevel }),
    services: services.map(serviceFromBody),
    kernelParams,
    extensionPoints: {
      additionalServices: extensionPoints.additionalServices === 1,
      maxAdditionalServices: extensionPoints.maxAdditionalServices,
      allowedServiceCaps: extensionPoints.allowedServiceCaps.map(sourceOf),
      minOverlayEpoch: extensionPoints.minOverlayEpoch,
      allowHostname: extensionPoints.allowHostname === 1,
      allowLogLevel: extensionPoints.allowLogLevel === 1,
      allowNetwork: extensionPoints.allowNetwork === 1,
      allowAccountStore: extensionPoints.allowAccountStore === 1,
    },
  }),
  toBody: ({ binaries, initConfig, services, kernelParams, extensionPoints }) => ({
    binaries: [...binaries],
    ...initConfigToBody(initConfig),
    services: services.map(serviceToBody),
    kernelParams: [...kernelParams],
    extensionPoints: {
      additionalServices: Number(extensionPoints.additionalServices),
      maxAdditionalServices: extensionPoints.maxAdditionalServices,
      allowedServiceCaps: extensionPoints.allowedServiceCaps.map((cap) => CAP_SOURCES.indexOf(cap)),
      minOverlayEpoch: extensionPoints.minOverlayEpoch,
      allowHostname: Number(extensionPoints.allowHostname),
      allowLogLevel: Number(extensionPoints.allowLogLevel),
      allowNetwork: Number(extensionPoints.allowNetwork),
      allowAccountStore: Number(extensionPoints.allowAccountStore),
    },
  }),
  check: checkManifest,
});

/** @throws {StorageError} EINVAL: the value breaks a rule */
export function encodeManifest(manifest: SystemManifest): Uint8Array {
  return manifestFormat.encode(manifest);
}

/** @throws {RecordReject} the bytes are not exactly one well-formed manifest */
export function decodeManifest(data: Uint8Array): SystemManifest {
  return manifestFormat.decode(data);
}

/** @throws {BrokenRule} */
export function checkManifest(manifest: SystemManifest): void {
  const { schemaVersion, binaries, initConfig, services, kernelParams, extensionPoints } = manifest;
  demandNumber("schemaVersion", schemaVersion, 1, 1);
  demandCount("binaries", binaries, BINARIES_MAX);
  for (const [index, binary] of binaries.entries()) {
    const place = `binaries[${index}]`;
    demandName(`${place}.name`, binary.name);
    demandHash(`${place}.sha256`, binary.sha256);
    demandNumber(`${place}.sizeBytes`, binary.sizeBytes, 0, BINARY_BYTES_MAX);
  }
  demandUnique(
    binaries.map((binary) => folded(binary.name)),
    (index) => `binaries[${index}].name`,
  );
  checkInitConfig("initConfig", initConfig);
  checkServices(services);
  const shipped = new Set(binaries.map((binary) => binary.name));
  for (const [index, { name, binary }] of services.entries()) {
    const place = `services[${index}]`;
    demand(folded(name) !== INIT, `${place}.name`, `${quoted(name)} is the kernel's own`);
    demand(shipped.has(binary), `${place}.binary`, `no binary ${quoted(binary)} in binaries`);
  }
  demandCount("kernelParams", kernelParams, KERNEL_PARAMS_MAX);
  for (const [index, param] of kernelParams.entries()) {
    const place = `kernelParams[${index}]`;
    const fits = param.length <= KERNEL_PARAM_BYTES_MAX && matches(KERNEL_PARAM_PATTERN, param);
    demand(fits, place, `${quoted(param)} is not a parameter`);
  }
  demandUnique(kernelParams, (index) => `kernelParams[${index}]`);
  checkPoints(extensionPoints);
}

function checkPoints(points: ManifestExtensionPoints): void {
  const place = "extensionPoints";
  const { maxAdditionalServices, allowedServiceCaps, minOverlayEpoch } = points;
  demandNumber(`${place}.maxAdditionalServices`, maxAdditionalServices, 0, SERVICES_MAX);
  demandNumber(`${place}.minOverlayEpoch`, minOverlayEpoch, 0, Number.MAX_SAFE_INTEGER);
  const cap = (index: number) => `${place}.allowedServiceCaps[${index}]`;
  for (const [index, source] of allowedServiceCaps.entries()) demandSource(cap(index), source);
  demandUnique(allowedServiceCaps, cap);
}

/** The rules of services that hold in a manifest and in an overlay. @throws {BrokenRule} */
export function checkServices(services: readonly ManifestService[]): void {
  demandCount("services", services, SERVICES_MAX);
  for (const [index, service] of services.entries()) checkService(`services[${index}]`, service);
  demandUnique(
    services.map((service) => folded(service.name)),
    (index) => `services[${index}].name`,
  );
}

function checkService(place: string, service: ManifestService): void {
  const { name, binary, when, caps, config } = service;
  demandName(`${place}.name`, name);
  demandName(`${place}.binary`, binary);
  demand(SERVICE_TIMES.includes(when), `${place}.when`, `${quoted(when)} is no time to start`);
  demand(config.length <= CONFIG_BYTES_MAX, `${place}.config`, `over ${CONFIG_BYTES_MAX} bytes`);
  demandCount(`${place}.caps`, caps, CAPS_MAX);
  for (const [index, cap] of caps.entries()) {
    const where = `${place}.caps[${index}]`;
    demandName(`${where}.name`, cap.name);
    demandSource(`${where}.source`, cap.source);
    demandTarget(`${where}.target`, cap);
  }
  demandUnique(
    caps.map((cap) => cap.name),
    (index) => `${place}.caps[${index}].name`,
  );
}

function demandSource(place: string, source: string): void {
  const known = (CAP_SOURCES as readonly string[]).includes(source);
  demand(known, place, `${quoted(source)} is not a source of capabilities`);
}

function demandTarget(place: string, { source, target }: CapRequest): void {
  if (target === undefined) {
    const needed = source === "block_device_target" || source === "block_device";
    demand(!needed, place, `${source} needs the PCI identity of a device`);
    return;
  }
  demand(TARGETED_SOURCES.includes(source), place, `${source} has no target`);
  demand(matches(TARGET_PATTERN, target), place, `${quoted(target)} is not a PCI identity`);
}

/** The rules of hostname and log level. @throws {BrokenRule} */
export function checkInitConfig(place: string, { hostname, logLevel }: InitConfig): void {
  if (hostname !== undefined) {
    const fits = hostname.length <= HOSTNAME_BYTES_MAX && matches(HOSTNAME_PATTERN, hostname);
    demand(fits, `${place}.hostname`, `${quoted(hostname)} is not a host name`);
  }
  if (logLevel !== undefined) {
    const known = LOG_LEVELS.includes(logLevel);
    demand(known, `${place}.logLevel`, `${quoted(logLevel)} is not a log level`);
  }
}

/** Several files as the configuration of one service: u32 count, then u32 length and bytes each. */
export function packFiles(files: readonly Uint8Array[]): Uint8Array {
  const total = files.reduce((sum, file) => sum + 4 + file.length, 4);
  const packed = new Uint8Array(total);
  const view = new DataView(packed.buffer);
  view.setUint32(0, files.length, true);
  let at = 4;
  for (const file of files) {
    view.setUint32(at, file.length, true);
    packed.set(file, at + 4);
    at += 4 + file.length;
  }
  return packed;
}

export function serviceFromBody(body: ServiceBody): ManifestService {
  return {
    name: body.name,
    binary: body.binary,
    when: SERVICE_TIMES[body.when] as ServiceTime,
    caps: body.caps.map(({ name, source, target }) => ({
      name,
      source: sourceOf(source),
      ...fromOptional("target", target),
    })),
    config: body.config,
  };
}

export function serviceToBody(service: ManifestService): ServiceBody {
  return {
    name: service.name,
    binary: service.binary,
    when: SERVICE_TIMES.indexOf(service.when),
    caps: service.caps.map(({ name, source, target }) => ({
      name,
      source: CAP_SOURCES.indexOf(source),
      target: toOptional(target),
    })),
    config: service.config,
  };
}

interface InitConfigBody {
  readonly hostname: string[];
  readonly logLevel: number[];
}

export function initConfigFromBody({ hostname, logLevel }: InitConfigBody): InitConfig {
  const level = logLevel.map((code) => LOG_LEVELS[code] as LogLevel);
  return { ...fromOptional("hostname", hostname), ...fromOptional("logLevel", level) };
}

export function initConfigToBody({ hostname, logLevel }: InitConfig): InitConfigBody {
  return {
    hostname: toOptional(hostname),
    logLevel: toOptional(logLevel).map((level) => LOG_LEVELS.indexOf(level)),
  };
}

function sourceOf(code: number): CapSource {
  return CAP_SOURCES[code] as CapSource;
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(pattern, "u").test(text);
}
