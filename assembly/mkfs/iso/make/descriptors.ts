/** The four descriptors of an image and its boot catalog, as bytes. */
import {
  BLOCK_SIZE,
  BOOT_DESCRIPTOR_CATALOG,
  BOOT_DESCRIPTOR_SYSTEM,
  BOOT_ENTRY_BOOTABLE,
  BOOT_ENTRY_LBA,
  BOOT_ENTRY_SECTORS,
  BOOTABLE,
  DATE_SIZE,
  DESCRIPTOR_APPLICATION,
  DESCRIPTOR_BLOCK_SIZE,
  DESCRIPTOR_CREATED,
  DESCRIPTOR_EFFECTIVE,
  DESCRIPTOR_ESCAPES,
  DESCRIPTOR_EXPIRES,
  DESCRIPTOR_MAGIC,
  DESCRIPTOR_MODIFIED,
  DESCRIPTOR_PATH_BIG,
  DESCRIPTOR_PATH_LITTLE,
  DESCRIPTOR_PATH_SIZE,
  DESCRIPTOR_ROOT,
  DESCRIPTOR_SEQUENCE,
  DESCRIPTOR_SET_ID,
  DESCRIPTOR_SET_SIZE,
  DESCRIPTOR_SPACE,
  DESCRIPTOR_STRUCTURE,
  DESCRIPTOR_SYSTEM_ID,
  DESCRIPTOR_TYPE,
  DESCRIPTOR_VERSION,
  DESCRIPTOR_VOLUME_ID,
  DescriptorType,
  MAGIC_HIGH,
  MAGIC_LOW,
  PLATFORM_EFI,
  RECORD_BYTES,
  RECORD_FLAGS,
  RECORD_IS_DIRECTORY,
  RECORD_LBA,
  RECORD_NAME_LENGTH,
  RECORD_SEQUENCE,
  RECORD_TIME,
  VALIDATION_CHECKSUM,
  VALIDATION_HEADER,
  VALIDATION_MARK,
  VALIDATION_MARK_VALUE,
  VALIDATION_PLATFORM,
  VALIDATION_SIZE,
  VOLUME_ID_SIZE,
} from "../../../format/media/iso";
import { storeDigits, storeLongTime, storeShortTime } from "../time";
import { Build, placeAt, View } from "./build";
import { blocksOf } from "./layout";
import { storeBoth, storeBoth16 } from "./record";

const ROOT_LENGTH: u32 = 34;
/** "%/E": UTF-16. */
const ESCAPE: u32 = 0x452f25;
/** "DISKWRIGHT" */
const MAKER: usize = memory.data<u8>([0x44, 0x49, 0x53, 0x4b, 0x57, 0x52, 0x49, 0x47, 0x48, 0x54]);
const MAKER_LENGTH: u32 = 10;
/** "EL TORITO SPECIFICATION" */
// biome-ignore format: one word a line
const TORITO: usize = memory.data<u8>([
  0x45, 0x4c, 0x20,
  0x54, 0x4f, 0x52, 0x49, 0x54, 0x4f, 0x20,
  0x53, 0x50, 0x45, 0x43, 0x49, 0x46, 0x49, 0x43, 0x41, 0x54, 0x49, 0x4f, 0x4e,
]);
const TORITO_LENGTH: u32 = 23;

/** Writes four blocks: the descriptors, of which that of a boot image is there if the image is. */
export function descriptorsStore(build: Build, out: usize): void {
  memory.fill(out, 0, 4 * BLOCK_SIZE);
  volumeStore(build, build.plain, out);
  out += BLOCK_SIZE;
  if (build.bootLba !== 0) {
    headStore(out, DescriptorType.BOOT);
    memory.copy(out + BOOT_DESCRIPTOR_SYSTEM, TORITO, TORITO_LENGTH);
    store<u32>(out, build.catalogLba, BOOT_DESCRIPTOR_CATALOG);
    out += BLOCK_SIZE;
  }
  volumeStore(build, build.joliet, out);
  headStore(out + BLOCK_SIZE, DescriptorType.END);
}

