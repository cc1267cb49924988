/** The signatures of a Wasm module's imports and exports, out of its binary. */
import { WasmReader } from "../../host/system/service/binary.ts";

/** Such as "(i32, f64): i32". */
export type Signatures = ReadonlyMap<string, string>;

const TYPES: Readonly<Record<number, string>> = { 127: "i32", 126: "i64", 125: "f32", 124: "f64" };
const SECTION = { TYPE: 1, IMPORT: 2, FUNCTION: 3, EXPORT: 7 } as const;
const FUNCTION_TYPE = 0x60;
const HEAD_BYTES = 8;

/** Functions that a module takes ("host.submit") and gives ("fatOpen"). */
export function signaturesOf(bytes: Uint8Array): { imports: Signatures; exports: Signatures } {
  const types: string[] = [];
  const functions: number[] = [];
  const imports = new Map<string, string>();
  const exports = new Map<string, string>();
  const all = new WasmReader(bytes, HEAD_BYTES);
  while (!all.done) {
    const id = all.u8();
    const length = all.u32();
    const section = new WasmReader(bytes, all.at, all.at + length);
    all.at += length;
    if (!Object.values(SECTION).some((known) => known === id)) continue;
    const count = section.u32();
    for (let index = 0; index < count; index++) {
      if (id === SECTION.TYPE) types.push(functionType(section));
      else if (id === SECTION.FUNCTION) functions.push(section.u32());
      else if (id === SECTION.IMPORT) {
        const name = `${text(section)}.${text(section)}`;
        if (section.u8() !== 0) throw new Error(`${name} is no function`);
        const type = section.u32();
        functions.push(type);
        imports.set(name, types[type] as string);
      } else {
        const name = text(section);
        const isFunction = section.u8() === 0;
        const at = section.u32();
        if (isFunction) exports.set(name, types[functions[at] as number] as string);
      }
    }
  }
  return { imports, exports };
}

function functionType(reader: WasmReader): string {
  if (reader.u8() !== FUNCTION_TYPE) throw new Error("a type that is no function's");
  const list = () => Array.from({ length: reader.u32() }, () => TYPES[reader.u8()] ?? "?");
  const given = list();
  const result = list();
  return `(${given.join(", ")})${result.length === 0 ? "" : `: ${result.join(", ")}`}`;
}

function text(reader: WasmReader): string {
  const length = reader.u32();
  const start = reader.at;
  reader.at += length;
  return new TextDecoder().decode(reader.bytes.subarray(start, reader.at));
}
