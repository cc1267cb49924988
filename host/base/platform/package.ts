/**
 * Files that come with the package: modules and services. In Node they are read from its folder;
 * elsewhere whoever loads the package hands them over first.
 */
import { failure, systemFailure } from "../errors.ts";
import { hasNode, node } from "./node.ts";

/** What the build makes lies below this. */
const BUILT = "/dist/host/";

const given = new Map<string, Uint8Array>();

/** Hands over the file `name`, such as "services/storage-proof.wasm". */
export function provideFile(name: string, bytes: Uint8Array): void {
  given.set(name, bytes);
}

/**
 * The file `name` of the package.
 *
 * @throws {StorageError} EINVAL: there is no Node, and nobody has handed it over; ENOENT
 */
export function packageFile(name: string): Uint8Array {
  const bytes = given.get(name);
  if (bytes !== undefined) return bytes;
  if (!hasNode || import.meta.url === undefined) {
    const hint = "Call `await loadModules()` once, and `await loadServices()` for services.";
    throw failure("EINVAL", "load", `'${name}' is not loaded.`, { path: name, hint });
  }
  try {
    return new Uint8Array(node.fs.readFileSync(new URL(name, folder())));
  } catch (cause) {
    throw systemFailure(cause, "open", name);
  }
}

/**
 * The bytes behind an address, or of an answer of the web.
 *
 * @throws {StorageError} ENOENT, EIO: the server answered with an error
 */
export async function bytesOf(
  source: URL | string | Response | BufferSource,
  name: string,
): Promise<BufferSource> {
  const isAddress = typeof source === "string" || source instanceof URL;
  const given = isAddress ? await fetch(source) : source;
  if (!("arrayBuffer" in given)) return given;
  if (given.ok) return given.arrayBuffer();
  const code = given.status === 404 ? "ENOENT" : "EIO";
  const message = `'${name}' cannot be loaded: ${given.url} answers ${given.status}.`;
  throw failure(code, "load", message, { path: name });
}

/** Where those files are in Node. */
function folder(): URL {
  const own = import.meta.url as string | undefined;
  const built = own?.lastIndexOf(BUILT) ?? -1;
  if (built >= 0) return new URL(`${own?.slice(0, built)}/dist/`);
  // In build/ when the sources run as they are; beside the bundle that others make of the package.
  return new URL(own?.endsWith(".ts") ? "../../../build/" : "./", own);
}
