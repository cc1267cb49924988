/**
 * A device of one's own: each MiB of the disk is a file in a folder, made when it is first written.
 * It writes a whole disk there, closes it, and reads it again.
 *
 *     node examples/custom-device.mjs [FOLDER]
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { createDisk, openDisk } from "diskwright";
import {
  admit,
  answerId,
  complete,
  deviceConfig,
  deviceIdentity,
  RequestType,
  refuse,
} from "diskwright/device/device";

const PART_BYTES = 1 << 20;

class FolderDevice {
  identity = deviceIdentity({ serial: "FOLDER-1" });
  durability = { level: "process", flush: "the system's page cache" };
  #folder;

  constructor(folder, sizeBytes) {
    this.name = folder;
    this.#folder = folder;
    this.config = deviceConfig(sizeBytes / 512);
    fs.mkdirSync(folder, { recursive: true });
  }

  submit(requests) {
    for (const asked of requests) {
      // Bounds, alignment, unknown requests: the checks that every device makes.
      if (!admit(this.config, asked, this.name)) continue;
      try {
        if (asked.type === RequestType.GET_ID) answerId(asked, this.identity.serial);
        else {
          if (asked.type !== RequestType.FLUSH) this.#move(asked);
          complete(asked, asked.data.length);
        }
      } catch (error) {
        refuse(asked, error); // becomes EIO with this error as its cause
      }
    }
  }

  close() {}

  #move({ type, sector, data }) {
    for (let done = 0; done < data.length; ) {
      const at = sector * 512 + done;
      const length = Math.min(data.length - done, PART_BYTES - (at % PART_BYTES));
      const piece = data.subarray(done, done + length);
      const path = join(this.#folder, `part-${Math.floor(at / PART_BYTES)}`);
      if (type === RequestType.OUT) write(path, piece, at % PART_BYTES);
      else read(path, piece, at % PART_BYTES);
      done += length;
    }
  }
}

function write(path, piece, at) {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT);
  fs.writeSync(fd, piece, 0, piece.length, at);
  fs.closeSync(fd);
}

function read(path, piece, at) {
  piece.fill(0); // what was never written reads as zero
  if (!fs.existsSync(path)) return;
  const fd = fs.openSync(path, "r");
  fs.readSync(fd, piece, 0, piece.length, at);
  fs.closeSync(fd);
}

const [folder = "example-parts"] = process.argv.slice(2);
const disk = await createDisk(new FolderDevice(folder, 256 << 20), { layout: "capos" });
const hash = await disk.store.put(new TextEncoder().encode("kept in a folder"));
await disk.fs.promises.writeFile("/etc/motd", "hello");
await disk.close();

const again = await openDisk(new FolderDevice(folder, 256 << 20));
const object = new TextDecoder().decode(await again.store.get(hash));
const text = await again.fs.promises.readFile("/etc/motd", "utf8");
await again.close();
const parts = fs.readdirSync(folder).length;
process.stdout.write(`${object}; motd: ${text}; ${parts < 32 ? "few" : "many"} files of 256\n`);