/** Writes the boot catalog, one block: an image for EFI, not emulated. */
export function catalogStore(build: Build, out: usize): void {
  memory.fill(out, 0, BLOCK_SIZE);
  if (build.bootLba === 0) return;
  store<u8>(out, 1, VALIDATION_HEADER);
  store<u8>(out, <u8>PLATFORM_EFI, VALIDATION_PLATFORM);
  store<u16>(out, <u16>VALIDATION_MARK_VALUE, VALIDATION_MARK);
  let sum: u32 = 0;
  for (let at: u32 = 0; at < VALIDATION_SIZE; at += 2) sum += load<u16>(out + at);
  store<u16>(out, <u16>(0 - sum), VALIDATION_CHECKSUM);
  const entry = out + VALIDATION_SIZE;
  store<u8>(entry, <u8>BOOTABLE, BOOT_ENTRY_BOOTABLE);
  // What 16 bits cannot say is "to the end", and the image is the last thing but one.
  const sectors = build.bootSectors > 0xffff ? 0 : <u16>build.bootSectors;
  store<u16>(entry, sectors, BOOT_ENTRY_SECTORS);
  store<u32>(entry, build.bootLba, BOOT_ENTRY_LBA);
}

function headStore(out: usize, type: DescriptorType): void {
  store<u8>(out, <u8>type, DESCRIPTOR_TYPE);
  store<u32>(out, MAGIC_LOW, DESCRIPTOR_MAGIC);
  store<u8>(out, <u8>MAGIC_HIGH, DESCRIPTOR_MAGIC + 4);
  store<u8>(out, 1, DESCRIPTOR_VERSION);
}

function volumeStore(build: Build, view: View, out: usize): void {
  headStore(out, view.isJoliet ? DescriptorType.SUPPLEMENTARY : DescriptorType.PRIMARY);
  textStore(view, out + DESCRIPTOR_SYSTEM_ID, VOLUME_ID_SIZE, 0, 0);
  textStore(view, out + DESCRIPTOR_VOLUME_ID, VOLUME_ID_SIZE, build.label, build.labelLength);
  const texts = DESCRIPTOR_CREATED - DESCRIPTOR_SET_ID;
  textStore(view, out + DESCRIPTOR_SET_ID, texts, 0, 0);
  textStore(view, out + DESCRIPTOR_APPLICATION, 128, MAKER, MAKER_LENGTH);
  if (view.isJoliet) store<u32>(out, ESCAPE, DESCRIPTOR_ESCAPES);
  storeBoth(out + DESCRIPTOR_SPACE, build.blocks);
  storeBoth16(out + DESCRIPTOR_SET_SIZE, 1);
  storeBoth16(out + DESCRIPTOR_SEQUENCE, 1);
  storeBoth16(out + DESCRIPTOR_BLOCK_SIZE, <u16>BLOCK_SIZE);
  storeBoth(out + DESCRIPTOR_PATH_SIZE, view.pathBytes);
  store<u32>(out, view.pathLba, DESCRIPTOR_PATH_LITTLE);
  const big = view.pathLba + blocksOf(view.pathBytes);
  store<u32>(out, bswap<u32>(big), DESCRIPTOR_PATH_BIG);
  rootStore(build, view, out + DESCRIPTOR_ROOT);
  storeLongTime(out + DESCRIPTOR_CREATED, build.timestampMs);
  storeLongTime(out + DESCRIPTOR_EFFECTIVE, build.timestampMs);
  storeLongTime(out + DESCRIPTOR_MODIFIED, build.timestampMs);
  storeDigits(out + DESCRIPTOR_EXPIRES, DATE_SIZE - 1, 0);
  store<u8>(out, 1, DESCRIPTOR_STRUCTURE);
}

function rootStore(build: Build, view: View, out: usize): void {
  const place = placeAt(view, 0);
  store<u8>(out, <u8>ROOT_LENGTH);
  storeBoth(out + RECORD_LBA, place.lba);
  storeBoth(out + RECORD_BYTES, place.bytes);
  storeShortTime(out + RECORD_TIME, build.timestampMs);
  store<u8>(out, <u8>RECORD_IS_DIRECTORY, RECORD_FLAGS);
  storeBoth16(out + RECORD_SEQUENCE, 1);
  store<u8>(out, 1, RECORD_NAME_LENGTH);
}

/** ASCII text with spaces behind it; Joliet has two bytes for each character. */
function textStore(view: View, out: usize, room: u32, text: usize, length: u32): void {
  const unit: u32 = view.isJoliet ? 2 : 1;
  for (let at: u32 = 0; at + unit <= room; at += unit) {
    const index = at / unit;
    const letter: u32 = index < length ? load<u8>(text + index) : 0x20;
    if (view.isJoliet) store<u16>(out + at, <u16>(letter << 8));
    else store<u8>(out + at, <u8>letter);
  }
}
