/** Boots the disk named on the command line and prints its console: another process for a test. */
import { FileDevice } from "../../host/device/local/file.ts";
import { Machine } from "../../host/system/machine.ts";

const disk = FileDevice.open(process.argv[2] ?? "");
const { outcome } = new Machine({
  disks: [disk],
  console: (line) => process.stdout.write(`${line}\n`),
}).boot();
disk.close();
process.exitCode = outcome === "checkpoint" ? 0 : 1;
