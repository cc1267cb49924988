/** `h` of preact with types that exactOptionalPropertyTypes accepts: every node is a View. */
import { type ComponentChildren, h as make, type VNode } from "preact";

export type View = VNode;
export type Children = ComponentChildren;

interface Keyed {
  readonly key?: string | number | undefined;
}

type Attributes = Readonly<Record<string, unknown>>;

export function h(type: string, props: Attributes | null, ...children: Children[]): View;
export function h<Props>(
  type: (props: Props) => View | null,
  props: (Props & Keyed) | null,
  ...children: Children[]
): View;
export function h(type: unknown, props: unknown, ...children: Children[]): View {
  return make(type as string, props as null, ...children);
}
