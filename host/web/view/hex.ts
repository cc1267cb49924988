/** Bytes as people read them: offset, sixteen numbers, what they are in ASCII. */
import { h, type View } from "./h.ts";

const ROW = 16;

export function HexView(props: { bytes: Uint8Array; offset: number; label: string }): View {
  const { bytes, offset, label } = props;
  return h(
    "pre",
    { class: "hex", tabIndex: 0, role: "region", "aria-label": label },
    rowsOf(bytes, offset).join("\n"),
  );
}

/** "00000010  41 42 ...  AB..." for each sixteen bytes. */
export function rowsOf(bytes: Uint8Array, offset: number): string[] {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += ROW) {
    const row = [...bytes.subarray(at, at + ROW)];
    const place = (offset + at).toString(16).padStart(8, "0");
    const numbers = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    rows.push(`${place}  ${numbers.padEnd(ROW * 3 - 1)}  ${text.join("")}`);
  }
  return rows;
}
