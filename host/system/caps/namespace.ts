/**
 * Names for hashes, as a capability: what a name is bound to, with a version that only grows.
 *
 * Interface: a name is made of parts with "/" between them. A version is never given out twice in
 * one namespace, so a name that was unbound and bound again is not taken for the old binding.
 * bind() and unbind() of a persistent namespace are durable when they return.
 */
import { Capability, checkCount, Grant } from "./base/grant.ts";
import { attempt, CapException, type Outcome, ok, refused } from "./base/outcome.ts";
import { compareNames, quoted, splitPath } from "./base/path.ts";
import type { Binding, Bindings } from "./bindings.ts";

export const BINDING_NAME_BYTES_MAX = 255;

export interface NamedBinding extends Binding {
  readonly name: string;
}

export interface BindOptions {
  /** The version that must be bound now, 0 for none; otherwise "conflict". Absent: any. */
  readonly expected?: number;
}

export interface NamespaceOptions {
  readonly readOnly?: boolean;
}

/** A part of a namespace. */
export class NamespaceCap extends Capability {
  readonly kind = "namespace";
  readonly isReadOnly: boolean;
  readonly #bindings: Bindings;
  /** Ends in "/" unless it is empty. */
  readonly #prefix: string;

  private constructor(grant: Grant, bindings: Bindings, prefix: string, readOnly: boolean) {
    super(grant);
    this.#bindings = bindings;
    this.#prefix = prefix;
    this.isReadOnly = readOnly;
  }

  static over(bindings: Bindings, options: NamespaceOptions = {}): NamespaceCap {
    return new NamespaceCap(new Grant(), bindings, "", options.readOnly === true);
  }

  /** What `name` is bound to. */
  resolve(name: string): Outcome<Binding> {
    return this.#named("resolve", name, (whole) => {
      const found = this.#bindings.get(whole);
      if (!found.ok) return found;
      if (found.value === undefined) return refused("not-found", `${quoted(name)} is not bound`);
      return ok(found.value);
    });
  }

  /** Binds `name`; "conflict": it is not bound to the version expected. */
  bind(name: string, hash: Uint8Array, options: BindOptions = {}): Outcome<Binding> {
    return this.#changed("bind", name, options.expected, (whole) => {
      if (!(hash instanceof Uint8Array) || hash.length !== 32) {
        throw new CapException("invalidArgument", "bind", "a hash has 32 bytes.");
      }
      return this.#bindings.set(whole, hash.slice());
    });
  }

  unbind(name: string, options: BindOptions = {}): Outcome<void> {
    return this.#changed("unbind", name, options.expected, (whole, bound) => {
      if (bound === undefined) return refused("not-found", `${quoted(name)} is not bound`);
      return this.#bindings.remove(whole);
    });
  }

  /** Bindings below here in the order of their names' bytes. */
  list(
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Outcome<NamedBinding[]> {
    return this.#call("list", "", () => {
      const { after, limit = Number.MAX_SAFE_INTEGER } = options;
      checkCount(limit, "list", "the limit");
      const all = this.#bindings.names();
      if (!all.ok) return all;
      const names = all.value
        .filter((name) => name.startsWith(this.#prefix))
        .map((name) => name.slice(this.#prefix.length))
        .filter((name) => after === undefined || compareNames(name, after) > 0)
        .sort(compareNames);
      const list: NamedBinding[] = [];
      for (const name of names.slice(0, limit)) {
        const found = this.#bindings.get(this.#prefix + name);
        if (!found.ok) return found;
        if (found.value !== undefined) list.push({ name, ...found.value });
      }
      return ok(list);
    });
  }

  /** The names below `prefix`, which need not have any yet. */
  sub(prefix: string): Outcome<NamespaceCap> {
    return this.#named("sub", prefix, (whole) =>
      ok(new NamespaceCap(this.grant.child(), this.#bindings, `${whole}/`, this.isReadOnly)),
    );
  }

  readOnly(): NamespaceCap {
    this.grant.check("readOnly");
    return new NamespaceCap(this.grant.child(), this.#bindings, this.#prefix, true);
  }

  #changed<T>(
    syscall: string,
    name: string,
    expected: number | undefined,
    act: (whole: string, bound: Binding | undefined) => Outcome<T>,
  ): Outcome<T> {
    return this.#named(syscall, name, (whole) => {
      if (expected !== undefined) checkCount(expected, syscall, "the version expected");
      if (this.isReadOnly) return refused("denied", "the namespace is read-only");
      const found = this.#bindings.get(whole);
      if (!found.ok) return found;
      const version = found.value?.version ?? 0;
      if (expected !== undefined && expected !== version) {
        const state = version === 0 ? "is not bound" : `has version ${version}`;
        return refused("conflict", `${quoted(name)} ${state}, not version ${expected}`);
      }
      return act(whole, found.value);
    });
  }

  #named<T>(syscall: string, name: string, act: (whole: string) => Outcome<T>): Outcome<T> {
    return this.#call(syscall, name, () => {
      const split = splitPath(name, syscall);
      if (!split.ok) return split;
      if (name.includes("\\") || /\p{Cc}/u.test(name)) {
        return refused("invalid", `${quoted(name)}: a name holds no "\\" or control character`);
      }
      const whole = this.#prefix + name;
      if (new TextEncoder().encode(whole).length > BINDING_NAME_BYTES_MAX) {
        return refused("invalid", `a name has at most ${BINDING_NAME_BYTES_MAX} bytes`);
      }
      return act(whole);
    });
  }

  #call<T>(syscall: string, name: string, act: () => Outcome<T>): Outcome<T> {
    this.grant.check(syscall);
    return attempt(syscall, typeof name === "string" ? name : "", act);
  }
}
