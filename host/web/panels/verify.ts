/** Everything on the disk checked, and what is wrong mended where that needs no guess. */

import { useState } from "preact/hooks";
import type { OpenDisk, VerifyReport } from "../rpc/api.ts";
import { h, type View } from "../view/h.ts";
import { Button, Panel, type PanelProps, Table } from "../view/parts.ts";
import { count } from "../view/words.ts";

export function Verify({ store, disk }: PanelProps & { disk: OpenDisk }): View {
  const [report, setReport] = useState<VerifyReport>();
  const disabled = store.running !== undefined || !disk.powered;
  const verify = (repair: boolean) =>
    store.act(
      repair ? "Repairing" : "Verifying",
      async (options) => {
        setReport(undefined);
        const found = await store.api.verify({ repair }, options);
        setReport(found);
        return verdict(found);
      },
      { stoppable: true },
    );
  return h(
    Panel,
    { id: "verify", title: "Verify and repair" },
    h(
      "p",
      { class: "row" },
      h(Button, { disabled, onClick: () => verify(false) }, "Verify"),
      h(Button, { disabled: disabled || disk.readOnly, onClick: () => verify(true) }, "Repair"),
    ),
    report === undefined ? null : h(Report, { report }),
  );
}

function verdict({ damage, findings }: VerifyReport): string {
  if (damage > 0)
    return `${count(damage, "place")} on the disk ${damage === 1 ? "is" : "are"} damaged.`;
  const mended = findings.filter(({ repaired }) => repaired).length;
  return mended === 0 ? "The disk is clean." : `${count(mended, "place")} mended; it is clean now.`;
}

function Report({ report }: { report: VerifyReport }): View {
  const { checked, findings } = report;
  return h(
    "div",
    null,
    h("p", null, `Looked at ${checked.join(", ")}.`),
    findings.length === 0
      ? null
      : h(Table, {
          ...{ caption: "Findings", head: ["Where", "LBA", "What", "State"] },
          rows: findings.map(({ area, partition, lba, message, path, repaired }) => [
            partition === undefined ? area : `${area}, partition ${partition}`,
            `${lba}`,
            path === undefined ? message : `${path}: ${message}`,
            repaired === true ? "mended" : "found",
          ]),
        }),
  );
}
