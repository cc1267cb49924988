/** JSON text to a value, strictly: a field that is written twice is refused, not overwritten. */
import { fieldPath, JsonError } from "./check.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** An object or array that the scan is inside of. */
interface Frame {
  readonly place: string;
  /** Names so far; undefined in an array. */
  readonly names: Set<string> | undefined;
  /** The field whose value comes next, or the index of the item. */
  name: string | undefined;
  index: number;
}

/** @throws {JsonError} EINVAL: not UTF-8, not JSON, or a field that is there twice */
export function parseJson(data: Uint8Array | string): unknown {
  let text: string;
  let value: unknown;
  try {
    text = typeof data === "string" ? data : decoder.decode(data);
    value = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new JsonError("", `not JSON: ${why}`, "value", cause);
  }
  refuseTwins(text);
  return value;
}

/** JSON.parse keeps the last of two fields of one name; this finds them. The text is valid. */
function refuseTwins(text: string): void {
  const frames: Frame[] = [];
  for (const [token] of text.matchAll(TOKEN)) {
    const frame = frames.at(-1);
    if (token === "{" || token === "[") {
      const names = token === "{" ? new Set<string>() : undefined;
      frames.push({ place: placeIn(frame), names, name: undefined, index: 0 });
    } else if (token === "}" || token === "]") {
      frames.pop();
    } else if (frame === undefined || token === ":") {
      // A text alone, or the colon between a name and its value.
    } else if (token === ",") {
      frame.index++;
      frame.name = undefined;
    } else if (frame.names !== undefined && frame.name === undefined) {
      const name = JSON.parse(token) as string;
      if (frame.names.has(name)) {
        throw new JsonError(fieldPath(frame.place, name), "the field is there twice", "value");
      }
      frame.names.add(name);
      frame.name = name;
    }
  }
}

function placeIn(frame: Frame | undefined): string {
  if (frame === undefined) return "";
  const { place, name, names, index } = frame;
  return names === undefined ? `${place}[${index}]` : fieldPath(place, name ?? "");
}
