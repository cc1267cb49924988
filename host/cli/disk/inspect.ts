/** `diskwright inspect`: what is on a disk, at every level, with a picture. */
import { drawDisk } from "../../system/draw.ts";
import { inspectDisk } from "../../system/inspect.ts";
import type { CommandSpec } from "../kit/command.ts";
import { withDisk } from "../kit/open.ts";

const COLUMNS_DEFAULT = 80;

export const inspect: CommandSpec = {
  name: "inspect",
  summary: "Show what is on a disk, at every level",
  arguments: { "<disk>": "path, path:N for partition N, or a file: URL" },
  run: ({ out }, { positionals: [disk = ""] }) =>
    withDisk(disk, { readOnly: true }, ({ device, core, partition }) => {
      const view = inspectDisk(device, { core, partition });
      const columns = process.stdout.columns ?? COLUMNS_DEFAULT;
      out.result(view, () => drawDisk(view, columns).join("\n"));
    }),
};
