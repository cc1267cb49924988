/**
 * Web Streams both ways: a file of this machine is compressed into an object of the store, and from
 * there into a file of the disk, and never whole in memory. Then the browsers' shape of a folder.
 *
 *     node examples/streams.mjs [FILE]
 */
import { createReadStream, statSync } from "node:fs";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { createDisk } from "diskwright";

const [path = fileURLToPath(import.meta.url)] = process.argv.slice(2);
const disk = await createDisk("mem:64MiB", { layout: "region" });

// In: file -> gzip -> object. `hash` resolves once the object is stored.
const object = disk.store.writeStream();
const source = Readable.toWeb(createReadStream(path));
await source.pipeThrough(new CompressionStream("gzip")).pipeTo(object.writable);
const hash = await object.hash;

// Out: object -> gunzip -> file of the disk.
const unpacked = disk.store.getStream(hash).pipeThrough(new DecompressionStream("gzip"));
await unpacked.pipeTo(await disk.fs.writeStream("/copy"));
const copy = await disk.fs.promises.stat("/copy");

// What works on the files of a page works on a disk: closing replaces the file in one step.
const root = await disk.fs.getDirectory();
const log = await root.getFileHandle("log.txt", { create: true });
const stream = await log.createWritable();
await stream.write(`copied ${copy.size} bytes\n`);
await stream.close();
const text = await (await log.getFile()).text();

process.stdout.write(`${copy.size === statSync(path).size ? "same size" : "wrong"}; ${text}`);
await disk.close();
