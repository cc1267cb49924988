/**
 * Base and overlay to one boot plan, or to the one reason why not. Pure: the same two records give
 * the same answer, and neither is changed.
 *
 * The base is the law. An overlay is taken whole or not at all, and what it brings must be opened
 * by the base's extension points: services of other names than the base's, of binaries that the
 * base ships, with capabilities that it allows; settings that it leaves open. So a plan never holds
 * an authority that its base did not hold or hand out.
 */
import {
  type CapRequest,
  INIT,
  type ManifestExtensionPoints,
  type ManifestService,
  type SystemManifest,
  TARGETED_SOURCES,
} from "../../format/manifest.ts";
import {
  decodeOverlay,
  type OverlaySettings,
  type SystemConfigOverlay,
} from "../../format/overlay.ts";
import { folded, quoted, type RecordFault, RecordReject } from "../../format/record.ts";

/** Why an overlay is not taken. The first three are its bytes', the last is its absence. */
export type RejectClass = RecordFault | "stale-epoch" | "extension-point" | "missing";

export interface Refused {
  readonly class: RejectClass;
  /** One line without a full stop. */
  readonly reason: string;
}

/** What init starts, in this order, and with which settings. */
export interface BootPlan {
  readonly services: readonly PlannedService[];
  readonly settings: OverlaySettings;
  readonly kernelParams: readonly string[];
  readonly accountStoreLocation?: Uint8Array | undefined;
  /** Epoch of the overlay; undefined for the base alone. */
  readonly overlayEpoch?: number | undefined;
}

export interface PlannedService extends ManifestService {
  readonly origin: "base" | "overlay";
}

export type Composition = { readonly plan: BootPlan } | { readonly refused: Refused };
export type ReadOverlay = { readonly overlay: SystemConfigOverlay } | { readonly refused: Refused };

/**
 * The plan of a base with an overlay, or of the base alone.
 *
 * Checked in this order, the first that fails is the answer: epoch, number of services, each
 * service (name, binary, capabilities), hostname, log level, network, account store.
 */
export function compose(
  base: SystemManifest,
  overlay: SystemConfigOverlay | undefined,
): Composition {
  if (overlay === undefined) return { plan: planOf(base, undefined) };
  const { minOverlayEpoch } = base.extensionPoints;
  if (overlay.epoch < minOverlayEpoch) {
    const reason = `epoch ${overlay.epoch}, the base takes ${minOverlayEpoch} and above`;
    return { refused: { class: "stale-epoch", reason } };
  }
  const reason = violation(base, overlay);
  if (reason !== undefined) return { refused: { class: "extension-point", reason } };
  return { plan: planOf(base, overlay) };
}

/** Decodes an overlay; `undefined` is one that is not there. Never throws over its bytes. */
export function readOverlay(bytes: Uint8Array | undefined): ReadOverlay {
  if (bytes === undefined) return { refused: { class: "missing", reason: "no overlay is there" } };
  try {
    return { overlay: decodeOverlay(bytes) };
  } catch (error) {
    if (!(error instanceof RecordReject)) throw error;
    return { refused: { class: error.class, reason: error.reason } };
  }
}

/** Bytes to a plan or the one reason: readOverlay, then compose. */
export function composeBytes(base: SystemManifest, bytes: Uint8Array | undefined): Composition {
  const read = readOverlay(bytes);
  return "refused" in read ? read : compose(base, read.overlay);
}

/** `<class>: <reason>`, what the line overlayRejected() of host/format/lines takes. */
export function refusalText(refused: Refused): string {
  return `${refused.class}: ${refused.reason}`;
}

/** False for a base that lets an overlay bring nothing: then nobody needs to look for one. */
export function opensAnything(points: ManifestExtensionPoints): boolean {
  const { additionalServices, allowHostname, allowLogLevel, allowNetwork } = points;
  const services = additionalServices && points.maxAdditionalServices > 0;
  return services || allowHostname || allowLogLevel || allowNetwork || points.allowAccountStore;
}

