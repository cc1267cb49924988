/**
 * The program `rayos-installer`: says that it has started before it looks at its command line, and
 * before most of it is loaded; and it is the only place that ends the process.
 */
import { fileURLToPath } from "node:url";
import { STARTED } from "../../format/rayos/lines.ts";
import { keepSmall } from "../kit/footprint.ts";

keepSmall();

// A reader that has seen enough (head, less) is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(1);
    throw error;
  });
}
process.stderr.write(`${STARTED}\n`);

const { start } = await import("./start.ts");
process.exitCode = await start(process.argv.slice(2), fileURLToPath(import.meta.url));
