/**
 * The content-addressed store as a capability: who has a hash may ask for its object.
 *
 * Interface: there is no list: a service finds only what it was told of or has put itself. Changes
 * are durable after sync().
 */
import { toHex } from "../../base/hash.ts";
import { Capability, checkBytes, checkCount, Grant } from "./base/grant.ts";
import { attempt, CapException, type Outcome, ok, refused } from "./base/outcome.ts";

/** What an object costs of a quota beside its bytes. */
export const OBJECT_COST_BYTES = 64;

/** What stands behind: the Store of host/core, or another one of the same calls. */
export interface ObjectBackend {
  put(bytes: Uint8Array): Uint8Array;
  get(hash: Uint8Array): Uint8Array;
  readInto(hash: Uint8Array, target: Uint8Array, offset: number): number;
  has(hash: Uint8Array): boolean;
  length(hash: Uint8Array): number | undefined;
  delete(hash: Uint8Array): void;
  commit(): void;
}

export interface StoreRights {
  /** get, read, has, size */
  readonly get: boolean;
  readonly put: boolean;
  readonly delete: boolean;
}

const ALL: StoreRights = { get: true, put: true, delete: true };

/** Bytes that may be put through one capability and those made from it. */
class Quota {
  readonly #parent: Quota | undefined;
  readonly #charged = new Map<string, number>();
  #left: number;

  constructor(bytesMax: number, parent: Quota | undefined) {
    this.#left = bytesMax;
    this.#parent = parent;
  }

  get left(): number {
    return Math.min(this.#left, this.#parent?.left ?? Number.POSITIVE_INFINITY);
  }

  /** An object that was put through here before costs nothing. */
  charge(hash: string, cost: number): void {
    if (!this.#charged.has(hash)) {
      this.#charged.set(hash, cost);
      this.#left -= cost;
    }
    this.#parent?.charge(hash, cost);
  }

  refund(hash: string): void {
    this.#left += this.#charged.get(hash) ?? 0;
    this.#charged.delete(hash);
    this.#parent?.refund(hash);
  }
}

/** The right to objects of a store. */
export class StoreCap extends Capability {
  readonly kind = "store";
  readonly rights: StoreRights;
  readonly #backend: ObjectBackend;
  readonly #quota: Quota | undefined;

  private constructor(
    grant: Grant,
    backend: ObjectBackend,
    rights: StoreRights,
    quota: Quota | undefined,
  ) {
    super(grant);
    this.#backend = backend;
    this.rights = rights;
    this.#quota = quota;
  }

  static over(backend: ObjectBackend, rights: StoreRights = ALL): StoreCap {
    return new StoreCap(new Grant(), backend, rights, undefined);
  }

  /**
   * Stores bytes and answers their SHA-256. "no-space": they do not fit the store, or what is left
   * of the quota; a quota is charged for an object once, however often it is put.
   */
  put(bytes: Uint8Array): Outcome<Uint8Array> {
    return this.#call("put", "put", () => {
      checkBytes(bytes, "put");
      const cost = bytes.length + OBJECT_COST_BYTES;
      const left = this.#quota?.left ?? Number.POSITIVE_INFINITY;
      if (cost > left) {
        return refused("no-space", `${cost} bytes do not fit the ${left} that are granted`);
      }
      const hash = this.#backend.put(bytes);
      this.#quota?.charge(toHex(hash), cost);
      return ok(hash);
    });
  }

  /** The bytes of an object; "too-large": more than `mostBytes`. */
  get(hash: Uint8Array, mostBytes = Number.MAX_SAFE_INTEGER): Outcome<Uint8Array> {
    return this.#call("get", "get", () => {
      checkCount(mostBytes, "get", "the limit");
      const length = this.#length(hash, "get");
      if (!length.ok) return length;
      if (length.value <= mostBytes) return ok(this.#backend.get(hash));
      return refused("too-large", `the object has ${length.value} bytes, more than ${mostBytes}`);
    });
  }

  /** Fills `target` with the object's bytes from `position` on; answers how many there were. */
  read(hash: Uint8Array, position: number, target: Uint8Array): Outcome<number> {
    return this.#call("read", "get", () => {
      checkCount(position, "read", "the position");
      checkBytes(target, "read");
      const length = this.#length(hash, "read");
      if (!length.ok) return length;
      return ok(position >= length.value ? 0 : this.#backend.readInto(hash, target, position));
    });
  }

  has(hash: Uint8Array): Outcome<boolean> {
    return this.#call("has", "get", () => ok(this.#backend.has(checkHash(hash, "has"))));
  }

  /** Bytes of an object. */
  size(hash: Uint8Array): Outcome<number> {
    return this.#call("size", "get", () => this.#length(hash, "size"));
  }

  /** Removes an object; "conflict": a generation keeps it. */
  delete(hash: Uint8Array): Outcome<void> {
    return this.#call("delete", "delete", () => {
      const named = checkHash(hash, "delete");
      this.#backend.delete(named);
      this.#quota?.refund(toHex(named));
      return ok();
    });
  }

  /** Makes every put and delete so far durable. */
  sync(): Outcome<void> {
    return this.#call("sync", undefined, () => {
      if (this.rights.put || this.rights.delete) this.#backend.commit();
      return ok();
    });
  }

  readOnly(): StoreCap {
    return this.#derive({ get: this.rights.get, put: false, delete: false });
  }

  /** May add and learn the hash, and nothing else. */
  putOnly(): StoreCap {
    return this.#derive({ get: false, put: this.rights.put, delete: false });
  }

  withoutDelete(): StoreCap {
    return this.#derive({ ...this.rights, delete: false });
  }

  /** At most `bytesMax` bytes may be put through it, OBJECT_COST_BYTES an object counted in. */
  limited(bytesMax: number): StoreCap {
    checkCount(bytesMax, "limited", "the limit");
    return this.#derive(this.rights, new Quota(bytesMax, this.#quota));
  }

  #derive(rights: StoreRights, quota = this.#quota): StoreCap {
    this.grant.check("derive");
    return new StoreCap(this.grant.child(), this.#backend, rights, quota);
  }

  #length(hash: Uint8Array, syscall: string): Outcome<number> {
    const length = this.#backend.length(checkHash(hash, syscall));
    return length === undefined ? refused("not-found", "no such object") : ok(length);
  }

  #call<T>(
    syscall: string,
    right: keyof StoreRights | undefined,
    act: () => Outcome<T>,
  ): Outcome<T> {
    this.grant.check(syscall);
    if (right !== undefined && !this.rights[right]) {
      return refused("denied", `the capability does not include ${right}`);
    }
    return attempt(syscall, "", act);
  }
}

function checkHash(hash: Uint8Array, syscall: string): Uint8Array {
  if (hash instanceof Uint8Array && hash.length === 32) return hash;
  throw new CapException("invalidArgument", syscall, "a hash has 32 bytes.");
}
