/** Tars made by hand, header by header, so that they can lie. */
import { Buffer } from "node:buffer";

export interface Member {
  readonly name?: string | Uint8Array;
  readonly type?: string;
  readonly content?: string | Uint8Array;
  readonly link?: string | Uint8Array;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  /** What the header says, if it lies. */
  readonly size?: number;
  readonly device?: readonly [number, number];
  /** Records of a pax header in front. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>;
}

/** An archive with its two empty blocks. */
export function tar(...members: readonly Member[]): Uint8Array {
  return Buffer.concat([...members.map(memberBytes), Buffer.alloc(1024)]);
}

export function memberBytes(member: Member): Buffer {
  const { name = "file", type = "0", link = "", mode = 0o644, pax } = member;
  const content = Buffer.from(member.content ?? "");
  const header = Buffer.alloc(512);
  const put = (at: number, value: string | Uint8Array) => Buffer.from(value).copy(header, at);
  const octal = (at: number, size: number, value: number) =>
    put(at, `${value.toString(8).padStart(size - 1, "0")}\0`);
  put(0, Buffer.from(name).subarray(0, 100));
  octal(100, 8, mode);
  octal(108, 8, member.uid ?? 0);
  octal(116, 8, member.gid ?? 0);
  octal(124, 12, member.size ?? content.length);
  octal(136, 12, member.mtime ?? 1_700_000_000);
  put(156, type);
  put(157, Buffer.from(link).subarray(0, 100));
  put(257, "ustar\0" + "00");
  const [major = 0, minor = 0] = member.device ?? [];
  octal(329, 8, major);
  octal(337, 8, minor);
  put(148, "        ");
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  const own = Buffer.concat([header, content, padding]);
  if (pax === undefined) return own;
  const records = Object.entries(pax).map(([key, value]) => paxRecord(key, value));
  const front = memberBytes({ name: "PaxHeader", type: "x", content: Buffer.concat(records) });
  return Buffer.concat([front, own]);
}

function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return Buffer.concat([Buffer.from(`${length}`), rest]);
}