function planOf(base: SystemManifest, overlay: SystemConfigOverlay | undefined): BootPlan {
  const plan = {
    services: base.services.map((service) => planned(service, "base")),
    settings: { ...base.initConfig },
    kernelParams: [...base.kernelParams],
  };
  if (overlay === undefined) return plan;
  const { accountStoreLocation, epoch, services, settings } = overlay;
  return {
    ...plan,
    services: [...plan.services, ...services.map((service) => planned(service, "overlay"))],
    settings: settingsOf(base, settings),
    ...(accountStoreLocation === undefined ? {} : { accountStoreLocation }),
    overlayEpoch: epoch,
  };
}

/** The overlay's settings over the base's; one that is not given leaves the base's as it is. */
function settingsOf(base: SystemManifest, given: OverlaySettings): OverlaySettings {
  const hostname = given.hostname ?? base.initConfig.hostname;
  const logLevel = given.logLevel ?? base.initConfig.logLevel;
  return {
    ...(hostname === undefined ? {} : { hostname }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(given.network === undefined ? {} : { network: given.network }),
  };
}

function planned(service: ManifestService, origin: PlannedService["origin"]): PlannedService {
  return { ...service, origin };
}

/** The first extension point that the overlay oversteps. */
function violation(base: SystemManifest, overlay: SystemConfigOverlay): string | undefined {
  const { extensionPoints: points } = base;
  const { services, settings, accountStoreLocation } = overlay;
  if (services.length > 0 && !points.additionalServices) {
    return "additionalServices: the base takes no services";
  }
  if (services.length > points.maxAdditionalServices) {
    const most = points.maxAdditionalServices;
    return `maxAdditionalServices: ${services.length} services, the base takes ${most}`;
  }
  const taken = new Set([INIT, ...base.services.map(({ name }) => folded(name))]);
  const binaries = new Set(base.binaries.map(({ name }) => name));
  for (const service of services) {
    const name = quoted(service.name);
    if (taken.has(folded(service.name))) return `service ${name}: the base pins this name`;
    taken.add(folded(service.name));
    if (!binaries.has(service.binary)) {
      return `service ${name}: binary ${quoted(service.binary)} is not shipped by the base`;
    }
    const wrong = capViolation(base, service.caps);
    if (wrong !== undefined) return `service ${name}: ${wrong}`;
  }
  const { hostname, logLevel, network } = settings;
  if (hostname !== undefined && !points.allowHostname) return closed("allowHostname", "host name");
  if (logLevel !== undefined && !points.allowLogLevel) return closed("allowLogLevel", "log level");
  if (network !== undefined && !points.allowNetwork) return closed("allowNetwork", "network");
  if (accountStoreLocation !== undefined && !points.allowAccountStore) {
    return closed("allowAccountStore", "account store");
  }
  return undefined;
}

function closed(point: string, what: string): string {
  return `${point}: the base lets no overlay set the ${what}`;
}

function capViolation(base: SystemManifest, caps: readonly CapRequest[]): string | undefined {
  const { allowedServiceCaps } = base.extensionPoints;
  const names = new Set<string>();
  for (const cap of caps) {
    const { name, source } = cap;
    if (names.has(name)) return `two capabilities are named ${quoted(name)}`;
    names.add(name);
    if (!allowedServiceCaps.includes(source)) {
      return `allowedServiceCaps: capability ${quoted(name)} asks for ${quoted(source)}`;
    }
    // Another device is another authority, whatever the source is called.
    if (TARGETED_SOURCES.includes(source) && !base.services.some((held) => holds(held, cap))) {
      const device = cap.target === undefined ? "any device" : quoted(cap.target);
      return `allowedServiceCaps: no service of the base holds ${source} of ${device}`;
    }
  }
  return undefined;
}

function holds({ caps }: ManifestService, { source, target }: CapRequest): boolean {
  return caps.some((cap) => cap.source === source && cap.target === target);
}
