/** From a payload to an installed disk: choose, read the plan, install, go on after a cut. */

import { useState } from "preact/hooks";
import type { InstallPlan, OpenDisk, Payload, PayloadKind } from "../rpc/api.ts";
import { h, type View } from "../view/h.ts";
import { Button, Check, FileField, Panel, type PanelProps, Table } from "../view/parts.ts";
import { count, size } from "../view/words.ts";

const CHOICES: readonly { kind: PayloadKind; title: string; label: string }[] = [
  { kind: "demo", title: "The built-in demo", label: "" },
  { kind: "files", title: "A folder for the ESP", label: "Folder with EFI/BOOT/BOOTX64.EFI" },
  { kind: "tar", title: "A tar archive for the ESP", label: "Tar archive: tar, tar.gz or tar.zst" },
  { kind: "image", title: "An image or ISO medium", label: "Disk image, or ISO of mkmedia" },
];

export function Install({ store, disk }: PanelProps & { disk: OpenDisk }): View {
  const [kind, setKind] = useState<PayloadKind>("demo");
  const [files, setFiles] = useState<readonly File[]>([]);
  const [erase, setErase] = useState(false);
  const { api, running } = store;
  const disabled = running !== undefined;
  const { plan, view } = disk;
  const isInstalled = view?.table !== undefined && !view.halfInstalled;
  const prepare = () =>
    store.act(
      "Preparing",
      async (options) => {
        await api.prepare({ payload: payloadOf(kind, files), erase }, options);
        return "This is the plan. Nothing is written to the disk yet.";
      },
      { stoppable: true },
    );
  const install = () =>
    store.act(
      "Installing",
      async (options) => {
        const { resumedAt } = await api.install({ erase: erase || isResumed(plan) }, options);
        const resumed = resumedAt === undefined ? "" : ` It went on at the step “${resumedAt}”.`;
        return `Installed on ${disk.name}, read back and equal.${resumed}`;
      },
      { stoppable: true },
    );
  const discard = () =>
    store.act("Discarding", async () => {
      await api.discard();
      return "The payload is discarded. The disk is as it was.";
    });
  const chosen = CHOICES.find((choice) => choice.kind === kind);
  return h(
    Panel,
    { id: "install", title: "Install" },
    isInstalled && plan === undefined ? h("p", null, "A system is installed on this disk.") : null,
    plan === undefined
      ? [
          incomplete(disk),
          h(
            "fieldset",
            { disabled },
            h("legend", null, "Payload"),
            ...CHOICES.map((choice) => radio(choice, kind, setKind)),
          ),
          chosen === undefined || chosen.label === ""
            ? h("p", null, "A small system of ours: boot loader, manifest and three services.")
            : h(FileField, {
                ...{ key: kind, id: `payload-${kind}`, label: chosen.label },
                ...{ folder: kind === "files", onFiles: setFiles },
              }),
          h(Check, {
            ...{ id: "erase", label: "Write over what is on the disk", checked: erase },
            ...{ onChange: setErase, disabled },
          }),
          h(Button, { kind: "main", disabled, onClick: prepare }, "Prepare and show the plan"),
        ]
      : [
          h(Plan, { plan }),
          h(
            "p",
            { class: "row" },
            h(
              Button,
              { kind: "main", disabled, onClick: install },
              isResumed(plan) ? "Resume the installation" : "Install now",
            ),
            h(Button, { disabled, onClick: discard }, "Discard the payload"),
          ),
        ],
  );
}

/** The payload was being made when the page ended. */
function incomplete({ payload }: OpenDisk): View | null {
  if (payload === undefined || payload.ready) return null;
  const text = `${payload.title} was being prepared when the page ended. Choose it again.`;
  return h("p", { class: "warning" }, text);
}

function isResumed(plan: InstallPlan | undefined): boolean {
  return plan?.resumesAt !== undefined;
}

function payloadOf(kind: PayloadKind, files: readonly File[]): Payload {
  if (kind === "demo") return { kind };
  if (kind === "files") {
    // The folder that was chosen is the root: its own name is no part of a path on the ESP.
    const named = files.map((file) => {
      const path = file.webkitRelativePath || file.name;
      return { path: path.slice(path.indexOf("/") + 1), file };
    });
    return { kind, files: named };
  }
  const [file] = files;
  if (file === undefined) throw new Error("Choose a file first.");
  return { kind, file };
}

function radio(
  { kind, title }: { kind: PayloadKind; title: string },
  chosen: PayloadKind,
  choose: (kind: PayloadKind) => void,
): View {
  const id = `kind-${kind}`;
  return h(
    "div",
    { class: "check", key: kind },
    h("input", {
      ...{ id, type: "radio", name: "payload", value: kind, checked: chosen === kind },
      onChange: () => choose(kind),
    }),
    h("label", { for: id }, title),
  );
}

function Plan({ plan }: { plan: InstallPlan }): View {
  const { source, target, partitions, steps, resumesAt } = plan;
  const from = `${count(source.files, "file")}, ${size(source.bytes)}`;
  const rows = partitions.map(({ index, name, first, last, sectors }) => {
    return [`${index} ${name}`, `${first} to ${last}`, size(sectors * 512)];
  });
  return h(
    "div",
    { class: "plan" },
    h("h3", null, "Plan"),
    h("p", null, `From ${from} onto ${size(target.sizeBytes)} that hold ${target.content}.`),
    h(Table, { caption: "Partitions to be made", head: ["Partition", "LBA", "Size"], rows }),
    h(
      "ol",
      { class: "steps" },
      ...steps.map(({ name, title, ranges }) => {
        const bytes = ranges.reduce((sum, { sectors }) => sum + sectors * 512, 0);
        const within = bytes === 0 ? "writes nothing" : `within ${size(bytes)}`;
        const next = name === resumesAt ? { "aria-current": "step" as const } : {};
        return h("li", next, `${title} (${within})`, name === resumesAt ? ": goes on here" : "");
      }),
    ),
  );
}
