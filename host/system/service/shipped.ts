/** The services that come with the package, read from its folder. Node only. */
import { readFileSync } from "node:fs";
import { failure, systemFailure } from "../../base/errors.ts";

/** `overlay-failing` does not come up: an update that starts it must fall back. */
export const SHIPPED_SERVICES = [
  "console-paths",
  "generation-proof",
  "overlay-extra",
  "overlay-failing",
  "storage-proof",
  "system-install",
  "system-provision",
  "system-update",
] as const;
export type ShippedService = (typeof SHIPPED_SERVICES)[number];

/** The Wasm binary of a shipped service. */
export function shippedService(name: ShippedService): Uint8Array {
  if (!SHIPPED_SERVICES.includes(name)) {
    throw failure("ENOENT", "open", `no service '${name}' is shipped.`);
  }
  // Beside dist/host in the package; in build/ when the sources run as they are.
  const folder = import.meta.url.endsWith(".ts") ? "../../../build" : "../../..";
  const url = new URL(`${folder}/services/${name}.wasm`, import.meta.url);
  try {
    return new Uint8Array(readFileSync(url));
  } catch (cause) {
    throw systemFailure(cause, "open", `services/${name}.wasm`);
  }
}
