/** A module of the product as bytes, put there by the build. */
declare module "diskwright:*.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
