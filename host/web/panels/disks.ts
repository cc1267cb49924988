/** The disks that are kept, a new one, a file of the person's own, and what the storage is like. */

import { useState } from "preact/hooks";
import type { DiskEntry, StorageFacts } from "../rpc/api.ts";
import { h, type View } from "../view/h.ts";
import { Button, FileField, Panel, type PanelProps, Table, TextField } from "../view/parts.ts";
import { size } from "../view/words.ts";

const NEW = { name: "disk1", size: "1GiB" };

export function Disks({ store }: PanelProps): View {
  const [name, setName] = useState(NEW.name);
  const [sizeText, setSize] = useState(NEW.size);
  const { state, running, api } = store;
  const disabled = running !== undefined || state === undefined;
  const make = () =>
    store.act("Making the disk", async () => {
      await api.create({ name: name.trim(), size: sizeText.trim() });
      await api.open({ name: name.trim() });
      return `The disk ${name.trim()} is made. It is blank.`;
    });
  const upload = ([file]: readonly File[]) => {
    if (file === undefined) return;
    void store.act("Opening the file", async () => {
      await api.upload({ file });
      return `${file.name} is open. It is not written to: what you change stays in memory.`;
    });
  };
  return h(
    Panel,
    { id: "disks", title: "Disks" },
    state === undefined ? h("p", null, "Loading.") : h(List, { store, disks: state.disks }),
    h(
      "form",
      {
        "aria-label": "New disk",
        onSubmit: (event: Event) => {
          event.preventDefault();
          void make();
        },
      },
      h(TextField, { id: "new-name", label: "Name", value: name, onInput: setName }),
      h(TextField, {
        ...{ id: "new-size", label: "Size", value: sizeText, onInput: setSize },
        hint: "such as 320MiB or 1GiB; only what is written takes space",
      }),
      h("button", { type: "submit", class: "main", disabled }, "Make a disk"),
    ),
    h(FileField, {
      ...{ id: "upload", label: "Or look into an image of yours", onFiles: upload },
    }),
    state === undefined ? null : h(Storage, { store, facts: state.storage }),
  );
}

function List({ store, disks }: PanelProps & { disks: readonly DiskEntry[] }): View {
  const [doomed, setDoomed] = useState<string>();
  const { api, running, state } = store;
  const disabled = running !== undefined;
  if (disks.length === 0) return h("p", null, "There is no disk yet.");
  const open = (name: string, readOnly: boolean) =>
    store.act("Opening the disk", async () => {
      await api.open({ name, readOnly });
      return undefined;
    });
  const remove = (name: string) => {
    setDoomed(undefined);
    return store.act("Deleting the disk", async () => {
      await api.remove({ name });
      return `The disk ${name} is deleted.`;
    });
  };
  const rows = disks.map(({ name, sizeBytes, payload }) => {
    const isOpen = state?.open?.name === name;
    const buttons =
      doomed === name
        ? [
            h(Button, { kind: "danger", disabled, onClick: () => remove(name) }, `Delete ${name}`),
            h(Button, { onClick: () => setDoomed(undefined) }, "Keep it"),
          ]
        : [
            h(
              Button,
              { disabled, label: `Open ${name}`, onClick: () => open(name, false) },
              "Open",
            ),
            h(
              Button,
              { disabled, label: `Open ${name} read-only`, onClick: () => open(name, true) },
              "Read-only",
            ),
            h(
              Button,
              { disabled, label: `Delete ${name}…`, onClick: () => setDoomed(name) },
              "Delete…",
            ),
          ];
    const what =
      payload === undefined ? "" : payload.ready ? "payload ready" : "payload incomplete";
    return [name, size(sizeBytes), isOpen ? "open" : what, h("span", { class: "row" }, buttons)];
  });
  return h(Table, { caption: "Disks", head: ["Name", "Size", "State", "Actions"], rows });
}

const PLACES = {
  opfs: "the browser's own filesystem (OPFS)",
  indexeddb: "the browser's database (IndexedDB)",
  memory: "memory",
} as const;

/** When a disk takes its room. */
const ROOM = {
  opfs: "a disk has its whole size from the start",
  indexeddb: "a disk takes what is written to it",
  memory: "a disk takes what is written to it",
} as const;

function Storage({ store, facts }: PanelProps & { facts: StorageFacts }): View {
  const reserved = (store.state?.disks ?? []).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { kind, why, flush, quotaBytes, usageBytes, persisted, isolated } = facts;
  const persist = () =>
    store.act("Asking", async () => {
      const given = await navigator.storage.persist();
      await store.api.refresh();
      if (given) return "The browser keeps the disks until you delete them.";
      throw new Error("The browser did not grant it. Disks may be evicted when space is short.");
    });
  const words: [string, string][] = [
    ["Kept in", PLACES[kind]],
    ["A FLUSH", flush],
    ["Size of all disks", `${size(reserved)}: ${ROOM[kind]}`],
    ["Used", usageBytes === undefined ? "not told" : size(usageBytes)],
    ["Quota", quotaBytes === undefined ? "not told" : size(quotaBytes)],
    ["Persistent", persisted ? "yes" : "no: may be evicted when space is short"],
    ["Cross-origin isolated", isolated ? "yes: threads may share memory" : "no"],
  ];
  return h(
    "details",
    { class: "facts", open: kind === "memory" },
    h("summary", null, "Storage"),
    why === undefined ? null : h("p", { class: kind === "memory" ? "warning" : "quiet" }, why),
    h("dl", null, ...words.flatMap(([term, text]) => [h("dt", null, term), h("dd", null, text)])),
    persisted || kind === "memory"
      ? null
      : h(
          Button,
          { disabled: store.running !== undefined, onClick: persist },
          "Ask to keep the disks",
        ),
  );
}
