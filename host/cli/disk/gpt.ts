/** `diskwright gpt`: partition tables. Changes are in gpt-edit, what both share in gpt-disk. */
import { type Finding, isDamage } from "../../base/finding.ts";
import { backupGpt, readGpt, repairGpt, restoreGpt, verifyGpt } from "../../core/gpt.ts";
import { type CommandSpec, Exit, UsageError } from "../kit/command.ts";
import {
  BLOCK_SIZE,
  DISK,
  readSaved,
  saveOldTable,
  TABLE_BACKUP,
  tableJson,
  tableText,
  withTable,
  writeDurably,
} from "./gpt-disk.ts";
import { add, create, remove, rename, resize, type } from "./gpt-edit.ts";

const print: CommandSpec = {
  name: "print",
  summary: "Show the table, also one whose partitions are wrong",
  arguments: DISK,
  options: [BLOCK_SIZE],
  run: (context, given) =>
    withTable(context, given, true, ({ path, core, id }) => {
      const table = readGpt(core, id, { lenient: true });
      context.out.result(tableJson(path, table), () => tableText(path, table));
      return Exit.DONE;
    }),
};

const verify: CommandSpec = {
  name: "verify",
  summary: "Check both copies, the MBR and the partitions; exit 3 if something is damaged",
  arguments: DISK,
  options: [BLOCK_SIZE],
  run: (context, given) =>
    withTable(context, given, true, ({ path, core, id }) => {
      const findings = verifyGpt(core, id);
      const damage = findings.filter(isDamage).length;
      context.out.result({ path, damage, findings }, () =>
        [...findings.map(sentence), `${path}: ${verdict(damage)}`].join("\n"),
      );
      return damage === 0 ? Exit.DONE : Exit.DAMAGE;
    }),
};

const repair: CommandSpec = {
  name: "repair",
  summary: "Mend a damaged copy from the other; move the backup to the end of a grown disk",
  arguments: DISK,
  writes: true,
  options: [BLOCK_SIZE, ...TABLE_BACKUP],
  run: (context, given) => {
    const { dryRun, out } = context;
    return withTable(context, given, dryRun, (disk) => {
      const { path, core, id } = disk;
      const planned = repairGpt(core, id, { dryRun: true });
      const idle = dryRun || planned.repaired.length === 0;
      const tableBackup = idle ? undefined : saveOldTable(disk, given.options);
      const { repaired, remaining } = dryRun ? planned : repairGpt(core, id);
      const damage = remaining.filter(isDamage).length;
      out.result({ path, dryRun, repaired, remaining, tableBackup: tableBackup ?? null }, () =>
        [
          ...repaired.map((each) => `${sentence(each)} [${dryRun ? "would be mended" : "mended"}]`),
          ...remaining.map(sentence),
          ...(tableBackup === undefined ? [] : [`table as it was: ${tableBackup}`]),
          `${path}: ${verdict(damage)}`,
        ].join("\n"),
      );
      return damage === 0 ? Exit.DONE : Exit.DAMAGE;
    });
  },
};

const backup: CommandSpec = {
  name: "backup",
  summary: "Save the MBR and both copies to a file; - is standard output",
  arguments: { ...DISK, "<file>": "where to" },
  options: [BLOCK_SIZE, { flags: "--force", summary: "replace what is there" }],
  run: (context, given) =>
    withTable(context, given, true, ({ path, core, id }) => {
      const [, file = ""] = given.positionals;
      const saved = backupGpt(core, id);
      if (file === "-") {
        if (context.json) throw new UsageError("--json and - both want standard output");
        context.out.bytes(saved);
        return Exit.DONE;
      }
      writeDurably(file, saved, given.options["force"] === true);
      const told = { path, file, bytes: saved.length };
      context.out.result(told, `${file}: table of ${path}, ${saved.length} bytes`);
      return Exit.DONE;
    }),
};

const restore: CommandSpec = {
  name: "restore",
  summary: "Write back what backup saved, onto the same disk or one of the same size",
  arguments: { ...DISK, "<file>": "what backup wrote; - is standard input" },
  writes: true,
  options: [BLOCK_SIZE, ...TABLE_BACKUP],
  run: (context, given) => {
    const { dryRun, out } = context;
    return withTable(context, given, dryRun, async (disk) => {
      const { path, core, id } = disk;
      const [, file = ""] = given.positionals;
      const saved = readSaved(file);
      restoreGpt(core, id, saved, { dryRun: true });
      if (!dryRun) await context.confirm(`Replace the table of ${path} by that of ${file}?`);
      const tableBackup = dryRun ? undefined : saveOldTable(disk, given.options);
      if (!dryRun) restoreGpt(core, id, saved);
      const told = { path, file, dryRun, tableBackup: tableBackup ?? null };
      out.result(told, dryRun ? `${file} fits ${path}` : `${path}: table of ${file} restored`);
      return Exit.DONE;
    });
  },
};

export const gpt: CommandSpec = {
  name: "gpt",
  summary: "Partition tables: show, check, mend, make, change, save",
  subcommands: [print, verify, repair, create, add, remove, resize, rename, type, backup, restore],
};

function sentence({ lba, message, severity }: Finding): string {
  return `LBA ${lba}: ${message}${severity === "advice" ? " [advice]" : ""}`;
}

function verdict(damage: number): string {
  return damage === 0 ? "clean" : `${damage} damaged`;
}
