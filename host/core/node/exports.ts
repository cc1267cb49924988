/** The exports of api/files and api/image, and what of a core the classes here need. */
import type { StorageError, StorageErrorOptions } from "../../base/errors.ts";

/**
 * assembly/api/files.ts. A `target` is a mount with a path, or a descriptor with the empty path.
 * Addresses and lengths are of the core's memory; a result below 0 is an errno.
 */
export type FilesExports = {
  /** The CAPOSWF1 filesystem of a region handle as a mount. */
  filesMount(region: number): number;
  filesUnmount(mount: number): void;
  filesReadOnly(mount: number): number;
  filesDirtyPages(mount: number): number;
  filesCommit(mount: number): number;
  /** Throws away everything since the last commit. */
  filesRevert(mount: number): number;
  /** After a lost batch: changes are taken again. */
  filesReopen(mount: number): number;
  filesOpen(mount: number, path: number, length: number, flags: number, mode: number): number;
  filesClose(fd: number): number;
  /** `position` below 0: where the descriptor stands. */
  filesRead(fd: number, address: number, length: number, position: number): number;
  filesWrite(fd: number, address: number, length: number, position: number): number;
  filesResize(target: number, path: number, length: number, size: number): number;
  filesStat(target: number, path: number, length: number, follow: number, out: number): number;
  filesChange(
    target: number,
    path: number,
    length: number,
    follow: number,
    mask: number,
    attributes: number,
  ): number;
  filesMkdir(mount: number, path: number, length: number, mode: number): number;
  filesRemove(mount: number, path: number, length: number, directory: number): number;
  filesRename(mount: number, a: number, aLength: number, b: number, bLength: number): number;
  filesLink(mount: number, a: number, aLength: number, b: number, bLength: number): number;
  filesSymlink(mount: number, a: number, aLength: number, b: number, bLength: number): number;
  filesReadlink(mount: number, path: number, length: number, out: number, room: number): number;
  /** The next ENTRY structures of a directory, bytes written; 0 at the end. */
  filesList(fd: number, out: number, room: number): number;
  filesXattrGet(
    target: number,
    path: number,
    length: number,
    follow: number,
    name: number,
    nameLength: number,
    out: number,
    room: number,
  ): number;
  filesXattrSet(
    target: number,
    path: number,
    length: number,
    follow: number,
    name: number,
    nameLength: number,
    value: number,
    valueLength: number,
    flags: number,
  ): number;
  /** Names, each ended by NUL; bytes written. ERANGE if they do not fit. */
  filesXattrList(
    target: number,
    path: number,
    length: number,
    follow: number,
    out: number,
    room: number,
  ): number;
  filesXattrRemove(
    target: number,
    path: number,
    length: number,
    follow: number,
    name: number,
    nameLength: number,
  ): number;
  filesStatfs(mount: number, out: number): number;
  filesControl(mount: number, out: number): number;
  filesSetControl(mount: number, address: number): number;
  /** Commits; then what follows is one commit, until filesCommit or filesRevert. */
  filesBegin(mount: number, changes: number, dataPages: number): number;
  /** Copies the value of a record of the system: its length, or ENOENT. */
  filesRecord(
    mount: number,
    kind: number,
    key: number,
    keyLength: number,
    out: number,
    room: number,
  ): number;
  /** Writes it; without a value it is deleted, or ENOENT. */
  filesSetRecord(
    mount: number,
    kind: number,
    key: number,
    keyLength: number,
    value: number,
    valueLength: number,
  ): number;
  /** Copies the key that follows `key`: its length, 0 at the end. */
  filesNextRecord(
    mount: number,
    kind: number,
    key: number,
    keyLength: number,
    out: number,
    room: number,
  ): number;
  /** Runs a check, answers how many findings it kept for filesFinding. */
  filesCheck(mount: number, data: number): number;
  filesFinding(mount: number, index: number, out: number): number;
  /** A path that leads to inode `ino`; its length, or ENOENT. */
  filesPath(mount: number, ino: number, out: number, room: number): number;
};

/** assembly/api/image.ts: CAPOSRO1. */
export type ImageExports = {
  /** Opens the image in a window of a device as a mount. `sectors` 0: to the end. */
  imageOpen(device: number, base: number, sectors: number): number;
  /** Begins to build: `room` is what the window takes, `uuid` 16 bytes. */
  imageBuild(device: number, base: number, sectors: number, uuid: number): number;
  /** Adds a node; they come sorted by (parent, name), the root (0) is there already. */
  imageNode(
    build: number,
    parent: number,
    type: number,
    mode: number,
    size: number,
    name: number,
    nameLength: number,
  ): number;
  /** Ends the nodes; answers ENOSPC if the image does not fit. */
  imageLayout(build: number): number;
  /** The next bytes of the content of all files and links, in the order of the nodes. */
  imageWrite(build: number, address: number, length: number): number;
  /** Writes index and superblock; durable when it answers. */
  imageFinish(build: number): number;
  /** Sectors of the image, after imageLayout. */
  imageSectors(build: number): number;
  imageEnd(build: number): void;
};

/** What of class Core is used here. */
export interface CoreAccess {
  readonly exports: FilesExports &
    ImageExports & {
      allocate(size: number): number;
      release(address: number, size: number): void;
    };
  readonly memory: {
    readonly bytes: Uint8Array;
    readonly view: DataView;
    allocate(size: number): number;
    release(address: number, size: number): void;
    slice(address: number, length: number): Uint8Array;
    subarray(address: number, length: number): Uint8Array;
    text(address: number, length: number): string;
    with<T>(data: Uint8Array | string, use: (address: number, length: number) => T): T;
  };
  check(result: number, syscall: string, options?: StorageErrorOptions): number;
  error(result: number, syscall: string, options?: StorageErrorOptions): StorageError;
}
