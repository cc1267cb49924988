/** What an entry of an ext4 volume says, taken out of the module's memory. */
import {
  EXT4_STAT_ATIME,
  EXT4_STAT_ATIME_NS,
  EXT4_STAT_BYTES,
  EXT4_STAT_CRTIME,
  EXT4_STAT_CRTIME_NS,
  EXT4_STAT_CTIME,
  EXT4_STAT_CTIME_NS,
  EXT4_STAT_GID,
  EXT4_STAT_INODE,
  EXT4_STAT_LINKS,
  EXT4_STAT_MAJOR,
  EXT4_STAT_MINOR,
  EXT4_STAT_MODE,
  EXT4_STAT_MTIME,
  EXT4_STAT_MTIME_NS,
  EXT4_STAT_NAME_LENGTH,
  EXT4_STAT_SECTORS,
  EXT4_STAT_SIZE,
  EXT4_STAT_TARGET_LENGTH,
  EXT4_STAT_UID,
} from "../../../../assembly/format/media/calls-ext4.ts";
import {
  MODE_BLOCK,
  MODE_CHARACTER,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_SOCKET,
  MODE_SYMLINK,
  MODE_TYPE,
} from "../../../../assembly/format/media/ext4-inode.ts";

const NANOSECONDS = 1_000_000_000n;
const KINDS: ReadonlyMap<number, Ext4Kind> = new Map<number, Ext4Kind>([
  [MODE_DIRECTORY, "directory"],
  [MODE_SYMLINK, "symlink"],
  [MODE_CHARACTER, "chardev"],
  [MODE_BLOCK, "blockdev"],
  [MODE_FIFO, "fifo"],
  [MODE_SOCKET, "socket"],
]);

export type Ext4Kind =
  | "file"
  | "directory"
  | "symlink"
  | "chardev"
  | "blockdev"
  | "fifo"
  | "socket";

export interface Ext4Stat {
  readonly name: string;
  readonly kind: Ext4Kind;
  /** The 12 bits of permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly inode: number;
  /** 0 but for a file; a link's is the length of its target. */
  readonly sizeBytes: number;
  /** Of 512 bytes, that it takes. */
  readonly blocks: number;
  /** Nanoseconds since 1970 UTC; crtime is 0 where the volume does not keep it. */
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly crtimeNs: bigint;
  /** Target of a symbolic link. */
  readonly target?: string | undefined;
  /** Numbers of a device. */
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
}

/** The module's memory, as far as it is needed here. */
interface Memory {
  readonly view: DataView;
  text(address: number, length: number): string;
}

/** The EXT4_STAT at `at`, of the entry `name`. */
export function readStat(memory: Memory, at: number, name: string): Ext4Stat {
  const { view } = memory;
  const word = (field: number) => view.getUint32(at + field, true);
  const time = (field: number, nsField: number) =>
    view.getBigInt64(at + field, true) * NANOSECONDS + BigInt(word(nsField));
  const mode = word(EXT4_STAT_MODE);
  const kind = KINDS.get(mode & MODE_TYPE) ?? "file";
  const isDevice = kind === "chardev" || kind === "blockdev";
  const target = at + EXT4_STAT_SIZE + word(EXT4_STAT_NAME_LENGTH);
  const targetLength = word(EXT4_STAT_TARGET_LENGTH);
  const hasSize = kind === "file" || kind === "symlink";
  return {
    name,
    kind,
    mode: mode & 0o7777,
    uid: word(EXT4_STAT_UID),
    gid: word(EXT4_STAT_GID),
    links: word(EXT4_STAT_LINKS),
    inode: word(EXT4_STAT_INODE),
    sizeBytes: hasSize ? view.getFloat64(at + EXT4_STAT_BYTES, true) : 0,
    blocks: view.getFloat64(at + EXT4_STAT_SECTORS, true),
    atimeNs: time(EXT4_STAT_ATIME, EXT4_STAT_ATIME_NS),
    mtimeNs: time(EXT4_STAT_MTIME, EXT4_STAT_MTIME_NS),
    ctimeNs: time(EXT4_STAT_CTIME, EXT4_STAT_CTIME_NS),
    crtimeNs: time(EXT4_STAT_CRTIME, EXT4_STAT_CRTIME_NS),
    target: kind === "symlink" ? memory.text(target, targetLength) : undefined,
    device: isDevice ? { major: word(EXT4_STAT_MAJOR), minor: word(EXT4_STAT_MINOR) } : undefined,
  };
}
