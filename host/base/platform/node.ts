/**
 * Node's own modules, reached when they are used and not when a file is loaded, so that the same
 * files load where there is no Node.
 */
import { failure } from "../errors.ts";

/** The modules of Node that are used outside its own adapters. */
export interface NodeModules {
  readonly fs: typeof import("node:fs");
  readonly path: typeof import("node:path");
  readonly url: typeof import("node:url");
  readonly crypto: typeof import("node:crypto");
  readonly zlib: typeof import("node:zlib");
  readonly stream: typeof import("node:stream");
}

/** True where Node's modules are: in Node, and in what stands in for it as a whole. */
export const hasNode: boolean =
  typeof process === "object" && typeof process.getBuiltinModule === "function";

/**
 * Node's modules. Elsewhere each is EOPNOTSUPP: what needs one, such as a path of this machine,
 * cannot be done there.
 */
export const node: NodeModules = {
  get fs() {
    return builtin("fs");
  },
  get path() {
    return builtin("path");
  },
  get url() {
    return builtin("url");
  },
  get crypto() {
    return builtin("crypto");
  },
  get zlib() {
    return builtin("zlib");
  },
  get stream() {
    return builtin("stream");
  },
};

const known: { -readonly [Name in keyof NodeModules]?: NodeModules[Name] } = {};

function builtin<Name extends keyof NodeModules>(name: Name): NodeModules[Name] {
  const found = known[name];
  if (found !== undefined) return found;
  if (!hasNode) {
    const message = `what was asked for needs Node (node:${name}), and this is not Node.`;
    throw failure("EOPNOTSUPP", "load", message, {
      hint: "Give devices and bytes instead of paths.",
    });
  }
  const module = process.getBuiltinModule(`node:${name}`) as NodeModules[Name];
  known[name] = module;
  return module;
}
