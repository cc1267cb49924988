/** The check of a mount, its findings, and paths that lead to what was found. */
import { ErrorCode } from "../format/errors";
import { FileType } from "../format/wf";
import { foundIno, foundName, foundNameLength, Mount, mountReverse } from "./mount";
import { imageLength, imageType } from "./ro/lookup";
import { contentClose, contentOpen, contentVerify } from "./ro/read";
import { Findings, findingFault, findingsClear } from "./wf/check";

const INO_ROOT: u64 = 1;
const SLASH: u8 = 0x2f;

/** Checks everything; the findings are the mount's. An error: the check could not be made. */
export function mountCheck(mount: Mount, data: bool): ErrorCode {
  findingsClear(mount.findings);
  return data ? verifyImage(mount) : ErrorCode.OK;
}

/** An open image has passed all rules of its index; what is left is content. */
function verifyImage(mount: Mount): ErrorCode {
  const image = mount.image;
  for (let number: u32 = 1; number < image.nodes; number++) {
    if (imageType(image, number) === <u32>FileType.DIRECTORY) continue;
    const content = contentOpen(image, number);
    if (content === null) return ErrorCode.ENOMEM;
    const code = contentVerify(content);
    contentClose(content);
    if (code === ErrorCode.ENOMEM) return code;
    if (code === ErrorCode.OK) continue;
    findingFault(mount.findings, <u64>number + 1, 0, imageLength(image, number));
  }
  return ErrorCode.OK;
}

/** Writes a path that leads to `ino`: its length, ENOENT, or ENAMETOOLONG. */
export function mountPath(mount: Mount, ino: u64, out: usize, room: u32): i32 {
  // Names come from the last to the first, so the path grows down from the end of the room.
  let at = room;
  while (ino !== INO_ROOT) {
    const code = mountReverse(mount, ino);
    if (code !== ErrorCode.OK) return code;
    if (foundNameLength + 1 > at) return ErrorCode.ENAMETOOLONG;
    at -= foundNameLength;
    memory.copy(out + at, foundName, foundNameLength);
    at -= 1;
    store<u8>(out + at, SLASH);
    ino = foundIno;
  }
  if (at === room) {
    at -= 1;
    store<u8>(out + at, SLASH);
  }
  memory.copy(out, out + at, room - at);
  return <i32>(room - at);
}
