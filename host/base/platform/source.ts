/** Bytes that can be read at any place: a file of this machine, a file of a page, memory. */
import { systemFailure } from "../errors.ts";
import { node } from "./node.ts";

export interface ByteSource {
  /** What messages call it. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Fills `into` from byte `offset` on; answers how many bytes it got, 0 at the end. */
  read(into: Uint8Array, offset: number): number;
  close(): void;
}

/** A file of this machine. @throws {StorageError} what the system says */
export function fileSource(path: string): ByteSource {
  const { fs } = node;
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, "r");
  } catch (error) {
    throw systemFailure(error, "open", path);
  }
  return {
    name: path,
    sizeBytes: fs.fstatSync(descriptor).size,
    read: (into, offset) => fs.readSync(descriptor, into, 0, into.length, offset),
    close: () => fs.closeSync(descriptor),
  };
}

/** Bytes in memory as a source. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    sizeBytes: bytes.length,
    read: (into, offset) => {
      const piece = bytes.subarray(offset, offset + into.length);
      into.set(piece);
      return piece.length;
    },
    close: () => {},
  };
}
