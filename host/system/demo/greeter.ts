/**
 * A boot loader small enough to read: a UEFI application that prints one line and powers off. The
 * demo
 * puts it on its disk, so that the disk really boots wherever UEFI does.
 *
 * The file is a PE32+ image with one section (UEFI 2.10, 2.1.1; PE format of Microsoft):
 *
 * | offset | content                                       |
 * | -----: | --------------------------------------------- |
 * |  0x000 | MZ header, whose last field points to 0x040   |
 * |  0x040 | "PE", COFF header, optional header            |
 * |  0x148 | section table: .text, all of it at 0x1000     |
 * |  0x200 | code, then the text in UTF-16                 |
 */
const PE_HEADER = 0x40;
const OPTIONAL_HEADER = PE_HEADER + 24;
const OPTIONAL_SIZE = 0xf0;
const SECTION_TABLE = OPTIONAL_HEADER + OPTIONAL_SIZE;
const FILE_ALIGNMENT = 0x200;
const SECTION_ADDRESS = 0x1000;
const MACHINE_X64 = 0x8664;
/** Executable, large addresses. */
const CHARACTERISTICS = 0x22;
const PE32_PLUS = 0x20b;
const SUBSYSTEM_EFI_APPLICATION = 10;
/** Code, executable, readable. */
const SECTION_FLAGS = 0x60000020;

/** Prints, then asks the firmware to power off; rdx holds the system table at entry. */
const CODE = Uint8Array.of(
  ...[0x53], // push rbx: aligns the stack
  ...[0x48, 0x83, 0xec, 0x20], // sub rsp, 32: room for the callee
  ...[0x48, 0x89, 0xd3], // mov rbx, rdx
  ...[0x48, 0x8b, 0x4b, 0x40], // mov rcx, [rbx+64]: ConOut
  ...[0x48, 0x8d, 0x15, 0x19, 0x00, 0x00, 0x00], // lea rdx, [rip+25]: the text
  ...[0xff, 0x51, 0x08], // call [rcx+8]: OutputString
  ...[0x48, 0x8b, 0x43, 0x58], // mov rax, [rbx+88]: RuntimeServices
  ...[0xb9, 0x02, 0x00, 0x00, 0x00], // mov ecx, 2: EfiResetShutdown
  ...[0x31, 0xd2], // xor edx, edx: EFI_SUCCESS
  ...[0x45, 0x31, 0xc0], // xor r8d, r8d
  ...[0x45, 0x31, 0xc9], // xor r9d, r9d
  ...[0xff, 0x50, 0x68], // call [rax+104]: ResetSystem
  ...[0xeb, 0xfe], // jmp $
);

/**
 * The bytes of BOOTX64.EFI that prints `text`, ASCII without a line end, on the firmware's
 * console.
 */
export function greeter(text: string): Uint8Array {
  const code = new Uint8Array(CODE.length + (text.length + 3) * 2);
  code.set(CODE);
  const utf16 = new DataView(code.buffer, CODE.length);
  for (const [at, unit] of [...`${text}\r\n\0`].entries()) {
    utf16.setUint16(at * 2, unit.charCodeAt(0), true);
  }
  const rawSize = roundUp(code.length, FILE_ALIGNMENT);
  const image = new Uint8Array(FILE_ALIGNMENT + rawSize);
  const view = new DataView(image.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setUint32(0x3c, PE_HEADER, true);
  coffHeader(view);
  optionalHeader(view, rawSize, roundUp(code.length, SECTION_ADDRESS));
  section(view, code.length, rawSize);
  image.set(code, FILE_ALIGNMENT);
  return image;
}

function coffHeader(view: DataView): void {
  view.setUint32(PE_HEADER, 0x4550, true);
  view.setUint16(PE_HEADER + 4, MACHINE_X64, true);
  view.setUint16(PE_HEADER + 6, 1, true);
  view.setUint16(PE_HEADER + 20, OPTIONAL_SIZE, true);
  view.setUint16(PE_HEADER + 22, CHARACTERISTICS, true);
}

function optionalHeader(view: DataView, codeSize: number, loadedSize: number): void {
  const at = OPTIONAL_HEADER;
  view.setUint16(at, PE32_PLUS, true);
  view.setUint32(at + 4, codeSize, true);
  view.setUint32(at + 16, SECTION_ADDRESS, true); // entry point
  view.setUint32(at + 20, SECTION_ADDRESS, true); // base of code
  view.setUint32(at + 32, SECTION_ADDRESS, true); // section alignment
  view.setUint32(at + 36, FILE_ALIGNMENT, true);
  view.setUint32(at + 56, SECTION_ADDRESS + loadedSize, true); // size of image
  view.setUint32(at + 60, FILE_ALIGNMENT, true); // size of headers
  view.setUint16(at + 68, SUBSYSTEM_EFI_APPLICATION, true);
  view.setUint32(at + 108, 16, true); // data directories, all empty
}

function section(view: DataView, codeLength: number, rawSize: number): void {
  const at = SECTION_TABLE;
  for (const [index, letter] of [...".text"].entries()) {
    view.setUint8(at + index, letter.charCodeAt(0));
  }
  view.setUint32(at + 8, codeLength, true);
  view.setUint32(at + 12, SECTION_ADDRESS, true);
  view.setUint32(at + 16, rawSize, true);
  view.setUint32(at + 20, FILE_ALIGNMENT, true);
  view.setUint32(at + 36, SECTION_FLAGS, true);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
