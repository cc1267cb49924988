/** What vite makes of an import of a file: its address. */
declare module "*.wasm?url" {
  const address: string;
  export default address;
}
