/** El Torito: where the boot image for EFI firmware is. */
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  BLOCK_SECTORS,
  BLOCK_SIZE,
  BOOT_ENTRY_BOOTABLE,
  BOOT_ENTRY_LBA,
  BOOT_ENTRY_MEDIA,
  BOOT_ENTRY_SECTORS,
  BOOT_ENTRY_SIZE,
  BOOTABLE,
  PLATFORM_EFI,
  SECTION_ENTRIES,
  SECTION_HEADER,
  SECTION_LAST,
  SECTION_MORE,
  SECTION_PLATFORM,
  VALIDATION_CHECKSUM,
  VALIDATION_HEADER,
  VALIDATION_MARK,
  VALIDATION_MARK_VALUE,
  VALIDATION_PLATFORM,
  VALIDATION_SIZE,
} from "../../format/media/iso";
import { Iso, isoFail, isoMoreRead } from "./volume";

/** What bootFind() found, in sectors of 512 bytes. */
let sector: u64 = 0;
let sectors: u64 = 0;

export function bootSector(): u64 {
  return sector;
}

export function bootSectors(): u64 {
  return sectors;
}

/**
 * Finds the first image for EFI that is bootable and not emulated: 1, 0 if there is none, or
 * EBADMSG, EIO.
 */
export function bootFind(iso: Iso): i32 {
  sector = 0;
  sectors = 0;
  if (iso.catalog === 0) return 0;
  const code = isoMoreRead(iso, iso.catalog);
  if (code !== ErrorCode.OK) return code;
  const catalog = iso.more;
  if (!validationRight(catalog)) {
    return isoFail(iso, Reason.ISO_CATALOG, iso.catalog, VALIDATION_CHECKSUM);
  }
  if (<u32>load<u8>(catalog, VALIDATION_PLATFORM) === PLATFORM_EFI) {
    const found = takeEntry(iso, catalog + VALIDATION_SIZE);
    if (found !== 0) return found;
  }
  return findSection(iso, catalog);
}

/** Sections follow the first entry; one begins with a header that counts its entries. */
function findSection(iso: Iso, catalog: usize): i32 {
  let at = VALIDATION_SIZE + BOOT_ENTRY_SIZE;
  while (at + BOOT_ENTRY_SIZE <= BLOCK_SIZE) {
    const header = <u32>load<u8>(catalog + at, SECTION_HEADER);
    if (header !== SECTION_MORE && header !== SECTION_LAST) return 0;
    const isEfi = <u32>load<u8>(catalog + at, SECTION_PLATFORM) === PLATFORM_EFI;
    let entries = <u32>load<u16>(catalog + at, SECTION_ENTRIES);
    at += BOOT_ENTRY_SIZE;
    for (; entries > 0 && at + BOOT_ENTRY_SIZE <= BLOCK_SIZE; entries--) {
      const found = isEfi ? takeEntry(iso, catalog + at) : 0;
      if (found !== 0) return found;
      at += BOOT_ENTRY_SIZE;
    }
    if (header === SECTION_LAST) return 0;
  }
  return 0;
}

function takeEntry(iso: Iso, entry: usize): i32 {
  const bootable = <u32>load<u8>(entry, BOOT_ENTRY_BOOTABLE) === BOOTABLE;
  if (!bootable || (load<u8>(entry, BOOT_ENTRY_MEDIA) & 15) !== 0) return 0;
  const lba = load<u32>(entry, BOOT_ENTRY_LBA);
  const count = <u64>load<u16>(entry, BOOT_ENTRY_SECTORS);
  const end = <u64>iso.blocks * <u64>BLOCK_SECTORS;
  const first = <u64>lba * <u64>BLOCK_SECTORS;
  // UEFI 2.10, 13.3.2.1: 0 and 1 mean up to the end.
  const length = count < 2 ? (first < end ? end - first : 0) : count;
  if (lba === 0 || length === 0 || first + length > end) {
    return isoFail(iso, Reason.ISO_CATALOG, iso.catalog, BOOT_ENTRY_LBA);
  }
  sector = first;
  sectors = length;
  return 1;
}

function validationRight(entry: usize): bool {
  let sum: u32 = 0;
  for (let at: u32 = 0; at < VALIDATION_SIZE; at += 2) sum += load<u16>(entry + at);
  return (
    (sum & 0xffff) === 0 &&
    load<u8>(entry, VALIDATION_HEADER) === 1 &&
    <u32>load<u16>(entry, VALIDATION_MARK) === VALIDATION_MARK_VALUE
  );
}
