/**
 * SHA-256, MD5 and CRC-32 of what comes in pieces: by Node where there is Node, else by core.wasm
 * and an MD5 of our own.
 */
import { HASH_BYTES, toHex } from "../../base/hash.ts";
import { hasNode, node } from "../../base/platform/node.ts";
import { Core } from "../load.ts";
import { Md5 } from "./md5.ts";

/** MD5 only for lists that others wrote with it. */
export type DigestAlgorithm = "sha256" | "md5";

/** One hash that is being taken. */
export interface Digest {
  /** Text counts as UTF-8. */
  update(data: Uint8Array | string): Digest;
  /** The hash; nothing may be added after. */
  bytes(): Uint8Array;
  /** The same, hexadecimal. */
  hex(): string;
}

export function createDigest(algorithm: DigestAlgorithm = "sha256"): Digest {
  return hasNode ? nodeDigest(algorithm) : ownDigest(algorithm);
}

/** The same without Node, wherever this runs. */
export function ownDigest(algorithm: DigestAlgorithm): Digest {
  const hash = algorithm === "md5" ? new Md5() : new Sha256();
  const digest: Digest = {
    update: (data) => {
      hash.update(typeof data === "string" ? encoder.encode(data) : data);
      return digest;
    },
    bytes: () => hash.end(),
    hex: () => toHex(hash.end()),
  };
  return digest;
}

/** CRC-32 of gzip and zip, going on from `before`. */
export function crc32(data: Uint8Array, before = 0): number {
  return hasNode ? node.zlib.crc32(data, before) : ownCrc32(data, before);
}

/** The same without Node, wherever this runs. */
export function ownCrc32(data: Uint8Array, before: number): number {
  const { core, room } = kernelOf();
  let sum = before;
  for (let at = 0; at < data.length; at += ROOM_BYTES) {
    const piece = data.subarray(at, at + ROOM_BYTES);
    core.memory.bytes.set(piece, room);
    sum = core.exports.crc32(sum, room, piece.length) >>> 0;
  }
  return sum;
}

const encoder = new TextEncoder();

function nodeDigest(algorithm: DigestAlgorithm): Digest {
  const hash = node.crypto.createHash(algorithm);
  const digest: Digest = {
    update: (data) => {
      hash.update(data);
      return digest;
    },
    bytes: () => new Uint8Array(hash.digest()),
    hex: () => hash.digest("hex"),
  };
  return digest;
}

/** What the kernel keeps of a message that is not at its end: SHA256_STATE_SIZE. */
const STATE_BYTES = 112;
const ROOM_BYTES = 1 << 16;

/** One instance of the core serves all: the state of a message lies there only while it is used. */
let kernel: { core: Core; state: number; room: number; out: number } | undefined;

class Sha256 {
  #state: Uint8Array;

  constructor() {
    const { core, state } = kernelOf();
    core.exports.sha256Begin(state);
    this.#state = core.memory.slice(state, STATE_BYTES);
  }

  update(data: Uint8Array): void {
    const { core, state, room } = kernelOf();
    const { memory, exports } = core;
    memory.bytes.set(this.#state, state);
    for (let at = 0; at < data.length; at += ROOM_BYTES) {
      const piece = data.subarray(at, at + ROOM_BYTES);
      memory.bytes.set(piece, room);
      exports.sha256Update(state, room, piece.length);
    }
    this.#state = memory.slice(state, STATE_BYTES);
  }

  end(): Uint8Array {
    const { core, state, out } = kernelOf();
    core.memory.bytes.set(this.#state, state);
    core.exports.sha256End(state, out);
    return core.memory.slice(out, HASH_BYTES);
  }
}

function kernelOf() {
  if (kernel !== undefined) return kernel;
  const core = new Core();
  const [state, room, out] = [STATE_BYTES, ROOM_BYTES, HASH_BYTES].map((size) =>
    core.memory.allocate(size),
  ) as [number, number, number];
  kernel = { core, state, room, out };
  return kernel;
}
