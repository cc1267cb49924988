/**
 * What embedders import: a disk as one object, and the synchronous classes underneath.
 *
 * @example
 * import { createDisk } from "diskwright";
 * const disk = await createDisk("disk.img", { size: "256MiB", layout: "capos" });
 * const hash = await disk.store.put(new TextEncoder().encode("hello"));
 * await disk.close();
 */

export { loadModules } from "./core/load.ts";
export { FileDevice } from "./device/local/file.ts";
export * from "./portable.ts";
export { createDisk, openDisk } from "./system/disk/named.ts";
export { folderTree } from "./system/image/folder.ts";
