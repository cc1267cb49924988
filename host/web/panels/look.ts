/** Looking into the disk: files and objects, with their bytes. */

import { useEffect, useState } from "preact/hooks";
import type { ObjectRow, OpenDisk, Piece, VolumeEntry } from "../rpc/api.ts";
import { h, type View } from "../view/h.ts";
import { HexView } from "../view/hex.ts";
import { Button, Panel, type PanelProps, Table } from "../view/parts.ts";
import { size } from "../view/words.ts";

const PIECE_BYTES = 1024;

interface Shown {
  readonly title: string;
  readonly read: (offset: number) => Promise<Piece>;
  readonly piece: Piece;
}

export function Look({ store, disk }: PanelProps & { disk: OpenDisk }): View | null {
  const { volumes } = disk;
  const [volumeId, setVolume] = useState(volumes[0]?.id ?? "");
  const [path, setPath] = useState("/");
  const [entries, setEntries] = useState<readonly VolumeEntry[]>([]);
  const [objects, setObjects] = useState<readonly ObjectRow[]>([]);
  const [shown, setShown] = useState<Shown>();
  const volume = volumes.find(({ id }) => id === volumeId) ?? volumes[0];
  const id = volume?.id;
  const kind = volume?.kind;
  const { api } = store;
  // Anew whenever another place is chosen, or something was done to the disk.
  useEffect(() => {
    if (id === undefined) return;
    let isCurrent = true;
    const unless = <T>(set: (value: T) => void) => {
      return (value: T) => {
        if (isCurrent) set(value);
      };
    };
    const asked =
      kind === "objects"
        ? api.objects({ volume: id }).then(unless(setObjects))
        : api.list({ volume: id, path }).then(unless(setEntries));
    asked.catch(
      unless((error: unknown) => {
        setEntries([]);
        // A folder that is gone: back to where something is.
        if (path !== "/") setPath("/");
        else store.fail(error);
      }),
    );
    return () => {
      isCurrent = false;
    };
  }, [id, kind, path, disk]);
  if (volume === undefined || id === undefined) return null;
  const show = async (title: string, read: Shown["read"], offset = 0) => {
    try {
      setShown({ title, read, piece: await read(offset) });
    } catch (error) {
      store.fail(error);
    }
  };
  const choose = (event: Event) => {
    setVolume((event.currentTarget as HTMLSelectElement).value);
    setPath("/");
    setShown(undefined);
  };
  const openFile = (name: string) => {
    const at = joined(path, name);
    const given = { volume: id, path: at, length: PIECE_BYTES };
    return show(at, (offset) => api.readFile({ ...given, offset }));
  };
  const openObject = (hash: string) => {
    const given = { volume: id, hash, length: PIECE_BYTES };
    return show(`object ${hash.slice(0, 16)}`, (offset) => api.readObject({ ...given, offset }));
  };
  return h(
    Panel,
    { id: "look", title: "Files and objects" },
    h(
      "div",
      { class: "field" },
      h("label", { for: "volume" }, "Where"),
      h(
        "select",
        { id: "volume", value: id, onChange: choose },
        ...volumes.map(({ id: value, title }) => h("option", { value, key: value }, title)),
      ),
    ),
    kind === "objects"
      ? h(Table, {
          ...{ caption: "Objects of the store", head: ["SHA-256", "Size"] },
          rows: objects.map(({ hash, sizeBytes }) => [
            h(
              Button,
              { onClick: () => openObject(hash), label: `Show object ${hash.slice(0, 16)}` },
              h("code", null, `${hash.slice(0, 16)}…`),
            ),
            size(sizeBytes),
          ]),
        })
      : [
          h(Trail, { path, setPath }),
          h(Table, {
            ...{ caption: `Entries of ${path}`, head: ["Name", "Kind", "Size"] },
            rows: entries.map(({ name, kind: entryKind, sizeBytes }) => [
              entryKind === "directory"
                ? h(
                    Button,
                    { onClick: () => setPath(joined(path, name)), label: `Open folder ${name}` },
                    `${name}/`,
                  )
                : entryKind === "file"
                  ? h(
                      Button,
                      { onClick: () => openFile(name), label: `Show bytes of ${name}` },
                      name,
                    )
                  : name,
              entryKind,
              entryKind === "file" ? size(sizeBytes) : "",
            ]),
          }),
        ],
    shown === undefined ? null : h(Bytes, { shown, show }),
  );
}

function Trail({ path, setPath }: { path: string; setPath: (path: string) => void }): View {
  const names = path.split("/").filter((name) => name !== "");
  const steps = names.map((name, index) => {
    const at = `/${names.slice(0, index + 1).join("/")}`;
    return h("li", { key: at }, h(Button, { onClick: () => setPath(at) }, name));
  });
  return h(
    "nav",
    { "aria-label": "Path" },
    h(
      "ol",
      { class: "trail" },
      h("li", null, h(Button, { onClick: () => setPath("/"), label: "Root folder" }, "/")),
      ...steps,
    ),
  );
}

function Bytes(props: {
  shown: Shown;
  show: (title: string, read: Shown["read"], offset: number) => Promise<void>;
}): View {
  const { title, read, piece } = props.shown;
  const { offset, sizeBytes, bytes } = piece;
  const turn = (to: number) => props.show(title, read, Math.max(0, to));
  const end = offset + bytes.length;
  return h(
    "div",
    { class: "detail" },
    h("h3", null, title),
    h(
      "p",
      { class: "row" },
      bytes.length === 0 ? `It is empty.` : `Bytes ${offset} to ${end - 1} of ${sizeBytes}.`,
      h(Button, { disabled: offset === 0, onClick: () => turn(offset - PIECE_BYTES) }, "Before"),
      h(Button, { disabled: end >= sizeBytes, onClick: () => turn(end) }, "After"),
    ),
    h(HexView, { bytes, offset, label: `Bytes of ${title}` }),
  );
}

function joined(path: string, name: string): string {
  return path === "/" ? `/${name}` : `${path}/${name}`;
}
