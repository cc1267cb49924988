/** Makes a disk, keeps an object and a file on it, opens it again and reads both back. */
import { rm } from "node:fs/promises";
import { createDisk, openDisk } from "diskwright";

const [path = "example.img"] = process.argv.slice(2);
await rm(path, { force: true });

const bytes = new TextEncoder().encode("an object, named by the SHA-256 of its bytes");
const disk = await createDisk(path, { size: "256MiB", layout: "capos" });
let hash;
try {
  hash = await disk.store.put(bytes); // Uint8Array(32); get() takes bytes or hex
  await disk.store.commit(); // durable from here
  await disk.fs.promises.writeFile("/etc/motd", "hello");
  await disk.sync();
} finally {
  await disk.close(); // closes store and fs, and releases the lock
}

const again = await openDisk(path, { readOnly: true });
const object = await again.store.get(Buffer.from(hash).toString("hex"));
const text = await again.fs.promises.readFile("/etc/motd", "utf8");
await again.close();
process.stdout.write(`${object.length} bytes, motd: ${text}\n`);
