/**
 * SystemConfigOverlay: what one machine adds to the immutable base, as far as the base lets it:
 * services, settings, and where its account lies. Its epoch only rises; its content hash, the
 * digest of the record's head, is filled by encoding and checked by decoding.
 *
 * Bytes: docs/format/records.md.
 */
import * as wire from "../base/wire.ts";
import {
  checkInitConfig,
  checkServices,
  type InitConfig,
  initConfigFields,
  initConfigFromBody,
  initConfigToBody,
  type ManifestService,
  SERVICES_MAX,
  serviceFromBody,
  serviceToBody,
  serviceWire,
} from "./manifest.ts";
import {
  demand,
  demandCount,
  demandHash,
  demandNumber,
  demandUnique,
  fromOptional,
  optional,
  quoted,
  type RecordFormat,
  recordFormat,
  toOptional,
} from "./record.ts";

export { RecordReject as OverlayReject } from "./record.ts";

export const OVERLAY_MAGIC = "CAPOSOV1";
export const OVERLAY_BYTES_MAX = 1 << 20;
export const DNS_MAX = 8;
const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const ADDRESS = `${OCTET}(?:\\.${OCTET}){3}`;
/** IPv4 in its one canonical form. */
export const ADDRESS_PATTERN = `^${ADDRESS}$`;
/** An IPv4 address with the length of its network's prefix. */
export const NETWORK_PATTERN = `^${ADDRESS}/(?:3[0-2]|[12]?[0-9])$`;
const ADDRESS_BYTES_MAX = 15;
const NETWORK_BYTES_MAX = 18;

export interface SystemConfigOverlay {
  readonly version: 1;
  /** SHA-256 of the encoding without this field. */
  readonly contentHash: Uint8Array;
  /** From 1; a machine takes no overlay below the base's minOverlayEpoch. */
  readonly epoch: number;
  readonly services: readonly ManifestService[];
  readonly settings: OverlaySettings;
  /** Store hash of the encoded AccountRecord. */
  readonly accountStoreLocation?: Uint8Array | undefined;
}

export interface OverlaySettings extends InitConfig {
  readonly network?: NetworkSettings | undefined;
}

export interface NetworkSettings {
  /** IPv4 with prefix length, such as "10.0.2.15/24". */
  readonly address: string;
  readonly gateway?: string | undefined;
  readonly dns: readonly string[];
}

/** An overlay before it is encoded: the content hash is what encoding fills in. */
export type NewOverlay = Omit<SystemConfigOverlay, "contentHash">;

const address = wire.text(ADDRESS_BYTES_MAX);
export const networkWire = wire.record("network", {
  address: wire.text(NETWORK_BYTES_MAX),
  gateway: optional(address),
  dns: wire.list(address, DNS_MAX),
});

/** The body of an overlay. */
export const overlayWire = wire.record("overlay body", {
  epoch: wire.u53,
  services: wire.list(serviceWire.schema, SERVICES_MAX),
  ...initConfigFields,
  network: optional(networkWire.schema),
  accountStoreLocation: optional(wire.bytes(32)),
});

type OverlayBody = ReturnType<typeof overlayWire.decode>;
type NetworkBody = ReturnType<typeof networkWire.decode>;

export const overlayFormat: RecordFormat<SystemConfigOverlay> = recordFormat<
  SystemConfigOverlay,
  OverlayBody
>({
  name: "overlay",
  magic: OVERLAY_MAGIC,
  bytesMax: OVERLAY_BYTES_MAX,
  body: overlayWire,
  fromBody: (body, contentHash) => ({
    version: 1,
    contentHash,
    epoch: body.epoch,
    services: body.services.map(serviceFromBody),
    settings: {
      ...initConfigFromBody(body),
      ...fromOptional("network", body.network.map(networkFromBody)),
    },
    ...fromOptional("accountStoreLocation", body.accountStoreLocation),
  }),
  toBody: ({ epoch, services, settings, accountStoreLocation }) => ({
    epoch,
    services: services.map(serviceToBody),
    ...initConfigToBody(settings),
    network: toOptional(settings.network).map(networkToBody),
    accountStoreLocation: toOptional(accountStoreLocation),
  }),
  check: checkOverlay,
});

/** @throws {StorageError} EINVAL: the value breaks a rule */
export function encodeOverlay(overlay: NewOverlay): Uint8Array {
  // Encoding reads every field but the hash, which it makes.
  return overlayFormat.encode(overlay as SystemConfigOverlay);
}

/** @throws {RecordReject} the bytes are not exactly one well-formed overlay */
export function decodeOverlay(data: Uint8Array): SystemConfigOverlay {
  return overlayFormat.decode(data);
}

/** Rules of an overlay alone; what a base says to it is compose's. @throws {BrokenRule} */
export function checkOverlay(overlay: NewOverlay): void {
  const { version, epoch, services, settings, accountStoreLocation } = overlay;
  demandNumber("version", version, 1, 1);
  demandNumber("epoch", epoch, 1, Number.MAX_SAFE_INTEGER);
  checkServices(services);
  checkInitConfig("settings", settings);
  if (settings.network !== undefined) checkNetwork("settings.network", settings.network);
  if (accountStoreLocation !== undefined) demandHash("accountStoreLocation", accountStoreLocation);
}

function checkNetwork(place: string, { address, gateway, dns }: NetworkSettings): void {
  const fits = new RegExp(NETWORK_PATTERN, "u").test(address);
  demand(fits, `${place}.address`, `${quoted(address)} is not an address with its prefix`);
  if (gateway !== undefined) demandAddress(`${place}.gateway`, gateway);
  demandCount(`${place}.dns`, dns, DNS_MAX);
  for (const [index, server] of dns.entries()) demandAddress(`${place}.dns[${index}]`, server);
  demandUnique(dns, (index) => `${place}.dns[${index}]`);
}

function demandAddress(place: string, address: string): void {
  const fits = new RegExp(ADDRESS_PATTERN, "u").test(address);
  demand(fits, place, `${quoted(address)} is not an IPv4 address`);
}

function networkFromBody({ address, gateway, dns }: NetworkBody): NetworkSettings {
  return { address, ...fromOptional("gateway", gateway), dns };
}

function networkToBody({ address, gateway, dns }: NetworkSettings): NetworkBody {
  return { address, gateway: toOptional(gateway), dns: [...dns] };
}
