/** ABI: checks a volume of ext2, ext3 or ext4. */
import { HandleKind, handleRequire } from "../../engine/handles";
import { ErrorCode } from "../../format/errors";
import { ext4CheckAll } from "../../mkfs/ext4/check/check";
import { findingAt, findingsCount, findingsEnd } from "../../mkfs/ext4/check/findings";
import { Ext4 } from "../../mkfs/ext4/read/volume";

/** Checks all of a volume: how many findings there are; EOPNOTSUPP, ENOMEM, EIO. */
export function ext4Check(volume: u32): i32 {
  const ext4 = changetype<Ext4>(handleRequire(volume, HandleKind.EXT4));
  return ext4 === null ? ErrorCode.EBADF : ext4CheckAll(ext4);
}

/** Address of finding `index`, an EXT4_FINDING; 0 behind the last one. */
export function ext4Finding(index: u32): usize {
  return index < findingsCount() ? findingAt(index) : 0;
}

/** Gives back the memory of the findings. */
export function ext4CheckEnd(): void {
  findingsEnd();
}
