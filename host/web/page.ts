/** The whole page: what is going on above, the disks, and the panels of the disk that is open. */

import { Console } from "./panels/console.ts";
import { Disks } from "./panels/disks.ts";
import { Install } from "./panels/install.ts";
import { Look } from "./panels/look.ts";
import { Power, System } from "./panels/system.ts";
import { Download, Problem } from "./panels/transfer.ts";
import { Verify } from "./panels/verify.ts";
import type { OpenDisk } from "./rpc/api.ts";
import { h, type View } from "./view/h.ts";
import { DiskMap } from "./view/map.ts";
import { Button, Panel, type PanelProps } from "./view/parts.ts";
import type { Running } from "./view/store.ts";
import { size } from "./view/words.ts";

export function Page({ store }: PanelProps): View {
  const disk = store.state?.open;
  return h(
    "div",
    { class: "page" },
    h(
      "header",
      null,
      h("h1", null, "Diskwright"),
      h("p", null, "Make a bootable disk, install it, boot it, break it, see it recover: in here."),
    ),
    h(Status, { store }),
    h(
      "main",
      null,
      h(Disks, { store }),
      ...(disk === undefined ? [h(Welcome, null)] : panelsOf(store, disk)),
      h(Problem, { store }),
    ),
  );
}

function panelsOf(store: PanelProps["store"], disk: OpenDisk): View[] {
  // The key: another disk begins with panels that remember nothing of the last one.
  const key = (name: string) => `${name} ${disk.where} ${disk.name}`;
  const isOwn = disk.where !== "file" && !disk.readOnly;
  return [
    h(Power, { store, disk, key: key("power") }),
    h(Overview, { store, disk, key: key("overview") }),
    ...(isOwn && disk.powered ? [h(Install, { store, disk, key: key("install") })] : []),
    h(System, { store, disk, key: key("system") }),
    h(Console, { store, key: key("console") }),
    ...(disk.powered ? [h(Look, { store, disk, key: key("look") })] : []),
    h(Verify, { store, disk, key: key("verify") }),
    h(Download, { store, disk, key: key("download") }),
  ];
}

function Welcome(): View {
  return h(
    Panel,
    { id: "welcome", title: "How to begin" },
    h(
      "ol",
      null,
      h("li", null, "Make a disk. It is kept in this browser, and nothing leaves it."),
      h("li", null, "Install the built-in demo, or files of your own."),
      h("li", null, "Boot it, provision it, update it, and cut the power whenever you like."),
      h("li", null, "Download the image: it boots wherever UEFI does."),
    ),
  );
}

const PLACES = { opfs: "OPFS", indexeddb: "IndexedDB", memory: "memory" } as const;

function Overview({ store, disk }: PanelProps & { disk: OpenDisk }): View {
  const { name, sizeBytes, readOnly, where, view, viewError, powered } = disk;
  const words = [
    size(sizeBytes),
    where === "file" ? "a file of yours, changes stay in memory" : `kept in ${PLACES[where]}`,
    ...(readOnly ? ["read-only"] : []),
    ...(powered ? [] : ["the power is cut"]),
  ];
  const close = () =>
    store.act("Closing the disk", async () => {
      await store.api.close();
      return undefined;
    });
  return h(
    Panel,
    { id: "overview", title: `Disk ${name}` },
    h("p", null, `${words.join(", ")}.`),
    viewError === undefined ? null : h("p", { class: "warning" }, viewError),
    view?.tableError === undefined || !powered ? null : h("p", { class: "quiet" }, view.tableError),
    view?.halfInstalled
      ? h("p", { class: "warning" }, "An installation was cut short here. It can be resumed.")
      : null,
    view?.halfRecovery
      ? h("p", { class: "warning" }, "The recovery partition is half done; the system is whole.")
      : null,
    powered ? h(DiskMap, { disk, running: store.running }) : null,
    h(Button, { disabled: store.running !== undefined, onClick: close }, "Close this disk"),
  );
}

function Status({ store }: PanelProps): View {
  const { running, message } = store;
  return h(
    "div",
    { class: "status" },
    h(
      "div",
      { role: "status" },
      running !== undefined ? `${running.title}…` : message?.kind === "done" ? message.text : "",
    ),
    running === undefined ? null : h(Progress, { running }),
    h(
      "div",
      { role: "alert" },
      message?.kind === "error"
        ? [message.text, message.code === undefined ? null : h("code", null, ` ${message.code}`)]
        : null,
    ),
  );
}

function Progress({ running }: { running: Running }): View {
  const { progress, stop, title } = running;
  const { step, done = 0, total = 0, unit = "" } = progress ?? {};
  const told = unit === "bytes" ? `${size(done)} of ${size(total)}` : `${done} of ${total} ${unit}`;
  const value = total > 0 ? { value: done, max: total } : {};
  return h(
    "div",
    { class: "progress" },
    h("progress", { ...value, "aria-label": title }),
    step === undefined ? null : h("span", null, `${step}: ${told}`),
    stop === undefined ? null : h(Button, { onClick: stop }, "Stop"),
  );
}
