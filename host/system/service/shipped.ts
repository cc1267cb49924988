/** The services that come with the package. */
import { failure } from "../../base/errors.ts";
import { bytesOf, packageFile, provideFile } from "../../base/platform/package.ts";

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
  return packageFile(fileOf(name));
}

/**
 * Loads services where there is no Node to read them when they are used.
 *
 * @param sources an address, an answer of the web or the bytes of each
 */
export async function loadServices(
  sources: { readonly [Name in ShippedService]?: URL | string | Response | BufferSource },
): Promise<void> {
  const names = SHIPPED_SERVICES.filter((name) => sources[name] !== undefined);
  await Promise.all(
    names.map(async (name) => {
      const bytes = await bytesOf(sources[name] as URL, fileOf(name));
      provideFile(fileOf(name), viewOf(bytes));
    }),
  );
}

function fileOf(name: ShippedService): string {
  return `services/${name}.wasm`;
}

function viewOf(bytes: BufferSource): Uint8Array {
  if (!ArrayBuffer.isView(bytes)) return new Uint8Array(bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
