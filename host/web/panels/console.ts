/** The machine's serial console; what stands in brackets in front is who says it. */

import { useEffect, useRef } from "preact/hooks";
import { h, type View } from "../view/h.ts";
import { Panel, type PanelProps } from "../view/parts.ts";

const MARKER = /^(\[[^\]]+\]|[a-z ]+:)/;

export function Console({ store }: PanelProps): View {
  const end = useRef<HTMLDivElement>(null);
  const { length } = store.lines;
  // The last line is in sight, as on a terminal.
  useEffect(() => {
    const box = end.current;
    if (box !== null && length > 0) box.scrollTop = box.scrollHeight;
  }, [length]);
  return h(
    Panel,
    { id: "console", title: "Console" },
    h(
      "div",
      {
        ...{ class: "console", ref: end, role: "log", tabIndex: 0 },
        ...{ "aria-live": "polite", "aria-label": "Console of the machine" },
      },
      length === 0 ? h("p", { class: "quiet" }, "Nothing was printed yet. Boot the disk.") : null,
      ...store.lines.map((line, index) => h("div", { key: index }, ...marked(line))),
    ),
  );
}

function marked(line: string): (View | string)[] {
  const [marker] = MARKER.exec(line) ?? [];
  if (marker === undefined) return [line];
  return [h("b", null, marker), line.slice(marker.length)];
}
