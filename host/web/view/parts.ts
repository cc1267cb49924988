/** The small pieces that every panel is made of. */
import { type Children, h, type View } from "./h.ts";
import type { Store } from "./store.ts";

export interface PanelProps {
  readonly store: Store;
}

/** A part of the page with a heading that names it. */
export function Panel(props: { id: string; title: string; children?: Children }): View {
  const { id, title, children } = props;
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), children);
}

export interface ButtonProps {
  readonly onClick: () => unknown;
  readonly children?: Children;
  readonly disabled?: boolean | undefined;
  readonly kind?: "main" | "danger" | undefined;
  /** Read out in place of the text, where the text alone does not tell. */
  readonly label?: string | undefined;
}

export function Button({ onClick, children, disabled, kind, label }: ButtonProps): View {
  const given = { type: "button" as const, class: kind, disabled, "aria-label": label };
  return h("button", { ...given, onClick: () => void onClick() }, children);
}

export interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly hint?: string | undefined;
}

export function TextField({ id, label, value, onInput, hint }: FieldProps): View {
  const described = hint === undefined ? {} : { "aria-describedby": `${id}-hint` };
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    h("input", {
      ...{ id, type: "text", value, autocomplete: "off", spellcheck: false, ...described },
      onInput: (event: Event) => onInput((event.currentTarget as HTMLInputElement).value),
    }),
    hint === undefined ? null : h("small", { id: `${id}-hint` }, hint),
  );
}

export interface CheckProps {
  readonly id: string;
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly disabled?: boolean | undefined;
}

export function Check({ id, label, checked, onChange, disabled }: CheckProps): View {
  return h(
    "div",
    { class: "check" },
    h("input", {
      ...{ id, type: "checkbox", checked, disabled },
      onChange: (event: Event) => onChange((event.currentTarget as HTMLInputElement).checked),
    }),
    h("label", { for: id }, label),
  );
}

/** A file input with a label; `folder` asks for a whole folder. */
export function FileField(props: {
  id: string;
  label: string;
  onFiles: (files: readonly File[]) => void;
  folder?: boolean;
  multiple?: boolean;
  accept?: string;
}): View {
  const { id, label, onFiles, folder = false, multiple = folder, accept } = props;
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    h("input", {
      ...{ id, type: "file", multiple, accept },
      ...(folder ? { webkitdirectory: true } : {}),
      onChange: (event: Event) => {
        const input = event.currentTarget as HTMLInputElement;
        onFiles([...(input.files ?? [])]);
      },
    }),
  );
}

export type Cell = Children;

/** A table whose first column names its row. */
export function Table(props: {
  caption: string;
  head: readonly string[];
  rows: readonly (readonly Cell[])[];
}): View {
  const { caption, head, rows } = props;
  return h(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      null,
      h("caption", null, caption),
      h("thead", null, h("tr", null, ...head.map((text) => h("th", { scope: "col" }, text)))),
      h(
        "tbody",
        null,
        ...rows.map(([first, ...rest]) =>
          h(
            "tr",
            null,
            h("th", { scope: "row" }, first),
            ...rest.map((cell) => h("td", null, cell)),
          ),
        ),
      ),
    ),
  );
}
