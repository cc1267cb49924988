/**
 * `diskwright verify`: everything on a disk, checked; `--repair` mends what can be mended safely.
 */
import { run } from "../../base/work.ts";
import { verifyDisk } from "../../system/verify.ts";
import { type CommandSpec, Exit } from "../kit/command.ts";
import { withDisk } from "../kit/open.ts";
import { verdict } from "../kit/verdict.ts";

export const verify: CommandSpec = {
  name: "verify",
  summary: "Check everything on a disk; exit 3 if something is damaged",
  arguments: { "<disk>": "path, path:N for partition N, or a file: URL" },
  options: [{ flags: "--repair", summary: "mend what can be mended without guessing" }],
  examples: ["diskwright verify disk.img", "diskwright verify disk.img --repair"],
  run: ({ out, signal, progress }, { positionals: [disk = ""], options }) => {
    const repair = options["repair"] === true;
    return withDisk(disk, { readOnly: !repair }, async ({ device, partition }) => {
      const work = verifyDisk(device, { repair, partition });
      const report = await run(work, { signal, progress: progress.update });
      out.result({ event: "done", ...report }, () => verdict(disk, report));
      return report.damage === 0 ? Exit.DONE : Exit.DAMAGE;
    });
  },
};
