/** The image as a file of the person's own, and a report of a problem as text. */

import { useState } from "preact/hooks";
import type { OpenDisk } from "../rpc/api.ts";
import { h, type View } from "../view/h.ts";
import { Button, Panel, type PanelProps } from "../view/parts.ts";
import { size } from "../view/words.ts";

/** A browser has begun to read a file well before this. */
const KEEP_ADDRESS_MS = 600_000;

export function Download({ store, disk }: PanelProps & { disk: OpenDisk }): View {
  const disabled = store.running !== undefined || !disk.powered || disk.where === "file";
  const download = (packed: boolean) =>
    store.act(
      "Preparing the download",
      async (options) => {
        const { blob, name } = await store.api.download({ packed }, options);
        save(blob, name);
        return `${name}, ${size(blob.size)}, is handed to the browser.`;
      },
      { stoppable: true },
    );
  return h(
    Panel,
    { id: "download", title: "Download" },
    h(
      "p",
      { class: "row" },
      h(Button, { disabled, onClick: () => download(false) }, "Download the image"),
      h(Button, { disabled, onClick: () => download(true) }, "Download it packed (gzip)"),
    ),
    disk.where === "file" ? h("p", { class: "quiet" }, "It is a file of yours already.") : null,
  );
}

function save(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), KEEP_ADDRESS_MS);
}

export function Problem({ store }: PanelProps): View {
  const [problem, setProblem] = useState("");
  const [text, setText] = useState("");
  const write = async () => {
    try {
      setText(await store.api.report({ problem }));
    } catch (error) {
      store.fail(error);
    }
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      store.say("done", "The report is copied.");
    } catch {
      store.say("error", "The browser does not let the page copy. Select the text and copy it.");
    }
  };
  const typed = (event: Event) => setProblem((event.currentTarget as HTMLTextAreaElement).value);
  return h(
    Panel,
    { id: "problem", title: "Report a problem" },
    h(
      "div",
      { class: "field" },
      h("label", { for: "what" }, "What happened"),
      h("textarea", { id: "what", rows: 3, value: problem, onInput: typed }),
    ),
    h(Button, { onClick: write }, "Write the report"),
    text === ""
      ? null
      : [
          h(
            "div",
            { class: "field" },
            h("label", { for: "report" }, "Report: nothing is sent, copy it where you want it"),
            h("textarea", { id: "report", rows: 12, readOnly: true, value: text }),
          ),
          h(Button, { onClick: copy }, "Copy it"),
        ],
  );
}
